/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_arm: takes the signal, arms a thread, sends; makes the alternate
 * signal stacks of profiled threads; and copies a thread without any signal.
 * Owns the number of the signal that this process uses, its previous action,
 * and the alternate stacks that it made. No code of this file runs in a
 * handler.
 */
#include "sampling/lpp_signal.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/lpp_altstack.h"
#include "sampling/lpp_signal_copy_internal.h"
#include "sampling/lpp_signal_stub_internal.h"

/* Size of a stack made here: other modules' handlers may run on it, too. The
 * guard area below it cannot be accessed. */
#define STACK_BYTES 65536
#define GUARD_BYTES 65536 /* the largest page there is */

static struct {
    pthread_once_t once;
    pthread_key_t key; /* the thread's stack if it was made here, or NULL */
    int status;        /* of making the key */
} lent_stacks = { .once = PTHREAD_ONCE_INIT };

static struct {
    pthread_mutex_t mutex;       /* guards the other members */
    unsigned takers;             /* takes not yet given back */
    int number;
    struct sigaction old_action; /* before the first of them */
} taken_signal = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static __thread struct {
    int armed;         /* its mask is changed, and old_mask is to be restored:
                          even after a profile that ended on another thread */
    sigset_t old_mask;
    lpp_signal_stub_t stub; /* still valid when the profile has ended */
} this_thread;

static int is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) != 0
           && action->sa_sigaction == lpp_signal_handle;
}

static int is_free(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) == 0
           && (action->sa_handler == SIG_DFL || action->sa_handler == SIG_IGN);
}

static apr_status_t install(int number)
{
    struct sigaction action, old;

    if (sigaction(number, NULL, &old) != 0) {
        return APR_EINVAL;
    }
    if (!is_free(&old)) {
        return APR_EBUSY;
    }
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = lpp_signal_handle;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    /* Block all other signals: a handler that ran on top of this one and ended
     * the process there would wait for it for ever. Guarded loads need these
     * two. */
    sigfillset(&action.sa_mask);
    sigdelset(&action.sa_mask, SIGSEGV);
    sigdelset(&action.sa_mask, SIGBUS);
    if (sigaction(number, &action, &old) != 0) {
        return APR_EINVAL;
    }
    if (!is_free(&old)) { /* another thread took it meanwhile */
        sigaction(number, &old, NULL);
        return APR_EBUSY;
    }
    taken_signal.old_action = old;
    taken_signal.number = number;
    return APR_SUCCESS;
}

static apr_status_t install_any(void)
{
    int number;

    for (number = SIGRTMAX - 2; number > SIGRTMIN + 2; number--) {
        if (install(number) == APR_SUCCESS) {
            return APR_SUCCESS;
        }
    }
    return APR_EBUSY;
}

apr_status_t lpp_signal_take(int number, int *taken)
{
    apr_status_t status = APR_SUCCESS;
    struct sigaction now;

    *taken = 0;
    pthread_mutex_lock(&taken_signal.mutex);
    if (taken_signal.takers > 0) {
        if (sigaction(taken_signal.number, NULL, &now) != 0 || !is_ours(&now)) {
            status = APR_EBUSY; /* another module has replaced the action */
        }
    }
    else {
        status = number == LPP_SIGNAL_AUTO ? install_any() : install(number);
    }
    if (status == APR_SUCCESS) {
        taken_signal.takers++;
        *taken = taken_signal.number;
    }
    pthread_mutex_unlock(&taken_signal.mutex);
    return status;
}

apr_status_t lpp_signal_give_back(void)
{
    apr_status_t status = APR_SUCCESS;
    struct sigaction now;

    pthread_mutex_lock(&taken_signal.mutex);
    if (taken_signal.takers > 0 && --taken_signal.takers == 0) {
        if (sigaction(taken_signal.number, NULL, &now) == 0 && is_ours(&now)) {
            sigaction(taken_signal.number, &taken_signal.old_action, NULL);
        }
        else {
            status = APR_EBUSY;
        }
    }
    pthread_mutex_unlock(&taken_signal.mutex);
    return status;
}

/* Called when the thread ends. */
static void free_stack(void *memory)
{
    unsigned char *stack = (unsigned char *)memory + GUARD_BYTES;
    stack_t now, none;

    if (sigaltstack(NULL, &now) != 0) {
        return;
    }
    if (now.ss_sp == stack) {
        memset(&none, 0, sizeof(none));
        none.ss_flags = SS_DISABLE;
        if (sigaltstack(&none, NULL) != 0) {
            return; /* the thread ends in a handler that runs on this stack */
        }
    }
    munmap(memory, GUARD_BYTES + STACK_BYTES);
}

