# SPDX-License-Identifier: Apache-2.0
"""A process that ends under a profiled request: one OOPS, by whatever way."""
import http.client
import os
import pathlib
import pwd
import re
import signal
import subprocess
import threading
import time

import pytest

import apxs_env
import httpd_env
from httpd_env import wait_for

pytestmark = [pytest.mark.no_valgrind('children die on purpose'),
              pytest.mark.long]

ON = 'LPProfilingAllowed On\n'
WORK_MS = 250
HOLDER = r'\[pid (\d+):.*LPP062: profiling this request as (OOPS-\w+)'


@pytest.fixture(scope='session')
def crasher():
    """Configuration that loads the module which crashes on demand."""
    return (apxs_env.load('lpp_crash')
            + '<Location /crash>\nSetHandler lpp-crash\n</Location>\n')


def die(server, how, work_ms=WORK_MS, prefix='/++profile++callgrind'):
    """Send the request that ends its process; its (pid, OOPS id)."""
    before = len(re.findall(HOLDER, '\n'.join(server.error_lines())))
    with pytest.raises((http.client.HTTPException, OSError)):
        server.get('%s/crash?%s=%d&password=hunter2' % (prefix, how, work_ms))

    def begun():
        found = re.findall(HOLDER, '\n'.join(server.error_lines()))
        return found[-1] if len(found) > before else None
    pid, oops_id = wait_for(begun, 10, 'the profile to begin')
    return int(pid), oops_id


def head(path):
    fields = {}
    for line in path.read_text().split('\n\n')[0].splitlines():
        name, _, value = line.partition(': ')
        fields[name] = value
    return fields


def next_is_profiled(server):
    begin = time.monotonic()
    got = server.get('/++profile++callgrind/index.html')
    assert got.lpprofile.startswith('profiled'), got.headers
    # httpd itself may take two for a child that it begins anew.
    assert time.monotonic() - begin < 6
    server.wait_files(got.oops_id)
    server.wait_oops(got.oops_id)
    return got


CRASHES = {
    'segv': ('SIGSEGV', 'nothing is at address 0x10', 'lpp_crash_write'),
    'call': ('SIGSEGV', 'nothing is at address 0x10', 'lpp_crash_call'),
    'overflow': ('SIGSEGV', 'address 0x', 'lpp_crash_recurse'),
    'abort': ('SIGABRT', 'raised by the process itself', 'lpp_crash_end'),
    'fpe': ('SIGFPE', 'raised by the process itself', 'crash_handler'),
}


@pytest.mark.log_allows(r'AH0005[12]')
@pytest.mark.parametrize('how', CRASHES)
def test_a_crash_leaves_one_report_with_its_stack(httpd, crasher, how):
    check_crash(httpd(ON + crasher), how)


@pytest.mark.mpms('prefork', 'worker')
@pytest.mark.log_allows(r'AH0005[12]')
def test_a_crash_under_other_mpms(httpd, crasher):
    check_crash(httpd(ON + crasher), 'segv')


def check_crash(server, how):
    kind, value, function = CRASHES[how]
    pid, oops_id = die(server, how)
    path = server.wait_oops(oops_id)
    fields, text = head(path), path.read_text()
    assert fields['Exception-Type'] == kind
    assert value in fields['Exception-Value']
    assert 'process %d ' % pid in fields['Exception-Value']
    assert fields['Oops-Id'] == oops_id
    assert fields['Informational'] == 'False'
    assert fields['Oops-Reporter'] == '127.0.0.1'
    assert '/crash?%s=%d' % (how, WORK_MS) in fields['URL']
    assert 'hunter2' not in text and 'profile++' not in text
    assert 0.04 < float(fields['Duration']) < 10
    trace = text[text.index('\nTraceback'):]
    if os.uname().machine == 'x86_64' or how != 'overflow':
        assert 'in ' + function in trace, trace
    if how != 'overflow':  # whose copied stack ends long before the root
        assert 'ap_process' in trace or 'ap_run_handler' in trace, trace
    # httpd still has its say about the crash.
    server.expect_log(r'AH0005[12].*pid %d exit signal' % pid)
    server.expect_log(r'LPP171.*process %d ended \(%s\).*%s'
                      % (pid, kind, oops_id))
    assert fields['Page-Id'] == 'lpp-crash:crash'
    samples = check_samples(server, oops_id, text)
    if server.as_root:
        for file in [path, *samples]:
            assert file.stat().st_uid == pwd.getpwnam(httpd_env.USER).pw_uid
    next_is_profiled(server)


