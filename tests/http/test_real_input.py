# SPDX-License-Identifier: Apache-2.0
"""The main job over what people really serve, on every MPM: the page is the
page, the profile lies in it or beside it, the totals are the request's."""
import re

import pytest

from callgrind import Callgrind

pytestmark = pytest.mark.no_valgrind('too slow to give enough samples')

PROFILE = 'LPProfilingAllowed On\n'
SEGMENT = '/++profile++show&callgrind'
FEATURES = ['autoindex', 'include', 'lua', 'cgi', 'proxy', 'rewrite', 'tls',
            'http2']
LARGE = 50 * 1024 * 1024

CGI = {'prefork': 'mod_cgi.so:handler', 'worker': 'mod_cgid.so:handler',
       'event': 'mod_cgid.so:handler'}

PAGES = [  # path, a text of it, a function its profile names or None
    ('/index.html', 'A static page', None),
    ('/dir/', 'Index of', None),
    ('/page.shtml', 'mod_include', None),
    ('/lua/compute.lua?ms=100', 'sum ', 'mod_lua.so:handler'),
    ('/cgi/slow', 'A slow CGI', CGI),
    ('/back/lua/compute.lua?ms=100', 'sum ', 'mod_proxy.so:handler'),
]


@pytest.fixture
def server(httpd, mpm):
    backend = httpd(profiler=False, features=['lua'], key='backend',
                    mpm='event')
    return httpd(PROFILE + 'ProxyPass /back http://127.0.0.1:%d\n'
                 % backend.port, features=FEATURES[:-1] if mpm == 'prefork' else FEATURES)


def took_us(server, oops_id):
    """From httpd's clock of the request, until the profile was over. The client
    has its page earlier, where httpd stands still then."""
    oops = server.wait_oops(oops_id).read_text()
    return float(re.search('^Duration: (.*)$', oops, re.M)[1]) * 1e6


def check_profile(server, got, text, function):
    assert got.status == 200
    assert text in got.text
    assert 'Profiling Information' in got.text
    assert got.lpprofile.split(';')[0] == 'profiled'
    log, = server.wait_files(got.oops_id)
    calls = Callgrind(log)
    assert calls.events == ['Wall', 'CPU', 'Ready', 'Samples']
    wall, cpu, ready, _ = calls.total
    assert 0 < wall <= took_us(server, got.oops_id) and cpu + ready <= wall
    # Every microsecond stands at one function.
    own = [sum(costs[at] for costs in calls.own.values() if costs)
           for at in range(4)]
    assert own == calls.total
    if function:
        # Of 100 ms, however long the machine stood still elsewhere.
        assert calls.inclusive(function) > 50000
    oops = server.wait_oops(got.oops_id).read_text()
    assert 'Exception-Type: ProfilingOops' in oops
    assert 'phase handler' in oops


@pytest.mark.mpms('prefork', 'event')
@pytest.mark.parametrize('path, text, function', PAGES)
def test_page(server, mpm, path, text, function):
    got = server.get(SEGMENT + path)
    if isinstance(function, dict):
        function = function[mpm]
    check_profile(server, got, text, function)


@pytest.mark.mpms('prefork', 'event')
def test_tls(server):
    got = server.get(SEGMENT + '/lua/compute.lua?ms=100', tls=True)
    check_profile(server, got, 'sum ', 'mod_lua.so:handler')


@pytest.mark.mpms('worker', 'event')
def test_http2(server):
    done = server.curl(SEGMENT + '/lua/compute.lua?ms=300',
                       '--http2-prior-knowledge', '-i')
    head, _, body = done.stdout.partition(b'\r\n\r\n')
    fields = dict(line.split(': ', 1)
                  for line in head.decode().split('\r\n')[1:])
    assert head.startswith(b'HTTP/2 200')
    assert b'Profiling Information' in body
    log, = server.wait_files(fields['x-lazr-oopsid'])
    calls = Callgrind(log)
    assert 300000 <= calls.total[0] <= took_us(server, fields['x-lazr-oopsid'])
    # However long the machine stood still elsewhere.
    assert calls.inclusive('mod_lua.so:handler') > 50000


@pytest.mark.mpms('prefork', 'event')
def test_large_download(server):
    large = server.site / 'large.bin'
    if not large.exists():
        large.write_bytes(b'\0' * LARGE)
    got = server.get(SEGMENT + '/large.bin')
    assert got.status == 200
    assert len(got.body) == LARGE and not got.body.strip(b'\0')
    assert got.header('Content-Length') == str(LARGE)
    log, = server.wait_files(got.oops_id)
    assert Callgrind(log).total[0] > 0
