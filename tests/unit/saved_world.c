/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "fake_symbols.h"
#include "formats/lpp_writer.h"
#include "saved_world.h"

static const char *const names[] = {
    "ap_run_handler", "lua_call", "luaV_execute", "poll", "memcpy", "f", "g",
    "h", "\xc3\xa9t\xc3\xa9", "std::map<int, (3)>::at(unsigned) const",
    "(1)", "a;b", "twin", "twin"
};
static const lpp_page_function_t pages[] = {
    { LPP_LANGUAGE_NONE, 0, LPP_PAGE_MORE_NAME, "", 0 },
    { LPP_LANGUAGE_PHP, 0, "Renderer::page", "/srv/www/index.php", 41 },
    { LPP_LANGUAGE_PHP, 0, "{closure}", "/srv/www/index.php", 12 },
    { LPP_LANGUAGE_PHP, 0, "{closure}", "/srv/www/index.php", 30 },
    { LPP_LANGUAGE_PHP, 1, "usort()", "", 0 },
    { LPP_LANGUAGE_LUA, 0, "h\xc3\xa9t", "/srv/www/p\xc3\xa9.lua", 3 }
};
static int with_pagecode;
apr_pool_t *pool;

int set_up(void **state)
{
    (void)state;
    fake_names = names;
    fake_pages = pages;
    with_pagecode = 0;
    fake_file = NULL;
    fake_line = 0;
    return apr_pool_create(&pool, NULL) == APR_SUCCESS ? 0 : -1;
}

int tear_down(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    return 0;
}

void name_source(const char *file, unsigned line)
{
    fake_file = file;
    fake_line = line;
}

void mix_pagecode(int on)
{
    with_pagecode = on;
}

/* Objects as lpp_view would have found them; the table of objects is real
 * only in a live process. */
static void add_objects(lpp_view_t *view)
{
    static const unsigned char build_id[] = {1, 2, 0xfe, 0, 9};
    static lpp_object_t objects[3];
    unsigned i;

    memset(objects, 0, sizeof(objects));
    for (i = 0; i < 3; i++) {
        objects[i].number = i + 1;
        objects[i].path = fake_objects[i + 1];
        objects[i].bias = 0x7f0000000000u + i * 0x100000u;
        objects[i].start = objects[i].bias + 0x1000;
        objects[i].end = objects[i].start + 0x9000;
    }
    objects[1].build_id = build_id;
    objects[1].build_id_len = sizeof(build_id);
    view->objects = objects;
    view->object_count = 3;
}

const lpp_view_t *make_view(unsigned stacks, const char *id)
{
    lpp_view_about_t about = { id, "RootObject:index.html",
        "http://www.example.org/a?b=\xc3\xa9", "www.example.org", "GET",
        APR_TIME_C(1700000000123456), 4711, 4712, fake_file != NULL };
    lpp_profile_t *profile;
    const lpp_view_t *view;
    unsigned seed = 4, i, j;

    assert_int_equal(lpp_profile_create(&profile, 0, pool), APR_SUCCESS);
    profile->total.wall_ns = APR_UINT64_C(123456789999);
    profile->total.cpu_ns = APR_UINT64_C(98765432111);
    profile->total.ready_ns = APR_UINT64_C(12345678901);
    profile->statistics.ready = LPP_READY_EXACT;
    profile->statistics.asked_hz = 1000;
    profile->statistics.unwinder = "table";
    profile->statistics.blocked_ns = 1234567;
    profile->statistics.own_ns = 765432;
    profile->statistics.cut_short = 1;
    profile->statistics.lowered_hz = 250;
    profile->statistics.kernel_events = 1;
    profile->statistics.kernel_blocks = 77;
    profile->statistics.kernel_lost = 3;
    if (with_pagecode) {
        static const lpp_page_statistics_t seen = {
            11, 2, 3, 4, 5, 6, 7, "Perl 5.99 is not known."
        };

        profile->statistics.pages = seen;
    }
    for (i = 0; i < stacks; i++) {
        lpp_weight_t weight = { 900000 + i * 1009, 800000 + i * 13,
                                50000 + i * 7, 1 };
        lpp_pc_t stack[40];
        unsigned depth = 1 + (unsigned)rand_r(&seed) % 40;

        for (j = 0; j < depth; j++) {
            stack[j] = FAKE_PC((unsigned)rand_r(&seed) % 4,
                               (unsigned)rand_r(&seed) % LPP_COUNT(names),
                               (unsigned)rand_r(&seed) % 200);
            if (with_pagecode && rand_r(&seed) % 2 == 0) {
                stack[j] = LPP_PAGE_PC((unsigned)rand_r(&seed)
                                       % LPP_COUNT(pages),
                                       (unsigned)rand_r(&seed) % 5);
            }
        }
        lpp_profile_add(profile, stack, depth, &weight);
    }
    assert_int_equal(lpp_view_create(&view, profile, NULL, NULL, &about,
                                     pool), APR_SUCCESS);
    add_objects((lpp_view_t *)view);
    return view;
}

