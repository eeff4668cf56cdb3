/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_trial_calls: every kind of call that can block a thread, made
 * through the C library for wait_ms, as lpp_signal_trial tries it. Used in the
 * scratch process only.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <apr_strings.h>

#include "sampling/lpp_signal.h"
#include "sampling/lpp_signal_trial_internal.h"

#if LPP_SIGNAL_RESTARTS

#define LONG_BYTES 100000 /* more than fits into a socket with ... */
#define SOCKET_BYTES 16384 /* ... this as its SO_SNDBUF */
#define PIECES 5

static char bytes[LONG_BYTES];

static struct timespec spec_of(const lpp_trial_call_t *call)
{
    struct timespec spec = { 0, call->wait_ms * 1000000L };

    return spec;
}

static struct timespec then_of(const lpp_trial_call_t *call)
{
    struct timespec then;

    clock_gettime(CLOCK_MONOTONIC, &then);
    then.tv_nsec += call->wait_ms * 1000000L;
    then.tv_sec += then.tv_nsec / 1000000000;
    then.tv_nsec %= 1000000000;
    return then;
}

/* -- sleeps */

static long try_nanosleep(lpp_trial_call_t *call)
{
    struct timespec spec = spec_of(call), left;

    return nanosleep(&spec, &left);
}

static long try_nanosleep_without(lpp_trial_call_t *call)
{
    struct timespec spec = spec_of(call);

    return nanosleep(&spec, NULL);
}

static long try_clock_nanosleep(lpp_trial_call_t *call)
{
    struct timespec then = then_of(call);

    return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &then, NULL);
}

/* -- descriptors, with a timeout */

static int make_pair(lpp_trial_call_t *call)
{
    int size = SOCKET_BYTES;

    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, call->fds) != 0
           || setsockopt(call->fds[0], SOL_SOCKET, SO_SNDBUF, &size,
                         sizeof(size)) != 0;
}

static long try_poll(lpp_trial_call_t *call)
{
    struct pollfd item = { call->fds[0], POLLIN, 0 };

    return poll(&item, 1, call->wait_ms);
}

static long try_ppoll(lpp_trial_call_t *call)
{
    struct pollfd item = { call->fds[0], POLLIN, 0 };
    struct timespec spec = spec_of(call);

    return ppoll(&item, 1, &spec, NULL);
}

static long try_select(lpp_trial_call_t *call)
{
    struct timeval wait = { 0, call->wait_ms * 1000 };
    long got;

    got = select(0, NULL, NULL, NULL, &wait);
    return got == 0 ? wait.tv_sec + wait.tv_usec : got;
}

static long try_pselect(lpp_trial_call_t *call)
{
    struct timespec spec = spec_of(call);
    sigset_t mask;

    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    return pselect(0, NULL, NULL, NULL, &spec, &mask);
}

static int make_epoll(lpp_trial_call_t *call)
{
    call->fds[0] = epoll_create1(EPOLL_CLOEXEC);
    return call->fds[0] < 0;
}

static long try_epoll_wait(lpp_trial_call_t *call)
{
    struct epoll_event event;

    return epoll_wait(call->fds[0], &event, 1, call->wait_ms);
}

static long try_epoll_pwait(lpp_trial_call_t *call)
{
    struct epoll_event event;
    sigset_t mask;

    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    return epoll_pwait(call->fds[0], &event, 1, call->wait_ms, &mask);
}

/* -- sockets; one with a timeout makes a signal end its call */

static int give_timeout(lpp_trial_call_t *call)
{
    struct timeval wait = { 0, call->wait_ms * 1000 };

    return setsockopt(call->fds[0], SOL_SOCKET, SO_RCVTIMEO, &wait,
                      sizeof(wait));
}

static int make_slow_pair(lpp_trial_call_t *call)
{
    return make_pair(call) || give_timeout(call);
}

