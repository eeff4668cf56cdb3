/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes made-up profiles in every format, for the readers that people use.
 *
 *   make_profiles DIRECTORY
 *
 * gives DIRECTORY/CASE.callgrind, .pstats, .pprof, .collapsed and a line
 * "CASE wall_us cpu_us ready_us samples" on stdout: the totals that every
 * reader must find. View and writers are the real ones; names and times are
 * made up. The case "page" has page functions, of DIRECTORY/page.php, which is
 * made, too; "lineless" has one of that file without lines.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "../unit/fake_symbols.h"
#include "formats/lpp_writer.h"

enum { FIRST_PLAIN = 0, PLAIN = 16, FIRST_ODD = PLAIN };
static const char *const names[] = {
    "ap_run_handler", "ap_process_request", "lua_call", "luaV_execute",
    "deflate", "inflate", "pcre2_match", "memcpy", "mod_a.so:handler",
    "mod_a.so+0x1230", "read", "write", "poll", "f", "g", "h",
    /* what a symbol table may hold, and worse */
    "(1)", "(12) f", "a;b", "new\nline", "#include", "x#y", " blanks ",
    "std::vector<int, (3)>::at(unsigned long) const", "fn=(3) evil",
    "calls=1 2", "\xc3\xa9t\xc3\xa9", "tab\there", "100", "f 100", "-", "$_[]",
    "{lambda(int)#1}", "(anonymous namespace)::f()", "'quoted\" \\",
    "ob=/bin/sh", "a b  c", "\xe2\x98\x83", "%s%n", "<script>"
};

static apr_pool_t *pool;
static const char *directory;

static void need(apr_status_t status)
{
    char text[100];

    if (status != APR_SUCCESS) {
        fprintf(stderr, "make_profiles: %s\n",
                apr_strerror(status, text, sizeof(text)));
        exit(1);
    }
}

static apr_status_t write_file(void *baton, const char *data, apr_size_t len)
{
    return fwrite(data, 1, len, baton) == len ? APR_SUCCESS : APR_EGENERAL;
}

static void write_all(const char *name, const lpp_profile_t *profile,
                      const char *url)
{
    lpp_view_about_t about = { "OOPS-0123456789abcdef0123456789abcdef",
        "RootObject:index.html", url, "www.example.org", "GET",
        APR_TIME_C(1700000000123456), 4711, 4712, 1 };
    const lpp_view_t *view;
    int format;

    need(lpp_view_create(&view, profile, NULL, NULL, &about, pool));
    for (format = 0; format < LPP_FORMAT_COUNT; format++) {
        const lpp_writer_t *writer = lpp_writer_get(format);
        lpp_sink_t sink = { write_file, NULL };

        sink.baton = fopen(apr_psprintf(pool, "%s/%s.%s", directory, name,
                                        writer->action), "w");
        if (sink.baton == NULL) {
            perror(directory);
            exit(1);
        }
        need(writer->write(view, &sink, pool));
        if (fclose(sink.baton) != 0) {
            perror(directory);
            exit(1);
        }
    }
    printf("%s %" APR_UINT64_T_FMT " %" APR_UINT64_T_FMT " %"
           APR_UINT64_T_FMT " %" APR_UINT64_T_FMT "\n", name,
           view->total.wall_us, view->total.cpu_us, view->total.ready_us,
           view->total.samples);
}

static lpp_profile_t *begin(apr_uint64_t wall_us, apr_uint64_t cpu_us)
{
    lpp_profile_t *profile;

    need(lpp_profile_create(&profile, 0, pool));
    profile->total.wall_ns = wall_us * 1000 + 999;
    profile->total.cpu_ns = cpu_us * 1000 + 1;
    profile->total.ready_ns = (wall_us - cpu_us) * 500;
    profile->statistics.ready = LPP_READY_EXACT;
    profile->statistics.asked_hz = 1000;
    profile->statistics.unwinder = "table";
    return profile;
}

static void add(lpp_profile_t *profile, const lpp_pc_t *stack, unsigned depth,
                apr_uint64_t wall_ns, apr_uint64_t cpu_ns,
                apr_uint64_t samples)
{
    lpp_weight_t weight;

    weight.wall_ns = wall_ns;
    weight.cpu_ns = cpu_ns;
    weight.ready_ns = (wall_ns - cpu_ns) / 3;
    weight.samples = samples;
    lpp_profile_add(profile, stack, depth, &weight);
}

