/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpp_test_storm: for tests: /storm?MS uses that much CPU time in objects
 * that it loads and unloads all the time, while other threads of the process do
 * the same, allocate, throw and fork. Says how often each did. The objects lie
 * in the directory $LPP_STORM_DIR.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <httpd.h>
#include <apr_strings.h>
#include <http_config.h>
#include <http_protocol.h>

module AP_MODULE_DECLARE_DATA lpp_test_storm_module;

#define NOINLINE __attribute__((noinline, noclone, used))

enum { LOADS, MALLOCS, THROWS, FORKS, OTHERS };

typedef struct storm_t {
    atomic_int stop;
    atomic_long done[OTHERS];
    atomic_int faults;
    const char *dir;
    char *other; /* an object for the threads to load */
    int (*throw_once)(void);
} storm_t;

typedef struct part_t {
    storm_t *storm;
    int what;
    pthread_t thread;
} part_t;

void storm_call_a(void *object);
void storm_call_b(void *object);

static void call(void *object, const char *name)
{
    void (*work)(long turns);
    void *found = dlsym(object, name);

    memcpy(&work, &found, sizeof(work));
    if (work != NULL) {
        work(1500000);
    }
}

NOINLINE void storm_call_a(void *object)
{
    call(object, "plugin_a_work");
    __asm__ volatile("" : : : "memory");
}

NOINLINE void storm_call_b(void *object)
{
    call(object, "plugin_b_other");
    __asm__ volatile("" : : : "memory");
}

static void fork_once(storm_t *storm)
{
    static const struct timespec nap = { 0, 3000000 };
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        _exit(7);
    }
    if (pid > 0 && (waitpid(pid, &status, 0) != pid
                    || WEXITSTATUS(status) != 7)) {
        atomic_fetch_add(&storm->faults, 1);
    }
    nanosleep(&nap, NULL);
}

static void malloc_once(unsigned *seed)
{
    void *pieces[32];
    int i;

    for (i = 0; i < 32; i++) {
        pieces[i] = malloc((size_t)(rand_r(seed) % 20000) + 1);
    }
    for (i = 0; i < 32; i++) {
        free(pieces[i]);
    }
}

static void *other_main(void *baton)
{
    part_t *part = baton;
    storm_t *storm = part->storm;
    unsigned seed = 1;

    while (!atomic_load(&storm->stop)) {
        switch (part->what) {
        case LOADS: {
            void *object = dlopen(storm->other, RTLD_NOW | RTLD_LOCAL);

            if (object == NULL || dlclose(object) != 0) {
                atomic_fetch_add(&storm->faults, 1);
            }
            break;
        }
        case MALLOCS:
            malloc_once(&seed);
            break;
        case THROWS:
            if (!storm->throw_once()) {
                atomic_fetch_add(&storm->faults, 1);
            }
            break;
        default:
            fork_once(storm);
        }
        atomic_fetch_add(&storm->done[part->what], 1);
    }
    return NULL;
}

/* CPU time of this thread: what is done within it is the same on a machine that
 * others use. */
static long cpu_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* a and b in turn, mostly at the same address. Returns how often it was. */
static long reload_and_call(request_rec *r, storm_t *storm, long ms)
{
    const char *a = apr_pstrcat(r->pool, storm->dir, "/plugin_a.so", NULL);
    const char *b = apr_pstrcat(r->pool, storm->dir, "/plugin_b.so", NULL);
    long until = cpu_ms() + ms, same = 0;
    void *last = NULL;
    int turn;

    for (turn = 0; cpu_ms() < until; turn++) {
        void *object = dlopen(turn & 1 ? b : a, RTLD_NOW | RTLD_LOCAL);
        void *place;

        if (object == NULL) {
            atomic_fetch_add(&storm->faults, 1);
            break;
        }
        place = (char *)dlsym(object, turn & 1 ? "plugin_b_work"
                                               : "plugin_a_work");
        same += last != NULL && ((size_t)place ^ (size_t)last) < 4096;
        last = place;
        (turn & 1 ? storm_call_b : storm_call_a)(object);
        dlclose(object);
    }
    return same;
}

static int storm_handler(request_rec *r)
{
    part_t parts[OTHERS];
    storm_t *storm;
    void *found = dlsym(RTLD_DEFAULT, "lpp_cxx_throw");
    long same;
    int i;

    if (r->handler == NULL || strcmp(r->handler, "lpp-storm") != 0) {
        return DECLINED;
    }
    storm = apr_pcalloc(r->pool, sizeof(*storm));
    storm->dir = getenv("LPP_STORM_DIR");
    if (storm->dir == NULL || found == NULL || r->args == NULL) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    memcpy(&storm->throw_once, &found, sizeof(found));
    storm->other = apr_pstrcat(r->pool, storm->dir, "/plugin_c.so", NULL);
    for (i = 0; i < OTHERS; i++) {
        parts[i].storm = storm;
        parts[i].what = i;
        if (pthread_create(&parts[i].thread, NULL, other_main, &parts[i])
            != 0) {
            abort();
        }
    }
    same = reload_and_call(r, storm, atol(r->args));
    atomic_store(&storm->stop, 1);
    for (i = 0; i < OTHERS; i++) {
        pthread_join(parts[i].thread, NULL);
    }
    ap_set_content_type(r, "text/plain");
    ap_rprintf(r, "%d;%ld;%ld;%ld;%ld;%ld\n", atomic_load(&storm->faults),
               same, atomic_load(&storm->done[LOADS]),
               atomic_load(&storm->done[MALLOCS]),
               atomic_load(&storm->done[THROWS]),
               atomic_load(&storm->done[FORKS]));
    return OK;
}

static void register_hooks(apr_pool_t *p)
{
    ap_hook_handler(storm_handler, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(lpp_test_storm) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks
};
