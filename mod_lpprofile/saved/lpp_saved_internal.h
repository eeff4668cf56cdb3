/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_saved_internal: the layout of a saved profile, for the files of lpp_saved
 * only.
 *
 *   magic       8 bytes, the last one the version
 *   head_len    4 bytes, of head
 *   head_crc    4 bytes, zlib's crc32 of head
 *   head        strings of lpp_saved_head_string, then numbers; a later
 *               version may add to its end
 *   body_len    4 bytes, uncompressed
 *   packed_len  4 bytes, what follows, to the end of the file
 *   body        zlib: how many strings, then each; how many sections, then each
 *   section     tag, a number above the tag of the section before it; length of
 *               what follows, 4 bytes; the content
 *
 * A reader skips sections with unknown tags, and unknown values at the end of
 * a section. The version changes only if that is not enough: files of other
 * versions are refused.
 *
 * Numbers are LEB128 in at most ten bytes. A string is its bytes and a NUL; in
 * a section it is its number in the table. 4-byte numbers and doubles are
 * little-endian.
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
/* More than deflate can compress: such a length is wrong. */
#define LPP_SAVED_RATIO_MAX 1040
/* Root and rest are above the frames of a stack. */
#define LPP_SAVED_DEPTH_MAX (LPP_FRAMES_MAX + 2)

/* Of times and counts, so that no sum wraps. */
#define LPP_SAVED_TOTAL_MAX (APR_UINT64_C(1) << 62)
/* Root, rest, and the nodes of a tree at its ceiling. */
#define LPP_SAVED_BRANCHES_MAX (LPP_TREE_MAX_NODES + 2)

#define LPP_SAVED_HEAD_STRING_MAX_BYTES 2000

/* The string members of a head, in their order in the file.
 * Signal-safe: yes. Thread: any. */
#define LPP_SAVED_HEAD_STRINGS 7
const char **lpp_saved_head_string(lpp_saved_head_t *head, unsigned i);

/* A body being written. */
typedef struct lpp_saved_writer_t {
    apr_hash_t *numbers;   /* string -> its number */
    apr_uint32_t count;    /* strings in the table */
    apr_uint32_t sections; /* in the content */
    lpp_buf_t strings;     /* the table */
    lpp_buf_t content;     /* the sections */
    lpp_buf_t head, body;  /* as they are written */
    int no_memory;
    apr_pool_t *pool;
} lpp_saved_writer_t;

/* Add to a buffer: a number; a double; a string and its NUL, cut to max bytes
 * (between two characters). set_u32 writes value to the four bytes at at.
 * Errors stay in the buffer.
 * Signal-safe: no. Thread: any, one at a time a buffer. */
void lpp_saved_add_number(lpp_buf_t *buf, apr_uint64_t value);
void lpp_saved_add_double(lpp_buf_t *buf, double value);
void lpp_saved_add_bytes(lpp_buf_t *buf, const char *string, apr_size_t max);
void lpp_saved_set_u32(char *at, apr_uint64_t value);

/* Add a number, a string, a string that may be NULL, to the content. Errors
 * stay in the writer.
 * Signal-safe: no. Thread: any, one at a time a writer. */
void lpp_saved_put_number(lpp_saved_writer_t *writer, apr_uint64_t value);
void lpp_saved_put_string(lpp_saved_writer_t *writer, const char *string);
void lpp_saved_put_optional(lpp_saved_writer_t *writer, const char *string);

/* The section of ready time, while it is read: of each branch. */
typedef struct lpp_saved_ready_t {
    const apr_uint64_t *us;
    apr_uint32_t count;
} lpp_saved_ready_t;

/* The state of a reader. Once it is bad, every function returns 0, "" or NULL
 * and reads no further. */
typedef struct lpp_saved_reader_t {
    const unsigned char *at, *end;
    const char *const *strings; /* the table, NULL before it was read */
    apr_uint32_t string_count;
    int bad;                    /* the file is not valid, or memory was short */
    apr_status_t status;        /* APR_ENOMEM where memory was short */
    lpp_view_t *view;           /* being made; saved->view */
    lpp_saved_ready_t branches, line_branches;
    apr_pool_t *pool;           /* what was read lives here */
    apr_pool_t *scratch;
} lpp_saved_reader_t;

