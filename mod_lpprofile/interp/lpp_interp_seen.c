/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_interp_seen: the functions that a profile has seen: a hash table from
 * keys to records, and memory for their texts.
 *
 * Filled by the handler, so nothing here allocates or waits. A record is
 * complete before the sample that names it is published. reset changes the
 * epoch, so that a new profile costs nothing.
 */
#include "interp/lpp_interp_walk_internal.h"

#include <stdatomic.h>
#include <stddef.h>

#include "base/lpp_utf8.h"

#define SLOTS 8192u /* a power of two; twice as many as functions */
#define PROBES 32u
#define TEXT_BYTES (2u * 1024 * 1024)

typedef struct slot_t {
    apr_uint64_t key[4];
    apr_uint32_t function;
    apr_uint32_t epoch; /* of another epoch: free */
} slot_t;

/* What init sets is first, so that it touches one page of memory alone. */
struct lpp_interp_seen_t {
    apr_uint32_t epoch;     /* 0: slots have any content */
    apr_uint32_t count;     /* functions */
    apr_uint32_t text_used;
    atomic_ullong nameless;
    slot_t slots[SLOTS];
    lpp_interp_record_t records[LPP_INTERP_FUNCTIONS_MAX + 1]; /* 0: unused */
    unsigned char text[TEXT_BYTES];
};

apr_size_t lpp_interp_seen_size(void)
{
    return sizeof(lpp_interp_seen_t);
}

void lpp_interp_seen_init(lpp_interp_seen_t *seen)
{
    seen->epoch = 0;
    seen->count = 0;
    seen->text_used = 0;
    atomic_init(&seen->nameless, 0);
}

void lpp_interp_seen_reset(lpp_interp_seen_t *seen)
{
    unsigned i;

    if (seen->epoch == 0) {
        for (i = 0; i < SLOTS; i++) {
            seen->slots[i].epoch = 0;
        }
    }
    seen->epoch++;
    if (seen->epoch == 0) {
        seen->epoch = 1;
    }
    seen->count = 0;
    seen->text_used = 0;
    atomic_store(&seen->nameless, 0);
}

static apr_uint64_t hash(const apr_uint64_t key[4])
{
    apr_uint64_t mixed = key[0] * APR_UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ mixed >> 29 ^ key[1]) * APR_UINT64_C(0xff51afd7ed558ccd);
    mixed = (mixed ^ mixed >> 31 ^ key[2]) * APR_UINT64_C(0xc4ceb9fe1a85ec53);
    return (mixed ^ mixed >> 30 ^ key[3]) * APR_UINT64_C(0x9e3779b97f4a7c15);
}

/* The number of the function with that key; *record: of one that is new. */
static apr_uint32_t find(lpp_interp_seen_t *seen, const apr_uint64_t key[4],
                         lpp_interp_record_t **record)
{
    apr_uint32_t at = (apr_uint32_t)(hash(key) >> 40) & (SLOTS - 1), i;

    *record = NULL;
    for (i = 0; i < PROBES; i++, at = (at + 1) & (SLOTS - 1)) {
        slot_t *slot = &seen->slots[at];

        if (slot->epoch != seen->epoch) {
            if (seen->count == LPP_INTERP_FUNCTIONS_MAX) {
                break;
            }
            slot->key[0] = key[0];
            slot->key[1] = key[1];
            slot->key[2] = key[2];
            slot->key[3] = key[3];
            slot->epoch = seen->epoch;
            slot->function = ++seen->count;
            *record = &seen->records[slot->function];
            **record = (lpp_interp_record_t){ 0 };
            return slot->function;
        }
        if (slot->key[0] == key[0] && slot->key[1] == key[1]
            && slot->key[2] == key[2] && slot->key[3] == key[3]) {
            return slot->function;
        }
    }
    atomic_fetch_add_explicit(&seen->nameless, 1, memory_order_relaxed);
    return 0;
}

