/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_wait_call: what a system call that blocks waits for, as its number and
 * arguments say: descriptors, a futex, a child process, a moment.
 *
 * Descriptors that stand in memory (poll, select) are read through the kernel,
 * so that an address that is not mapped does no harm. Nothing is looked up
 * here: lpp_wait_name makes names of the result.
 */
#ifndef LPP_WAIT_CALL_INTERNAL_H
#define LPP_WAIT_CALL_INTERNAL_H

#include "base/lpp_base.h"

#define LPP_WAIT_FDS_MAX 16     /* descriptors kept of one call */
#define LPP_WAIT_POLL_MAX 4096  /* members of a poll that are looked at */

typedef enum {
    LPP_WAIT_CALL_OTHER,  /* none of those below */
    LPP_WAIT_CALL_FDS,    /* for one of fds */
    LPP_WAIT_CALL_CONNECT, /* for the socket fds[0] to be connected with the
                              socket address at address */
    LPP_WAIT_CALL_EPOLL,  /* for a member of the epoll descriptor fds[0] */
    LPP_WAIT_CALL_ACCEPT, /* for a connection to the socket fds[0] */
    LPP_WAIT_CALL_LOCK,   /* for a lock of the file fds[0] */
    LPP_WAIT_CALL_FUTEX,  /* for a change of the word at address */
    LPP_WAIT_CALL_CHILD,  /* for a child process: pid, or fds[0], a pidfd */
    LPP_WAIT_CALL_SLEEP,  /* for a moment */
    LPP_WAIT_CALL_SIGNAL, /* for a signal */
    LPP_WAIT_CALL_IPC,    /* for a semaphore or message queue of System V */
    LPP_WAIT_CALL_PATH    /* for a file system; the path stands at address */
} lpp_wait_call_e;

enum { /* what is awaited of a descriptor */
    LPP_WAIT_READ = 1,
    LPP_WAIT_WRITE = 2
};

typedef struct lpp_wait_fd_t {
    int fd;
    int events; /* LPP_WAIT_READ, LPP_WAIT_WRITE, both, or 0 */
} lpp_wait_fd_t;

typedef struct lpp_wait_call_t {
    lpp_wait_call_e kind;
    long number;           /* of the system call */
    unsigned fd_count;     /* in fds */
    unsigned fd_more;      /* descriptors that did not fit into fds */
    lpp_wait_fd_t fds[LPP_WAIT_FDS_MAX]; /* each descriptor once */
    apr_uint64_t address;  /* FUTEX: the word; PATH: the text; CONNECT */
    unsigned address_len;  /* CONNECT: of the address, as the call has it */
    int operation;         /* FUTEX: the operation, without its flags */
    int pid;               /* CHILD: the process; 0: any of several */
    int id;                /* IPC: of the semaphore set or queue */
} lpp_wait_call_t;

/*
 * Fill in *call from the system call number with the six arguments arguments
 * (in the order of the kernel: rdi, rsi, rdx, r10, r8, r9 on x86-64). Never
 * fails: a call that is not known, or whose descriptors cannot be read, becomes
 * LPP_WAIT_CALL_OTHER. A poll or select of no descriptor is a SLEEP, or waits
 * for a SIGNAL if it has no timeout.
 * The memory of the process may not be read while the thread is in state D:
 * the kernel needs a lock for it that the thread may hold. So fds of poll and
 * select are read only if may_read is 1.
 * Signal-safe: yes. Thread: any of the process that makes the call.
 */
void lpp_wait_call_parse(lpp_wait_call_t *call, long number,
                         const apr_uint64_t *arguments, int may_read);

/*
 * Copy len bytes of this process's memory at address from to to: returns how
 * many could be read, from the first on; 0 if none.
 * Signal-safe: yes. Thread: any.
 */
apr_size_t lpp_wait_memory(void *to, apr_uint64_t from, apr_size_t len);

#endif
