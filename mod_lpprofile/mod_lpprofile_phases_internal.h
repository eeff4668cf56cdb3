/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_phases_internal: between the hooks of the phases and what they
 * note. For no other room.
 */
#ifndef MOD_LPPROFILE_PHASES_INTERNAL_H
#define MOD_LPPROFILE_PHASES_INTERNAL_H

#include <stdatomic.h>

#include "mod_lpprofile_phases.h"

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
    LPP_PHASES
} lpp_phase_e;

/* Requests of this child with phases attached. Looking here is all that a
 * request pays which has none; hidden, so that it is one instruction. */
extern __attribute__((visibility("hidden"))) atomic_int lpp_phases_attached;

/*
 * r goes into a phase, out of the one it is in, or all of its chain go out of
 * theirs. Nothing happens where r's chain has no phases attached; enter
 * returns 0 then.
 * Signal-safe: no. Thread: request.
 */
int lpp_phases_enter(request_rec *r, lpp_phase_e phase);
void lpp_phases_leave(const request_rec *r);
void lpp_phases_leave_all(const request_rec *r);

#endif
