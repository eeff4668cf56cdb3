/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal: everything that runs in the signal handler, and nothing else.
 *
 * Puts back the system call that the signal interrupted, copies registers and
 * stack into a slot of the ring, keeps errno. No lock, no allocation, no stdio,
 * no thread-local variable of our own; tests/guard/signal_symbols.txt lists all
 * that this file may call.
 *
 * Why calls have to be put back: poll, select, epoll_wait, nanosleep, timed
 * futexes and sockets with a timeout answer EINTR whatever SA_RESTART says.
 * The kernel has then finished the call: the saved program counter stands just
 * behind the `syscall` instruction and rax holds -EINTR. Stepping back onto the
 * instruction and setting rax to the call's number runs it again, with the
 * arguments that the kernel kept in the other registers. The number itself is
 * gone from the registers, so it is read out of the code in front of the
 * instruction (lpp_signal_code.h). A call we do not recognise keeps its EINTR
 * and is counted: the helper then stops signalling blocked threads. A call that
 * has moved a part of its bytes returns that many instead: lpp_signal_rest.h.
 *
 * A race that stays: somebody else's signal that hits the same call in the same
 * instant has its handler run, as if it had come just before the call.
 */
#include "lpp_signal.h"

#include <errno.h>
#include <ucontext.h>
#include <unistd.h>

#define RED_ZONE 128 /* bytes under SP that belong to a leaf function */
#define PAGE 4096
#define PIECES (LPP_STACK_MAX_BYTES / PAGE + 1)

static _Atomic(lpp_signal_target_t *) served;
static atomic_uint unrepaired;

unsigned lpp_signal_unrepaired(void)
{
    return atomic_load_explicit(&unrepaired, memory_order_relaxed);
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

#include "lpp_signal_calls.h"
#include "lpp_signal_rest.h"

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

/* Put back a call that ended with EINTR. */
static int put_back(greg_t *regs, lpp_signal_target_t *target, pid_t pid)
{
    const lpp_signal_rest_t *rest = rest_under_way(regs);
    long number = rest != NULL ? rest->number : call_number(regs, pid);
    call_e kind = call_kind(number);

    if (kind == CALL_UNKNOWN) {
        atomic_fetch_add_explicit(&unrepaired, 1, memory_order_relaxed);
        return 0;
    }
    shorten_timeout(kind, regs, target);
    regs[REG_RIP] -= 2;
    regs[REG_RAX] = number;
    return 1;
}

/*
 * Put an interrupted call back, or see to it that one that was cut short goes
 * on. Returns whether the thread was in a call. target NULL: no sample is
 * wanted; rest NULL: not the thread that is profiled.
 */
static int repair(ucontext_t *context, lpp_signal_target_t *target,
                  lpp_signal_rest_t *rest, pid_t pid)
{
    greg_t *regs = context->uc_mcontext.gregs;
    int interrupted = regs[REG_RAX] == -EINTR;

    if ((!interrupted && regs[REG_RAX] <= 0) || !behind_syscall(regs)) {
        return before_syscall(regs); /* restarted by the kernel */
    }
    if (interrupted ? put_back(regs, target, pid)
                    : carry_through(regs, rest, pid)) {
        if (target != NULL) {
            atomic_fetch_add_explicit(&target->repaired, 1,
                                      memory_order_relaxed);
        }
        return 1;
    }
    return interrupted || before_syscall(regs);
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

/* svc leaves no trace of the call's number that survives -EINTR in x0 with x8
 * reused; nothing is put back, and blocked threads are not signalled. */
static int repair(ucontext_t *context, lpp_signal_target_t *target,
                  lpp_signal_rest_t *rest, pid_t pid)
{
    const unsigned *at = (const unsigned *)context->uc_mcontext.pc;

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

void lpp_signal_copy_registers(lpp_snapshot_t *to, const ucontext_t *from)
{
    unsigned i;

    for (i = 0; i < 31; i++) {
        to->regs[i] = from->uc_mcontext.regs[i];
    }
    to->regs[LPP_REG_SP] = from->uc_mcontext.sp;
    to->regs[LPP_REG_PC] = from->uc_mcontext.pc;
}

#else
#error "mod_lpprofile samples x86-64 and aarch64 only"
#endif

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

    (void)number;
    if (target == NULL || info->si_code != SI_TKILL) {
        return; /* somebody else's signal: not for us to repair */
    }
    /* Between these two counts nobody changes the target: see quiesce. */
    atomic_fetch_add(&target->handling, 1);
    here = pthread_equal(target->thread, pthread_self())
           && info->si_pid == target->process;
    mine = here && atomic_load(&target->enabled);
    /* Put back even where no sample is wanted any more: the call broke. */
    in_call = repair(context, mine ? target : NULL,
                     here ? target->rest_of_call : NULL, info->si_pid);
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
    errno = saved;
}
