/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_view_part: page code alone, or C code alone, of a view.
 */
#ifndef LPP_VIEW_PART_H
#define LPP_VIEW_PART_H

#include "names/lpp_view.h"

typedef enum {
    LPP_VIEW_PAGE_CODE,   /* the page functions */
    LPP_VIEW_SCRIPT_CODE, /* of these, the ones that a script has: not
                             "usort()", which is written in C */
    LPP_VIEW_ALL_CODE,
    LPP_VIEW_C_CODE       /* all functions but the page functions */
} lpp_view_part_e;

/* Whether it is a page function; and whether a script has it.
 * Signal-safe: yes. Thread: any. */
int lpp_view_is_page(const lpp_symbol_t *symbol);
int lpp_view_is_script(const lpp_symbol_t *symbol);

/* Whether a view has samples in page functions.
 * Signal-safe: no. Thread: any. */
int lpp_view_has_page_code(const lpp_view_t *view);

/*
 * A view, in pool, of a part: the time of functions that are not in the part is
 * time of the function in the part that called them. So the self time of a
 * script's function, in that part, has the C code that it called. Functions
 * have the indexes that they have in view; root and "[not sampled]" are in
 * every part. It has no lines and no exact calls. For all code, part is view.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_view_part(const lpp_view_t **part,
                                          const lpp_view_t *view,
                                          lpp_view_part_e which,
                                          apr_pool_t *pool);

/*
 * The line of a script's function that took most time, with the C code that it
 * called; the earliest of equal ones; 0: not known, or memory is short.
 * Signal-safe: no. Thread: any.
 */
unsigned lpp_view_hottest_line(const lpp_view_t *view, apr_uint32_t function,
                               apr_pool_t *scratch);

#endif
