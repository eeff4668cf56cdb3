/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_copy: see lpp_signal_copy_internal.h.
 */
#include "sampling/lpp_signal_copy_internal.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sampling/lpp_signal_stub_internal.h"

#define PAGE 4096
#define PIECES (LPP_STACK_MAX_BYTES / PAGE + 1)

/* Not memcpy: a sanitizer's memcpy would report the redzones on stacks, and a
 * handler must not make the first call through a lazy PLT entry. */
__attribute__((no_sanitize("address", "thread")))
void lpp_signal_copy_bytes(unsigned char *to, const unsigned char *from,
                           size_t len)
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

void lpp_signal_copy_stack(lpp_snapshot_t *snapshot, unsigned char *stack,
                           apr_uint64_t max_bytes, apr_uint64_t stack_end)
{
    apr_uint64_t from = snapshot->regs[LPP_REG_SP] - LPP_SIGNAL_RED_ZONE;
    apr_uint64_t len = stack_end > from ? stack_end - from : 0;

    if (len > max_bytes) {
        len = max_bytes;
        snapshot->flags |= LPP_SNAPSHOT_CUT;
    }
    lpp_signal_copy_bytes(stack, (const unsigned char *)(apr_uintptr_t)from,
                          len);
    snapshot->stack = stack;
    snapshot->stack_address = from;
    snapshot->stack_len = (apr_uint32_t)len;
}

/* Have the kernel copy from there up to end; -1: it cannot. */
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
    apr_uint64_t from = snapshot->regs[LPP_REG_SP] - LPP_SIGNAL_RED_ZONE;
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

void lpp_signal_copy_registers(lpp_snapshot_t *to, const ucontext_t *from)
{
    static const signed char order[LPP_REGS] = {
        REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP,
        REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
        REG_RIP
    };
    unsigned i;

    for (i = 0; i < LPP_REGS; i++) {
        to->regs[i] = (apr_uint64_t)from->uc_mcontext.gregs[order[i]];
    }
    lpp_signal_hide_stub(from->uc_mcontext.gregs, &to->regs[LPP_REG_PC],
                         &to->regs[3]);
}

#elif defined(__aarch64__)

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
