# SPDX-License-Identifier: Apache-2.0
"""One profile at a time over all children, whoever dies, leaves or waits."""
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from httpd_env import wait_for

pytestmark = pytest.mark.long

ON = 'LPProfilingAllowed On\n'
SLOW = '/++profile++callgrind/lua/linger.lua?ms=%d'
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


def owner(server, count=1):
    """(pid, OOPS id) of the latest profile, once count were begun."""
    def look():
        found = re.findall(HOLDER, '\n'.join(server.error_lines()))
        return found[-1] if len(found) >= count else None
    pid, oops_id = wait_for(look, 10, '%d profiles to begin' % count)
    return int(pid), oops_id


def status_number(server, name):
    text = server.get('/server-status?auto').text
    return int(re.search(r'^%s: (\d+)$' % name, text, re.M)[1])


def waiting_are(server, count):
    """Wait until so many wait for their turn."""
    wait_for(lambda: status_number(server, 'LPProfileWaiting') == count, 10,
             '%d to wait' % count)


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
    owner(server)
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
    owner(server)
    for _ in range(5):
        got = server.get('/index.html')
        assert got.status == 200 and got.lpprofile is None
    assert slow.is_alive()
    check_profiled(server, slow)


@pytest.mark.all_mpms
def test_after_the_lock_timeout_it_is_served_unprofiled(httpd):
    server = httpd(ON + 'LPProfileLockTimeout 300ms', features=['lua'])
    slow = Request(server, SLOW % 3500)
    owner(server)
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
    owner(server, 21)
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
    owner(server)
    waiting = Request(server, '/++profile++callgrind/index.html')
    waiting_are(server, 1)
    got = server.get('/++profile++callgrind/index.html')
    assert waiting.is_alive() and slow.is_alive()
    assert got.status == 200
    assert got.lpprofile.startswith('busy')
    assert '<h1>A static page</h1>' in got.text
    check_profiled(server, slow)
    check_profiled(server, waiting)


@pytest.mark.no_valgrind('children die on purpose')
@pytest.mark.all_mpms
def test_a_killed_holder_frees_the_gate_for_who_waits(httpd):
    server = httpd(ON, features=['lua'], fresh=True)
    slow = Request(server, SLOW % 20000)
    pid, _ = owner(server)
    # Under worker and event those in the owner's child go down with it.
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
    pid, _ = owner(server, 3)
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
    owner(server)
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
    owner(server)
    got = server.get('/++profile++callgrind/index.html')
    assert got.lpprofile.startswith('profiled')
    assert slow.is_alive()
    check_profiled(server, slow)


LATE = '''\
function handle(r)
    local path = r.args:match("until=([^&]+)")
    local stop = r:clock() + 60000000
    repeat
        local file = io.open(path)
        if file then file:close() end
    until file or r:clock() >= stop
    r.content_type = "text/html"
    r:puts("<html><body><p>late</p></body></html>\\n")
    return apache2.OK
end
'''


def test_who_outlives_its_profile_leaves_the_next_ones_record_alone(httpd):
    """Seen: mod_status showed the page of one with the id of the other."""
    server = httpd(ON + 'LPProfileMaxTime 4s\nStartServers 1\nServerLimit 1\n'
                   'MaxRequestWorkers 8\n', features=['lua', 'status'],
                   fresh=True)
    late = server.site / 'lua' / 'late.lua'
    late.write_text(LATE)
    late.chmod(0o644)
    ends = [server.root / 'run' / name for name in ('first', 'second')]
    first = Request(server, '/++profile++callgrind/lua/late.lua?until=%s'
                    % ends[0])
    _, first_id = owner(server)
    second = Request(server, '/++profile++callgrind/lua/hold.lua?until=%s'
                     % ends[1])
    _, second_id = owner(server, 2)
    ends[0].touch()
    check_profiled(server, first)  # its page id is known for sure by now
    text = server.get('/server-status?auto').text
    assert 'LPProfileRunningId: %s\n' % second_id in text, text
    assert re.search(r'^LPProfileRunningPage: .*hold\.lua$', text, re.M), text
    ends[1].touch()
    check_profiled(server, second)
    assert [r.got.oops_id for r in (first, second)] == [first_id, second_id]


