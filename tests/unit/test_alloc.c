/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it forks by the hundred */
/* Each allocation failed in turn in the rooms of text, files and the gate. */
#include "fail_alloc.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include <apr_tables.h>

#include "profile/lpp_calls.h"
#include "sql/lpp_dbd_internal.h"
#include "gate/lpp_gate.h"
#include "base/lpp_jobs.h"
#include "store/lpp_retention.h"
#include "oops/lpp_oops.h"
#include "profile/lpp_regions.h"
#include "sampling/lpp_ring_internal.h"
#include "parse/lpp_sqlfilter.h"
#include "parse/lpp_sqltext.h"
#include "store/lpp_store.h"
#include "parse/lpp_trigger.h"

#define ID "OOPS-0123456789abcdef0123456789abcdef"

static apr_status_t trigger(apr_pool_t *pool)
{
    static const char path[] = "/a/++profile++show&callgrind&sqltrace:includes"
                               "%20x%7cendswith y/b/../c";
    lpp_plan_t *plan;
    apr_status_t status = lpp_trigger_parse(path, &plan, pool);

    if (status != APR_SUCCESS) {
        return status;
    }
    return lpp_trigger_put_back(plan, path, "/a/b/", pool)
            && lpp_trigger_strip_line("GET /++profile++/a HTTP/1.1", pool)
            && lpp_trigger_decode("a%20b", 5, pool)
        ? APR_SUCCESS
        : APR_ENOMEM;
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
    apr_status_t status = lpp_oops_create(&made, ID, pool);
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

static apr_status_t names(apr_pool_t *pool)
{
    lpp_store_entry_t entry;
    const char *stem = lpp_store_stem(
        1, "a:b", ID, 1, 2, pool);
    const char *name = stem ? lpp_store_name(stem, LPP_FORMAT_PSTATS, pool)
                            : NULL;

    return name && lpp_store_parse_name(name, &entry, pool) ? APR_SUCCESS
                                                            : APR_ENOMEM;
}

/* A directory of the test's own; path gets its name. */
#define DIRECTORY "/tmp/lpp-alloc-XXXXXX"
static void make_directory(char *path)
{
    int kept = cannot_fail();

    MUST(mkdtemp(path));
    may_fail(kept);
}

static void remove_directory(const char *path)
{
    char command[100];

    cannot_fail();
    snprintf(command, sizeof(command), "rm -rf %s", path);
    MUST(system(command) == 0);
}

static apr_status_t write_file(lpp_store_t *opened, const char *subdirectory,
                               const char *name, const char *text,
                               apr_pool_t *pool)
{
    lpp_store_file_t *file;
    apr_status_t status = lpp_store_begin(opened, subdirectory, name, &file,
                                          pool);

    if (status == APR_SUCCESS) {
        status = lpp_sink_write(lpp_store_sink(file), text, strlen(text));
        if (status != APR_SUCCESS) {
            lpp_store_abort(file);
            return status;
        }
        status = lpp_store_finish(file, NULL);
    }
    return status;
}

static apr_status_t use_store(const char *path, apr_pool_t *pool)
{
    const char *why, *warning;
    lpp_store_t *opened;
    apr_array_header_t *list;
    apr_file_t *file;
    apr_status_t status = lpp_store_prepare(path, getuid(), getgid(), 0,
                                            &why, &warning, pool);

    if (status == APR_SUCCESS) {
        status = lpp_store_open(&opened, path, pool);
    }
    if (status == APR_SUCCESS) {
        status = write_file(opened, NULL, "callgrind.out.2026-11-22_15:34:46."
                            "123-P:v-" ID "-1.2", "text", pool);
    }
    if (status == APR_SUCCESS) {
        status = write_file(opened, "2026-11-22", ID, "text", pool);
    }
    if (status == APR_SUCCESS) {
        status = lpp_store_list(opened, NULL, 0, &list, pool);
    }
    if (status == APR_SUCCESS) {
        status = list->nelts == 1
            ? lpp_store_open_file(opened, "2026-11-22", ID, &file, pool)
            : APR_ENOMEM;
    }
    if (status == APR_SUCCESS) {
        lpp_store_sweep(opened, "2026-11-22");
    }
    return status;
}

static apr_status_t store(apr_pool_t *pool)
{
    char path[] = DIRECTORY;
    apr_status_t status;

    make_directory(path);
    status = use_store(path, pool);
    remove_directory(path);
    return status;
}

/* Seconds that have passed for those who ask the monotonic clock. */
static int skipped_s;

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    int rc = __real_clock_gettime(clock, now);

    if (clock == CLOCK_MONOTONIC) {
        now->tv_sec += skipped_s;
    }
    return rc;
}

