/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal: everything that runs in the signal handler, and nothing else.
 *
 * Restarts the system call that the signal interrupted, copies registers and
 * stack into a slot of the ring, keeps errno. No lock, no allocation, no stdio,
 * no thread-local variable of our own; tests/guard/signal_symbols.txt lists all
 * that this file may call.
 *
 * Why calls have to be restarted: poll, select, epoll_wait, nanosleep, timed
 * futexes and sockets with a timeout answer EINTR whatever SA_RESTART says.
 * The kernel has then finished the call: the saved program counter stands just
 * behind the `syscall` instruction and rax holds -EINTR. Stepping back onto the
 * instruction and setting rax to the call's number runs it again, with the
 * arguments that the kernel kept in the other registers. The number itself is
 * gone from the registers: it is read from the code in front of the
 * instruction, or from the stack, where lpp_signal_trial has found that the C
 * library keeps it (lpp_signal_code_internal.h). A call we do not recognise
 * keeps its EINTR and is counted: blocked threads are then not signalled any
 * more. A call that has moved a part of its bytes returns that many instead:
 * lpp_signal_rest_internal.h.
 *
 * A call that somebody else's signal has interrupted, too, must end, or what
 * that signal was to wake would sleep on. The kernel delivers ours first: the
 * other one is pending then, blocked by our mask until the handler returns. So
 * the last thing that the handler does is to look for such a signal, and where
 * there is one, the call is not restarted. Between that look and the call
 * lies less than a microsecond, in which the signal is as one that came just
 * before the call; for those that most often wait for ever, pause, poll, select
 * and epoll_wait, not even that (lpp_signal_wait_internal.h).
 */
#include "sampling/lpp_signal.h"

#include <errno.h>
#include <ucontext.h>
#include <unistd.h>

#define RED_ZONE 128 /* bytes under SP that belong to a leaf function */
#define PAGE 4096
#define PIECES (LPP_STACK_MAX_BYTES / PAGE + 1)
#define KERNEL_FRAME_BYTES 440 /* of x86-64, for a signal, less the FPU state */
#define SAVED_REGS 17 /* r8 to rip, in the order of REG_R8 */

static _Atomic(lpp_signal_target_t *) served;
static atomic_uint unrepaired;
static atomic_int restarts;

/* Where the C library keeps the number of a call; see lpp_signal_learn. */
static struct {
    lpp_signal_place_t place[LPP_SIGNAL_PLACES];
    atomic_uint count;
} learned;

unsigned lpp_signal_unrepaired(void)
{
    return atomic_load_explicit(&unrepaired, memory_order_relaxed);
}

int lpp_signal_allowed(int blocked)
{
    unsigned broken = lpp_signal_unrepaired();

    /* One that runs may be in the middle of a long write, and block in the
     * instant of the signal. */
    return (atomic_load(&restarts) || (!LPP_SIGNAL_REPAIRS && !blocked))
           && broken < (blocked ? 1 : LPP_SIGNAL_BROKEN_MAX);
}

void lpp_signal_learn(const lpp_signal_place_t *places, unsigned count,
                      int passed)
{
    unsigned i;

    atomic_store(&restarts, 0);
    atomic_store(&learned.count, 0);
    for (i = 0; i < count && i < LPP_SIGNAL_PLACES; i++) {
        learned.place[i] = places[i];
    }
    atomic_store(&learned.count, i);
    atomic_store(&restarts, passed);
}

void lpp_signal_serve(lpp_signal_target_t *target)
{
    atomic_store(&served, target);
}

/* Not memcpy: stacks hold redzones that a sanitizer's memcpy would report, and
 * the first call through a lazy PLT entry does not belong into a handler. */
__attribute__((no_sanitize("address", "thread")))
static void copy_bytes(unsigned char *to, const unsigned char *from, size_t len)
{
#if defined(__x86_64__)
    __asm__ volatile("rep movsb"
                     : "+D"(to), "+S"(from), "+c"(len)
                     :
                     : "memory");
#else
    size_t i;

    for (i = 0; i < len; i++) {
        ((volatile unsigned char *)to)[i] = from[i];
    }
#endif
}

