/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind_capture: for tests: where this thread stands, copied without
 * lpp_signal, so that the unwinders are tested apart from it. x86_64 only.
 */
#ifndef UNWIND_CAPTURE_H
#define UNWIND_CAPTURE_H

#include <pthread.h>
#include <string.h>
#include <ucontext.h>

#include "memcheck_requests.h"
#include "sampling/lpp_ring_internal.h"

#define RED_ZONE 128

/* Where the calling thread's stack ends. */
static inline uintptr_t thread_stack_end(void)
{
    pthread_attr_t attributes;
    void *start = NULL;
    size_t size = 0;

    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        pthread_attr_getstack(&attributes, &start, &size);
        pthread_attr_destroy(&attributes);
    }
    return (uintptr_t)start + size;
}

/* The registers in context and the stack from there to end (at most room). */
__attribute__((no_sanitize("address"))) static inline void capture_context(
    lpp_snapshot_t *snapshot, unsigned char *stack, size_t room, uintptr_t end,
    const ucontext_t *context)
{
    static const int gregs[LPP_REGS] = {
        REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
        REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
        REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
    const unsigned char *from;
    size_t len, i;

    memset(snapshot, 0, sizeof(*snapshot));
    for (i = 0; i < LPP_REGS; i++) {
        snapshot->regs[i] = (apr_uint64_t)context->uc_mcontext.gregs[gregs[i]];
    }
    snapshot->stack_address = snapshot->regs[LPP_REG_SP] - RED_ZONE;
    snapshot->stack = stack;
    from = (const unsigned char *)(uintptr_t)snapshot->stack_address;
    len = end - (uintptr_t)from;
    if (len > room) {
        len = room;
        snapshot->flags |= LPP_SNAPSHOT_CUT;
    }
    snapshot->stack_len = (apr_uint32_t)len;
    /* not memcpy: a sanitizer knows whose bytes these are */
    VALGRIND_DISABLE_ERROR_REPORTING; /* the red zone is below the stack */
    __asm__ volatile("rep movsb"
                     : "+S"(from), "+D"(stack), "+c"(len)
                     :
                     : "memory");
    VALGRIND_ENABLE_ERROR_REPORTING;
    /* old bytes below the frames, and saved registers that nobody set */
    VALGRIND_MAKE_MEM_DEFINED(snapshot->stack, snapshot->stack_len);
    VALGRIND_MAKE_MEM_DEFINED(snapshot->regs, sizeof(snapshot->regs));
}

#endif
