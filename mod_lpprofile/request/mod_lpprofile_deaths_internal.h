/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_deaths_internal: between the process that writes the reports of
 * the dead (mod_lpprofile_deaths.c) and what the reports say
 * (mod_lpprofile_deaths_report.c).
 */
#ifndef MOD_LPPROFILE_DEATHS_INTERNAL_H
#define MOD_LPPROFILE_DEATHS_INTERNAL_H

#include "gate/lpp_gate.h"
#include "request/mod_lpprofile_facts.h"
#include "profile/lpp_profile.h"
#include "names/lpp_symbol.h"
#include "unwind/lpp_unwind.h"
#include "oops/lpp_oops.h"

/* What a stack is unwound and named with; NULL where it cannot be. */
typedef struct lpp_autopsy_t {
    lpp_maps_t *maps;
    lpp_unwinder_t *unwinder;
    lpp_symbols_t *symbols;
} lpp_autopsy_t;

/*
 * The samples that it left; maps, of this process alone, gets the objects that
 * only the dead one had. Errors: those of lpp_will_read.
 * Signal-safe: no. Thread: the only one of its process.
 */
LPP_MUST_CHECK apr_status_t lpp_deaths_samples(lpp_profile_t **profile,
                                               const lpp_death_t *death,
                                               lpp_maps_t *maps,
                                               apr_pool_t *pool);

/*
 * Fill an OOPS, all but reporter. facts: those of death's record.
 * same_places: what autopsy's maps have lay there in the dead process, too.
 * profile: the samples it left, or NULL.
 * Signal-safe: no. Thread: the only one of its process.
 */
LPP_MUST_CHECK apr_status_t lpp_deaths_describe(lpp_oops_t **oops,
                                                const lpp_death_t *death,
                                                const lpp_facts_t *facts,
                                                const lpp_autopsy_t *autopsy,
                                                int same_places,
                                                const lpp_profile_t *profile,
                                                apr_pool_t *pool);

#endif
