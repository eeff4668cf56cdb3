/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_interp_internal: the struct lpp_interp_t, for lpp_interp.c (helper) and
 * lpp_interp_walk.c (handler).
 */
#ifndef LPP_INTERP_INTERNAL_H
#define LPP_INTERP_INTERNAL_H

#include <stdatomic.h>

#include "interp/lpp_interp.h"
#include "interp/lpp_interp_languages_internal.h"
#include "interp/lpp_interp_merge_internal.h"
#include "interp/lpp_interp_lua_names_internal.h"

#define LPP_INTERP_LATE_NS 1000000 /* an older permission is not valid */

struct lpp_interp_t {
    lpp_maps_t *maps;         /* borrowed */
    lpp_pagecode_t *pages;    /* borrowed */
    lpp_interp_seen_t *seen;
    apr_size_t stack_bytes;   /* that an alternate stack needs */
    atomic_uint languages;    /* bits of those that are read now */
    atomic_llong allowed_ns;  /* CLOCK_MONOTONIC: when reading was permitted; 0:
                                 it is not */

    /* Set by begin and enter_thread, while no thread is armed; read by the
     * handler, which writes only what is said. */
    lpp_interp_php_t php;
    lpp_interp_python_t python; /* the handler writes states, heads */
    lpp_interp_lua_t lua;
    lpp_interp_perl_t perl;

    /* The helper's alone. */
    lpp_interp_found_t found[LPP_LANGUAGES];
    lpp_interp_range_t runs[LPP_LANGUAGES]; /* found's markers */
    lpp_interp_range_t resume;
    unsigned changes;         /* of the objects, when found was made */
    int searched;             /* found was made */
    lpp_lua_files_t lua_files;
    char unread[LPP_PAGE_UNREAD_BYTES]; /* the sentences of those not read */
    apr_uint64_t faults_before;
    lpp_page_statistics_t statistics; /* without nameless, faults, unread */
    apr_uint32_t *numbers;    /* LPP_INTERP_FUNCTIONS_MAX + 1, in pages, of the
                                 functions seen; 0: not yet looked up */
};

#endif
