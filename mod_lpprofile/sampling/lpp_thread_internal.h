/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_thread: the profiled thread as the kernel shows it in /proc: how often it
 * ran, for how long it was ready to run, and where it is blocked.
 *
 * Where it is blocked can be read only if the process is dumpable (a server
 * that was not started as root) or runs as root. After setuid it is not, and
 * this module does not make the process dumpable: any program of the same user
 * could then read the server's memory. The thread is then sampled by signals
 * only.
 */
#ifndef LPP_THREAD_INTERNAL_H
#define LPP_THREAD_INTERNAL_H

#include <sys/types.h>
#include <time.h>

#include "unwind/lpp_snapshot.h"

typedef struct lpp_thread_t {
    clockid_t clock;  /* its CPU clock */
    int tid;          /* the kernel's thread id */
    pid_t process;    /* this one; set by open */
    int schedstat_fd; /* /proc/self/task/TID/schedstat, or -1 */
    int syscall_fd;   /* .../syscall, or -1; where readable */
    int stat_fd;      /* .../stat, or -1 */
} lpp_thread_t;

/* What the kernel says of a thread. */
typedef struct lpp_thread_state_t {
    char letter;      /* R, S, D, ...; 0: not known */
    char where[40];   /* of D: the kernel's function that waits, or "" */
    apr_uint64_t major_faults; /* page faults that read from a disk */
} lpp_thread_state_t;

/* The part of the thread's stack that lpp_thread_look copies, and its
 * destination. */
typedef struct lpp_thread_stack_t {
    apr_uint64_t start, end; /* addresses */
    unsigned char *copy;     /* LPP_STACK_MAX_BYTES */
} lpp_thread_stack_t;

/*
 * Open the files of thread tid; a file that cannot be opened is not used. close
 * closes them, and does nothing if all are -1.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_thread_open(lpp_thread_t *thread);
void lpp_thread_close(lpp_thread_t *thread);

/* How often the thread was put on a processor; 0: not known.
 * Signal-safe: no. Thread: the helper. */
apr_uint64_t lpp_thread_runs(const lpp_thread_t *thread);

/* Read the state of the thread.
 * Signal-safe: no. Thread: the helper. */
void lpp_thread_state(const lpp_thread_t *thread, lpp_thread_state_t *state);

/* 1: the thread is asleep; 0: it runs, or is ready to; -1: not known.
 * Signal-safe: yes. Thread: any. */
int lpp_thread_is_asleep(const lpp_thread_t *thread);

/*
 * Open /proc/self/task/TID/schedstat; -1: it cannot be opened. ready_ns: for
 * how long that thread was ready to run and waited for a processor, since it
 * began; -1: fd is -1, or the kernel does not count that. A wait is counted
 * once it has ended: so the count of a thread that has a processor is exact.
 * Signal-safe: open: no; ready_ns: yes. Thread: any.
 */
int lpp_schedstat_open(int tid);
apr_int64_t lpp_schedstat_ready_ns(int fd);

/*
 * Read where the thread is blocked in a system call, and its stack from there
 * on: 1, with snapshot filled in and its stack in copy. Of the registers, it
 * has SP, PC, the number of the call and its arguments. 0: the thread runs, its
 * SP and PC cannot be read, SP is outside of start to end, or the thread may
 * have run while its stack was copied, since its CPU clock is no longer at
 * cpu_ns. Not for a thread in state D: it may hold the lock that the copy
 * needs.
 * Signal-safe: no. Thread: the helper.
 */
int lpp_thread_look(const lpp_thread_t *thread, lpp_snapshot_t *snapshot,
                    const lpp_thread_stack_t *stack, apr_int64_t cpu_ns);

#endif
