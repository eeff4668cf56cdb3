/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <apr_time.h>

#include "blocking_calls.h"
#include "blocking_io.h"

apr_pool_t *pool;
const struct timespec wait_spec = { 0, WAIT_NS };

apr_uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (apr_uint64_t)now.tv_sec * 1000000000u + (apr_uint64_t)now.tv_nsec;
}

static struct timespec later(clockid_t clock)
{
    struct timespec then;

    clock_gettime(clock, &then);
    then.tv_nsec += WAIT_NS;
    then.tv_sec += then.tv_nsec / 1000000000;
    then.tv_nsec %= 1000000000;
    return then;
}

static void *helper_main(void *baton)
{
    helper_t *helper = baton;
    struct timespec rest = wait_spec;
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    while (nanosleep(&rest, &rest) != 0) {
    }
    helper->work(helper);
    return NULL;
}

void help(helper_t *helper, void (*work)(helper_t *))
{
    helper->work = work;
    if (pthread_create(&helper->thread, NULL, helper_main, helper) != 0) {
        abort();
    }
}

void write_byte(helper_t *helper)
{
    if (write(helper->fd, "x", 1) != 1) {
        abort();
    }
}

void make_pair(int fds[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) {
        abort();
    }
}

void close_pair(int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

int locked_file(void)
{
    char name[] = "/tmp/lpp-test-blocked-XXXXXX";
    int fd = mkstemp(name);

    if (fd < 0) {
        abort();
    }
    unlink(name);
    return fd;
}

/* -- sleeps: the result is what the call returns */

static long call_sleep(void)
{
    /* A second at least is what sleep can do. */
    return (long)sleep(1);
}

static long call_usleep(void)
{
    return usleep(WAIT_MS * 1000);
}

long call_nanosleep(void)
{
    struct timespec rest = { 77, 77 };

    return nanosleep(&wait_spec, &rest);
}

static long call_clock_nanosleep_relative(void)
{
    return clock_nanosleep(CLOCK_MONOTONIC, 0, &wait_spec, NULL);
}

static long call_clock_nanosleep_absolute(void)
{
    struct timespec then = later(CLOCK_MONOTONIC);

    return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &then, NULL);
}

static long call_apr_sleep(void)
{
    apr_sleep(WAIT_MS * 1000);
    return 0;
}

/* -- locks and processes */

static long call_sem_timedwait(void)
{
    struct timespec then = later(CLOCK_REALTIME);
    sem_t sem;

    sem_init(&sem, 0, 0);
    return sem_timedwait(&sem, &then);
}

static void hold_mutex(helper_t *helper)
{
    pthread_mutex_unlock(&helper->mutex);
}

static void *hold_main(void *baton)
{
    helper_t *helper = baton;

    pthread_mutex_lock(&helper->mutex);
    sem_post(&helper->ready);
    helper->work = hold_mutex;
    return helper_main(helper);
}

static long call_mutex(void)
{
    helper_t helper;
    long got;

    pthread_mutex_init(&helper.mutex, NULL);
    sem_init(&helper.ready, 0, 0);
    pthread_create(&helper.thread, NULL, hold_main, &helper);
    while (sem_wait(&helper.ready) != 0) {
    }
    got = pthread_mutex_lock(&helper.mutex);
    pthread_mutex_unlock(&helper.mutex);
    pthread_join(helper.thread, NULL);
    return got;
}

static long call_cond_timedwait(void)
{
    struct timespec then = later(CLOCK_REALTIME);
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
    long got;

    pthread_mutex_lock(&mutex);
    do {
        got = pthread_cond_timedwait(&cond, &mutex, &then);
    } while (got == 0);
    pthread_mutex_unlock(&mutex);
    return got;
}

static long call_futex(void)
{
    int word = 0;

    return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &wait_spec, NULL,
                   0);
}

/* The lock's owner is a child process, since fcntl locks belong to processes;
 * returns once it has the lock. */
static pid_t lock_in_child(int fd, int by_fcntl)
{
    struct flock lock = { F_WRLCK, SEEK_SET, 0, 0, 0 };
    char path[64], byte;
    int pipe_fds[2];
    pid_t pid;

    if (pipe(pipe_fds) != 0) {
        abort();
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    pid = fork();
    if (pid == 0) {
        struct timespec rest = wait_spec;
        int own = open(path, O_RDWR);

        if ((by_fcntl ? fcntl(own, F_SETLK, &lock) : flock(own, LOCK_EX)) != 0
            || write(pipe_fds[1], "x", 1) != 1) {
            _exit(1);
        }
        nanosleep(&rest, NULL);
        _exit(0);
    }
    while (read(pipe_fds[0], &byte, 1) != 1) {
    }
    close_pair(pipe_fds);
    return pid;
}

void reap(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) != pid) {
    }
}

static long call_flock(void)
{
    int fd = locked_file();
    pid_t pid = lock_in_child(fd, 0);
    long got = flock(fd, LOCK_EX);

    reap(pid);
    close(fd);
    return got;
}

static long call_fcntl_lock(void)
{
    struct flock lock = { F_WRLCK, SEEK_SET, 0, 0, 0 };
    int fd = locked_file();
    pid_t pid = lock_in_child(fd, 1);
    long got = fcntl(fd, F_SETLKW, &lock);

    reap(pid);
    close(fd);
    return got;
}

static long call_waitpid(void)
{
    pid_t pid = fork(), got;
    int status = 0;

    if (pid == 0) {
        nanosleep(&wait_spec, NULL);
        _exit(7);
    }
    got = waitpid(pid, &status, 0);
    return got == pid ? WEXITSTATUS(status) : -1;
}

/* -- all of them */

const blocking_call_t calls[CALLS] = {
    { "sleep", call_sleep },
    { "usleep", call_usleep },
    { "nanosleep", call_nanosleep },
    { "clock_nanosleep relative", call_clock_nanosleep_relative },
    { "clock_nanosleep absolute", call_clock_nanosleep_absolute },
    { "poll", call_poll },
    { "ppoll", call_ppoll },
    { "select", call_select },
    { "pselect", call_pselect },
    { "epoll_wait", call_epoll_wait },
    { "epoll_pwait", call_epoll_pwait },
    { "read", call_read },
    { "recv", call_recv },
    { "recv with SO_RCVTIMEO", call_recv_with_timeout },
    { "accept", call_accept },
    { "connect", call_connect },
    { "write to a full socket", call_write },
    { "one write of 3 MB", call_long_write },
    { "one write to a pipe", call_long_pipe },
    { "one send", call_long_send },
    { "one writev", call_long_writev },
    { "one sendmsg", call_long_sendmsg },
    { "one sendfile", call_long_sendfile },
    { "recv with MSG_WAITALL", call_recv_all },
    { "sem_timedwait", call_sem_timedwait },
    { "mutex", call_mutex },
    { "cond_timedwait", call_cond_timedwait },
    { "futex", call_futex },
    { "flock", call_flock },
    { "fcntl lock", call_fcntl_lock },
    { "waitpid", call_waitpid },
    { "apr_sleep", call_apr_sleep },
    { "apr_wait_for_io_or_timeout", call_apr_wait_for_io_or_timeout },
    { "apr_pollset_poll", call_apr_pollset_poll },
};

outcome_t run(long (*call)(void))
{
    outcome_t outcome;
    apr_uint64_t began = now_ns();

    errno = 0;
    outcome.result = call();
    outcome.error = errno;
    outcome.took_ns = now_ns() - began;
    return outcome;
}