/* Copy the stack from SP to stack_end; the snapshot's registers are set. */
void lpp_signal_copy_stack(lpp_snapshot_t *snapshot, unsigned char *stack,
                           apr_uint64_t max_bytes, apr_uint64_t stack_end)
{
    apr_uint64_t from = snapshot->regs[LPP_REG_SP] - RED_ZONE;
    apr_uint64_t len = stack_end > from ? stack_end - from : 0;

    if (len > max_bytes) {
        len = max_bytes;
        snapshot->flags |= LPP_SNAPSHOT_CUT;
    }
    copy_bytes(stack, (const unsigned char *)(apr_uintptr_t)from, len);
    snapshot->stack = stack;
    snapshot->stack_address = from;
    snapshot->stack_len = (apr_uint32_t)len;
}

/* Have the kernel copy from there up to end; -1: it does not. */
static long read_pages(unsigned char *stack, apr_uint64_t max_bytes,
                       apr_uint64_t from, apr_uint64_t end)
{
    struct iovec to = { stack, max_bytes }, pieces[PIECES];
    unsigned count = 0;
    long copied;

    while (from < end && count < PIECES) {
        apr_uint64_t next = (from | (PAGE - 1)) + 1;

        next = next < end ? next : end;
        pieces[count].iov_base = (void *)(apr_uintptr_t)from;
        pieces[count++].iov_len = next - from;
        from = next;
    }
    copied = process_vm_readv(getpid(), &to, 1, pieces, count, 0);
    return copied < 0 && errno == EFAULT ? 0 : copied;
}

int lpp_signal_read_stack(lpp_snapshot_t *snapshot, unsigned char *stack,
                          apr_uint64_t max_bytes, apr_uint64_t stack_end)
{
    apr_uint64_t from = snapshot->regs[LPP_REG_SP] - RED_ZONE;
    long copied = read_pages(stack, max_bytes, from, stack_end);

    while (copied == 0 && (from | (PAGE - 1)) + 1 < stack_end) {
        from = (from | (PAGE - 1)) + 1;
        copied = read_pages(stack, max_bytes, from, stack_end);
    }
    snapshot->stack = stack;
    snapshot->stack_address = from;
    snapshot->stack_len = copied > 0 ? (apr_uint32_t)copied : 0;
    return copied >= 0;
}

#if defined(__x86_64__)

#include "sampling/lpp_signal_calls_internal.h"
#include "sampling/lpp_signal_wait_internal.h"

/* Did the kernel just end a call at rip? */
static int behind_syscall(const greg_t *regs)
{
    const unsigned char *at = (const unsigned char *)regs[REG_RIP];

    return ((apr_uintptr_t)at & 4095) >= 2 ? at[-2] == 0x0f && at[-1] == 0x05
                                           : 1; /* call_number looks again */
}

static int before_syscall(const greg_t *regs)
{
    const unsigned char *at = (const unsigned char *)regs[REG_RIP];

    return ((apr_uintptr_t)at & 4095) != 4095 && at[0] == 0x0f
           && at[1] == 0x05;
}

static void shorten(struct timespec *to, const struct timespec *from,
                    long long by_ns)
{
    long long rest = (long long)from->tv_nsec - by_ns % 1000000000;
    long long seconds = (long long)from->tv_sec - by_ns / 1000000000;

    if (rest < 0) {
        rest += 1000000000;
        seconds--;
    }
    to->tv_sec = seconds < 0 ? 0 : (time_t)seconds;
    to->tv_nsec = seconds < 0 ? 0 : (long)rest;
}

static greg_t shorter_ms(greg_t value, long long by_ns)
{
    long long ms = (int)value; /* an int, negative for no limit */

    if (ms <= 0) {
        return value;
    }
    ms -= by_ns / 1000000;
    return (greg_t)(ms < 0 ? 0 : ms);
}

