# SPDX-License-Identifier: Apache-2.0
"""LPProfileKernelEvents: events of the kernel tell when a thread waits."""
import collections
import os
import pathlib
import re

import pytest

import apxs_env
from stacks import Stacks

ON = 'LPProfilingAllowed On\nStartServers 1\n'
SEGMENT = '/++profile++callgrind'
CALL_COUNT = 34
PARANOID = pathlib.Path('/proc/sys/kernel/perf_event_paranoid')
PERF_EVENT_OPEN = {'x86_64': 298, 'aarch64': 241}.get(os.uname().machine)
EACCES = 13
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason='SKIPPED: needs root')
Seen = collections.namedtuple('Seen', 'kernel blocks lost signals repaired')


def calls():
    """Configuration of /calls, which blocks in the calls it is asked for."""
    return ON + apxs_env.load('lpp_test_calls') + (
        '<Location /calls>\nSetHandler lpp-calls\n</Location>\n')


def read(path):
    """What a profile says of how it was made."""
    text = path.read_text('utf-8')
    seen = re.search(r'^desc: Blocks seen by: (\w+)(?: events: (\d+) blocks, '
                     r'(\d+) records lost)?$', text, re.M)
    made = re.search(r'(\d+) signals, (\d+) calls repaired', text)
    return Seen(seen[1] == 'kernel', int(seen[2] or 0), int(seen[3] or 0),
                *map(int, made.groups()))


def profile(server, path, segment=SEGMENT):
    got = server.get(segment + path)
    assert got.status == 200 and got.lpprofile.startswith('profiled'), got
    file, = server.wait_files(got.oops_id)
    return got, file, read(file)


def has_events(pid):
    found = 0
    for fd in pathlib.Path('/proc/%d/fd' % pid).iterdir():
        try:
            found += 'perf_event' in os.readlink(fd)
        except OSError:
            pass
    return found


@pytest.fixture
def paranoid():
    """paranoid(level) sets kernel.perf_event_paranoid until the test ends."""
    before = PARANOID.read_text()

    def change(level):
        try:
            PARANOID.write_text('%d\n' % level)
        except OSError as error:
            pytest.skip('SKIPPED: kernel.perf_event_paranoid: %s' % error)
    yield change
    if PARANOID.read_text() != before:
        PARANOID.write_text(before)


def can_open(httpd_server):
    """Whether this machine lets root open them."""
    return not [line for line in httpd_server.error_lines()
                if 'LPP036' in line]


@AS_ROOT
@pytest.mark.log_allows(r'LPP036')
@pytest.mark.all_mpms
def test_on_sees_blocks_without_a_signal(httpd, mpm):
    server = httpd(calls() + 'LPProfileKernelEvents on force\n', fresh=True)
    if not can_open(server):
        pytest.skip('SKIPPED: this machine denies perf_event_open to root')
    child, = server.children()[:1]
    assert has_events(child) == len(os.sched_getaffinity(0))
    assert not has_events(server.process.pid)
    repaired = 0
    for number in range(CALL_COUNT):
        got, file, seen = profile(server, '/calls?%d' % number)
        name = got.text.partition(';')[0]
        print(name, seen)
        assert seen.kernel, name
        assert seen.blocks + seen.lost >= 1, name
        # These copy megabytes: they run in the kernel.
        if not name.startswith(('one ', 'write ')):
            repaired += seen.repaired
    # A signal may still hit a call that begins at that moment.
    assert repaired <= CALL_COUNT / 5
    assert 'Kernel events told of' in server.report(got.oops_id).text
    # The rings are mapped while a profile runs.
    assert 'perf_event' not in pathlib.Path('/proc/%d/maps' % child).read_text()


@AS_ROOT
@pytest.mark.log_allows(r'LPP036', r'AH0')
@pytest.mark.parametrize('replaced', [False, True])
def test_a_proxied_wait_has_its_whole_stack(httpd, replaced):
    env = {'LD_PRELOAD': str(apxs_env.build_object(
        'replaced_lock', 'lpp_replaced_lock', '-D_GNU_SOURCE', '-ldl'))}
    server = httpd(
        calls() + 'LPProfileKernelEvents on\n'
        'ProxyPass /away http://127.0.0.1:${PORT}/calls retry=0 '
        'disablereuse=on\n', features=['proxy'], fresh=True,
        env=env if replaced else None)
    if not can_open(server):
        pytest.skip('SKIPPED: this machine denies perf_event_open to root')
    got = server.get('/++profile++collapsed/away?0')
    assert got.status == 200 and got.lpprofile.startswith('profiled'), got
    stacks = Stacks(server.wait_files(got.oops_id)[0])
    assert stacks.us('proxy_run_scheme_handler') > 900000
    assert stacks.us('[waits: tcp 127.0.0.1:%d]' % server.port) > 900000


@AS_ROOT
@pytest.mark.alone('changes a setting of the kernel')
def test_auto_opens_them_where_the_kernel_permits_it(httpd, paranoid):
    paranoid(1)
    server = httpd(calls(), fresh=True)
    child, = server.children()[:1]
    for _ in range(2):
        _, _, seen = profile(server, '/calls?0')
        assert seen.kernel and seen.blocks >= 1
        assert seen.repaired <= 1
    assert not has_events(child)
    assert not [line for line in server.error_lines() if 'LPP013' in line]
    paranoid(3)
    _, _, seen = profile(server, '/calls?0')
    assert not seen.kernel and not seen.blocks


