/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_stub: see lpp_signal_stub_internal.h.
 *
 * A call leaves only the registers rcx and r11 free, and destroys both: so rbx
 * holds the address of the thread's lpp_signal_stub_t meanwhile, which stores
 * the value of rbx.
 */
#include "sampling/lpp_signal_stub_internal.h"

#if defined(__x86_64__)

#include <stddef.h>

#define HIDDEN extern __attribute__((visibility("hidden")))

_Static_assert(offsetof(lpp_signal_stub_t, resume) == 0
                   && offsetof(lpp_signal_stub_t, rbx) == 8
                   && offsetof(lpp_signal_stub_t, done) == 16
                   && offsetof(lpp_signal_stub_t, busy) == 24
                   && offsetof(lpp_signal_stub_t, registers) == 40
                   && offsetof(lpp_signal_stub_t, mask) == 88,
               "the stubs and their unwind rules count on it");

/* The stubs with their unwind rules: a frame that has already ended, whose
 * caller is the function that made the call. */
__asm__(".text\n"
        ".globl lpp_signal_resume_stub\n"
        ".hidden lpp_signal_resume_stub\n"
        ".type lpp_signal_resume_stub,@function\n"
        "lpp_signal_resume_stub:\n"
        "    .cfi_startproc\n"
        "    .cfi_signal_frame\n"
        "    .cfi_def_cfa rsp, 0\n"
        "    .cfi_escape 0x10, 0x10, 0x02, 0x73, 0x00\n" /* rip: 0(rbx) */
        "    .cfi_escape 0x10, 0x03, 0x02, 0x73, 0x08\n" /* rbx: 8(rbx) */
        "    syscall\n"
        "    testq %rax, %rax\n"
        "    js 1f\n"
        "    addq %rax, 16(%rbx)\n"
        "1:  movq 16(%rbx), %rax\n"
        "    movq 0(%rbx), %rcx\n"
        "    movq 8(%rbx), %r11\n"
        "    movl $0, 24(%rbx)\n"
        "    movq %r11, %rbx\n"
        "    .cfi_same_value rbx\n"
        "    .cfi_register rip, rcx\n"
        "lpp_signal_resume_stub_last:\n"
        "    jmp *%rcx\n"
        "    .cfi_endproc\n"
        ".size lpp_signal_resume_stub,.-lpp_signal_resume_stub\n"
        ".globl lpp_signal_wait_stub\n"
        ".hidden lpp_signal_wait_stub\n"
        ".type lpp_signal_wait_stub,@function\n"
        "lpp_signal_wait_stub:\n"
        "    .cfi_startproc\n"
        "    .cfi_signal_frame\n"
        "    .cfi_def_cfa rsp, 0\n"
        "    .cfi_escape 0x10, 0x10, 0x02, 0x73, 0x00\n"
        "    .cfi_escape 0x10, 0x03, 0x02, 0x73, 0x08\n"
        "    syscall\n"
        "    movq %rax, 16(%rbx)\n"
        "    movl $14, %eax\n" /* rt_sigprocmask(SIG_SETMASK, mask, NULL, 8) */
        "    movl $2, %edi\n"
        "    leaq 88(%rbx), %rsi\n"
        "    xorl %edx, %edx\n"
        "    movl $8, %r10d\n"
        "    syscall\n"
        "    movq 16(%rbx), %rax\n"
        "    movq 40(%rbx), %rdi\n"
        "    movq 48(%rbx), %rsi\n"
        "    movq 56(%rbx), %rdx\n"
        "    movq 64(%rbx), %r10\n"
        "    movq 72(%rbx), %r8\n"
        "    movq 80(%rbx), %r9\n"
        "    movq 0(%rbx), %rcx\n"
        "    movq 8(%rbx), %r11\n"
        "    movl $0, 24(%rbx)\n"
        "    movq %r11, %rbx\n"
        "    .cfi_same_value rbx\n"
        "    .cfi_register rip, rcx\n"
        "lpp_signal_wait_stub_last:\n"
        "    jmp *%rcx\n"
        "    .cfi_endproc\n"
        ".size lpp_signal_wait_stub,.-lpp_signal_wait_stub\n");

HIDDEN const char lpp_signal_resume_stub_last[], lpp_signal_wait_stub_last[];

static int is_between(greg_t at, const char *from, const char *to)
{
    return (apr_uintptr_t)at >= (apr_uintptr_t)from
           && (apr_uintptr_t)at < (apr_uintptr_t)to;
}

int lpp_signal_is_in_stub(apr_uint64_t pc)
{
    return is_between((greg_t)pc, lpp_signal_resume_stub,
                      lpp_signal_resume_stub_last)
           || is_between((greg_t)pc, lpp_signal_wait_stub,
                         lpp_signal_wait_stub_last);
}

lpp_signal_stub_t *lpp_signal_stub_of(const greg_t *regs)
{
    return lpp_signal_is_in_stub((apr_uint64_t)regs[REG_RIP])
        ? (lpp_signal_stub_t *)regs[REG_RBX] : NULL;
}

void lpp_signal_hide_stub(const greg_t *regs, apr_uint64_t *rip,
                          apr_uint64_t *rbx)
{
    const lpp_signal_stub_t *stub = lpp_signal_stub_of(regs);

    if (stub != NULL) {
        *rip = (apr_uint64_t)stub->resume;
        *rbx = (apr_uint64_t)stub->rbx;
    }
    else if (regs[REG_RIP] == (greg_t)lpp_signal_resume_stub_last
             || regs[REG_RIP] == (greg_t)lpp_signal_wait_stub_last) {
        *rip = (apr_uint64_t)regs[REG_RCX];
    }
}

void lpp_signal_enter_stub(lpp_signal_stub_t *stub, greg_t *regs,
                           const char *entry, long number)
{
    stub->resume = regs[REG_RIP];
    stub->rbx = regs[REG_RBX];
    stub->done = 0;
    stub->number = number;
    stub->busy = 1;
    regs[REG_RBX] = (greg_t)stub;
    regs[REG_RIP] = (greg_t)entry;
    regs[REG_RAX] = number;
}

#endif