def check_samples(server, oops_id, text, function='lpp_crash_work',
                  wall_us=(30000, 10000000)):
    """The profile until the end: callgrind file, saved form, report page."""
    found = re.search(r'(\d+) samples gathered until then', text)
    assert found, text
    taken = int(found.group(1))
    assert taken >= 3  # WORK_MS wanted; on a machine full of others
    files = server.wait_files(oops_id)
    names = [file.name for file in files]
    assert any(name.startswith('callgrind.out.') for name in names), names
    path = [file for file in files
            if file.name.startswith('callgrind.out.')][0]
    log = path.read_text()
    wall, samples = map(int, re.search(
        r'^summary: (\d+) \d+ \d+ (\d+)$', log, re.M).groups())
    assert samples == taken
    assert wall_us[0] < wall < wall_us[1]
    inclusive = subprocess.run(
        ['callgrind_annotate', '--inclusive=yes', '--show=Samples', path],
        capture_output=True, text=True, check=True).stdout
    named = re.search(r'^ *([\d,]+) .*:%s ' % function, inclusive, re.M)
    assert named, inclusive
    assert int(named.group(1).replace(',', '')) > taken * 0.6
    page = server.report(oops_id)
    assert page.status == 200 and 'process-died' in page.text
    assert '(the process ended)' in page.text
    assert 'cut short: the process ended' in log
    assert re.search(r' Hz of 1000 Hz asked', log)
    assert function in page.text
    assert oops_id in server.get('/++profile++reports').text
    return files


@pytest.mark.log_allows(r'AH0005[12]')
def test_a_crash_before_the_first_sample_tells_the_rate(httpd, crasher):
    server = httpd(ON + crasher + 'LPProfileRate 10\n')
    _, oops_id = die(server, 'segv', 0)
    log, = [file for file in server.wait_files(oops_id)
            if file.name.startswith('callgrind.out.')]
    assert ' Hz of 10 Hz asked' in log.read_text()
    next_is_profiled(server)


@pytest.mark.all_mpms
@pytest.mark.parametrize('how', ['kill', '_exit', 'exit'])
@pytest.mark.log_allows(r'AH0005[12]')
def test_a_process_that_ends_leaves_one_report(httpd, crasher, mpm, how):
    server = httpd(ON + crasher)
    pid, oops_id = die(server, how)
    path = server.wait_oops(oops_id)
    fields = head(path)
    assert fields['Exception-Type'] == 'ChildDied'
    assert 'process %d ended' % pid in fields['Exception-Value']
    assert fields['Informational'] == 'False'
    assert 0.04 < float(fields['Duration']) < 10
    check_samples(server, oops_id, path.read_text())
    next_is_profiled(server)
    server.expect_log('LPP171.*' + oops_id)
    time.sleep(0.3)
    assert len(list((server.profile_dir / 'oops').glob('*/' + oops_id))) == 1
    said = [line for line in server.error_lines()
            if 'LPP171' in line and oops_id in line]
    assert len(said) == 1


@pytest.mark.mpms('worker', 'event')
@pytest.mark.log_allows(r'AH0005[12]')
def test_a_crash_on_another_thread_says_so(httpd, crasher):
    server = httpd(ON + crasher)
    pid, oops_id = die(server, 'thread')
    text = server.wait_oops(oops_id).read_text()
    fields = head(server.wait_oops(oops_id))
    assert fields['Exception-Type'] == 'SIGSEGV'
    assert "another thread than this request's" in fields['Exception-Value']
    assert 'in lpp_crash_write\n' in text
    server.expect_log(r'AH0005[12].*pid %d exit signal' % pid)
    next_is_profiled(server)


