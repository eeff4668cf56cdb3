/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it forks by the hundred */
/* Each allocation failed in turn in the rooms that make something of a profile:
 * tree, view, files, sums, the saved form, SQL, pages. */
#include "fail_alloc.h"

#include <fcntl.h>

#include <apr_tables.h>

#include "fake_symbols.h"
#include "saved/lpp_aggregate.h"
#include "saved/lpp_diff.h"
#include "report/lpp_report_pages.h"
#include "saved/lpp_saved.h"
#include "formats/lpp_writer.h"

#define ID "OOPS-0123456789abcdef0123456789abcdef"
#define HOST "www.example.org:80"

#define ADDRESS(function) \
    ((const void *)(apr_uintptr_t)FAKE_PC(1, function, 0))
static lpp_call_t calls[] = {
    { 0, "fixups", "mod_a.c", ADDRESS(5), 0, 5, 4000, 3000, 500, 4000, 3000,
      500, 0, -1, 1, 0 },
    { 1, "handler", "mod_b.c", ADDRESS(6), 0, 2, 2000000, 1000000, 0,
      1500000, 700000, 0, 1, 0, 1, 0 }
};
static const lpp_scope_t scopes[] = {
    { LPP_SCOPE_REQUEST, "", 1, LPP_CALLS_NONE, LPP_CALLS_NONE },
    { LPP_SCOPE_SUBREQUEST, "/part", 3, 0, 0 }
};
static const lpp_calls_table_t counted = { calls, LPP_COUNT(calls), scopes,
    LPP_COUNT(scopes), 0, 0, NULL, 0 };

static const char *const functions[] = {
    "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"
};

static const lpp_page_function_t script[] = {
    { LPP_LANGUAGE_NONE, 0, LPP_PAGE_MORE_NAME, "", 0 },
    { LPP_LANGUAGE_PHP, 0, "render", "/srv/a.php", 3 },
    { LPP_LANGUAGE_PHP, 0, "render", "/srv/a.php", 9 },
    { LPP_LANGUAGE_PHP, 0, "page", "/srv/a.php", 20 }
};