@AS_ROOT
@pytest.mark.alone('changes a setting of the kernel')
def test_auto_goes_on_without_them_where_it_does_not(httpd, paranoid):
    paranoid(3)
    server = httpd(calls(), fresh=True)
    for _ in range(3):
        got, _, seen = profile(server, '/calls?0')
        assert not seen.kernel and not seen.blocks
        page = server.report(got.oops_id).text
        assert 'sampled without kernel events' in page
    said = [re.search(r':info\] \[pid (\d+)', line)[1]
            for line in server.error_lines() if 'LPP013' in line]
    assert said and len(said) == len(set(said)), said  # once in a process


@AS_ROOT
@pytest.mark.alone('changes a setting of the kernel')
def test_off_opens_none(httpd, paranoid):
    paranoid(1)
    server = httpd(calls() + 'LPProfileKernelEvents off\n', fresh=True)
    _, _, seen = profile(server, '/calls?0')
    assert not seen.kernel
    assert not [line for line in server.error_lines() if 'LPP013' in line]


@AS_ROOT
@pytest.mark.skipif(PERF_EVENT_OPEN is None, reason='number of the call')
@pytest.mark.log_allows(r'LPP036', r'LPP013')
def test_on_goes_on_without_them_where_a_filter_denies_them(httpd):
    server = httpd(calls() + 'LPProfileKernelEvents on\n'
                   + apxs_env.load('lpp_deny'), fresh=True,
                   env={'LPP_DENY': '%d=%d' % (PERF_EVENT_OPEN, EACCES),
                        'LPP_DENY_AT_START': '1'})
    for _ in range(2):
        _, _, seen = profile(server, '/calls?0')
        assert not seen.kernel
    said = [line for line in server.error_lines() if 'LPP036' in line]
    assert len(said) == 1 and ':warn]' in said[0], said


@AS_ROOT
@pytest.mark.mpms('prefork')
@pytest.mark.log_allows(r'LPP036')
def test_a_page_function_that_sleeps_is_seen(httpd):
    server = httpd(ON + 'LPProfileKernelEvents on force\n',
                   features=['modphp'], fresh=True)
    if not can_open(server):
        pytest.skip('SKIPPED: this machine denies perf_event_open to root')
    (server.site / 'php' / 'nap.php').write_text(
        '<html><body><?php function nap() { for ($i = 0; $i < 10; $i++) '
        '{ usleep(30000); } } nap(); ?></body></html>\n')
    _, _, seen = profile(server, '/php/nap.php')
    assert seen.kernel and seen.blocks >= 10
    assert seen.repaired <= 2, seen
    got = server.get('/++profile++collapsed/php/nap.php')
    stacks = Stacks(server.wait_files(got.oops_id)[0])
    assert stacks.us('nap', 'usleep()') >= 250000, stacks.lines


@AS_ROOT
@pytest.mark.log_allows(r'LPP036')
def test_a_python_function_that_sleeps_is_seen(httpd):
    """Its interpreter is read by another thread than its own."""
    server = httpd(ON + 'LPProfileKernelEvents on\n'
                   'WSGIScriptAlias /nap ${SITE}/nap.wsgi\n'
                   'WSGIDestroyInterpreter Off\n',
                   modules=['wsgi'], fresh=True)
    if not can_open(server):
        pytest.skip('SKIPPED: this machine denies perf_event_open to root')
    (server.site / 'nap.wsgi').write_text(
        'import time\n\ndef nap():\n    for i in range(10):\n'
        '        time.sleep(0.03)\n\ndef application(environ, start):\n'
        "    nap()\n    start('200 OK', [('Content-Type', 'text/plain')])\n"
        "    return [b'slept']\n")
    assert server.get('/nap').text == 'slept'
    got = server.get('/++profile++collapsed/nap')
    stacks = Stacks(server.wait_files(got.oops_id)[0])
    assert stacks.us('nap', '[waits: sleep]') >= 250000, stacks.lines


@AS_ROOT
@pytest.mark.mpms('prefork')
@pytest.mark.log_allows(r'LPP036', r'AH0')
def test_a_script_inherits_none(httpd):
    server = httpd(ON + 'LPProfileKernelEvents on force\n', features=['cgi'],
                   fresh=True)
    script = server.site / 'cgi' / 'fds'
    script.write_text('#!/bin/sh\nprintf "Content-Type: text/plain\\n\\n"\n'
                      'ls -l /proc/self/fd\n')
    script.chmod(0o755)
    got = server.get(SEGMENT + '/cgi/fds')
    assert got.status == 200 and '->' in got.text
    assert 'perf_event' not in got.text


@pytest.mark.mpms('prefork')
@pytest.mark.log_allows(r'LPP03')
def test_prefork_with_many_children_is_refused_but_by_force(httpd):
    many = ('MaxRequestWorkers 65\nServerLimit 65\n'
            'LPProfileKernelEvents on%s\n')
    said = httpd.fails(ON + many % '')
    assert 'LPP037' in said and 'on force' in said
    server = httpd(ON + many % ' force', fresh=True)
    assert server.get('/index.html').status == 200


@AS_ROOT
def test_nothing_is_opened_where_profiling_is_off(httpd):
    server = httpd('LPProfilingAllowed Off\nLPProfileKernelEvents on\n',
                   fresh=True)
    assert server.get('/index.html').status == 200
    assert not [pid for pid in server.children() if has_events(pid)]
