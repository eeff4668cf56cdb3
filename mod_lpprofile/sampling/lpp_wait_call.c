/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_wait_call: see lpp_wait_call_internal.h.
 */
#include "sampling/lpp_wait_call_internal.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#define CALL_OPENAT2 437 /* the same on all architectures, as these are */
#define CALL_FACCESSAT2 439
#define CALL_EPOLL_PWAIT2 441
#define CALL_FUTEX_WAITV 449
#define CALL_FUTEX_WAIT 455
#define FUTEX_FLAGS (128 | 256) /* private, real-time clock */
#define POLL_CHUNK 64

#define NONE 9 /* no argument */
#define IN LPP_WAIT_READ
#define OUT LPP_WAIT_WRITE

/* Calls whose descriptors are arguments: which ones, and what is awaited. */
static const struct {
    short number;
    signed char first, first_events;
    signed char second, second_events;
} fd_calls[] = {
    { SYS_read, 0, IN, NONE, 0 },
    { SYS_readv, 0, IN, NONE, 0 },
    { SYS_pread64, 0, IN, NONE, 0 },
    { SYS_preadv, 0, IN, NONE, 0 },
    { SYS_preadv2, 0, IN, NONE, 0 },
    { SYS_recvfrom, 0, IN, NONE, 0 },
    { SYS_recvmsg, 0, IN, NONE, 0 },
    { SYS_recvmmsg, 0, IN, NONE, 0 },
    { SYS_write, 0, OUT, NONE, 0 },
    { SYS_writev, 0, OUT, NONE, 0 },
    { SYS_pwrite64, 0, OUT, NONE, 0 },
    { SYS_pwritev, 0, OUT, NONE, 0 },
    { SYS_pwritev2, 0, OUT, NONE, 0 },
    { SYS_sendto, 0, OUT, NONE, 0 },
    { SYS_sendmsg, 0, OUT, NONE, 0 },
    { SYS_sendmmsg, 0, OUT, NONE, 0 },
    { SYS_vmsplice, 0, OUT, NONE, 0 },
    { SYS_sendfile, 0, OUT, NONE, 0 }, /* from a file, which is read in
                                          state D */
    { SYS_splice, 0, IN, 2, OUT },
    { SYS_tee, 0, IN, 1, OUT },
    { SYS_copy_file_range, 0, IN, 2, OUT },
    { SYS_fsync, 0, OUT, NONE, 0 },
    { SYS_fdatasync, 0, OUT, NONE, 0 },
    { SYS_fallocate, 0, OUT, NONE, 0 },
    { SYS_ftruncate, 0, OUT, NONE, 0 },
    { SYS_getdents64, 0, IN, NONE, 0 },
    { SYS_fstat, 0, IN, NONE, 0 },
    { SYS_fstatfs, 0, IN, NONE, 0 },
    { SYS_mq_timedsend, 0, OUT, NONE, 0 },
    { SYS_mq_timedreceive, 0, IN, NONE, 0 },
    { SYS_io_uring_enter, 0, IN, NONE, 0 },
};

apr_size_t lpp_wait_memory(void *to, apr_uint64_t from, apr_size_t len)
{
    struct iovec here = { to, len };
    struct iovec there = { (void *)(apr_uintptr_t)from, len };
    ssize_t got = process_vm_readv(getpid(), &here, 1, &there, 1, 0);

    return got > 0 ? (apr_size_t)got : 0;
}

static void add_fd(lpp_wait_call_t *call, int fd, int events)
{
    unsigned i;

    for (i = 0; i < call->fd_count; i++) {
        if (call->fds[i].fd == fd) {
            call->fds[i].events |= events;
            return;
        }
    }
    if (call->fd_count == LPP_WAIT_FDS_MAX) {
        call->fd_more++;
        return;
    }
    call->fds[call->fd_count].fd = fd;
    call->fds[call->fd_count++].events = events;
}

/* Without a descriptor, a call waits for its timeout, or for a signal. */
static void end_of_fds(lpp_wait_call_t *call, int endless)
{
    call->kind = call->fd_count > 0 ? LPP_WAIT_CALL_FDS
        : endless ? LPP_WAIT_CALL_SIGNAL : LPP_WAIT_CALL_SLEEP;
}