/* A profile with two files and its OOPS, old enough to go. */
static void fill(const char *path)
{
    static const char *const names[] = {
        "callgrind.out.2026-11-22_15:34:46.123-P:v-" ID "-1.2",
        "2026-11-22_15:34:46.123-P:v-" ID "-1.2.prof", "2026-11-22/" ID
    };
    const struct timespec old[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
    char name[200];
    unsigned i;

    snprintf(name, sizeof(name), "%s/2026-11-22", path);
    mkdir(name, 0700);
    for (i = 0; i < LPP_COUNT(names); i++) {
        FILE *file;

        snprintf(name, sizeof(name), "%s/%s", path, names[i]);
        file = fopen(name, "w");
        MUST(file);
        fprintf(file, "Oops-Id: " ID "\nBranch: " LPP_NAME
                "\nInformational: True\n\n");
        fclose(file);
        utimensat(AT_FDCWD, name, old, 0);
    }
}

static apr_status_t retention(apr_pool_t *pool)
{
    char path[] = DIRECTORY;
    lpp_retention_result_t result;
    lpp_retention_t *made;
    apr_status_t status;
    int kept = cannot_fail();

    make_directory(path);
    fill(path);
    may_fail(kept);
    status = lpp_retention_create(&made, &lpp_retention_rule_default, pool);
    if (status == APR_SUCCESS) {
        lpp_retention_add_profiles(made, path);
        lpp_retention_add_oopses(made, path);
        lpp_retention_wrote(made, 100);
        skipped_s = 120; /* it is due */
        status = lpp_retention_pass(made, &result, pool);
        if (status == APR_SUCCESS && result.removed_files != 3) {
            status = APR_ENOMEM;
        }
    }
    remove_directory(path);
    return status;
}

static void job(void *baton)
{
    atomic_store((atomic_int *)baton, 1);
}

static apr_status_t jobs(apr_pool_t *pool)
{
    static atomic_int ran;
    lpp_jobs_t *made;
    apr_status_t status = lpp_jobs_create(&made, pool);

    if (status == APR_SUCCESS) {
        status = lpp_jobs_submit(made, job, &ran);
    }
    while (status == APR_SUCCESS && !atomic_load(&ran)) {
        usleep(1000);
    }
    return status;
}

/* Never fail: what has no room is counted. */
static apr_status_t regions(apr_pool_t *pool)
{
    lpp_regions_t *made = lpp_regions_create(pool);
    apr_uint32_t count;
    char name[20];
    int i;

    if (!made) {
        return APR_ENOMEM;
    }
    for (i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "region %d", i % 30);
        lpp_regions_enter(made, name, i % 2, i);
        if (i % 3) {
            lpp_regions_leave(made, i + 1);
        }
    }
    lpp_regions_leave_all(made, 400);
    count = lpp_regions_count(made);
    for (i = 0; i < (int)count; i++) {
        MUST(lpp_regions_get(made, (apr_uint32_t)i, 500).name);
    }
    MUST(lpp_regions_sums(made, &count));
    return lpp_regions_dropped(made) == 0 ? APR_SUCCESS : APR_ENOMEM;
}

static apr_status_t calls(apr_pool_t *pool)
{
    static const lpp_hook_t hooks[] = { { "fixups", "mod_f.c", hooks, 0 },
                                        { "handler", "mod_g.c", hooks, 0 } };
    const lpp_calls_table_t *table;
    lpp_calls_t *made;
    apr_uint32_t scope = 0, count;
    char path[20];
    apr_status_t status = lpp_calls_create(&made, hooks, 0, pool);
    int i;

    if (status != APR_SUCCESS) {
        return status;
    }
    for (i = 0; i < 50; i++) {
        unsigned outer = lpp_calls_enter(made, scope, 0);
        unsigned inner = lpp_calls_enter(made, scope, 1);

        snprintf(path, sizeof(path), "/%d", i);
        scope = lpp_calls_begin_scope(made, scope, LPP_SCOPE_SUBREQUEST, path);
        lpp_calls_leave(made, inner, &i, 1);
        lpp_calls_leave(made, outer, NULL, 0);
    }
    lpp_calls_spans(made, &count);
    table = lpp_calls_table(made, pool);
    return table && table->dropped == 0 && table->scope_count == 51
        ? APR_SUCCESS
        : APR_ENOMEM;
}

static apr_status_t sqltext(apr_pool_t *pool)
{
    const char *text = lpp_sqltext_mask("SELECT 'a' FROM t -- b",
                                        LPP_SQLTEXT_ANSI, pool);
    const char *error = lpp_sqltext_mask_error("no \"x\" 7\nmore", pool);
    const char *name = lpp_sqltext_database("pgsql", "host=h dbname=x", pool);

    /* what could not be hidden must not come out */
    MUST(!text || !strstr(text, "'a'"));
    MUST(!error || !strchr(error, 'x'));
    return text && *text && error && *error && name ? APR_SUCCESS
                                                    : APR_ENOMEM;
}

static apr_status_t dbd(apr_pool_t *pool)
{
    static lpp_dbd_driver_t driver = { .name = "pgsql" };
    static char handle, statement;
    lpp_dbd_call_t call;
    apr_status_t status = lpp_dbd_add_connection((apr_dbd_t *)&handle, &driver,
                                                 "pgsql:h/shop", pool);

    if (status != APR_SUCCESS) {
        return status;
    }
    lpp_dbd_remember((apr_dbd_t *)&handle,
                     (const apr_dbd_prepared_t *)&statement, "label",
                     "SELECT ?", pool);
    memset(&call, 0, sizeof(call));
    lpp_dbd_describe((apr_dbd_t *)&handle,
                     (const apr_dbd_prepared_t *)&statement, &call);
    MUST(call.database && call.driver);
    return call.text && call.label && call.database != call.driver
        ? APR_SUCCESS
        : APR_ENOMEM;
}

ROOM(trigger)
ROOM(sqlfilter)
ROOM(ring)
ROOM(gate)
ROOM(oops_rfc822)
ROOM(oops_bson)
ROOM(names)
ROOM(store)
ROOM(retention)
ROOM(jobs)
ROOM(regions)
ROOM(calls)
ROOM(sqltext)
ROOM(dbd)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trigger),     cmocka_unit_test(test_sqlfilter),
        cmocka_unit_test(test_ring),        cmocka_unit_test(test_gate),
        cmocka_unit_test(test_oops_rfc822), cmocka_unit_test(test_oops_bson),
        cmocka_unit_test(test_names),       cmocka_unit_test(test_store),
        cmocka_unit_test(test_retention),        cmocka_unit_test(test_jobs),
        cmocka_unit_test(test_regions),     cmocka_unit_test(test_calls),
        cmocka_unit_test(test_sqltext),     cmocka_unit_test(test_dbd)
    };

    return RUN_ROOMS(tests);
}