def test_without_a_profile_nothing_of_ours_is_installed(httpd, crasher):
    server = httpd(ON + crasher, fresh=True)

    def actions():  # a thread keeps the alternate stack that it was lent
        return server.get('/crash?actions=0').text.splitlines()[:5]
    plain = actions()
    during = server.get('/++profile++callgrind/crash?actions=0').text
    assert plain != during.splitlines()[:5]
    assert during.splitlines()[5:] == ['stack 0'], during
    assert len(set(line.split()[1] for line in during.splitlines()[:5])) == 1
    wait_for(lambda: actions() == plain, 10, 'the old actions')


ONE_CHILD = ('StartServers 1\nServerLimit 1\nThreadsPerChild 4\n'
             'MaxRequestWorkers 4\nMinSpareThreads 1\nMaxSpareThreads 4\n')
ONE_PROCESS = 'StartServers 1\nServerLimit 1\nMaxRequestWorkers 1\n'
SEGMENT = '/++profile++callgrind'


@pytest.mark.mpms('prefork', 'event')
@pytest.mark.log_allows(r'AH0005[12]')
@pytest.mark.parametrize('before', [
    ['/crash?chain=0'],
    [SEGMENT + '/crash?chain=0'],
    [SEGMENT + '/crash?chain=0', SEGMENT + '/crash?none=0'],
    [SEGMENT + '/crash?chain=0', SEGMENT + '/crash?none=0',
     '/crash?unchain=0'],
    [SEGMENT + '/crash?chain=0', SEGMENT + '/crash?unchain=0'],
], ids=['plain', 'profiled', 'again', 'removed', 'removed-while-profiled'])
def test_a_handler_that_passes_a_crash_on_to_ours(httpd, crasher, mpm, before):
    '''Ours and that one called each other for ever, at 100 % CPU.'''
    server = httpd(ON + crasher
                   + (ONE_PROCESS if mpm == 'prefork' else ONE_CHILD),
                   fresh=True)
    for prefix in (SEGMENT, ''):
        for path in before:
            got = server.get(path)
            assert got.status == 200
            if got.oops_id:  # its handlers are ours no more
                server.wait_oops(got.oops_id)
        if prefix:
            pid, oops_id = die(server, 'segv', 50)
            fields = head(server.wait_oops(oops_id))
            assert fields['Exception-Type'] == 'SIGSEGV'
            assert 'process %d ' % pid in fields['Exception-Value']
            server.expect_log(r'AH0005[12].*pid %d exit signal' % pid)
        else:
            with pytest.raises((http.client.HTTPException, OSError)):
                server.get('/crash?segv=0', timeout=15)
            server.expect_log(
                r'AH0005[12].*pid (?!%d )\d+ exit signal Segm' % pid)
    next_is_profiled(server)


@pytest.mark.log_allows(r'AH0005[12]')
def test_a_crash_without_a_profile_is_httpds_alone(httpd, crasher):
    server = httpd(ON + crasher)
    with pytest.raises((http.client.HTTPException, OSError)):
        server.get('/crash?segv=0')
    server.expect_log('AH0005[12].*exit signal')
    time.sleep(0.3)
    assert not [line for line in server.error_lines()
                if 'LPP171' in line and 'crash?segv=0' in line]


@pytest.mark.log_allows(r'AH0005[12]')
def test_core_dumps_are_what_they_were(httpd, crasher):
    server = httpd(ON + crasher)
    pid, _ = die(server, 'segv', 10)
    with_us = server.expect_log(r'AH0005[12]: child pid %d (.*)' % pid)
    with pytest.raises((http.client.HTTPException, OSError)):
        server.get('/crash?segv=10')

    def another():
        found = [line for line in server.error_lines()
                 if re.search(r'AH0005[12]: child pid (?!%d)' % pid, line)]
        return found and found[-1]
    line = wait_for(another, 10, 'the other crash')
    assert line.endswith(with_us.group(1)), (line, with_us.group(0))


