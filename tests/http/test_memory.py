# SPDX-License-Identifier: Apache-2.0
"""LPMemoryProfileLog: one whole line a request, and no harm by any of it."""
import http.client
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

import httpd_env

pytestmark = pytest.mark.long

LOG = 'LPMemoryProfileLog ${ROOT}/memory.log\n'
ON = 'LPProfilingAllowed On\n'
LINE = re.compile(
    r'(?P<time>\d{4}-\d\d-\d\d_\d\d:\d\d:\d\d\.\d{3}) (?P<page>\S+) '
    r'(?P<oops>-|OOPS-[0-9a-f]{32}) (?P<duration>\d+\.\d{6}) '
    r'(?P<start_vss>\d+) (?P<start_rss>\d+) (?P<end_vss>\d+) '
    r'(?P<end_rss>\d+) (?P<meanwhile>\d+) (?P<start_heap>-|\d+) '
    r'(?P<end_heap>-|\d+)\n')
# Leaves half of what it allocates, in pieces with free ones between them.
HOLES = '''
function handle(r)
    kept = {}
    for i = 1, 80000 do kept[i] = string.rep("x", 1100 + i % 97) .. i end
    for i = 1, 80000, 2 do kept[i] = nil end
    collectgarbage()
    r:puts("holes")
    return apache2.OK
end
'''


# One child, which event does not find too few whatever its threads do.
ONE_CHILD = ('ServerLimit 1\nStartServers 1\nThreadsPerChild 8\n'
             'MaxRequestWorkers 8\nMinSpareThreads 1\nMaxSpareThreads 8\n')


def read(path):
    """Every line, as dictionaries; all of them are whole."""
    text = path.read_text()
    lines = text.splitlines(True)
    rows = [LINE.fullmatch(line) for line in lines]
    assert all(rows), [line for line, row in zip(lines, rows) if not row][:3]
    return [row.groupdict() for row in rows]


def wait_lines(server, count, name='memory.log'):
    path = server.root / name
    httpd_env.wait_for(lambda: path.exists() and
                       path.read_text().count('\n') >= count, 10,
                       '%d lines in %s' % (count, name))
    return read(path)


@pytest.mark.no_asan('measures the heap')
@pytest.mark.no_valgrind('measures the heap')
@pytest.mark.mpms('prefork', 'event')
def test_lines_and_nothing_else(httpd):
    server = httpd(ON + LOG, fresh=True, features=['include'])
    plain = (httpd_env.SITE / 'index.html').read_bytes()
    got = server.get('/')
    assert got.body == plain
    assert got.lpprofile is None and got.oops_id is None
    assert got.header('Cache-Control') is None
    wait_lines(server, 1)
    server.get('/missing')
    wait_lines(server, 2)
    server.get('/page.shtml')
    wait_lines(server, 3)
    with server.connection() as connection:
        for _ in range(3):
            server.get('/dir/one.html', connection=connection)
    rows = wait_lines(server, 6)
    assert [row['page'] for row in rows] == [
        'RootObject:index.html', 'RootObject:missing',
        'RootObject:page.shtml', 'dir:one.html', 'dir:one.html',
        'dir:one.html']
    for row in rows:
        assert row['oops'] == '-'
        assert 0 < int(row['start_rss']) < int(row['start_vss'])
        assert 0 < int(row['end_rss']) < int(row['end_vss'])
        # Where a machine took long to count it, the next ones go without.
        assert (row['start_heap'] == '-') == (row['end_heap'] == '-')
        assert (row['end_heap'] == '-'
                or 0 < int(row['end_heap']) < int(row['end_vss']))
        assert int(row['start_rss']) % os.sysconf('SC_PAGESIZE') == 0
        assert float(row['duration']) < 5
        started = time.strptime(row['time'].partition('.')[0],
                                '%Y-%m-%d_%H:%M:%S')
        assert abs(time.mktime(started) - time.time()) < 60
    assert rows[0]['end_heap'] != '-'
    assert not server.profile_files()
    assert not [p for p in server.profile_dir.rglob('*') if p.is_file()]
    assert (server.root / 'memory.log').stat().st_mode & 0o777 == 0o600


