/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_tick_task: what the kernel tells of the profiled thread in /proc: how
 * often it ran, and where it is blocked. The second is readable where the
 * process is dumpable (a server that was not started as root) or root's own;
 * after setuid it is not, and nothing is done about that: for that moment
 * whatever runs under the same user could read the server's memory.
 */
#include <apr_strings.h>

#include "sampling/lpp_sampler_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

apr_uint64_t lpp_tick_runs(const lpp_tick_t *tick)
{
    char text[96], *at;
    ssize_t len;
    int i;

    if (tick->schedstat_fd < 0) {
        return 0;
    }
    len = pread(tick->schedstat_fd, text, sizeof(text) - 1, 0);
    if (len <= 0) {
        return 0;
    }
    text[len] = '\0';
    at = text;
    for (i = 0; i < 2; i++) {
        at = strchr(at, ' ');
        if (at == NULL) {
            return 0;
        }
        at++;
    }
    return strtoull(at, NULL, 10);
}

static int open_task_file(int tid, const char *name)
{
    char path[64];

    apr_snprintf(path, sizeof(path), "/proc/self/task/%d/%s", tid, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

void lpp_tick_open_task(lpp_tick_t *tick)
{
    tick->schedstat_fd = open_task_file(tick->tid, "schedstat");
    tick->syscall_fd = open_task_file(tick->tid, "syscall");
}

void lpp_tick_close_task(lpp_tick_t *tick)
{
    if (tick->schedstat_fd >= 0) {
        close(tick->schedstat_fd);
    }
    if (tick->syscall_fd >= 0) {
        close(tick->syscall_fd);
    }
    tick->schedstat_fd = tick->syscall_fd = -1;
}

int lpp_tick_look(lpp_sampler_t *sampler, lpp_snapshot_t *snapshot, int64_t cpu)
{
    lpp_tick_t *tick = &sampler->tick;
    const lpp_signal_target_t *target = &sampler->target;
    unsigned long long words[9];
    struct iovec to, from;
    char text[256], *at = text;
    ssize_t len;
    int i;

    if (tick->syscall_fd < 0) {
        return 0;
    }
    len = pread(tick->syscall_fd, text, sizeof(text) - 1, 0);
    if (len <= 0) {
        return 0;
    }
    text[len] = '\0';
    for (i = 0; i < 9; i++) { /* number, six arguments, SP, PC */
        char *end;

        words[i] = strtoull(at, &end, 0);
        if (end == at) {
            return 0; /* "running", or blocked outside of a call */
        }
        at = end;
    }
    if (words[7] < target->stack_start || words[7] >= target->stack_end) {
        return 0;
    }
    memset(snapshot, 0, sizeof(*snapshot));
    snapshot->regs[LPP_REG_SP] = words[7];
    snapshot->regs[LPP_REG_PC] = words[8];
    snapshot->flags = LPP_SNAPSHOT_SYSCALL;
    snapshot->stack = sampler->blocked_stack;
    snapshot->stack_address = words[7];
    snapshot->stack_len = (apr_uint32_t)(target->stack_end - words[7]
                                                 > LPP_STACK_MAX_BYTES
        ? LPP_STACK_MAX_BYTES : target->stack_end - words[7]);
    to.iov_base = sampler->blocked_stack;
    from.iov_base = (void *)(apr_uintptr_t)words[7];
    to.iov_len = from.iov_len = snapshot->stack_len;
    /* By the kernel: the thread may wake, end, and take its stack with it. */
    return process_vm_readv(sampler->process, &to, 1, &from, 1, 0)
               == (ssize_t)snapshot->stack_len
           && lpp_clock_ns(tick->clock) == cpu;
}
