# SPDX-License-Identifier: Apache-2.0
"""The URL segment: seen through everywhere."""
import time

import pytest

import httpd_env
from blocks import without_block

PLACES = ['/++profile++callgrind/dir/one.html',
          '/dir/++profile++callgrind/one.html',
          '/dir/one.html/++profile++callgrind',
          '/%2B%2Bprofile%2B%2Bcallgrind/dir/one.html',
          '/dir/%2b+%70rofile+%2bcallgrind/one.html',
          '//++profile++callgrind//dir/one.html']


@pytest.mark.parametrize('path', PLACES)
def test_segment_is_seen_through(httpd, path):
    server = httpd('LPProfilingAllowed On', features=['cgi'])
    plain = server.get('/dir/one.html')
    got = server.get(path)
    assert (got.status, without_block(got.body)) == (200, plain.body)
    assert got.lpprofile and not plain.lpprofile


def variables(got):
    return dict(line.partition('=')[::2] for line in got.text.splitlines())


def differences(plain, profiled):
    before, after = variables(plain), variables(profiled)
    own = {'UNIQUE_ID', 'REMOTE_PORT', 'REQUEST_TIME', 'REQUEST_TIME_FLOAT'}
    return {name for name in set(before) | set(after)
            if before.get(name) != after.get(name)} - own


APPLICATIONS = {
    'cgi': ('/cgi/env', ['cgi'], ''),
    'fastcgi': ('/php/env.php', ['php'], ''),
    'mod_php': ('/php/env.php', ['modphp'], ''),
}


@pytest.mark.parametrize('kind, on', [
    ('cgi', 'event'), ('cgi', 'prefork'), ('cgi', 'worker'),
    ('fastcgi', 'event'),
    pytest.param('mod_php', 'prefork', marks=[
        pytest.mark.no_valgrind("complains of PHP's own reads")])])
def test_application_sees_the_plain_url(httpd, kind, on):
    script, features, config = APPLICATIONS[kind]
    server = httpd('LPProfilingAllowed On\n' + config, features=features,
                   mpm=on)
    tail = '/a%20b/c?x=1&y=++profile++z'
    plain = server.get(script + tail)
    assert variables(plain)['REQUEST_URI'] == script + tail
    assert variables(plain)['PATH_INFO'] == '/a b/c'
    for path in ('/++profile++callgrind' + script + tail,
                 script + '/++profile++callgrind' + tail,
                 script + '/a%20b/%2B%2Bprofile%2B%2Bcallgrind/c'
                 '?x=1&y=++profile++z'):
        got = server.get(path)
        assert got.status == 200 and got.lpprofile
        assert differences(plain, got) == {'LPPROFILE_URI'}
        assert variables(got)['LPPROFILE_URI'] == path.partition('?')[0]


def test_host_and_port_survive(httpd):
    server = httpd('LPProfilingAllowed On\nUseCanonicalName Off\n'
                   'ServerName example.org\n',
                   features=['cgi'])
    for host in ('Example.ORG:8081', 'example.org', '[::1]:99'):
        plain = server.get('/cgi/env', host=host)
        got = server.get('/++profile++callgrind/cgi/env', host=host)
        assert differences(plain, got) == {'LPPROFILE_URI'}


def test_absolute_form(httpd):
    server = httpd('LPProfilingAllowed On\nUseCanonicalName Off\n'
                   'ServerName one.example\n',
                   features=['cgi'])
    wanted = b'\r\nREQUEST_URI=/cgi/env?q\n'
    for target in ('http://one.example:77/cgi/++profile++callgrind/env?q',
                   'http://one.example:77/++profile++callgrind/cgi/env?q'):
        got = server.raw(('GET %s HTTP/1.1\r\nHost: two.example\r\n'
                          'Connection: close\r\n\r\n' % target).encode())
        assert got.startswith(b'HTTP/1.1 200') and b'X-LPProfile:' in got
        assert b'\nSERVER_NAME=one.example\n' in got
        assert b'\nSERVER_PORT=77\n' in got
        assert b'\nREQUEST_URI=http://one.example:77/cgi/env?q\n' in got \
            or wanted.strip() in got