static lpp_oops_t *make_oops(void)
{
    lpp_oops_t *oops;

    assert_int_equal(lpp_oops_create(&oops, ID, pool), APR_SUCCESS);
    oops->type = "HTTPBadGateway";
    oops->value = "AH01114: it failed \xff\n";
    oops->time = APR_TIME_C(1700000000123456);
    oops->reporter = "r";
    oops->topic = "RootObject:index.html";
    oops->tb_text = "Traceback (most recent call last):\n  x\n";
    oops->username = "me";
    oops->url = "http://www.example.org/a?token=<hidden>";
    oops->duration_s = 1.0625;
    oops->informational = 0;
    lpp_oops_add_var(oops, "HTTP_HOST", "www.example.org", NULL);
    lpp_oops_add_var(oops, "HTTP_COOKIE", "secret", NULL);
    lpp_oops_add_event(oops, 0, 1.25, "phase", "post_read_request");
    lpp_oops_add_event(oops, 1.25, 77.125, "phase", "handler");
    return oops;
}

lpp_saved_t make_saved(const lpp_view_t *view, const char *vhost)
{
    lpp_saved_t saved;

    memset(&saved, 0, sizeof(saved));
    saved.head.vhost = vhost;
    saved.head.outcome = "profiled";
    saved.head.status = 502;
    saved.head.waited_us = 12345;
    saved.view = view;
    saved.oops = make_oops();
    saved.oops_path = "/var/oops/2023-11-14/" ID;
    return saved;
}

const lpp_sqlview_t *make_sql(void)
{
    const lpp_pc_t one[] = {FAKE_PC(1, 1, 0), FAKE_PC(1, 0, 0)};
    const lpp_pc_t two[] = {FAKE_PC(2, 4, 0), FAKE_PC(1, 0, 0)};
    const lpp_sqlview_t *view;
    lpp_sqllog_t *log;
    unsigned i;

    assert_int_equal(lpp_sqllog_create(&log, 1, NULL, pool), APR_SUCCESS);
    for (i = 0; i < 3; i++) {
        lpp_sql_statement_t given;

        memset(&given, 0, sizeof(given));
        given.text = i < 2 ? apr_psprintf(pool, "SELECT x FROM t WHERE y=%u",
                                          i) : "DELETE FROM z";
        given.bytes = strlen(given.text);
        given.database = "pgsql:localhost/shop";
        given.label = i ? "a label" : NULL;
        given.call = "query";
        given.flavour = LPP_SQLTEXT_ANSI;
        given.start_us = 1000 + i * 500;
        given.stack = lpp_sqllog_keep_stack(log, i < 2 ? one : two, 2);
        assert_int_equal(lpp_sqllog_begin(log, &given), i);
        lpp_sqllog_end(log, (int)i, 100 + i * 200000, i < 2 ? 7 : -1,
                       i < 2 ? NULL : "no such table");
    }
    assert_int_equal(lpp_sqlview_create(&view, log, (lpp_symbols_t *)log, 10,
                                        900000, pool), APR_SUCCESS);
    return view;
}

lpp_buf_t *new_buf(void)
{
    lpp_buf_t *buf = apr_palloc(pool, sizeof(*buf));

    lpp_buf_init(buf, pool, MAX_BYTES);
    return buf;
}

lpp_buf_t *write_saved(const lpp_saved_t *saved)
{
    lpp_buf_t *buf = new_buf();
    lpp_sink_t sink = lpp_buf_sink(buf);

    assert_int_equal(lpp_saved_write(saved, &sink, pool), APR_SUCCESS);
    return buf;
}

lpp_saved_t *read_back(const lpp_buf_t *buf)
{
    lpp_saved_t *saved;

    assert_int_equal(lpp_saved_read(&saved, buf->data, buf->len, pool),
                     APR_SUCCESS);
    return saved;
}

lpp_buf_t *in_format(const lpp_view_t *view, int format)
{
    lpp_buf_t *buf = new_buf();
    lpp_sink_t sink = lpp_buf_sink(buf);

    assert_int_equal(lpp_writer_get(format)->write(view, &sink, pool),
                     APR_SUCCESS);
    return buf;
}

void assert_same_bytes(const lpp_buf_t *left, const lpp_buf_t *right)
{
    assert_int_equal(left->len, right->len);
    assert_memory_equal(left->data, right->data, left->len);
}

void assert_same_formats(const lpp_view_t *left,
                         const lpp_view_t *right)
{
    int format;

    for (format = 0; format < LPP_FORMAT_COUNT; format++) {
        assert_same_bytes(in_format(left, format), in_format(right, format));
    }
}
