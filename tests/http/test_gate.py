# SPDX-License-Identifier: Apache-2.0
"""One profile at a time over all children, whoever dies, leaves or waits."""
import os
import re
import signal
import socket
import threading
import time

import pytest

from httpd_env import wait_for

ON = 'LPProfilingAllowed On\n'
SLOW = '/++profile++callgrind/lua/compute.lua?ms=%d'
HOLDER = r'\[pid (\d+):.*LPP062: profiling this request as (OOPS-\w+)'
MECHANISMS = ('default', 'pthread', 'sysvsem', 'fcntl', 'flock')


class Request(threading.Thread):
    """A GET on a thread of its own: got and took once it is joined."""

    def __init__(self, server, path):
        super().__init__(daemon=True)
        self.server, self.path = server, path
        self.got = self.took = self.failed = None
        self.start()

    def run(self):
        begin = time.monotonic()
        try:
            self.got = self.server.get(self.path, timeout=40)
        except Exception as error:  # the child may have been killed
            self.failed = error
        self.took = time.monotonic() - begin

    def wait(self):
        self.join(45)
        assert not self.is_alive(), 'no answer to ' + self.path
        return self


def holder(server, count=1):
    """(pid, OOPS id) of the latest profile, once count were begun."""
    def look():
        found = re.findall(HOLDER, '\n'.join(server.error_lines()))
        return found[-1] if len(found) >= count else None
    pid, oops_id = wait_for(look, 10, '%d profiles to begin' % count)
    return int(pid), oops_id


def waiting_are(server, count):
    """Wait until so many wait for their turn."""
    def look():
        text = server.get('/server-status?auto').text
        return re.search(r'^LPProfileWaiting: %d$' % count, text, re.M)
    wait_for(look, 10, '%d to wait' % count)


def check_profiled(server, request):
    request.wait()
    assert request.failed is None, request.failed
    assert request.got.status == 200
    assert request.got.lpprofile.startswith('profiled'), request.got.headers
    server.wait_files(request.got.oops_id)


@pytest.mark.all_mpms
def test_two_profiled_requests_run_one_after_the_other(httpd):
    server = httpd(ON, features=['lua'])
    begin = time.monotonic()
    both = [Request(server, SLOW % 1000)]
    holder(server)
    both.append(Request(server, SLOW % 200))
    for request in both:
        check_profiled(server, request)
    assert time.monotonic() - begin >= 1.2
    oopses = [server.wait_oops(request.got.oops_id).read_text()
              for request in both]
    waits = [text for text in oopses if 'gate' in text]
    assert waits, 'nobody waited in\n' + '\n'.join(oopses)


@pytest.mark.all_mpms
def test_a_request_that_is_not_profiled_never_waits(httpd):
    server = httpd(ON, features=['lua'])
    slow = Request(server, SLOW % 2500)
    holder(server)
    for _ in range(5):
        got = server.get('/index.html')
        assert got.status == 200 and got.lpprofile is None
    assert slow.is_alive()
    check_profiled(server, slow)


@pytest.mark.all_mpms
def test_after_the_lock_timeout_it_is_served_unprofiled(httpd):
    server = httpd(ON + 'LPProfileLockTimeout 300ms', features=['lua'])
    slow = Request(server, SLOW % 3500)
    holder(server)
    begin = time.monotonic()
    got = server.get('/++profile++callgrind/index.html')
    took = time.monotonic() - begin
    assert took >= 0.25 and slow.is_alive()
    assert got.status == 200
    assert '<h1>A static page</h1>' in got.text
    assert got.lpprofile.startswith('lock-timeout')
    assert got.oops_id is None
    server.expect_log('warn.*LPP060')
    check_profiled(server, slow)
    warnings = [line for line in server.error_lines() if 'LPP060' in line]
    assert len(warnings) == 1


@pytest.mark.parametrize('bound, said', [
    ('LPProfileLockTimeout 0', 'lock-timeout'),
    ('LPProfileMaxWaiting 0', 'busy')])
def test_where_nobody_waits_a_free_turn_is_taken(httpd, bound, said):
    """The helper takes a moment to say that it is free."""
    server = httpd(ON + bound, features=['lua'])
    for _ in range(20):
        got = server.get('/++profile++callgrind/index.html')
        assert got.lpprofile.startswith('profiled'), got.lpprofile
        server.wait_files(got.oops_id)  # its turn is over with its log phase
    slow = Request(server, SLOW % 2500)
    holder(server, 21)
    got = server.get('/++profile++callgrind/index.html')
    assert got.lpprofile.startswith(said)
    assert slow.is_alive()
    if said == 'lock-timeout':
        server.expect_log('warn.*LPP060')
    check_profiled(server, slow)


