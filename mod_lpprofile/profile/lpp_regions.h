/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_regions: the inline regions of one request: what is open, what was, how
 * long each name took.
 *
 * Reads no clock: callers pass the time, in microseconds of CLOCK_MONOTONIC.
 * Each name is stored once. Regions past a ceiling are counted, and enter and
 * leave still pair.
 */
#ifndef LPP_REGIONS_H
#define LPP_REGIONS_H

#include "base/lpp_base.h"

#define LPP_REGIONS_DEPTH_MAX 64    /* open at a time, with a name */
#define LPP_REGIONS_NAMES_MAX 256   /* the last one stands for the rest */
#define LPP_REGIONS_NAME_BYTES 200  /* of a name; the rest is cut */

typedef struct lpp_regions_t lpp_regions_t;

/*
 * Empty, in pool. NULL: no memory.
 * Signal-safe: no. Thread: one at a time, as all of these.
 */
lpp_regions_t *lpp_regions_create(apr_pool_t *pool);

/*
 * Open a region inside those that are open. name is copied, NULL and empty are
 * "region"; profiled: it is to be profiled, not only timed. Returns 1 when it
 * is the outermost profiled one.
 */
int lpp_regions_enter(lpp_regions_t *regions, const char *name, int profiled,
                      apr_time_t now_us);

/*
 * Close the innermost open region. Returns 1 when it was the outermost profiled
 * one, 0 where one around it is profiled or nothing is open.
 */
int lpp_regions_leave(lpp_regions_t *regions, apr_time_t now_us);

/* Close all that is open. */
void lpp_regions_leave_all(lpp_regions_t *regions, apr_time_t now_us);

/* How many are open, and of those, to be profiled. */
unsigned lpp_regions_depth(const lpp_regions_t *regions);
unsigned lpp_regions_profiled_depth(const lpp_regions_t *regions);

/* Profiling has ended: time after now does not count as inside. */
void lpp_regions_freeze(lpp_regions_t *regions, apr_time_t now_us);

/* Times an outermost profiled region was entered; microseconds spent in those
 * until now. */
apr_uint32_t lpp_regions_profiles(const lpp_regions_t *regions);
apr_uint64_t lpp_regions_inside_us(const lpp_regions_t *regions,
                                   apr_time_t now_us);

/* One region, or where it is still open, the region until now. */
typedef struct lpp_region_t {
    const char *name;
    apr_time_t start_us;
    apr_time_t end_us;
} lpp_region_t;

/* The regions in the order of their starts: how many are kept, one of them,
 * how many there was no room for. */
apr_uint32_t lpp_regions_count(const lpp_regions_t *regions);
lpp_region_t lpp_regions_get(const lpp_regions_t *regions, apr_uint32_t index,
                             apr_time_t now_us);
apr_uint32_t lpp_regions_dropped(const lpp_regions_t *regions);

/* What all regions of one name add up to; a region within another of its own
 * name counts, but its time is not added twice. */
typedef struct lpp_region_sum_t {
    const char *name;
    apr_uint32_t count;  /* exact */
    apr_uint64_t wall_us;
    apr_uint32_t open;   /* of them, with a name on the stack; 0 in what was
                            saved */
} lpp_region_sum_t;

/* The sums by name, in the order in which names came up; *count of them. Those
 * open at present are not in wall_us: lpp_regions_sum_us. */
const lpp_region_sum_t *lpp_regions_sums(const lpp_regions_t *regions,
                                         apr_uint32_t *count);

/* wall_us of sums[index], with what is open until now. */
apr_uint64_t lpp_regions_sum_us(const lpp_regions_t *regions,
                                apr_uint32_t index, apr_time_t now_us);

#endif
