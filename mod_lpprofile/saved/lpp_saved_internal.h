/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_saved_internal: the layout of a saved profile, for the files of lpp_saved
 * only.
 *
 *   magic       8 bytes, the last one the version
 *   head_len    4 bytes, of head
 *   head_crc    4 bytes, zlib's crc32 of head
 *   head        strings of lpp_saved_head_string, then numbers
 *   body_len    4 bytes, uncompressed
 *   packed_len  4 bytes, what follows, to the end of the file
 *   body        zlib: strings, objects, honesty, functions, branches, calls
 *               of edges, OOPS, SQL, memory, inline regions; where calls
 *               were counted: their scopes, calls, filters
 *
 * Numbers are LEB128 in at most ten bytes. A string is its bytes and a NUL; in
 * the body there is a table of them first, and then their numbers in it. 4-byte
 * numbers and doubles are little-endian.
 */
#ifndef LPP_SAVED_INTERNAL_H
#define LPP_SAVED_INTERNAL_H

#include <apr_hash.h>

#include "saved/lpp_saved.h"

#define LPP_SAVED_MAGIC "LPPROF\r"
#define LPP_SAVED_FIXED_BYTES 16         /* magic to head_crc */
#define LPP_SAVED_STRING_MAX_BYTES 65535 /* one string */
#define LPP_SAVED_VARS_MAX 10000
#define LPP_SAVED_BUILD_ID_MAX_BYTES 64
#define LPP_SAVED_STRINGS_MAX (4 * LPP_TREE_MAX_NODES)
/* More than deflate can press together: such a length is a lie. */
#define LPP_SAVED_RATIO_MAX 1040
/* Root and rest stand above the frames of a stack. */
#define LPP_SAVED_DEPTH_MAX (LPP_FRAMES_MAX + 2)

#define LPP_SAVED_HEAD_STRING_MAX_BYTES 2000

/* The string members of a head, in their order in the file. */
#define LPP_SAVED_HEAD_STRINGS 7
const char **lpp_saved_head_string(lpp_saved_head_t *head, unsigned i);

/* A body being written. */
typedef struct lpp_saved_writer_t {
    apr_hash_t *numbers;   /* string -> its number */
    apr_uint32_t count;    /* strings in the table */
    lpp_buf_t strings;     /* the table */
    lpp_buf_t content;     /* the body without it */
    lpp_buf_t head, body;  /* as they go out */
    int no_memory;
    apr_pool_t *pool;
} lpp_saved_writer_t;

/* Add to a buffer: a number; a double; a string and its NUL, cut to max bytes
 * (not within a character). Set the four bytes at at. */
void lpp_saved_add_number(lpp_buf_t *buf, apr_uint64_t value);
void lpp_saved_add_double(lpp_buf_t *buf, double value);
void lpp_saved_add_bytes(lpp_buf_t *buf, const char *string, apr_size_t max);
void lpp_saved_set_u32(char *at, apr_uint64_t value);

/* Add a number, a string, a string that may be NULL, to the content. */
void lpp_saved_put_number(lpp_saved_writer_t *writer, apr_uint64_t value);
void lpp_saved_put_string(lpp_saved_writer_t *writer, const char *string);
void lpp_saved_put_optional(lpp_saved_writer_t *writer, const char *string);

/* The SQL statements, or that there are none. */
void lpp_saved_put_sql(lpp_saved_writer_t *writer, const lpp_saved_t *saved);
/* Memory and inline regions. */
void lpp_saved_put_extras(lpp_saved_writer_t *writer,
                          const lpp_saved_t *saved);

/* Where a reader is. Once bad, every call gives 0 or "" and moves no more. */
typedef struct lpp_saved_reader_t {
    const unsigned char *at, *end;
    const char *const *strings; /* the table, NULL before it was read */
    apr_uint32_t string_count;
    int bad;                    /* what was read is not right */
    apr_status_t status;        /* APR_ENOMEM where memory was short */
    apr_pool_t *pool;           /* what was read lives here */
    apr_pool_t *scratch;
} lpp_saved_reader_t;

/* The four bytes at at; the string that stands next, or NULL. */
apr_uint32_t lpp_saved_get_u32(const unsigned char *at);
const char *lpp_saved_get_bytes(lpp_saved_reader_t *reader);

/* The next number, which must not be over max. */
apr_uint64_t lpp_saved_number(lpp_saved_reader_t *reader, apr_uint64_t max);

/* How many things follow, each of at least min_bytes, at most max. */
apr_uint32_t lpp_saved_count(lpp_saved_reader_t *reader, apr_uint32_t max,
                             unsigned min_bytes);

/* The string of the table that the next number names; never NULL. */
const char *lpp_saved_string(lpp_saved_reader_t *reader);

/* The same for one that may be NULL, and for one that must be a name: UTF-8
 * without control characters. */
const char *lpp_saved_optional(lpp_saved_reader_t *reader);
const char *lpp_saved_name(lpp_saved_reader_t *reader);

/* A zeroed array in reader->pool; NULL and status where memory is short. */
void *lpp_saved_array(lpp_saved_reader_t *reader, apr_size_t count,
                      apr_size_t size);

/* Functions, branches and calls of edges; the view's graph and figures. */
void lpp_saved_read_tree(lpp_saved_reader_t *reader, lpp_view_t *view);

/* The exact calls; those of functions and edges follow from them. */
void lpp_saved_read_calls(lpp_saved_reader_t *reader, lpp_view_t *view);

/* The SQL statements, where there are any. */
void lpp_saved_read_sql(lpp_saved_reader_t *reader, lpp_saved_t *saved);

/* Memory and inline regions. */
void lpp_saved_read_extras(lpp_saved_reader_t *reader, lpp_saved_t *saved);

/* The OOPS, or NULL. */
lpp_oops_t *lpp_saved_read_oops(lpp_saved_reader_t *reader);

#endif
