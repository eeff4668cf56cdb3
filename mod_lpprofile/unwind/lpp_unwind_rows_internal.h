/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_unwind_rows: all rules of one object, sorted by address, in one block of
 * memory that never changes once it is made: a child shares its parent's.
 * Internal to lpp_unwind*.
 */
#ifndef LPP_UNWIND_ROWS_INTERNAL_H
#define LPP_UNWIND_ROWS_INTERNAL_H

#include "unwind/lpp_unwind_rules_internal.h"

typedef struct lpp_rows_t lpp_rows_t;

/*
 * Compile object's .eh_frame; *rows is one block of malloc. NULL and
 * APR_SUCCESS: it has no .eh_frame, or none that can be indexed. Errors:
 * APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_rows_compile(const lpp_object_t *object,
                                             lpp_rows_t **rows);

/*
 * The rule at address, never NULL: of kind LPP_CFA_NONE if no FDE covers it.
 * Signal-safe: yes. Thread: any.
 */
const lpp_rule_t *lpp_rows_find(const lpp_rows_t *rows, apr_uint64_t address);

#endif
