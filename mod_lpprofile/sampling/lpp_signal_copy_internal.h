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
 * As memcpy, without its check of redzones under a sanitizer: stacks hold them.
 * Signal-safe: yes. Thread: any.
 */
void lpp_signal_copy_bytes(unsigned char *to, const unsigned char *from,
                           size_t len);

/*
 * Copy the registers of from. Where the thread is in a stub, the copy says that
 * it is in the call which the stub makes (lpp_signal_stub_internal.h).
 * Signal-safe: yes. Thread: any.
 */
void lpp_signal_copy_registers(lpp_snapshot_t *to, const ucontext_t *from);

/*
 * Copy the stack from the SP in the snapshot's registers, less the red zone, up
 * to stack_end into stack, of max_bytes: where that is too small, flags say
 * LPP_SNAPSHOT_CUT. All that memory must be there.
 * Signal-safe: yes. Thread: any.
 */
void lpp_signal_copy_stack(lpp_snapshot_t *snapshot, unsigned char *stack,
                           apr_uint64_t max_bytes, apr_uint64_t stack_end);

/*
 * The same of memory that may not be there: the kernel copies, page by page up
 * to the first that is missing; missing pages at SP itself are passed over.
 * max_bytes: at most LPP_STACK_MAX_BYTES. 0: the kernel does not copy
 * (seccomp, an old container), and the copy is empty.
 * Signal-safe: yes. Thread: any.
 */
int lpp_signal_read_stack(lpp_snapshot_t *snapshot, unsigned char *stack,
                          apr_uint64_t max_bytes, apr_uint64_t stack_end);

#endif
