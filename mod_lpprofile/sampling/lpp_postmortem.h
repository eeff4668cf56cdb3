/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_postmortem: post-mortem data: what another process can read of a profile
 * whose process died: the samples taken so far, and the crash, if there was
 * one.
 *
 * Stored in the gate's shared memory (lpp_gate_extra). The helper adds each
 * sample when it adds it to the profile. The process may be killed between any
 * two instructions: what is counted is complete. Nodes have the same numbers as
 * in the profile. If there is no more room, weight is credited to the deepest
 * ancestor that is stored. The objects of the nodes are described by path and
 * build id, and page functions by name, file and line, since their numbers are
 * valid in the dead process only.
 *
 * The reader checks all of it, because any child could have written there.
 */
#ifndef LPP_POSTMORTEM_H
#define LPP_POSTMORTEM_H

#include "sampling/lpp_crash_internal.h"
#include "names/lpp_pagecode.h"
#include "objects/lpp_maps.h"
#include "profile/lpp_profile.h"

#define LPP_POSTMORTEM_NODES 32768
#define LPP_POSTMORTEM_OBJECTS 256
#define LPP_POSTMORTEM_PATH_BYTES 256
#define LPP_POSTMORTEM_BUILD_ID_BYTES 64
#define LPP_POSTMORTEM_FUNCTIONS 1024 /* page functions; for others
                                         "[more functions]" is read */
#define LPP_POSTMORTEM_NAME_BYTES 256 /* longer names and files are cut */

typedef struct lpp_postmortem_node_t {
    lpp_pc_t pc;
    apr_uint64_t wall_ns, cpu_ns, ready_ns; /* self */
    apr_uint32_t parent;
    apr_uint32_t samples;
} lpp_postmortem_node_t;

typedef struct lpp_postmortem_object_t {
    apr_uint64_t bias;
    apr_uint32_t number;       /* in the dead process */
    apr_uint32_t build_id_len; /* 0: it has none */
    unsigned char build_id[LPP_POSTMORTEM_BUILD_ID_BYTES];
    char path[LPP_POSTMORTEM_PATH_BYTES];
} lpp_postmortem_object_t;

typedef struct lpp_postmortem_function_t {
    apr_uint32_t language, internal, line; /* as in lpp_page_function_t */
    char name[LPP_POSTMORTEM_NAME_BYTES];
    char file[LPP_POSTMORTEM_NAME_BYTES];
} lpp_postmortem_function_t;

typedef struct lpp_postmortem_t {
    char id[LPP_OOPS_ID_LEN + 1]; /* of the profile */
    char unwinder[16];
    atomic_uint nodes;         /* complete ones; 0: no data */
    atomic_uint objects;
    atomic_uint functions;
    atomic_uint last;          /* node of the last sample that has page
                                  functions; 0: there is none */
    apr_uint64_t wall_ns, cpu_ns; /* of the request, at the last tick */
    apr_uint64_t ready_ns;        /* of the request; 0 before its end */
    /* At the last tick; unwinder is NULL. */
    lpp_sampling_statistics_t statistics;
    lpp_postmortem_object_t object[LPP_POSTMORTEM_OBJECTS];
    /* Of each function its number in the dead process, and what it is. */
    apr_uint32_t function_number[LPP_POSTMORTEM_FUNCTIONS];
    lpp_postmortem_function_t function[LPP_POSTMORTEM_FUNCTIONS];
    lpp_postmortem_node_t node[LPP_POSTMORTEM_NODES];
} lpp_postmortem_t;

/* The area of the owner of the gate (lpp_gate_extra): its first 4096 bytes are
 * zero at the start. */
typedef struct lpp_postmortem_area_t {
    lpp_crash_t crash;
    lpp_postmortem_t postmortem;
} lpp_postmortem_area_t;

/*
 * Begin with the profile of that id: data of an older one is void.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_postmortem_begin(lpp_postmortem_t *postmortem, const char *id);

/*
 * weight was added to node of profile (lpp_profile_add, _credit); maps has its
 * objects, pages its page functions (NULL: they are not described). postmortem
 * NULL: nothing is done.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_postmortem_add(lpp_postmortem_t *postmortem,
                        const lpp_profile_t *profile, apr_uint32_t node,
                        const lpp_weight_t *weight, const lpp_maps_t *maps,
                        lpp_pagecode_t *pages);

/*
 * Set the times of the request up to now (samples are not used), and copy the
 * profile's sampling statistics. postmortem NULL: nothing is done.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_postmortem_set_total(lpp_postmortem_t *postmortem,
                              const lpp_profile_t *profile,
                              const lpp_weight_t *total);

/*
 * Make a profile, in pool, of the data that a dead process left under that id,
 * with the numbers that its objects have in maps and its page functions in
 * pages; those that are not there are added. pages NULL: all page functions are
 * "[more functions]".
 * Errors: APR_ENOENT, there is none of that id; APR_EINVAL, it is not what
 * lpp_postmortem_add writes; APR_ENOMEM.
 * Signal-safe: no. Thread: that of lpp_maps_refresh.
 */
LPP_MUST_CHECK apr_status_t lpp_postmortem_read(
    const lpp_postmortem_t *postmortem, const char *id, lpp_maps_t *maps,
    lpp_pagecode_t *pages, lpp_profile_t **profile, apr_pool_t *pool);

/*
 * Write the page functions of the last sample that has some to frames,
 * innermost first, at most max. profile is what lpp_postmortem_read made of
 * postmortem. Returns how many there are.
 * Signal-safe: no. Thread: any.
 */
unsigned lpp_postmortem_last_pages(const lpp_postmortem_t *postmortem,
                                   const lpp_profile_t *profile,
                                   lpp_pc_t *frames, unsigned max);

#endif
