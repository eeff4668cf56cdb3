/* SPDX-License-Identifier: Apache-2.0 */
/* interp_python_world: see interp_python_world.h. */
#include "interp_python_world.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>

apr_pool_t *pool;
lpp_interp_python_t python;
lpp_interp_found_t found;
lpp_interp_seen_t *seen;
lpp_page_frame_t frames[LPP_SNAPSHOT_PAGE_FRAMES];

/* Python frees little when its process ends. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

static void rescue(int number, siginfo_t *info, void *context)
{
    if (!lpp_peek_rescue(info, context)) {
        signal(number, SIG_DFL);
    }
}

void take_faults(void)
{
    struct sigaction action = { 0 };

    action.sa_sigaction = rescue;
    action.sa_flags = SA_SIGINFO;
    assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
    assert_int_equal(sigaction(SIGBUS, &action, NULL), 0);
}

void run(const char *format, ...)
{
    char text[65536];
    int (*simple)(const char *, void *) =
        (int (*)(const char *, void *))dlsym(RTLD_DEFAULT,
                                             "PyRun_SimpleStringFlags");
    va_list values;

    take_faults();
    va_start(values, format);
    vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    assert_int_equal(simple(text, NULL), 0);
}

void walk(lpp_interp_python_t *interpreter, lpp_interp_walk_t *made,
          const apr_uint64_t *regs)
{
    made->regs = regs;
    made->seen = seen;
    made->frames = frames;
    made->count = made->flags = 0;
    made->steps = LPP_INTERP_STEPS_MAX;
    lpp_interp_python_walk(interpreter, made);
}

static void *load(void)
{
    static const char *const names[] = { "libpython3.11.so.1.0",
                                         "libpython3.13.so.1.0" };
    unsigned i;

    for (i = 0; i < LPP_COUNT(names); i++) {
        void *library = dlopen(names[i], RTLD_NOW | RTLD_GLOBAL);

        if (library != NULL) {
            return library;
        }
    }
    return NULL;
}

int start_python(void **state)
{
    void *library = load();

    (void)state;
    if (library == NULL) {
        fprintf(stderr, "No libpython: install libpython3-dev.\n");
        return -1;
    }
    take_faults();
    apr_initialize();
    if (apr_pool_create(&pool, NULL) != APR_SUCCESS
        || lpp_interp_seen_create(&seen, pool) != APR_SUCCESS) {
        return -1;
    }
    lpp_interp_seen_reset(seen);
    ((void (*)(int))dlsym(library, "Py_InitializeEx"))(0);
    lpp_interp_python_find(&python, &found);
    run("import sys; sys.path.insert(0, '" SCRIPTS "');"
        "sys.dont_write_bytecode = True");
    return 0;
}