/* A section of the body: see the table in lpp_saved_file.c. */
typedef void lpp_saved_put_fn(lpp_saved_writer_t *writer,
                              const lpp_saved_t *saved);
typedef void lpp_saved_read_fn(lpp_saved_reader_t *reader,
                               lpp_saved_t *saved);
typedef struct lpp_saved_section_t {
    apr_uint32_t tag;
    int required;            /* a file without it is refused */
    lpp_saved_put_fn *put;   /* adds to the content; adds nothing: section left
                                out */
    lpp_saved_read_fn *read; /* reads the content, and no bytes after it */
} lpp_saved_section_t;

/* get_u32 returns the number in the four bytes at at; get_bytes the next
 * string, which points into the file.
 * Signal-safe: no; get_u32: yes. Thread: one at a time a reader. */
apr_uint32_t lpp_saved_get_u32(const unsigned char *at);
const char *lpp_saved_get_bytes(lpp_saved_reader_t *reader);

/* The next number; bad if it is larger than max.
 * Signal-safe: no. Thread: one at a time a reader. */
apr_uint64_t lpp_saved_number(lpp_saved_reader_t *reader, apr_uint64_t max);

/* The number of things that follow, each of at least min_bytes; bad if it is
 * larger than max, or if the file is too short for them.
 * Signal-safe: no. Thread: one at a time a reader. */
apr_uint32_t lpp_saved_count(lpp_saved_reader_t *reader, apr_uint32_t max,
                             unsigned min_bytes);

/* The string of the table with the next number; never NULL.
 * Signal-safe: no. Thread: one at a time a reader. */
const char *lpp_saved_string(lpp_saved_reader_t *reader);

/* The same for one that may be NULL; and for one that must be a name: UTF-8
 * without control characters.
 * Signal-safe: no. Thread: one at a time a reader. */
const char *lpp_saved_optional(lpp_saved_reader_t *reader);
const char *lpp_saved_name(lpp_saved_reader_t *reader);

/* A zeroed array in reader->pool; NULL if the reader is bad, or becomes so
 * because memory is short (status is then APR_ENOMEM).
 * Signal-safe: no. Thread: one at a time a reader. */
void *lpp_saved_array(lpp_saved_reader_t *reader, apr_size_t count,
                      apr_size_t size);

/* The ready time of branch i, whose wall and CPU time were read; 0: the file
 * has none. bad if it is more than they leave.
 * Signal-safe: yes. Thread: one at a time a reader. */
apr_uint64_t lpp_saved_ready_us(lpp_saved_reader_t *reader,
                                const lpp_saved_ready_t *list, apr_uint32_t i,
                                const lpp_cost_t *cost);

/* The writer and the reader of each section. */
lpp_saved_put_fn lpp_saved_put_about, lpp_saved_put_objects,
    lpp_saved_put_statistics, lpp_saved_put_tree, lpp_saved_put_pagecode,
    lpp_saved_put_calls, lpp_saved_put_oops, lpp_saved_put_sql,
    lpp_saved_put_memory, lpp_saved_put_regions,
    lpp_saved_put_page_statistics, lpp_saved_put_sql_lines,
    lpp_saved_put_kernel_statistics, lpp_saved_put_waits,
    lpp_saved_put_shares;
lpp_saved_read_fn lpp_saved_read_about, lpp_saved_read_objects,
    lpp_saved_read_statistics, lpp_saved_read_tree, lpp_saved_read_pagecode,
    lpp_saved_read_calls, lpp_saved_read_oops, lpp_saved_read_sql,
    lpp_saved_read_memory, lpp_saved_read_regions,
    lpp_saved_read_page_statistics, lpp_saved_read_sql_lines,
    lpp_saved_read_kernel_statistics, lpp_saved_read_waits,
    lpp_saved_read_shares;

#endif
