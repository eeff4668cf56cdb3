# SPDX-License-Identifier: Apache-2.0
"""The module's own pages: /++profile++, help; reports until they are there."""
import re

import pytest

SHOW = 'LPProfilingAllowed On\n'
OWN = ['/++profile++', '/++profile++/', '/++profile++help',
       '/++profile++help/', '/%2B%2Bprofile%2B%2B', '/++profile++nonsense']


def assert_home(got):
    assert got.status == 200
    assert got.header('Content-Type') == 'text/html; charset=utf-8'
    assert '<h1>Profiling Information</h1>' in got.text
    assert '<h2>Help</h2>' in got.text
    assert '<h2>Settings in force</h2>' in got.text
    assert '<h2>Latest profiles</h2>' in got.text
    assert b'lpp-profile' not in got.body  # no block in a page of ours


@pytest.mark.mpms('prefork', 'event')
@pytest.mark.parametrize('path', OWN[:3])
def test_page_of_its_own(httpd, path):
    assert_home(httpd(SHOW).get(path))


@pytest.mark.parametrize('path', OWN)
def test_every_spelling(httpd, path):
    assert_home(httpd(SHOW).get(path))


def test_headers(httpd):
    got = httpd(SHOW).get('/++profile++')
    assert got.header('Cache-Control') == 'no-store'
    assert got.header('X-Content-Type-Options') == 'nosniff'
    policy, = got.all('Content-Security-Policy')
    nonce = re.search("style-src 'nonce-([^']+)'", policy)[1]
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert '<style nonce="%s">' % nonce in got.text
    assert '<script' not in got.text and ' style=' not in got.text
    assert got.oops_id is None
    again = httpd(SHOW).get('/++profile++')
    assert nonce not in again.header('Content-Security-Policy')


@pytest.mark.parametrize('how', ['set', 'always set'])
def test_headers_of_the_site_do_not_spoil_it(httpd, how):
    """They block its style, or show it to a frame of another site."""
    server = httpd(
        SHOW + ''.join('Header %s %s "%s"\n' % (how, name, value)
                       for name, value in (
            ('Content-Security-Policy', "default-src 'self'"),
            ('Content-Security-Policy-Report-Only', "default-src 'self'"),
            ('Referrer-Policy', 'unsafe-url'),
            ('X-Site', 'stays'))), modules=['headers'])
    for path in ('/++profile++', '/++profile++reports',
                 '/++profile++report:OOPS-' + 32 * '0'):
        got = server.get(path)
        policy, = got.all('Content-Security-Policy')
        nonce = re.search("style-src 'nonce-([^']+)'", policy)[1]
        assert '<style nonce="%s">' % nonce in got.text
        assert not got.all('Content-Security-Policy-Report-Only')
        assert got.all('Referrer-Policy') == ['no-referrer']
        assert got.all('X-Site') == ['stays']


def test_head(httpd):
    server = httpd(SHOW)
    get, head = server.get('/++profile++'), server.get('/++profile++',
                                                       method='HEAD')
    assert head.status == 200 and head.body == b''
    assert head.header('Content-Length') == get.header('Content-Length')
    assert head.header('Content-Length') == str(len(get.body))


@pytest.mark.parametrize('method', ['POST', 'PUT', 'DELETE', 'PROPFIND'])
def test_other_methods_are_refused(httpd, method):
    got = httpd(SHOW).get('/++profile++', method=method, body=b'')
    assert got.status == 405
    assert {'GET', 'HEAD'} <= set(re.split(', *|,', got.header('Allow')))
    assert 'Settings in force' not in got.text


def test_settings_of_this_virtual_host(httpd):
    server = httpd(SHOW + 'LPProfileRate 500\n'
                   '<VirtualHost *:${PORT}>\nServerName one\n'
                   'LPProfileRate 77\n</VirtualHost>\n'
                   '<VirtualHost *:${PORT}>\nServerName two\n</VirtualHost>\n')
    for host, rate in (('one', '77'), ('two', '500')):
        got = server.get('/++profile++', host=host)
        assert re.search('LPProfileRate</th><td>%s' % rate, got.text), host
        assert '<code>%s</code>' % host in got.text


