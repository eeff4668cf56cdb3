/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_phases: exact wall times of httpd's request phases. Called (by
 * mod_lpprofile_hooks) before the first hook of each phase.
 *
 * A phase ends where the next one of its request begins. The phases of an
 * internal redirect follow those of the request that it came from; the phases
 * of a subrequest are inside a phase of the request that made it. Both have
 * their path in the row's detail.
 */
#ifndef MOD_LPPROFILE_PHASES_H
#define MOD_LPPROFILE_PHASES_H

#include <httpd.h>

#include "oops/lpp_oops.h"

typedef struct lpp_phases_t lpp_phases_t;

typedef enum {
    LPP_PHASE_READ,
    LPP_PHASE_POST_READ,
    LPP_PHASE_PRE_TRANSLATE,
    LPP_PHASE_TRANSLATE,
    LPP_PHASE_MAP_TO_STORAGE,
    LPP_PHASE_HEADER_PARSER,
    LPP_PHASE_ACCESS,
    LPP_PHASE_USER,
    LPP_PHASE_AUTH,
    LPP_PHASE_TYPE,
    LPP_PHASE_FIXUPS,
    LPP_PHASE_INSERT_FILTER,
    LPP_PHASE_HANDLER,
    LPP_PHASE_SEND,
    LPP_PHASE_LOG,
    LPP_PHASE_ALL, /* of one of many subrequests */
    LPP_PHASES
} lpp_phase_e;

/*
 * Made by the run at its start, in the run's pool (used by the request's thread
 * alone, until detached); started_us is the CLOCK_MONOTONIC start of the
 * request, hidden (borrowed) what paths must not show.
 * Signal-safe: no. Thread: request.
 */
lpp_phases_t *lpp_phases_create(apr_pool_t *pool, apr_time_t started_us,
                                const lpp_oops_hidden_t *hidden);

/*
 * Let the hooks find phases from r, the first request of a chain, and what
 * stems from it; opens post_read_request. phases NULL, or the end of r's pool,
 * detaches: no hook touches the phases any more.
 * Signal-safe: no. Thread: request.
 */
void lpp_phases_attach(request_rec *r, lpp_phases_t *phases);

/*
 * The request owns the gate: post_read_request begins only now, so that it does
 * not contain the wait for the gate.
 * Signal-safe: no. Thread: request.
 */
void lpp_phases_gate_passed(lpp_phases_t *phases);

/*
 * EOS went to the network: the handler's phase ends, "send" lasts from here to
 * log_transaction. Not calling it leaves all of it to the handler.
 * Signal-safe: no. Thread: request.
 */
void lpp_phases_sending(lpp_phases_t *phases);

/*
 * Add all phases known by now to a timeline; phases that run get now as their
 * end.
 * Signal-safe: no. Thread: request.
 */
void lpp_phases_add_to(const lpp_phases_t *phases, lpp_oops_t *oops);

/*
 * The value of Server-Timing with the phases known by now (of the request and
 * its redirects, summed by name), or NULL.
 * Signal-safe: no. Thread: request.
 */
const char *lpp_phases_server_timing(const lpp_phases_t *phases,
                                     apr_pool_t *pool);

/*
 * enter: r begins a phase, which ends the one that it is in (if that is the
 * same one, it goes on). leave: r's phase ends; leave_all: the phases of all
 * requests of the chain end. phases: those of r's chain; nothing happens where
 * they are NULL or detached. Of many subrequests the later ones get one row
 * each, and only if they take long; the others are counted.
 * Signal-safe: no. Thread: request.
 */
void lpp_phases_enter(lpp_phases_t *phases, request_rec *r, lpp_phase_e phase);
void lpp_phases_leave(lpp_phases_t *phases, const request_rec *r);
void lpp_phases_leave_all(lpp_phases_t *phases);

/* enter for the handler. The handler is a subrequest's last phase, and the
 * subrequest may be kept long after (mod_include does): its EOS ends the
 * phase. */
void lpp_phases_enter_handler(lpp_phases_t *phases, request_rec *r);

/* Registers the filter that sees that EOS. */
void lpp_phases_register_filters(apr_pool_t *pool);

#endif
