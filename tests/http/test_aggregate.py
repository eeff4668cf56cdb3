# SPDX-License-Identifier: Apache-2.0
"""PROFILE_PAGETESTS_REQUESTS: the sum over all requests of a server's life."""
import os
import pathlib
import pstats
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

import httpd_env

ENV = 'PROFILE_PAGETESTS_REQUESTS'
RECORDED = re.compile(r'LPP142: added to the sum: (\S+), (\d+) us')
DONE = re.compile(r'LPP143: (\S+): (\d+) requests, (\d+) us; left out: '
                  r'(\d+) that a profiled request waited for, (\d+) at a '
                  r"process's end, (\d+) not profiled, (\d+) not written, "
                  r'(\d+) not finished; cut short: (\d+); rows left out: '
                  r'(\d+); damaged bytes: (\d+)')


@pytest.fixture
def target(servers):
    directory = pathlib.Path(tempfile.mkdtemp(dir=servers.base))
    directory.chmod(0o755)
    return directory / 'sum.prof'


def reported(server):
    """What each request said of itself: (page id, microseconds)."""
    text = server.error_log.read_text('utf-8', 'replace')
    return [(name, int(us)) for name, us in RECORDED.findall(text)]


def said_at_the_end(server):
    text = server.error_log.read_text('utf-8', 'replace')
    (found,) = DONE.findall(text)
    return found[0], [int(number) for number in found[1:]]


def wait_reported(server, count):
    """A request is added to the sum after its response has gone."""
    httpd_env.wait_for(lambda: len(reported(server)) >= count, 10,
                       '%d requests in the sum' % count)


def total_us(path):
    """The total of a file that pstats loads, summed from its rows."""
    stats = pstats.Stats(str(path))
    total = sum(row[2] for row in stats.stats.values())
    assert abs(stats.total_tt - total) < 1e-6 * len(stats.stats)
    for key, (cc, nc, tt, ct, callers) in stats.stats.items():
        assert 1 <= cc <= nc and tt <= ct + 1e-9
        assert all(caller in stats.stats for caller in callers)
    return round(total * 1e6)


def calls_of(path, name):
    (calls,) = [row[1] for key, row in pstats.Stats(str(path)).stats.items()
                if key[2] == name]
    return calls


def check(server, target, requests=None):
    """Stopped: the file is the sum of what the requests reported."""
    each = reported(server)
    path, numbers = said_at_the_end(server)
    assert path == str(target)
    assert numbers[0] == len(each) and numbers[1] == sum(us for _, us in each)
    if requests is not None:
        assert len(each) == requests
    assert abs(total_us(target) - numbers[1]) <= 1
    assert target.stat().st_mode & 0o777 == 0o600
    # Called once a request, so that "percall" is the mean of a request.
    assert calls_of(target, '[request]') == max(numbers[0], 1)
    assert [p.name for p in target.parent.iterdir()] == [target.name]
    return numbers


MIXED = ('/', '/dir/one.html', '/missing', '/page.shtml', '/lua/hello.lua',
         '/lua/compute.lua?ms=3', '/++profile++show/plain.txt', '/plain.txt',
         '/dir/../dir/one.html?x=1', '/++profile++')


@pytest.mark.no_valgrind('children die on purpose')
@pytest.mark.mpms('prefork', 'event')
def test_mixed_requests_over_a_restart_and_a_killed_child(httpd, target):
    server = httpd(features=['lua', 'include'], fresh=True,
                   env={ENV: str(target)})
    done, failed = 0, []

    def some(count, paths=MIXED):
        nonlocal done

        def work(number):
            for i in range(number, count, 4):
                path = paths[i % len(paths)]
                got = server.get(path)
                if (got.status != (404 if 'missing' in path else 200)
                        or got.lpprofile or got.oops_id
                        or 'Profiling Information' in got.text):
                    failed.append((path, got))
        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed
        done += count

    some(70)
    server.restart('graceful')
    some(70)
    wait_reported(server, done)
    victim = server.children()[0]
    os.kill(victim, signal.SIGKILL)
    httpd_env.wait_for(lambda: victim not in server.children(), 20)
    assert not target.exists()
    some(60)
    wait_reported(server, done)
    assert server.stop() == 0
    numbers = check(server, target, requests=done)
    assert numbers[2:] == [0] * 8, numbers
    assert done == 200
    # Exact calls are summed, too: one function in two hooks, both of which
    # run once a request.
    assert calls_of(target, 'mod_setenvif.so:post_read_request') == 2 * done
    assert not server.profile_files()
    assert not server.profile_dir.exists()
    names = {name for name, _ in reported(server)}
    assert {'RootObject:index.html', 'RootObject:plain.txt'} <= names