def test_front_controller_sees_the_plain_url(httpd):
    server = httpd('LPProfilingAllowed On\nRewriteEngine On\n'
                   'RewriteRule ^/app(/.*)?$ /cgi/env$1 [PT,E=FRONT:yes]\n',
                   features=['cgi', 'rewrite'])
    plain = server.get('/app/users/7?full=1')
    assert variables(plain)['REQUEST_URI'] == '/app/users/7?full=1'
    for path in ('/++profile++callgrind/app/users/7?full=1',
                 '/app/++profile++callgrind/users/7?full=1',
                 '/app/users/7/++profile++callgrind?full=1'):
        assert differences(plain, server.get(path)) == {'LPPROFILE_URI'}


def test_front_controller_in_a_directory_sees_the_plain_url(httpd):
    server = httpd('LPProfilingAllowed On\n<Directory ${SITE}/dir>\n'
                   'RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\n'
                   'RewriteRule ^(.*)$ /cgi/env/$1 [L]\n</Directory>\n',
                   features=['cgi', 'rewrite'])
    plain = server.get('/dir/users/7?full=1')
    assert variables(plain)['REQUEST_URI'] == '/dir/users/7?full=1'
    got = server.get('/dir/++profile++callgrind/users/7?full=1')
    assert differences(plain, got) == {'LPPROFILE_URI',
                                       'REDIRECT_LPPROFILE_URI'}


def test_backend_sees_the_plain_url(httpd):
    backend = httpd(profiler=False, features=['cgi'], key='backend')
    server = httpd('LPProfilingAllowed On\n'
                   'ProxyPass /app/ http://127.0.0.1:%d/cgi/env/\n'
                   % backend.port, features=['proxy'])
    plain = server.get('/app/x%20y?q=1')
    assert variables(plain)['REQUEST_URI'] == '/cgi/env/x%20y?q=1'
    for path in ('/++profile++callgrind/app/x%20y?q=1',
                 '/app/%2B%2Bprofile%2B%2Bcallgrind/x%20y?q=1'):
        got = server.get(path)
        assert got.lpprofile
        assert differences(plain, got) == {'HTTP_X_LPPROFILE_PARENT'}
        assert variables(got)['HTTP_X_LPPROFILE_PARENT'] == got.oops_id


@pytest.mark.all_mpms
def test_request_to_oneself_does_not_wait_for_its_parent(httpd):
    server = httpd('LPProfilingAllowed On\nLPProfileAllRequests On\n'
                   'LPProfileLockTimeout 20s\nProxyAddHeaders Off\n'
                   'ProxyPass /self/ http://127.0.0.1:${PORT}/cgi/\n',
                   features=['proxy', 'cgi'])
    began = time.monotonic()
    got = server.get('/++profile++callgrind/self/env')
    assert time.monotonic() - began < 15
    assert got.status == 200 and got.oops_id
    assert 'HTTP_X_LPPROFILE_PARENT' not in variables(got)
    server.expect_log('LPP063: served unprofiled: child-of-profiled')


def test_segment_of_a_forward_proxy_request_is_the_other_servers(httpd):
    backend = httpd(profiler=False, features=['cgi'], key='backend')
    server = httpd('LPProfilingAllowed On\nProxyRequests On\n'
                   '<Proxy *>\nRequire all granted\n</Proxy>\n',
                   features=['proxy'])
    url = 'http://127.0.0.1:%d/cgi/env/++profile++callgrind' % backend.port
    got = server.get(url)
    assert variables(got)['REQUEST_URI'] == '/cgi/env/++profile++callgrind'
    assert not got.lpprofile