static void make_empty(void)
{
    write_all("empty", begin(1234, 1000), "/");
    write_all("nothing", begin(0, 0), "");
}

static void make_one(void)
{
    const lpp_pc_t stack[] = { FAKE_PC(1, 3, 1), FAKE_PC(1, 2, 1),
        FAKE_PC(2, 0, 8) };
    lpp_profile_t *profile = begin(2000, 1500);

    add(profile, stack, 3, 1000500, 900700, 1);
    write_all("one", profile, "/a/b?x=1");
}

static void make_recursion(void)
{
    lpp_pc_t stack[1000];
    lpp_profile_t *profile = begin(5000000, 4000000);
    unsigned depth, i;

    for (depth = 1; depth <= 1000; depth += 37) {
        for (i = 0; i < depth; i++) {
            stack[i] = FAKE_PC(1, 13, i % 7);
        }
        add(profile, stack, depth, 1000000 + depth, 999999, 1);
    }
    write_all("deep", profile, "/deep");
    profile = begin(5000000, 4000000);
    for (depth = 1; depth <= 1000; depth += 41) {
        for (i = 0; i < depth; i++) {
            stack[i] = FAKE_PC(1, 13 + (depth - i) % 3, i % 5);
        }
        add(profile, stack, depth, 1000000 + depth, depth * 900, 1);
    }
    write_all("mutual", profile, "/mutual");
}

static void make_odd(void)
{
    unsigned count = LPP_COUNT(names) - FIRST_ODD, i;
    lpp_profile_t *profile = begin(400000, 300000);

    for (i = 0; i < count; i++) {
        const lpp_pc_t stack[] = { FAKE_PC(1, FIRST_ODD + i, 0),
            FAKE_PC(2, FIRST_ODD + (i + 7) % count, 3),
            FAKE_PC(3, FIRST_ODD + (i * 3) % count, 3), FAKE_PC(0, 1, 0) };

        add(profile, stack, 4, 2000000 + i * 1001, 1000000, i + 1);
    }
    write_all("odd", profile, "/#odd\n(1)");
}

/* Counts and times past 31 and 32 bits. */
static void make_huge(void)
{
    const lpp_pc_t one[] = { FAKE_PC(1, 4, 0), FAKE_PC(2, 0, 0) };
    const lpp_pc_t two[] = { FAKE_PC(1, 5, 0), FAKE_PC(2, 0, 0) };
    lpp_profile_t *profile = begin(APR_UINT64_C(1) << 44,
                                   APR_UINT64_C(1) << 43);

    add(profile, one, 2, APR_UINT64_C(7000000000000123),
        APR_UINT64_C(6000000000000123), APR_UINT64_C(5000000000));
    add(profile, two, 2, APR_UINT64_C(3000000000000000),
        APR_UINT64_C(1000000000000000), APR_UINT64_C(3000000000));
    write_all("huge", profile, "/huge");
}

/* 2,000 stacks of any shape, functions of one name in three objects. */
static void make_wild(void)
{
    lpp_profile_t *profile = begin(9000000, 5000000);
    unsigned seed = 20261122, i, j;

    fake_file = "a_source_file.c";
    fake_line = 77;
    for (i = 0; i < 2000; i++) {
        unsigned depth = 1 + (unsigned)rand_r(&seed) % 60;
        lpp_pc_t stack[60];

        for (j = 0; j < depth; j++) {
            stack[j] = FAKE_PC(1 + (unsigned)rand_r(&seed) % 3,
                               (unsigned)rand_r(&seed) % PLAIN,
                               (unsigned)rand_r(&seed) % 200);
        }
        add(profile, stack, depth, (unsigned)rand_r(&seed) % 4000000,
            (unsigned)rand_r(&seed) % 3000000, 1);
    }
    write_all("wild", profile, "/wild");
    fake_file = NULL;
    fake_line = 0;
    write_all("wild_no_lines", profile, "/wild");
}

/* The script whose functions "page" has, and whose lines. */
static void write_script(const char *path)
{
    FILE *file = fopen(path, "w");
    unsigned line;

    if (file == NULL) {
        perror(path);
        exit(1);
    }
    for (line = 1; line <= 50; line++) {
        fprintf(file, "%s /* this is line %u */\n",
                line == 40 ? "function page()" : line == 20
                ? "function render()" : line == 30 ? "function render()"
                : "    work();", line);
    }
    fclose(file);
}

