/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_interp_walk: reads page functions in the handler: what is the same for
 * all languages.
 */
#include "interp/lpp_interp_internal.h"

#include <signal.h>
#include <ucontext.h>

#include "base/lpp_clock.h"

/* Whether neither signal of a guarded load that faults is blocked. */
static int are_open(const sigset_t *mask)
{
    return sigismember(mask, SIGSEGV) == 0 && sigismember(mask, SIGBUS) == 0;
}

/* Whether the alternate stack has room for the frame of one more signal. The
 * code that was interrupted on it has used an unknown part of it. */
static int has_room(const lpp_interp_t *interp, const ucontext_t *context,
                    apr_uint64_t sp)
{
    const stack_t *stack = &context->uc_stack;

    return (stack->ss_flags & SS_DISABLE) != 0
           || (stack->ss_size >= interp->stack_bytes
               && sp - (apr_uint64_t)(apr_uintptr_t)stack->ss_sp
                      >= stack->ss_size);
}

/* 0 if page functions may be read now, else the flag that says why not. */
static unsigned why_not(const lpp_interp_t *interp, const ucontext_t *context,
                        apr_uint64_t sp)
{
    long long allowed = atomic_load_explicit(&interp->allowed_ns,
                                             memory_order_relaxed);

    if (allowed == 0 || !are_open(&context->uc_sigmask)
        || !has_room(interp, context, sp)) {
        return LPP_PAGE_REFUSED;
    }
    return lpp_clock_ns(CLOCK_MONOTONIC) - allowed <= LPP_INTERP_LATE_NS
        ? 0 : LPP_PAGE_LATE;
}

static void read_languages(lpp_interp_t *interp, unsigned languages,
                           lpp_snapshot_t *snapshot)
{
    lpp_interp_walk_t walk;

    walk.regs = snapshot->regs;
    walk.seen = interp->seen;
    walk.frames = snapshot->page_frames;
    walk.count = walk.flags = 0;
    walk.steps = LPP_INTERP_STEPS_MAX;
    if (languages & LPP_LANGUAGE_BIT(LPP_LANGUAGE_PHP)) {
        lpp_interp_php_walk(&interp->php, &walk);
    }
    walk.steps = LPP_INTERP_STEPS_MAX;
    if (languages & LPP_LANGUAGE_BIT(LPP_LANGUAGE_PYTHON)) {
        lpp_interp_python_walk(&interp->python, &walk);
    }
    walk.steps = LPP_INTERP_STEPS_MAX;
    if (languages & LPP_LANGUAGE_BIT(LPP_LANGUAGE_LUA)) {
        lpp_interp_lua_walk(&interp->lua, &walk);
    }
    walk.steps = LPP_INTERP_STEPS_MAX;
    if (languages & LPP_LANGUAGE_BIT(LPP_LANGUAGE_PERL)) {
        lpp_interp_perl_walk(&interp->perl, &walk);
    }
    snapshot->page_count = walk.count;
    snapshot->page_flags = walk.flags;
}

void lpp_interp_read(lpp_interp_t *interp, lpp_snapshot_t *snapshot,
                     const sigset_t *mask)
{
    unsigned languages = interp == NULL ? 0
        : atomic_load_explicit(&interp->languages, memory_order_acquire);

    snapshot->page_count = 0;
    snapshot->page_flags = languages == 0 || are_open(mask) ? 0
                                                            : LPP_PAGE_REFUSED;
    if (languages != 0 && snapshot->page_flags == 0) {
        read_languages(interp, languages, snapshot);
    }
}

void lpp_interp_walk(lpp_interp_t *interp, lpp_snapshot_t *snapshot,
                     const void *context)
{
    unsigned languages;

    snapshot->page_count = 0;
    snapshot->page_flags = 0;
    if (interp == NULL || snapshot->page_frames == NULL) {
        return;
    }
    languages = atomic_load_explicit(&interp->languages, memory_order_acquire);
    if (languages == 0) {
        return;
    }
    snapshot->page_flags = why_not(interp, context,
                                   snapshot->regs[LPP_REG_SP]);
    if (snapshot->page_flags == 0) {
        read_languages(interp, languages, snapshot);
    }
}
