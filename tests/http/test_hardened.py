# SPDX-License-Identifier: Apache-2.0
"""A system that denies what the sampler wants, as a hardened unit does: every
request is served as ever, and one sentence a child says what is missing."""
import platform
import re

import pytest

import apxs_env
from blocks import without_block

ON = 'LPProfilingAllowed On\nStartServers 1\n'
PAGE = '/++profile++show&callgrind/lua/compute.lua?ms=80'
EPERM, EAGAIN, ENOSYS = 1, 11, 38
# {what: (system calls and their answers, X-LPProfile, sentence)}; x86-64.
DENIED = {
    'tgkill': ({234: EPERM}, 'no-signal', 'LPP067'),
    'tgkill, for the queue is full': ({234: EAGAIN}, 'no-signal', 'LPP067'),
    'sigaction': ({13: EPERM}, 'no-signal', 'LPP067'),
    'threads': ({56: EAGAIN, 435: ENOSYS}, 'failed', 'LPP061'),
    'memory for a thread': ({10: EPERM}, 'failed', 'LPP061'),
    'process_vm_readv': ({310: EPERM}, 'profiled', None),
    'clock_gettime': ({228: EPERM}, 'profiled', None),
    'sigaltstack': ({131: EPERM}, 'no-signal', 'LPP067'),
    'prctl, scheduling': ({157: EPERM, 144: EPERM, 203: EPERM}, 'profiled',
                          None),
    'perf_event_open': ({298: EPERM}, 'profiled', None),
    'tgsigqueueinfo': ({297: EPERM}, 'profiled', None),
}


@pytest.mark.skipif(platform.machine() != 'x86_64',
                    reason='numbers of system calls')
@pytest.mark.mpms('prefork')  # its children make no other threads
@pytest.mark.parametrize('what', DENIED)
def test_it_stands_down_with_one_sentence(httpd, what):
    calls, status, sentence = DENIED[what]
    server = httpd(ON + 'MaxSpareServers 1\nMaxRequestWorkers 1\n'
                   + apxs_env.load('lpp_deny'), features=['lua'], fresh=True,
                   env={'LPP_DENY': ' '.join('%d=%d' % pair
                                             for pair in calls.items())})
    for _ in range(3):
        got = server.get(PAGE)
        assert got.status == 200
        assert without_block(got.body).startswith(b'<html><body><p>sum ')
        assert got.lpprofile.startswith(status), got.lpprofile
        if status != 'failed':
            server.wait_files(got.oops_id)
            server.wait_oops(got.oops_id)
    if sentence:
        server.expect_log(':warn.*' + sentence)
    said = [line for line in server.error_lines()
            if 'LPP' in line and (':warn]' in line or ':error]' in line)]
    assert len(said) == (1 if sentence else 0), said


@pytest.mark.skipif(tuple(map(int, platform.release().split('-')[0].split('.')
                              [:2])) < (6, 3), reason='the kernel cannot')
@pytest.mark.mpms('prefork')
def test_where_no_memory_is_written_and_run_nothing_is_missing(httpd):
    """systemd's MemoryDenyWriteExecute, NoNewPrivileges."""
    server = httpd(ON + apxs_env.load('lpp_deny'), features=['lua'],
                   fresh=True, env={'LPP_DENY_WRITE_EXECUTE': '1'})
    got = server.get(PAGE + '0')
    assert got.lpprofile.startswith('profiled'), got.lpprofile
    log = server.wait_files(got.oops_id)[0].read_text()
    assert 'lua' in log
    samples = re.search(r'^summary: \d+ \d+ \d+ (\d+)$', log, re.M)
    assert int(samples.group(1)) > 5 # of 800 ms
    assert not [line for line in server.error_lines() if 'LPP06' in line
                and ':warn]' in line]
