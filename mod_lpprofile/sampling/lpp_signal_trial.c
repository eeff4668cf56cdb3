/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_trial: see lpp_signal_trial.h.
 *
 * All of it happens in a forked process, which is killed at its deadline. It
 * tries the calls of lpp_signal_trial_calls.c: first a few while it has one
 * thread only, since some C libraries then make calls in another place; then
 * each on its own thread, all at the same time. Each call is tried in two
 * passes: in the first the call stays interrupted, and the places of the
 * numbers are learned; in the second it is restarted by the handler's own code.
 */
#include "sampling/lpp_signal_trial.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lpp_clock.h"
#include "sampling/lpp_signal_restart_internal.h"
#include "sampling/lpp_signal_trial_internal.h"

#define NS_PER_MS INT64_C(1000000)

/* Identify it by a function that other libraries do not replace. */
static int identify_library(lpp_signal_trial_t *trial)
{
    const unsigned char *byte;
    Dl_info info;
    int i;

    if (dladdr((const void *)(apr_uintptr_t)gnu_get_libc_version, &info) == 0) {
        return 0;
    }
    byte = info.dli_fbase;
    trial->library = (apr_uint64_t)(apr_uintptr_t)byte;
    trial->library_sum = UINT64_C(14695981039346656037); /* FNV-1a */
    for (i = 0; i < 4096; i++) {
        trial->library_sum = (trial->library_sum ^ byte[i])
            * UINT64_C(1099511628211);
    }
    return 1;
}

int lpp_signal_trial_adopt(const lpp_signal_trial_t *trial)
{
    lpp_signal_trial_t here;
    int same;

    memset(&here, 0, sizeof(here));
    same = trial->passed && identify_library(&here)
           && here.library == trial->library
           && here.library_sum == trial->library_sum;
    lpp_signal_learn(trial->places, same ? trial->place_count : 0, same);
    return same;
}

#if LPP_SIGNAL_RESTARTS

#define STACK_WORDS 48  /* searched for a number */
#define ROUNDS 3        /* for calls that were delayed on a busy machine */
#define THREAD_STACK (128 * 1024)
#define START_MS 1000 /* until the scratch process runs */
#define SLACK_NS (4 * NS_PER_MS)
#define JIFFY_NS (10 * NS_PER_MS) /* a socket's timeout may end so much too
                                     early */
/* In ms: how long a call waits, and when the signal comes: late enough that a
 * wait which begins again is recognised, even on a busy machine. */
#define LEARN_WAIT 8
#define LEARN_SIGNAL 3
#define ALONE_WAIT 8
#define LEARN_ALL_WAIT 25 /* until the threads are there */
#define TRY_WAIT 40
#define TRY_SIGNAL 30

typedef enum { VERDICT_PASSED, VERDICT_AGAIN, VERDICT_BROKEN } verdict_e;

/* One call that is tried. */
typedef struct attempt_t {
    lpp_trial_call_t call;
    pthread_t thread;
    atomic_int under_way;
    int signalled, finished;
    atomic_int over;
    int64_t began_ns, took_ns;
    long result;
    int64_t hit_ns; /* when the signal interrupted the call, or 0 */
    long number;   /* in the first pass: the number that the handler found; or
                      NO_CALL */
    apr_uint64_t pc;
    long stack[STACK_WORDS];
    lpp_signal_target_t target;
    lpp_signal_stub_t stub;
} attempt_t;

/* The state of the scratch process; not used in any other process. */
static struct {
    attempt_t *attempts;
    unsigned count;
    int learning;
    int number; /* the signal */
} scratch;

static int64_t now_ns(void)
{
    return lpp_clock_ns(CLOCK_MONOTONIC);
}

static void sleep_until(int64_t then_ns)
{
    struct timespec then = lpp_clock_timespec(then_ns);

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &then, NULL)
           == EINTR) {
    }
}

/* The stack contains redzones under a sanitizer. */
__attribute__((no_sanitize("address", "thread")))
static void learn_here(attempt_t *attempt, const ucontext_t *context)
{
    const long *top = (const long *)context->uc_mcontext.gregs[REG_RSP];
    int i;

    attempt->number = lpp_signal_interrupted(context);
    attempt->pc = (apr_uint64_t)context->uc_mcontext.gregs[REG_RIP];
    for (i = 0; i < STACK_WORDS; i++) {
        attempt->stack[i] = top[i];
    }
}

