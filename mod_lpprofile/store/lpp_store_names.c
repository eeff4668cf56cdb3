/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_store_names: makes and reads ids, stems and file names; never accesses
 * the disk. The store ignores names that these functions do not recognise.
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <apr_cstr.h>
#include <apr_escape.h>
#include <apr_general.h>
#include <apr_strings.h>

#include "base/lpp_ascii.h"
#include "base/lpp_clock.h"
#include "store/lpp_store.h"

#define ID_PREFIX "OOPS-"
#define ID_PREFIX_LEN 5
#define TIME_LEN 23 /* 2026-11-22_15:34:47.123 */
#define NAME_MAX_BYTES 240

static const struct {
    const char *prefix;
    const char *suffix;
} affixes[] = {
#define LPP_X(symbol, action, prefix, suffix, type, command) {prefix, suffix},
    LPP_FORMATS(LPP_X)
#undef LPP_X
    {"", LPP_SAVED_SUFFIX}, /* LPP_FORMAT_SAVED */
};

static int is_name_byte(char c)
{
    return lpp_is_alnum(c) || (c && strchr("._:+@-", c));
}

static int is_lower_hex(char c)
{
    return lpp_is_digit(c) || (c >= 'a' && c <= 'f');
}

/* From the kernel's random source, or APR's where the kernel has no
 * getrandom. */
static apr_status_t random_bytes(unsigned char *bytes, apr_size_t len)
{
    apr_size_t done = 0;

    while (done < len) {
        ssize_t got = getrandom(bytes + done, len - done, 0);

        if (got > 0) {
            done += (apr_size_t)got;
        }
        else if (got < 0 && errno != EINTR) {
            return apr_generate_random_bytes(bytes, len);
        }
    }
    return APR_SUCCESS;
}

apr_status_t lpp_store_new_id(char id[LPP_OOPS_ID_LEN + 1])
{
    unsigned char bytes[16];
    apr_status_t rv;

    id[0] = '\0';
    rv = random_bytes(bytes, sizeof(bytes));
    if (rv != APR_SUCCESS) {
        return rv;
    }
    memcpy(id, ID_PREFIX, ID_PREFIX_LEN);
    return apr_escape_hex(id + ID_PREFIX_LEN, bytes, sizeof(bytes), 0, NULL);
}

/* Whether text begins with an id. */
static int begins_with_id(const char *text)
{
    int i;

    if (apr_cstr_casecmpn(text, ID_PREFIX, ID_PREFIX_LEN) != 0) {
        return 0;
    }
    for (i = ID_PREFIX_LEN; i < LPP_OOPS_ID_LEN; i++) {
        if (!is_lower_hex(text[i])) {
            return 0;
        }
    }
    return 1;
}

int lpp_store_is_id(const char *text)
{
    return text && begins_with_id(text) && !text[LPP_OOPS_ID_LEN];
}

int lpp_store_is_name(const char *name)
{
    apr_size_t len = 0;

    if (!name || name[0] == '.') {
        return 0;
    }
    for (; name[len]; len++) {
        if (!is_name_byte(name[len])) {
            return 0;
        }
    }
    return len > 0 && len <= NAME_MAX_BYTES;
}

const char *lpp_store_time(apr_time_t time, apr_pool_t *pool)
{
    apr_time_exp_t at;

    lpp_time_parts(&at, time, 1);
    return apr_psprintf(pool, "%04d-%02d-%02d_%02d:%02d:%02d.%03d",
                        at.tm_year + 1900, at.tm_mon + 1, at.tm_mday,
                        at.tm_hour, at.tm_min, at.tm_sec, at.tm_usec / 1000);
}

const char *lpp_store_word(const char *page_id, apr_pool_t *pool)
{
    char page[LPP_PAGEID_MAX_BYTES + 1];
    apr_size_t len;

    if (!page_id || !page_id[0]) {
        page_id = "Unknown";
    }
    for (len = 0; len < LPP_PAGEID_MAX_BYTES && page_id[len]; len++) {
        page[len] = is_name_byte(page_id[len]) ? page_id[len] : '_';
    }
    return apr_pstrmemdup(pool, page, len);
}

const char *lpp_store_stem(apr_time_t start, const char *page_id,
                           const char *id, apr_uint32_t pid, apr_uint32_t tid,
                           apr_pool_t *pool)
{
    const char *time = lpp_store_time(start, pool);
    const char *word = lpp_store_word(page_id, pool);

    return time && word ? apr_psprintf(pool, "%s-%s-%s-%u.%u", time, word, id,
                                       pid, tid)
                        : NULL;
}

const char *lpp_store_name(const char *stem, lpp_format_e format,
                           apr_pool_t *pool)
{
    return apr_pstrcat(pool, affixes[format].prefix, stem,
                       affixes[format].suffix, NULL);
}

/* Whether text begins with digits where pattern has 0, and with the pattern's
 * own bytes elsewhere. */
static int fits(const char *text, const char *pattern)
{
    for (; *pattern; text++, pattern++) {
        if (*pattern == '0' ? !lpp_is_digit(*text) : *text != *pattern) {
            return 0;
        }
    }
    return 1;
}

/* Step back from end over digits; NULL: there is none. */
static const char *back_over_digits(const char *start, const char *end)
{
    const char *p = end;

    while (p > start && lpp_is_digit(p[-1])) {
        p--;
    }
    return p < end ? p : NULL;
}

/* The begin of the id in a stem of len bytes; NULL: not a stem. Searched from
 * the end, since a page id may have all allowed bytes. */
static const char *find_id(const char *stem, apr_size_t len)
{
    const char *p = back_over_digits(stem, stem + len);
    apr_size_t page_len;

    if (!p || p == stem || p[-1] != '.') {
        return NULL;
    }
    p = back_over_digits(stem, p - 1);
    if (!p || p - stem < TIME_LEN + 2 + LPP_OOPS_ID_LEN + 1 || p[-1] != '-') {
        return NULL;
    }
    p -= 1 + LPP_OOPS_ID_LEN;
    page_len = (apr_size_t)(p - stem) - TIME_LEN - 2;
    if (p[-1] != '-' || page_len < 1 || page_len > LPP_PAGEID_MAX_BYTES
        || strncmp(p, ID_PREFIX, ID_PREFIX_LEN) != 0 || !begins_with_id(p)
        || !fits(stem, "0000-00-00_00:00:00.000-")) {
        return NULL;
    }
    return p;
}

int lpp_store_parse_name(const char *name, lpp_store_entry_t *entry,
                         apr_pool_t *pool)
{
    apr_size_t len;
    unsigned i;

    if (!lpp_store_is_name(name)) {
        return 0;
    }
    len = strlen(name);
    for (i = 0; i < LPP_COUNT(affixes); i++) {
        apr_size_t before = strlen(affixes[i].prefix);
        apr_size_t after = strlen(affixes[i].suffix);
        const char *id, *copy;

        if (len <= before + after
            || strncmp(name, affixes[i].prefix, before) != 0
            || strcmp(name + len - after, affixes[i].suffix) != 0) {
            continue;
        }
        id = find_id(name + before, len - before - after);
        if (id) {
            copy = apr_pstrdup(pool, name);
            id = apr_pstrmemdup(pool, id, LPP_OOPS_ID_LEN);
            if (!copy || !id) {
                return 0;
            }
            entry->name = copy;
            entry->stem = copy + before;
            entry->id = id;
            entry->format = (lpp_format_e)i;
            entry->bytes = 0;
            entry->mtime = 0;
            return 1;
        }
    }
    return 0;
}
