/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_wait_fd: what a descriptor of this process is, for lpp_wait_name: the
 * peer of a socket, the path of a file, the process at the other end of a pipe.
 */
#include "sampling/lpp_wait_name_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <apr_strings.h>

#include "base/lpp_ascii.h"
#include "names/lpp_services.h"

#define CHILDREN_MAX 4 /* children whose descriptors are looked at */
#define CHILD_FDS 3    /* of each: standard input, output, error */
#define HEX_SECRET 16  /* that many hex digits may be a secret ... */
#define MIXED_SECRET 24 /* ... and that many letters and digits */

typedef union address_t {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
    struct sockaddr_storage storage;
} address_t;

#define PIPE_KEY (APR_UINT64_C(1) << 63) /* added to the inode of a pipe */

#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif

/* -- what is known */

/* Add the name that is known under key; 0: none. */
static int add_known(lpp_wait_name_t *name, const lpp_wait_thread_t *thread,
                     apr_uint64_t key)
{
    unsigned i;

    for (i = 0; thread->known != NULL && key != 0 && i < LPP_WAIT_KNOWN;
         i++) {
        if (thread->known->entry[i].key == key) {
            lpp_wait_name_add(name, "%s", thread->known->entry[i].text);
            apr_cpystrn(name->note, thread->known->entry[i].note,
                        sizeof(name->note));
            return 1;
        }
    }
    return 0;
}

/* Remember under key what was added to name from there on. */
static void remember(const lpp_wait_name_t *name, apr_size_t from,
                     const lpp_wait_thread_t *thread, apr_uint64_t key)
{
    lpp_wait_known_t *known = thread->known;

    if (known != NULL && key != 0
        && name->len - from < sizeof(known->entry[0].text)) {
        unsigned at = known->next++ % LPP_WAIT_KNOWN;

        known->entry[at].key = key;
        strcpy(known->entry[at].text, name->text + from);
        apr_cpystrn(known->entry[at].note, name->note,
                    sizeof(known->entry[at].note));
    }
}

/* -- paths */

/* How many bytes at text are one secret; 0: none. */
static apr_size_t secret_at(const char *text, apr_size_t len)
{
    apr_size_t i, hex = 0, digits = 0;

    for (i = 0; i < len && (lpp_hex_value(text[i]) >= 0 || text[i] == '-');
         i++) {
        hex += text[i] != '-';
    }
    if (hex >= HEX_SECRET
        && (i == len || !lpp_is_alnum(text[i]))) {
        return i;
    }
    for (i = 0; i < len && lpp_is_alnum(text[i]); i++) {
        digits += lpp_is_digit(text[i]) != 0;
    }
    return i >= MIXED_SECRET && digits > 0 && digits < i ? i : 0;
}

void lpp_wait_path_add(lpp_wait_name_t *name, const char *path,
                       apr_size_t len)
{
    static const char session[] = "/sess_"; /* PHP's files of sessions */
    char shown[LPP_WAIT_TEXT_BYTES];
    apr_size_t at = 0, to = 0, skip;
    int begins = 1;

    while (at < len && to + sizeof(session) < sizeof(shown)) {
        skip = begins ? secret_at(path + at, len - at) : 0;
        if (len - at >= sizeof(session) - 1
            && memcmp(path + at, session, sizeof(session) - 1) == 0) {
            memcpy(shown + to, session, sizeof(session) - 1);
            to += sizeof(session) - 1;
            at += sizeof(session) - 1;
            for (skip = 0; at + skip < len && path[at + skip] != '/'; skip++) {
            }
        }
        if (skip > 0) {
            shown[to++] = '*';
            at += skip;
            continue;
        }
        if (at < len) {
            begins = !lpp_is_alnum(path[at]);
            shown[to++] = path[at++] != '\0' ? path[at - 1] : '@';
        }
    }
    shown[to] = '\0';
    lpp_wait_name_add(name, "%s%s", shown, at < len ? "..." : "");
}

/* -- pipes */

/* Whether a descriptor of process pid is target, "pipe:[4711]". */
static int has_end(int pid, const char *target)
{
    char path[48], text[64];
    int fd;

    for (fd = 0; fd < CHILD_FDS; fd++) {
        ssize_t len;

        apr_snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
        len = readlink(path, text, sizeof(text) - 1);
        if (len > 0) {
            text[len] = '\0';
            if (strcmp(text, target) == 0) {
                return 1;
            }
        }
    }
    return 0;
}

/* The child of thread tid that has the other end of the pipe target; the only
 * child, if that cannot be seen. 0: not known. */
