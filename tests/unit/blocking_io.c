/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <apr_network_io.h>
#include <apr_poll.h>
#include <apr_portable.h>
#include <apr_support.h>

#include "blocking_calls.h"
#include "blocking_io.h"

/* -- waiting for descriptors, with a timeout */

long call_poll(void)
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

long call_ppoll(void)
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

long call_select(void)
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

long call_pselect(void)
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

long call_epoll_wait(void)
{
    return epoll_for(0);
}

long call_epoll_pwait(void)
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

long call_apr_wait_for_io_or_timeout(void)
{
    int fds[2];
    long got;

    make_pair(fds);
    got = apr_wait_for_io_or_timeout(NULL, apr_socket_for(fds[0]), 1);
    close_pair(fds);
    return got;
}

long call_apr_pollset_poll(void)
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

long call_read(void)
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

long call_recv(void)
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

long call_recv_with_timeout(void)
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

long call_accept(void)
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

long call_connect(void)
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

long call_write(void)
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

long call_long_write(void)
{
    return moved_by_socket(move_write);
}

long call_long_send(void)
{
    return moved_by_socket(move_send);
}

long call_long_writev(void)
{
    return moved_by_socket(move_writev);
}

long call_long_sendmsg(void)
{
    return moved_by_socket(move_sendmsg);
}

long call_long_sendfile(void)
{
    return moved_by_socket(move_sendfile);
}

long call_long_pipe(void)
{
    int fds[2];

    if (pipe(fds) != 0) {
        abort();
    }
    return moved(fds, move_write);
}

long call_recv_all(void)
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