/* Make a read-only relative timeout point to a shorter one of ours. */
static void shorten_spec(greg_t *pointer, lpp_signal_target_t *target,
                         long long by_ns)
{
    if (*pointer != 0) {
        shorten(&target->rest[0], (const struct timespec *)*pointer, by_ns);
        *pointer = (greg_t)&target->rest[0];
    }
}

/* The kernel wrote what is left of a sleep, if there was somewhere to write. */
static void shorten_sleep(greg_t *request, greg_t *remainder,
                          lpp_signal_target_t *target, long long by_ns)
{
    if (*remainder != 0) {
        *request = *remainder;
    }
    else if (target != NULL) {
        shorten_spec(request, target, by_ns);
        *remainder = (greg_t)&target->rest[1];
    }
}

/* target NULL: not its thread, timeouts begin anew where the kernel keeps no
 * account of them. */
static void shorten_timeout(call_e kind, greg_t *regs,
                            lpp_signal_target_t *target)
{
    long long by_ns = target == NULL ? 0
        : atomic_load_explicit(&target->blocked_ns, memory_order_relaxed);

    switch (kind) {
    case CALL_MS_RDX:
        regs[REG_RDX] = shorter_ms(regs[REG_RDX], by_ns);
        break;
    case CALL_MS_R10:
        regs[REG_R10] = shorter_ms(regs[REG_R10], by_ns);
        break;
    case CALL_SLEEP:
        shorten_sleep(&regs[REG_RDI], &regs[REG_RSI], target, by_ns);
        break;
    case CALL_CLOCKSLEEP:
        if ((regs[REG_RSI] & TIMER_ABSTIME) == 0) {
            shorten_sleep(&regs[REG_RDX], &regs[REG_R10], target, by_ns);
        }
        break;
    case CALL_SPEC_RDX:
        if (by_ns > 0) {
            shorten_spec(&regs[REG_RDX], target, by_ns);
        }
        break;
    case CALL_FUTEX:
        if ((regs[REG_RSI] & 0x7f) != 0) {
            break; /* all but FUTEX_WAIT count to a point in time */
        }
        /* fall through */
    case CALL_SPEC_R10:
        if (by_ns > 0) {
            shorten_spec(&regs[REG_R10], target, by_ns);
        }
        break;
    case CALL_SPEC_R8:
        if (by_ns > 0) {
            shorten_spec(&regs[REG_R8], target, by_ns);
        }
        break;
    default:
        break;
    }
}

/* What a restart has changed, to undo it. */
typedef struct undo_t {
    int changed;
    gregset_t regs;
    unsigned long mask;
    lpp_signal_rest_t *rest; /* its account before, or NULL */
    long long done;
    int busy;
} undo_t;

static void remember(undo_t *undo, const ucontext_t *context,
                     lpp_signal_rest_t *rest)
{
    const greg_t *regs = context->uc_mcontext.gregs;
    lpp_signal_rest_t *under_way = rest_under_way(regs);
    unsigned i;

    for (i = 0; i < NGREG; i++) { /* no memcpy in the handler */
        ((volatile greg_t *)undo->regs)[i] = regs[i];
    }
    undo->mask = context->uc_sigmask.__val[0];
    undo->rest = under_way != NULL ? under_way : rest;
    if (undo->rest != NULL) {
        undo->done = undo->rest->done;
        undo->busy = undo->rest->busy;
    }
}

static void undo_restart(const undo_t *undo, ucontext_t *context)
{
    unsigned i;

    for (i = 0; i < NGREG; i++) {
        ((volatile greg_t *)context->uc_mcontext.gregs)[i] = undo->regs[i];
    }
    context->uc_sigmask.__val[0] = undo->mask;
    if (undo->rest != NULL) {
        undo->rest->done = undo->done;
        undo->rest->busy = undo->busy;
    }
}