static int make_listener(lpp_trial_call_t *call)
{
    struct sockaddr_un address;

    memset(&address, 0, sizeof(address));
    address.sun_family = AF_UNIX; /* without a path: the kernel chooses a
                                     name */
    call->fds[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return call->fds[0] < 0
           || bind(call->fds[0], (struct sockaddr *)&address,
                   sizeof(sa_family_t)) != 0
           || listen(call->fds[0], 1) != 0 || give_timeout(call);
}

static long try_recv(lpp_trial_call_t *call)
{
    char byte;

    return recv(call->fds[0], &byte, 1, 0);
}

static long try_recvmsg(lpp_trial_call_t *call)
{
    char byte;
    struct iovec piece = { &byte, 1 };
    struct msghdr message;

    memset(&message, 0, sizeof(message));
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    return recvmsg(call->fds[0], &message, 0);
}

static long try_accept(lpp_trial_call_t *call)
{
    return accept(call->fds[0], NULL, NULL);
}

static long try_read(lpp_trial_call_t *call)
{
    char byte;

    return read(call->fds[0], &byte, 1);
}

static int send_byte(lpp_trial_call_t *call)
{
    if (write(call->fds[1], bytes, 1) != 1) {
        shutdown(call->fds[1], SHUT_RDWR);
    }
    return 1;
}

/* -- calls that have moved a part of their bytes when the signal comes */

static int make_half_pair(lpp_trial_call_t *call)
{
    return make_pair(call) || write(call->fds[1], bytes, 1) != 1;
}

static long try_recv_all(lpp_trial_call_t *call)
{
    char two[2];

    return recv(call->fds[0], two, sizeof(two), MSG_WAITALL);
}

/* Take what is there: the writer has more. */
static int take_some(lpp_trial_call_t *call)
{
    static char taken[LONG_BYTES];

    while (recv(call->fds[1], taken, sizeof(taken), MSG_DONTWAIT) > 0) {
    }
    return 0;
}

static long try_write(lpp_trial_call_t *call)
{
    return write(call->fds[0], bytes, LONG_BYTES);
}

static long try_send(lpp_trial_call_t *call)
{
    return send(call->fds[0], bytes, LONG_BYTES, MSG_NOSIGNAL);
}

static void cut_up(struct iovec *pieces)
{
    int i;

    for (i = 0; i < PIECES; i++) {
        pieces[i].iov_base = bytes + i * (LONG_BYTES / PIECES);
        pieces[i].iov_len = LONG_BYTES / PIECES;
    }
}

static long try_writev(lpp_trial_call_t *call)
{
    struct iovec pieces[PIECES];

    cut_up(pieces);
    return writev(call->fds[0], pieces, PIECES);
}

static long try_sendmsg(lpp_trial_call_t *call)
{
    struct iovec pieces[PIECES];
    struct msghdr message;

    cut_up(pieces);
    memset(&message, 0, sizeof(message));
    message.msg_iov = pieces;
    message.msg_iovlen = PIECES;
    return sendmsg(call->fds[0], &message, MSG_NOSIGNAL);
}

/* -- locks, processes, signals */

static long error_of(int rc)
{
    errno = rc;
    return rc == 0 ? 0 : -1;
}

static long try_sem(lpp_trial_call_t *call)
{
    struct timespec then = then_of(call);
    sem_t sem;

    sem_init(&sem, 0, 0);
    return sem_clockwait(&sem, CLOCK_MONOTONIC, &then);
}

static long try_cond(lpp_trial_call_t *call)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
    struct timespec then = then_of(call);
    int rc;

    pthread_mutex_lock(&mutex);
    rc = pthread_cond_clockwait(&cond, &mutex, CLOCK_MONOTONIC, &then);
    pthread_mutex_unlock(&mutex);
    return error_of(rc);
}

static int make_mutex(lpp_trial_call_t *call)
{
    return pthread_mutex_init(&call->mutex, NULL) != 0
           || pthread_mutex_lock(&call->mutex) != 0;
}

static long try_mutex(lpp_trial_call_t *call)
{
    return error_of(pthread_mutex_lock(&call->mutex));
}

static int free_mutex(lpp_trial_call_t *call)
{
    pthread_mutex_unlock(&call->mutex);
    return 1;
}

static long try_futex(lpp_trial_call_t *call)
{
    struct timespec spec = spec_of(call);
    int word = 0;

    return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &spec, NULL, 0);
}

/* Open one file twice: a lock through one descriptor excludes the other. */
static int lock_file(lpp_trial_call_t *call)
{
    struct flock lock = { F_WRLCK, SEEK_SET, 0, 0, 0 };
    char path[32];

    call->fds[1] = memfd_create("lpp-trial", MFD_CLOEXEC);
    apr_snprintf(path, sizeof(path), "/proc/self/fd/%d", call->fds[1]);
    call->fds[0] = open(path, O_RDWR | O_CLOEXEC);
    return call->fds[0] < 0 || flock(call->fds[1], LOCK_EX) != 0
           || fcntl(call->fds[1], F_OFD_SETLK, &lock) != 0;
}

static int unlock_file(lpp_trial_call_t *call)
{
    struct flock lock = { F_UNLCK, SEEK_SET, 0, 0, 0 };

    flock(call->fds[1], LOCK_UN);
    fcntl(call->fds[1], F_OFD_SETLK, &lock);
    return 1;
}

static long try_flock(lpp_trial_call_t *call)
{
    return flock(call->fds[0], LOCK_EX);
}

static long try_fcntl(lpp_trial_call_t *call)
{
    struct flock lock = { F_WRLCK, SEEK_SET, 0, 0, 0 };

    return fcntl(call->fds[0], F_OFD_SETLKW, &lock);
}

#define EXIT_CODE 7

static int make_child(lpp_trial_call_t *call)
{
    char byte;

    if (make_pair(call)) {
        return 1;
    }
    call->pid = fork();
    if (call->pid == 0) {
        close(call->fds[1]); /* so that the end of the scratch process ends the
                                read */
        _exit(read(call->fds[0], &byte, 1) == 1 ? EXIT_CODE : 1);
    }
    return call->pid < 0;
}

