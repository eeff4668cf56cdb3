/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_copy: registers and stack into a snapshot, for the handlers of
 * lpp_signal and lpp_crash and for lpp_signal_capture.
 */
#ifndef LPP_SIGNAL_COPY_INTERNAL_H
#define LPP_SIGNAL_COPY_INTERNAL_H

#include <ucontext.h>

#include "unwind/lpp_snapshot.h"

#define LPP_SIGNAL_RED_ZONE 128 /* bytes under SP that a leaf function uses */

/*
 * As memcpy, without its check of redzones under a sanitizer: stacks contain
 * them.
 * Signal-safe: yes. Thread: any.
 */
void lpp_signal_copy_bytes(unsigned char *to, const unsigned char *from,
                           size_t len);

/*
 * Copy the registers of from. If the thread is in a stub, the copy shows it in
 * the call that the stub makes (lpp_signal_stub_internal.h).
 * Signal-safe: yes. Thread: any.
 */
void lpp_signal_copy_registers(lpp_snapshot_t *to, const ucontext_t *from);

/*
 * Copy the stack from the SP in the snapshot's registers, less the red zone, up
 * to stack_end, into stack, of max_bytes; if that is too small, flags has
 * LPP_SNAPSHOT_CUT. All of that memory must be readable.
 * Signal-safe: yes. Thread: any.
 */
void lpp_signal_copy_stack(lpp_snapshot_t *snapshot, unsigned char *stack,
                           apr_uint64_t max_bytes, apr_uint64_t stack_end);

/*
 * The same for memory that may not be mapped: the kernel copies, page by page
 * up to the first one missing; missing pages at SP itself are skipped.
 * max_bytes: at most LPP_STACK_MAX_BYTES. 0: the kernel cannot copy (seccomp,
 * an old container), and the copy is empty.
 * Signal-safe: yes. Thread: any.
 */
int lpp_signal_read_stack(lpp_snapshot_t *snapshot, unsigned char *stack,
                          apr_uint64_t max_bytes, apr_uint64_t stack_end);

#endif
