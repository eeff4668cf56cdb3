/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_kernel_watch: see lpp_kernel_watch_internal.h. */
#include "sampling/lpp_kernel_watch_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/lpp_log.h"
#include "base/lpp_log_tags.h"
#include "interp/lpp_peek.h"
#include "sampling/lpp_signal_copy_internal.h"
#include "sampling/lpp_signal_stub_internal.h"

static void log_failure(lpp_kernel_watch_t *watch, apr_status_t status)
{
    if (!watch->logged) {
        watch->logged = 1;
        lpp_log(LPP_LOG_INFO, status, LPP_TAG_KERNEL_UNAVAILABLE,
                "kernel events are not available in this process; a thread "
                "that waits gets a signal to be sampled");
    }
}

void lpp_kernel_watch_follow(lpp_kernel_watch_t *watch, unsigned tid,
                             int active)
{
    apr_status_t status;

    if (watch->kernel == NULL || watch->tid == tid) {
        return;
    }
    lpp_kernel_watch_end(watch);
    watch->tid = tid;
    status = lpp_kernel_start(watch->kernel, tid);
    watch->started = status == APR_SUCCESS;
    if (!watch->started) {
        log_failure(watch, status);
    }
    else if (active) {
        watch->state = WATCH_ACTIVE;
    }
}

void lpp_kernel_watch_end(lpp_kernel_watch_t *watch)
{
    if (watch->started) {
        lpp_kernel_stop(watch->kernel);
    }
    watch->started = 0;
    watch->tid = 0;
    watch->state = WATCH_UNKNOWN;
}

void lpp_kernel_watch_from(lpp_kernel_watch_t *watch, apr_int64_t from_ns)
{
    watch->from_ns = from_ns;
    watch->ready_ns = 0;
}

apr_int64_t lpp_kernel_watch_ready_ns(const lpp_kernel_watch_t *watch,
                                      apr_int64_t until_ns)
{
    apr_int64_t from_ns = watch->out_ns > watch->from_ns ? watch->out_ns
                                                         : watch->from_ns;

    return watch->ready_ns
        + (watch->state == WATCH_READY && until_ns > from_ns
               ? until_ns - from_ns : 0);
}

void lpp_kernel_watch_refresh(lpp_kernel_watch_t *watch)
{
    lpp_kernel_ring_t *rings;
    unsigned count, i;

    if (watch->started) {
        rings = lpp_kernel_rings(watch->kernel, &count);
        for (i = 0; i < count; i++) {
            lpp_kernel_ring_refresh(&rings[i]);
        }
    }
}

/* The ring with the oldest record of the thread; NULL: there is none. */
static lpp_kernel_ring_t *oldest(const lpp_kernel_watch_t *watch)
{
    lpp_kernel_ring_t *rings, *found = NULL;
    unsigned count, i;

    rings = lpp_kernel_rings(watch->kernel, &count);
    for (i = 0; i < count; i++) {
        if (lpp_kernel_ring_find(&rings[i], watch->tid) != NULL
            && (found == NULL
                || rings[i].record.time_ns < found->record.time_ns)) {
            found = &rings[i];
        }
    }
    return found;
}

#if defined(__x86_64__)

/* Whether the thread is in a system call: the kernel then shows that in place
 * of the call's number, which it does not show. */
static int is_in_call(const lpp_snapshot_t *snapshot)
{
    return snapshot->regs[0] == (apr_uint64_t)-ENOSYS;
}

static int is_in_stub(const lpp_snapshot_t *snapshot)
{
    return lpp_signal_is_in_stub(snapshot->regs[LPP_REG_PC]);
}

/* A thread whose call was restarted may wait in a stub: set its registers as if
 * it waited in the call that the stub makes, whose number is known. 0: they
 * cannot be read. */
static int hide_stub(lpp_snapshot_t *snapshot)
{
    lpp_signal_stub_t stub;
    apr_uint64_t *rbx = &snapshot->regs[3];
    struct iovec to = { &stub, sizeof(stub) };
    struct iovec from = { (void *)(apr_uintptr_t)*rbx, sizeof(stub) };

    if (!is_in_stub(snapshot)) {
        return 1;
    }
    if (process_vm_readv(getpid(), &to, 1, &from, 1, 0)
        != (ssize_t)sizeof(stub)) {
        return 0;
    }
    snapshot->regs[LPP_REG_PC] = (apr_uint64_t)stub.resume;
    *rbx = (apr_uint64_t)stub.rbx;
    snapshot->regs[0] = (apr_uint64_t)stub.number;
    return 1;
}

#else

/* Not known: a page fault that blocks looks like a call. */
static int is_in_call(const lpp_snapshot_t *snapshot)
{
    return 1;
}

static int is_in_stub(const lpp_snapshot_t *snapshot)
{
    return 0;
}

static int hide_stub(lpp_snapshot_t *snapshot)
{
    return 1;
}

#endif