@pytest.mark.no_asan('measures the heap')
@pytest.mark.no_valgrind('measures the heap')
def test_a_heap_that_takes_long_to_count_is_counted_seldom(httpd):
    server = httpd(ON + LOG + ONE_CHILD + 'LuaScope server 1 1\n',
                   fresh=True, mpm='event', features=['lua'])
    (server.site / 'lua' / 'holes.lua').write_text(HOLES)
    server.get('/plain.txt')
    assert server.get('/lua/holes.lua').body == b'holes'
    for count in range(3, 9):
        server.get('/plain.txt')
        wait_lines(server, count)
    rows = wait_lines(server, 8)
    counted = [(row['start_heap'] != '-', row['end_heap'] != '-')
               for row in rows]
    # Both ends or none; the first, and then until one found out: the third,
    # or an earlier one, and again, where the machine stood still.
    assert set(counted) == {(True, True), (False, False)}, counted
    assert counted[0] == (True, True), counted
    assert counted[3:].count((True, True)) <= 1, counted
    assert all(int(row['end_rss']) > 0 for row in rows)
    page = server.get('/++profile++show/').text
    assert 'Resident' in page and 'not counted: in a large' in page


def test_id_of_the_profiled(httpd):
    server = httpd(ON + LOG, fresh=True)
    got = server.get('/++profile++show&callgrind/')
    assert '<h2>Memory</h2>' in got.text
    row, = wait_lines(server, 1)
    assert row['oops'] == got.oops_id
    path, = server.wait_files(got.oops_id)
    assert row['page'] in path.name
    assert '<h2>Memory</h2>' not in server.get('/').text


def test_redirects_are_one_request(httpd):
    server = httpd(ON + LOG + 'ErrorDocument 404 /dir/one.html\n', fresh=True)
    assert server.get('/missing').status == 404
    row, = wait_lines(server, 1)
    assert row['page'] == 'RootObject:missing'


def test_http2_and_aborted(httpd):
    server = httpd(ON + LOG, fresh=True, features=['http2', 'lua'])
    done = server.curl('/', '--http2-prior-knowledge', '-o', '/dev/null')
    assert done.returncode == 0
    assert wait_lines(server, 1)[0]['page'] == 'RootObject:index.html'
    with socket.create_connection(('127.0.0.1', server.port)) as sock:
        sock.sendall(b'GET /lua/compute.lua?ms=100 HTTP/1.1\r\n'
                     b'Host: localhost\r\n\r\n')
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        b'\1\0\0\0\0\0\0\0')
    rows = wait_lines(server, 2)
    assert float(rows[1]['duration']) >= 0.09
    server.get('/')
    assert wait_lines(server, 3)[2]['meanwhile'] == '0'


def held(server, **options):
    """Begin a request, which has begun; returns what ends it."""
    go = server.root / 'go-on'
    connection, raw = server.send('/lua/hold.lua?until=%s' % go, **options)

    def end():
        go.write_text('')
        assert b'begun' in raw.read()
        connection.close()
    return end


def test_requests_meanwhile(httpd):
    server = httpd(ON + LOG + ONE_CHILD, fresh=True, features=['lua'])
    end = held(server)
    server.get('/')
    wait_lines(server, 1)  # the client has its answer before that
    server.get('/dir/one.html')
    wait_lines(server, 2)
    end()
    rows = {row['page']: row for row in wait_lines(server, 3)}
    assert rows['lua-script:hold.lua']['meanwhile'] == '2'
    assert rows['dir:one.html']['meanwhile'] == '1'
    server.get('/plain.txt')
    assert wait_lines(server, 4)[-1]['meanwhile'] == '0'


def test_requests_of_hosts_without_a_log_ran_meanwhile_too(httpd):
    server = httpd(ON + ONE_CHILD +
                   '<VirtualHost *>\nServerName quiet\n</VirtualHost>\n'
                   '<VirtualHost *>\nServerName logged\n' + LOG
                   + '</VirtualHost>\n', fresh=True, features=['lua'])
    end = held(server, host='quiet')
    server.get('/', host='logged')
    end()
    row, = wait_lines(server, 1)
    assert row['page'] == 'RootObject:index.html' and row['meanwhile'] == '1'


def hammer(server, requests, threads, paths):
    """Every one of them gets its answer."""
    answers = []

    def work():
        with server.connection() as connection:
            for i in range(requests):
                path = paths[i % len(paths)]
                try:
                    got = server.get(path, connection=connection)
                except ConnectionError:
                    # event ends idle connections while its workers are busy.
                    connection.close()
                    got = server.get(path, connection=connection)
                answers.append(got.status)
    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(answers) == requests * threads