static long try_waitpid(lpp_trial_call_t *call)
{
    int status = 0;
    pid_t got = waitpid(call->pid, &status, 0);

    return got == call->pid && WIFEXITED(status) ? WEXITSTATUS(status) : got;
}

static long try_sigtimedwait(lpp_trial_call_t *call)
{
    struct timespec spec = spec_of(call);
    sigset_t none;

    sigemptyset(&none);
    sigaddset(&none, SIGUSR2); /* blocked, and never sent */
    return sigtimedwait(&none, NULL, &spec);
}

/* Closes all descriptors, whatever prepare has opened. */
void lpp_trial_clean(lpp_trial_call_t *call)
{
    int i;

    for (i = 0; i < 2; i++) {
        if (call->fds[i] > 0) {
            close(call->fds[i]);
        }
        call->fds[i] = 0;
    }
}

#define NO_OTHER INT32_MIN /* not the number of any call */

const lpp_trial_kind_t lpp_trial_kinds[] = {
    { "nanosleep", SYS_clock_nanosleep, SYS_nanosleep, try_nanosleep, NULL,
      NULL, 0, 1, 0 },
    { "nanosleep", SYS_clock_nanosleep, SYS_nanosleep, try_nanosleep_without,
      NULL, NULL, 0, 0, 0 },
    { "clock_nanosleep", SYS_clock_nanosleep, NO_OTHER, try_clock_nanosleep,
      NULL, NULL, 0, 0, 0 },
    { "poll", SYS_poll, SYS_ppoll, try_poll, make_pair, NULL, 0, 1, 0 },
    { "ppoll", SYS_ppoll, NO_OTHER, try_ppoll, make_pair, NULL, 0, 0, 0 },
    { "select", SYS_select, SYS_pselect6, try_select, NULL, NULL, 0, 1, 0 },
    { "pselect", SYS_pselect6, NO_OTHER, try_pselect, NULL, NULL, 0, 0, 0 },
    { "epoll_wait", SYS_epoll_wait, SYS_epoll_pwait, try_epoll_wait, make_epoll,
      NULL, 0, 0, 0 },
    { "epoll_pwait", SYS_epoll_pwait, NO_OTHER, try_epoll_pwait, make_epoll,
      NULL, 0, 0, 0 },
    { "recv", SYS_recvfrom, NO_OTHER, try_recv, make_slow_pair, NULL, -EAGAIN,
      1, 1 },
    { "recvmsg", SYS_recvmsg, NO_OTHER, try_recvmsg, make_slow_pair, NULL,
      -EAGAIN, 0, 1 },
    { "accept", SYS_accept, SYS_accept4, try_accept, make_listener, NULL,
      -EAGAIN, 0, 1 },
    { "read", SYS_read, NO_OTHER, try_read, make_pair, send_byte, 1, 0, 0 },
    { "read with a timeout", SYS_read, NO_OTHER, try_read, make_slow_pair, NULL,
      -EAGAIN, 0, 1 },
    { "recv of all", SYS_recvfrom, NO_OTHER, try_recv_all, make_half_pair,
      send_byte, 2, 0, 0 },
    { "write", SYS_write, NO_OTHER, try_write, make_pair, take_some, LONG_BYTES,
      0, 0 },
    { "send", SYS_sendto, NO_OTHER, try_send, make_pair, take_some, LONG_BYTES,
      0, 0 },
    { "writev", SYS_writev, NO_OTHER, try_writev, make_pair, take_some,
      LONG_BYTES, 0, 0 },
    { "sendmsg", SYS_sendmsg, NO_OTHER, try_sendmsg, make_pair, take_some,
      LONG_BYTES, 0, 0 },
    { "sem_clockwait", SYS_futex, NO_OTHER, try_sem, NULL, NULL, -ETIMEDOUT, 0,
      0 },
    { "pthread_cond_clockwait", SYS_futex, NO_OTHER, try_cond, NULL, NULL,
      -ETIMEDOUT, 0, 0 },
    { "pthread_mutex_lock", SYS_futex, NO_OTHER, try_mutex, make_mutex,
      free_mutex, 0, 0, 0 },
    { "futex", SYS_futex, NO_OTHER, try_futex, NULL, NULL, -ETIMEDOUT, 0, 0 },
    { "flock", SYS_flock, NO_OTHER, try_flock, lock_file, unlock_file, 0, 0,
      0 },
    { "fcntl", SYS_fcntl, NO_OTHER, try_fcntl, lock_file, unlock_file, 0, 0,
      0 },
    { "waitpid", SYS_wait4, NO_OTHER, try_waitpid, make_child, send_byte,
      EXIT_CODE, 0, 0 },
    { "sigtimedwait", SYS_rt_sigtimedwait, NO_OTHER, try_sigtimedwait, NULL,
      NULL, -EAGAIN, 0, 0 },
};

const unsigned lpp_trial_kind_count = LPP_COUNT(lpp_trial_kinds);

#endif