/* The handler of the scratch process. */
static void on_signal(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    unsigned i;

    (void)number;
    (void)info;
    for (i = 0; i < scratch.count; i++) {
        attempt_t *attempt = &scratch.attempts[i];

        if (!atomic_load(&attempt->under_way)
            || !pthread_equal(attempt->thread, pthread_self())) {
            continue;
        }
        if (scratch.learning) {
            learn_here(attempt, context);
        }
        else {
            int64_t now = now_ns();
            lpp_signal_undo_t undo;

            atomic_store(&attempt->target.blocked_ns, now - attempt->began_ns);
            if (lpp_signal_restart_call(context, &attempt->target,
                                        &attempt->stub, getpid(), &undo)) {
                attempt->hit_ns = now;
            }
        }
        break;
    }
    errno = saved;
}

static void *run_attempt(void *baton)
{
    attempt_t *attempt = baton;
    long result;

    attempt->thread = pthread_self();
    attempt->hit_ns = 0;
    attempt->number = LPP_SIGNAL_NO_CALL;
    attempt->began_ns = now_ns();
    atomic_store(&attempt->under_way, 1);
    result = attempt->call.of->call(&attempt->call);
    atomic_store(&attempt->under_way, 0);
    attempt->result = result == -1 ? -(long)errno : result;
    attempt->took_ns = now_ns() - attempt->began_ns;
    if (attempt->call.of->after != NULL) {
        attempt->call.of->after(&attempt->call);
    }
    atomic_store(&attempt->over, 1);
    return NULL;
}

/* alone: the wait is too short to tell whether it was late or began again. */
static verdict_e judge(const attempt_t *attempt, int alone)
{
    const lpp_trial_kind_t *of = attempt->call.of;
    int64_t wait_ns = attempt->call.wait_ms * NS_PER_MS;

    if (attempt->result != of->result
        || attempt->took_ns < wait_ns
               - (of->begins_anew ? JIFFY_NS : NS_PER_MS)) {
        return VERDICT_BROKEN;
    }
    /* A call with a finish function is ended from outside. */
    return attempt->hit_ns != 0
           && (of->finish != NULL || of->begins_anew || alone
               || attempt->took_ns < wait_ns - SLACK_NS
                      + (attempt->hit_ns - attempt->began_ns))
        ? VERDICT_PASSED : VERDICT_AGAIN;
}

static int is_its_number(const attempt_t *attempt, long number)
{
    return number == attempt->call.of->number
           || number == attempt->call.of->other_number;
}

/* Find the lowest place on the stack that holds the number of every call that
 * ended at pc. 0: there is none, or calls of one number only were seen. */
static int find_place(apr_uint64_t pc, lpp_signal_place_t *place)
{
    const attempt_t *first = NULL;
    int common[STACK_WORDS], several = 0, at;
    unsigned i;

    for (at = 0; at < STACK_WORDS; at++) {
        common[at] = 1;
    }
    for (i = 0; i < scratch.count; i++) {
        const attempt_t *one = &scratch.attempts[i];

        if (one->number == LPP_SIGNAL_NO_CALL || one->pc != pc) {
            continue;
        }
        first = first == NULL ? one : first;
        several |= one->call.of->number != first->call.of->number;
        for (at = 0; at < STACK_WORDS; at++) {
            common[at] &= is_its_number(one, one->stack[at]);
        }
    }
    for (at = 0; at < STACK_WORDS && several; at++) {
        if (common[at]) {
            place->pc = pc;
            place->offset = (apr_uint64_t)at * sizeof(long);
            return 1;
        }
    }
    return 0;
}

static apr_status_t fail(lpp_signal_trial_t *trial, const attempt_t *attempt,
                         apr_status_t status)
{
    strncpy(trial->failed, attempt->call.of->name, sizeof(trial->failed) - 1);
    return status;
}

/* Learn the places from what the handler saw: the number of a call that cannot
 * be read from the code is on the stack. */
static apr_status_t learn_places(lpp_signal_trial_t *trial)
{
    unsigned i, j;

    for (i = 0; i < scratch.count; i++) {
        const attempt_t *one = &scratch.attempts[i];

        if (one->call.of->teaches && one->number == LPP_SIGNAL_NO_CALL) {
            return APR_TIMEUP; /* the signal came too early or too late */
        }
    }

    for (i = 0; i < scratch.count; i++) {
        const attempt_t *one = &scratch.attempts[i];

        if (one->number == LPP_SIGNAL_NO_CALL
            || is_its_number(one, one->number)) {
            continue;
        }
        for (j = 0; j < trial->place_count && trial->places[j].pc != one->pc;
             j++) {
        }
        if (j < trial->place_count) {
            continue;
        }
        if (j == LPP_SIGNAL_PLACES || !find_place(one->pc, &trial->places[j])) {
            return fail(trial, one, APR_EGENERAL);
        }
        trial->place_count++;
    }
    lpp_signal_learn(trial->places, trial->place_count, 1); /* use it in the
                                                               second pass */
    return APR_SUCCESS;
}

