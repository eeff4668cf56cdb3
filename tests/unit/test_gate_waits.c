/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_gate_waits: the two ends of a connection are the same from both sides,
 * whatever its family; and what the owner of the gate waits for is compared with
 * them, as long as it is the owner's.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "gate/lpp_gate_internal.h"
#include "gate_world.h"

typedef struct pair_t {
    int connected, accepted;
    lpp_ends_t near, far; /* as the client and as the server see it */
} pair_t;

/* Connect a socket of family to a server at address, whose port is a free one.
 * Where address is an IPv4 one mapped into IPv6, so is that of the client. */
static int connect_to(int family, struct sockaddr_storage *address,
                      socklen_t len, pair_t *pair)
{
    int listener = socket(family, SOCK_STREAM, 0);
    int off = 0;

    if (family == AF_INET6) {
        (void)setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off,
                         sizeof(off));
    }
    if (listener < 0 || bind(listener, (struct sockaddr *)address, len) != 0) {
        close(listener);
        return 0;
    }
    assert_int_equal(listen(listener, 1), 0);
    len = sizeof(*address);
    assert_int_equal(getsockname(listener, (struct sockaddr *)address, &len),
                     0);
    pair->connected = socket(family, SOCK_STREAM, 0);
    assert_int_equal(connect(pair->connected, (struct sockaddr *)address, len),
                     0);
    pair->accepted = accept(listener, NULL, NULL);
    assert_true(pair->accepted >= 0);
    close(listener);
    assert_int_equal(lpp_ends_of(pair->connected, LPP_ENDS_CONNECTED,
                                 &pair->near), 1);
    assert_int_equal(lpp_ends_of(pair->accepted, LPP_ENDS_ACCEPTED,
                                 &pair->far), 1);
    return 1;
}

static int connect_v4(pair_t *pair)
{
    struct sockaddr_storage address;
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;

    memset(&address, 0, sizeof(address));
    v4->sin_family = AF_INET;
    v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect_to(AF_INET, &address, sizeof(*v4), pair);
}

/* address: to listen at and to connect to. */
static int connect_v6(const char *text, pair_t *pair)
{
    struct sockaddr_storage address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;

    memset(&address, 0, sizeof(address));
    v6->sin6_family = AF_INET6;
    assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
    return connect_to(AF_INET6, &address, sizeof(*v6), pair);
}

static int connect_unix(pair_t *pair)
{
    struct sockaddr_storage address;
    struct sockaddr_un *path = (struct sockaddr_un *)&address;

    memset(&address, 0, sizeof(address));
    path->sun_family = AF_UNIX; /* without a name in the file system */
    return connect_to(AF_UNIX, &address, sizeof(sa_family_t), pair);
}

static void disconnect(pair_t *pair)
{
    close(pair->connected);
    close(pair->accepted);
}

static void check_pair(pair_t *pair, int family)
{
    pair_t other;

    assert_int_equal(pair->near.local.family, family);
    assert_int_equal(lpp_ends_meet(&pair->near, &pair->far), 1);
    assert_int_equal(lpp_ends_meet(&pair->far, &pair->near), 1);
    assert_int_equal(lpp_ends_meet(&pair->near, &pair->near), 0);
    assert_int_equal(lpp_ends_is_near(&pair->far), 1);
    assert_int_equal(lpp_ends_is_here(&pair->far), 1);
    assert_int_equal(connect_v4(&other), 1);
    assert_int_equal(lpp_ends_meet(&other.near, &pair->far), 0);
    disconnect(&other);
    disconnect(pair);
}

static void both_sides_see_the_same_ends(void **state)
{
    pair_t pair;

    (void)state;
    assert_int_equal(connect_v4(&pair), 1);
    check_pair(&pair, AF_INET);
    assert_int_equal(connect_unix(&pair), 1);
    check_pair(&pair, AF_UNIX);
    if (connect_v6("::1", &pair)) { /* containers may have no IPv6 */
        check_pair(&pair, AF_INET6);
    }
    if (connect_v6("::ffff:127.0.0.1", &pair)) {
        check_pair(&pair, AF_INET);
    }
}

static void another_process_at_a_unix_socket_is_another_end(void **state)
{
    lpp_ends_t near;
    pair_t pair;

    (void)state;
    assert_int_equal(connect_unix(&pair), 1);
    near = pair.near;
    near.local.address[0] ^= 1;
    assert_int_equal(lpp_ends_meet(&near, &pair.far), 0);
    disconnect(&pair);
}

static void what_is_no_connection_has_no_ends(void **state)
{
    static const lpp_ends_t none;
    lpp_ends_t ends;
    int fd[4] = { -1, open("/dev/null", O_RDONLY),
                  socket(AF_INET, SOCK_STREAM, 0),
                  socket(AF_UNIX, SOCK_STREAM, 0) };
    unsigned i;

    (void)state;
    for (i = 0; i < LPP_COUNT(fd); i++) {
        memset(&ends, 'x', sizeof(ends));
        assert_int_equal(lpp_ends_of(fd[i], LPP_ENDS_CONNECTED, &ends), 0);
        assert_memory_equal(&ends, &none, sizeof(ends));
        assert_int_equal(lpp_ends_meet(&ends, &none), 0);
        assert_int_equal(lpp_ends_is_here(&ends), 0);
        close(fd[i]);
    }
}

