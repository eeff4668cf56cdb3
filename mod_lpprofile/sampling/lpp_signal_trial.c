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
 *
 * On a busy machine a thread waits for a processor before its call, in it and
 * after it. So a timer of the thread interrupts the call, since a thread that
 * sends signals would be late as well; a round that leaves calls undecided is
 * followed by one with longer waits; and of the time after the signal, that for
 * which the thread waited for a processor does not count.
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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lpp_clock.h"
#include "sampling/lpp_signal_restart_internal.h"
#include "sampling/lpp_signal_trial_internal.h"
#include "sampling/lpp_thread_internal.h"

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
#define THREAD_STACK (128 * 1024)
#define ROUNDS_MS 4000 /* no round begins later; the last one has the rest of
                          LPP_SIGNAL_TRIAL_MS */
#define SLACK_NS (4 * NS_PER_MS)
#define JIFFY_NS (10 * NS_PER_MS) /* a socket's timeout may end so much too
                                     early */
/* In ms, in the first round: how long a call waits, and when the signal comes.
 * While learning, that ends the call. Later the call goes on for so much less
 * than its whole wait that a wait which begins again is recognised. */
#define LEARN_WAIT 100
#define ALONE_WAIT 12
#define EARLY_SIGNAL 3
#define TRY_WAIT 40
#define TRY_SIGNAL 20
#define LONGEST 8     /* times as long as in the first round; each wait is
                         shorter than a second */
#define ANEW_ROUNDS 3 /* in so many it was not by chance */

#ifndef sigev_notify_thread_id /* glibc has the member without the name */
#define sigev_notify_thread_id _sigev_un._tid
#endif

typedef enum { VERDICT_PASSED, VERDICT_AGAIN, VERDICT_BROKEN } verdict_e;

