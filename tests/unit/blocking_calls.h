/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blocking_calls: for tests: every call that can keep a thread waiting, each
 * for WAIT_MS, and what came of it. Included by the unit test of the sampler
 * and by the module that runs the same calls inside httpd.
 */
#ifndef BLOCKING_CALLS_H
#define BLOCKING_CALLS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <apr_network_io.h>
#include <apr_poll.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <apr_support.h>

#define WAIT_MS 150 /* what every call waits for */
#define WAIT_NS (WAIT_MS * 1000000L)

static apr_pool_t *pool; /* of one call */

static apr_uint64_t now_ns(void)
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

static const struct timespec wait_spec = { 0, WAIT_NS };

/* Something another thread does after WAIT_MS, so that the call ends. */
typedef struct helper_t {
    pthread_t thread;
    void (*work)(struct helper_t *helper);
    int fd;
    int other_fd;
    struct sockaddr_in address;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    sem_t ready;
    int word;
} helper_t;

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

static void help(helper_t *helper, void (*work)(helper_t *))
{
    helper->work = work;
    if (pthread_create(&helper->thread, NULL, helper_main, helper) != 0) {
        abort();
    }
}

static void write_byte(helper_t *helper)
{
    if (write(helper->fd, "x", 1) != 1) {
        abort();
    }
}

static void make_pair(int fds[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) {
        abort();
    }
}

static void close_pair(int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static int locked_file(void)
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

static long call_nanosleep(void)
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

/* -- waiting for descriptors, with a timeout */

static long call_poll(void)
{
    struct pollfd item = { 0, POLLIN, 0 };
    int fds[2];
    long got;

    make_pair(fds);
    item.fd = fds[0];
    got = poll(&item, 1, WAIT_MS);
    close_pair(fds);
    return got;
}

static long call_ppoll(void)
{
    struct pollfd item = { 0, POLLIN, 0 };
    int fds[2];
    long got;

    make_pair(fds);
    item.fd = fds[0];
    got = ppoll(&item, 1, &wait_spec, NULL);
    close_pair(fds);
    return got;
}

static long call_select(void)
{
    struct timeval wait = { 0, WAIT_MS * 1000 };
    fd_set set;
    int fds[2];
    long got;

    make_pair(fds);
    FD_ZERO(&set);
    FD_SET(fds[0], &set);
    got = select(fds[0] + 1, &set, NULL, NULL, &wait);
    close_pair(fds);
    return got * 1000000 + wait.tv_sec * 1000000 + wait.tv_usec;
}

static long call_pselect(void)
{
    sigset_t mask;
    fd_set set;
    int fds[2];
    long got;

    make_pair(fds);
    FD_ZERO(&set);
    FD_SET(fds[0], &set);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    got = pselect(fds[0] + 1, &set, NULL, NULL, &wait_spec, &mask);
    close_pair(fds);
    return got;
}

static long epoll_for(int use_pwait)
{
    struct epoll_event event = { EPOLLIN, { 0 } };
    int fds[2], epfd = epoll_create1(0);
    sigset_t mask;
    long got;

    make_pair(fds);
    epoll_ctl(epfd, EPOLL_CTL_ADD, fds[0], &event);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    got = use_pwait ? epoll_pwait(epfd, &event, 1, WAIT_MS, &mask)
                    : epoll_wait(epfd, &event, 1, WAIT_MS);
    close_pair(fds);
    close(epfd);
    return got;
}

static long call_epoll_wait(void)
{
    return epoll_for(0);
}

static long call_epoll_pwait(void)
{
    return epoll_for(1);
}

static apr_socket_t *apr_socket_for(int fd)
{
    apr_socket_t *made = NULL;

    if (apr_os_sock_put(&made, &fd, pool) != APR_SUCCESS
        || apr_socket_timeout_set(made, WAIT_MS * 1000) != APR_SUCCESS) {
        abort();
    }
    return made;
}

static long call_apr_wait_for_io_or_timeout(void)
{
    int fds[2];
    long got;

    make_pair(fds);
    got = apr_wait_for_io_or_timeout(NULL, apr_socket_for(fds[0]), 1);
    close_pair(fds);
    return got;
}

static long call_apr_pollset_poll(void)
{
    const apr_pollfd_t *ready;
    apr_pollset_t *pollset;
    apr_pollfd_t item;
    apr_int32_t count;
    int fds[2];
    long got;

    make_pair(fds);
    memset(&item, 0, sizeof(item));
    item.p = pool;
    item.desc_type = APR_POLL_SOCKET;
    item.reqevents = APR_POLLIN;
    item.desc.s = apr_socket_for(fds[0]);
    if (apr_pollset_create(&pollset, 4, pool, 0) != APR_SUCCESS
        || apr_pollset_add(pollset, &item) != APR_SUCCESS) {
        abort();
    }
    got = apr_pollset_poll(pollset, WAIT_MS * 1000, &count, &ready);
    apr_pollset_destroy(pollset);
    close_pair(fds);
    return got;
}

/* -- transfers */

static long call_read(void)
{
    helper_t helper;
    char byte;
    int fds[2];
    long got;

    make_pair(fds);
    helper.fd = fds[1];
    help(&helper, write_byte);
    got = read(fds[0], &byte, 1);
    pthread_join(helper.thread, NULL);
    close_pair(fds);
    return got;
}

static long call_recv(void)
{
    helper_t helper;
    char byte;
    int fds[2];
    long got;

    make_pair(fds);
    helper.fd = fds[1];
    help(&helper, write_byte);
    got = recv(fds[0], &byte, 1, 0);
    pthread_join(helper.thread, NULL);
    close_pair(fds);
    return got;
}

static long call_recv_with_timeout(void)
{
    struct timeval wait = { 0, WAIT_MS * 1000 };
    char byte;
    int fds[2];
    long got;

    make_pair(fds);
    setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    got = recv(fds[0], &byte, 1, 0);
    close_pair(fds);
    return got; /* -1, EAGAIN */
}

static void connect_there(helper_t *helper)
{
    helper->other_fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(helper->other_fd, (struct sockaddr *)&helper->address,
                sizeof(helper->address)) != 0) {
        abort();
    }
}

