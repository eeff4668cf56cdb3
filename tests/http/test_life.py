# SPDX-License-Identifier: Apache-2.0
"""Starts, restarts, ends: what a server and its children own of the module."""
import http.client
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

import pytest

import httpd_env
from httpd_env import wait_for

pytestmark = pytest.mark.long

ON = 'LPProfilingAllowed On\n'
PAGE = '/++profile++callgrind/index.html'
SLOW = '/++profile++callgrind/lua/linger.lua?ms=%d'
HOLDER = r'\[pid (\d+):.*LPP062: profiling this request as (OOPS-\w+)'


def in_background(server, path, results):
    def run():
        try:
            results.append(server.get(path, timeout=40))
        except Exception as error:
            results.append(error)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def owner_pid(server):
    return int(server.expect_log(HOLDER).group(1))


def tasks(pid):
    """{thread id: name} of a process."""
    return {int(task.name): (task / 'comm').read_text().strip()
            for task in pathlib.Path('/proc/%d/task' % pid).iterdir()}


def profiled(server, path=PAGE):
    got = server.get(path)
    assert got.status == 200
    assert got.lpprofile.startswith('profiled'), got.headers
    server.wait_files(got.oops_id)
    return got


@pytest.mark.all_mpms
def test_graceful_restart_in_the_middle_frees_the_gate(httpd, mpm):
    # Mutex and gate are those of both generations. The old child lets go of
    # its profile while its request goes on; prefork's learns of the restart
    # only when that is done.
    server = httpd(ON, features=['lua'], fresh=True)
    results = []
    thread = in_background(server, SLOW % 4000, results)
    old = owner_pid(server)
    server.restart('graceful')
    begin = time.monotonic()
    got = profiled(server)
    if mpm != 'prefork':
        assert thread.is_alive()
    assert time.monotonic() - begin < 8
    thread.join(40)
    assert results[0].status == 200, results
    assert results[0].lpprofile.startswith('profiled')
    for oops_id in (results[0].oops_id, got.oops_id):
        server.wait_oops(oops_id)
    pids = [int(pid) for pid, _ in re.findall(
        HOLDER, '\n'.join(server.error_lines()))]
    assert pids[0] == old and pids[-1] != old


@pytest.mark.all_mpms
def test_profiles_go_on_after_restarts_of_both_kinds(httpd):
    server = httpd(ON, fresh=True)
    profiled(server)
    for how in ('graceful', 'restart', 'graceful'):
        server.restart(how)
        profiled(server)


@pytest.mark.all_mpms
def test_a_restart_in_the_middle_frees_the_gate(httpd):
    server = httpd(ON, features=['lua'], fresh=True)
    results = []
    thread = in_background(server, SLOW % 1500, results)
    old = owner_pid(server)
    server.restart('restart')
    begin = time.monotonic()
    profiled(server)
    assert time.monotonic() - begin < 5
    thread.join(40)
    wait_for(lambda: old not in server.children(), 10, 'its end')


# worker and event let requests go on until they are done, and the parent
# reminds a child that does not end within three seconds (AH00045).
@pytest.mark.all_mpms
def test_stopping_in_the_middle_takes_no_longer_than_httpd_grants(httpd):
    server = httpd(ON, features=['lua'], fresh=True)
    results = []
    threads = [in_background(server, SLOW % 2000, results)
               for _ in range(3)]
    owner_pid(server)
    begin = time.monotonic()
    assert server.stop() == 0
    # Killed after nine; less shows that those who wait were let go at once,
    # and not one after the other.
    assert time.monotonic() - begin < 8
    for thread in threads:
        thread.join(40)


@pytest.mark.all_mpms
def test_a_graceful_stop_lets_the_profile_be_written(httpd):
    server = httpd(ON, features=['lua'], fresh=True)
    results = []
    thread = in_background(server, SLOW % 800, results)
    owner_pid(server)
    assert server.stop('graceful-stop') == 0
    thread.join(40)
    assert results[0].status == 200, results
    server.wait_files(results[0].oops_id)
    server.wait_oops(results[0].oops_id)


