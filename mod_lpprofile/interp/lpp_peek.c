/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_peek: see lpp_peek.h.
 *
 * The loads are written in assembler, so that the addresses of all instructions
 * that may fault are known, and no sanitizer checks them. Each function has a
 * range of such instructions and a label where a failed load continues.
 */
#include "interp/lpp_peek.h"

#include <stdatomic.h>
#include <ucontext.h>

static atomic_ullong faults;

apr_uint64_t lpp_peek_faults(void)
{
    return atomic_load_explicit(&faults, memory_order_relaxed);
}

apr_uint64_t lpp_peek_word(apr_uint64_t from)
{
    apr_uint64_t word;

    return lpp_peek(&word, from, 1) ? word : 0;
}

apr_size_t lpp_peek_length(apr_uint64_t text, apr_size_t max)
{
    char bytes[64];
    apr_size_t len, got, i;

    for (len = 0; len < max; len += got) {
        got = max - len < sizeof(bytes) ? max - len : sizeof(bytes);
        got = lpp_peek_bytes(bytes, text + len, got);
        for (i = 0; i < got; i++) {
            if (bytes[i] == '\0') {
                return len + i;
            }
        }
        if (got < sizeof(bytes)) {
            return len + got;
        }
    }
    return max;
}

#if LPP_PEEK_AVAILABLE

/* Addresses of the first page, and those that no process has, are refused
 * without a load: these are the usual wrong ones. rdi: to; rsi: from; rdx:
 * words or bytes. */
__asm__(".text\n"
        ".p2align 4\n"
        ".globl lpp_peek\n"
        ".hidden lpp_peek\n"
        ".type lpp_peek,@function\n"
        "lpp_peek:\n"
        ".cfi_startproc\n"
        "    endbr64\n"
        "    leaq -4096(%rsi), %rax\n"
        "    shrq $47, %rax\n"
        "    jne lpp_peek_failed\n"
        "lpp_peek_first:\n"
        "1:  movq (%rsi,%rax,8), %rcx\n"
        "lpp_peek_last:\n"
        "    movq %rcx, (%rdi,%rax,8)\n"
        "    incq %rax\n"
        "    cmpq %rdx, %rax\n"
        "    jb 1b\n"
        "    movl $1, %eax\n"
        "    ret\n"
        "lpp_peek_failed:\n"
        "    xorl %eax, %eax\n"
        "    ret\n"
        ".cfi_endproc\n"
        ".size lpp_peek,.-lpp_peek\n"
        ".p2align 4\n"
        ".globl lpp_peek_bytes\n"
        ".hidden lpp_peek_bytes\n"
        ".type lpp_peek_bytes,@function\n"
        "lpp_peek_bytes:\n"
        ".cfi_startproc\n"
        "    endbr64\n"
        "    movq %rdx, %rcx\n"
        "    movq %rdx, %rax\n"
        "    leaq -4096(%rsi), %r8\n"
        "    shrq $47, %r8\n"
        "    jne lpp_peek_bytes_failed\n"
        "    cld\n"
        "lpp_peek_bytes_first:\n"
        "    rep movsb\n"
        "lpp_peek_bytes_last:\n"
        "lpp_peek_bytes_failed:\n"
        "    subq %rcx, %rax\n" /* rcx: bytes that were not read */
        "    ret\n"
        ".cfi_endproc\n"
        ".size lpp_peek_bytes,.-lpp_peek_bytes\n"
        ".hidden lpp_peek_first,lpp_peek_last,lpp_peek_failed\n"
        ".hidden lpp_peek_bytes_first,lpp_peek_bytes_last\n"
        ".hidden lpp_peek_bytes_failed\n");

/* Of each range: the first instruction, the end, where a failure continues. */
extern const char lpp_peek_first[], lpp_peek_last[], lpp_peek_failed[];
extern const char lpp_peek_bytes_first[], lpp_peek_bytes_last[],
    lpp_peek_bytes_failed[];

int lpp_peek_rescue(const siginfo_t *info, void *context)
{
    greg_t *pc = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    const char *at = (const char *)(apr_uintptr_t)*pc;
    const char *then = NULL;

    if (info->si_code <= 0) {
        return 0;
    }
    if (at >= lpp_peek_first && at < lpp_peek_last) {
        then = lpp_peek_failed;
    }
    else if (at >= lpp_peek_bytes_first && at < lpp_peek_bytes_last) {
        then = lpp_peek_bytes_failed;
    }
    else {
        return 0;
    }
    *pc = (greg_t)(apr_uintptr_t)then;
    atomic_fetch_add_explicit(&faults, 1, memory_order_relaxed);
    return 1;
}

#else

int lpp_peek(void *to, apr_uint64_t from, apr_size_t words)
{
    (void)to;
    (void)from;
    (void)words;
    return 0;
}

apr_size_t lpp_peek_bytes(void *to, apr_uint64_t from, apr_size_t len)
{
    (void)to;
    (void)from;
    (void)len;
    return 0;
}

int lpp_peek_rescue(const siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    return 0;
}

#endif
