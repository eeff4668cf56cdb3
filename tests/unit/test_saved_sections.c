/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_saved_sections: a reader passes over the sections of a saved profile
 * that it does not know, and refuses sections that are not right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <zlib.h>

#include "fake_symbols.h"
#include "saved/lpp_saved.h"

#define ID "OOPS-0123456789abcdef0123456789abcdef"
#define ID2 "OOPS-00000000000000000000000000000002"
#define HOST "www.example.org:80"
#define FIXED_BYTES 16   /* before the head */
#define VERSION_AT 7     /* in the file */
#define REQUIRED 4       /* sections, the first ones */
#define TAG_UNKNOWN 199  /* behind all that are known */
#define SECTIONS_MAX 32
#define BODY_MAX_BYTES 65536

/* A section taken out of a file. claimed: the length that it is to have. */
typedef struct section_t {
    unsigned tag;
    const unsigned char *data;
    unsigned len, claimed;
} section_t;

typedef struct body_t {
    const unsigned char *strings;
    unsigned strings_len;
    section_t sections[SECTIONS_MAX];
    unsigned count, claimed;
} body_t;

static const char *const names[] = {"ap_run_handler", "poll"};
static apr_pool_t *pool;

static int set_up(void **state)
{
    (void)state;
    return apr_pool_create(&pool, NULL) == APR_SUCCESS ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    return 0;
}

static lpp_buf_t *new_buf(void)
{
    return lpp_buf_create(pool, LPP_FILE_MAX_BYTES);
}

static lpp_buf_t *write_saved(const lpp_saved_t *saved)
{
    lpp_buf_t *buf = new_buf();
    lpp_sink_t sink = lpp_buf_sink(buf);

    assert_int_equal(lpp_saved_write(saved, &sink, pool), APR_SUCCESS);
    return buf;
}

static const lpp_page_function_t pages[] = {
    {LPP_LANGUAGE_NONE, 0, LPP_PAGE_MORE_NAME, "", 0},
    {LPP_LANGUAGE_LUA, 0, "handle", "/srv/www/page.lua", 3},
};

/* A profile with all sections but calls and SQL. */
static lpp_buf_t *make_file(const char *id)
{
    static const lpp_memory_sizes_t memory[2] = {
        {.vss_bytes = 1000, .rss_bytes = 200, .heap_bytes = 30},
        {.vss_bytes = 2000, .rss_bytes = 100, .heap_bytes = 40},
    };
    static const lpp_region_sum_t region = {
        .name = "one", .count = 3, .wall_us = 777,
    };
    lpp_view_about_t about = { id, "P:v", "http://www.example.org/", "h",
        "GET", APR_TIME_C(1700000000123456), 4711, 4712, 0 };
    static const lpp_pc_t stack[] = {FAKE_PC(1, 1, 0), LPP_PAGE_PC(1, 7),
                                     FAKE_PC(1, 0, 0)};
    const lpp_weight_t weight = {900000, 800000, 0, 1};
    lpp_profile_t *profile;
    lpp_saved_t saved;
    lpp_oops_t *oops;

    memset(&saved, 0, sizeof(saved));
    fake_names = names;
    fake_pages = pages;
    assert_int_equal(lpp_profile_create(&profile, 0, pool), APR_SUCCESS);
    profile->total.wall_ns = profile->total.cpu_ns = 5000000;
    profile->statistics.unwinder = "table";
    lpp_profile_add(profile, stack, 3, &weight);
    assert_int_equal(lpp_view_create(&saved.view, profile, NULL, NULL, &about,
                                     pool), APR_SUCCESS);
    assert_int_equal(lpp_oops_create(&oops, id, pool), APR_SUCCESS);
    oops->type = "ProfilingOops";
    lpp_oops_add_var(oops, "HTTP_HOST", "www.example.org", NULL);
    lpp_oops_add_event(oops, 0, 1.25, "phase", "handler");
    saved.head.vhost = HOST;
    saved.head.outcome = "profiled";
    saved.oops = oops;
    saved.oops_path = "/var/oops/" ID;
    saved.memory = memory;
    saved.regions = &region;
    saved.region_count = 1;
    saved.inline_count = 1;
    return write_saved(&saved);
}

static unsigned get_u32(const unsigned char *at)
{
    return at[0] | at[1] << 8 | at[2] << 16 | (unsigned)at[3] << 24;
}

static void add_u32(lpp_buf_t *buf, unsigned value)
{
    unsigned i;

    for (i = 0; i < 4; i++) {
        lpp_buf_add_byte(buf, (char)(value >> (8 * i)));
    }
}