/*
 * Has another handler been here? Where ours comes just as that one returns, the
 * EINTR of the call is that one's, and looks as if it was ours. But we run on
 * the alternate stack, so what the kernel saved for that one still lies below
 * the stack pointer: the same registers, at the place where the kernel puts
 * them. The same from an earlier time shows a program that knows EINTR there.
 */
static int handler_was_here(const ucontext_t *context, pid_t pid)
{
    const greg_t *regs = context->uc_mcontext.gregs;
    const unsigned *state = (const unsigned *)context->uc_mcontext.fpregs;
    apr_uint64_t at = (apr_uint64_t)regs[REG_RSP] - RED_ZONE;
    greg_t saved[SAVED_REGS];
    struct iovec to = { saved, sizeof(saved) }, from = { NULL, sizeof(saved) };
    int i;

    if (state == NULL) {
        return 0;
    }
    /* A word behind the legacy part of the state tells its whole size. */
    at = (at - (state[464 / 4] == 0x46505853 ? state[468 / 4] : 512)) & ~63ull;
    at = ((at - KERNEL_FRAME_BYTES) & ~15ull) - 8;
    at += 8 + offsetof(ucontext_t, uc_mcontext.gregs);
    if (at == (apr_uintptr_t)regs) {
        return 0; /* ours lies there */
    }
    from.iov_base = (void *)(apr_uintptr_t)at;
    if (process_vm_readv(pid, &to, 1, &from, 1, 0) != sizeof(saved)) {
        return 0;
    }
    for (i = 0; i < SAVED_REGS && saved[i] == regs[i]; i++) {
    }
    if (i < SAVED_REGS) {
        return 0;
    }
    /* Once: the next call from here is restarted, unless a handler comes
     * again. Memory below the red zone belongs to handlers. */
    saved[0] = ~saved[0];
    from.iov_len = to.iov_len = sizeof(saved[0]);
    (void)process_vm_writev(pid, &to, 1, &from, 1, 0);
    return 1;
}

/* Restart a call that ended with EINTR. */
static int restart(ucontext_t *context, lpp_signal_target_t *target,
                   lpp_signal_rest_t *rest, pid_t pid)
{
    greg_t *regs = context->uc_mcontext.gregs;
    const lpp_signal_rest_t *under_way = rest_under_way(regs);
    long number = under_way != NULL ? under_way->number
                                    : call_number(regs, pid);
    call_e kind = call_kind(number);

    if (kind == CALL_UNKNOWN) {
        atomic_fetch_add_explicit(&unrepaired, 1, memory_order_relaxed);
        return 0;
    }
    if (under_way == NULL && target != NULL
        && atomic_load_explicit(&target->blocked_ns, memory_order_relaxed) == 0
        && handler_was_here(context, pid)) {
        return 0;
    }
    shorten_timeout(kind, regs, target);
    if (under_way != NULL || wait_in_stub(number, context, rest) < 0) {
        regs[REG_RIP] -= 2;
        regs[REG_RAX] = number;
    }
    return 1;
}

/*
 * Restart an interrupted call, or have one that was cut short resume. Returns
 * whether the thread was in a call. target NULL: no sample is wanted; rest
 * NULL: not the thread that is profiled.
 */
static int repair(ucontext_t *context, lpp_signal_target_t *target,
                  lpp_signal_rest_t *rest, pid_t pid, undo_t *undo)
{
    greg_t *regs = context->uc_mcontext.gregs;
    int interrupted = regs[REG_RAX] == -EINTR;

    undo->changed = 0;
    if ((!interrupted && regs[REG_RAX] <= 0) || !behind_syscall(regs)) {
        return before_syscall(regs); /* restarted by the kernel */
    }
    if (!atomic_load(&restarts)) { /* a number that we read may be wrong */
        atomic_fetch_add_explicit(&unrepaired, interrupted,
                                  memory_order_relaxed);
        return interrupted || before_syscall(regs);
    }
    remember(undo, context, rest);
    undo->changed = interrupted ? restart(context, target, rest, pid)
                                : resume_rest(regs, rest, pid);
    if (undo->changed && target != NULL) {
        atomic_fetch_add_explicit(&target->repaired, 1, memory_order_relaxed);
    }
    return undo->changed || interrupted || before_syscall(regs);
}

