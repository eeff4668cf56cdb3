/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_unwind_rows: compiles one object's .eh_frame, and looks up rules in the
 * result.
 *
 * Owns the layout of the block: rules (few, each once), rows (address, rule)
 * sorted by address, and for each 256 bytes of code the row that covers their
 * start, so that a look-up reads three or four cache lines. The builder's
 * memory is freed when compiling ends.
 */
#include "unwind/lpp_unwind_rows_internal.h"

#include <stdlib.h>
#include <string.h>

#define BUCKET_BITS 8
#define RULES_MAX 65535u
#define RULE_SLOTS 4096u /* initial size of the builder's index of rules */
#define ROWS_MAX (64u * 1024 * 1024)

/* This rule is valid from here to the next row's address. */
typedef struct row_t {
    apr_uint32_t start; /* from base */
    apr_uint16_t rule;
    apr_uint16_t zero;
} row_t;

struct lpp_rows_t {
    apr_uint64_t base, end; /* code covered, process addresses */
    apr_uint32_t row_count, rule_count, bucket_count;
    const lpp_rule_t *rules; /* these three: in the same block */
    const row_t *rows;
    const apr_uint32_t *buckets; /* bucket_count + 1: the row that holds the
                                    bucket's first byte */
};

/* The place of one FDE, for sorting. */
typedef struct fde_ref_t {
    apr_uint64_t start;
    apr_size_t offset;
} fde_ref_t;

typedef struct builder_t {
    apr_uint64_t base;
    lpp_rule_t *rules;
    apr_uint32_t rule_count, rule_room;
    apr_uint32_t *slots; /* index of rules + 1, by hash; twice as many as rules
                            fit */
    row_t *rows;
    apr_uint32_t row_count, row_room;
    apr_status_t status;
} builder_t;

static apr_uint32_t hash_rule(const lpp_rule_t *rule)
{
    apr_uint64_t words[3], h;

    memcpy(words, rule, sizeof(words));
    h = words[0] * APR_UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ (h >> 29) ^ words[1]) * APR_UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ (h >> 32) ^ words[2]) * APR_UINT64_C(0x94d049bb133111eb);
    return (apr_uint32_t)(h >> 32);
}

static apr_uint32_t *find_slot(const builder_t *builder,
                               const lpp_rule_t *rule)
{
    apr_uint32_t mask = builder->rule_room * 2 - 1;
    apr_uint32_t at = hash_rule(rule) & mask;

    while (
        builder->slots[at] != 0
        && memcmp(&builder->rules[builder->slots[at] - 1], rule, sizeof(*rule))
               != 0) {
        at = (at + 1) & mask;
    }
    return &builder->slots[at];
}

/* Double the room for rules (a power of two). */
static apr_status_t grow_rules(builder_t *builder)
{
    apr_uint32_t room =
        builder->rule_room ? builder->rule_room * 2 : RULE_SLOTS / 2;
    lpp_rule_t *rules = realloc(builder->rules, room * sizeof(*rules));
    apr_uint32_t *slots, i;

    if (rules == NULL) {
        return APR_ENOMEM;
    }
    builder->rules = rules;
    slots = calloc(room * 2, sizeof(*slots));
    if (slots == NULL) {
        return APR_ENOMEM;
    }
    free(builder->slots);
    builder->slots = slots;
    builder->rule_room = room;
    for (i = 0; i < builder->rule_count; i++) {
        *find_slot(builder, &rules[i]) = i + 1;
    }
    return APR_SUCCESS;
}

/* Find the number of rule, which is added if it is new. */
static apr_status_t number_rule(builder_t *builder, const lpp_rule_t *rule,
                                apr_uint16_t *number)
{
    apr_uint32_t *slot;

    if (builder->rule_count == builder->rule_room) {
        apr_status_t status = grow_rules(builder);

        if (status != APR_SUCCESS) {
            return status;
        }
    }
    slot = find_slot(builder, rule);
    if (*slot == 0) {
        if (builder->rule_count == RULES_MAX) {
            return APR_ENOSPC;
        }
        builder->rules[builder->rule_count] = *rule;
        *slot = ++builder->rule_count;
    }
    *number = (apr_uint16_t)(*slot - 1);
    return APR_SUCCESS;
}

/* A lpp_rule_fn: add the next row. It replaces rows of an earlier FDE at or
 * after its address, as the search table of .eh_frame_hdr would. */
static int add_row(void *baton, apr_uint64_t start, const lpp_rule_t *rule)
{
    builder_t *builder = baton;
    apr_uint32_t offset = (apr_uint32_t)(start - builder->base);
    apr_uint16_t number;
    row_t *row;

    builder->status = number_rule(builder, rule, &number);
    if (builder->status != APR_SUCCESS) {
        return 0;
    }
    while (builder->row_count > 0
           && builder->rows[builder->row_count - 1].start >= offset) {
        builder->row_count--;
    }
    if (builder->row_count > 0
        && builder->rows[builder->row_count - 1].rule == number) {
        return 1;
    }
    if (builder->row_count == builder->row_room) {
        apr_uint32_t room = builder->row_room ? builder->row_room * 2 : 4096;
        row_t *rows = room > ROWS_MAX
                          ? NULL
                          : realloc(builder->rows, room * sizeof(*rows));

        if (rows == NULL) {
            builder->status = APR_ENOMEM;
            return 0;
        }
        builder->rows = rows;
        builder->row_room = room;
    }
    row = &builder->rows[builder->row_count++];
    row->start = offset;
    row->rule = number;
    row->zero = 0;
    return 1;
}