static apr_status_t make_view(const lpp_view_t **view, apr_pool_t *pool)
{
    static const lpp_view_about_t about = {
        ID, "a:b", "/", "h", "GET",
        APR_TIME_C(1700000000123456), 4711, 4712, 1 };
    static const lpp_weight_t weight = { 1000000, 500000, 0, 1 };
    lpp_profile_t *profile;
    lpp_pc_t stack[20];
    unsigned i, j;
    apr_status_t status = lpp_profile_create(&profile, 0, pool);

    if (status != APR_SUCCESS) {
        return status;
    }
    fake_names = functions;
    fake_pages = script;
    profile->statistics.unwinder = "table";
    profile->total.wall_ns = 40000000;
    profile->total.cpu_ns = 20000000;
    for (i = 0; i < 30; i++) {
        for (j = 0; j < 20; j++) {
            stack[j] = j % 5 == 2 ? LPP_PAGE_PC(i % 4, j + i % 2)
                : FAKE_PC(1, (i + j) % 14, (i * j) % 7);
        }
        lpp_profile_add(profile, stack, 20, &weight);
    }
    profile->calls = &counted;
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

static apr_status_t clone_and_merge(apr_pool_t *pool)
{
    static const lpp_weight_t weight = { 1000000, 500000, 0, 1 };
    lpp_profile_t *profile, *clone;
    lpp_pc_t stack[20];
    unsigned i, j;
    apr_status_t status = lpp_profile_create(&profile, 0, pool);

    for (i = 0; i < 200 && status == APR_SUCCESS; i++) {
        for (j = 0; j < 20; j++) {
            stack[j] = FAKE_PC(1, i, j);
        }
        lpp_profile_add(profile, stack, 20, &weight);
    }
    if (status == APR_SUCCESS) {
        status = lpp_profile_clone(profile, &clone, pool);
    }
    if (status != APR_SUCCESS) {
        return status;
    }
    lpp_profile_merge(clone, profile);
    /* the totals are right whatever had no room */
    MUST(clone->statistics.samples == 400);
    return clone->statistics.overflowed ? APR_ENOMEM : APR_SUCCESS;
}

/* Two statements alike from one place, and one that failed elsewhere. */
static apr_status_t make_sql(const lpp_sqlview_t **view, apr_pool_t *pool)
{
    static const lpp_pc_t stacks[] = { FAKE_PC(1, 1, 0), FAKE_PC(1, 0, 0),
                                       FAKE_PC(2, 4, 0), FAKE_PC(1, 0, 0) };
    lpp_sqllog_t *log;
    apr_status_t status = lpp_sqllog_create(&log, 1, NULL, pool);
    unsigned i;

    fake_names = functions;
    for (i = 0; i < 3 && status == APR_SUCCESS; i++) {
        lpp_sql_statement_t given;
        int index;

        memset(&given, 0, sizeof(given));
        given.text = i < 2 ? "SELECT x FROM t WHERE y = 7" : "DELETE FROM z";
        given.bytes = strlen(given.text);
        given.database = "pgsql:localhost/shop";
        given.label = "a label";
        given.call = "query";
        given.flavour = LPP_SQLTEXT_ANSI;
        given.start_us = 1000 + i * 500;
        given.stack = lpp_sqllog_keep_stack(log, stacks + i / 2 * 2, 2);
        index = lpp_sqllog_begin(log, &given);
        lpp_sqllog_end(log, index, 100 + i * 200000, 7,
                       i < 2 ? NULL : "no such table");
    }
    return status != APR_SUCCESS
        ? status
        : lpp_sqlview_create(view, log, (lpp_symbols_t *)log, 10, 900000,
                             pool);
}

static apr_status_t sql(apr_pool_t *pool)
{
    const lpp_sqlview_t *view;
    apr_status_t status = make_sql(&view, pool);

    return status == APR_SUCCESS && view->count < 3 ? APR_ENOMEM : status;
}

static apr_status_t make_oops(lpp_oops_t **oops, apr_pool_t *pool)
{
    apr_status_t status = lpp_oops_create(oops, ID, pool);

    if (status == APR_SUCCESS) {
        (*oops)->type = "HTTPBadGateway";
        (*oops)->url = "http://www.example.org/a";
        lpp_oops_add_var(*oops, "HTTP_HOST", "www.example.org", NULL);
        lpp_oops_add_event(*oops, 0, 1.25, "phase", "post_read_request");
    }
    return status;
}

/* All that a saved profile can hold, below a view of its own. */
static apr_status_t make_saved(lpp_saved_t *saved, apr_pool_t *pool)
{
    static const lpp_memory_sizes_t memory[2] = { { 1000, 200, 30, 0, 0 },
                                                  { 2000, 100, 40, 0, 0 } };
    static const lpp_region_sum_t regions[] = { { "one", 3, 777, 0 } };
    lpp_oops_t *oops;
    apr_status_t status;

    memset(saved, 0, sizeof(*saved));
    saved->head.vhost = HOST;
    saved->head.outcome = "profiled";
    saved->head.status = 502;
    saved->oops_path = "/oops/" ID;
    saved->sql_condition = "includes%20x";
    saved->memory = memory;
    saved->regions = regions;
    saved->region_count = LPP_COUNT(regions);
    status = make_view(&saved->view, pool);
    if (status == APR_SUCCESS) {
        status = make_oops(&oops, pool);
        saved->oops = oops;
    }
    return status == APR_SUCCESS ? make_sql(&saved->sql, pool) : status;
}

static apr_status_t write_and_read(lpp_saved_t **saved, apr_pool_t *pool)
{
    lpp_buf_t *buf = lpp_buf_create(pool, 1 << 20);
    lpp_sink_t sink;
    lpp_saved_t made;
    apr_status_t status;

    if (!buf) {
        return APR_ENOMEM;
    }
    status = make_saved(&made, pool);
    if (status == APR_SUCCESS) {
        sink = lpp_buf_sink(buf);
        status = lpp_saved_write(&made, &sink, pool);
    }
    if (status == APR_SUCCESS) {
        status = lpp_saved_read(saved, buf->data, buf->len, pool);
    }
    return status;
}

static apr_status_t saved_form(apr_pool_t *pool)
{
    lpp_saved_t *saved;

    return write_and_read(&saved, pool);
}

static apr_status_t saved_list(apr_pool_t *pool)
{
    lpp_saved_entry_t *entry;
    apr_array_header_t *entries;
    lpp_store_file_t *file;
    lpp_saved_t made, *found;
    lpp_store_t *store;
    char path[] = "/tmp/lpp-alloc-XXXXXX", command[100];
    int more, kept = cannot_fail();
    apr_status_t status;

    MUST(mkdtemp(path));
    MUST(lpp_store_open(&store, path, pool) == APR_SUCCESS);
    MUST(make_saved(&made, pool) == APR_SUCCESS);
    MUST(lpp_store_begin(store, NULL, lpp_store_name(
        "2026-11-22_15:34:46.123-a:b-" ID "-1.2", LPP_FORMAT_SAVED, pool),
        &file, pool) == APR_SUCCESS);
    MUST(lpp_saved_write(&made, lpp_store_sink(file), pool)
         == APR_SUCCESS);
    MUST(lpp_store_finish(file, NULL) == APR_SUCCESS);
    may_fail(kept);
    entry = apr_palloc(pool, sizeof(*entry));
    status = lpp_saved_list(store, HOST, 0, &entries, &more, pool);
    if (status == APR_SUCCESS && entries->nelts != 1) {
        status = APR_ENOMEM;
    }
    if (status == APR_SUCCESS) {
        status = entry ? lpp_saved_find(store, HOST, ID, entry, &found, pool)
                       : APR_ENOMEM;
    }
    cannot_fail();
    snprintf(command, sizeof(command), "rm -rf %s", path);
    MUST(system(command) == 0);
    return status;
}

static apr_status_t diff(apr_pool_t *pool)
{
    const lpp_view_t *before, *after;
    const lpp_diff_t *made;
    apr_uint32_t top[10];
    apr_status_t status = make_view(&before, pool);

    if (status == APR_SUCCESS) {
        status = make_view(&after, pool);
    }
    if (status == APR_SUCCESS) {
        status = lpp_diff_create(&made, before, after, pool);
    }
    if (status == APR_SUCCESS) {
        lpp_diff_top(made, 1, top, 10, pool);
    }
    return status;
}

static apr_status_t sum_up(int fd, apr_pool_t *pool)
{
    const lpp_view_t *view;
    lpp_pstats_t *table;
    lpp_aggregate_t *sum;
    apr_status_t status = make_view(&view, pool);

    if (status == APR_SUCCESS) {
        status = lpp_pstats_create(&table, view, pool);
    }
    if (status == APR_SUCCESS) {
        status = lpp_aggregate_append(fd, table, pool);
    }
    if (status == APR_SUCCESS) {
        status = lpp_aggregate_create(&sum, pool);
    }
    if (status == APR_SUCCESS) {
        status = lpp_aggregate_read(sum, fd);
    }
    if (status == APR_SUCCESS) {
        status = lpp_aggregate_add(sum, table);
    }
    if (status == APR_SUCCESS) {
        MUST(lpp_aggregate_table(sum));
        if (lpp_aggregate_counts(sum)->records != 2
            || lpp_aggregate_counts(sum)->edges_lost
            || lpp_aggregate_counts(sum)->folded) {
            status = APR_ENOMEM;
        }
    }
    return status;
}

static apr_status_t aggregate(apr_pool_t *pool)
{
    int kept = cannot_fail();
    FILE *spool = tmpfile();
    apr_status_t status;

    MUST(spool);
    MUST(fcntl(fileno(spool), F_SETFL, O_APPEND) == 0);
    may_fail(kept);
    status = sum_up(fileno(spool), pool);
    cannot_fail();
    fclose(spool);
    return status;
}

static apr_status_t page_block(apr_pool_t *pool)
{
    static const lpp_report_file_t files[] = { { LPP_FORMAT_CALLGRIND, "/x" } };
    static const char *const notices[] = { "A notice.", NULL };
    apr_size_t bytes = 0;
    lpp_sink_t sink = { count_bytes, &bytes };
    lpp_report_t report;
    lpp_saved_t saved;
    apr_status_t status = make_saved(&saved, pool);

    if (status != APR_SUCCESS) {
        return status;
    }
    memset(&report, 0, sizeof(report));
    report.actions = LPP_ACTION_SHOW | LPP_ACTION_SQLTRACE | LPP_ACTION_HELP;
    report.example_url = "/a?b";
    report.oops_id = ID;
    report.oops_path = saved.oops_path;
    report.oops = saved.oops;
    report.view = saved.view;
    report.sql = saved.sql;
    report.files = files;
    report.file_count = 1;
    report.notices = notices;
    report.styled = 1;
    return lpp_report_block(&report, &sink, pool);
}

static apr_status_t pages(apr_pool_t *pool)
{
    static const lpp_report_frame_t frame = { "www.example.org", "abc" };
    apr_size_t bytes = 0;
    lpp_sink_t sink = { count_bytes, &bytes };
    lpp_saved_t *saved;
    lpp_saved_entry_t entry;
    lpp_report_full_t full;
    lpp_report_list_t list;
    lpp_report_compare_t compare;
    apr_status_t status = write_and_read(&saved, pool);

    if (status != APR_SUCCESS) {
        return status;
    }
    memset(&entry, 0, sizeof(entry));
    entry.head = saved->head;
    entry.stem = "2026-11-22_15:34:46.123-P:v-" ID "-1.2";
    entry.formats = LPP_FORMAT_BIT(LPP_FORMAT_CALLGRIND);
    memset(&list, 0, sizeof(list));
    list.frame = frame;
    list.entries = apr_array_make(pool, 1, sizeof(entry));
    APR_ARRAY_PUSH(list.entries, lpp_saved_entry_t) = entry;
    status = lpp_report_list(&list, &sink, pool);
    if (status == APR_SUCCESS) {
        memset(&full, 0, sizeof(full));
        full.frame = frame;
        full.saved = saved;
        full.entry = &entry;
        full.dir = "/var/lpprofile";
        full.others = list.entries;
        status = lpp_report_full(&full, &sink, pool);
    }
    if (status == APR_SUCCESS) {
        compare.frame = frame;
        compare.after = compare.before = saved;
        status = lpp_report_compare(&compare, &sink, pool);
    }
    if (status == APR_SUCCESS) {
        status = lpp_report_missing(&frame, ID, 0, &sink, pool);
    }
    return status == APR_SUCCESS
        ? lpp_report_open_again(&frame, "/x?y", &sink, pool)
        : status;
}

ROOM(clone_and_merge)
ROOM(writers)
ROOM(sql)
ROOM(saved_form)
ROOM(saved_list)
ROOM(diff)
ROOM(aggregate)
ROOM(page_block)
ROOM(pages)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clone_and_merge),
        cmocka_unit_test(test_writers),    cmocka_unit_test(test_sql),
        cmocka_unit_test(test_saved_form), cmocka_unit_test(test_saved_list),
        cmocka_unit_test(test_diff),       cmocka_unit_test(test_aggregate),
        cmocka_unit_test(test_page_block), cmocka_unit_test(test_pages)
    };

    return RUN_ROOMS(tests);
}