static void make_key(void)
{
    lent_stacks.status = pthread_key_create(&lent_stacks.key, free_stack);
}

/* Make a stack for the calling thread, freed when that ends; NULL: no
 * memory. */
static void *make_stack(void)
{
    unsigned char *memory;

    memory = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_NONE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    if (mprotect(memory + GUARD_BYTES, STACK_BYTES, PROT_READ | PROT_WRITE) != 0
        || pthread_setspecific(lent_stacks.key, memory) != 0) {
        munmap(memory, GUARD_BYTES + STACK_BYTES);
        return NULL;
    }
    return memory;
}

apr_status_t lpp_signal_lend_stack(void)
{
    unsigned char *memory;
    stack_t now, ours;

    if (sigaltstack(NULL, &now) != 0) {
        return errno;
    }
    if (!(now.ss_flags & SS_DISABLE)) {
        /* The thread's own stack, or one made here before. The kernel kills a
         * thread whose alternate stack has no room for the frame. */
        return now.ss_size >= lpp_altstack_bytes(1) ? APR_SUCCESS : APR_ENOSPC;
    }
    pthread_once(&lent_stacks.once, make_key);
    if (lent_stacks.status != 0) {
        return lent_stacks.status;
    }
    memory = pthread_getspecific(lent_stacks.key);
    if (memory == NULL) {
        memory = make_stack();
    }
    if (memory == NULL) {
        return APR_ENOMEM;
    }
    memset(&ours, 0, sizeof(ours));
    ours.ss_sp = memory + GUARD_BYTES;
    ours.ss_size = STACK_BYTES;
    return sigaltstack(&ours, NULL) == 0 ? APR_SUCCESS : errno;
}

void lpp_signal_quiesce(lpp_signal_target_t *target)
{
    atomic_store(&target->enabled, 0);
    while (atomic_load(&target->handling) != 0) {
        sched_yield();
    }
}

apr_status_t lpp_signal_arm(lpp_signal_target_t *target, sigset_t *old_mask)
{
    apr_status_t status = lpp_signal_lend_stack();
    sigset_t ours;
    int rc;

    if (status != APR_SUCCESS) {
        return status;
    }
    lpp_signal_quiesce(target);
    target->thread = pthread_self();
    target->process = getpid();
    target->tid = (int)syscall(SYS_gettid);
    /* Signal 0 only tests for permission, which a hardened unit can deny. */
    if (syscall(SYS_tgkill, target->process, target->tid, 0) != 0) {
        return errno;
    }
    target->number = taken_signal.number;
    target->stub = &this_thread.stub;
    atomic_store(&target->blocked_ns, 0);
    atomic_store(&target->asked, 0);
    atomic_store(&target->answered, 0);
    atomic_store(&target->foreign, 0);
    lpp_signal_serve(target);
    atomic_store(&target->enabled, 1);
    sigemptyset(&ours);
    sigaddset(&ours, target->number);
    rc = pthread_sigmask(SIG_UNBLOCK, &ours, old_mask);
    if (rc != 0) {
        atomic_store(&target->enabled, 0);
        return rc;
    }
    if (this_thread.armed) {
        *old_mask = this_thread.old_mask; /* the mask before the first arm */
    }
    this_thread.old_mask = *old_mask;
    this_thread.armed = 1;
    return APR_SUCCESS;
}

void lpp_signal_disarm(lpp_signal_target_t *target, int number,
                       const sigset_t *old_mask)
{
    static const struct timespec no_wait = { 0, 0 };
    sigset_t ours;

    if (target != NULL) {
        atomic_store(&target->enabled, 0);
        /* Pairs with lpp_signal_send: after this loop it sends nothing more,
         * and what it has sent is pending. */
        while (atomic_load(&target->sending)) {
            sched_yield();
        }
    }
    sigemptyset(&ours);
    sigaddset(&ours, number);
    pthread_sigmask(SIG_BLOCK, &ours, NULL);
    /* A pending signal would survive exec, or kill the process once the default
     * action is restored. */
    while (sigtimedwait(&ours, NULL, &no_wait) > 0) {
    }
    pthread_sigmask(SIG_SETMASK, old_mask, NULL);
    this_thread.armed = 0;
}