static void add_number(lpp_buf_t *buf, unsigned value)
{
    for (; value > 0x7f; value >>= 7) {
        lpp_buf_add_byte(buf, (char)(0x80 | (value & 0x7f)));
    }
    lpp_buf_add_byte(buf, (char)value);
}

static apr_size_t head_end(const lpp_buf_t *file)
{
    return FIXED_BYTES + get_u32((const unsigned char *)file->data + 8);
}

static body_t take_apart(const lpp_buf_t *file)
{
    const unsigned char *at = (const unsigned char *)file->data
        + head_end(file);
    unsigned char *data = apr_palloc(pool, BODY_MAX_BYTES);
    uLongf len = BODY_MAX_BYTES;
    unsigned strings, i;
    body_t body;

    memset(&body, 0, sizeof(body));
    assert_int_equal(uncompress(data, &len, at + 8, get_u32(at + 4)), Z_OK);
    at = body.strings = data;
    strings = *at++;
    assert_true(strings < 0x80);
    while (strings--) {
        at += strlen((const char *)at) + 1;
    }
    body.strings_len = (unsigned)(at - data);
    body.count = body.claimed = *at++;
    for (i = 0; i < body.count; i++) {
        section_t *section = &body.sections[i];

        section->tag = *at++;
        section->len = section->claimed = get_u32(at);
        section->data = at + 4;
        at += 4 + section->len;
    }
    assert_ptr_equal(at, data + len);
    return body;
}

/* The file with that body, its checks made right: what an enemy does. */
static lpp_buf_t *put_together(const lpp_buf_t *file, const body_t *body)
{
    lpp_buf_t *data = new_buf(), *made = new_buf();
    unsigned char packed[BODY_MAX_BYTES];
    uLongf packed_len = sizeof(packed);
    unsigned i;

    lpp_buf_add(data, (const char *)body->strings, body->strings_len);
    add_number(data, body->claimed);
    for (i = 0; i < body->count; i++) {
        add_number(data, body->sections[i].tag);
        add_u32(data, body->sections[i].claimed);
        lpp_buf_add(data, (const char *)body->sections[i].data,
                    body->sections[i].len);
    }
    assert_int_equal(compress2(packed, &packed_len,
                               (const unsigned char *)data->data, data->len,
                               1), Z_OK);
    lpp_buf_add(made, file->data, head_end(file));
    add_u32(made, (unsigned)data->len);
    add_u32(made, (unsigned)packed_len);
    lpp_buf_add(made, (char *)packed, packed_len);
    return made;
}

static void insert(body_t *body, unsigned at, unsigned tag, const char *text)
{
    section_t section = {tag, (const unsigned char *)text, 0, 0};

    assert_true(body->count < SECTIONS_MAX);
    section.len = section.claimed = (unsigned)strlen(text);
    memmove(&body->sections[at + 1], &body->sections[at],
            (body->count - at) * sizeof(section));
    body->sections[at] = section;
    body->count++;
    body->claimed++;
}

static void take_out(body_t *body, unsigned at)
{
    body->count--;
    body->claimed--;
    memmove(&body->sections[at], &body->sections[at + 1],
            (body->count - at) * sizeof(body->sections[0]));
}

static apr_status_t read_status(const lpp_buf_t *file, lpp_saved_t **saved)
{
    char *exact = malloc(file->len); /* valgrind sees a byte too far */
    apr_status_t status;

    memcpy(exact, file->data, file->len);
    status = lpp_saved_read(saved, exact, file->len, pool);
    free(exact);
    assert_true((status == APR_SUCCESS) == (*saved != NULL));
    return status;
}

static lpp_saved_t *read_back(const lpp_buf_t *file)
{
    lpp_saved_t *saved;

    assert_int_equal(read_status(file, &saved), APR_SUCCESS);
    return saved;
}

static void assert_refused(const lpp_buf_t *file, const body_t *body)
{
    lpp_saved_t *saved;

    assert_int_equal(read_status(put_together(file, body), &saved),
                     APR_EINVAL);
}

/* What is read makes the same file as the one that was written. */
static void assert_same(const lpp_buf_t *file, const body_t *body)
{
    lpp_buf_t *again = write_saved(read_back(put_together(file, body)));

    assert_int_equal(again->len, file->len);
    assert_memory_equal(again->data, file->data, file->len);
}

static void a_file_taken_apart_is_itself(void **state)
{
    lpp_buf_t *file = make_file(ID);
    body_t body = take_apart(file);

    (void)state;
    assert_int_equal(body.count, REQUIRED + 4);
    assert_same(file, &body);
}