@pytest.mark.no_valgrind('too slow to give enough samples')
@pytest.mark.mpms('prefork')
def test_a_page_function_of_several_processes_is_one_row(httpd, target):
    """Its number is another in each: file, line and name tell what it is."""
    server = httpd(features=['lua'], fresh=True, env={ENV: str(target)})
    script = server.site / 'lua' / 'compute.lua'
    begin, = [at for at, line in enumerate(script.read_text().splitlines(), 1)
              if line.startswith('function handle')]
    for _ in range(2):
        for _ in range(4):
            assert server.get('/lua/compute.lua?ms=200').status == 200
            got = server.get('/lua/pagecode.lua?what=sort&n=3000')
            assert got.status == 200
        wait_reported(server, 8)
        server.restart('graceful')
    wait_reported(server, 16)
    assert server.stop() == 0
    check(server, target, requests=16)
    stats = pstats.Stats(str(target)).stats
    row = stats[str(script), begin, 'handle']
    assert row[3] > 0.1  # of 1.6 seconds, and more on a busy machine
    names = [key[2] for key in stats if key[0].endswith('.lua')]
    assert {'handle', 'pages.sort', 'compare', 'burn'} <= set(names)
    keys = [key for key in stats if key[:1] + key[2:] == (str(script),
                                                          'handle')]
    assert keys == [(str(script), begin, 'handle')]


@pytest.mark.mpms('prefork', 'event')
@pytest.mark.parametrize('how', ['graceful-stop', 'restart'])
def test_stops_and_hard_restart(httpd, target, how):
    target.write_text('of an earlier run')
    server = httpd(fresh=True, env={ENV: str(target)})
    server.get('/')
    wait_reported(server, 1)
    if how == 'restart':
        server.restart('restart')
        server.get('/dir/one.html')
        wait_reported(server, 2)
    assert target.read_text() == 'of an earlier run'
    assert server.stop('graceful-stop' if how == 'graceful-stop'
                       else 'stop') == 0
    check(server, target, requests=2 if how == 'restart' else 1)


@pytest.mark.mpms('event')
def test_what_an_earlier_server_left_is_in_nobodys_way(httpd, target):
    # Process ids come again: in a container it is always 1.
    server = httpd(fresh=True, env={ENV: str(target)})
    server.get('/')
    left = target.parent / ('.%s.%d.tmp' % (target.name, server.process.pid))
    left.write_text('half')
    wait_reported(server, 1)
    assert server.stop() == 0
    check(server, target, requests=1)


@pytest.mark.mpms('event')
def test_streams_of_one_connection_take_turns(httpd, target):
    # Fewer workers than streams: none holds up the one that has its turn.
    server = httpd('H2MinWorkers 1\nH2MaxWorkers 2\n', fresh=True,
                   features=['http2', 'lua', 'include'],
                   env={ENV: str(target)})
    done = subprocess.run(
        ['nghttp', '-n', '-m', '5', *map(server.url, (
            '/', '/page.shtml', '/missing', '/lua/compute.lua?ms=20'))],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60)
    assert done.returncode == 0, done.stdout
    wait_reported(server, 20)
    assert server.stop() == 0
    numbers = check(server, target, requests=20)
    assert numbers[2:] == [0] * 8, numbers


@pytest.mark.mpms('event')
@pytest.mark.log_allows(r'lua')
def test_a_client_that_trickles_holds_up_the_others_for_seconds(httpd,
                                                                target):
    # No CGI: for whom a script may ask waits for a second only.
    server = httpd(features=['lua'], fresh=True, env={ENV: str(target)})
    with socket.create_connection(('127.0.0.1', server.port)) as slow:
        slow.sendall(b'POST /lua/slurp.lua HTTP/1.1\r\nHost: 127.0.0.1\r\n'
                     b'Content-Length: 200\r\n\r\n')
        others = []
        for i in range(200):
            time.sleep(0.1)
            slow.sendall(b'a')
            if i == 5:
                others.append(threading.Thread(target=server.get,
                                               args=('/plain.txt',)))
                others[0].start()
            if i > 5 and not others[0].is_alive():
                break
        assert i < 150, 'it waited for all of the body'
        slow.sendall(b'a' * (199 - i))
        assert slow.recv(1000).startswith(b'HTTP/1.1 200')
    others[0].join()
    wait_reported(server, 2)
    assert server.stop() == 0
    numbers = check(server, target, requests=2)
    assert numbers[7] == 1, numbers  # cut short


@pytest.mark.mpms('event')
def test_no_request_still_a_file(httpd, target):
    server = httpd(fresh=True, env={ENV: str(target)})
    assert server.stop() == 0
    assert check(server, target, requests=0)[1] == 0
    assert list(pstats.Stats(str(target)).stats) == [('~', 0, '[request]')]


@pytest.mark.mpms('event')
def test_not_set_no_file(httpd, tmp_path):
    server = httpd('LPProfilingAllowed On', fresh=True, env={ENV: ''})
    assert server.get('/').lpprofile is None
    assert server.stop() == 0
    assert 'LPP14' not in server.error_log.read_text()


