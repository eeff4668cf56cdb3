/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocking calls under the sampler at 1 kHz: each gives the same result, the
 * same errno and takes the same time as without (sampling.md, facts 8 to 11).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_network_io.h>
#include <apr_poll.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <apr_support.h>

#include "lpp_sampler.h"
#include "lpp_signal.h"

#define WAIT_MS 150 /* what every call waits for */
#define WAIT_NS (WAIT_MS * 1000000L)

static apr_pool_t *root, *pool; /* pool: of one call */
static lpp_sampler_t *sampler;

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

static outcome_t run(long (*call)(void))
{
    outcome_t outcome;
    apr_uint64_t began = now_ns();

    errno = 0;
    outcome.result = call();
    outcome.error = errno;
    outcome.took_ns = now_ns() - began;
    return outcome;
}

/* Run one call under the sampler; what it was is in *profile. */
static outcome_t run_profiled(long (*call)(void), lpp_profile_t **profile)
{
    lpp_session_options_t options;
    apr_interval_time_t waited;
    lpp_session_t *session;
    outcome_t outcome;
    apr_status_t status;

    memset(&options, 0, sizeof(options));
    options.rate_hz = 1000;
    options.stacks = 1;
    options.max_waiting = 1;
    options.lock_timeout_us = 10000000;
    assert_int_equal(lpp_session_start(sampler, &options, NULL, &session,
                                       &waited, &status, pool),
                     LPP_START_RUNNING);
    outcome = run(call);
    lpp_session_stop(session, LPP_STOP_NOT);
    assert_int_equal(lpp_session_profile(session, profile, 5000000, pool),
                     APR_SUCCESS);
    lpp_session_close(session);
    return outcome;
}

static void compare(const char *name, long (*call)(void))
{
    outcome_t plain, profiled;
    lpp_profile_t *profile;
    apr_uint64_t slack;
    apr_int64_t longer;

    apr_pool_create(&pool, root);
    plain = run(call);
    profiled = run_profiled(call, &profile);
    longer = (apr_int64_t)(profiled.took_ns - plain.took_ns);
    print_message("%-28s %8.2f ms, profiled %8.2f (%+.2f %%), signals %llu, "
                  "put back %llu\n", name, plain.took_ns / 1e6,
                  profiled.took_ns / 1e6,
                  100.0 * (double)longer / (double)plain.took_ns,
                  (unsigned long long)profile->honesty.signals,
                  (unsigned long long)profile->honesty.repaired_calls);
    assert_int_equal(profiled.result, plain.result);
    assert_int_equal(profiled.error, plain.error);
    /* 2 %, and what a busy machine may add; the plain one may have met that
     * too. Nothing may end early. */
    slack = plain.took_ns / 50 + 30000000;
    assert_true(longer < (apr_int64_t)slack);
    assert_true(profiled.took_ns >= WAIT_NS - 1000000);
    assert_in_range(profile->honesty.signals, 1, 30);
    assert_true(profile->honesty.blocked_ns >= WAIT_NS * 3 / 4);
    assert_int_equal(lpp_signal_unrepaired(), 0);
    apr_pool_destroy(pool);
}

static void blocking_calls_do_not_notice(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < LPP_COUNT(calls); i++) {
        compare(calls[i].name, calls[i].call);
    }
}

/* The handler under fire: a signal every 2 ms into the same call, which the
 * helper never does: the sum of what was taken off must still be right. */
typedef struct barrage_t {
    lpp_signal_target_t *target;
    atomic_int stop;
    unsigned sent;
} barrage_t;

static void *fire(void *baton)
{
    static const struct timespec pause = { 0, 2000000 };
    barrage_t *barrage = baton;
    apr_uint64_t sequence, last = now_ns();

    while (!atomic_load(&barrage->stop)) {
        apr_uint64_t now;

        nanosleep(&pause, NULL);
        now = now_ns();
        /* The time since the signal before: that is what has passed. */
        if (lpp_signal_send(barrage->target, (apr_int64_t)(now - last),
                            &sequence) == APR_SUCCESS) {
            barrage->sent++;
        }
        last = now;
        while (lpp_ring_peek(barrage->target->ring) != NULL) {
            lpp_ring_release(barrage->target->ring);
        }
    }
    return NULL;
}