lpp_interp_record_t *lpp_interp_add(lpp_interp_walk_t *walk,
                                    lpp_language_e language,
                                    apr_uint64_t flags, apr_uint64_t line,
                                    const apr_uint64_t key[4])
{
    lpp_interp_record_t *record;
    apr_uint32_t function;

    if (walk->count == LPP_SNAPSHOT_PAGE_FRAMES) {
        walk->flags |= LPP_PAGE_CUT;
        return NULL;
    }
    function = find(walk->seen, key, &record);
    walk->frames[walk->count++] = flags | (apr_uint64_t)language << 48
        | (apr_uint64_t)function << 24
        | (line <= LPP_PAGE_LINE_MAX ? line : 0);
    return record;
}

int lpp_interp_full(lpp_interp_walk_t *walk)
{
    if (walk->count < LPP_SNAPSHOT_PAGE_FRAMES && walk->steps > 0) {
        walk->steps--;
        return 0;
    }
    walk->flags |= LPP_PAGE_CUT;
    return 1;
}

static unsigned char *reserve(lpp_interp_walk_t *walk,
                              lpp_interp_text_t *text, apr_size_t len)
{
    lpp_interp_seen_t *seen = walk->seen;

    text->offset = seen->text_used;
    text->len = 0;
    return len <= TEXT_BYTES - seen->text_used
        ? seen->text + seen->text_used : NULL;
}

static void commit(lpp_interp_walk_t *walk, lpp_interp_text_t *text,
                   apr_size_t len)
{
    text->len = (apr_uint32_t)len;
    walk->seen->text_used += text->len;
}

void lpp_interp_copy(lpp_interp_walk_t *walk, lpp_interp_text_t *text,
                     apr_uint64_t from, apr_uint64_t len, apr_size_t max,
                     int last)
{
    unsigned char *to;

    if (len > max) {
        from += last ? len - max : 0;
        len = max;
    }
    to = reserve(walk, text, (apr_size_t)len);
    if (to != NULL) {
        commit(walk, text, lpp_peek_bytes(to, from, (apr_size_t)len));
    }
}

apr_uint64_t lpp_interp_hash(apr_uint64_t from, apr_uint64_t len)
{
    apr_uint64_t mixed = 0, word;
    apr_size_t step;

    if (len > LPP_INTERP_FILE_MAX) {
        from += len - LPP_INTERP_FILE_MAX;
        len = LPP_INTERP_FILE_MAX;
    }
    for (; len > 0; from += step, len -= step) {
        step = len < sizeof(word) ? (apr_size_t)len : sizeof(word);
        word = 0;
        lpp_peek_bytes(&word, from, step);
        mixed = (mixed ^ word) * APR_UINT64_C(0x9e3779b97f4a7c15);
        mixed ^= mixed >> 32;
    }
    return mixed;
}

void lpp_interp_copy_wide(lpp_interp_walk_t *walk, lpp_interp_text_t *text,
                          apr_uint64_t from, apr_uint64_t count,
                          unsigned width, apr_size_t max)
{
    unsigned char *to = reserve(walk, text, max);
    apr_size_t len = 0;
    apr_uint64_t i;

    for (i = 0; to != NULL && i < count && len + 4 <= max; i++) {
        apr_uint32_t code = 0; /* little-endian, as the loads are */

        if (lpp_peek_bytes(&code, from + i * width, width) != width) {
            break;
        }
        len += lpp_utf8_encode(code, to + len);
    }
    commit(walk, text, len);
}

const lpp_interp_record_t *lpp_interp_seen_record(
    const lpp_interp_seen_t *seen, apr_uint32_t function)
{
    return function >= 1 && function <= seen->count ? &seen->records[function]
                                                    : NULL;
}

const unsigned char *lpp_interp_seen_bytes(const lpp_interp_seen_t *seen,
                                           const lpp_interp_text_t *text)
{
    return seen->text + text->offset;
}

apr_uint64_t lpp_interp_seen_nameless(const lpp_interp_seen_t *seen)
{
    return atomic_load_explicit(&((lpp_interp_seen_t *)seen)->nameless,
                                memory_order_relaxed);
}