@pytest.mark.mpms('event')
def test_directives_do_not_count(httpd, target):
    """All requests log, memory log, access: the sum alone is made."""
    server = httpd('LPProfilingAllowed On\nLPProfileAllRequests On\n'
                   'LPProfileLockTimeout 1ms\nLPProfileMaxWaiting 0\n'
                   'LPMemoryProfileLog ${ROOT}/memory.log\n'
                   'LPProfileRequireUser false\nLPProfileMaxTime 10ms\n',
                   features=['lua'], fresh=True, env={ENV: str(target)})
    threads = [threading.Thread(target=server.get,
                                args=('/lua/compute.lua?ms=50',))
               for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    got = server.get('/++profile++show&callgrind/')
    assert got.lpprofile is None and 'lpp' not in got.text
    wait_reported(server, 5)
    httpd_env.wait_for(lambda: (server.root / 'memory.log').read_text()
                       .count('\n') == 5)
    assert server.stop() == 0
    numbers = check(server, target, requests=5)
    assert numbers[2:] == [0] * 8
    assert numbers[1] > 4 * 50000
    assert not server.profile_files()
    lines = (server.root / 'memory.log').read_text().splitlines()
    assert len(lines) == 5 and all(line.split()[2] == '-' for line in lines)


@pytest.mark.mpms('event')
def test_what_the_holder_waits_for_is_left_out_and_counted(httpd, target):
    server = httpd('ProxyPass /front/ http://127.0.0.1:${PORT}/\n',
                   features=['proxy'], fresh=True, env={ENV: str(target)})
    begun = time.monotonic()
    assert server.get('/front/plain.txt').status == 200
    assert time.monotonic() - begun < 20  # no lock's timeout, nor a client's
    wait_reported(server, 1)
    assert server.stop() == 0
    numbers = check(server, target, requests=1)
    assert numbers[2:] == [1] + [0] * 7


@pytest.mark.no_valgrind('children die on purpose')
@pytest.mark.mpms('prefork', 'event')
def test_a_request_that_is_killed_is_not_in_the_sum(httpd, target):
    server = httpd(features=['lua'], fresh=True, env={ENV: str(target)})
    server.get('/')
    wait_reported(server, 1)
    connection = server.connection()
    connection.request('GET', '/lua/compute.lua?ms=20000')

    def ticks(pid):
        stat = pathlib.Path('/proc/%d/stat' % pid).read_text()
        return int(stat.rpartition(')')[2].split()[11])

    before = {pid: ticks(pid) for pid in server.children()}

    def busy():
        # The others have no more to do than to start, however busy the machine.
        return next((pid for pid in before if ticks(pid) > before[pid] + 30),
                    0)
    victim = httpd_env.wait_for(busy, 15)
    os.kill(victim, signal.SIGKILL)
    connection.close()
    httpd_env.wait_for(lambda: victim not in server.children(), 20)
    assert server.get('/').status == 200
    wait_reported(server, 2)
    assert server.stop() == 0
    numbers = check(server, target, requests=2)
    assert numbers[2:] == [0, 0, 0, 0, 1, 0, 0, 0]


@pytest.mark.mpms('prefork', 'worker', 'event')
@pytest.mark.parametrize('name', ['TERM', 'INT'])
def test_one_process(httpd, target, name, servers):
    """httpd -X, not as root afterwards: where it may write."""
    server = httpd_env.Httpd(mpm=httpd.mpm, base=servers.base,
                             env={ENV: str(target)})
    target.parent.chmod(0o1777)
    server._pick_ports()
    server._write_configuration()
    process = server._spawn('-X', start_new_session=True,
                            preexec_fn=httpd_env._die_with_parent)
    server.process = process
    try:
        def up():
            try:
                return server.get('/').status == 200
            except OSError:
                return False
        httpd_env.wait_for(up, 30)
        server.get('/dir/one.html')
        wait_reported(server, 2)
        process.send_signal(getattr(signal, 'SIG' + name))
        process.wait(25)
    finally:
        if process.poll() is None:
            server.kill_all()
        process.stdout.close()
    check(server, target, requests=2)


@pytest.mark.mpms('event')
def test_where_it_cannot_be_written_the_server_does_not_start(httpd,
                                                              tmp_path):
    said = httpd.fails(env={ENV: str(tmp_path / 'none' / 'sum.prof')})
    assert 'ended with' in said
    assert 'ended with' in httpd.fails(env={ENV: str(tmp_path)})


@pytest.mark.mpms('event')
def test_not_started_as_root(httpd, target):
    target.parent.chmod(0o777)
    server = httpd(fresh=True, unprivileged=True, env={ENV: str(target)})
    server.get('/')
    wait_reported(server, 1)
    assert server.stop() == 0
    check(server, target, requests=1)


@pytest.mark.mpms('event')
def test_a_full_disk_harms_no_request(httpd, tmp_path):
    small = tmp_path / 'small'
    small.mkdir()
    mounted = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=8k',
                              'none', str(small)], stderr=subprocess.PIPE)
    if mounted.returncode:
        pytest.skip('no right to mount')
    try:
        small.chmod(0o777)
        server = httpd(fresh=True, env={ENV: str(small / 'sum.prof')})
        for _ in range(100):
            assert server.get('/').status == 200
        server.expect_log('LPP141')
        assert server.error_log.read_text().count('LPP141') == 1
        server.allow_log('LPP144')
        server.stop()
        assert not list(small.iterdir())
    finally:
        subprocess.run(['umount', '-l', str(small)], check=True)
