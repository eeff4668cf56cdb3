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

#define LPP_SNAPSHOT_PAGE_FRAMES 256 /* page functions of one sample */

/* A frame of a page function, packed; interp/ knows how. */
typedef apr_uint64_t lpp_page_frame_t;

/* The state of a thread: what unwinding needs, copied. */
typedef struct lpp_snapshot_t {
    apr_uint64_t regs[LPP_REGS];
    apr_uint64_t stack_address;  /* of stack[0]: SP less the red zone */
    apr_uint32_t stack_len;      /* bytes in stack */
    apr_uint32_t flags;          /* LPP_SNAPSHOT_ */
    apr_uint64_t sequence;       /* of the tick that asked for it */
    const unsigned char *stack;  /* copied bytes, in the slot */
    apr_uint32_t page_count;     /* page functions in page_frames */
    apr_uint32_t page_flags;     /* LPP_PAGE_ */
    lpp_page_frame_t *page_frames; /* innermost first, the languages one after
                                      the other, in the slot; NULL: no room for
                                      any */
} lpp_snapshot_t;

enum {
    LPP_SNAPSHOT_CUT = 1 << 0,     /* the stack was larger than a slot */
    LPP_SNAPSHOT_SYSCALL = 1 << 1, /* the thread was in a system call */
    LPP_SNAPSHOT_OWN_STACK = 1 << 2 /* SP was not in the thread's stack: the end
                                       of the stack in use is not known */
};

enum {
    LPP_PAGE_CUT = 1 << 0,      /* a chain was longer than there was room, or
                                   ended where it could not be read */
    LPP_PAGE_LATE = 1 << 1,     /* not read: the sample came too late */
    LPP_PAGE_AMBIGUOUS = 1 << 2, /* more than one interpreter had frames */
    LPP_PAGE_REFUSED = 1 << 3   /* not read: a guarded load that faults could
                                   not be rescued */
};

#endif