/* The registers and the part of the stack that a STATE has. */
static void keep_state(lpp_kernel_watch_t *watch,
                       const lpp_kernel_record_t *record)
{
    lpp_snapshot_t *snapshot = &watch->snapshot;
    apr_uint32_t len = record->stack_len;

    memset(snapshot, 0, sizeof(*snapshot));
    snapshot->flags = LPP_SNAPSHOT_CUT;
    snapshot->stack = watch->stack;
    watch->kept = 1;
    if (lpp_kernel_record_registers(record, snapshot)
        && record->stack != NULL) {
        len = len < sizeof(watch->stack) ? len : sizeof(watch->stack);
        memcpy(watch->stack, record->stack, len);
        snapshot->stack_address = snapshot->regs[LPP_REG_SP];
        snapshot->stack_len = len;
        snapshot->flags |= is_in_call(snapshot) ? LPP_SNAPSHOT_SYSCALL : 0;
        watch->whole_only = is_in_stub(snapshot);
    }
}

/* What record, which is the next one, says. */
static lpp_watch_change_e follow(lpp_kernel_watch_t *watch,
                                 const lpp_kernel_record_t *record)
{
    int blocked = watch->state == WATCH_BLOCKED;

    switch (record->kind) {
    case LPP_KERNEL_STATE:
        keep_state(watch, record);
        return LPP_WATCH_NOTHING;
    case LPP_KERNEL_OUT:
        watch->state = record->preempted ? WATCH_READY : WATCH_BLOCKED;
        watch->out_ns = record->time_ns;
        if (!watch->kept) {
            watch->snapshot.stack_len = 0; /* that of an earlier switch */
        }
        watch->kept = 0;
        return record->preempted ? LPP_WATCH_NOTHING : LPP_WATCH_BLOCKS;
    case LPP_KERNEL_IN:
        watch->ready_ns = lpp_kernel_watch_ready_ns(watch, record->time_ns);
        watch->state = WATCH_ACTIVE;
        return blocked ? LPP_WATCH_RUNS : LPP_WATCH_NOTHING;
    case LPP_KERNEL_LOST:
        watch->lost += record->lost;
        if (!blocked) {
            watch->ready_ns = lpp_kernel_watch_ready_ns(watch,
                                                        record->time_ns);
            watch->state = WATCH_UNKNOWN;
        }
        return blocked ? LPP_WATCH_DOUBT : LPP_WATCH_NOTHING;
    default:
        return LPP_WATCH_NOTHING;
    }
}

lpp_watch_change_e lpp_kernel_watch_next(lpp_kernel_watch_t *watch,
                                         apr_int64_t until_ns,
                                         apr_int64_t *time_ns)
{
    lpp_watch_change_e change = LPP_WATCH_NOTHING;
    lpp_kernel_ring_t *ring;

    while (watch->started && change == LPP_WATCH_NOTHING
           && (ring = oldest(watch)) != NULL
           && ring->record.time_ns <= until_ns) {
        *time_ns = ring->record.time_ns;
        change = follow(watch, &ring->record);
        lpp_kernel_ring_done(ring);
    }
    return change;
}

/* As lpp_signal_read_stack, by guarded loads. */
static int load_stack(lpp_snapshot_t *snapshot, unsigned char *copy,
                      apr_uint64_t end)
{
    apr_uint64_t from = snapshot->regs[LPP_REG_SP] - LPP_SIGNAL_RED_ZONE;
    apr_uint64_t len = end > from ? end - from : 0;

    len = len < LPP_STACK_MAX_BYTES ? len : LPP_STACK_MAX_BYTES;
    snapshot->stack = copy;
    snapshot->stack_address = from;
    snapshot->stack_len = (apr_uint32_t)lpp_peek_bytes(copy, from, len);
    return 1;
}

int lpp_kernel_watch_look(const lpp_kernel_watch_t *watch, lpp_watch_how_e how,
                          apr_uint64_t stack_start, apr_uint64_t stack_end,
                          unsigned char *copy, lpp_snapshot_t *snapshot)
{
    apr_uint64_t sp = watch->snapshot.regs[LPP_REG_SP];
    int copied;

    if (watch->snapshot.stack_len == 0
        || (how == LPP_WATCH_BY_LOADS && watch->whole_only)) {
        return 0;
    }
    *snapshot = watch->snapshot;
    snapshot->flags &= LPP_SNAPSHOT_SYSCALL;
    if (sp < stack_start || sp >= stack_end) {
        snapshot->flags |= LPP_SNAPSHOT_OWN_STACK;
        stack_end = sp + LPP_OWN_STACK_MAX_BYTES;
    }
    else if (stack_end - sp > LPP_STACK_MAX_BYTES - LPP_SIGNAL_RED_ZONE) {
        snapshot->flags |= LPP_SNAPSHOT_CUT;
    }
    copied = how == LPP_WATCH_BY_LOADS ? load_stack(snapshot, copy, stack_end)
        : lpp_signal_read_stack(snapshot, copy, LPP_STACK_MAX_BYTES,
                                stack_end);
    return copied && snapshot->stack_len > 0
        && (how == LPP_WATCH_BY_LOADS || hide_stub(snapshot));
}

int lpp_kernel_watch_is_still(lpp_kernel_watch_t *watch)
{
    lpp_kernel_ring_t *rings;
    unsigned count, i;

    lpp_kernel_watch_refresh(watch);
    if (oldest(watch) != NULL) {
        return 0;
    }
    rings = lpp_kernel_rings(watch->kernel, &count);
    for (i = 0; i < count; i++) {
        if (lpp_kernel_ring_is_full(&rings[i])) {
            return 0;
        }
    }
    return 1;
}