@pytest.mark.log_allows(r'AH00026', r'AH01630')
def test_methods_that_never_trigger(httpd):
    server = httpd('LPProfilingAllowed On\nTraceEnable On\n')
    got = server.get('/++profile++callgrind/index.html', method='TRACE')
    assert got.body.startswith(b'TRACE /++profile++callgrind/index.html ')
    assert not got.lpprofile
    got = server.get('*', method='OPTIONS')
    assert got.status == 200 and not got.lpprofile
    got = server.get('127.0.0.1:1', method='CONNECT')
    assert got.status in (400, 405) and not got.lpprofile


def test_access_log_keeps_the_line_of_the_client(httpd):
    server = httpd('LPProfilingAllowed On\nLogFormat "%r|%U|%>s" both\n'
                   'CustomLog ${ROOT}/both.log both\n'
                   'ErrorDocument 404 /cgi/env\n',
                   features=['cgi'])
    both = server.root / 'both.log'
    asked = ['/dir/++profile++callgrind/one.html?q',
             '/%2B%2Bprofile%2B%2Bcallgrind/dir/one.html', '/dir/one.html',
             '/++profile++callgrind/missing', '/++profile++']
    for path in asked:
        server.get(path)
    lines = httpd_env.wait_for(
        lambda: (both.read_text().splitlines()
                 if len(both.read_text().splitlines()) >= len(asked)
                 else None))[-len(asked):]
    # Another child may write its line first.
    assert sorted(line.split('|')[0] for line in lines) == sorted(
        'GET %s HTTP/1.1' % path for path in asked)
    assert sorted(line.split('|')[1] for line in lines) == [
        '/++profile++', '/dir/one.html', '/dir/one.html', '/dir/one.html',
        '/missing']


def test_error_document_and_subrequests(httpd):
    server = httpd('LPProfilingAllowed On\nErrorDocument 404 /cgi/env\n'
                   'SetEnvIf LPPROFILE_URI "^/no/(.*)" SEEN_EARLY=$1\n',
                   features=['cgi', 'include'])
    plain, got = server.get('/no'), server.get('/no/++profile++callgrind')
    assert plain.status == got.status == 404
    assert variables(plain)['REDIRECT_URL'] == '/no'
    assert differences(plain, got) == {
        'LPPROFILE_URI', 'REDIRECT_LPPROFILE_URI', 'SEEN_EARLY',
        'REDIRECT_SEEN_EARLY'}
    assert variables(got)['SEEN_EARLY'] == '++profile++callgrind'
    (server.site / 'uri.shtml').write_text(
        '<!--#echo var="REQUEST_URI"-->|<!--#include virtual="/cgi/env"-->')
    plain = server.get('/uri.shtml')
    got = server.get('/++profile++callgrind/uri.shtml')
    assert plain.text.startswith('/uri.shtml|')
    assert got.text.startswith('/uri.shtml|')
    assert variables(got)['REQUEST_URI'] == variables(plain)['REQUEST_URI']


def test_internal_redirect_to_a_segment_is_text(httpd):
    server = httpd('LPProfilingAllowed On\n'
                   'ErrorDocument 404 /++profile++callgrind/cgi/env\n',
                   features=['cgi'])
    got = server.get('/no')
    assert got.status == 404 and not got.lpprofile
    assert 'REQUEST_URI' not in got.text


def test_directory_index_and_slash_redirect(httpd):
    server = httpd('LPProfilingAllowed On\nUseCanonicalName Off\n'
                   'ServerName example.org\n',
                   features=['autoindex'])
    (server.site / 'sub dir').mkdir(exist_ok=True)
    (server.site / 'sub dir' / 'index.html').write_text('<p>sub</p>')
    host = 'example.org:%d' % server.port
    got = server.get('/sub%20dir/++profile++callgrind/?q=1', host=host)
    assert got.status == 200 and 'sub' in got.text
    for path, location in [
            ('/sub%20dir/++profile++callgrind?q=1',
             '/sub%20dir/++profile++callgrind/?q=1'),
            ('/++profile++callgrind/sub%20dir',
             '/++profile++callgrind/sub%20dir/'),
            ('/%73ub%20dir/%2B%2Bprofile%2B%2Bcallgrind',
             '/%2B%2Bprofile%2B%2Bcallgrind/sub%20dir/')]:
        got = server.get(path, host=host)
        assert got.status == 301
        assert got.header('Location') == 'http://' + host + location
        assert server.get(location, host=host).text.startswith('<p>sub</p>')