static int child_at(int tid, const char *target)
{
    char path[48], text[128], *at = text;
    int pids[CHILDREN_MAX], count = 0, i;

    apr_snprintf(path, sizeof(path), "/proc/self/task/%d/children", tid);
    lpp_wait_read(path, text, sizeof(text));
    while (count < CHILDREN_MAX && *at != '\0') {
        pids[count] = (int)strtol(at, &at, 10);
        if (pids[count] <= 0) {
            break;
        }
        count++;
        at += strspn(at, " ");
    }
    for (i = 0; i < count; i++) {
        if (has_end(pids[i], target)) {
            return pids[i];
        }
    }
    return count == 1 ? pids[0] : 0;
}

static void add_pipe(lpp_wait_name_t *name, const char *target,
                     const lpp_wait_thread_t *thread)
{
    apr_uint64_t key = PIPE_KEY | strtoull(target + strlen("pipe:["), NULL,
                                           10);
    apr_size_t from = name->len;
    int pid;

    if (add_known(name, thread, key)) {
        return;
    }
    pid = thread->tid != 0 ? child_at(thread->tid, target) : 0;
    lpp_wait_name_add(name, pid != 0 ? "pipe with " : "pipe");
    if (pid != 0) {
        lpp_wait_process_add(name, pid);
        remember(name, from, thread, key);
    }
}

/* -- sockets */

static int option_of(int fd, int option)
{
    int value = 0;
    socklen_t len = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 ? value : 0;
}

/* Host and port of an address of the Internet; v4-mapped ones as v4. */
static unsigned host_of(const address_t *address, char *host,
                        const char **format)
{
    const struct in6_addr *in6 = &address->in6.sin6_addr;

    *format = "%s:%u";
    if (address->any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &address->in.sin_addr, host, INET6_ADDRSTRLEN);
        return ntohs(address->in.sin_port);
    }
    if (IN6_IS_ADDR_V4MAPPED(in6)) {
        inet_ntop(AF_INET, (const char *)in6 + 12, host, INET6_ADDRSTRLEN);
    }
    else {
        inet_ntop(AF_INET6, in6, host, INET6_ADDRSTRLEN);
        *format = "[%s]:%u";
    }
    return ntohs(address->in6.sin6_port);
}

static void add_internet(lpp_wait_name_t *name, int fd,
                         const address_t *address, int connected,
                         const lpp_wait_thread_t *thread)
{
    char host[INET6_ADDRSTRLEN] = "";
    const char *format;
    int udp = option_of(fd, SO_TYPE) == SOCK_DGRAM;
    unsigned port = host_of(address, host, &format);

    if (connected && thread->for_client) {
        lpp_wait_name_add(name, "client %s", host);
        return;
    }
    if (!connected) {
        lpp_wait_name_add(name, udp ? "any sender to " : "connection to ");
    }
    lpp_wait_name_add(name, udp ? "udp " : "tcp ");
    lpp_wait_name_add(name, format, host, port);
    if (connected) {
        apr_cpystrn(name->note, lpp_services_name(port, udp),
                    sizeof(name->note));
    }
}

static void add_unix(lpp_wait_name_t *name, int fd, const address_t *address,
                     socklen_t len, int connected,
                     const lpp_wait_thread_t *thread)
{
    apr_size_t path = len > offsetof(struct sockaddr_un, sun_path)
        ? len - offsetof(struct sockaddr_un, sun_path) : 0;
    struct ucred peer = { 0, 0, 0 };
    socklen_t size = sizeof(peer);

    if (connected && thread->for_client) {
        lpp_wait_name_add(name, "client");
        return;
    }
    lpp_wait_name_add(name, connected ? "unix " : "connection to unix ");
    if (path > 0 && address->un.sun_path[0] != '\0') {
        path = strnlen(address->un.sun_path, path);
    }
    if (path > 0) {
        lpp_wait_path_add(name, address->un.sun_path, path);
    }
    else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0
             && peer.pid > 0 && peer.pid != getpid()) {
        lpp_wait_process_add(name, peer.pid);
    }
    else {
        lpp_wait_name_add(name, "socket of this process");
    }
}

static void add_address(lpp_wait_name_t *name, int fd,
                        const address_t *address, socklen_t len,
                        int connected, const lpp_wait_thread_t *thread)
{
    switch (address->any.sa_family) {
    case AF_INET: case AF_INET6:
        add_internet(name, fd, address, connected, thread);
        break;
    case AF_UNIX:
        add_unix(name, fd, address, len, connected, thread);
        break;
    case AF_NETLINK:
        lpp_wait_name_add(name, "netlink socket");
        break;
    default:
        lpp_wait_name_add(name, "socket of family %d",
                          address->any.sa_family);
        break;
    }
}