@pytest.mark.all_mpms
def test_more_than_may_wait_are_served_at_once_as_busy(httpd):
    server = httpd(ON + 'LPProfileMaxWaiting 1', features=['lua', 'status'])
    slow = Request(server, SLOW % 3000)
    holder(server)
    waiting = Request(server, '/++profile++callgrind/index.html')
    waiting_are(server, 1)
    got = server.get('/++profile++callgrind/index.html')
    assert waiting.is_alive() and slow.is_alive()
    assert got.status == 200
    assert got.lpprofile.startswith('busy')
    assert '<h1>A static page</h1>' in got.text
    check_profiled(server, slow)
    check_profiled(server, waiting)


@pytest.mark.all_mpms
def test_a_killed_holder_frees_the_gate_for_who_waits(httpd):
    server = httpd(ON, features=['lua'], fresh=True)
    slow = Request(server, SLOW % 20000)
    pid, _ = holder(server)
    # Under worker and event those in the holder's child go down with it.
    waiting = [Request(server, '/++profile++callgrind/index.html')
               for _ in range(4)]
    time.sleep(0.3)
    killed = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    for request in waiting:
        request.wait()
    assert time.monotonic() - killed < 8
    assert slow.wait().failed is not None
    after = Request(server, '/++profile++callgrind/index.html')
    check_profiled(server, after)
    assert after.took < 5


@pytest.mark.mpms('worker')
@pytest.mark.parametrize('mechanism', MECHANISMS)
def test_every_fit_mechanism(httpd, mechanism):
    server = httpd(ON + 'Mutex %s lpprofile' % mechanism, features=['lua'],
                   fresh=True)
    begin = time.monotonic()
    both = [Request(server, SLOW % 400) for _ in range(2)]
    for request in both:
        check_profiled(server, request)
    assert time.monotonic() - begin >= 0.8
    slow = Request(server, SLOW % 20000)
    pid, _ = holder(server, 3)
    os.kill(pid, signal.SIGKILL)
    slow.wait()
    after = Request(server, '/++profile++callgrind/index.html')
    check_profiled(server, after)
    assert after.took < 5
    server.restart('graceful')
    check_profiled(server, Request(server,
                                   '/++profile++callgrind/index.html'))


@pytest.mark.parametrize('mechanism', ['posixsem', 'sem'])
@pytest.mark.parametrize('which', ['lpprofile', 'default'])
def test_a_mechanism_that_stays_locked_is_refused(httpd, mechanism, which):
    line = 'Mutex %s %s' % (mechanism, which)
    code, said = httpd.configtest(ON + line)
    assert code != 0
    assert 'LPP031' in said and 'Mutex' in said
    assert 'LPP031' in httpd.fails(ON + line)
    assert httpd.configtest(line)[0] == 0  # nobody profiles, nobody cares


@pytest.mark.parametrize('mechanism', MECHANISMS)
def test_fit_mechanisms_pass_configtest(httpd, mechanism):
    assert httpd.configtest(ON + 'Mutex %s lpprofile' % mechanism)[0] == 0


@pytest.mark.all_mpms
def test_a_client_that_leaves_gives_up_its_turn(httpd):
    server = httpd(ON + 'LPProfileMaxWaiting 1', key='leave',
                   features=['lua', 'status'])
    slow = Request(server, SLOW % 3500)
    holder(server)
    with socket.create_connection(('127.0.0.1', server.port)) as gone:
        gone.sendall(b'GET /++profile++callgrind/index.html HTTP/1.1\r\n'
                     b'Host: localhost\r\n\r\n')
        waiting_are(server, 1)
        # It has the only place.
        got = server.get('/++profile++callgrind/index.html')
        assert got.lpprofile.startswith('busy')
    # Its place is free long before its turn would have come.
    waiting_are(server, 0)
    next_one = Request(server, '/++profile++callgrind/index.html')
    waiting_are(server, 1)
    assert next_one.is_alive() and slow.is_alive()
    check_profiled(server, slow)
    check_profiled(server, next_one)


@pytest.mark.all_mpms
@pytest.mark.log_allows(r'AH01471|AH01472|lua:(error|crit|warn)')
def test_a_failing_handler_frees_the_gate(httpd):
    server = httpd(ON, features=['lua'], key='fails')
    bad = server.site / 'lua' / 'bad.lua'
    bad.write_text('function handle(r) error("on purpose") end\n')
    bad.chmod(0o644)
    for _ in range(2):
        got = server.get('/++profile++callgrind/lua/bad.lua')
        assert got.status == 500 and got.lpprofile.startswith('profiled')
    begin = time.monotonic()
    got = server.get('/++profile++callgrind/index.html')
    assert got.lpprofile.startswith('profiled')
    assert time.monotonic() - begin < 3


@pytest.mark.all_mpms
def test_a_profile_that_lasts_too_long_frees_the_gate(httpd):
    server = httpd(ON + 'LPProfileMaxTime 300ms', features=['lua'])
    slow = Request(server, SLOW % 3500)
    holder(server)
    got = server.get('/++profile++callgrind/index.html')
    assert got.lpprofile.startswith('profiled')
    assert slow.is_alive()
    check_profiled(server, slow)
