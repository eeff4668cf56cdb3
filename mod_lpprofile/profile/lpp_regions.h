/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_regions: the inline regions of one request: which are open, which were,
 * and the total time of each name.
 *
 * Reads no clock: callers pass the time, in microseconds of CLOCK_MONOTONIC.
 * Each name is stored once. Regions past a ceiling are counted as dropped, and
 * each enter still needs its leave. In all functions regions is not NULL.
 */
#ifndef LPP_REGIONS_H
#define LPP_REGIONS_H

#include "base/lpp_base.h"

#define LPP_REGIONS_DEPTH_MAX 64    /* open at a time, with a name */
#define LPP_REGIONS_NAMES_MAX 256   /* the last one is for all further names */
#define LPP_REGIONS_NAME_BYTES 200  /* of a name; the rest is cut */

typedef struct lpp_regions_t lpp_regions_t;

/*
 * Create an object without regions, in pool. NULL: no memory.
 * Signal-safe: no. Thread: one at a time.
 */
lpp_regions_t *lpp_regions_create(apr_pool_t *pool);

/*
 * Open a region inside the open ones. name is copied; NULL and "" mean
 * "region". profiled is not 0 if the region is to be profiled, not only timed.
 * Returns 1 if it is the outermost profiled one.
 * Signal-safe: no. Thread: one at a time.
 */
int lpp_regions_enter(lpp_regions_t *regions, const char *name, int profiled,
                      apr_time_t now_us);

/*
 * Close the innermost open region. Returns 1 if it was the outermost profiled
 * one; 0 if it was not, or if none is open.
 * Signal-safe: no. Thread: one at a time.
 */
int lpp_regions_leave(lpp_regions_t *regions, apr_time_t now_us);

/* Close all open regions.
 * Signal-safe: no. Thread: one at a time. */
void lpp_regions_leave_all(lpp_regions_t *regions, apr_time_t now_us);

/* The number of open regions, and of those that are to be profiled.
 * Signal-safe: no. Thread: one at a time. */
unsigned lpp_regions_depth(const lpp_regions_t *regions);
unsigned lpp_regions_profiled_depth(const lpp_regions_t *regions);

/* Call when profiling has ended: time after now_us does not count as inside.
 * Signal-safe: no. Thread: one at a time. */
void lpp_regions_freeze(lpp_regions_t *regions, apr_time_t now_us);

/* How often an outermost profiled region was entered; the microseconds spent in
 * these until now_us.
 * Signal-safe: no. Thread: one at a time. */
apr_uint32_t lpp_regions_profiles(const lpp_regions_t *regions);
apr_uint64_t lpp_regions_inside_us(const lpp_regions_t *regions,
                                   apr_time_t now_us);

/* One region. While it is open, end_us is the present time. */
typedef struct lpp_region_t {
    const char *name;
    apr_time_t start_us;
    apr_time_t end_us;
} lpp_region_t;

/* The regions in the order of their starts: how many are stored; the one at
 * index (less than count), whose name lives as long as regions; how many there
 * was no room for.
 * Signal-safe: no. Thread: one at a time. */
apr_uint32_t lpp_regions_count(const lpp_regions_t *regions);
lpp_region_t lpp_regions_get(const lpp_regions_t *regions, apr_uint32_t index,
                             apr_time_t now_us);
apr_uint32_t lpp_regions_dropped(const lpp_regions_t *regions);

/* The sum over all regions of one name. A region within another of the same
 * name is counted, but its time is not added twice. */
typedef struct lpp_region_sum_t {
    const char *name;
    apr_uint32_t count;  /* exact */
    apr_uint64_t wall_us;
    apr_uint32_t open;   /* of these, open ones on the stack; 0 in a saved
                            profile */
} lpp_region_sum_t;

/* The sums by name, in the order in which names were first used, *count of
 * them; valid as long as regions. wall_us does not include open regions: see
 * lpp_regions_sum_us.
 * Signal-safe: no. Thread: one at a time. */
const lpp_region_sum_t *lpp_regions_sums(const lpp_regions_t *regions,
                                         apr_uint32_t *count);

/* wall_us of sums[index], with the open regions until now_us.
 * Signal-safe: no. Thread: one at a time. */
apr_uint64_t lpp_regions_sum_us(const lpp_regions_t *regions,
                                apr_uint32_t index, apr_time_t now_us);

#endif
