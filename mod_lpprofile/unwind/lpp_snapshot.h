/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_snapshot: the state of a thread as it is copied: its registers and its
 * stack. The signal handler fills it, an unwinder reads it.
 */
#ifndef LPP_SNAPSHOT_H
#define LPP_SNAPSHOT_H

#include "base/lpp_base.h"

/* Registers a stack is unwound from, in DWARF order of the architecture. */
#if defined(__x86_64__)
#define LPP_REGS 17 /* rax rdx rcx rbx rsi rdi rbp rsp r8..r15 rip */
#define LPP_REG_SP 7
#define LPP_REG_PC 16
#elif defined(__aarch64__)
#define LPP_REGS 33 /* x0..x30 sp pc */
#define LPP_REG_SP 31
#define LPP_REG_PC 32
#else
#define LPP_REGS 2 /* nothing is sampled here */
#define LPP_REG_SP 0
#define LPP_REG_PC 1
#endif

/* The state of a thread: what unwinding needs, copied. */
typedef struct lpp_snapshot_t {
    apr_uint64_t regs[LPP_REGS];
    apr_uint64_t stack_address;  /* of stack[0]: SP less the red zone */
    apr_uint32_t stack_len;      /* bytes in stack */
    apr_uint32_t flags;          /* LPP_SNAPSHOT_ */
    apr_uint64_t sequence;       /* of the tick that asked for it */
    const unsigned char *stack;  /* copied bytes, in the slot */
} lpp_snapshot_t;

enum {
    LPP_SNAPSHOT_CUT = 1 << 0,     /* the stack was larger than a slot */
    LPP_SNAPSHOT_SYSCALL = 1 << 1, /* the thread was in a system call */
    LPP_SNAPSHOT_OWN_STACK = 1 << 2 /* SP was not in the thread's stack: the end
                                       of the stack in use is not known */
};

#endif