@pytest.mark.all_mpms
def test_the_log_of_the_last_request_is_written_before_the_end(httpd, mpm):
    server = httpd(ON + 'StartServers 1\nServerLimit 1\nMaxRequestWorkers 1\n'
                   + ('' if mpm == 'prefork' else 'ThreadsPerChild 1\n'),
                   fresh=True)
    asked = [server.get(PAGE) for _ in range(3)]
    # Answered by the same thread, which is through with the others by then.
    assert server.get('/plain.txt').status == 200
    assert server.stop() == 0
    for got in asked:
        assert len(server.profile_files(got.oops_id)) == 1
        assert server.wait_oops(got.oops_id, timeout=0.1)


@pytest.mark.mpms('prefork')
def test_no_thread_is_made_before_a_profile(httpd):
    server = httpd(ON, fresh=True)
    assert server.get('/index.html').status == 200
    for pid in [server.process.pid, *server.children()]:
        assert len(tasks(pid)) == 1, tasks(pid)
    profiled(server)
    assert any(len(tasks(pid)) > 1 for pid in server.children())
    assert len(tasks(server.process.pid)) == 1


@pytest.mark.all_mpms
def test_our_threads_take_no_signal(httpd):
    server = httpd(ON, fresh=True)
    got = profiled(server)
    server.wait_oops(got.oops_id)
    ours = 0
    for pid in server.children():
        for tid, name in tasks(pid).items():
            if not name.startswith('lpp-'):
                continue
            ours += 1
            status = pathlib.Path('/proc/%d/task/%d/status' % (pid, tid))
            blocked = int(re.search(r'^SigBlk:\s*(\w+)', status.read_text(),
                                    re.M).group(1), 16)
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1,
                           signal.SIGPROF, signal.SIGRTMIN):
                assert blocked >> (number - 1) & 1, (name, number)
    assert ours >= 1


def test_another_mutex_needs_a_full_restart_and_the_log_says_so(httpd):
    server = httpd(ON + 'Mutex flock lpprofile\n', fresh=True)
    profiled(server)
    server.reconfigure(ON + 'Mutex flock lpprofile\n')
    assert 'LPP032' not in '\n'.join(server.error_lines())
    server.reconfigure(ON + 'Mutex fcntl lpprofile\n')
    server.expect_log('warn.*LPP032: .*Mutex')
    profiled(server)
    assert server.stop() == 0
    assert not list((server.root / 'run').glob('lpprofile.*'))


def test_another_mutex_directory_counts_as_another_mutex(httpd):
    server = httpd(ON + 'Mutex flock lpprofile\n', fresh=True)
    (server.root / 'locks').mkdir()
    server.reconfigure(ON + 'Mutex flock:%s lpprofile\n'
                       % (server.root / 'locks'))
    server.expect_log('warn.*LPP032')
    profiled(server)


def test_allowed_only_after_a_graceful_restart(httpd):
    server = httpd('', fresh=True)
    assert server.get(PAGE).status == 404
    server.reconfigure(ON)
    profiled(server)
    server.reconfigure('')
    assert server.get(PAGE).status == 404
    server.reconfigure(ON)
    profiled(server)


@pytest.mark.all_mpms
def test_off_there_is_no_mutex_and_no_file(httpd):
    server = httpd('Mutex flock lpprofile\n', fresh=True)
    assert server.get('/index.html').status == 200
    assert not list((server.root / 'run').glob('lpprofile*'))


@pytest.mark.all_mpms
@pytest.mark.log_allows(r'LPP033', r'AH00023', r'LPP061')
def test_without_its_mutex_it_serves_all_and_profiles_nothing(httpd):
    options = {'unprivileged': True, 'fresh': True}
    server = httpd('', **options)
    (server.root / 'locks').mkdir()
    (server.root / 'locks').chmod(0o555)
    os.chown(server.root / 'locks', 0, 0)
    server.reconfigure(ON + 'Mutex flock:%s lpprofile\n'
                       % (server.root / 'locks'))
    server.expect_log('error.*LPP033')
    got = server.get(PAGE)
    assert got.status == 200
    assert '<h1>A static page</h1>' in got.text
    assert not got.lpprofile.startswith('profiled')
    assert got.oops_id is None