static void an_unknown_section_is_passed_over(void **state)
{
    lpp_buf_t *file = make_file(ID);
    body_t body = take_apart(file);
    unsigned i;

    (void)state;
    for (i = 0; i <= body.count; i++) {
        body_t one = body;

        insert(&one, i, i ? body.sections[i - 1].tag + 1 : 1, "\xff what?");
        assert_same(file, &one);
    }
    insert(&body, body.count, TAG_UNKNOWN, "");
    insert(&body, body.count, TAG_UNKNOWN + 1, "x");
    insert(&body, 0, 1, "");
    insert(&body, 1, 2, "x");
    assert_same(file, &body);
}

static void what_a_section_has_more_is_passed_over(void **state)
{
    lpp_buf_t *file = make_file(ID);
    body_t body = take_apart(file);
    unsigned i;

    (void)state;
    for (i = 0; i < body.count; i++) {
        section_t *section = &body.sections[i];

        section->data = (unsigned char *)apr_pstrmemdup(
            pool, (const char *)section->data, section->len + 5);
        memcpy((char *)section->data + section->len, "\xff more", 5);
        section->len += 5;
        section->claimed += 5;
        assert_same(file, &body);
    }
}

static void a_section_stands_once_and_in_order(void **state)
{
    lpp_buf_t *file = make_file(ID);
    body_t body = take_apart(file);
    unsigned i;

    (void)state;
    for (i = 0; i < body.count; i++) {
        body_t twice = body, swapped = body;

        insert(&twice, i, 1, "");
        twice.sections[i] = body.sections[i];
        assert_refused(file, &twice);
        if (i) {
            swapped.sections[i] = body.sections[i - 1];
            swapped.sections[i - 1] = body.sections[i];
            assert_refused(file, &swapped);
        }
    }
    insert(&body, 0, 0, "");
    assert_refused(file, &body);
}

static void a_wrong_length_is_refused(void **state)
{
    static const unsigned too_long[] = {1, 100, 0x7fffffff, 0xffffff00};
    lpp_buf_t *file = make_file(ID);
    body_t body = take_apart(file);
    unsigned i, j;

    (void)state;
    for (i = 0; i < body.count; i++) {
        unsigned was = body.sections[i].claimed;

        for (j = 0; j < was; j += 1 + was / 40) {
            body.sections[i].claimed = j;
            assert_refused(file, &body);
        }
        for (j = 0; j < LPP_COUNT(too_long); j++) {
            body.sections[i].claimed = was + too_long[j];
            assert_refused(file, &body);
        }
        body.sections[i].claimed = was;
    }
    insert(&body, body.count, TAG_UNKNOWN, "x");
    body.sections[body.count - 1].claimed = 2;
    assert_refused(file, &body);
}

/* Its length is right, what stands in it ends too early. */
static void a_section_cut_short_is_refused(void **state)
{
    lpp_buf_t *file = make_file(ID);
    body_t body = take_apart(file);
    unsigned i, len;

    (void)state;
    for (i = 0; i < body.count; i++) {
        section_t whole = body.sections[i];

        for (len = 0; len < whole.len; len += 1 + whole.len / 40) {
            body.sections[i].len = body.sections[i].claimed = len;
            assert_refused(file, &body);
        }
        body.sections[i] = whole;
    }
}

static void as_many_sections_as_are_claimed(void **state)
{
    static const unsigned wrong[] = {0, 1, 7, 9, 200, 0x7fffffff, 0xffffffff};
    lpp_buf_t *file = make_file(ID);
    body_t body = take_apart(file);
    unsigned i;

    (void)state;
    for (i = 0; i < LPP_COUNT(wrong); i++) {
        body.claimed = wrong[i];
        assert_refused(file, &body);
    }
}

static void only_the_first_sections_must_be_there(void **state)
{
    lpp_buf_t *file = make_file(ID);
    body_t body = take_apart(file);
    lpp_saved_t *saved;
    unsigned i;

    (void)state;
    for (i = 0; i < REQUIRED; i++) {
        body_t one = body;

        take_out(&one, i);
        assert_refused(file, &one);
    }
    while (body.count > REQUIRED) {
        take_out(&body, REQUIRED);
        read_back(put_together(file, &body));
    }
    saved = read_back(put_together(file, &body));
    assert_null(saved->oops);
    assert_string_equal(saved->oops_path, "");
    assert_null(saved->memory);
    assert_int_equal(saved->region_count, 0);
}

