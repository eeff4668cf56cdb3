/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_unwind_libunwind: the reference unwinder. Internal to lpp_unwind*.
 */
#ifndef LPP_UNWIND_LIBUNWIND_INTERNAL_H
#define LPP_UNWIND_LIBUNWIND_INTERNAL_H

#include "unwind/lpp_unwind_walk_internal.h"

typedef struct lpp_libunwind_t lpp_libunwind_t;

/*
 * Load libunwind and make an address space over maps (borrowed; must outlive
 * it). A cleanup of pool frees it where maps was made in this process; in a
 * child that uses its parent's maps it is freed with the process.
 * Errors: APR_ENOTIMPL: libunwind is not installed, or was not at build time;
 * APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_libunwind_create(lpp_libunwind_t **engine,
                                                 const lpp_maps_t *maps,
                                                 apr_pool_t *pool);

/*
 * Walk the stack to its end; lpp_walk_start was called before.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_libunwind_walk(lpp_libunwind_t *engine, lpp_walk_t *walk);

#endif
