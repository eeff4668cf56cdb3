/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_kernel_internal: kernel events while a profile runs, for
 * lpp_kernel_watch.c.
 */
#ifndef LPP_KERNEL_INTERNAL_H
#define LPP_KERNEL_INTERNAL_H

#include "sampling/lpp_kernel.h"
#include "sampling/lpp_kernel_ring_internal.h"

/*
 * Open the events for thread tid if they are not open for all, map the rings,
 * enable the events. stop: the reverse; does nothing if they are not started.
 * Errors of start, nothing is started then: those of perf_event_open, mmap and
 * ioctl.
 * Signal-safe: no. Thread: the helper.
 */
LPP_MUST_CHECK apr_status_t lpp_kernel_start(lpp_kernel_t *kernel,
                                             unsigned tid);
void lpp_kernel_stop(lpp_kernel_t *kernel);

/* The rings that are mapped, *count of them.
 * Signal-safe: yes. Thread: the helper. */
lpp_kernel_ring_t *lpp_kernel_rings(lpp_kernel_t *kernel, unsigned *count);

#endif
