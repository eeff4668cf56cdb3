/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_phases: exact wall, CPU and ready times of httpd's request
 * phases. Called (by mod_lpprofile_hooks) before the first hook of each phase.
 *
 * A phase ends when the next one of its request begins. The phases of an
 * internal redirect follow those of the request that it came from; the phases
 * of a subrequest are inside a phase of the request that made it. The row's
 * detail has the path of either.
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
 * Create the phases in the run's pool when the run starts (only the request's
 * thread uses them, until detached); started_us is the CLOCK_MONOTONIC start of
 * the request, hidden (borrowed) is what paths must not show.
 * Signal-safe: no. Thread: request.
 */
lpp_phases_t *lpp_phases_create(apr_pool_t *pool, apr_time_t started_us,
                                const lpp_oops_hidden_t *hidden);

/*
 * Let the hooks find phases from r, the first request of a chain, and from its
 * redirects and subrequests; begins post_read_request. If phases is NULL, or
 * r's pool is destroyed, they are detached: no hook uses the phases any more.
 * Signal-safe: no. Thread: request.
 */
void lpp_phases_attach(request_rec *r, lpp_phases_t *phases);

/*
 * From now on count ready time, which function(baton) returns: that of the
 * calling thread, in nanoseconds, or -1: not known.
 * Signal-safe: no. Thread: request.
 */
void lpp_phases_count_ready(lpp_phases_t *phases,
                            apr_int64_t (*function)(const void *baton),
                            const void *baton);

/*
 * The request owns the gate: post_read_request begins now, so that it does not
 * contain the wait for the gate.
 * Signal-safe: no. Thread: request.
 */
void lpp_phases_gate_passed(lpp_phases_t *phases);

/*
 * EOS was sent to the network: the handler's phase ends, and "send" lasts from
 * here to log_transaction. Without this call the handler's phase contains both.
 * Signal-safe: no. Thread: request.
 */
void lpp_phases_sending(lpp_phases_t *phases);

/*
 * Add all phases so far to a timeline; phases that are running get now as their
 * end.
 * Signal-safe: no. Thread: request.
 */
void lpp_phases_add_to(lpp_phases_t *phases, lpp_oops_t *oops);

/*
 * The value of Server-Timing with the phases so far (of the request and its
 * redirects, summed by name), or NULL.
 * Signal-safe: no. Thread: request.
 */
const char *lpp_phases_server_timing(const lpp_phases_t *phases,
                                     apr_pool_t *pool);

/*
 * enter: r begins a phase, which ends its current one (if that is the same, it
 * goes on). leave: r's phase ends; leave_all: the phases of all requests of the
 * chain end. phases: those of r's chain; NULL or detached: does nothing. Of
 * many subrequests the later ones get one row each, and only if they take long;
 * the others are counted.
 * Signal-safe: no. Thread: request.
 */
void lpp_phases_enter(lpp_phases_t *phases, request_rec *r, lpp_phase_e phase);
void lpp_phases_leave(lpp_phases_t *phases, const request_rec *r);
void lpp_phases_leave_all(lpp_phases_t *phases);

/* As enter, for the handler. The handler is a subrequest's last phase, and the
 * subrequest may exist long after it (mod_include keeps it): so its EOS ends
 * the phase.
 * Signal-safe: no. Thread: request. */
void lpp_phases_enter_handler(lpp_phases_t *phases, request_rec *r);

/* Register the filter that sees that EOS.
 * Signal-safe: no. Thread: parent at start. */
void lpp_phases_register_filters(apr_pool_t *pool);

#endif
