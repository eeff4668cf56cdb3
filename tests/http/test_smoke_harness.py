# SPDX-License-Identifier: Apache-2.0
"""The harness itself: a server without the profiler, and the log check."""
import os
import signal

import pytest

import httpd_env


@pytest.mark.no_valgrind("complains of PHP's own reads")
@pytest.mark.all_mpms
def test_neighbours_answer(httpd):
    server = httpd(profiler=False,
                   features=['lua', 'cgi', 'include', 'autoindex'])
    assert server.get('/').status == 200
    assert 'The included part' in server.get('/page.shtml').text
    assert 'QUERY_STRING=a=1' in server.get('/cgi/env?a=1').text
    assert '/lua/hello.lua?x' in server.get('/lua/hello.lua?x').text
    assert 'one.html' in server.get('/dir/').text


def test_php_tls_http2_deflate(httpd):
    server = httpd(profiler=False, features=['php', 'tls', 'http2',
                                             'deflate'])
    assert 'PATH_INFO=/x' in server.get('/php/env.php/x').text
    assert server.get('/', tls=True).status == 200
    got = server.curl('/', '--http2-prior-knowledge', '-i')
    assert got.stdout.startswith(b'HTTP/2 200')
    packed = server.get('/', [('Accept-Encoding', 'gzip')])
    assert packed.header('Content-Encoding') == 'gzip'


def test_not_as_root(httpd):
    server = httpd(profiler=False, unprivileged=True)
    assert server.get('/').status == 200


def test_paths_and_headers_are_sent_as_written(httpd):
    server = httpd(profiler=False, features=['cgi'], key='harness')
    got = server.get('/cgi/../cgi//env/%2e/a?b c'.replace(' ', '%20'),
                     [('X-Two', '1'), ('X-Two', '2')])
    assert 'HTTP_X_TWO=1, 2' in got.text
    assert server.access_lines(1)[-1].count('/cgi/../cgi//env/%2e/a') == 1


def test_restart_and_stop(httpd):
    server = httpd(profiler=False, fresh=True)
    before = set(server.children())
    server.restart('graceful')
    assert server.get('/').status == 200
    assert set(server.children()) - before
    server.restart('restart')
    assert server.get('/').status == 200
    assert server.stop('graceful-stop') == 0


def test_configtest_and_failing_start(httpd):
    assert httpd.configtest('', profiler=False)[0] == 0
    code, said = httpd.configtest('NoSuchThing On', profiler=False)
    assert code != 0 and 'NoSuchThing' in said
    assert 'NoSuchThing' in httpd.fails('NoSuchThing On', profiler=False)


@pytest.mark.parametrize('line, fault', [
    ('[now] [core:notice] [pid 1] fine', False),
    ('[now] [lpprofile:warn] [pid 1] bad', True),
    ('[now] [core:notice] [pid 1] AH00052: child pid 9 exit signal '
     'Segmentation fault (11)', True),
    ('==1==ERROR: AddressSanitizer', True),
])
def test_log_check_sees(httpd, line, fault):
    server = httpd(profiler=False)
    server.take_faults()
    with server.error_log.open('a') as log:
        log.write(line + '\n')
    assert server.take_faults() == ([line] if fault else [])


def test_log_check_lets_named_lines_pass(httpd):
    server = httpd(profiler=False)
    with server.error_log.open('a') as log:
        log.write('[now] [lpprofile:warn] [pid 1] LPP999: named\n')
    assert server.expect_log(r'LPP999: (\w+)').group(1) == 'named'
    assert server.take_faults() == []


@pytest.mark.log_allows('exit signal Abort')
def test_crashed_child_is_named_and_replaced(httpd):
    server = httpd(profiler=False, fresh=True)
    victim = server.children()[0]
    os.kill(victim, signal.SIGABRT)
    server.expect_log('exit signal Abort')
    httpd_env.wait_for(lambda: victim not in server.children())
    assert server.get('/').status == 200


@pytest.mark.parametrize('text, fault', [
    ('# callgrind format\nversion: 1\ncmd: x\npositions: line\n'
     'events: Wall\nfl=x\nfn=a\n0 5\ntotals: 5\n', False),
    ('# callgrind format\nversion: 1\npositions: line\nevents: Wall\n'
     'fn=a\nrubbish\n', True),
    ('', True),
])
def test_unreadable_callgrind_logs_are_named(request, tmp_path, text, fault):
    plugins = request.config.pluginmanager.get_plugins()
    check = next(p.unreadable_logs for p in plugins
                 if hasattr(p, 'unreadable_logs'))
    (tmp_path / 'callgrind.out.x').write_text(text)
    assert bool(check(tmp_path)) is fault