/* One call that is tried. */
typedef struct attempt_t {
    lpp_trial_call_t call;
    int decided;          /* in this pass: it needs no other round */
    int counted;          /* the kernel counts waits for a processor */
    int anew;             /* rounds in which its wait seemed to begin again */
    pthread_t thread;     /* not used where there is one thread */
    lpp_thread_t in_proc; /* the thread on which it is made */
    int error;            /* there is no timer for it */
    atomic_int under_way;
    int finished; /* its finish function need not be called again */
    atomic_int over;
    int64_t began_ns, took_ns;
    long result;
    int64_t hit_ns; /* when the signal interrupted the call, or 0 */
    /* For how long the thread waited for a processor, until the signal and
     * until the call's end; 0: not known. */
    int64_t hit_waited_ns, waited_ns;
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
    int number;     /* the signal */
    int times;      /* this round's waits, as a multiple of the first one's */
    int signal_ms;  /* when the signal interrupts a call, in this round */
    int64_t end_ns; /* no round begins later */
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

/* The handler of the scratch process, on the thread of the attempt. */
static void on_signal(int number, siginfo_t *info, void *context)
{
    attempt_t *attempt = info->si_value.sival_ptr;
    int saved = errno;

    (void)number;
    if (atomic_load(&attempt->under_way) && scratch.learning) {
        learn_here(attempt, context);
    }
    else if (atomic_load(&attempt->under_way)) {
        int64_t now = now_ns();
        lpp_signal_undo_t undo;

        atomic_store(&attempt->target.blocked_ns, now - attempt->began_ns);
        if (lpp_signal_restart_call(context, &attempt->target, &attempt->stub,
                                    getpid(), &undo)) {
            attempt->hit_ns = now;
            attempt->hit_waited_ns =
                lpp_schedstat_ready_ns(attempt->in_proc.schedstat_fd);
        }
    }
    errno = saved;
}

/* A timer that sends the signal to the calling thread. */
static int create_timer(timer_t *timer, attempt_t *attempt)
{
    struct sigevent event;

    memset(&event, 0, sizeof(event));
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = scratch.number;
    event.sigev_value.sival_ptr = attempt;
    event.sigev_notify_thread_id = attempt->in_proc.tid;
    return timer_create(CLOCK_MONOTONIC, &event, timer) == 0 ? 0 : errno;
}

static void make_call(attempt_t *attempt, timer_t timer)
{
    struct itimerspec when = { { 0, 0 }, { 0, 0 } };
    long result;

    when.it_value = lpp_clock_timespec(scratch.signal_ms * NS_PER_MS);
    attempt->hit_ns = 0;
    attempt->number = LPP_SIGNAL_NO_CALL;
    attempt->began_ns = now_ns();
    atomic_store(&attempt->under_way, 1);
    timer_settime(timer, 0, &when, NULL);
    result = attempt->call.of->call(&attempt->call);
    atomic_store(&attempt->under_way, 0);
    attempt->result = result == -1 ? -(long)errno : result;
    attempt->took_ns = now_ns() - attempt->began_ns;
    attempt->waited_ns =
        lpp_schedstat_ready_ns(attempt->in_proc.schedstat_fd);
    attempt->counted = attempt->waited_ns >= 0;
}

static void *run_attempt(void *baton)
{
    attempt_t *attempt = baton;
    timer_t timer;

    attempt->in_proc.tid = (int)syscall(SYS_gettid);
    attempt->error = create_timer(&timer, attempt);
    if (attempt->error == 0) {
        lpp_thread_open(&attempt->in_proc);
        make_call(attempt, timer);
        lpp_thread_close(&attempt->in_proc);
        timer_delete(timer);
    }
    atomic_store(&attempt->over, 1);
    return NULL;
}

/* How long the call went on after the signal, and its thread did not wait for a
 * processor. */
static int64_t went_on_ns(const attempt_t *attempt)
{
    return attempt->began_ns + attempt->took_ns - attempt->hit_ns
           - (attempt->waited_ns - attempt->hit_waited_ns);
}

/* alone: the wait is too short to tell whether it was late or began again. */
static verdict_e judge(attempt_t *attempt, int alone)
{
    const lpp_trial_kind_t *of = attempt->call.of;
    int64_t wait_ns = attempt->call.wait_ms * NS_PER_MS;

    if (attempt->result != of->result
        || attempt->took_ns < wait_ns
               - (of->begins_anew ? JIFFY_NS : NS_PER_MS)) {
        return VERDICT_BROKEN;
    }
    if (attempt->hit_ns == 0) {
        return VERDICT_AGAIN;
    }
    /* A call with a finish function is ended from outside. */
    if (of->finish != NULL || of->begins_anew || alone
        || went_on_ns(attempt) < wait_ns - SLACK_NS) {
        return VERDICT_PASSED;
    }
    attempt->anew += attempt->counted;
    return attempt->anew == ANEW_ROUNDS ? VERDICT_BROKEN : VERDICT_AGAIN;
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

/* Decide the attempts of a round of the first pass. A call that teaches was
 * not interrupted if the signal came too early or too late. */
static void sort_out_learned(void)
{
    unsigned i;

    for (i = 0; i < scratch.count; i++) {
        attempt_t *one = &scratch.attempts[i];

        one->decided = !one->call.of->teaches
                       || one->number != LPP_SIGNAL_NO_CALL;
    }
}

/* The same for the second pass. */
static apr_status_t sort_out_tried(lpp_signal_trial_t *trial, int alone)
{
    unsigned i;

    for (i = 0; i < scratch.count; i++) {
        attempt_t *one = &scratch.attempts[i];
        verdict_e verdict = one->decided ? VERDICT_PASSED : judge(one, alone);

        if (verdict == VERDICT_BROKEN) {
            return fail(trial, one, APR_EGENERAL);
        }
        one->decided = verdict == VERDICT_PASSED;
    }
    return APR_SUCCESS;
}

/* The first attempt that needs another round, or NULL. */
static const attempt_t *undecided(void)
{
    unsigned i;

    for (i = 0; i < scratch.count && scratch.attempts[i].decided; i++) {
    }
    return i < scratch.count ? &scratch.attempts[i] : NULL;
}

/* Choose the kinds of a pass. alone: only those few that show where numbers
 * are. learning: not those with a finish function, as they never end with
 * EINTR. */
static void choose(int alone, int learning)
{
    unsigned i;

    scratch.count = 0;
    for (i = 0; i < lpp_trial_kind_count; i++) {
        const lpp_trial_kind_t *kind = &lpp_trial_kinds[i];

        if ((!alone || kind->teaches) && (!learning || kind->finish == NULL)) {
            attempt_t *one = &scratch.attempts[scratch.count++];

            one->call.of = kind;
            one->decided = one->anew = 0;
        }
    }
}

static int prepare(lpp_trial_call_t *call)
{
    return call->of->prepare == NULL || call->of->prepare(call) == 0 ? 0
                                                                    : errno;
}

/* One call after the other, on this thread. */
static apr_status_t round_alone(void)
{
    unsigned i;
    int rc = 0;

    for (i = 0; i < scratch.count && rc == 0; i++) {
        attempt_t *one = &scratch.attempts[i];

        if (!one->decided) {
            rc = prepare(&one->call);
            if (rc == 0) {
                run_attempt(one);
                lpp_trial_clean(&one->call);
            }
        }
    }
    return rc;
}

/* Call the finish functions that are due. Returns how many calls still run. */
static unsigned attend(void)
{
    unsigned i, left = 0;

    for (i = 0; i < scratch.count; i++) {
        attempt_t *one = &scratch.attempts[i];

        if (atomic_load(&one->over)) {
            continue;
        }
        left++;
        if (one->call.of->finish != NULL && !one->finished
            && atomic_load(&one->under_way)
            && now_ns() - one->began_ns >= one->call.wait_ms * NS_PER_MS) {
            one->finished = one->call.of->finish(&one->call);
        }
    }
    return left;
}

/* Run each call on a thread of its own. */
static apr_status_t round_of_threads(void)
{
    pthread_attr_t attr;
    unsigned i;
    int rc = pthread_attr_init(&attr);

    if (rc == 0) {
        rc = pthread_attr_setstacksize(&attr, THREAD_STACK);
    }
    for (i = 0; i < scratch.count && rc == 0; i++) {
        attempt_t *one = &scratch.attempts[i];

        if (!one->decided) {
            rc = prepare(&one->call);
            if (rc == 0) {
                rc = pthread_create(&one->thread, &attr, run_attempt, one);
            }
        }
    }
    if (rc != 0) {
        return rc;
    }
    while (attend() > 0) {
        sleep_until(now_ns() + NS_PER_MS);
    }
    for (i = 0; i < scratch.count; i++) {
        if (!scratch.attempts[i].decided) {
            pthread_join(scratch.attempts[i].thread, NULL);
            lpp_trial_clean(&scratch.attempts[i].call);
        }
    }
    return APR_SUCCESS;
}

/* Make the calls that are not decided. */
static apr_status_t one_round(int alone, int wait_ms, int signal_ms)
{
    apr_status_t status;
    unsigned i;

    scratch.signal_ms = signal_ms;
    for (i = 0; i < scratch.count; i++) {
        attempt_t *one = &scratch.attempts[i];

        one->call.wait_ms = wait_ms;
        one->finished = 0;
        atomic_store(&one->over, one->decided);
    }
    status = alone ? round_alone() : round_of_threads();
    for (i = 0; i < scratch.count && status == APR_SUCCESS; i++) {
        status = scratch.attempts[i].error;
    }
    return status;
}

/* One pass: rounds with longer and longer waits, until all calls are
 * decided. */
static apr_status_t one_pass(lpp_signal_trial_t *trial, int alone, int learning)
{
    int wait_ms = learning ? LEARN_WAIT : alone ? ALONE_WAIT : TRY_WAIT;
    int signal_ms = alone || learning ? EARLY_SIGNAL : TRY_SIGNAL;
    apr_status_t status = APR_SUCCESS;

    choose(alone, learning);
    scratch.learning = learning;
    while (undecided() != NULL && status == APR_SUCCESS) {
        if (now_ns() >= scratch.end_ns) {
            return fail(trial, undecided(), APR_TIMEUP);
        }
        status = one_round(alone, scratch.times * wait_ms,
                           scratch.times * signal_ms);
        if (status == APR_SUCCESS && learning) {
            sort_out_learned();
        }
        else if (status == APR_SUCCESS) {
            status = sort_out_tried(trial, alone);
        }
        if (undecided() != NULL && scratch.times < LONGEST) {
            scratch.times *= 2; /* for later passes, too */
        }
    }
    return status == APR_SUCCESS && learning ? learn_places(trial) : status;
}

static apr_status_t try_calls(lpp_signal_trial_t *trial)
{
    apr_status_t status = APR_SUCCESS;
    int alone;

    scratch.times = 1;
    for (alone = 1; alone >= 0 && status == APR_SUCCESS; alone--) {
        status = one_pass(trial, alone, 1);
        if (status == APR_SUCCESS) {
            status = one_pass(trial, alone, 0);
        }
    }
    return status;
}

/* Main function of the scratch process; never returns. */
static void run_scratch(lpp_signal_trial_t *trial, int fd)
{
    struct sigaction action;
    static const struct sched_param first = { .sched_priority = 1 };
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
    alarm(LPP_SIGNAL_TRIAL_MS / 1000 + 1);
    /* Where it is permitted, the trial does not wait for a processor. It hardly
     * computes, and SIGALRM and the parent end it. */
    sched_setscheduler(0, SCHED_RR, &first);
    scratch.end_ns = now_ns() + ROUNDS_MS * NS_PER_MS;
    scratch.attempts = calloc(lpp_trial_kind_count, sizeof(attempt_t));
    if (scratch.attempts != NULL) {
        status = try_calls(trial);
    }
    trial->passed = status == APR_SUCCESS;
    trial->conclusive = trial->passed || status == APR_EGENERAL;
    if (write(fd, trial, sizeof(*trial)) != sizeof(*trial)) {
        _exit(1);
    }
    _exit(0);
}

/* Wait for the result, which is written in one piece. */
static apr_status_t hear(int fd, lpp_signal_trial_t *found)
{
    int64_t end_ns = now_ns() + LPP_SIGNAL_TRIAL_MS * NS_PER_MS;
    struct pollfd item = { fd, POLLIN, 0 };
    int ready;

    do {
        int64_t left_ns = end_ns - now_ns();

        ready = poll(&item, 1, left_ns > 0 ? (int)(left_ns / NS_PER_MS) : 0);
    } while (ready < 0 && errno == EINTR);
    if (ready <= 0) {
        return ready == 0 ? APR_TIMEUP : errno;
    }
    return read(fd, found, sizeof(*found)) == sizeof(*found) ? APR_SUCCESS
                                                             : APR_EGENERAL;
}

apr_status_t lpp_signal_trial_run(lpp_signal_trial_t *trial)
{
    lpp_signal_trial_t found;
    apr_status_t status;
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
        status = hear(fds[0], &found);
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