def test_latest_profiles_are_listed(httpd):
    server = httpd(SHOW, fresh=True)
    assert 'None yet.' in server.get('/++profile++').text
    ids = []
    for _ in range(2):
        got = server.get('/++profile++callgrind/index.html')
        server.wait_oops(got.oops_id)  # the last that is written
        ids.append(got.oops_id)
    text = server.get('/++profile++').text
    assert text.index(ids[1]) < text.index(ids[0])
    assert 'RootObject:index.html' in text
    assert str(server.profile_dir) in text


def test_not_swallowed_by_a_proxy(httpd):
    server = httpd(SHOW + 'ProxyPass / http://127.0.0.1:1/\n',
                   features=['proxy'])
    for path in OWN:
        assert_home(server.get(path))


def test_not_swallowed_by_rewrite_or_alias(httpd):
    server = httpd(SHOW + 'RewriteEngine On\nRewriteRule .* - [F]\n'
                   'AliasMatch .* ${SITE}/plain.txt\n'
                   'FallbackResource /index.html\n', features=['rewrite'])
    for path in OWN:
        assert_home(server.get(path))
    assert server.get('/index.html').status == 403


def test_guarded_by_location(httpd):
    server = httpd(SHOW + '<Location "/++profile++">\n'
                   'Require all denied\n</Location>\n')
    server.allow_log('AH01630')
    for path in ('/++profile++', '/++profile++/'):
        got = server.get(path)
        assert got.status == 403
        assert 'Settings in force' not in got.text
    # Only the page's own URI is guarded, not what it can profile.
    assert server.get('/++profile++show/index.html').status == 200


def test_handler_that_somebody_sets_does_not_take_it(httpd):
    server = httpd(SHOW + '<Location />\nSetHandler server-status\n'
                   '</Location>\n', modules=['status'])
    assert_home(server.get('/++profile++'))


def test_guarded_page_with_an_error_document(httpd):
    """The document is served, not our page by way of the redirect."""
    server = httpd(SHOW + '<Location "/++profile++">\nRequire all denied\n'
                   '</Location>\nErrorDocument 403 /plain.txt\n')
    server.allow_log('AH01630')
    got = server.get('/++profile++')
    assert got.status == 403
    assert got.body == (server.site / 'plain.txt').read_bytes()


def test_handler_name_alone_gives_nothing_away(httpd):
    server = httpd(SHOW + '<Location /x>\nSetHandler lpprofile\n</Location>\n')
    server.allow_log('AH01757|AH00038')
    got = server.get('/x')
    assert 'Settings in force' not in got.text


def test_without_access_it_is_an_ordinary_path(httpd):
    server = httpd(SHOW + 'LPProfileAccess false\n')
    got = server.get('/++profile++')
    assert got.status == 404
    assert 'Settings in force' not in got.text


def test_off_it_is_an_ordinary_path(httpd):
    got = httpd('LPProfilingAllowed Off\n').get('/++profile++')
    assert got.status == 404
    assert got.lpprofile is None


def test_required_user_is_required(httpd):
    server = httpd(SHOW + 'LPProfileRequireUser "%{REMOTE_USER} == \'me\'"\n')
    got = server.get('/++profile++')
    assert got.status == 403
    assert 'Settings in force' not in got.text


def test_help_in_a_page(httpd):
    got = httpd(SHOW).get('/++profile++help/index.html')
    assert got.status == 200
    assert '<h1>A static page</h1>' in got.text
    assert '<h2>Help</h2>' in got.text
    assert got.oops_id is None
    for action in ('show', 'callgrind', 'show&amp;callgrind'):
        assert '/++profile++%s/index.html' % action in got.text


@pytest.mark.parametrize('name', ['reports', 'report:OOPS-' + 32 * '0'])
def test_a_page_is_a_page_at_the_root_alone(httpd, name):
    server = httpd(SHOW)
    got = server.get('/++profile++%s/index.html' % name)
    assert got.status == 200 and got.lpprofile == 'help'
    assert '<h1>A static page</h1>' in got.text
    got = server.get('/++profile++show&%s' % name)
    assert got.lpprofile.startswith('profiled')
    assert '<h1>A static page</h1>' in got.text


def test_a_segment_elsewhere_is_not_a_page_of_ours(httpd):
    server = httpd(SHOW)
    got = server.get('/dir/++profile++help/one.html')
    assert got.body.startswith((server.site / 'dir/one.html').read_bytes()[:9])
    assert 'Settings in force' not in got.text
