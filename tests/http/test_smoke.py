# SPDX-License-Identifier: Apache-2.0
"""The main job, in short: a page with its profile, the log, the OOPS."""
import os
import re
import stat

import pytest

PROFILE = 'LPProfilingAllowed On'


@pytest.mark.all_mpms
def test_page_log_and_oops(httpd):
    server = httpd(PROFILE, key='smoke')
    got = server.get('/++profile++show&callgrind/index.html')
    assert got.status == 200
    assert re.fullmatch('OOPS-[0-9a-f]{32}', got.oops_id)
    assert got.header('Cache-Control') == 'no-store'
    assert '<h1>A static page</h1>' in got.text
    assert 'Profiling Information' in got.text
    log, = server.wait_files(got.oops_id)
    assert log.read_text().startswith('# callgrind format\n')
    assert stat.S_IMODE(os.stat(log).st_mode) == 0o600
    oops = server.wait_oops(got.oops_id).read_text()
    assert 'Oops-Id: ' + got.oops_id in oops
    # The log keeps what the client sent.
    assert 'GET /++profile++show&callgrind/index.html' in \
        server.access_lines(1)[-1]


@pytest.mark.all_mpms
def test_page_without_segment_is_untouched(httpd):
    server = httpd(PROFILE, key='plain')
    got = server.get('/index.html')
    assert got.body == (server.site / 'index.html').read_bytes()
    assert not got.oops_id and not got.lpprofile
    assert server.profile_files() == []


def test_module_shows_in_mod_info_by_its_source_name(httpd):
    server = httpd(PROFILE, features=['info'])
    assert 'mod_lpprofile.c' in server.get('/server-info').text


def test_server_not_started_as_root(httpd):
    server = httpd(PROFILE, unprivileged=True)
    got = server.get('/++profile++callgrind/index.html')
    assert got.status == 200
    server.wait_files(got.oops_id)