@pytest.mark.mpms('prefork', 'event')
def test_whole_lines_of_many_at_once(httpd):
    server = httpd(ON + LOG + 'MaxKeepAliveRequests 0\n', fresh=True)
    long_name = '/' + 'n' * 200
    hammer(server, 50, 8, ['/', '/dir/one.html', long_name])
    rows = wait_lines(server, 400)
    assert len(rows) == 400


def test_reopened_and_shared(httpd):
    """A graceful restart is how logs are rotated; hosts share one file; a
    host that does not allow profiling logs nothing."""
    server = httpd(ON + LOG + '''
<VirtualHost 127.0.0.1:${PORT}>
ServerName a.example
</VirtualHost>
<VirtualHost 127.0.0.1:${PORT}>
ServerName b.example
LPMemoryProfileLog ${ROOT}/memory.log
LPProfileRate 100
</VirtualHost>
<VirtualHost 127.0.0.1:${PORT}>
ServerName off.example
LPProfilingAllowed Off
</VirtualHost>
<VirtualHost 127.0.0.1:${PORT}>
ServerName other.example
LPMemoryProfileLog ${ROOT}/other.log
LPProfilingAllowed "expr=%{REQUEST_URI} =~ m#^/dir/#"
</VirtualHost>
''', fresh=True)
    for host in ('a.example', 'b.example', 'off.example', 'other.example'):
        server.get('/', host=host)
    server.get('/dir/one.html', host='other.example')
    assert len(wait_lines(server, 2)) == 2
    assert len(wait_lines(server, 1, 'other.log')) == 1
    (server.root / 'memory.log').rename(server.root / 'memory.log.1')
    server.get('/', host='a.example')
    assert len(wait_lines(server, 3, 'memory.log.1')) == 3
    server.restart('graceful')

    def in_new_one():
        server.get('/', host='b.example')
        return (server.root / 'memory.log').stat().st_size
    httpd_env.wait_for(in_new_one, 10)
    read(server.root / 'memory.log')


def test_rotatelogs(httpd):
    server = httpd(ON + 'LPMemoryProfileLog "|/usr/bin/rotatelogs '
                   '-n 3 ${ROOT}/piped.log 86400"\n', fresh=True)
    for _ in range(5):
        server.get('/')
    assert len(wait_lines(server, 5, 'piped.log')) == 5


@pytest.mark.mpms('prefork', 'event')
def test_a_program_that_does_not_read(httpd):
    """Its pipe is full after some 600 lines: the rest is lost, told once."""
    server = httpd(ON + 'LPMemoryProfileLog "|/bin/sleep 1000"\n'
                   'MaxKeepAliveRequests 0\n', fresh=True)
    hammer(server, 250, 4, ['/plain.txt'])  # a client waits for 30 s
    server.expect_log('LPP121.*cannot be written')
    assert sum('LPP121' in line for line in server.error_lines()) == 1


def test_a_program_that_died(httpd, tmp_path):
    server = httpd(ON + 'LPMemoryProfileLog "|$/bin/cat >> ${ROOT}/piped.log"\n',
                   fresh=True)
    server.get('/')
    wait_lines(server, 1, 'piped.log')
    cats = [pid for pid in server.descendants()
            if pathlib.Path('/proc/%d/comm' % pid).read_text() == 'cat\n']
    assert cats
    server.allow_log('AH00106', 'LPP121', '^Killed$')
    for pid in cats:
        os.kill(pid, signal.SIGKILL)
    for _ in range(20):
        assert server.get('/').status == 200

    def written():
        assert server.get('/').status == 200
        return (server.root / 'piped.log').read_text().count('\n') > 1
    httpd_env.wait_for(written, 10)  # httpd started it again


@pytest.mark.mpms('prefork', 'event')
def test_full_disk(httpd):
    server = httpd(ON + 'LPMemoryProfileLog /dev/full\n', fresh=True)
    hammer(server, 20, 8, ['/'])
    server.expect_log('LPP121.*/dev/full: cannot be written')
    assert sum('LPP121' in line for line in server.error_lines()) == 1


