/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_calls: see lpp_signal_calls_internal.h.
 */
#include "sampling/lpp_signal_calls_internal.h"

#if defined(__x86_64__)

#include <sys/syscall.h>

lpp_call_e lpp_call_kind(long number)
{
    switch (number) {
    case SYS_read: case SYS_write: case SYS_readv: case SYS_writev:
    case SYS_select: case SYS_pselect6: case SYS_ppoll:
    case SYS_accept: case SYS_accept4: case SYS_connect:
    case SYS_sendto: case SYS_recvfrom: case SYS_sendmsg: case SYS_recvmsg:
    case SYS_sendmmsg: case SYS_recvmmsg:
    case SYS_sendfile: case SYS_splice: case SYS_tee: case SYS_vmsplice:
    case SYS_pread64: case SYS_pwrite64: case SYS_copy_file_range:
    case SYS_preadv: case SYS_pwritev: case SYS_preadv2: case SYS_pwritev2:
    case SYS_wait4: case SYS_waitid: case SYS_flock: case SYS_fcntl:
    case SYS_open: case SYS_openat: case SYS_openat2: case SYS_getrandom:
    /* A file system in user space may answer EINTR to anything. */
    case SYS_stat: case SYS_lstat: case SYS_fstat: case SYS_newfstatat:
    case SYS_statx: case SYS_statfs: case SYS_fstatfs: case SYS_access:
    case SYS_faccessat: case SYS_faccessat2: case SYS_readlink:
    case SYS_readlinkat: case SYS_getdents64: case SYS_fsync:
    case SYS_fdatasync: case SYS_fallocate: case SYS_ftruncate:
    case SYS_semop: case SYS_msgsnd: case SYS_msgrcv:
    case SYS_mq_timedsend: case SYS_mq_timedreceive:
    case SYS_pause: case SYS_rt_sigsuspend:
    case SYS_io_uring_enter: case 449: /* futex_waitv, absolute */
    case 455: /* futex_wait, absolute */
        return LPP_CALL_PLAIN;
    case SYS_poll:
        return LPP_CALL_MS_RDX;
    case SYS_epoll_wait: case SYS_epoll_pwait:
        return LPP_CALL_MS_R10;
    case SYS_rt_sigtimedwait:
        return LPP_CALL_SPEC_RDX;
    case SYS_semtimedop: case 441: /* epoll_pwait2 */
        return LPP_CALL_SPEC_R10;
    case SYS_io_getevents: case SYS_io_pgetevents:
        return LPP_CALL_SPEC_R8;
    case SYS_futex:
        return LPP_CALL_FUTEX;
    case SYS_nanosleep:
        return LPP_CALL_SLEEP;
    case SYS_clock_nanosleep:
        return LPP_CALL_CLOCKSLEEP;
    default:
        return LPP_CALL_UNKNOWN;
    }
}

int lpp_call_ends_by_signal(long number, int operation)
{
    switch (number) {
    case SYS_read: case SYS_write: case SYS_readv: case SYS_writev:
    case SYS_accept: case SYS_accept4: case SYS_connect:
    case SYS_sendto: case SYS_recvfrom: case SYS_sendmsg: case SYS_recvmsg:
    case SYS_wait4: case SYS_waitid: case SYS_flock: case SYS_fcntl:
    case SYS_open: case SYS_openat:
        return 1;
    case SYS_futex: /* FUTEX_WAIT, FUTEX_WAIT_BITSET */
        return (operation & 0x7f) == 0 || (operation & 0x7f) == 9;
    default:
        return 0;
    }
}

int lpp_call_moves_bytes(long number)
{
    return number == SYS_write || number == SYS_writev || number == SYS_sendto
           || number == SYS_sendmsg || number == SYS_sendfile
           || number == SYS_recvfrom || number == SYS_getrandom
           || number == SYS_copy_file_range;
}

int lpp_call_may_end_early(long number)
{
    return number != SYS_getrandom && number != SYS_copy_file_range;
}

#endif
