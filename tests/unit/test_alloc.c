/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each allocation of the core failed in turn: what a room makes is then refused
 * with a status or comes out smaller, and nothing crashes. One process for each
 * failure, so that one crash hides no other.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <apr_tables.h>

#include "fake_symbols.h"
#include "lpp_gate.h"
#include "lpp_oops.h"
#include "lpp_ring.h"
#include "lpp_sqlfilter.h"
#include "lpp_store.h"
#include "lpp_trigger.h"
#include "lpp_writer.h"

#define MOST 5000

static int left = -1; /* allocations until one fails; -1: none does */
static int failed;

static int fails(void)
{
    if (left < 0) {
        return 0;
    }
    if (left-- > 0) {
        return 0;
    }
    failed = 1;
    return 1;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

void *__real_apr_palloc(apr_pool_t *pool, apr_size_t size);
void *__wrap_apr_palloc(apr_pool_t *pool, apr_size_t size);
void *__wrap_apr_palloc(apr_pool_t *pool, apr_size_t size)
{
    return fails() ? NULL : __real_apr_palloc(pool, size);
}

void *__real_apr_pcalloc(apr_pool_t *pool, apr_size_t size);
void *__wrap_apr_pcalloc(apr_pool_t *pool, apr_size_t size);
void *__wrap_apr_pcalloc(apr_pool_t *pool, apr_size_t size)
{
    return fails() ? NULL : __real_apr_pcalloc(pool, size);
}

char *__real_apr_pstrdup(apr_pool_t *pool, const char *text);
char *__wrap_apr_pstrdup(apr_pool_t *pool, const char *text);
char *__wrap_apr_pstrdup(apr_pool_t *pool, const char *text)
{
    return fails() ? NULL : __real_apr_pstrdup(pool, text);
}

char *__real_apr_pstrmemdup(apr_pool_t *pool, const char *text, apr_size_t len);
char *__wrap_apr_pstrmemdup(apr_pool_t *pool, const char *text, apr_size_t len);
char *__wrap_apr_pstrmemdup(apr_pool_t *pool, const char *text, apr_size_t len)
{
    return fails() ? NULL : __real_apr_pstrmemdup(pool, text, len);
}

char *__wrap_apr_psprintf(apr_pool_t *pool, const char *format, ...);
char *__wrap_apr_psprintf(apr_pool_t *pool, const char *format, ...)
{
    va_list args;
    char *text;

    if (fails()) {
        return NULL;
    }
    va_start(args, format);
    text = apr_pvsprintf(pool, format, args);
    va_end(args);
    return text;
}

static apr_status_t count_bytes(void *baton, const char *data, apr_size_t len)
{
    *(apr_size_t *)baton += len;
    return APR_SUCCESS;
}

static apr_status_t trigger(apr_pool_t *pool)
{
    lpp_plan_t *plan;

    return lpp_trigger_parse("/a/++profile++show&callgrind&sqltrace:includes%20"
                             "x%7cendswith y/b/../c", &plan, pool);
}

static apr_status_t sqlfilter(apr_pool_t *pool)
{
    lpp_sqlfilter_t *filter;

    return lpp_sqlfilter_parse("startswith SELECT | includes a | x y | endswith"
                               " b", &filter, pool);
}

static apr_status_t ring(apr_pool_t *pool)
{
    lpp_ring_t *made;

    return lpp_ring_create(&made, pool);
}

static apr_status_t gate(apr_pool_t *pool)
{
    apr_global_mutex_t *mutex;
    lpp_gate_t *made;
    apr_status_t status = apr_global_mutex_create(&mutex, NULL,
                                                  APR_LOCK_DEFAULT, pool);

    return status != APR_SUCCESS ? status : lpp_gate_create(&made, mutex, pool);
}

static apr_status_t oops(apr_pool_t *pool, int bson)
{
    apr_size_t bytes = 0;
    lpp_sink_t sink = { count_bytes, &bytes };
    lpp_oops_t *made;
    apr_status_t status = lpp_oops_create(
        &made, "OOPS-0123456789abcdef0123456789abcdef", pool);
    int i;

    if (status != APR_SUCCESS) {
        return status;
    }
    made->type = "a\nb";
    made->url = "http://me:pw@h/?token=x&a=http%3A%2F%2Fq%3Fsecret%3D1";
    made->tb_text = "Traceback (most recent call last):\n  File \"a\"\n";
    for (i = 0; i < 40; i++) {
        lpp_oops_add_var(made, "HTTP_REFERER", "http://u:p@h/?password=x\xff",
                         NULL);
        lpp_oops_add_event(made, i, i + 1, "sql", "select '\xc3'");
    }
    return bson ? lpp_oops_write_bson(made, &sink, pool)
                : lpp_oops_write_rfc822(made, &sink, pool);
}

static apr_status_t oops_rfc822(apr_pool_t *pool)
{
    return oops(pool, 0);
}

static apr_status_t oops_bson(apr_pool_t *pool)
{
    return oops(pool, 1);
}

static const char *const functions[] = {
    "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"
};

static apr_status_t make_view(const lpp_view_t **view, apr_pool_t *pool)
{
    static const lpp_view_about_t about = {
        "OOPS-0123456789abcdef0123456789abcdef", "a:b", "/", "h", "GET",
        APR_TIME_C(1700000000123456), 4711, 4712, 1 };
    static const lpp_weight_t weight = { 1000000, 500000, 1 };
    lpp_profile_t *profile;
    lpp_pc_t stack[20];
    unsigned i, j;
    apr_status_t status = lpp_profile_create(&profile, 0, pool);

    if (status != APR_SUCCESS) {
        return status;
    }
    fake_names = functions;
    profile->honesty.unwinder = "table";
    profile->total.wall_ns = 40000000;
    profile->total.cpu_ns = 20000000;
    for (i = 0; i < 30; i++) {
        for (j = 0; j < 20; j++) {
            stack[j] = FAKE_PC(1, (i + j) % 14, (i * j) % 7);
        }
        lpp_profile_add(profile, stack, 20, &weight);
    }
    return lpp_view_create(view, profile, NULL, NULL, &about, pool);
}

static apr_status_t writers(apr_pool_t *pool)
{
    const lpp_view_t *view;
    apr_size_t bytes = 0;
    lpp_sink_t sink = { count_bytes, &bytes };
    apr_status_t status = make_view(&view, pool);
    int format;

    for (format = 0; status == APR_SUCCESS && format < LPP_FORMAT_COUNT;
         format++) {
        status = lpp_writer_get(format)->write(view, &sink, pool);
    }
    return status;
}

static apr_status_t names(apr_pool_t *pool)
{
    lpp_store_entry_t entry;
    const char *stem = lpp_store_stem(
        1, "a:b", "OOPS-0123456789abcdef0123456789abcdef", 1, 2, pool);
    const char *name = stem ? lpp_store_name(stem, LPP_FORMAT_PSTATS, pool)
                            : NULL;

    return name && lpp_store_parse_name(name, &entry, pool) ? APR_SUCCESS
                                                            : APR_ENOMEM;
}

static apr_status_t store(apr_pool_t *pool)
{
    char path[] = "/tmp/lpp-alloc-XXXXXX";
    lpp_store_t *made = NULL;
    apr_array_header_t *list;
    apr_status_t status;
    int kept = left;

    left = -1;
    assert_non_null(mkdtemp(path));
    left = kept;
    status = lpp_store_open(&made, path, pool);
    if (status == APR_SUCCESS) {
        status = lpp_store_list(made, NULL, 0, &list, pool);
    }
    rmdir(path);
    return status;
}

/* In a process of its own: 0 fine, 1 it was refused, 2 no allocation failed. */
static int run_one(apr_status_t (*scenario)(apr_pool_t *), int number)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        apr_pool_t *pool;
        apr_status_t got;

        signal(SIGSEGV, SIG_DFL); /* cmocka's would go on with the tests */
        signal(SIGBUS, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        apr_pool_create(&pool, NULL);
        left = number;
        got = scenario(pool);
        left = -1;
        apr_pool_destroy(pool);
        _exit(!failed ? (got == APR_SUCCESS ? 2 : 3) : got != APR_SUCCESS);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void each_in_turn(const char *name,
                         apr_status_t (*scenario)(apr_pool_t *))
{
    int number, refused = 0, crashed = 0, got = 0;

    for (number = 0; number < MOST && got != 2; number++) {
        got = run_one(scenario, number);
        assert_int_not_equal(got, 3); /* refused without a reason */
        refused += got == 1;
        if (got < 0) {
            print_error("%s: signal %d when allocation %d failed\n", name, -got,
                        number);
            crashed++;
        }
    }
    print_message("%s: %d allocations, %d refused\n", name, number - 1,
                  refused);
    assert_int_equal(crashed, 0);
    assert_int_equal(got, 2);
    assert_true(number > 1 && refused > 0);
}

#define ROOM(name)                                                            \
    static void test_##name(void **state)                                     \
    {                                                                         \
        each_in_turn(#name, name);                                            \
    }

ROOM(trigger)
ROOM(sqlfilter)
ROOM(ring)
ROOM(gate)
ROOM(oops_rfc822)
ROOM(oops_bson)
ROOM(writers)
ROOM(names)
ROOM(store)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trigger),     cmocka_unit_test(test_sqlfilter),
        cmocka_unit_test(test_ring),        cmocka_unit_test(test_gate),
        cmocka_unit_test(test_oops_rfc822), cmocka_unit_test(test_oops_bson),
        cmocka_unit_test(test_writers),     cmocka_unit_test(test_names),
        cmocka_unit_test(test_store)
    };
    int result;

    apr_initialize();
    result = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return result;
}