def test_a_line_that_a_full_disk_cut_off_ends(httpd, tmp_path):
    small = tmp_path / 'small'
    small.mkdir()
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=8k', 'none',
                       str(small)], stderr=subprocess.PIPE).returncode:
        pytest.skip('no right to mount')
    try:
        (small / 'ballast').write_bytes(b'x' * 4096)
        # Room for less than a line.
        (small / 'memory.log').write_text('x' * 4045 + '\n')
        server = httpd(ON + 'LPMemoryProfileLog %s/memory.log\n' % small,
                       fresh=True)
        for _ in range(10):
            assert server.get('/').status == 200
        server.expect_log('LPP121')
        torn = (small / 'memory.log').read_text()
        assert not torn.endswith('\n')
        (small / 'ballast').unlink()
        for _ in range(3):
            server.get('/')
        httpd_env.wait_for(
            lambda: (small / 'memory.log').read_text().count('\n')
            >= torn.count('\n') + 4, 10)
        lines = (small / 'memory.log').read_text().splitlines(True)[1:]
        assert [bool(LINE.fullmatch(line)) for line in lines].count(False) == 1
        server.stop()
    finally:
        subprocess.run(['umount', '-l', str(small)], check=True)


def test_not_started_as_root(httpd):
    server = httpd(ON + 'LPMemoryProfileLog ${ROOT}/run/memory.log\n',
                   fresh=True, unprivileged=True)
    server.get('/')
    assert len(wait_lines(server, 1, 'run/memory.log')) == 1


@pytest.mark.parametrize('config', [LOG, 'LPProfilingAllowed Off\n' + LOG])
def test_inert_where_nothing_is_allowed(httpd, config):
    server = httpd(config, fresh=True)
    server.get('/')
    assert not (server.root / 'memory.log').exists()


def test_cannot_be_opened(httpd):
    said = httpd.fails(ON + 'LPMemoryProfileLog ${ROOT}/none/memory.log\n')
    assert 'LPP120' in said


def test_a_link_is_not_followed(httpd, tmp_path):
    (tmp_path / 'link').symlink_to(tmp_path / 'elsewhere')
    said = httpd.fails(ON + 'LPMemoryProfileLog %s/link\n' % tmp_path)
    assert 'LPP120' in said and not (tmp_path / 'elsewhere').exists()


def is_traced(pid):
    status = pathlib.Path('/proc/%d/status' % pid).read_text()
    return 'TracerPid:\t0\n' not in status


def calls_of(pid, server, requests, lines):
    """System calls of a single-process prefork child while it serves. lines(count)
    waits until each log has so many."""
    lines(1)
    trace = subprocess.Popen(
        ['strace', '-f', '-qq', '-o', str(server.root / 'trace'), '-e',
         'trace=open,openat,pread64,write,futex,mmap,munmap,brk',
         '-p', str(pid)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        httpd_env.wait_for(lambda: is_traced(pid), 10, 'strace')
        for _ in range(requests):
            server.get('/plain.txt')
        lines(requests + 1)
        time.sleep(0.3)
    finally:
        trace.send_signal(signal.SIGINT)
        trace.wait(10)
        trace.stdout.close()
        trace.stderr.close()
    return (server.root / 'trace').read_text().splitlines()


@pytest.mark.no_valgrind('too slow to serve enough requests')
def test_two_reads_and_a_write(httpd):
    """All that a request which is only logged costs in system calls."""
    if subprocess.run(['strace', '-o', '/dev/null', 'true']).returncode:
        pytest.skip('strace may not trace here')
    counts = []
    for config in (ON, ON + LOG):
        server = httpd(config + 'StartServers 1\nMinSpareServers 1\n'
                       'MaxSpareServers 1\nServerLimit 1\n'
                       'MaxRequestWorkers 1\n', fresh=True, mpm='prefork')
        server.get('/plain.txt')
        child, = server.children()

        def lines(count, logged=LOG in config):
            server.access_lines(count)
            if logged:
                wait_lines(server, count)
        calls = calls_of(child, server, 10, lines)
        counts.append({call: sum(' %s(' % call in ' ' + line
                                 for line in calls)
                       for call in ('open', 'openat', 'pread64', 'write',
                                    'futex', 'mmap', 'munmap', 'brk')})
    plain, logged = counts
    extra = {call: logged[call] - plain[call] for call in plain
             if logged[call] != plain[call]}
    assert extra == {'pread64': 20, 'write': 10}, counts
