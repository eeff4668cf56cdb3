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
 * instruction (all shapes that glibc has). A call we do not recognise keeps its
 * EINTR and is counted: the helper then stops signalling blocked threads.
 *
 * A race that stays: somebody else's signal that hits the same call in the same
 * instant has its handler run, as if it had come just before the call.
 */
#include "lpp_signal.h"

#include <errno.h>
#include <sys/uio.h>
#include <ucontext.h>

#define RED_ZONE 128 /* bytes under SP that belong to a leaf function */

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

#if defined(__x86_64__)

#include "lpp_signal_calls.h"

#define CODE_BYTES 48  /* looked at in front of a syscall instruction */
#define CALLER_BYTES 96 /* and in front of a call of syscall(2) */

/* A register by its number in an instruction. */
static long code_register(const greg_t *regs, unsigned number)
{
    static const signed char names[16] = {
        REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
        REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15
    };

    return (long)regs[names[number & 15]];
}

static long code_immediate(const unsigned char *code)
{
    return (long)(code[0] | code[1] << 8 | code[2] << 16
                  | (unsigned)code[3] << 24);
}

/*
 * Copy the len bytes of code that end at end, or as many as are there: the page
 * of the last one was just run, the one in front may not exist, so a copy that
 * reaches it is the kernel's. Returns how many; they stand at the end of code.
 */
static size_t code_before(apr_uint64_t end, unsigned char *code, size_t len,
                          pid_t pid)
{
    size_t in_page = ((end - 1) & 4095) + 1;
    const unsigned char *last = (const unsigned char *)(apr_uintptr_t)end;

    if (in_page < len) {
        struct iovec to = { code, len };
        struct iovec from = { (void *)(last - len), len };

        if (process_vm_readv(pid, &to, 1, &from, 1, 0) == (ssize_t)len) {
            return len;
        }
        copy_bytes(code + len - in_page, last - in_page, in_page);
        return in_page;
    }
    copy_bytes(code, last - len, len);
    return len;
}

/*
 * syscall(number, ...) moves its arguments about, and the number is lost; but
 * at the instruction the return address is on top of the stack, and the caller
 * has loaded a constant into edi not far in front of it.
 */
static long number_from_caller(const greg_t *regs, pid_t pid)
{
    unsigned char code[CALLER_BYTES];
    apr_uint64_t back = *(const apr_uint64_t *)(apr_uintptr_t)regs[REG_RSP];
    size_t have, at;

    if (back < 65536) {
        return -1;
    }
    have = code_before(back, code, sizeof(code), pid);
    for (at = 9; at <= have; at++) {
        const unsigned char *here = code + sizeof(code) - at;

        if (here[0] == 0xbf && call_kind(code_immediate(here + 1))
                                   != CALL_UNKNOWN) {
            return code_immediate(here + 1);
        }
    }
    return -1;
}

/* `mov %reg32,%eax` right in front of at: futex waits of glibc do that. */
static long number_from_register(const unsigned char *at, const greg_t *regs)
{
    if (at[-2] == 0x89 && (at[-1] & 0xc7) == 0xc0) {
        unsigned high = at[-3] == 0x44 || at[-3] == 0x4c ? 8 : 0;

        return code_register(regs, ((at[-1] >> 3) & 7) | high) & 0xffffffffL;
    }
    return -1;
}

