/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_number: see lpp_signal_number_internal.h.
 */
#include "sampling/lpp_signal_number_internal.h"

#if defined(__x86_64__)

#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "sampling/lpp_signal_calls_internal.h"
#include "sampling/lpp_signal_copy_internal.h"

#define CODE_BYTES 48   /* searched in front of a syscall instruction */
#define CALLER_BYTES 96 /* and in front of a call of syscall(2) */

/* Where the C library keeps the number of a call. */
static struct {
    lpp_signal_place_t place[LPP_SIGNAL_PLACES];
    atomic_uint count;
} learned;

void lpp_signal_learn_places(const lpp_signal_place_t *places, unsigned count)
{
    unsigned i;

    atomic_store(&learned.count, 0);
    for (i = 0; i < count && i < LPP_SIGNAL_PLACES; i++) {
        learned.place[i] = places[i];
    }
    atomic_store(&learned.count, i);
}

/* The value of a register, by its number in an instruction. */
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
 * Copy the len bytes of code that end at end, or as many as are readable: the
 * page of the last byte has just been executed, the page in front of it may not
 * exist, so the kernel makes a copy that reaches it. Returns the number of
 * bytes, which are at the end of code.
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
        lpp_signal_copy_bytes(code + len - in_page, last - in_page, in_page);
        return in_page;
    }
    lpp_signal_copy_bytes(code, last - len, len);
    return len;
}

/*
 * syscall(number, ...) moves its arguments to other registers, and the number
 * is lost. But at the instruction the return address is on top of the stack,
 * and the caller has loaded a constant into edi a few instructions before it.
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

        if (here[0] == 0xbf && lpp_call_kind(code_immediate(here + 1))
                                   != LPP_CALL_UNKNOWN) {
            return code_immediate(here + 1);
        }
    }
    return -1;
}

/* `mov %reg32,%eax` directly in front of at: as futex waits of glibc do. */
static long number_from_register(const unsigned char *at, const greg_t *regs)
{
    if (at[-2] == 0x89 && (at[-1] & 0xc7) == 0xc0) {
        unsigned high = at[-3] == 0x44 || at[-3] == 0x4c ? 8 : 0;

        return code_register(regs, ((at[-1] >> 3) & 7) | high) & 0xffffffffL;
    }
    return -1;
}

long lpp_signal_call_number(const greg_t *regs, pid_t pid)
{
    unsigned char code[CODE_BYTES];
    const unsigned char *at = code + sizeof(code) - 2;
    size_t have, back;
    long number;
    unsigned i, places;

    places = atomic_load_explicit(&learned.count, memory_order_acquire);
    for (i = 0; i < places; i++) {
        if (learned.place[i].pc == (apr_uint64_t)regs[REG_RIP]) {
            lpp_signal_copy_bytes((unsigned char *)&number,
                       (const unsigned char *)regs[REG_RSP]
                           + learned.place[i].offset, sizeof(number));
            return number;
        }
    }
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
    /* Instructions that load other arguments may be in between. Bytes that
     * match by chance would also have to hold the number of a call that can
     * block. */
    for (back = 1; back + 8 < have; back++) {
        const unsigned char *here = at - back;

        if (here[-5] == 0xb8
            && lpp_call_kind(code_immediate(here - 4)) != LPP_CALL_UNKNOWN) {
            return code_immediate(here - 4);
        }
        if (number_from_register(here, regs) == SYS_futex) {
            return SYS_futex;
        }
    }
    return -1;
}

#endif