@pytest.mark.all_mpms
def test_a_holder_killed_from_outside_while_others_wait(httpd):
    server = httpd(ON, features=['lua'], fresh=True)
    results = []

    def run(ms):
        try:
            results.append(server.get('/++profile++callgrind/lua/compute.lua'
                                      '?ms=%d' % ms, timeout=40))
        except (http.client.HTTPException, OSError) as error:
            results.append(error)
    first = threading.Thread(target=run, args=(5000,), daemon=True)
    first.start()
    match = server.expect_log(HOLDER)
    pid, oops_id = int(match.group(1)), match.group(2)
    others = [threading.Thread(target=run, args=(100,), daemon=True)
              for _ in range(3)]
    for other in others:
        other.start()
    time.sleep(0.3)
    os.kill(pid, signal.SIGKILL)
    path = server.wait_oops(oops_id)
    assert head(path)['Exception-Type'] == 'ChildDied'
    for thread in [first, *others]:
        thread.join(30)
    check_samples(server, oops_id, path.read_text(), 'ap_invoke_handler',
                  (200000, 4900000))
    server.expect_log('LPP171.*' + oops_id)
    time.sleep(0.3)
    # One report for the profiled one; those who waited held nothing.
    deaths = [line for line in server.error_lines() if 'LPP171' in line]
    assert len(deaths) == 1, deaths


def test_the_last_child_of_all(httpd):
    """Nobody is left who could write it but the parent's helper."""
    server = httpd(ON + 'StartServers 1\nServerLimit 1\nThreadsPerChild 4\n'
                   'MaxRequestWorkers 4\nMinSpareThreads 1\n'
                   'MaxSpareThreads 4\n', features=['lua'], fresh=True)
    thread = threading.Thread(target=lambda: pytest.raises(
        Exception, server.get, '/++profile++callgrind/lua/compute.lua?ms=5000'),
        daemon=True)
    thread.start()
    match = server.expect_log(HOLDER)
    os.kill(int(match.group(1)), signal.SIGKILL)
    assert head(server.wait_oops(match.group(2)))['Exception-Type'] \
        == 'ChildDied'
    thread.join(10)
    next_is_profiled(server)


@pytest.mark.log_allows(r'LPP170')
def test_a_report_that_cannot_be_written_is_logged_and_the_server_goes_on(
        httpd, crasher):
    server = httpd(ON + crasher, fresh=True)
    next_is_profiled(server)
    oops = server.profile_dir / 'oops'
    kept = oops.with_name('kept')
    oops.rename(kept)
    oops.write_text('in the way')
    _, oops_id = die(server, 'kill')
    server.expect_log(r'warn.*LPP170: %s' % oops_id)
    oops.unlink()
    kept.rename(oops)
    next_is_profiled(server)


def test_it_goes_to_the_host_it_belongs_to(httpd, crasher):
    server = httpd(ON + crasher + '''
<VirtualHost 127.0.0.1:${PORT}>
ServerName first.example
</VirtualHost>
<VirtualHost 127.0.0.1:${PORT}>
ServerName second.example
LPProfileDir ${ROOT}/run/second
LPOopsReporter the-second
</VirtualHost>
''', fresh=True)
    with pytest.raises((http.client.HTTPException, OSError)):
        server.get('/++profile++callgrind/crash?_exit=10',
                   host='second.example')
    match = server.expect_log(HOLDER)
    path = server.wait_oops(match.group(2),
                            directory=server.root / 'run/second/oops')
    assert head(path)['Oops-Reporter'] == 'the-second'
    assert 'second.example' in head(path)['URL']


@pytest.mark.log_allows(r'AH0005[12]')
def test_its_profile_is_shown_by_that_host_alone(httpd, crasher):
    """Hosts of one name: the dead process left which of them it served."""
    host = ('<VirtualHost 127.0.0.1:${PORT}>\nServerAlias %s\n'
            '</VirtualHost>\n')
    server = httpd(ON + crasher + host % 'first.example'
                   + host % 'second.example', fresh=True)
    with pytest.raises((http.client.HTTPException, OSError)):
        server.get('/++profile++callgrind/crash?segv=%d' % WORK_MS,
                   host='second.example')
    oops_id = server.expect_log(HOLDER).group(2)
    server.wait_oops(oops_id)
    for name, status in (('second.example', 200), ('first.example', 404)):
        page = wait_for(lambda: server.get('/++profile++report:' + oops_id,
                                           host='second.example').status
                        == 200 and server.get('/++profile++report:' + oops_id,
                                              host=name), 10, 'its report')
        assert page.status == status


def test_a_server_not_started_as_root(httpd, crasher):
    server = httpd(ON + crasher, unprivileged=True)
    _, oops_id = die(server, 'kill')
    assert head(server.wait_oops(oops_id))['Exception-Type'] == 'ChildDied'