/* The number of the system call that ends right in front of rip, or -1. */
static long call_number(const greg_t *regs, pid_t pid)
{
    unsigned char code[CODE_BYTES];
    const unsigned char *at = code + sizeof(code) - 2;
    size_t have, back;
    long number;

    have = code_before((apr_uint64_t)regs[REG_RIP], code, sizeof(code), pid);
    if (have < 12 || at[0] != 0x0f || at[1] != 0x05) {
        return -1;
    }
    if (at[-5] == 0xb8) { /* mov $number,%eax */
        return code_immediate(at - 4);
    }
    if (at[-7] == 0x48 && at[-6] == 0xc7 && at[-5] == 0xc0) {
        return code_immediate(at - 4); /* mov $number,%rax */
    }
    if ((at[-2] == 0x31 || at[-2] == 0x33) && at[-1] == 0xc0) {
        return SYS_read; /* xor %eax,%eax */
    }
    if (at[-5] == 0x4c && at[-4] == 0x8b && at[-3] == 0x4c && at[-2] == 0x24
        && at[-1] == 0x08) {
        return number_from_caller(regs, pid); /* mov 8(%rsp),%r9 */
    }
    number = number_from_register(at, regs);
    if (number >= 0) {
        return number;
    }
    /* Other argument loads stand between. Bytes that only look like one of
     * these would also have to hold the number of a call that can block. */
    for (back = 1; back + 8 < have; back++) {
        const unsigned char *here = at - back;

        if (here[-5] == 0xb8
            && call_kind(code_immediate(here - 4)) != CALL_UNKNOWN) {
            return code_immediate(here - 4);
        }
        if (number_from_register(here, regs) == SYS_futex) {
            return SYS_futex;
        }
    }
    return -1;
}

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
    default:
        break;
    }
}

/* Put an interrupted call back. Returns whether the thread was in a call. */
static int repair(ucontext_t *context, lpp_signal_target_t *target, pid_t pid)
{
    greg_t *regs = context->uc_mcontext.gregs;
    long number;
    call_e kind;

    if (regs[REG_RAX] != -EINTR || !behind_syscall(regs)) {
        return before_syscall(regs); /* restarted by the kernel */
    }
    number = call_number(regs, pid);
    kind = call_kind(number);
    if (kind == CALL_UNKNOWN) {
        atomic_fetch_add_explicit(&unrepaired, 1, memory_order_relaxed);
        return 1;
    }
    shorten_timeout(kind, regs, target);
    regs[REG_RIP] -= 2;
    regs[REG_RAX] = number;
    if (target != NULL) {
        atomic_fetch_add_explicit(&target->repaired, 1, memory_order_relaxed);
    }
    return 1;
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
}

#elif defined(__aarch64__)

/* svc leaves no trace of the call's number that survives -EINTR in x0 with x8
 * reused; nothing is put back, and blocked threads are not signalled. */
static int repair(ucontext_t *context, lpp_signal_target_t *target, pid_t pid)
{
    const unsigned *at = (const unsigned *)context->uc_mcontext.pc;

    (void)target;
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

/* Fill one slot with where context stands. */
static void take_sample(lpp_signal_target_t *target, const ucontext_t *context,
                        apr_uint64_t sequence, int in_call)
{
    lpp_snapshot_t *snapshot;
    unsigned char *stack;

    snapshot = lpp_ring_reserve(target->ring, &stack);
    if (snapshot == NULL) {
        return;
    }
    lpp_signal_copy_registers(snapshot, context);
    if (snapshot->regs[LPP_REG_SP] < target->stack_start
        || snapshot->regs[LPP_REG_SP] >= target->stack_end) {
        /* The request has returned, or runs on a stack of its own making. */
        atomic_fetch_add_explicit(&target->foreign, 1, memory_order_relaxed);
        return;
    }
    snapshot->flags = in_call ? LPP_SNAPSHOT_SYSCALL : 0;
    snapshot->sequence = sequence;
    lpp_signal_copy_stack(snapshot, stack, LPP_STACK_MAX_BYTES,
                          target->stack_end);
    lpp_ring_publish(target->ring);
}

void lpp_signal_handle(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    lpp_signal_target_t *target = atomic_load(&served);
    unsigned long long asked;
    int mine, in_call;

    (void)number;
    if (target == NULL || info->si_code != SI_TKILL) {
        return; /* somebody else's signal: not for us to repair */
    }
    /* Between these two counts nobody changes the target: see quiesce. */
    atomic_fetch_add(&target->handling, 1);
    mine = atomic_load(&target->enabled)
           && pthread_equal(target->thread, pthread_self())
           && info->si_pid == target->process;
    /* Put back even where no sample is wanted any more: the call broke. */
    in_call = repair(context, mine ? target : NULL, info->si_pid);
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
