# SPDX-License-Identifier: Apache-2.0
"""The profiler's section in mod_status, for people and for ?auto."""
import os
import re
import signal
import threading
import time

import pytest

from httpd_env import wait_for

ON = 'LPProfilingAllowed On\n'
PAGE = '/++profile++callgrind/index.html'
HOLD = '/++profile++callgrind/lua/hold.lua?until=%s'
STRANGER = {'X-Forwarded-For': '203.0.113.9'}  # not within LPProfileAccess


def auto(server, headers=()):
    text = server.get('/server-status?auto', headers=headers).text
    return dict(re.findall(r'^LPProfile(\w+): (.*)$', text, re.M))


def number(server, key):
    return float(auto(server)[key])


def test_figures_of_a_server_that_profiles(httpd):
    server = httpd(ON, features=['status', 'lua'], fresh=True)
    first = auto(server)
    assert first['Allowed'] == 'yes'
    assert first['Running'] == first['Waiting'] == first['Profiles'] == '0'
    assert first['Signal'] == 'none yet'
    ids = [server.get('/++profile++callgrind/lua/compute.lua?ms=400').oops_id
           for _ in range(2)]
    sizes = [server.wait_files(oops_id)[0].stat().st_size for oops_id in ids]
    wait_for(lambda: auto(server)['Running'] == '0', 10, 'the gate to be free')
    got = auto(server)
    assert got['Profiles'] == '2'
    assert float(got['Samples']) > 50
    assert 0 < float(got['OwnCpuSeconds']) < 5
    assert 0 < float(got['OwnCpuPercent']) < 100
    assert re.match(r'\d+ \(SIGRTMAX-\d+\)$', got['Signal'])
    files = server.profile_files()
    assert int(got['DirFiles']) >= 2
    assert int(got['DirBytes']) >= sum(sizes)
    assert int(got['DirFiles']) >= len(files)
    assert 'LastError' not in got


def test_the_page_holds_the_same(httpd):
    server = httpd(ON, features=['status'], key='page')
    server.get(PAGE)
    page = server.get('/server-status').text
    section = page[page.index('<h2>mod_lpprofile</h2>'):]
    assert '<dt>Profiling allowed for this host: yes</dt>' in section
    assert re.search(r'<dt>Requests profiled: [1-9]\d*</dt>', section)
    assert section.index('</dl>') < section.index('</body>')


@pytest.mark.all_mpms
def test_what_runs_is_shown_to_those_with_access_alone(httpd):
    server = httpd(ON, features=['status', 'lua'])
    go = server.root / 'go-on'
    thread = threading.Thread(target=server.get, args=(
        HOLD % go + '&token=hunter2',), daemon=True)
    begun = time.monotonic()
    thread.start()
    match = server.expect_log(r'LPP062: profiling this request as (OOPS-\w+)')
    wait_for(lambda: auto(server)['Running'] == '1', 10,
             'the profile to be shown')
    got = auto(server)
    assert got['RunningId'] == match.group(1)
    assert '/lua/hold.lua' in got['RunningUrl']
    assert 'hunter2' not in str(got) and 'hidden' in got['RunningUrl']
    assert 0 <= float(got['RunningSeconds']) <= time.monotonic() - begun + 0.1
    others = auto(server, STRANGER)
    assert others['Running'] == '1' and 'RunningSeconds' in others
    for key in ('RunningId', 'RunningUrl', 'RunningPage', 'RunningThread'):
        assert key in got and key not in others
    html = server.get('/server-status', headers=STRANGER).text
    assert match.group(1) not in html
    go.write_text('')
    thread.join(20)


def test_waiting_and_skipped(httpd):
    server = httpd(ON + 'LPProfileMaxWaiting 1\n', features=['status', 'lua'],
                   fresh=True)
    go = server.root / 'go-on'
    threads = []
    for key in 'Running', 'Waiting':
        threads.append(threading.Thread(target=server.get, args=(HOLD % go,),
                                        daemon=True))
        threads[-1].start()
        wait_for(lambda: auto(server)[key] == '1', 10, key)
    assert server.get(PAGE).lpprofile.startswith('busy'), auto(server)
    assert auto(server)['SkippedBusy'] == '1'
    go.write_text('')
    for thread in threads:
        thread.join(20)
    assert auto(server)['Waiting'] == '0'


def test_a_server_that_does_not_profile_says_so(httpd):
    server = httpd('', features=['status'])
    got = auto(server)
    assert got == {'Allowed': 'no'}


def test_by_expression(httpd):
    server = httpd('LPProfilingAllowed "expr=%{HTTP:X-On} == \'1\'"\n',
                   features=['status'])
    assert auto(server)['Allowed'] == 'not for this request'
    assert auto(server, {'X-On': '1'})['Allowed'] == 'yes'


@pytest.mark.log_allows(r'LPP06[45]')
def test_the_last_error(httpd):
    server = httpd(ON, features=['status'], fresh=True)
    server.wait_oops(server.get(PAGE).oops_id)  # the last that is written
    assert 'LastErrorSeconds' not in auto(server)
    os.rename(server.profile_dir, server.root / 'run' / 'away')
    (server.root / 'run' / 'lpprofile').write_text('in the way')
    server.get(PAGE)
    got = wait_for(lambda: 'LastError' in auto(server) and auto(server), 10,
                   'the error')
    assert re.match(r'LPP06[45]: ', got['LastError'])
    assert float(got['LastErrorSeconds']) < 10
    tag = auto(server, STRANGER)['LastError']
    assert re.match(r'LPP06[45]$', tag)
    assert str(server.root) not in server.get('/server-status?auto',
                                              headers=STRANGER).text
    assert auto(server)['DirFiles'] == 'unknown'
    (server.root / 'run' / 'lpprofile').unlink()
    os.rename(server.root / 'run' / 'away', server.profile_dir)


@pytest.mark.no_valgrind('children die on purpose')
def test_a_holder_that_was_killed_is_not_shown_as_running(httpd):
    server = httpd(ON, features=['status', 'lua'], fresh=True)
    threading.Thread(target=lambda: pytest.raises(
        Exception, server.get, '/++profile++callgrind/lua/compute.lua?ms=5000'),
        daemon=True).start()
    match = server.expect_log(r'\[pid (\d+):.*LPP062')
    os.kill(int(match.group(1)), signal.SIGKILL)

    wait_for(lambda: auto(server)['Deaths'] == '1', 15,
             'the death to be counted')
    # Asked anew: it may have died while the page was made.
    assert auto(server)['Running'] == '0'


def test_figures_outlive_a_restart(httpd):
    server = httpd(ON, features=['status'], fresh=True)
    server.wait_files(server.get(PAGE).oops_id)
    assert auto(server)['Profiles'] == '1'
    server.restart('graceful', alone=True)
    assert auto(server)['Profiles'] == '1'
