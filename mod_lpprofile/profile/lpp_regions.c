/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_regions: see lpp_regions.h. A stack of the open regions, a list of all
 * regions in the order of their starts, and a sum for each name.
 */
#include "profile/lpp_regions.h"

#include <string.h>

#include <apr_strings.h>
#include <apr_tables.h>

#include "base/lpp_ascii.h"
#include "base/lpp_utf8.h"

#define REST_NAME "(further names)"
#define NO_ENTRY -1

typedef struct entry_t {
    unsigned name;       /* of sums */
    apr_time_t start_us;
    apr_time_t end_us;   /* 0: open */
} entry_t;

typedef struct open_t {
    int entry;           /* of entries, or NO_ENTRY */
    unsigned name;
    int profiled;
    apr_time_t start_us;
} open_t;

struct lpp_regions_t {
    apr_pool_t *pool;
    apr_array_header_t *entries;  /* entry_t */
    apr_uint32_t dropped;
    lpp_region_sum_t sums[LPP_REGIONS_NAMES_MAX];
    apr_uint32_t names;
    open_t stack[LPP_REGIONS_DEPTH_MAX];
    unsigned depth;               /* may be past the stack's end */
    unsigned profiled_depth;      /* of the stack, those that are profiled */
    apr_uint32_t profiles;
    apr_uint64_t inside_us;
    apr_time_t inside_since_us;   /* of the open outermost profiled one, or 0 */
    int frozen;
};

lpp_regions_t *lpp_regions_create(apr_pool_t *pool)
{
    lpp_regions_t *regions = apr_pcalloc(pool, sizeof(*regions));

    if (!regions) {
        return NULL;
    }
    regions->pool = pool;
    regions->entries = apr_array_make(pool, 16, sizeof(entry_t));
    return regions->entries ? regions : NULL;
}

/* Copy name to buffer without control characters, cut at a limit between two
 * characters of UTF-8. */
static const char *clean_name(const char *name, char *buffer)
{
    apr_size_t len, i;

    if (!name || !*name) {
        return "region";
    }
    len = strlen(name);
    if (len > LPP_REGIONS_NAME_BYTES) {
        len = lpp_utf8_cut(name, LPP_REGIONS_NAME_BYTES);
    }
    for (i = 0; i < len; i++) {
        buffer[i] = lpp_is_control(name[i]) ? ' ' : name[i];
    }
    buffer[len] = '\0';
    return buffer;
}

static unsigned name_number(lpp_regions_t *regions, const char *name)
{
    char buffer[LPP_REGIONS_NAME_BYTES + 1];
    const char *wanted = clean_name(name, buffer);
    lpp_region_sum_t *sum;
    unsigned i;

    for (i = 0; i < regions->names; i++) {
        if (!strcmp(regions->sums[i].name, wanted)) {
            return i;
        }
    }
    if (regions->names == LPP_REGIONS_NAMES_MAX) {
        return LPP_REGIONS_NAMES_MAX - 1;
    }
    sum = &regions->sums[regions->names];
    sum->name = regions->names == LPP_REGIONS_NAMES_MAX - 1
        ? REST_NAME : apr_pstrdup(regions->pool, wanted);
    if (!sum->name) {
        sum->name = REST_NAME;
    }
    return regions->names++;
}

static int add_entry(lpp_regions_t *regions, unsigned name, apr_time_t now_us)
{
    entry_t *entry;

    if (regions->entries->nelts >= LPP_TIMELINE_MAX) {
        regions->dropped++;
        return NO_ENTRY;
    }
    entry = apr_array_push(regions->entries);
    entry->name = name;
    entry->start_us = now_us;
    entry->end_us = 0;
    return regions->entries->nelts - 1;
}

