/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_unwind_table: the fast unwinder, by rules compiled from .eh_frame.
 * Internal to lpp_unwind*.
 */
#ifndef LPP_UNWIND_TABLE_INTERNAL_H
#define LPP_UNWIND_TABLE_INTERNAL_H

#include "unwind/lpp_unwind_walk_internal.h"

typedef struct lpp_table_t lpp_table_t;

/*
 * Make a table and compile the objects of maps that have no rules yet; the
 * rules belong to maps. Errors: APR_ENOTIMPL: not x86-64; APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_table_create(lpp_table_t **table,
                                             lpp_maps_t *maps,
                                             apr_pool_t *pool);

/*
 * Compile again after maps was refreshed, and clear the cache. Errors:
 * APR_ENOMEM.
 * Signal-safe: no. Thread: the helper.
 */
LPP_MUST_CHECK apr_status_t lpp_table_refresh(lpp_table_t *table,
                                              lpp_maps_t *maps);

/*
 * Walk the stack to its end; lpp_walk_start was called before.
 * walk->unsupported: a rule cannot be followed, and the frames written are not
 * the whole stack.
 * Signal-safe: yes. Thread: the helper.
 */
void lpp_table_walk(lpp_table_t *table, lpp_walk_t *walk);

#endif