static void a_far_address_is_not_of_this_host(void **state)
{
    lpp_ends_t ends;

    (void)state;
    memset(&ends, 0, sizeof(ends));
    ends.local.family = ends.remote.family = AF_INET;
    /* No interface has addresses for groups. */
    memcpy(ends.local.address, "\xe9\xfc\x00\x01", 4);
    memcpy(ends.remote.address, "\xe9\xfc\x00\x02", 4);
    assert_int_equal(lpp_ends_is_near(&ends), 0);
    assert_int_equal(lpp_ends_is_here(&ends), 0);
    ends.remote = ends.local; /* to a second address of the same host */
    assert_int_equal(lpp_ends_is_near(&ends), 1);
    memcpy(ends.remote.address, "\x7f\x00\x00\x05", 4);
    assert_int_equal(lpp_ends_is_near(&ends), 1);
}

static void own(lpp_gate_t *gate)
{
    lpp_owner_t owner = owner_named("http://example.org/a");

    owner.pid = 0;
    lpp_gate_set_owner(gate, &owner);
}

static void the_owners_connection_is_known(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    lpp_gate_waits_t waits;
    pair_t pair;

    assert_int_equal(connect_v4(&pair), 1);
    memset(&waits, 0, sizeof(waits));
    waits.count = LPP_GATE_SOCKETS;
    waits.sockets[LPP_GATE_SOCKETS - 1] = pair.near;
    lpp_gate_set_waits(gate, &waits); /* not the owner */
    assert_int_equal(lpp_gate_awaits(gate, &pair.far), LPP_GATE_AWAITS_NOT);
    assert_int_equal(lpp_gate_try(gate, 1000), APR_SUCCESS);
    own(gate);
    assert_int_equal(lpp_gate_waits_asked(gate), 0);
    lpp_gate_ask_waits(gate);
    lpp_gate_ask_waits(gate);
    assert_int_equal(lpp_gate_waits_asked(gate), 1);
    assert_int_equal(lpp_gate_waits_asked(gate), 0);
    lpp_gate_set_waits(gate, &waits);
    assert_int_equal(lpp_gate_awaits(gate, &pair.far), LPP_GATE_AWAITS);
    assert_int_equal(lpp_gate_awaits(gate, &pair.near), LPP_GATE_AWAITS_NOT);
    waits.count--;
    lpp_gate_set_waits(gate, &waits);
    assert_int_equal(lpp_gate_awaits(gate, &pair.far), LPP_GATE_AWAITS_NOT);
    waits.child = 1;
    lpp_gate_set_waits(gate, &waits);
    assert_int_equal(lpp_gate_awaits(gate, &pair.far), LPP_GATE_AWAITS_MAYBE);
    /* The next owner, of the same process, waits for nothing yet. */
    assert_int_equal(lpp_gate_release(gate), APR_SUCCESS);
    assert_int_equal(lpp_gate_awaits(gate, &pair.far), LPP_GATE_AWAITS_NOT);
    assert_int_equal(lpp_gate_try(gate, 1000), APR_SUCCESS);
    own(gate);
    assert_int_equal(lpp_gate_awaits(gate, &pair.far), LPP_GATE_AWAITS_NOT);
    assert_int_equal(lpp_gate_release(gate), APR_SUCCESS);
    disconnect(&pair);
}

static void a_killed_owner_leaves_nothing_to_its_successor(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    lpp_gate_waits_t waits;
    pair_t pair;
    pid_t pid;

    assert_int_equal(connect_v4(&pair), 1);
    memset(&waits, 0, sizeof(waits));
    waits.count = waits.child = 1;
    waits.sockets[0] = pair.near;
    pid = fork_child(gate);
    if (pid == 0) {
        if (lpp_gate_try(gate, 1000) == APR_SUCCESS) {
            own(gate);
            lpp_gate_set_waits(gate, &waits);
        }
        kill(getpid(), SIGKILL);
    }
    assert_true(WIFSIGNALED(wait_exit(pid)));
    assert_int_equal(lpp_gate_awaits(gate, &pair.far), LPP_GATE_AWAITS);
    assert_int_equal(try_for(gate, 10000, NULL), APR_SUCCESS);
    assert_int_equal(lpp_gate_awaits(gate, &pair.far), LPP_GATE_AWAITS_NOT);
    own(gate);
    assert_int_equal(lpp_gate_awaits(gate, &pair.far), LPP_GATE_AWAITS_NOT);
    assert_int_equal(lpp_gate_release(gate), APR_SUCCESS);
    disconnect(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_sides_see_the_same_ends),
        TEST(another_process_at_a_unix_socket_is_another_end),
        TEST(what_is_no_connection_has_no_ends),
        TEST(a_far_address_is_not_of_this_host),
        TEST(the_owners_connection_is_known),
        TEST(a_killed_owner_leaves_nothing_to_its_successor),
    };
    int failed;

    if (open_gate_world() != 0) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    close_gate_world();
    return failed;
}