static int listen_there(struct sockaddr_in *address)
{
    socklen_t len = sizeof(*address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    memset(address, 0, sizeof(*address));
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)address, sizeof(*address)) != 0
        || listen(fd, 1) != 0
        || getsockname(fd, (struct sockaddr *)address, &len) != 0) {
        abort();
    }
    return fd;
}

static long call_accept(void)
{
    helper_t helper;
    int fd = listen_there(&helper.address), got;

    help(&helper, connect_there);
    got = accept(fd, NULL, NULL);
    pthread_join(helper.thread, NULL);
    close(helper.other_fd);
    close(fd);
    if (got >= 0) {
        close(got);
        return 0;
    }
    return got;
}

static void accept_one(helper_t *helper)
{
    int got = accept(helper->fd, NULL, NULL);

    if (got < 0) {
        abort();
    }
    close(got);
}

/* A local socket whose queue is full makes connect wait. */
static long call_connect(void)
{
    struct sockaddr_un address;
    helper_t helper;
    socklen_t len = sizeof(address);
    int queued, fd;
    long got;

    memset(&address, 0, sizeof(address));
    address.sun_family = AF_UNIX;
    helper.fd = socket(AF_UNIX, SOCK_STREAM, 0);
    queued = socket(AF_UNIX, SOCK_STREAM, 0);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(helper.fd, (struct sockaddr *)&address, sizeof(sa_family_t)) != 0
        || listen(helper.fd, 0) != 0
        || getsockname(helper.fd, (struct sockaddr *)&address, &len) != 0
        || connect(queued, (struct sockaddr *)&address, len) != 0) {
        abort();
    }
    help(&helper, accept_one);
    got = connect(fd, (struct sockaddr *)&address, len);
    pthread_join(helper.thread, NULL);
    close(fd);
    close(queued);
    close(helper.fd);
    return got;
}

static void drain(helper_t *helper)
{
    char bytes[65536];
    ssize_t sum = 0, got;

    while (sum < 4000000
           && (got = read(helper->fd, bytes, sizeof(bytes))) > 0) {
        sum += got;
    }
}

static long call_write(void)
{
    static char bytes[4000000];
    helper_t helper;
    int fds[2];
    long sum = 0, got;

    make_pair(fds);
    helper.fd = fds[1];
    help(&helper, drain);
    while (sum < (long)sizeof(bytes)) {
        got = write(fds[0], bytes + sum, sizeof(bytes) - (size_t)sum);
        if (got <= 0) {
            break;
        }
        sum += got;
    }
    pthread_join(helper.thread, NULL);
    close_pair(fds);
    return got < 0 ? got : sum;
}

/*
 * One call each that has to move more than fits at once: the other side takes
 * a part, then nothing for WAIT_MS, then the rest. A signal that comes in
 * between must not make it return early with a part.
 */
#define LONG_BYTES 3000000

static unsigned char *long_bytes(void)
{
    unsigned char *bytes = malloc(LONG_BYTES);
    size_t i;

    if (bytes == NULL) {
        abort();
    }
    for (i = 0; i < LONG_BYTES; i++) {
        bytes[i] = (unsigned char)(i * 2654435761u >> 13);
    }
    return bytes;
}

