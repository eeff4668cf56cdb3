/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_awaited: see lpp_awaited_internal.h. */
#include "sampling/lpp_awaited_internal.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lpp_clock.h"
#include "gate/lpp_ends.h"
#include "sampling/lpp_wait_name_internal.h"

#define LOOK_NS 1500000  /* from one look to the next: two ticks */
#define LATE_NS 5000000
#define SHARE 20         /* looks take 1/20 of the helper's time at most */
#define FDS_READ 4096

int lpp_awaited_is_due(lpp_awaited_t *awaited, lpp_gate_t *gate,
                       apr_int64_t now_ns)
{
    if (!awaited->wanted && lpp_gate_waits_asked(gate)) {
        awaited->wanted = 1;
        awaited->since_ns = now_ns;
    }
    if (!awaited->wanted || now_ns < awaited->next_ns) {
        return 0;
    }
    awaited->next_ns = now_ns + LOOK_NS;
    return 1;
}

int lpp_awaited_is_late(const lpp_awaited_t *awaited, apr_int64_t now_ns)
{
    return now_ns - awaited->since_ns > LATE_NS;
}

/* Whether the other side of a unix socket was opened by another process of this
 * server, such as mod_cgid's daemon. */
static int is_of_this_server(int fd)
{
    struct ucred peer = { 0, 0, 0 };
    socklen_t len = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0
           && peer.pid > 0 && peer.pid != getpid()
           && getpgid(peer.pid) == getpgrp();
}

static void add_connection(lpp_gate_waits_t *waits, int fd,
                           const lpp_ends_t *ends)
{
    if (waits->count < LPP_GATE_SOCKETS) {
        waits->sockets[waits->count++] = *ends;
    }
    waits->child |= ends->local.family == AF_UNIX && is_of_this_server(fd);
}

static void add_fd(lpp_gate_waits_t *waits, int fd)
{
    struct stat file;
    lpp_ends_t ends;

    if (lpp_ends_of(fd, LPP_ENDS_CONNECTED, &ends)) {
        add_connection(waits, fd, &ends);
    }
    else if (fstat(fd, &file) == 0 && S_ISFIFO(file.st_mode)) {
        waits->child = 1;
    }
}

static void add_call(lpp_gate_waits_t *waits, const lpp_wait_call_t *call)
{
    lpp_wait_fd_t members[LPP_WAIT_FDS_MAX];
    const lpp_wait_fd_t *fds = call->fds;
    unsigned count = call->fd_count, more, i;

    switch (call->kind) {
    case LPP_WAIT_CALL_CHILD:
        waits->child = 1;
        return;
    case LPP_WAIT_CALL_EPOLL:
        count = lpp_wait_epoll_members(call->fds[0].fd, members, &more);
        fds = members;
        break;
    case LPP_WAIT_CALL_FDS:
        break;
    default:
        return;
    }
    for (i = 0; i < count; i++) {
        add_fd(waits, fds[i].fd);
    }
}

/* Add all connections of this process to this host, and its child processes. */
static void add_all(lpp_gate_waits_t *waits)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    lpp_ends_t ends;
    siginfo_t info;
    int left = FDS_READ, fd;

    while (dir != NULL && left-- > 0 && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        fd = atoi(entry->d_name);
        if (lpp_ends_of(fd, LPP_ENDS_CONNECTED, &ends)
            && lpp_ends_is_near(&ends)) {
            add_connection(waits, fd, &ends);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    /* Fails if there are none; who started one still finds how it ended. */
    waits->child |=
        waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

void lpp_awaited_publish(lpp_awaited_t *awaited, lpp_gate_t *gate,
                         const lpp_wait_call_t *call)
{
    apr_int64_t began = lpp_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    lpp_gate_waits_t waits;

    memset(&waits, 0, sizeof(waits));
    if (call != NULL) {
        add_call(&waits, call);
    }
    if (waits.count == 0 && !waits.child) {
        add_all(&waits);
    }
    lpp_gate_set_waits(gate, &waits);
    awaited->wanted = 0;
    awaited->next_ns += (lpp_clock_ns(CLOCK_THREAD_CPUTIME_ID) - began) * SHARE;
}