static void a_thousand_signals_break_no_call(void **state)
{
    static lpp_signal_target_t target;
    unsigned sent = 0, repaired = 0;
    barrage_t barrage;
    pthread_t thread;
    sigset_t old, all;
    int number;
    size_t i;

    (void)state;
    apr_pool_create(&pool, root);
    memset(&barrage, 0, sizeof(barrage));
    barrage.target = &target;
    assert_int_equal(lpp_ring_create(&target.ring, pool), APR_SUCCESS);
    target.stack_start = 0;
    target.stack_end = (apr_uint64_t)(apr_uintptr_t)__builtin_frame_address(0);
    assert_int_equal(lpp_signal_take(LPP_SIGNAL_AUTO, &number), APR_SUCCESS);
    for (i = 0; i < LPP_COUNT(calls); i++) {
        outcome_t plain, shot;

        if (calls[i].call == call_recv_with_timeout) {
            continue; /* a socket's timeout begins anew each time */
        }
        plain = run(calls[i].call);
        atomic_store(&barrage.stop, 0);
        barrage.sent = 0;
        atomic_store(&target.repaired, 0);
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        pthread_create(&thread, NULL, fire, &barrage);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        assert_int_equal(lpp_signal_arm(&target, &old), APR_SUCCESS);
        shot = run(calls[i].call);
        lpp_signal_disarm(&target, number, &old);
        atomic_store(&barrage.stop, 1);
        pthread_join(thread, NULL);
        sent += barrage.sent;
        repaired += atomic_load(&target.repaired);
        print_message("%-28s %8.2f ms, under fire %8.2f, signals %u, put back "
                      "%u\n", calls[i].name, plain.took_ns / 1e6,
                      shot.took_ns / 1e6, barrage.sent,
                      atomic_load(&target.repaired));
        assert_int_equal(shot.result, plain.result);
        assert_int_equal(shot.error, plain.error);
        assert_true(shot.took_ns >= WAIT_NS - 1000000);
        /* Of poll's milliseconds only whole ones are taken off. */
        assert_int_equal(lpp_signal_unrepaired(), 0);
        assert_true(shot.took_ns < plain.took_ns * 2 + 100000000);
    }
    assert_int_equal(lpp_signal_give_back(), APR_SUCCESS);
    print_message("%u signals, %u calls put back\n", sent, repaired);
    assert_true(sent > 1000);
    apr_pool_destroy(pool);
}

#if defined(__x86_64__)
/* A call whose number comes out of nothing that can be read. */
__attribute__((noinline)) static long odd_call(volatile long *number)
{
    long result;

    __asm__ volatile("movq (%[at]), %%rax\n\t"
                     ".rept 6\n\t"
                     "movabsq $0x1111111111111111, %%r8\n\t"
                     ".endr\n\t"
                     "syscall"
                     : "=&a"(result)
                     : [at] "d"(number), "D"(&wait_spec), "S"(NULL)
                     : "rcx", "r11", "r8", "memory", "cc");
    return result;
}

static long call_odd(void)
{
    volatile long number = SYS_nanosleep;

    return odd_call(&number);
}

/* The last test: what it learns stays in the process. */
static void after_one_broken_call_no_blocked_thread_is_hit(void **state)
{
    lpp_profile_t *profile;
    outcome_t outcome;
    int readable, i;

    (void)state;
    apr_pool_create(&pool, root);
    outcome = run_profiled(call_odd, &profile);
    assert_int_equal(outcome.result, -EINTR);
    assert_int_equal(lpp_signal_unrepaired(), 1);
    readable = access("/proc/thread-self/syscall", R_OK) == 0;
    for (i = 0; i < 3; i++) {
        outcome = run_profiled(call_odd, &profile);
        print_message("a call that cannot be put back: %.2f ms, signals %llu, "
                      "samples %llu\n", outcome.took_ns / 1e6,
                      (unsigned long long)profile->honesty.signals,
                      (unsigned long long)profile->honesty.samples);
        assert_int_equal(outcome.result, 0);
        assert_true(outcome.took_ns >= WAIT_NS);
        assert_int_equal(lpp_signal_unrepaired(), 1);
        if (readable) { /* root's own process: seen without a signal */
            assert_true(profile->honesty.samples >= 1);
            assert_int_equal(profile->honesty.broken, 0);
            assert_true(profile->honesty.blocked_ns >= WAIT_NS * 3 / 4);
        }
    }
    apr_pool_destroy(pool);
}
#endif

static int set_up_all(void)
{
    lpp_sampler_options_t options;
    apr_global_mutex_t *mutex;

    memset(&options, 0, sizeof(options));
    return apr_global_mutex_create(&mutex, NULL, APR_LOCK_PROC_PTHREAD, root)
               != APR_SUCCESS
           || lpp_gate_create(&options.gate, mutex, root) != APR_SUCCESS
           || lpp_gate_child_init(options.gate, root) != APR_SUCCESS
           || lpp_maps_create(&options.maps, root) != APR_SUCCESS
           || lpp_sampler_create(&sampler, &options, root) != APR_SUCCESS;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocking_calls_do_not_notice),
        cmocka_unit_test(a_thousand_signals_break_no_call),
#if defined(__x86_64__)
        cmocka_unit_test(after_one_broken_call_no_blocked_thread_is_hit),
#endif
    };
    int failed;

    apr_initialize();
    apr_pool_create(&root, NULL);
    if (set_up_all() != 0) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_pool_destroy(root);
    apr_terminate();
    return failed;
}
