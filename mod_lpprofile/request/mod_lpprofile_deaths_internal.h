/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_deaths_internal: shared by the process that writes the
 * post-mortem reports (mod_lpprofile_deaths.c) and the functions that make
 * their content (mod_lpprofile_deaths_report.c).
 */
#ifndef MOD_LPPROFILE_DEATHS_INTERNAL_H
#define MOD_LPPROFILE_DEATHS_INTERNAL_H

#include "gate/lpp_gate.h"
#include "request/mod_lpprofile_facts.h"
#include "profile/lpp_profile.h"
#include "names/lpp_symbol.h"
#include "unwind/lpp_unwind.h"
#include "oops/lpp_oops.h"

/* What unwinds and names a stack; members are NULL if not available. */
typedef struct lpp_deaths_tools_t {
    lpp_maps_t *maps;
    lpp_unwinder_t *unwinder;
    lpp_symbols_t *symbols;
} lpp_deaths_tools_t;

/*
 * Read the samples that the dead process left. tools, whose maps are not NULL,
 * belong to this process only: the objects and page functions that only the
 * dead process had are added. Errors: those of
 * lpp_postmortem_read.
 * Signal-safe: no. Thread: the only one of its process.
 */
LPP_MUST_CHECK apr_status_t lpp_deaths_samples(lpp_profile_t **profile,
                                               const lpp_death_t *death,
                                               const lpp_deaths_tools_t *tools,
                                               apr_pool_t *pool);

/*
 * Make an OOPS, complete but for the reporter. facts: those of the record in
 * death. same_places: the objects of tools had the same addresses in the dead
 * process. profile: its samples, or NULL.
 * Signal-safe: no. Thread: the only one of its process.
 */
LPP_MUST_CHECK apr_status_t lpp_deaths_describe(lpp_oops_t **oops,
                                                const lpp_death_t *death,
                                                const lpp_facts_t *facts,
                                                const lpp_deaths_tools_t *tools,
                                                int same_places,
                                                const lpp_profile_t *profile,
                                                apr_pool_t *pool);

#endif
