/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_files: from samples to the bytes of all files.
 *
 *   bench_files [ROUNDS]
 *
 * Samples are made up, the addresses in them are those of libraries that httpd
 * and its modules use. read: the tables of all objects, which the parent does
 * once a generation; cold: the first profile of a child, which names all
 * functions; warm: the next one. Without source lines,
 * which need debug files and are nobody's to wait for. Prints "name value unit"
 * lines, medians of the thread's CPU time; tests/bench/bench.py makes a table.
 */
#include <dlfcn.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "bench_util.h"
#include "objects/lpp_maps.h"
#include "saved/lpp_saved.h"
#include "names/lpp_view.h"
#include "formats/lpp_writer.h"

#define FUNCTIONS 300
#define DEPTH 30

static const char *const libraries[] = {
    "liblua5.3.so.0", "libcrypto.so.3", "libssl.so.3", "libpcre2-8.so.0",
    "libxml2.so.2", "libz.so.1", "libbrotlienc.so.1", "libnghttp2.so.14",
    "libcurl.so.4", "libldap-2.5.so.0", "libdb-5.3.so", "libexpat.so.1",
    "libsqlite3.so.0", "libstdc++.so.6", "libaprutil-1.so.0"
};

static apr_pool_t *pool;
static lpp_maps_t *maps;
static lpp_pc_t functions[FUNCTIONS];
static apr_uint64_t seed = 1;

static apr_uint32_t draw(apr_uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (apr_uint32_t)(seed >> 33) % below;
}

static void choose_functions(void)
{
    unsigned count, i;

    for (i = 0; i < LPP_COUNT(libraries); i++) {
        (void)dlopen(libraries[i], RTLD_LAZY | RTLD_LOCAL);
    }
    need(lpp_maps_create(&maps, pool), "the object table");
    count = lpp_maps_count(maps);
    for (i = 0; i < FUNCTIONS; i++) {
        const lpp_object_t *object = lpp_maps_object(maps, 1 + draw(count));

        functions[i] = lpp_maps_pc(
            maps, object->start
            + draw((apr_uint32_t)(object->end - object->start)));
    }
}

/* A path through the tree; the same number gives the same path. */
static void add_sample(lpp_profile_t *profile, apr_uint32_t path)
{
    const lpp_weight_t weight = { 1000000, 900000, 0, 1 };
    lpp_pc_t frames[DEPTH];
    unsigned depth = DEPTH / 2 + path % (DEPTH / 2), i;
    apr_uint64_t kept = seed;

    seed = path;
    for (i = 0; i < depth; i++) {
        /* root last: callers are few, leaves are many */
        unsigned level = depth - i;

        frames[i] = functions[draw(level < 12 ? level : FUNCTIONS)];
    }
    seed = kept;
    lpp_profile_add(profile, frames, depth, &weight);
}

static lpp_profile_t *make_profile(apr_uint32_t samples, apr_pool_t *scratch)
{
    apr_uint32_t paths = 10, i;
    lpp_profile_t *profile;

    while ((double)paths * paths * paths * paths < samples * 1e6) {
        paths++; /* 178, 316, 562: what is sampled longer repeats itself */
    }
    need(lpp_profile_create(&profile, 0, scratch), "a profile");
    for (i = 0; i < samples; i++) {
        add_sample(profile, draw(paths));
    }
    profile->total.wall_ns = (apr_uint64_t)samples * 1000000;
    profile->total.cpu_ns = (apr_uint64_t)samples * 900000;
    profile->statistics.asked_hz = 1000;
    profile->statistics.unwinder = "table";
    return profile;
}

static apr_status_t count_bytes(void *baton, const char *data, apr_size_t len)
{
    (void)data;
    *(apr_uint64_t *)baton += len;
    return APR_SUCCESS;
}