/* What a reader that does not know the section makes of a page function. */
static void without_its_section_a_page_function_is_a_function(void **state)
{
    lpp_buf_t *file = make_file(ID);
    body_t body = take_apart(file);
    const lpp_view_t *view;
    const lpp_symbol_t *symbol;

    (void)state;
    view = read_back(put_together(file, &body))->view;
    symbol = &view->functions[view->branches[3].function].symbol;
    assert_int_equal(symbol->kind, LPP_NAME_INTERPRETER);
    assert_int_equal(view->line_branches[3].line, 7);
    assert_int_equal(body.sections[REQUIRED].tag, 45);
    take_out(&body, REQUIRED);
    view = read_back(put_together(file, &body))->view;
    symbol = &view->functions[view->branches[3].function].symbol;
    assert_int_equal(symbol->kind, LPP_NAME_SYMBOL);
    assert_string_equal(symbol->name, "handle");
    assert_string_equal(symbol->file, "/srv/www/page.lua");
    assert_int_equal(symbol->line, 3);
    assert_int_equal(view->line_branch_count, view->branch_count);
    assert_int_equal(view->line_branches[3].line, 0);
    assert_int_equal(view->named_percent, 100);
}

static void another_version_is_refused(void **state)
{
    static const char versions[] = {0, 1, 2, LPP_SAVED_VERSION + 1, 127};
    lpp_buf_t *file = make_file(ID);
    lpp_saved_head_t head;
    lpp_saved_t *saved;
    unsigned i;

    (void)state;
    for (i = 0; i < sizeof(versions); i++) {
        file->data[VERSION_AT] = versions[i];
        assert_int_equal(read_status(file, &saved), APR_EINVAL);
        assert_int_equal(lpp_saved_read_head(&head, file->data, file->len,
                                             pool), APR_EINVAL);
    }
}

static void what_a_head_has_more_is_passed_over(void **state)
{
    lpp_buf_t *file = make_file(ID), *made = new_buf(), *again;
    apr_size_t end = head_end(file), len = end - FIXED_BYTES;
    lpp_buf_t *head = new_buf();

    (void)state;
    lpp_buf_add(head, file->data + FIXED_BYTES, len);
    lpp_buf_add(head, "\xff more", 6);
    lpp_buf_add(made, file->data, 8);
    add_u32(made, (unsigned)head->len);
    add_u32(made, (unsigned)crc32(0, (const unsigned char *)head->data,
                                  (uInt)head->len));
    lpp_buf_add(made, head->data, head->len);
    lpp_buf_add(made, file->data + end, file->len - end);
    again = write_saved(read_back(made));
    assert_int_equal(again->len, file->len);
    assert_memory_equal(again->data, file->data, file->len);
}

static void put(lpp_store_t *store, const char *id, const lpp_buf_t *data)
{
    const char *stem = lpp_store_stem(apr_time_from_sec(1000), "P:v", id, 1,
                                      2, pool);
    lpp_store_file_t *file;

    assert_int_equal(lpp_store_begin(store, NULL, lpp_store_name(
        stem, LPP_FORMAT_SAVED, pool), &file, pool), APR_SUCCESS);
    assert_int_equal(lpp_sink_write(lpp_store_sink(file), data->data,
                                    data->len), APR_SUCCESS);
    assert_int_equal(lpp_store_finish(file, NULL), APR_SUCCESS);
}

static void a_list_passes_over_another_version(void **state)
{
    char dir[] = "/tmp/lpp-test-saved-XXXXXX";
    lpp_buf_t *other = make_file(ID2);
    apr_array_header_t *entries;
    lpp_saved_entry_t entry;
    lpp_saved_t *saved;
    lpp_store_t *store;
    int more;

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(lpp_store_open(&store, dir, pool), APR_SUCCESS);
    other->data[VERSION_AT] = LPP_SAVED_VERSION - 1;
    put(store, ID2, other);
    put(store, ID, make_file(ID));
    assert_int_equal(lpp_saved_list(store, HOST, 0, &entries, &more, pool),
                     APR_SUCCESS);
    assert_int_equal(entries->nelts, 1);
    assert_string_equal(APR_ARRAY_IDX(entries, 0, lpp_saved_entry_t).head.id,
                        ID);
    assert_int_equal(lpp_saved_find(store, HOST, ID2, &entry, &saved, pool),
                     APR_EINVAL);
    assert_int_equal(lpp_saved_find(store, HOST, ID, &entry, &saved,
                                    pool), APR_SUCCESS);
    assert_int_equal(system(apr_pstrcat(pool, "rm -r ", dir, NULL)), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_taken_apart_is_itself),
        TEST(an_unknown_section_is_passed_over),
        TEST(what_a_section_has_more_is_passed_over),
        TEST(a_section_stands_once_and_in_order),
        TEST(a_wrong_length_is_refused),
        TEST(a_section_cut_short_is_refused),
        TEST(as_many_sections_as_are_claimed),
        TEST(only_the_first_sections_must_be_there),
        TEST(without_its_section_a_page_function_is_a_function),
        TEST(another_version_is_refused),
        TEST(what_a_head_has_more_is_passed_over),
        TEST(a_list_passes_over_another_version),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