/* Remove attempts that need no other round. last: those that would need one
 * fail. */
static apr_status_t sort_out(lpp_signal_trial_t *trial, int alone, int last)
{
    unsigned i, kept = 0;

    for (i = 0; i < scratch.count; i++) {
        const attempt_t *one = &scratch.attempts[i];
        verdict_e verdict = judge(one, alone);

        if (verdict == VERDICT_BROKEN || (last && verdict == VERDICT_AGAIN)) {
            return fail(trial, one, verdict == VERDICT_BROKEN ? APR_EGENERAL
                                                              : APR_TIMEUP);
        }
        if (verdict == VERDICT_AGAIN) {
            scratch.attempts[kept++].call.of = one->call.of;
        }
    }
    scratch.count = kept;
    return APR_SUCCESS;
}

/* Choose all kinds, or only those few that show where numbers are. */
static void choose(int few)
{
    unsigned i;

    scratch.count = 0;
    for (i = 0; i < lpp_trial_kind_count; i++) {
        if (!few || lpp_trial_kinds[i].teaches) {
            scratch.attempts[scratch.count++].call.of = &lpp_trial_kinds[i];
        }
    }
}

/* One call after the other, on this thread; a timer sends the signal. */
static apr_status_t round_alone(int wait_ms)
{
    struct itimerspec when = { { 0, 0 }, { 0, LEARN_SIGNAL * NS_PER_MS } };
    struct sigevent event;
    timer_t timer;
    unsigned i;

    memset(&event, 0, sizeof(event));
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = scratch.number;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) {
        return errno;
    }
    for (i = 0; i < scratch.count; i++) {
        lpp_trial_call_t *call = &scratch.attempts[i].call;

        call->wait_ms = wait_ms;
        if ((call->of->prepare != NULL && call->of->prepare(call) != 0)
            || timer_settime(timer, 0, &when, NULL) != 0) {
            return errno;
        }
        run_attempt(&scratch.attempts[i]);
        lpp_trial_clean(call);
    }
    timer_delete(timer);
    return APR_SUCCESS;
}

/* Send the signals and call the finish functions that are due. Returns how many
 * calls still run. */
static unsigned attend(const pthread_t *threads, int signal_ms)
{
    unsigned i, left = 0;

    for (i = 0; i < scratch.count; i++) {
        attempt_t *one = &scratch.attempts[i];
        int64_t passed_ns = now_ns() - one->began_ns;

        if (atomic_load(&one->over)) {
            continue;
        }
        left++;
        if (!atomic_load(&one->under_way)) {
            continue;
        }
        if (!one->signalled && passed_ns >= signal_ms * NS_PER_MS) {
            one->signalled = 1;
            pthread_kill(threads[i], scratch.number);
        }
        if (!one->finished && one->call.of->finish != NULL
            && passed_ns >= one->call.wait_ms * NS_PER_MS) {
            one->finished = 1;
            one->call.of->finish(&one->call);
        }
    }
    return left;
}

/* Run each call on a thread of its own. */
static apr_status_t round_of_threads(int wait_ms, int signal_ms)
{
    pthread_t *threads = calloc(scratch.count + 1, sizeof(*threads));
    pthread_attr_t attr;
    unsigned i;
    int rc = threads == NULL ? ENOMEM : pthread_attr_init(&attr);

    if (rc == 0) {
        rc = pthread_attr_setstacksize(&attr, THREAD_STACK);
    }
    for (i = 0; i < scratch.count && rc == 0; i++) {
        lpp_trial_call_t *call = &scratch.attempts[i].call;

        call->wait_ms = wait_ms;
        rc = call->of->prepare == NULL || call->of->prepare(call) == 0
            ? pthread_create(&threads[i], &attr, run_attempt,
                             &scratch.attempts[i]) : errno;
    }
    if (rc != 0) {
        return rc;
    }
    while (attend(threads, signal_ms) > 0) {
        sleep_until(now_ns() + NS_PER_MS);
    }
    for (i = 0; i < scratch.count; i++) {
        pthread_join(threads[i], NULL);
        lpp_trial_clean(&scratch.attempts[i].call);
    }
    free(threads);
    return APR_SUCCESS;
}

static apr_status_t one_round(int alone, int wait_ms, int signal_ms)
{
    unsigned i;

    for (i = 0; i < scratch.count; i++) {
        attempt_t *one = &scratch.attempts[i];

        one->signalled = one->finished = 0;
        atomic_store(&one->over, 0);
    }
    return alone ? round_alone(wait_ms) : round_of_threads(wait_ms, signal_ms);
}

