/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_deaths_internal: between the process that writes the reports of
 * the dead (mod_lpprofile_deaths.c) and what the reports say
 * (mod_lpprofile_deaths_report.c).
 */
#ifndef MOD_LPPROFILE_DEATHS_INTERNAL_H
#define MOD_LPPROFILE_DEATHS_INTERNAL_H

#include "lpp_gate.h"
#include "lpp_symbol.h"
#include "lpp_unwind.h"
#include "lpp_oops.h"

/* What a stack is unwound and named with; NULL where it cannot be. */
typedef struct lpp_autopsy_t {
    const lpp_maps_t *maps;
    lpp_unwinder_t *unwinder;
    lpp_symbols_t *symbols;
} lpp_autopsy_t;

/*
 * Fill an OOPS, but for reporter and what only the host's configuration knows.
 * autopsy: whose maps are those of the dead process, or NULL.
 * Signal-safe: no. Thread: the only one of its process.
 */
LPP_MUST_CHECK apr_status_t lpp_deaths_describe(lpp_oops_t **oops,
                                                const lpp_death_t *death,
                                                const lpp_autopsy_t *autopsy,
                                                apr_pool_t *pool);

#endif