/* Reads all of it and looks whether every byte is in its place. */
static void *take_main(void *baton)
{
    unsigned char *expected = long_bytes(), piece[65536];
    helper_t *helper = baton;
    struct timespec rest = wait_spec;
    ssize_t sum = 0, got;
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    helper->word = 1;
    while (sum < LONG_BYTES
           && (got = read(helper->fd, piece, sizeof(piece))) > 0) {
        helper->word &= memcmp(piece, expected + sum, (size_t)got) == 0;
        if (sum < LONG_BYTES / 3 && sum + got >= LONG_BYTES / 3) {
            while (nanosleep(&rest, &rest) != 0) {
            }
        }
        sum += got;
    }
    helper->word &= sum == LONG_BYTES;
    free(expected);
    close(helper->fd); /* whatever is still being sent ends */
    return NULL;
}

static long moved(int fds[2], long (*move)(int fd, unsigned char *bytes))
{
    unsigned char *bytes = long_bytes();
    helper_t helper;
    long got;

    helper.fd = fds[0];
    if (pthread_create(&helper.thread, NULL, take_main, &helper) != 0) {
        abort();
    }
    got = move(fds[1], bytes);
    close(fds[1]);
    pthread_join(helper.thread, NULL);
    free(bytes);
    return helper.word ? got : -77;
}

static long moved_by_socket(long (*move)(int fd, unsigned char *bytes))
{
    int fds[2];

    make_pair(fds);
    return moved(fds, move);
}

static long move_write(int fd, unsigned char *bytes)
{
    return write(fd, bytes, LONG_BYTES);
}

static long move_send(int fd, unsigned char *bytes)
{
    return send(fd, bytes, LONG_BYTES, MSG_NOSIGNAL);
}

#define PIECES 37

static void cut_up(struct iovec *pieces, unsigned char *bytes)
{
    size_t i, at = 0;

    for (i = 0; i < PIECES; i++) {
        pieces[i].iov_base = bytes + at;
        pieces[i].iov_len = i == PIECES - 1 ? LONG_BYTES - at
                                            : LONG_BYTES / PIECES + i;
        at += pieces[i].iov_len;
    }
}

static long move_writev(int fd, unsigned char *bytes)
{
    struct iovec pieces[PIECES];

    cut_up(pieces, bytes);
    return writev(fd, pieces, PIECES);
}

static long move_sendmsg(int fd, unsigned char *bytes)
{
    struct iovec pieces[PIECES];
    struct msghdr message;

    cut_up(pieces, bytes);
    memset(&message, 0, sizeof(message));
    message.msg_iov = pieces;
    message.msg_iovlen = PIECES;
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static long move_sendfile(int fd, unsigned char *bytes)
{
    int file = locked_file();
    long got = write(file, bytes, LONG_BYTES);
    off_t at = 0;

    if (got == LONG_BYTES) {
        got = sendfile(fd, file, &at, LONG_BYTES);
    }
    close(file);
    return at == got ? got : -78;
}

static long call_long_write(void)
{
    return moved_by_socket(move_write);
}

static long call_long_send(void)
{
    return moved_by_socket(move_send);
}

static long call_long_writev(void)
{
    return moved_by_socket(move_writev);
}

static long call_long_sendmsg(void)
{
    return moved_by_socket(move_sendmsg);
}

static long call_long_sendfile(void)
{
    return moved_by_socket(move_sendfile);
}

static long call_long_pipe(void)
{
    int fds[2];

    if (pipe(fds) != 0) {
        abort();
    }
    return moved(fds, move_write);
}

/* One byte is there, the other comes after WAIT_MS. */
static long call_recv_all(void)
{
    helper_t helper;
    char bytes[2];
    int fds[2];
    long got;

    make_pair(fds);
    helper.fd = fds[1];
    write_byte(&helper);
    help(&helper, write_byte);
    got = recv(fds[0], bytes, sizeof(bytes), MSG_WAITALL);
    pthread_join(helper.thread, NULL);
    close_pair(fds);
    return got;
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

static void reap(pid_t pid)
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

/* -- the same with and without */

static const struct {
    const char *name;
    long (*call)(void);
} calls[] = {
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

typedef struct outcome_t {
    long result;
    int error;
    apr_uint64_t took_ns;
} outcome_t;

__attribute__((unused)) static outcome_t run(long (*call)(void))
{
    outcome_t outcome;
    apr_uint64_t began = now_ns();

    errno = 0;
    outcome.result = call();
    outcome.error = errno;
    outcome.took_ns = now_ns() - began;
    return outcome;
}

#endif
