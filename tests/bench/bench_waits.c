/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_waits: what it costs the helper to name what a thread waits for, once
 * an episode.
 *
 *   bench_waits [ROUNDS]
 *
 * look: the thread's state, as at every episode; name NAME: parsing of the
 * call, its name, and the number of that name. Prints "name value unit" lines,
 * medians of the thread's CPU time; tests/bench/bench.py makes a table.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <unistd.h>

#include <apr_general.h>

#include "bench_util.h"
#include "sampling/lpp_waiting_internal.h"

#define MANY 16

static apr_pool_t *pool;
static lpp_maps_t *maps;
static lpp_pagecode_t *pages;
static lpp_waiting_t waiting;
static lpp_thread_t thread;
static int rounds = 1001;

static void set_call(lpp_snapshot_t *snapshot, long number, apr_uint64_t a,
                     apr_uint64_t b, apr_uint64_t c)
{
    memset(snapshot, 0, sizeof(*snapshot));
    snapshot->flags = LPP_SNAPSHOT_SYSCALL;
    snapshot->regs[0] = (apr_uint64_t)number; /* rax, rdi, rsi, rdx */
    snapshot->regs[5] = a;
    snapshot->regs[4] = b;
    snapshot->regs[1] = c;
}

static void measure(const char *what, long number, apr_uint64_t a,
                    apr_uint64_t b, apr_uint64_t c)
{
    lpp_wait_where_t where = { 0, 0, NULL, 0, maps, pages };
    double *us = calloc((size_t)rounds, sizeof(*us));
    lpp_snapshot_t snapshot;
    int i;

    where.tid = thread.tid;
    memset(&waiting.known, 0, sizeof(waiting.known));
    set_call(&snapshot, number, a, b, c);
    for (i = 0; i < rounds; i++) {
        apr_uint64_t before = now_ns(CLOCK_THREAD_CPUTIME_ID);

        lpp_waiting_look(&waiting, &thread, 0);
        lpp_waiting_name(&waiting, &snapshot, &where);
        us[i] = (double)(now_ns(CLOCK_THREAD_CPUTIME_ID) - before) / 1e3;
    }
    printf("%s.first %.4f us\n", what, us[0]);
    print(what, median(us, rounds), "us");
    fprintf(stderr, "%s: %s\n", what, waiting.name.text);
    free(us);
}

static int connected(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sizeof(address);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0
        || listen(listener, 4) != 0
        || getsockname(listener, (struct sockaddr *)&address, &len) != 0
        || connect(fd, (struct sockaddr *)&address, len) != 0) {
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv)
{
    struct pollfd items[MANY];
    struct epoll_event event = { EPOLLIN, { 0 } };
    int fd, epoll, files[2], i;
    pid_t child;

    rounds = argc > 1 ? atoi(argv[1]) : rounds;
    apr_initialize();
    apr_pool_create(&pool, NULL);
    need(lpp_maps_create(&maps, pool), "the object table");
    need(lpp_pagecode_create(&pages), "the table of names");
    thread.tid = (int)syscall(SYS_gettid);
    lpp_thread_open(&thread);
    fd = connected();
    epoll = epoll_create1(0);
    for (i = 0; i < MANY; i++) {
        items[i].fd = i == 0 ? fd : dup(fd);
        items[i].events = POLLIN;
        event.data.fd = items[i].fd;
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, items[i].fd, &event) != 0) {
            return 1;
        }
    }
    child = fork();
    if (child == 0 || pipe(files) != 0) {
        pause();
        _exit(0);
    }
    measure("wait_sleep", SYS_nanosleep, 0, 0, 0);
    measure("wait_tcp", SYS_read, (apr_uint64_t)fd, 0, 0);
    measure("wait_poll_1", SYS_poll, (apr_uint64_t)(apr_uintptr_t)items, 1, 100);
    measure("wait_poll_16", SYS_poll, (apr_uint64_t)(apr_uintptr_t)items, MANY,
            100);
    measure("wait_epoll_16", SYS_epoll_wait, (apr_uint64_t)epoll, 0, 0);
    measure("wait_pipe", SYS_read, (apr_uint64_t)files[0], 0, 0);
    measure("wait_child", SYS_wait4, (apr_uint64_t)child, 0, 0);
    measure("wait_futex", SYS_futex, (apr_uint64_t)(apr_uintptr_t)items, 128, 2);
    i = open(argv[0], O_RDONLY);
    measure("wait_file", SYS_read, (apr_uint64_t)i, 0, 0);
    measure("wait_flock", SYS_flock, (apr_uint64_t)i, LOCK_EX, 0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return 0;
}