/* Run both passes. */
static apr_status_t try_calls(lpp_signal_trial_t *trial, int alone)
{
    int wait_ms = alone ? ALONE_WAIT : TRY_WAIT;
    int signal_ms = alone ? LEARN_SIGNAL : TRY_SIGNAL;
    apr_status_t status = APR_TIMEUP;
    int i;

    choose(alone);
    scratch.learning = 1;
    for (i = 0; i < ROUNDS && APR_STATUS_IS_TIMEUP(status); i++) {
        status = one_round(alone, alone ? LEARN_WAIT : LEARN_ALL_WAIT,
                           LEARN_SIGNAL);
        if (status == APR_SUCCESS) {
            status = learn_places(trial);
        }
    }
    scratch.learning = 0;
    choose(alone);
    for (i = 0; i < ROUNDS && scratch.count > 0 && status == APR_SUCCESS;
         i++) {
        status = one_round(alone, wait_ms, signal_ms);
        if (status == APR_SUCCESS) {
            status = sort_out(trial, alone, i == ROUNDS - 1);
        }
    }
    return status;
}

/* Main function of the scratch process; never returns. */
static void run_scratch(lpp_signal_trial_t *trial, int fd)
{
    static const struct sched_param first = { .sched_priority = 1 };
    struct sigaction action;
    apr_status_t status = APR_ENOMEM;
    sigset_t mask;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    lpp_signal_learn(NULL, 0, 0); /* start without any knowledge */
    scratch.number = SIGRTMIN + 5;
    memset(&action, 0, sizeof(action));
    action.sa_handler = SIG_DFL;
    sigaction(SIGALRM, &action, NULL); /* in case the parent does not end it */
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigfillset(&action.sa_mask);
    sigaction(scratch.number, &action, NULL);
    sigfillset(&mask);
    sigdelset(&mask, SIGALRM);
    sigdelset(&mask, scratch.number);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    alarm(1);
    /* On a busy machine the process would be late; a real-time priority, where
     * permitted, prevents that. It hardly computes, and SIGALRM and the parent
     * end it. */
    sched_setscheduler(0, SCHED_RR, &first);
    if (write(fd, "", 1) != 1) {
        _exit(1);
    }
    scratch.attempts = calloc(lpp_trial_kind_count, sizeof(attempt_t));
    if (scratch.attempts != NULL) {
        status = try_calls(trial, 1);
    }
    if (status == APR_SUCCESS) {
        status = try_calls(trial, 0);
    }
    trial->passed = status == APR_SUCCESS;
    trial->conclusive = trial->passed || status == APR_EGENERAL;
    if (write(fd, trial, sizeof(*trial)) != sizeof(*trial)) {
        _exit(1);
    }
    _exit(0);
}

/* Wait for len bytes, which are written in one piece. */
static apr_status_t hear(int fd, void *bytes, size_t len, int within_ms)
{
    int64_t end = now_ns() + within_ms * NS_PER_MS;
    struct pollfd item = { fd, POLLIN, 0 };
    int ready;

    do {
        int64_t left = end - now_ns();

        ready = poll(&item, 1, left > 0 ? (int)(left / NS_PER_MS) : 0);
    } while (ready < 0 && errno == EINTR);
    if (ready <= 0) {
        return ready == 0 ? APR_TIMEUP : errno;
    }
    return read(fd, bytes, len) == (ssize_t)len ? APR_SUCCESS : APR_EGENERAL;
}

apr_status_t lpp_signal_trial_run(lpp_signal_trial_t *trial)
{
    lpp_signal_trial_t found;
    apr_status_t status;
    char begun;
    int fds[2];
    pid_t pid;

    memset(trial, 0, sizeof(*trial));
    if (!identify_library(trial)) {
        return APR_EGENERAL;
    }
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return errno;
    }
    pid = fork();
    if (pid == 0) {
        run_scratch(trial, fds[1]);
    }
    status = pid < 0 ? errno : APR_SUCCESS;
    close(fds[1]);
    if (status == APR_SUCCESS) {
        status = hear(fds[0], &begun, 1, START_MS);
        if (status == APR_SUCCESS) {
            status = hear(fds[0], &found, sizeof(found), LPP_SIGNAL_TRIAL_MS);
        }
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    close(fds[0]);
    if (status == APR_SUCCESS && found.place_count <= LPP_SIGNAL_PLACES) {
        found.failed[sizeof(found.failed) - 1] = '\0';
        *trial = found;
        status = found.passed ? APR_SUCCESS
            : found.conclusive ? APR_EGENERAL : APR_TIMEUP;
    }
    return status;
}

#else

apr_status_t lpp_signal_trial_run(lpp_signal_trial_t *trial)
{
    memset(trial, 0, sizeof(*trial));
    return APR_ENOTIMPL;
}

#endif