class Trickler(threading.Thread):
    """A client that sends, or reads, slowly until it is stopped."""

    def __init__(self, server, head, sends, bytes_a_time, pause):
        super().__init__(daemon=True)
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.settimeout(30)
        self.sock.connect(('127.0.0.1', server.port))
        self.sock.sendall(head.encode())
        self.sends, self.bytes, self.pause = sends, bytes_a_time, pause
        self.stopped = threading.Event()
        self.start()

    def run(self):
        try:
            while not self.stopped.wait(self.pause):
                if self.sends:
                    self.sock.sendall(b'a' * self.bytes)
                elif not self.sock.recv(self.bytes):
                    break
        except OSError:
            pass

    def stop(self):
        self.stopped.set()
        self.join(35)
        self.sock.close()


BIG = '''\
function handle(r)
    local line = string.rep("x", 8191) .. "\\n"
    r.content_type = "text/plain"
    for i = 1, 4000 do
        r:puts(line)
        r:flush()
    end
    return apache2.OK
end
'''


# No CGI: a request that is told to stop while it connects to mod_cgid's daemon,
# which ends, tries for longer than httpd waits.


def tricklers(server, way, count):
    if way == 'sends':
        head = ('POST /++profile++callgrind/lua/slurp.lua HTTP/1.1\r\n'
                'Host: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n')
        return [Trickler(server, head, True, 60, 0.1) for _ in range(count)]
    script = server.site / 'lua' / 'big.lua'
    script.write_text(BIG)
    script.chmod(0o644)
    head = 'GET /++profile++callgrind/lua/big.lua HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'
    return [Trickler(server, head, False, 4096, 0.02) for _ in range(count)]


@pytest.mark.mpms('event', 'prefork')
@pytest.mark.parametrize('way', ['sends', 'reads'])
@pytest.mark.log_allows(r'lua')
def test_clients_that_trickle_hold_up_nobody_for_long(httpd, way):
    """Seen: no read took five seconds, so others waited for 30. Five slow
    ones in a row, each for five seconds, would be 25."""
    server = httpd(ON, features=['lua', 'status'], fresh=True)
    slow = tricklers(server, way, 5)
    try:
        waiting_are(server, 4)
        after = Request(server, '/++profile++callgrind/index.html')
        check_profiled(server, after)
        assert after.took < 14, after.took
        again = Request(server, '/++profile++callgrind/index.html')
        check_profiled(server, again)
        assert after.took + again.took < 18
    finally:
        for client in slow:
            client.stop()
        # The one is the look itself.
        wait_for(lambda: status_number(server, 'BusyWorkers') == 1, 20,
                 'the tricklers to be served')
    logs = [path.read_text() for path in server.profile_files()
            if path.name.startswith('callgrind.out.')]
    assert len(logs) >= 2


# One child with twelve of mod_http2's workers, of which three may wait.
ONE_CHILD = ('StartServers 1\nServerLimit 1\nThreadsPerChild 16\n'
             'MaxRequestWorkers 16\nMaxSpareThreads 16\n'
             'H2MinWorkers 12\nH2MaxWorkers 12\n')


@pytest.mark.mpms('event', 'worker')
def test_waiting_streams_of_http2_leave_workers_to_others(httpd):
    """Seen: a plain GET over HTTP/2 took as long as the profile that the
    streams of others waited for."""
    server = httpd(ON + ONE_CHILD, features=['lua', 'status', 'http2'])
    asked = '/++profile++callgrind/index.html'
    slow = Request(server, SLOW % 7000)
    owner(server)
    busy = status_number(server, 'LPProfileSkippedBusy')
    # A connection gets few workers at first.
    streams = [subprocess.Popen(
        ['nghttp', '-n', '-m', '8', server.url(asked)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for _ in range(5)]
    wait_for(lambda: status_number(server, 'LPProfileSkippedBusy') >= busy + 9,
             8, 'streams to be served unprofiled')
    assert 1 <= status_number(server, 'LPProfileWaiting') <= 3
    for _ in range(3):
        got = server.curl('/index.html', '--http2-prior-knowledge', '-i')
        assert got.stdout.startswith(b'HTTP/2 200'), got.stderr
    got = server.curl(asked, '--http2-prior-knowledge', '-i')
    assert re.search(rb'(?i)^x-lpprofile: busy', got.stdout, re.M), got.stdout
    assert slow.is_alive(), 'the owner ended before the plain GETs did'
    check_profiled(server, slow)
    for stream in streams:
        assert stream.wait(60) == 0
    waiting_are(server, 0)
    got = server.curl(asked, '--http2-prior-knowledge', '-i')
    assert re.search(rb'(?i)^x-lpprofile: profiled', got.stdout, re.M)
