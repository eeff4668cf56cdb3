/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_saved: any bytes as a saved profile: whole, and, since checksums would
 * keep nearly all of them out, as the body of a file whose checks are right.
 * What is taken must be a view that every writer can write, and that comes out
 * of another round the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <apr_general.h>

#include "saved/lpp_saved.h"
#include "formats/lpp_writer.h"

#define ID "OOPS-0123456789abcdef0123456789abcdef"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static apr_pool_t *pool;

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

static lpp_buf_t *new_buf(void)
{
    lpp_buf_t *buf = apr_palloc(pool, sizeof(*buf));

    lpp_buf_init(buf, pool, LPP_FILE_MAX_BYTES);
    return buf;
}

static void add_u32(lpp_buf_t *buf, uint64_t value)
{
    unsigned i;

    for (i = 0; i < 4; i++) {
        lpp_buf_add_byte(buf, (char)(value >> (8 * i)));
    }
}

/* A right head. Its totals are those of the files in the corpus, so that a body
 * which keeps them is taken; with ready time or, as older files, without. */
static void add_head(lpp_buf_t *file, int ready)
{
    static const char head[] = "host\0" ID "\0page\0url\0host\0GET\0profiled\0"
                               "\x01\x02\x03\xc8\x01\x04\x00\x64\x50\x03"
                               "\x02\x0a";
    apr_size_t len = sizeof(head) - (ready ? 1 : 3);

    lpp_buf_add(file, "LPPROF\r\x03", 8);
    add_u32(file, len);
    add_u32(file, crc32(0, (const unsigned char *)head, (uInt)len));
    lpp_buf_add(file, head, len);
}

static lpp_buf_t *wrap(const uint8_t *data, size_t size, int ready)
{
    lpp_buf_t *file = new_buf();
    uLongf len = compressBound(size);
    unsigned char *packed = apr_palloc(pool, len);

    require(compress2(packed, &len, data, size, 0) == Z_OK);
    add_head(file, ready);
    add_u32(file, size);
    add_u32(file, len);
    lpp_buf_add(file, (char *)packed, len);
    return file;
}

static lpp_buf_t *again(const lpp_saved_t *saved)
{
    lpp_buf_t *buf = new_buf();
    lpp_sink_t sink = lpp_buf_sink(buf);

    require(lpp_saved_write(saved, &sink, pool) == APR_SUCCESS);
    return buf;
}

static int try(const char *data, size_t size)
{
    lpp_saved_t *saved, *second;
    lpp_buf_t *first;
    int format;

    if (lpp_saved_read(&saved, data, size, pool) != APR_SUCCESS) {
        require(saved == NULL);
        return 0;
    }
    for (format = 0; format < LPP_FORMAT_COUNT; format++) {
        lpp_sink_t sink = lpp_buf_sink(new_buf());

        require(lpp_writer_get(format)->write(saved->view, &sink, pool)
                == APR_SUCCESS);
    }
    first = again(saved);
    require(lpp_saved_read(&second, first->data, first->len, pool)
            == APR_SUCCESS);
    require(again(second)->len == first->len);
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int ready;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    try((const char *)data, size);
    for (ready = 0; ready < 2; ready++) {
        lpp_buf_t *file = wrap(data, size, ready);

        try(file->data, file->len);
    }
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}
