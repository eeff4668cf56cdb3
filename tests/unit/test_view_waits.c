/* SPDX-License-Identifier: Apache-2.0 */
/* What was waited for: names, the view, every format, and the saved form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "formats/lpp_writer.h"
#include "names/lpp_services.h"
#include "saved/lpp_saved.h"

#define MAX_BYTES (1 << 20)
#define MS UINT64_C(1000000)
#define HOSTILE "file /tmp/<b>;\x01\xe2\x80\xae]"

static apr_pool_t *pool;
static lpp_symbols_t *symbols;
static lpp_maps_t *maps;

static lpp_pc_t wait_pc(const char *text)
{
    return LPP_WAIT_PC(
        lpp_pagecode_wait(lpp_symbols_pagecode(symbols), text));
}

static lpp_pc_t page_pc(void)
{
    lpp_page_function_t page = { LPP_LANGUAGE_PHP, 0, "load", "/srv/a.php",
                                 7 };

    return LPP_PAGE_PC(lpp_pagecode_number(lpp_symbols_pagecode(symbols),
                                           &page), 12);
}

static void add(lpp_profile_t *profile, const lpp_pc_t *frames, unsigned count,
                apr_uint64_t wall_ns, const char *note)
{
    lpp_weight_t weight = { wall_ns, MS, 0, 1 };

    lpp_profile_add(profile, frames, count, &weight);
    lpp_waits_begin(&profile->waits, frames[0], note);
    lpp_waits_last(&profile->waits, frames[0], 0,
                   (apr_int64_t)(wall_ns - MS));
    profile->total.wall_ns += wall_ns;
    profile->total.cpu_ns += MS;
}

/* A page function that waits for a database, and a module for a file with a
 * hostile name. */
static const lpp_view_t *make_view(void)
{
    lpp_view_about_t about = { "OOPS-0123456789abcdef0123456789abcdef", "p",
                               "/", "host", "GET", 0, 1, 2, 0 };
    lpp_pc_t here = lpp_maps_pc(maps, (apr_uintptr_t)wait_pc);
    lpp_pc_t one[] = { wait_pc("tcp 10.0.0.5:5432"), page_pc(), here };
    lpp_pc_t two[] = { wait_pc(HOSTILE), here };
    lpp_profile_t *profile;
    const lpp_view_t *view;

    assert_int_equal(lpp_profile_create(&profile, 0, pool), APR_SUCCESS);
    add(profile, one, 3, 81 * MS, "postgresql");
    add(profile, one, 3, 31 * MS, "");
    add(profile, two, 2, 11 * MS, "held by process \xff;\x1b (7)");
    assert_int_equal(lpp_view_create(&view, profile, symbols, maps, &about,
                                     pool), APR_SUCCESS);
    return view;
}

static int set_up(void **state)
{
    (void)state;
    return apr_pool_create(&pool, NULL) != APR_SUCCESS
        || lpp_maps_create(&maps, pool) != APR_SUCCESS
        || lpp_symbols_create(&symbols, maps) != APR_SUCCESS;
}

static int tear_down(void **state)
{
    (void)state;
    lpp_symbols_destroy(symbols);
    apr_pool_destroy(pool);
    return 0;
}

static void check(const lpp_view_t *view)
{
    const lpp_view_wait_t *wait = view->waits;

    assert_int_equal(view->wait_count, 2);
    assert_string_equal(lpp_view_waited_for(view, wait, pool),
                        "tcp 10.0.0.5:5432");
    assert_int_equal(lpp_view_waited_us(view, wait), 110000);
    assert_int_equal(wait->times, 2);
    assert_int_equal(wait->longest_us, 80000);
    assert_string_equal(wait->note, "postgresql");
    assert_string_equal(view->functions[wait->caller].symbol.name, "load");
    assert_string_equal(lpp_view_waited_for(view, wait + 1, pool),
                        "file /tmp/<b>?????]");
    assert_int_equal(lpp_view_waited_us(view, wait + 1), 10000);
    assert_string_equal(wait[1].note, "held by process ??? (7)");
    assert_string_not_equal(view->functions[wait[1].caller].symbol.name,
                            "load");
}

