/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_saved_codec: writes and reads numbers and strings of a saved profile.
 * What is read is checked; after an error, every function returns 0 or "".
 */
#include <string.h>

#include <apr_hash.h>

#include "base/lpp_utf8.h"
#include "saved/lpp_saved_internal.h"

apr_uint64_t lpp_saved_number(lpp_saved_reader_t *reader, apr_uint64_t max)
{
    apr_uint64_t value = 0;
    unsigned shift = 0;

    while (!reader->bad && reader->at < reader->end && shift < 64) {
        unsigned char byte = *reader->at++;

        if (shift == 63 && byte > 1) {
            break;
        }
        value |= (apr_uint64_t)(byte & 0x7f) << shift;
        shift += 7;
        if (!(byte & 0x80)) {
            if (value > max) {
                break;
            }
            return value;
        }
    }
    reader->bad = 1;
    return 0;
}

apr_uint32_t lpp_saved_count(lpp_saved_reader_t *reader, apr_uint32_t max,
                             unsigned min_bytes)
{
    apr_uint64_t count = lpp_saved_number(reader, max);

    /* Before memory is allocated for them: the file must have that many
     * bytes. */
    if (count * min_bytes > (apr_uint64_t)(reader->end - reader->at)) {
        reader->bad = 1;
        count = 0;
    }
    return (apr_uint32_t)count;
}

const char *lpp_saved_string(lpp_saved_reader_t *reader)
{
    apr_uint64_t number = lpp_saved_number(reader, reader->string_count);

    if (number >= reader->string_count) {
        reader->bad = 1;
    }
    return reader->bad ? "" : reader->strings[number];
}

const char *lpp_saved_optional(lpp_saved_reader_t *reader)
{
    return lpp_saved_number(reader, 1) ? lpp_saved_string(reader) : NULL;
}

const char *lpp_saved_name(lpp_saved_reader_t *reader)
{
    const char *name = lpp_saved_string(reader), *at = name;

    while (*at && !reader->bad) {
        apr_uint32_t character;

        at += lpp_utf8_read(at, &character);
        if (character == LPP_UTF8_INVALID || character < 0x20
            || character == 0x7f) {
            reader->bad = 1;
        }
    }
    return reader->bad ? "" : name;
}

void *lpp_saved_array(lpp_saved_reader_t *reader, apr_size_t count,
                      apr_size_t size)
{
    void *array = reader->bad ? NULL
        : apr_pcalloc(reader->pool, (count + 1) * size);

    if (!array && !reader->bad) {
        reader->bad = 1;
        reader->status = APR_ENOMEM;
    }
    return array;
}

apr_uint32_t lpp_saved_get_u32(const unsigned char *at)
{
    return (apr_uint32_t)at[0] | (apr_uint32_t)at[1] << 8
        | (apr_uint32_t)at[2] << 16 | (apr_uint32_t)at[3] << 24;
}

/* The bytes up to the next NUL, which must be there, in place. */
const char *lpp_saved_get_bytes(lpp_saved_reader_t *reader)
{
    const char *string = (const char *)reader->at;
    const unsigned char *nul = reader->bad ? NULL
        : memchr(reader->at, '\0', (apr_size_t)(reader->end - reader->at));

    if (!nul || nul - reader->at > LPP_SAVED_STRING_MAX_BYTES) {
        reader->bad = 1;
        return "";
    }
    reader->at = nul + 1;
    return string;
}

const char **lpp_saved_head_string(lpp_saved_head_t *head, unsigned i)
{
    const char **const all[LPP_SAVED_HEAD_STRINGS] = {
        &head->vhost, &head->id, &head->page_id, &head->url, &head->host,
        &head->method, &head->outcome
    };

    return all[i];
}

void lpp_saved_add_number(lpp_buf_t *buf, apr_uint64_t value)
{
    char bytes[10];
    unsigned len = 0;

    while (value > 0x7f) {
        bytes[len++] = (char)(0x80 | (value & 0x7f));
        value >>= 7;
    }
    bytes[len++] = (char)value;
    lpp_buf_add(buf, bytes, len);
}

void lpp_saved_set_u32(char *at, apr_uint64_t value)
{
    unsigned i;

    for (i = 0; i < 4; i++) {
        at[i] = (char)(value >> (8 * i));
    }
}

void lpp_saved_add_double(lpp_buf_t *buf, double value)
{
    apr_uint64_t bits;
    char bytes[8];

    memcpy(&bits, &value, sizeof(bits));
    lpp_saved_set_u32(bytes, bits & 0xffffffffu);
    lpp_saved_set_u32(bytes + 4, bits >> 32);
    lpp_buf_add(buf, bytes, sizeof(bytes));
}

/* A string and its NUL, not longer than max and not cut within a character. */
void lpp_saved_add_bytes(lpp_buf_t *buf, const char *string, apr_size_t max)
{
    apr_size_t len = strlen(string);

    if (len > max) {
        len = lpp_utf8_cut(string, max);
    }
    lpp_buf_add(buf, string, len);
    lpp_buf_add_byte(buf, '\0');
}

void lpp_saved_put_number(lpp_saved_writer_t *writer, apr_uint64_t value)
{
    lpp_saved_add_number(&writer->content, value);
}

void lpp_saved_put_string(lpp_saved_writer_t *writer, const char *string)
{
    apr_uint32_t *number = apr_hash_get(writer->numbers, string,
                                        APR_HASH_KEY_STRING);

    if (!number) {
        number = apr_palloc(writer->pool, sizeof(*number));
        if (!number) {
            writer->no_memory = 1;
            return;
        }
        *number = writer->count++;
        lpp_saved_add_bytes(&writer->strings, string,
                            LPP_SAVED_STRING_MAX_BYTES);
        apr_hash_set(writer->numbers, string, APR_HASH_KEY_STRING, number);
    }
    lpp_saved_add_number(&writer->content, *number);
}

/* A string that may be NULL. */
void lpp_saved_put_optional(lpp_saved_writer_t *writer, const char *string)
{
    lpp_saved_add_number(&writer->content, string != NULL);
    if (string) {
        lpp_saved_put_string(writer, string);
    }
}