static void parse_poll(lpp_wait_call_t *call, apr_uint64_t from,
                       apr_uint64_t count, int endless)
{
    struct pollfd items[POLL_CHUNK];
    apr_size_t i, got;
    apr_uint64_t done;

    for (done = 0; done < count && done < LPP_WAIT_POLL_MAX; done += got) {
        got = count - done < POLL_CHUNK ? (apr_size_t)(count - done)
                                        : POLL_CHUNK;
        got = lpp_wait_memory(items, from + done * sizeof(items[0]),
                              got * sizeof(items[0])) / sizeof(items[0]);
        if (got == 0) {
            return;
        }
        for (i = 0; i < got; i++) {
            if (items[i].fd >= 0) {
                add_fd(call, items[i].fd,
                       (items[i].events & (POLLIN | POLLPRI) ? IN : 0)
                           | (items[i].events & POLLOUT ? OUT : 0));
            }
        }
    }
    if (count > done) {
        call->fd_more += count - done > 1000000 ? 1000000
                                                : (unsigned)(count - done);
    }
    end_of_fds(call, endless);
}

/* sets: read, write, exceptions. */
static void parse_select(lpp_wait_call_t *call, int count,
                         const apr_uint64_t *sets, int endless)
{
    /* Programs may use longer sets than the C library's fd_set. */
    apr_uint64_t words[LPP_WAIT_POLL_MAX / 64];
    apr_size_t want;
    int set, fd;

    if (count > LPP_WAIT_POLL_MAX) {
        count = LPP_WAIT_POLL_MAX;
    }
    want = count > 0 ? ((apr_size_t)count + 63) / 64 : 0;
    for (set = 0; set < 3 && want > 0; set++) {
        if (sets[set] == 0) {
            continue;
        }
        if (lpp_wait_memory(words, sets[set], want * 8) != want * 8) {
            return;
        }
        for (fd = 0; fd < count; fd++) {
            if (words[fd / 64] >> fd % 64 & 1) {
                add_fd(call, fd, set == 1 ? OUT : IN);
            }
        }
    }
    end_of_fds(call, endless);
}

static void parse_child(lpp_wait_call_t *call, const apr_uint64_t *arguments)
{
    call->kind = LPP_WAIT_CALL_CHILD;
    if (call->number == SYS_wait4) {
        call->pid = (int)arguments[0];
    }
    else if ((int)arguments[0] == P_PIDFD) {
        add_fd(call, (int)arguments[1], IN);
    }
    else if ((int)arguments[0] == P_PID) {
        call->pid = (int)arguments[1];
    }
    if (call->pid < 0) {
        call->pid = 0; /* any, or one of a group */
    }
}

static void parse_futex(lpp_wait_call_t *call, const apr_uint64_t *arguments,
                        int may_read)
{
    apr_uint64_t first[2] = { 0, 0 }; /* of the list: value, address */

    call->kind = LPP_WAIT_CALL_FUTEX;
    call->address = arguments[0];
    if (call->number == SYS_futex) {
        call->operation = (int)arguments[1] & ~FUTEX_FLAGS;
    }
    else if (call->number == CALL_FUTEX_WAITV) {
        if (may_read) {
            (void)lpp_wait_memory(first, arguments[0], sizeof(first));
        }
        call->address = first[1];
    }
}

/* A call with descriptors in memory; 0: another one. */
static int parse_fds(lpp_wait_call_t *call, const apr_uint64_t *arguments,
                     int may_read)
{
    int poll = 0, endless = 0;

    switch (call->number) {
#ifdef SYS_poll
    case SYS_poll:
        poll = 1;
        endless = (int)arguments[2] < 0;
        break;
    case SYS_select:
#endif
    case SYS_pselect6:
        endless = arguments[4] == 0;
        break;
    case SYS_ppoll:
        poll = 1;
        endless = arguments[2] == 0;
        break;
    default:
        return 0;
    }
    if (poll && (may_read || arguments[1] == 0)) {
        parse_poll(call, arguments[0], arguments[1], endless);
    }
    else if (!poll && (may_read || (int)arguments[0] == 0)) {
        parse_select(call, (int)arguments[0], arguments + 1, endless);
    }
    return 1;
}