@pytest.mark.all_mpms
@pytest.mark.log_allows(r'AH0005[12]')
def test_an_old_generations_crash_names_nothing_wrong(httpd, crasher):
    server = httpd(ON + crasher, fresh=True)
    thread = threading.Thread(target=lambda: pytest.raises(
        Exception, server.get, '/++profile++callgrind/crash?segv=3500'),
        daemon=True)
    thread.start()
    match = server.expect_log(HOLDER)
    server.restart('graceful')
    thread.join(20)
    if server.mpm == 'prefork':
        # It learns of the restart only when its request is done.
        path = server.wait_oops(match.group(2))
        assert head(path)['Exception-Type'] == 'SIGSEGV'
        assert 'lpp_crash_' not in path.read_text()
        # Its samples are by file, not by address: they have their names.
        check_samples(server, match.group(2), path.read_text())
    next_is_profiled(server)


@pytest.mark.all_mpms
@pytest.mark.parametrize('how', ['restart', 'stop'])
@pytest.mark.log_allows(r'AH0004[56]', r'AH0005[12]')
def test_a_request_that_a_stop_or_restart_cuts_off(httpd, how, mpm):
    """Not asked to end gracefully: a thread that computes on is killed after
    some seconds, a prefork child ends on top of it."""
    server = httpd(ON, features=['lua'], fresh=True)
    thread = threading.Thread(target=lambda: pytest.raises(
        Exception, server.get,
        '/++profile++callgrind/lua/compute.lua?ms=25000'), daemon=True)
    thread.start()
    match = server.expect_log(HOLDER)
    time.sleep(0.3)
    if how == 'stop':
        server.stop()
    else:
        server.restart(how)
    path = server.wait_oops(match.group(2), timeout=15)
    assert head(path)['Exception-Type'] == 'ChildDied'
    assert head(path)['Page-Id'] == 'lua-script:compute.lua'
    thread.join(20)
    text = path.read_text()
    assert int(re.search(r'(\d+) samples gathered until then',
                         text).group(1)) > 20
    server.expect_log('LPP171.*' + match.group(2))
    log = server.wait_files(match.group(2))
    assert [file for file in log if file.name.startswith('callgrind.out.')]
    server.expect_log('LPP171')
    said = [line for line in server.error_lines() if 'LPP171' in line]
    assert len(said) == 1, said
    if how == 'restart':
        next_is_profiled(server)


@pytest.mark.log_allows(r'AH0005[12]')
def test_a_request_whose_profile_was_over_before_it_died(httpd):
    server = httpd(ON + 'LPProfileMaxTime 300ms\n', features=['lua'],
                   fresh=True)
    thread = threading.Thread(target=lambda: pytest.raises(
        Exception, server.get,
        '/++profile++callgrind/lua/compute.lua?ms=20000'), daemon=True)
    thread.start()
    match = server.expect_log(HOLDER)
    time.sleep(0.6)
    next_is_profiled(server)
    os.kill(int(match.group(1)), signal.SIGKILL)
    thread.join(10)
    path = server.wait_oops(match.group(2))
    assert head(path)['Exception-Type'] == 'ChildDied'
    log, = [file for file in server.wait_files(match.group(2))
            if file.name.startswith('callgrind.out.')]
    assert 'cut short: longer than LPProfileMaxTime' in log.read_text()


def test_writers_leave_no_process_and_no_descriptor_behind(httpd, crasher):
    server = httpd(ON + crasher, fresh=True)
    next_is_profiled(server)
    def opened():
        return len(os.listdir('/proc/%d/fd' % server.process.pid))
    before = opened()
    for _ in range(3):
        _, oops_id = die(server, 'kill', 5)
        server.wait_oops(oops_id)
    wait_for(lambda: opened() == before, 5, 'no descriptor')

    def is_zombie(pid):
        try:
            stat = pathlib.Path('/proc/%d/stat' % pid).read_text()
        except OSError:
            return False  # reaped since it was listed
        return '(apache2) Z' in stat
    wait_for(lambda: not any(map(is_zombie, server.descendants())), 5,
             'no zombie')