enum { OTHER_HANDLED = 1, OTHER_INTERRUPTS = 2 };

/* Which kinds of signals will be delivered as soon as ours returns: that have a
 * handler; that have one without SA_RESTART. */
static int others_pending(unsigned long mask, int ours)
{
    struct sigaction action;
    sigset_t pending;
    unsigned long left; /* a bit a signal, as the kernel has them */
    int found = 0;

    if (sigpending(&pending) != 0) {
        return 0;
    }
    left = pending.__val[0] & ~mask & ~(1ul << (ours - 1));
    for (; left != 0; left &= left - 1) {
        if (sigaction(__builtin_ctzl(left) + 1, NULL, &action) != 0
            || ((action.sa_flags & SA_SIGINFO) == 0
                && (action.sa_handler == SIG_DFL
                    || action.sa_handler == SIG_IGN))) {
            continue;
        }
        found |= action.sa_flags & SA_RESTART
            ? OTHER_HANDLED : OTHER_HANDLED | OTHER_INTERRUPTS;
    }
    return found;
}

/*
 * Has the kernel restarted this call since SA_RESTART is set for our signal? It
 * leaves in rcx where the call returns to, which a call that is yet to be made
 * for the first time has there by chance only.
 */
static int kernel_restarts(const greg_t *regs)
{
    return before_syscall(regs) && regs[REG_RCX] == regs[REG_RIP] + 2
           && ends_by_signal((long)regs[REG_RAX], (int)regs[REG_RSI]);
}

/* The last act: a call that another signal has interrupted as well must end,
 * as it would without us. */
static void yield_to_others(ucontext_t *context, const undo_t *undo, int ours)
{
    greg_t *regs = context->uc_mcontext.gregs;
    int by_kernel = !undo->changed && kernel_restarts(regs);
    int others = 0;

    if (undo->changed || by_kernel) {
        others = others_pending(undo->changed
                                ? undo->mask : context->uc_sigmask.__val[0],
                                ours);
    }
    if (undo->changed && others != 0) {
        undo_restart(undo, context);
    }
    else if (by_kernel && (others & OTHER_INTERRUPTS) != 0) {
        regs[REG_RIP] += 2;
        regs[REG_RAX] = -EINTR;
    }
}

long lpp_signal_interrupted(const ucontext_t *context)
{
    const greg_t *regs = context->uc_mcontext.gregs;

    return regs[REG_RAX] == -EINTR && behind_syscall(regs)
        ? call_number(regs, getpid()) : LPP_SIGNAL_NO_CALL;
}

void lpp_signal_copy_registers(lpp_snapshot_t *to, const ucontext_t *from)
{
    static const signed char order[LPP_REGS] = {
        REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP,
        REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
        REG_RIP
    };
    unsigned i;

    for (i = 0; i < LPP_REGS; i++) {
        to->regs[i] =
            (apr_uint64_t)from->uc_mcontext.gregs[order[i]];
    }
    hide_stub(from->uc_mcontext.gregs, &to->regs[LPP_REG_PC], &to->regs[3]);
}

#elif defined(__aarch64__)

typedef struct undo_t {
    int changed;
} undo_t;

/* svc leaves no trace of the call's number that survives -EINTR in x0 with x8
 * reused; nothing is restarted, and blocked threads are not signalled. */
static int repair(ucontext_t *context, lpp_signal_target_t *target,
                  lpp_signal_rest_t *rest, pid_t pid, undo_t *undo)
{
    const unsigned *at = (const unsigned *)context->uc_mcontext.pc;

    undo->changed = 0;
    (void)target;
    (void)rest;
    (void)pid;
    if ((long)context->uc_mcontext.regs[0] == -EINTR
        && at[-1] == 0xd4000001u) {
        atomic_fetch_add_explicit(&unrepaired, 1, memory_order_relaxed);
        return 1;
    }
    return at[0] == 0xd4000001u;
}

