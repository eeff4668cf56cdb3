/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_kernel: kernel events: perf events of the kernel that tell when a thread
 * leaves its processor and gets one again, with its registers and the top of
 * its stack. A thread that blocks is then sampled without a signal.
 *
 * They are opened either for all threads of the process, while it has
 * privileges (disabled, one descriptor for each processor), or for the profiled
 * thread alone, at the start of its profile, where the kernel permits that to a
 * process without privileges. The rings are mapped while a profile runs. A
 * process that is forked from this one has none of it.
 */
#ifndef LPP_KERNEL_H
#define LPP_KERNEL_H

#include <apr_pools.h>

#include "base/lpp_base.h"

#define LPP_KERNEL_DESCRIPTORS_MAX 64 /* of a process: one a processor */

typedef enum {
    LPP_KERNEL_OFF,
    LPP_KERNEL_AUTO, /* for the profiled thread, where the kernel permits it */
    LPP_KERNEL_ON,   /* for all threads, opened with privileges; else as AUTO */
    LPP_KERNEL_FORCE /* the same, however many processes there are */
} lpp_kernel_mode_e;

typedef struct lpp_kernel_t lpp_kernel_t; /* one a process */

/*
 * Make the kernel events of this process; opens nothing. The cleanup of pool
 * closes what is open then.
 * Errors: APR_ENOMEM; that of pthread_atfork.
 * Signal-safe: no. Thread: parent at start, or child-init.
 */
LPP_MUST_CHECK apr_status_t lpp_kernel_create(lpp_kernel_t **kernel,
                                              apr_pool_t *pool);

/*
 * Open them, disabled, for the calling thread and all threads that it starts
 * from now on. On failure nothing is open, and lpp_kernel_start opens for one
 * thread.
 * Errors: APR_ENOTIMPL, this architecture is not supported, or more than
 * LPP_KERNEL_DESCRIPTORS_MAX processors; those of perf_event_open.
 * Signal-safe: no. Thread: the first of the process.
 */
LPP_MUST_CHECK apr_status_t lpp_kernel_open(lpp_kernel_t *kernel);

/* Whether they are open for all threads: they cost a little at each switch of
 * a thread. Signal-safe: yes. Thread: any. */
int lpp_kernel_is_open(const lpp_kernel_t *kernel);

#endif
