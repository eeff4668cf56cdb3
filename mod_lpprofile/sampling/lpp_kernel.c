/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_kernel: see lpp_kernel.h and lpp_kernel_internal.h. */
#include "sampling/lpp_kernel_internal.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sampling/lpp_kernel_record_internal.h"

struct lpp_kernel_t {
    int for_all;    /* the descriptors are those of all threads */
    unsigned count; /* of descriptors */
    int fds[LPP_KERNEL_DESCRIPTORS_MAX];
    unsigned ring_count; /* mapped */
    lpp_kernel_ring_t rings[LPP_KERNEL_DESCRIPTORS_MAX];
};

/* The open ones of this process, for close_in_child; NULL: none. */
static lpp_kernel_t *opened;

static void close_all(lpp_kernel_t *kernel)
{
    while (kernel->count > 0) {
        close(kernel->fds[--kernel->count]);
    }
    kernel->for_all = 0;
}

/* A forked process gets no rings (the kernel does not copy them), but the
 * descriptors. */
static void close_in_child(void)
{
    if (opened != NULL) {
        close_all(opened);
        opened->ring_count = 0;
    }
}

static apr_status_t close_at_end(void *baton)
{
    lpp_kernel_t *kernel = baton;

    lpp_kernel_stop(kernel);
    close_all(kernel);
    if (opened == kernel) {
        opened = NULL;
    }
    return APR_SUCCESS;
}

apr_status_t lpp_kernel_create(lpp_kernel_t **kernel, apr_pool_t *pool)
{
    static int watched;
    lpp_kernel_t *made;

    *kernel = NULL;
    if (!watched) {
        int rc = pthread_atfork(NULL, NULL, close_in_child);

        if (rc != 0) {
            return rc;
        }
        watched = 1;
    }
    made = apr_pcalloc(pool, sizeof(*made));
    if (made == NULL) {
        return APR_ENOMEM;
    }
    opened = made;
    apr_pool_cleanup_register(pool, made, close_at_end, apr_pool_cleanup_null);
    *kernel = made;
    return APR_SUCCESS;
}

/* tid 0: the calling thread, and those that it starts, on processor. */
static apr_status_t open_one(lpp_kernel_t *kernel, unsigned tid, int processor)
{
    struct perf_event_attr attr;
    int fd;

    memset(&attr, 0, sizeof(attr));
    attr.size = sizeof(attr);
    attr.type = PERF_TYPE_SOFTWARE;
    attr.config = PERF_COUNT_SW_CONTEXT_SWITCHES;
    attr.sample_period = 1;
    attr.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME
        | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;
    attr.sample_regs_user = lpp_kernel_record_mask();
    attr.sample_stack_user = LPP_KERNEL_STACK_BYTES;
    attr.context_switch = 1;
    attr.sample_id_all = 1;
    attr.disabled = 1;
    attr.use_clockid = 1;
    attr.clockid = CLOCK_MONOTONIC;
    attr.inherit = attr.inherit_thread = tid == 0; /* not by processes */
    attr.watermark = 1; /* nobody polls: never wake */
    attr.wakeup_watermark = LPP_KERNEL_RING_BYTES;
    fd = (int)syscall(SYS_perf_event_open, &attr, (pid_t)tid, processor, -1,
                      PERF_FLAG_FD_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    kernel->fds[kernel->count++] = fd;
    return APR_SUCCESS;
}

apr_status_t lpp_kernel_open(lpp_kernel_t *kernel)
{
    long processors = sysconf(_SC_NPROCESSORS_CONF);
    apr_status_t status = APR_SUCCESS;
    int i;

    if (lpp_kernel_record_mask() == 0
        || processors > LPP_KERNEL_DESCRIPTORS_MAX) {
        return APR_ENOTIMPL;
    }
    for (i = 0; i < processors && status == APR_SUCCESS; i++) {
        status = open_one(kernel, 0, i);
        if (status == ENODEV) {
            status = APR_SUCCESS; /* a processor that is switched off */
        }
    }
    if (status == APR_SUCCESS && kernel->count == 0) {
        status = APR_ENOTIMPL;
    }
    if (status != APR_SUCCESS) {
        close_all(kernel);
    }
    kernel->for_all = status == APR_SUCCESS;
    return status;
}

int lpp_kernel_is_open(const lpp_kernel_t *kernel)
{
    return kernel->for_all;
}

apr_status_t lpp_kernel_start(lpp_kernel_t *kernel, unsigned tid)
{
    apr_status_t status = APR_SUCCESS;
    unsigned i;

    if (lpp_kernel_record_mask() == 0) {
        return APR_ENOTIMPL;
    }
    if (!kernel->for_all) {
        status = open_one(kernel, tid, -1);
    }
    for (i = 0; i < kernel->count && status == APR_SUCCESS; i++) {
        status = lpp_kernel_ring_map(&kernel->rings[i], kernel->fds[i]);
        kernel->ring_count += status == APR_SUCCESS;
    }
    for (i = 0; i < kernel->count && status == APR_SUCCESS; i++) {
        if (ioctl(kernel->fds[i], PERF_EVENT_IOC_ENABLE, 0) != 0) {
            status = errno;
        }
    }
    if (status != APR_SUCCESS) {
        lpp_kernel_stop(kernel);
    }
    return status;
}

void lpp_kernel_stop(lpp_kernel_t *kernel)
{
    unsigned i;

    if (kernel->ring_count > 0 && kernel->for_all) {
        for (i = 0; i < kernel->count; i++) {
            int rc = ioctl(kernel->fds[i], PERF_EVENT_IOC_DISABLE, 0);

            (void)rc; /* without a ring it writes nothing, and costs more */
        }
    }
    while (kernel->ring_count > 0) {
        lpp_kernel_ring_unmap(&kernel->rings[--kernel->ring_count]);
    }
    if (!kernel->for_all) {
        close_all(kernel);
    }
}

lpp_kernel_ring_t *lpp_kernel_rings(lpp_kernel_t *kernel, unsigned *count)
{
    *count = kernel->ring_count;
    return kernel->rings;
}