enum { MAIN_PAGE = 1, PAGE_PAGE, RENDER_20, RENDER_30, USORT_PAGE, ODD_PAGE,
       LINELESS };

/* Page functions as a process would know them. */
static void know_pages(const char *path)
{
    static lpp_page_function_t known[LPP_PAGES_MAX + 1];
    const lpp_page_function_t pages[] = {
        { LPP_LANGUAGE_PHP, 0, "{main}", path, 1 },
        { LPP_LANGUAGE_PHP, 0, "Renderer::page", path, 40 },
        { LPP_LANGUAGE_PHP, 0, "render", path, 20 },
        { LPP_LANGUAGE_PHP, 0, "render", path, 30 },
        { LPP_LANGUAGE_PHP, 1, "usort()", "", 0 },
        { LPP_LANGUAGE_PHP, 0, "(1) a;b#\nfn=(3) \xff\xe2\x80\xae",
          "/no/such;file\n(1).php", 7 },
        { LPP_LANGUAGE_PERL, 0, "lineless", path, 0 } };
    lpp_pagecode_t *table;
    unsigned i;

    need(lpp_pagecode_create(&table));
    for (i = 0; i < LPP_COUNT(pages); i++) {
        apr_uint32_t number = lpp_pagecode_number(table, &pages[i]);

        known[number] = *lpp_pagecode_get(table, number);
    }
    known[LPP_PAGE_MORE] = *lpp_pagecode_get(table, LPP_PAGE_MORE);
    fake_pages = known;
}

/* execute runs the page, whose functions are at some lines; C below and above
 * them. */
static void make_page(void)
{
    const char *path = apr_psprintf(pool, "%s/page.php", directory);
    const lpp_pc_t execute = FAKE_PC(1, 3, 1), handler = FAKE_PC(2, 0, 8);
    lpp_pc_t stack[] = { 0, LPP_PAGE_PC(PAGE_PAGE, 42),
        LPP_PAGE_PC(MAIN_PAGE, 3), execute, handler };
    const lpp_pc_t sorting[] = { FAKE_PC(1, 7, 3), LPP_PAGE_PC(USORT_PAGE, 0),
        LPP_PAGE_PC(PAGE_PAGE, 44), LPP_PAGE_PC(MAIN_PAGE, 4), execute,
        handler };
    const lpp_pc_t recursion[] = { LPP_PAGE_PC(RENDER_30, 33),
        LPP_PAGE_PC(RENDER_30, 32), LPP_PAGE_PC(RENDER_30, 31),
        LPP_PAGE_PC(ODD_PAGE, 8), LPP_PAGE_PC(LPP_PAGE_MORE, 0), execute,
        handler };
    lpp_profile_t *profile = begin(20000, 15000);

    write_script(path);
    know_pages(path);
    stack[0] = LPP_PAGE_PC(RENDER_20, 21);
    add(profile, stack, 5, 3000000, 2000000, 3);
    stack[0] = LPP_PAGE_PC(RENDER_20, 22);
    add(profile, stack, 5, 1000000, 1000000, 1);
    stack[2] = LPP_PAGE_PC(MAIN_PAGE, 4);
    add(profile, stack, 5, 2000000, 1000000, 2);
    add(profile, stack + 1, 4, 4000000, 3000000, 4);
    add(profile, sorting, 6, 5000000, 4000000, 5);
    add(profile, recursion, 7, 1500000, 1000000, 1);
    add(profile, recursion + 1, 6, 500000, 500000, 1);
    write_all("page", profile, "/page.php");
}

/* A script that can be read, of which no line is known. */
static void make_lineless(void)
{
    const lpp_pc_t stack[] = { FAKE_PC(1, 7, 3), LPP_PAGE_PC(LINELESS, 0),
        FAKE_PC(2, 0, 8) };
    lpp_profile_t *profile = begin(5000, 4000);

    add(profile, stack, 3, 3000000, 2000000, 3);
    add(profile, stack + 1, 2, 2000000, 2000000, 2);
    write_all("lineless", profile, "/page.pl");
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make_profiles DIRECTORY\n");
        return 2;
    }
    directory = argv[1];
    fake_names = names;
    need(apr_initialize());
    need(apr_pool_create(&pool, NULL));
    make_empty();
    make_one();
    make_recursion();
    make_odd();
    make_huge();
    make_wild();
    make_page();
    make_lineless();
    apr_pool_destroy(pool);
    apr_terminate();
    return fflush(stdout) != 0;
}
