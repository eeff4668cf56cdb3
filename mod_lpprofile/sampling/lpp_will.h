/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_will: what a process leaves behind when it dies under a profile: the
 * words of its crash, and the samples taken so far.
 *
 * Lies in the gate's shared memory (lpp_gate_extra). The helper adds every
 * sample as it comes, so a process may be killed between any two instructions:
 * what is counted as there is whole. Nodes have the numbers that they have in
 * the profile, as long as there is room; what is beyond is credited to the
 * deepest ancestor within. Objects that nodes lie in are kept by path and build
 * id, since their numbers die with the process.
 *
 * Who reads believes nothing of it: any child could have written it.
 */
#ifndef LPP_WILL_H
#define LPP_WILL_H

#include "sampling/lpp_crash_internal.h"
#include "objects/lpp_maps.h"
#include "profile/lpp_profile.h"

#define LPP_WILL_NODES 32768
#define LPP_WILL_OBJECTS 256
#define LPP_WILL_PATH_BYTES 256
#define LPP_WILL_BUILD_ID_BYTES 64

typedef struct lpp_will_node_t {
    lpp_pc_t pc;
    apr_uint64_t wall_ns, cpu_ns; /* self */
    apr_uint32_t parent;
    apr_uint32_t samples;
} lpp_will_node_t;

typedef struct lpp_will_object_t {
    apr_uint64_t bias;
    apr_uint32_t number;       /* in the dead process */
    apr_uint32_t build_id_len; /* 0: it has none */
    unsigned char build_id[LPP_WILL_BUILD_ID_BYTES];
    char path[LPP_WILL_PATH_BYTES];
} lpp_will_object_t;

typedef struct lpp_will_t {
    char id[LPP_OOPS_ID_LEN + 1]; /* of the profile that this is of */
    char unwinder[16];
    atomic_uint nodes;         /* whole ones; 0: nothing is left */
    atomic_uint objects;
    apr_uint64_t wall_ns, cpu_ns; /* of the request, at the last tick */
    lpp_honesty_t honesty;     /* at the last tick; unwinder is NULL */
    lpp_will_object_t object[LPP_WILL_OBJECTS];
    lpp_will_node_t node[LPP_WILL_NODES];
} lpp_will_t;

/* All of a holder's room at the gate, whose first 4096 bytes are zero. */
typedef struct lpp_legacy_t {
    lpp_crash_t crash;
    lpp_will_t will;
} lpp_legacy_t;

/*
 * Begin with the profile of that id; nothing of an older one stays readable.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_will_begin(lpp_will_t *will, const char *id);

/*
 * weight was given to node of profile (lpp_profile_add, _credit); maps names
 * its objects. Signal-safe: no. Thread: the helper.
 */
void lpp_will_add(lpp_will_t *will, const lpp_profile_t *profile,
                  apr_uint32_t node, const lpp_weight_t *weight,
                  const lpp_maps_t *maps);

/*
 * The request has taken so long by now; copies the profile's honesty.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_will_set_total(lpp_will_t *will, const lpp_profile_t *profile,
                        apr_uint64_t wall_ns, apr_uint64_t cpu_ns);

/*
 * The profile with that id that a dead process left, with the numbers that its
 * objects have in maps; those that are not in it are added. APR_ENOENT: none of
 * that id; APR_EINVAL: it makes no sense; APR_ENOMEM.
 * Signal-safe: no. Thread: that of lpp_maps_refresh.
 */
LPP_MUST_CHECK apr_status_t lpp_will_read(const lpp_will_t *will,
                                          const char *id, lpp_maps_t *maps,
                                          lpp_profile_t **profile,
                                          apr_pool_t *pool);

#endif