/* A call whose descriptors are arguments; 0: another one. */
static int parse_fd_arguments(lpp_wait_call_t *call,
                              const apr_uint64_t *arguments)
{
    unsigned i;

    for (i = 0; i < LPP_COUNT(fd_calls); i++) {
        if (fd_calls[i].number != call->number) {
            continue;
        }
        call->kind = LPP_WAIT_CALL_FDS;
        add_fd(call, (int)arguments[fd_calls[i].first],
               fd_calls[i].first_events);
        if (fd_calls[i].second != NONE) {
            add_fd(call, (int)arguments[fd_calls[i].second],
                   fd_calls[i].second_events);
        }
        return 1;
    }
    return 0;
}

/* A call whose only descriptor has a meaning of its own; 0: another one. */
static int parse_special_fd(lpp_wait_call_t *call,
                            const apr_uint64_t *arguments)
{
    switch (call->number) {
#ifdef SYS_epoll_wait
    case SYS_epoll_wait:
#endif
    case SYS_epoll_pwait: case CALL_EPOLL_PWAIT2:
        call->kind = LPP_WAIT_CALL_EPOLL;
        break;
    case SYS_connect:
        call->kind = LPP_WAIT_CALL_CONNECT;
        call->address = arguments[1];
        call->address_len = (unsigned)arguments[2];
        break;
    case SYS_accept: case SYS_accept4:
        call->kind = LPP_WAIT_CALL_ACCEPT;
        break;
    case SYS_flock:
        call->kind = LPP_WAIT_CALL_LOCK;
        break;
    case SYS_fcntl:
        if (arguments[1] != F_SETLKW && arguments[1] != F_OFD_SETLKW) {
            return 0;
        }
        call->kind = LPP_WAIT_CALL_LOCK;
        break;
    default:
        return 0;
    }
    add_fd(call, (int)arguments[0],
           call->kind == LPP_WAIT_CALL_CONNECT ? OUT : IN);
    return 1;
}

/* A call with a path; 0: another one. */
static int parse_path(lpp_wait_call_t *call, const apr_uint64_t *arguments)
{
    switch (call->number) {
#ifdef SYS_open
    case SYS_open: case SYS_stat: case SYS_lstat: case SYS_access:
    case SYS_readlink:
#endif
    case SYS_statfs:
        call->address = arguments[0];
        break;
    case SYS_openat: case CALL_OPENAT2: case SYS_newfstatat: case SYS_statx:
    case SYS_faccessat: case CALL_FACCESSAT2: case SYS_readlinkat:
        call->address = arguments[1];
        break;
    default:
        return 0;
    }
    call->kind = LPP_WAIT_CALL_PATH;
    return 1;
}

void lpp_wait_call_parse(lpp_wait_call_t *call, long number,
                         const apr_uint64_t *arguments, int may_read)
{
    memset(call, 0, sizeof(*call));
    call->number = number;
    if (parse_fds(call, arguments, may_read)
        || parse_fd_arguments(call, arguments)
        || parse_special_fd(call, arguments) || parse_path(call, arguments)) {
        return;
    }
    switch (number) {
    case SYS_futex: case CALL_FUTEX_WAITV: case CALL_FUTEX_WAIT:
        parse_futex(call, arguments, may_read);
        break;
    case SYS_wait4: case SYS_waitid:
        parse_child(call, arguments);
        break;
    case SYS_nanosleep: case SYS_clock_nanosleep:
        call->kind = LPP_WAIT_CALL_SLEEP;
        break;
#ifdef SYS_pause
    case SYS_pause:
#endif
    case SYS_rt_sigsuspend: case SYS_rt_sigtimedwait:
        call->kind = LPP_WAIT_CALL_SIGNAL;
        break;
    case SYS_semop: case SYS_semtimedop: case SYS_msgsnd: case SYS_msgrcv:
        call->kind = LPP_WAIT_CALL_IPC;
        call->id = (int)arguments[0];
        break;
    default:
        break;
    }
}