/* Names and all formats; the thread's CPU in ms. */
static double write_files(const lpp_profile_t *profile,
                          lpp_symbols_t *symbols, apr_uint64_t *bytes,
                          apr_pool_t *scratch)
{
    lpp_view_about_t about = { .id = "OOPS-0123456789abcdef0123456789abcdef",
        .page_id = "RootObject:index.html", .url = "/", .host = "localhost",
        .method = "GET", .start = APR_TIME_C(1700000000123456), .pid = 1,
        .tid = 1 };
    apr_uint64_t start = now_ns(CLOCK_THREAD_CPUTIME_ID);
    const lpp_view_t *view;
    int format;

    need(lpp_view_create(&view, profile, symbols, maps, &about, scratch),
         "a view");
    for (format = 0; format < LPP_FORMAT_COUNT; format++) {
        lpp_sink_t sink = { count_bytes, NULL };

        sink.baton = &bytes[format];
        bytes[format] = 0;
        need(lpp_writer_get(format)->write(view, &sink, scratch), "a writer");
    }
    return (double)(now_ns(CLOCK_THREAD_CPUTIME_ID) - start) / 1e6;
}

/* The form that the report pages read; the thread's CPU in ms. */
static double save(const lpp_profile_t *profile, lpp_symbols_t *symbols,
                   apr_uint64_t *bytes, apr_pool_t *scratch)
{
    lpp_view_about_t about = { .id = "OOPS-0123456789abcdef0123456789abcdef",
        .page_id = "RootObject:index.html", .url = "/", .host = "localhost",
        .method = "GET" };
    lpp_sink_t sink = { count_bytes, NULL };
    apr_uint64_t start;
    lpp_saved_t saved;
    const lpp_view_t *view;

    need(lpp_view_create(&view, profile, symbols, maps, &about, scratch),
         "a view");
    memset(&saved, 0, sizeof(saved));
    saved.head.vhost = "localhost:80";
    saved.head.outcome = "profiled";
    saved.oops_path = "";
    saved.view = view;
    *bytes = 0;
    sink.baton = bytes;
    start = now_ns(CLOCK_THREAD_CPUTIME_ID);
    need(lpp_saved_write(&saved, &sink, scratch), "the saved form");
    return (double)(now_ns(CLOCK_THREAD_CPUTIME_ID) - start) / 1e6;
}

static void bench_files(apr_uint32_t samples, int rounds)
{
    double read[ROUNDS_MAX], cold[ROUNDS_MAX], warm[ROUNDS_MAX];
    double saved[ROUNDS_MAX];
    apr_uint64_t bytes[LPP_FORMAT_COUNT], saved_bytes = 0;
    apr_uint32_t nodes = 0;
    int round, format;

    for (round = 0; round < rounds; round++) {
        lpp_symbols_t *symbols;
        lpp_profile_t *profile;
        apr_pool_t *scratch;
        apr_uint64_t start;

        need(apr_pool_create(&scratch, pool), "a pool");
        profile = make_profile(samples, scratch);
        nodes = profile->count;
        need(lpp_symbols_create(&symbols, maps), "a symbol table");
        start = now_ns(CLOCK_THREAD_CPUTIME_ID);
        lpp_symbols_read(symbols);
        read[round] = (double)(now_ns(CLOCK_THREAD_CPUTIME_ID) - start) / 1e6;
        cold[round] = write_files(profile, symbols, bytes, scratch);
        warm[round] = write_files(profile, symbols, bytes, scratch);
        saved[round] = save(profile, symbols, &saved_bytes, scratch);
        lpp_symbols_destroy(symbols);
        apr_pool_destroy(scratch);
    }
    print(apr_psprintf(pool, "files.%u.read", samples), median(read, rounds),
          "ms");
    print(apr_psprintf(pool, "files.%u.nodes", samples), nodes, "nodes");
    print(apr_psprintf(pool, "files.%u.cold", samples), median(cold, rounds),
          "ms");
    print(apr_psprintf(pool, "files.%u.warm", samples), median(warm, rounds),
          "ms");
    print(apr_psprintf(pool, "saved.%u", samples), median(saved, rounds),
          "ms");
    print(apr_psprintf(pool, "saved.%u.bytes", samples), (double)saved_bytes,
          "bytes");
    for (format = 0; format < LPP_FORMAT_COUNT; format++) {
        print(apr_psprintf(pool, "files.%u.%s", samples,
                           lpp_writer_get(format)->action),
              (double)bytes[format], "bytes");
    }
}

int main(int argc, char **argv)
{
    int rounds = rounds_of(argc, argv);

    need(apr_initialize(), "APR");
    need(apr_pool_create(&pool, NULL), "a pool");
    choose_functions();
    bench_files(1000, rounds);
    bench_files(10000, rounds);
    bench_files(100000, rounds);
    apr_terminate();
    return 0;
}
