/* SPDX-License-Identifier: Apache-2.0 */
/* bench_util: clocks, medians and lines of output for the benchmarks in C. */
#ifndef BENCH_UTIL_H
#define BENCH_UTIL_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <apr_errno.h>

#include "base/lpp_base.h"

#define ROUNDS_MAX 101
#define EMPTY_SIGNAL (SIGRTMAX - 1)

static inline void need(apr_status_t status, const char *what)
{
    char text[100];

    if (status != APR_SUCCESS) {
        fprintf(stderr, "%s: %s\n", what,
                apr_strerror(status, text, sizeof(text)));
        exit(1);
    }
}

static inline apr_uint64_t now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (apr_uint64_t)now.tv_sec * 1000000000u + (apr_uint64_t)now.tv_nsec;
}

static inline int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return left < right ? -1 : left > right;
}

static inline double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof(*values), by_value);
    return count % 2 ? values[count / 2]
                     : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static inline void print(const char *name, double value, const char *unit)
{
    printf("%s %.4f %s\n", name, value, unit);
    fflush(stdout);
}

static inline void on_signal(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    (void)context;
}

/* A handler of EMPTY_SIGNAL, installed as the sampler's is. */
static inline void install_handler(void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigaction(EMPTY_SIGNAL, &action, NULL);
}

/* One that does nothing. */
static inline void install_empty_handler(void)
{
    install_handler(on_signal);
}

static inline int rounds_of(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 15;

    if (rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "1 to %d rounds\n", ROUNDS_MAX);
        exit(1);
    }
    return rounds;
}

#endif