/* The address of a connection that is not made yet, which getpeername does not
 * tell. 0: there is none. */
static int connecting_to(int fd, address_t *address, socklen_t *len)
{
    /* The length that is asked for may not be larger than the address. */
    *len = sizeof(address->in6);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERNAME, address, len) == 0) {
        return 1;
    }
    *len = sizeof(address->in);
    return getsockopt(fd, SOL_SOCKET, SO_PEERNAME, address, len) == 0
           && address->any.sa_family == AF_INET;
}

/* 0: the descriptor is no socket. */
static int add_socket(lpp_wait_name_t *name, int fd, int accepts,
                      const lpp_wait_thread_t *thread)
{
    apr_uint64_t key = 0;
    socklen_t key_len = sizeof(key), len;
    apr_size_t from = name->len;
    address_t address;
    int connected;

    if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &key, &key_len) != 0) {
        if (errno == ENOTSOCK || errno == EBADF) {
            return 0;
        }
        key = 0; /* an older kernel */
    }
    if (thread->for_client || accepts) {
        key = 0;
    }
    if (add_known(name, thread, key)) {
        return 1;
    }
    memset(&address, 0, sizeof(address));
    len = sizeof(address);
    connected = !accepts && getpeername(fd, &address.any, &len) == 0;
    if (!connected && !accepts) {
        connected = connecting_to(fd, &address, &len);
    }
    if (!connected) {
        len = sizeof(address);
        if (getsockname(fd, &address.any, &len) != 0) {
            return 0;
        }
    }
    add_address(name, fd, &address, len, connected, thread);
    if (connected) { /* else it may be bound or connected later */
        remember(name, from, thread, key);
    }
    return 1;
}

void lpp_wait_connect_add(lpp_wait_name_t *name, const lpp_wait_call_t *call,
                          const lpp_wait_thread_t *thread)
{
    address_t address;
    socklen_t len;

    memset(&address, 0, sizeof(address));
    len = (socklen_t)lpp_wait_memory(&address, call->address,
                                     call->address_len < sizeof(address)
                                     ? call->address_len : sizeof(address));
    if (len > sizeof(address.any.sa_family)) {
        add_address(name, call->fds[0].fd, &address, len, 1, thread);
    }
    else {
        lpp_wait_fd_add(name, call->fds[0].fd, 0, thread);
    }
}

/* -- all others */

/* A pidfd: its process is a line of its fdinfo. */
static void add_process_fd(lpp_wait_name_t *name, int fd)
{
    char path[48], text[512];
    const char *line;

    apr_snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    lpp_wait_read(path, text, sizeof(text));
    line = strstr(text, "\nPid:");
    if (line != NULL && atoi(line + 5) > 0) {
        lpp_wait_name_add(name, "child ");
        lpp_wait_process_add(name, atoi(line + 5));
    }
    else {
        lpp_wait_name_add(name, "process");
    }
}

/* "anon_inode:[eventfd]" and others. */
static void add_anonymous(lpp_wait_name_t *name, int fd, char *what)
{
    what += *what == '[';
    what[strcspn(what, "]")] = '\0';
    if (strcmp(what, "pidfd") == 0) {
        add_process_fd(name, fd);
    }
    else {
        lpp_wait_name_add(name, "%s", what);
    }
}

void lpp_wait_fd_add(lpp_wait_name_t *name, int fd, int accepts,
                     const lpp_wait_thread_t *thread)
{
    static const char anonymous[] = "anon_inode:";
    char path[48], target[512];
    ssize_t len;

    if (add_socket(name, fd, accepts, thread)) {
        return;
    }
    apr_snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    len = readlink(path, target, sizeof(target) - 1);
    if (len <= 0) {
        lpp_wait_name_add(name, "descriptor %d", fd);
        return;
    }
    target[len] = '\0';
    if (strncmp(target, "pipe:", 5) == 0) {
        add_pipe(name, target, thread);
    }
    else if (strncmp(target, anonymous, sizeof(anonymous) - 1) == 0) {
        add_anonymous(name, fd, target + sizeof(anonymous) - 1);
    }
    else if (strncmp(target, "pidfd:", 6) == 0) { /* Linux 6.9 and later */
        add_process_fd(name, fd);
    }
    else {
        lpp_wait_name_add(name, "file ");
        lpp_wait_path_add(name, target, (apr_size_t)len);
    }
}
