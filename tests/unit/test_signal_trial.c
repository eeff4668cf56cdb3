/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it restarts nanosleep itself, so no trial passes */
/*
 * The trial of restarts itself: it passes here, beside busy processes as well;
 * and it finds a C library whose calls do not wait as they should. Not marked
 * "under tsan": the trial cannot pass there (restart_trial.h says why).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "sampling/lpp_signal_trial.h"

#define BUSY_PROCESSES 4
#define BUSY_SECONDS 60 /* at most; they are killed long before */

/* How ppoll behaves, which is tried under this name. */
static enum { AS_IT_IS, BEGINS_ANEW, ENDS_EARLY } shape;

int ppoll(struct pollfd *items, nfds_t count, const struct timespec *wait,
          const sigset_t *mask)
{
    struct timespec left = *wait; /* the kernel writes what is left */
    long got;

    if (shape == ENDS_EARLY) {
        left.tv_nsec /= 2;
    }
    got = syscall(SYS_ppoll, items, count, &left, mask, 8);
    if (shape == BEGINS_ANEW && got == 0) {
        left = *wait;
        got = syscall(SYS_ppoll, items, count, &left, mask, 8);
    }
    return (int)got;
}

static void the_trial_passes(void **state)
{
    lpp_signal_trial_t trial;

    (void)state;
    assert_int_equal(lpp_signal_trial_run(&trial), APR_SUCCESS);
    assert_string_equal(trial.failed, "");
    assert_true(trial.passed && trial.conclusive);
    assert_int_equal(lpp_signal_trial_adopt(&trial), 1);
    assert_int_equal(lpp_signal_allowed(1), 1);
}

/* A second trial would find the same: it is kept, and nothing is signalled. */
static void assert_found(int with)
{
    lpp_signal_trial_t trial;

    shape = with;
    assert_int_equal(lpp_signal_trial_run(&trial), APR_EGENERAL);
    shape = AS_IT_IS;
    assert_string_equal(trial.failed, "ppoll");
    assert_true(!trial.passed && trial.conclusive);
    assert_int_equal(lpp_signal_trial_adopt(&trial), 0);
    assert_int_equal(lpp_signal_allowed(1), 0);
}

static void a_wait_that_begins_anew_is_found(void **state)
{
    (void)state;
    assert_found(BEGINS_ANEW);
}

static void a_wait_that_ends_early_is_found(void **state)
{
    (void)state;
    assert_found(ENDS_EARLY);
}

static pid_t start_busy_process(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        volatile unsigned turns = 0;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(BUSY_SECONDS);
        for (;;) {
            turns++;
        }
    }
    return pid;
}

static void it_passes_beside_busy_processes(void **state)
{
    pid_t busy[BUSY_PROCESSES];
    apr_status_t status;
    lpp_signal_trial_t trial;
    int i;

    (void)state;
    for (i = 0; i < BUSY_PROCESSES; i++) {
        busy[i] = start_busy_process();
    }
    status = lpp_signal_trial_run(&trial);
    for (i = 0; i < BUSY_PROCESSES; i++) {
        if (busy[i] > 0) {
            kill(busy[i], SIGKILL);
            waitpid(busy[i], NULL, 0);
        }
    }
    assert_int_equal(status, APR_SUCCESS);
    assert_string_equal(trial.failed, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_trial_passes),
        cmocka_unit_test(a_wait_that_begins_anew_is_found),
        cmocka_unit_test(a_wait_that_ends_early_is_found),
        cmocka_unit_test(it_passes_beside_busy_processes),
    };

    return LPP_SIGNAL_RESTARTS ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