static void the_heaviest_comes_first_with_who_waited(void **state)
{
    const lpp_view_t *view = make_view();

    (void)state;
    check(view);
}

static lpp_buf_t *new_buf(void)
{
    lpp_buf_t *buf = lpp_buf_create(pool, MAX_BYTES);

    assert_non_null(buf);
    return buf;
}

static void the_saved_form_has_it(void **state)
{
    lpp_buf_t *buf = new_buf(), *formats[2];
    lpp_sink_t sink = lpp_buf_sink(buf);
    lpp_saved_t saved, *read;
    int format, i;

    (void)state;
    memset(&saved, 0, sizeof(saved));
    saved.head.vhost = "v";
    saved.head.outcome = "profiled";
    saved.oops_path = "";
    saved.view = make_view();
    assert_int_equal(lpp_saved_write(&saved, &sink, pool), APR_SUCCESS);
    assert_int_equal(lpp_saved_read(&read, buf->data, buf->len, pool),
                     APR_SUCCESS);
    check(read->view);
    for (format = 0; format < LPP_FORMAT_COUNT; format++) {
        for (i = 0; i < 2; i++) {
            formats[i] = new_buf();
            sink = lpp_buf_sink(formats[i]);
            assert_int_equal(lpp_writer_get(format)->write(
                i ? read->view : saved.view, &sink, pool), APR_SUCCESS);
        }
        assert_int_equal(formats[0]->len, formats[1]->len);
        assert_memory_equal(formats[0]->data, formats[1]->data,
                            formats[0]->len);
    }
}

static void names_have_a_ceiling(void **state)
{
    lpp_pagecode_t *pages = lpp_symbols_pagecode(symbols);
    char text[LPP_WAIT_TEXT_BYTES * 2];
    lpp_symbol_t symbol;
    unsigned i;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_not_equal(lpp_pagecode_wait(pages, text), LPP_PAGE_MORE);
    for (i = 1; i < LPP_WAITS_NAMES_MAX; i++) {
        apr_snprintf(text, sizeof(text), "descriptor %u", i);
        assert_int_not_equal(lpp_pagecode_wait(pages, text), LPP_PAGE_MORE);
    }
    assert_int_equal(lpp_pagecode_wait(pages, "one more"), LPP_PAGE_MORE);
    assert_int_not_equal(lpp_pagecode_wait(pages, "descriptor 7"),
                         LPP_PAGE_MORE);
    lpp_symbols_resolve(symbols, LPP_WAIT_PC(LPP_PAGE_MORE), &symbol);
    assert_string_equal(symbol.name, LPP_WAIT_MORE_NAME);
    lpp_pagecode_wait_text(pages, LPP_WAIT_PC(LPP_PAGE_MORE), text,
                           sizeof(text));
    assert_string_equal(text, "more");
    lpp_pagecode_wait_text(pages, wait_pc("descriptor 7"), text, 8);
    assert_string_equal(text, "descrip");
    assert_true(LPP_PC_IS_PAGE(page_pc())); /* there is still room for it */
    assert_int_not_equal(LPP_PAGE_NUMBER(page_pc()), LPP_PAGE_MORE);
}

static void services_are_known_after_the_start(void **state)
{
    apr_pool_t *own;

    (void)state;
    assert_string_equal(lpp_services_name(443, 0), "");
    apr_pool_create(&own, pool);
    lpp_services_read(own);
    assert_string_equal(lpp_services_name(443, 0), "https");
    assert_string_equal(lpp_services_name(53, 1), "domain");
    assert_string_equal(lpp_services_name(5432, 0), "postgresql");
    assert_string_equal(lpp_services_name(1, 1), "");
    assert_string_equal(lpp_services_name(70000, 0), "");
    apr_pool_destroy(own);
    assert_string_equal(lpp_services_name(443, 0), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            the_heaviest_comes_first_with_who_waited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_saved_form_has_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(names_have_a_ceiling, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(services_are_known_after_the_start,
                                        set_up, tear_down),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