@pytest.mark.all_mpms
def test_debug_mode_of_one_process(httpd):
    # httpd -X: no fork, and so no child_init in another process.
    server = httpd(ON, profiler=True, fresh=True)
    assert server.stop() == 0
    server._pick_ports()
    server._write_configuration()
    server.process = server._spawn(
        '-X', start_new_session=True, preexec_fn=httpd_env._die_with_parent)
    try:
        def answers():
            try:
                return server.get('/index.html').status == 200
            except OSError:
                return False
        wait_for(answers, 10, 'httpd -X')
        profiled(server)
    finally:
        assert server.stop() == 0


@pytest.mark.mpms('worker', 'event')
def test_the_first_profile_of_a_child_disturbs_no_other_request(httpd):
    # The hooks of profiled requests join httpd's arrays while other threads
    # walk them.
    server = httpd(ON, fresh=True)
    right, wrong, stop = [], [], threading.Event()

    def hammer():
        connection = server.connection()
        while not stop.is_set():
            try:
                got = server.get('/plain.txt', connection=connection)
            except (http.client.HTTPException, OSError):
                # The old generation may close an idle connection.
                connection.close()
                connection = server.connection()
                continue
            ok = got.status == 200 and got.lpprofile is None
            (right if ok else wrong).append(got.status)
    threads = [threading.Thread(target=hammer, daemon=True)
               for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        before = len(right)
        wait_for(lambda: len(right) > before + 50, 10, 'requests to flow')
        profiled(server)
        server.restart('graceful')
    stop.set()
    for thread in threads:
        thread.join(10)
    assert not wrong, wrong[:5]


@pytest.mark.all_mpms
def test_a_cgi_left_behind_keeps_no_lock(httpd):
    # What a profiled request starts inherits neither the mutex nor its file.
    server = httpd(ON + 'Mutex flock lpprofile\n', features=['cgi'],
                   fresh=True)
    leave = server.site / 'cgi' / 'leave'
    leave.write_text('#!/bin/sh\n'
                     'sleep 20 </dev/null >/dev/null 2>&1 &\n'
                     'printf "Content-Type: text/plain\\r\\n\\r\\n%s" $!\n')
    leave.chmod(0o755)
    got = profiled(server, '/++profile++callgrind/cgi/leave')
    left = int(re.search(r'(\d+)\s*$', got.text).group(1))
    try:
        name = pathlib.Path('/proc/%d/comm' % left)
        wait_for(lambda: name.read_text() == 'sleep\n', 10, 'its sleep')
        opened = [os.readlink(fd) for fd in
                  pathlib.Path('/proc/%d/fd' % left).iterdir()]
        assert not [name for name in opened if 'lpprofile' in name], opened
        begin = time.monotonic()
        profiled(server)
        assert time.monotonic() - begin < 5
    finally:
        subprocess.run(['kill', str(left)], check=False)


@pytest.mark.mpms('prefork')
@pytest.mark.skipif(os.geteuid() != 0, reason='mpm_itk is for root')
@pytest.mark.log_allows('LPP026')
def test_under_mpm_itk_nothing_is_profiled_and_the_start_says_so(httpd,
                                                                 tmp_path):
    """Seen: "Internal error", with a warning for every request."""
    tmp_path.chmod(0o777)
    target = tmp_path / 'sum.prof'
    config = (ON + 'LPMemoryProfileLog ${ROOT}/run/memory.log\n'
              'AssignUserID nobody nogroup\n')
    for env in ({}, {'PROFILE_PAGETESTS_REQUESTS': str(target)}):
        server = httpd(config, modules=['mpm_itk'], fresh=True, env=env)
        for _ in range(2):
            got = server.get('/++profile++show&callgrind/index.html')
            assert got.status == 200
            assert got.lpprofile is None or got.lpprofile.startswith(
                'unsupported-mpm'), got.lpprofile
            assert bool(env) == (got.lpprofile is None)
            assert got.oops_id is None
        assert server.get('/').lpprofile is None
        memory = server.root / 'run' / 'memory.log'
        wait_for(lambda: memory.read_text().count('\n') == 3, 10,
                 'three lines of memory')
        assert all(line.split()[2] == '-'
                   for line in memory.read_text().splitlines())
        assert server.stop() == 0
        log = server.error_log.read_text()
        assert len(re.findall('LPP026.*mpm_itk', log)) == 1, log
        assert 'LPP061' not in log and not server.profile_files()
    assert re.search(r'LPP143: \S+: 0 requests, 0 us; .* 3 not profiled,', log)
    assert target.exists()