def test_redirects_of_others_stay_theirs(httpd):
    server = httpd('LPProfilingAllowed On\n'
                   'Redirect 301 /here http://elsewhere.example/there/\n'
                   'Redirect 302 /dir/x /dir/\n')
    got = server.get('/++profile++callgrind/here')
    assert got.header('Location') == 'http://elsewhere.example/there/'
    got = server.get('/++profile++callgrind/dir/x')
    assert got.header('Location').endswith('/dir/')
    assert '++profile++' not in got.header('Location')


@pytest.mark.parametrize('kind', ['script', 'style', 'image', 'font'])
def test_parts_of_a_page_are_served_plain(httpd, wait_for, kind):
    server = httpd('LPProfilingAllowed On', features=['cgi'])
    plain = server.get('/plain.txt')
    got = server.get('/++profile++callgrind/plain.txt',
                     [('Sec-Fetch-Dest', kind)])
    assert (got.status, got.body) == (200, plain.body)
    assert not got.lpprofile and not got.oops_id
    assert got.all('Cache-Control') == ['no-store']
    assert got.header('ETag') == plain.header('ETag')

    def not_modified():
        return [line for line in server.access_lines(1) if '" 304 ' in line]
    before = len(not_modified())
    again = server.get('/++profile++callgrind/plain.txt',
                       [('Sec-Fetch-Dest', kind),
                        ('If-None-Match', got.header('ETag'))])
    assert again.status == 304
    # Written after the client has its response, by whichever thread is first.
    line, = wait_for(lambda: not_modified()[before:])
    assert '++profile++' in line


@pytest.mark.parametrize('kind', ['document', 'iframe', 'empty', 'other'])
def test_what_a_person_asked_for_is_profiled(httpd, kind):
    server = httpd('LPProfilingAllowed On', features=['cgi'])
    assert server.get('/++profile++callgrind/plain.txt',
                      [('Sec-Fetch-Dest', kind)]).lpprofile


def test_own_pages_win_over_everything(httpd):
    server = httpd('LPProfilingAllowed On\nProxyPass / http://127.0.0.1:1/\n'
                   '<Location "/++profile++reports">\nRequire all denied\n'
                   '</Location>\n', features=['proxy'])
    server.allow_log('AH01630')
    for path in ('/++profile++', '/++profile++/', '/++profile++help',
                 '/%2B%2Bprofile%2B%2B'):
        got = server.get(path)
        assert got.status == 200, path
        assert 'Profiling Information' in got.text
    for path in ('/++profile++reports', '/++profile++REPORTS',
                 '/%2B%2Bprofile%2B%2Breports/', '/++profile++reports&x',
                 '/++profile++%72eports'):
        assert server.get(path).status == 403, path


def test_http2_and_tls(httpd):
    server = httpd('LPProfilingAllowed On', features=['http2', 'tls', 'cgi'])
    for tls, flag in ((False, '--http2-prior-knowledge'), (True, '--http2')):
        plain = server.curl('/cgi/env?q', flag, tls=tls).stdout.decode()
        got = server.curl('/cgi/++profile++callgrind/env?q', flag,
                          tls=tls).stdout.decode()
        assert '\nREQUEST_URI=/cgi/env?q\n' in plain
        assert '\nREQUEST_URI=/cgi/env?q\n' in got
        assert '\nLPPROFILE_URI=/cgi/++profile++callgrind/env\n' in got
    # Of the last two, whichever child was first has the first line.
    lines = server.access_lines(4)
    assert sum('GET /cgi/++profile++callgrind/env?q HTTP/2' in line
               for line in lines) == 2