static void yield_to_others(ucontext_t *context, const undo_t *undo, int ours)
{
    (void)context;
    (void)undo;
    (void)ours;
}

void lpp_signal_copy_registers(lpp_snapshot_t *to, const ucontext_t *from)
{
    unsigned i;

    for (i = 0; i < 31; i++) {
        to->regs[i] = from->uc_mcontext.regs[i];
    }
    to->regs[LPP_REG_SP] = from->uc_mcontext.sp;
    to->regs[LPP_REG_PC] = from->uc_mcontext.pc;
}

long lpp_signal_interrupted(const ucontext_t *context)
{
    (void)context;
    return LPP_SIGNAL_NO_CALL;
}

#else
#error "mod_lpprofile samples x86-64 and aarch64 only"
#endif

int lpp_signal_restart(ucontext_t *context, lpp_signal_target_t *target,
                       lpp_signal_rest_t *rest)
{
    undo_t undo;

    return repair(context, target, rest, getpid(), &undo);
}

/*
 * Fill one slot with where context stands. Whatever stack this handler runs on,
 * SP is that of the interrupted code: on the thread's stack, or on one that the
 * code made, of which nobody knows where it ends.
 */
static void take_sample(lpp_signal_target_t *target, const ucontext_t *context,
                        apr_uint64_t sequence, int in_call)
{
    lpp_snapshot_t *snapshot;
    unsigned char *stack;
    apr_uint64_t sp;

    snapshot = lpp_ring_reserve(target->ring, &stack);
    if (snapshot == NULL) {
        return;
    }
    lpp_signal_copy_registers(snapshot, context);
    sp = snapshot->regs[LPP_REG_SP];
    if (sp >= target->stack_end && sp < target->thread_end) {
        atomic_fetch_add_explicit(&target->foreign, 1, memory_order_relaxed);
        return; /* the thread has left the request */
    }
    snapshot->flags = in_call ? LPP_SNAPSHOT_SYSCALL : 0;
    snapshot->sequence = sequence;
    if (sp >= target->stack_start && sp < target->stack_end) {
        lpp_signal_copy_stack(snapshot, stack, LPP_STACK_MAX_BYTES,
                              target->stack_end);
    }
    else {
        snapshot->flags |= LPP_SNAPSHOT_OWN_STACK;
        (void)lpp_signal_read_stack(snapshot, stack, LPP_OWN_STACK_MAX_BYTES,
                                    sp + LPP_OWN_STACK_MAX_BYTES);
    }
    lpp_ring_publish(target->ring);
}

void lpp_signal_handle(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    lpp_signal_target_t *target = atomic_load(&served);
    unsigned long long asked;
    int here, mine, in_call;
    undo_t undo;

    if (target == NULL || info->si_code != SI_TKILL) {
        return; /* somebody else's signal: not for us to repair */
    }
    /* Between these two counts nobody changes the target: see quiesce. */
    atomic_fetch_add(&target->handling, 1);
    here = pthread_equal(target->thread, pthread_self())
           && info->si_pid == target->process;
    mine = here && atomic_load(&target->enabled);
    /* Restart even where no sample is wanted any more: the call broke. */
    in_call = repair(context, mine ? target : NULL,
                     here ? target->rest_of_call : NULL, info->si_pid, &undo);
    if (mine) {
        asked = atomic_load_explicit(&target->asked, memory_order_acquire);
        if (asked != atomic_load_explicit(&target->answered,
                                          memory_order_relaxed)) {
            take_sample(target, context, asked, in_call);
            atomic_store_explicit(&target->answered, asked,
                                  memory_order_release);
        }
        else {
            atomic_fetch_add_explicit(&target->foreign, 1,
                                      memory_order_relaxed);
        }
    }
    atomic_fetch_sub(&target->handling, 1);
    yield_to_others(context, &undo, number);
    errno = saved;
}
