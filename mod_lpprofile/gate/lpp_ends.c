/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_ends: see lpp_ends.h. */
#include "gate/lpp_ends.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

_Static_assert(sizeof(lpp_ends_t) == 40, "lpp_ends_t has no padding");

/* Returns 0 if the family is another one; leaves the address of a unix socket
 * out. */
static int read_end(const struct sockaddr *from, lpp_end_t *end)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;

    memset(end, 0, sizeof(*end));
    end->family = (apr_uint16_t)from->sa_family;
    switch (from->sa_family) {
    case AF_UNIX:
        return 1;
    case AF_INET:
        end->port = ntohs(v4->sin_port);
        memcpy(end->address, &v4->sin_addr, sizeof(v4->sin_addr));
        return 1;
    case AF_INET6:
        end->port = ntohs(v6->sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
            end->family = AF_INET;
            memcpy(end->address, v6->sin6_addr.s6_addr + 12, 4);
        }
        else {
            memcpy(end->address, &v6->sin6_addr, sizeof(v6->sin6_addr));
        }
        return 1;
    default:
        return 0;
    }
}

int lpp_ends_of(int fd, lpp_ends_side_e side, lpp_ends_t *ends)
{
    struct sockaddr_storage local, remote;
    socklen_t local_len = sizeof(local), remote_len = sizeof(remote);
    struct ucred peer = { 0, 0, 0 };
    socklen_t peer_len = sizeof(peer);
    pid_t pid = getpid();

    if (getpeername(fd, (struct sockaddr *)&remote, &remote_len) != 0
        || getsockname(fd, (struct sockaddr *)&local, &local_len) != 0
        || !read_end((struct sockaddr *)&local, &ends->local)
        || !read_end((struct sockaddr *)&remote, &ends->remote)) {
        memset(ends, 0, sizeof(*ends));
        return 0;
    }
    if (ends->local.family == AF_UNIX) {
        (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_len);
        memcpy(side == LPP_ENDS_CONNECTED ? ends->local.address
                                          : ends->remote.address,
               side == LPP_ENDS_CONNECTED ? &pid : &peer.pid, sizeof(pid));
    }
    return 1;
}

int lpp_ends_meet(const lpp_ends_t *one, const lpp_ends_t *other)
{
    return one->local.family != 0
           && memcmp(&one->local, &other->remote, sizeof(one->local)) == 0
           && memcmp(&one->remote, &other->local, sizeof(one->remote)) == 0;
}

static int same_address(const lpp_end_t *one, const lpp_end_t *other)
{
    return one->family == other->family
           && memcmp(one->address, other->address, sizeof(one->address)) == 0;
}

int lpp_ends_is_near(const lpp_ends_t *ends)
{
    static const struct in6_addr v6_loopback = IN6ADDR_LOOPBACK_INIT;
    const lpp_end_t *remote = &ends->remote;

    switch (remote->family) {
    case AF_UNIX:
        return 1;
    case AF_INET:
        return remote->address[0] == 127
               || same_address(&ends->local, remote);
    case AF_INET6:
        return memcmp(remote->address, &v6_loopback, sizeof(v6_loopback)) == 0
               || same_address(&ends->local, remote);
    default:
        return 0;
    }
}

int lpp_ends_is_here(const lpp_ends_t *ends)
{
    struct ifaddrs *all, *one;
    lpp_end_t end;
    int found = lpp_ends_is_near(ends);

    if (found || ends->remote.family == 0 || getifaddrs(&all) != 0) {
        return found;
    }
    for (one = all; one != NULL && !found; one = one->ifa_next) {
        found = one->ifa_addr != NULL && read_end(one->ifa_addr, &end)
                && same_address(&end, &ends->remote);
    }
    freeifaddrs(all);
    return found;
}
