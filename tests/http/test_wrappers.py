# SPDX-License-Identifier: Apache-2.0
"""What stands in httpd's hook arrays, and when: a request that is not profiled
meets none of ours but the one that looks at its path."""
import threading
import time

import pytest

import apxs_env
from httpd_env import wait_for

pytestmark = pytest.mark.no_valgrind('too slow to serve enough requests')

ONE_CHILD = ('LPProfilingAllowed On\n%s<Location /lpp-arrays>\n'
             'SetHandler lpp-arrays\n</Location>\n'
             'StartServers 1\nServerLimit 1\nMinSpareThreads 1\n'
             'MaxSpareThreads 8\nThreadsPerChild 8\nMaxRequestWorkers 8\n')
PREFORK = ('LPProfilingAllowed On\n%s<Location /lpp-arrays>\n'
           'SetHandler lpp-arrays\n</Location>\n'
           'StartServers 1\nMinSpareServers 1\nMaxSpareServers 1\n'
           'ServerLimit 1\nMaxRequestWorkers 1\n')


@pytest.fixture
def arrays(httpd, mpm):
    def make(config='', **options):
        return httpd((PREFORK if mpm == 'prefork' else ONE_CHILD)
                     % (apxs_env.load('lpp_test_arrays') + config),
                     key='arrays' + config + str(options), **options)
    return make


def look(server, path='/lpp-arrays'):
    """(entries, hooks, order)"""
    got = server.get(path)
    assert got.status == 200
    return tuple(map(int, got.text.split()))


def gone(server):
    """A profiled request counts until its pool goes, right after the last byte
    was sent."""
    deadline = time.monotonic() + 5
    while look(server)[0]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.mpms('prefork', 'event')
def test_wrappers_are_there_for_a_profiled_request_alone(arrays):
    server = arrays()
    before = look(server)
    assert before[0] == 0 and before[1] > 20
    for _ in range(3):
        during = look(server, '/++profile++callgrind/lpp-arrays')
        assert during[0] > 15
        assert during[1:] == before[1:]
        gone(server)
        assert look(server) == before


@pytest.mark.mpms('prefork', 'event')
def test_doors_alone_are_there_where_hooks_are_off(arrays):
    server = arrays('LPProfileHooks Off\n')
    during = look(server, '/++profile++callgrind/lpp-arrays')
    assert 5 < during[0] <= 24
    gone(server)


@pytest.mark.mpms('worker', 'event')
def test_requests_beside_a_profiled_one_are_served_as_ever(arrays):
    server = arrays()
    before = look(server)
    long = threading.Thread(target=look, args=(
        server, '/++profile++callgrind/lpp-arrays?4000'))
    long.start()
    # until they are there, which come one by one; afterwards there is nothing
    # to be seen
    beside = wait_for(lambda: (lambda seen: seen[0] > 15 and seen)(
        look(server)), 10, 'its entries')
    assert long.is_alive()
    long.join()
    assert beside[1:] == before[1:]
    gone(server)


@pytest.mark.mpms('worker', 'event')
def test_arrays_change_under_running_requests(arrays):
    """As fast as profiled requests come and go beside others on all threads."""
    server = arrays(log_level='notice')
    end = time.monotonic() + 2
    latest = end + 20
    wrong, done = [], [0, 0]

    def enough():
        now = time.monotonic()
        return now > end and (done[0] > 40 and done[1] > 5 or now > latest)

    def ask(profiled):
        path = ('/++profile++collapsed' if profiled else '') + '/plain.txt'
        want = server.get('/plain.txt').body
        # not on a kept connection: event closes these when threads are few
        while not enough():
            got = server.get(path)
            done[profiled] += 1
            if got.status != 200 or got.body != want:
                wrong.append((path, got.status))

    threads = [threading.Thread(target=ask, args=(n == 0,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert done[0] > 40 and done[1] > 5
    gone(server)