apr_status_t lpp_signal_send(lpp_signal_target_t *target,
                             apr_int64_t blocked_ns, apr_uint64_t *sequence)
{
    apr_status_t status = APR_EGENERAL;

    atomic_store(&target->sending, 1);
    if (atomic_load(&target->enabled)) {
        *sequence = atomic_load_explicit(&target->asked,
                                         memory_order_relaxed) + 1;
        atomic_store_explicit(&target->blocked_ns, blocked_ns,
                              memory_order_relaxed);
        atomic_store_explicit(&target->asked, *sequence, memory_order_release);
        status = syscall(SYS_tgkill, target->process, target->tid,
                         target->number) == 0 ? APR_SUCCESS : errno;
        if (status != APR_SUCCESS) { /* the signal was not sent */
            atomic_store_explicit(&target->asked, *sequence - 1,
                                  memory_order_release);
        }
    }
    atomic_store(&target->sending, 0);
    return status;
}

#if defined(__x86_64__)
/*
 * Called with the registers of the caller's frame still in place: those that a
 * function must preserve; SP and PC become what they are after the return.
 */
__asm__(".text\n"
        ".globl lpp_signal_capture\n"
        ".hidden lpp_signal_capture\n"
        ".type lpp_signal_capture,@function\n"
        "lpp_signal_capture:\n"
        ".cfi_startproc\n"
        "    endbr64\n"
        "    movq %rbx, 24(%rdi)\n"
        "    movq %rbp, 48(%rdi)\n"
        "    leaq 8(%rsp), %rax\n"
        "    movq %rax, 56(%rdi)\n"
        "    movq %r12, 96(%rdi)\n"
        "    movq %r13, 104(%rdi)\n"
        "    movq %r14, 112(%rdi)\n"
        "    movq %r15, 120(%rdi)\n"
        "    movq (%rsp), %rax\n"
        "    movq %rax, 128(%rdi)\n"
        "    jmp lpp_signal_capture_stack\n"
        ".cfi_endproc\n"
        ".size lpp_signal_capture,.-lpp_signal_capture\n");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl lpp_signal_capture\n"
        ".hidden lpp_signal_capture\n"
        ".type lpp_signal_capture,%function\n"
        "lpp_signal_capture:\n"
        "    stp x19, x20, [x0, #152]\n"
        "    stp x21, x22, [x0, #168]\n"
        "    stp x23, x24, [x0, #184]\n"
        "    stp x25, x26, [x0, #200]\n"
        "    stp x27, x28, [x0, #216]\n"
        "    stp x29, x30, [x0, #232]\n"
        "    mov x9, sp\n"
        "    stp x9, x30, [x0, #248]\n"
        "    b lpp_signal_capture_stack\n"
        ".size lpp_signal_capture,.-lpp_signal_capture\n");
#endif

/* The second half of lpp_signal_capture, which jumps here. */
__attribute__((visibility("hidden"), used))
apr_status_t lpp_signal_capture_stack(lpp_snapshot_t *snapshot,
                                      unsigned char *stack,
                                      apr_size_t max_bytes,
                                      apr_uint64_t stack_end,
                                      apr_uint64_t stack_start);

apr_status_t lpp_signal_capture_stack(lpp_snapshot_t *snapshot,
                                      unsigned char *stack,
                                      apr_size_t max_bytes,
                                      apr_uint64_t stack_end,
                                      apr_uint64_t stack_start)
{
    apr_uint64_t sp = snapshot->regs[LPP_REG_SP];

    snapshot->flags = 0;
    snapshot->sequence = 0;
    if (sp < stack_start || sp >= stack_end) {
        snapshot->flags = LPP_SNAPSHOT_OWN_STACK;
        if (max_bytes > LPP_OWN_STACK_MAX_BYTES) {
            max_bytes = LPP_OWN_STACK_MAX_BYTES;
        }
        (void)lpp_signal_read_stack(snapshot, stack, max_bytes,
                                    sp + max_bytes);
        return APR_SUCCESS;
    }
    lpp_signal_copy_stack(snapshot, stack, max_bytes, stack_end);
    return snapshot->flags & LPP_SNAPSHOT_CUT ? APR_ENOSPC : APR_SUCCESS;
}

/* Bounds of this thread's stack, read once: for the first thread of a process
 * glibc reads /proc/self/maps each time. */
static __thread struct {
    apr_uint64_t start, end;
} this_stack;

apr_status_t lpp_signal_thread_stack(apr_uint64_t *start, apr_uint64_t *end)
{
    pthread_attr_t attr;
    void *lowest;
    size_t size;
    int rc = 0;

    if (this_stack.end == 0) {
        rc = pthread_getattr_np(pthread_self(), &attr);
        if (rc != 0) {
            return rc;
        }
        rc = pthread_attr_getstack(&attr, &lowest, &size);
        if (rc == 0) {
            this_stack.start = (apr_uint64_t)(apr_uintptr_t)lowest;
            this_stack.end = this_stack.start + size;
        }
        pthread_attr_destroy(&attr);
    }
    *start = this_stack.start;
    *end = this_stack.end;
    return rc;
}