static int compare_refs(const void *left, const void *right)
{
    const fde_ref_t *a = left, *b = right;

    return a->start < b->start ? -1 : a->start > b->start;
}

/* List all FDEs of object that describe its executable segments, sorted. */
static apr_status_t list_fdes(const lpp_object_t *object, fde_ref_t **refs,
                              apr_size_t *count)
{
    apr_size_t offset = 0, before, room = 0;
    lpp_eh_fde_t fde;

    memset(&fde, 0, sizeof(fde));
    for (before = 0; lpp_eh_next(object, &offset, &fde); before = offset) {
        if (fde.start < object->start || fde.end > object->end) {
            continue;
        }
        if (*count == room) {
            fde_ref_t *more;

            room = room ? room * 2 : 1024;
            more = realloc(*refs, room * sizeof(*more));
            if (more == NULL) {
                return APR_ENOMEM;
            }
            *refs = more;
        }
        /* From here lpp_eh_next again skips any CIEs before the FDE. */
        (*refs)[*count].offset = before;
        (*refs)[(*count)++].start = fde.start;
    }
    if (*count > 0) {
        qsort(*refs, *count, sizeof(**refs), compare_refs);
    }
    return APR_SUCCESS;
}

static apr_status_t build_rows(builder_t *builder, const lpp_object_t *object,
                               const fde_ref_t *refs, apr_size_t count)
{
    lpp_rule_t none;
    lpp_eh_fde_t fde;
    apr_size_t i;

    memset(&fde, 0, sizeof(fde));
    memset(&none, 0, sizeof(none));
    none.cfa = LPP_CFA_NONE;
    for (i = 0; i < count; i++) {
        apr_size_t offset = refs[i].offset;

        if (lpp_eh_next(object, &offset, &fde)
            && (!lpp_rules_read(&fde, add_row, builder)
                || !add_row(builder, fde.end, &none))) {
            return builder->status;
        }
    }
    return APR_SUCCESS;
}

static void fill_buckets(const builder_t *builder, apr_uint32_t *buckets,
                         apr_uint32_t count)
{
    apr_uint32_t row = 0, i;

    for (i = 0; i <= count; i++) {
        while (row + 1 < builder->row_count
               && builder->rows[row + 1].start <= i << BUCKET_BITS) {
            row++;
        }
        buckets[i] = row;
    }
}

/* Copy the builder's arrays into one block. */
static lpp_rows_t *pack_rows(const builder_t *builder)
{
    apr_uint32_t last = builder->rows[builder->row_count - 1].start;
    apr_uint32_t buckets = (last >> BUCKET_BITS) + 1;
    apr_size_t rules_size = builder->rule_count * sizeof(lpp_rule_t);
    apr_size_t rows_size = builder->row_count * sizeof(row_t);
    lpp_rows_t *rows;
    char *room;

    rows = malloc(sizeof(*rows) + rules_size + rows_size
                  + ((apr_size_t)buckets + 1) * sizeof(apr_uint32_t));
    if (rows == NULL) {
        return NULL;
    }
    room = (char *)(rows + 1);
    rows->base = builder->base;
    rows->end = builder->base + last;
    rows->rule_count = builder->rule_count;
    rows->row_count = builder->row_count;
    rows->bucket_count = buckets;
    rows->rules = memcpy(room, builder->rules, rules_size);
    rows->rows = memcpy(room + rules_size, builder->rows, rows_size);
    rows->buckets = (apr_uint32_t *)(room + rules_size + rows_size);
    fill_buckets(builder, (apr_uint32_t *)rows->buckets, buckets);
    return rows;
}

apr_status_t lpp_rows_compile(const lpp_object_t *object, lpp_rows_t **rows)
{
    fde_ref_t *refs = NULL;
    apr_size_t count = 0;
    builder_t builder;
    apr_status_t status;

    *rows = NULL;
    memset(&builder, 0, sizeof(builder));
    if (object->eh_frame_len == 0
        || object->end - object->start > 0xffffff00u) {
        return APR_SUCCESS;
    }
    status = list_fdes(object, &refs, &count);
    if (status == APR_SUCCESS && count > 0) {
        builder.base = refs[0].start;
        status = build_rows(&builder, object, refs, count);
    }
    if (status == APR_SUCCESS && builder.row_count > 0) {
        *rows = pack_rows(&builder);
        status = *rows ? APR_SUCCESS : APR_ENOMEM;
    }
    free(refs);
    free(builder.rows);
    free(builder.rules);
    free(builder.slots);
    return status;
}

const lpp_rule_t *lpp_rows_find(const lpp_rows_t *rows, apr_uint64_t address)
{
    static const lpp_rule_t none; /* LPP_CFA_NONE is 0 */
    apr_uint32_t offset, low, high;

    if (address < rows->base || address >= rows->end) {
        return &none;
    }
    offset = (apr_uint32_t)(address - rows->base);
    low = rows->buckets[offset >> BUCKET_BITS];
    high = rows->buckets[(offset >> BUCKET_BITS) + 1];
    while (low < high) {
        apr_uint32_t middle = high - (high - low) / 2;

        if (rows->rows[middle].start <= offset) {
            low = middle;
        }
        else {
            high = middle - 1;
        }
    }
    return &rows->rules[rows->rows[low].rule];
}