int lpp_regions_enter(lpp_regions_t *regions, const char *name, int profiled,
                      apr_time_t now_us)
{
    unsigned number = name_number(regions, name);
    open_t *open;

    regions->sums[number].count++;
    if (regions->depth >= LPP_REGIONS_DEPTH_MAX) {
        regions->depth++;
        regions->dropped++;
        return 0;
    }
    open = &regions->stack[regions->depth++];
    open->name = number;
    open->entry = add_entry(regions, open->name, now_us);
    open->profiled = profiled != 0;
    open->start_us = now_us;
    regions->sums[number].open++;
    if (!profiled || regions->profiled_depth++ > 0) {
        return 0;
    }
    regions->profiles++;
    if (!regions->frozen) {
        regions->inside_since_us = now_us;
    }
    return 1;
}

/* Stop counting time as inside a profiled region. */
static void end_inside(lpp_regions_t *regions, apr_time_t now_us)
{
    regions->inside_us = lpp_regions_inside_us(regions, now_us);
    regions->inside_since_us = 0;
}

int lpp_regions_leave(lpp_regions_t *regions, apr_time_t now_us)
{
    lpp_region_sum_t *sum;
    open_t *open;

    if (!regions->depth || --regions->depth >= LPP_REGIONS_DEPTH_MAX) {
        return 0;
    }
    open = &regions->stack[regions->depth];
    sum = &regions->sums[open->name];
    if (--sum->open == 0 && now_us > open->start_us) {
        sum->wall_us += (apr_uint64_t)(now_us - open->start_us);
    }
    if (open->entry != NO_ENTRY) {
        APR_ARRAY_IDX(regions->entries, open->entry, entry_t).end_us = now_us;
    }
    if (!open->profiled || --regions->profiled_depth > 0) {
        return 0;
    }
    end_inside(regions, now_us);
    return 1;
}

void lpp_regions_leave_all(lpp_regions_t *regions, apr_time_t now_us)
{
    while (regions->depth) {
        (void)lpp_regions_leave(regions, now_us);
    }
}

unsigned lpp_regions_depth(const lpp_regions_t *regions)
{
    return regions->depth;
}

unsigned lpp_regions_profiled_depth(const lpp_regions_t *regions)
{
    return regions->profiled_depth;
}

void lpp_regions_freeze(lpp_regions_t *regions, apr_time_t now_us)
{
    end_inside(regions, now_us);
    regions->frozen = 1;
}

apr_uint32_t lpp_regions_profiles(const lpp_regions_t *regions)
{
    return regions->profiles;
}

apr_uint64_t lpp_regions_inside_us(const lpp_regions_t *regions,
                                   apr_time_t now_us)
{
    apr_time_t since = regions->inside_since_us;

    return regions->inside_us
        + (since && now_us > since ? (apr_uint64_t)(now_us - since) : 0);
}

apr_uint32_t lpp_regions_count(const lpp_regions_t *regions)
{
    return (apr_uint32_t)regions->entries->nelts;
}

lpp_region_t lpp_regions_get(const lpp_regions_t *regions, apr_uint32_t index,
                             apr_time_t now_us)
{
    const entry_t *entry = &APR_ARRAY_IDX(regions->entries, index, entry_t);
    lpp_region_t region;

    region.name = regions->sums[entry->name].name;
    region.start_us = entry->start_us;
    region.end_us = entry->end_us ? entry->end_us : now_us;
    return region;
}

apr_uint32_t lpp_regions_dropped(const lpp_regions_t *regions)
{
    return regions->dropped;
}

const lpp_region_sum_t *lpp_regions_sums(const lpp_regions_t *regions,
                                         apr_uint32_t *count)
{
    *count = regions->names;
    return regions->sums;
}

apr_uint64_t lpp_regions_sum_us(const lpp_regions_t *regions,
                                apr_uint32_t index, apr_time_t now_us)
{
    const open_t *open = regions->stack;
    const open_t *end = open + (regions->depth < LPP_REGIONS_DEPTH_MAX
                                    ? regions->depth : LPP_REGIONS_DEPTH_MAX);

    /* Only the outermost open region of that name adds time. */
    while (open < end && open->name != index) {
        open++;
    }
    return regions->sums[index].wall_us
        + (open < end && now_us > open->start_us
               ? (apr_uint64_t)(now_us - open->start_us) : 0);
}
