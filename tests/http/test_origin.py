# SPDX-License-Identifier: Apache-2.0
"""Never for another web site, whatever LPProfileAccess says: as it asks through
the operator's own browser, and as this site asks, in pairs."""
import html
import re
import socket

import pytest

from access import assert_ordinary, assert_profiled, own_address, refusals

ON = 'LPProfilingAllowed On\n'
RULES = {'default': ON, 'rule': ON + 'LPProfileAccess "true"\n'}
PAGE = '/++profile++show/index.html'
OWN = ('/++profile++', '/++profile++help', '/++profile++reports',
       '/++profile++report:OOPS-' + 32 * '0')
EVIL = 'https://evil.example'
NAVIGATES = [('Sec-Fetch-Mode', 'navigate'), ('Sec-Fetch-Dest', 'document')]

FROM_HERE = {
    'no browser': [],
    'typed': [('Sec-Fetch-Site', 'none'), *NAVIGATES],
    'own page': [('Sec-Fetch-Site', 'same-origin'), *NAVIGATES],
    'own script': [('Sec-Fetch-Site', 'same-origin'),
                   ('Origin', 'http://127.0.0.1')],
    'own origin, port written': [('Origin', 'http://127.0.0.1:80')],
    'own origin at a port': [('Origin', 'http://127.0.0.1:8080'),
                             ('Host', '127.0.0.1:8080')],
    'own origin, other case': [('Origin', 'HTTP://LocalHost'),
                               ('Host', 'localhost')],
    'own origin, last dot': [('Origin', 'http://localhost.'),
                             ('Host', 'localhost.')],
    'own origin, IPv6': [('Origin', 'http://[::1]:99'),
                         ('Host', '[::1]:99')],
    'own referer': [('Referer', 'http://127.0.0.1/x?y#z')],
    'own referer at a port': [('Referer', 'http://127.0.0.1:8080/'),
                              ('Host', '127.0.0.1:8080')],
    'own referer, TLS taken away before us': [
        ('Referer', 'https://127.0.0.1/')],
    'referer that is none': [('Referer', 'nobody')],
    'referer beside Sec-Fetch-Site': [('Referer', EVIL + '/'),
                                      ('Sec-Fetch-Site', 'same-origin')],
    'localhost': [('Host', 'localhost')],
    'localhost at a forwarded port': [('Host', 'LOCALHOST:8080')],
    'another loopback address': [('Host', '127.9.9.9')],
    'IPv6 loopback': [('Host', '[::1]')],
    'IPv4 in IPv6': [('Host', '[::ffff:127.0.0.1]')],
}
FROM_ELSEWHERE = {
    'frame': [('Sec-Fetch-Site', 'cross-site'), ('Sec-Fetch-Mode', 'navigate'),
              ('Sec-Fetch-Dest', 'iframe')],
    'script': [('Sec-Fetch-Site', 'cross-site'), ('Sec-Fetch-Mode', 'no-cors'),
               ('Sec-Fetch-Dest', 'script')],
    'fetch': [('Sec-Fetch-Site', 'cross-site'), ('Sec-Fetch-Mode', 'cors'),
              ('Sec-Fetch-Dest', 'empty'), ('Origin', EVIL)],
    'sibling': [('Sec-Fetch-Site', 'same-site'), ('Sec-Fetch-Mode', 'cors'),
                ('Sec-Fetch-Dest', 'empty')],
    'unknown site': [('Sec-Fetch-Site', 'near-by')],
    'two sites': [('Sec-Fetch-Site', 'none'),
                  ('Sec-Fetch-Site', 'cross-site')],
    'cross-site with our referer': [('Sec-Fetch-Site', 'cross-site'),
                                    ('Referer', 'http://127.0.0.1/')],
    'origin': [('Origin', EVIL)],
    'origin that hides': [('Origin', 'null')],
    'no origin at all': [('Origin', '')],
    'two origins': [('Origin', 'http://127.0.0.1'), ('Origin', EVIL)],
    'other port': [('Origin', 'http://127.0.0.1:3000')],
    'other scheme': [('Origin', 'https://127.0.0.1')],
    'other scheme, our port': [('Origin', 'https://127.0.0.1:80')],
    'origin with a user': [('Origin', 'http://127.0.0.1@evil.example')],
    'origin with a path': [('Origin', 'http://127.0.0.1/x')],
    'origin, though same-origin': [('Origin', EVIL),
                                   ('Sec-Fetch-Site', 'same-origin')],
    'other loopback name': [('Origin', 'http://localhost')],
    'referer': [('Referer', EVIL + '/page')],
    'referer of another port': [('Referer', 'http://127.0.0.1:3000/')],
    'referer with our name as user': [
        ('Referer', 'http://127.0.0.1@evil.example/')],
    'referer that cannot be read': [('Referer', 'http://[evil/')],
    'rebound name': [('Host', 'evil.example')],
    'rebound name, own headers': [
        ('Host', 'evil.example'), ('Origin', 'http://evil.example'),
        ('Sec-Fetch-Site', 'same-origin'), *NAVIGATES],
    'rebound name, typed': [('Host', 'evil.example'),
                            ('Sec-Fetch-Site', 'none'), *NAVIGATES],
    'name like ours': [('Host', 'localhost.evil.example')],
    'address like ours': [('Host', '127.0.0.1.evil.example')],
    'another address': [('Host', '192.0.2.1')],
    'an address in IPv6': [('Host', '[::2]')],
}
# To a page of the site they are no better; the answer for an own page asks to
# open it again.
LINKS = {
    'link': [('Sec-Fetch-Site', 'cross-site'), *NAVIGATES],
    "sibling's link": [('Sec-Fetch-Site', 'same-site'), *NAVIGATES],
    'link on plain http': [('Referer', EVIL + '/'),
                           ('Accept', 'text/html,*/*;q=0.8')],
}


@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize('headers', FROM_HERE)
def test_this_site_may(httpd, rule, headers):
    server = httpd(RULES[rule])
    assert_profiled(server, PAGE, FROM_HERE[headers])
    got = server.get(OWN[0], FROM_HERE[headers])
    assert got.status == 200 and 'Settings in force' in got.text


@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize('headers', FROM_ELSEWHERE)
def test_another_site_may_not(httpd, rule, headers):
    server = httpd(RULES[rule])
    for path in (PAGE, *OWN):
        assert_ordinary(server, path, FROM_ELSEWHERE[headers])


@pytest.mark.all_mpms
def test_another_site_may_not_under_other_mpms(httpd):
    server = httpd(RULES['default'])
    assert_ordinary(server, PAGE, FROM_ELSEWHERE['fetch'])
    assert_profiled(server, PAGE, FROM_HERE['own script'])


@pytest.mark.parametrize('kind, headers, named', [
    ('Sec-Fetch-Site', FROM_ELSEWHERE['frame'], 'Sec-Fetch-Site header'),
    ('Origin', FROM_ELSEWHERE['origin'], 'Origin header'),
    ('Referer', FROM_ELSEWHERE['referer'], 'Referer header'),
    ('Host', FROM_ELSEWHERE['rebound name'], 'ServerName or ServerAlias'),
    ('address', [('Via', '1.1 x')], 'LPProfileAccess does not')])
def test_log_says_why(httpd, kind, headers, named):
    server = httpd(ON)
    assert_ordinary(server, PAGE, headers)
    assert named in refusals(server)[-1], kind


@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize('headers', LINKS)
def test_link_of_another_site_is_to_be_opened_again(httpd, rule, headers):
    server = httpd(RULES[rule])
    made = server.get(PAGE).oops_id
    server.wait_oops(made)
    for path in (*OWN, '/++profile++reports?page=2&sort=wall'):
        got = server.get(path, LINKS[headers])
        assert got.status == 403
        assert got.header('Cache-Control') == 'no-store'
        assert got.header('Cross-Origin-Opener-Policy') == 'same-origin'
        assert "frame-ancestors 'none'" in got.header(
            'Content-Security-Policy')
        assert 'OOPS-' not in got.text.replace(OWN[3], '')
        assert 'Settings' not in got.text.replace('Help and settings', '')
        link, = re.findall('<p><a href="([^"]*)">', got.text)
        assert html.unescape(link) == path
    server.expect_log('LPP052: a link led to /.+profile.+reports; ')
    # The link's own way: same-origin, and by Referrer-Policy no Referer.
    assert server.get(path, FROM_HERE['own page']).status == 200
    # A page of the site is no page of ours: nothing to open again.
    assert_ordinary(server, PAGE, LINKS[headers])


def test_link_is_no_way_around_the_other_rules(httpd):
    server = httpd(ON + 'LPProfileAccess "req(\'X-Key\') == \'k\'"\n')
    assert_ordinary(server, OWN[0], LINKS['link'])
    got = server.get(OWN[0], [('X-Key', 'k'), *LINKS['link']])
    assert got.status == 403 and 'Open this page again' in got.text
    for more in ([('Origin', EVIL)], [('Host', 'evil.example')]):
        assert_ordinary(server, OWN[0],
                        [('X-Key', 'k'), *more, *LINKS['link']])
    assert_ordinary(server, OWN[0], [('X-Key', 'k'), *LINKS['link']],
                    method='POST', body=b'')


@pytest.mark.parametrize('query', ['?"><script>alert(1)</script>',
                                   '?a=%22%3E&b=%0d%0aX-Evil:%201'])
def test_address_to_open_again_is_text(httpd, query):
    got = httpd(ON).get(OWN[2] + query, LINKS['link'])
    assert got.status == 403 and '<script>' not in got.text
    assert not got.header('X-Evil')
    link, = re.findall('<p><a href="([^"]*)">', got.text)
    assert html.unescape(link) == OWN[2] + query


HOSTS = ON + '''LPProfileAccess "true"
UseCanonicalName %s
<VirtualHost *:${PORT}>
ServerName first.example
</VirtualHost>
<VirtualHost *:${PORT}>
ServerName http://Shop.example:8080
ServerAlias store.example *.shop.example
</VirtualHost>
'''


@pytest.mark.parametrize('canonical', ['On', 'Off'])
def test_every_name_of_the_host_counts(httpd, canonical):
    server = httpd(HOSTS % canonical)
    for host in ('shop.example', 'SHOP.example:99', 'store.example',
                 'a.b.shop.example', 'shop.example.', 'first.example',
                 'localhost', '127.0.0.1'):
        assert_profiled(server, PAGE, host=host)
    # Served by the first one, whose name it is not.
    for host in ('store.example.evil', 'evilshop.example', 'example',
                 'first.example.evil', '*'):
        got = server.get(PAGE, host=host)
        assert got.status in (400, 404) and not got.lpprofile, host


def test_a_request_line_names_the_host(httpd):
    """It counts, and the Host header does not."""
    server = httpd(HOSTS % 'Off')
    for target, status in (('shop.example', b'200'), ('evil.example', b'404')):
        got = server.raw(('GET http://%s%s HTTP/1.1\r\nHost: localhost\r\n'
                          'Connection: close\r\n\r\n'
                          % (target, PAGE)).encode())
        assert got.split()[1] == status, target


def test_authority_of_http2_is_the_host(httpd):
    server = httpd(HOSTS % 'Off', features=['http2'])
    if server.mpm == 'prefork':
        pytest.skip('no HTTP/2 under prefork')
    for host, status in (('shop.example', b'200'), ('evil.example', b'404')):
        got = server.curl(PAGE, '--http2-prior-knowledge', '-i', '-H',
                          'Host: ' + host)
        assert got.stdout.split()[:2] == [b'HTTP/2', status], host


def test_address_the_connection_came_to_is_a_name(httpd):
    address = own_address()
    if not address:
        pytest.skip('this machine has no address but loopback')
    server = httpd(RULES['rule'] + 'Listen 0.0.0.0:${TLSPORT}\n')

    def ask(head):
        with socket.create_connection((address, server.tls_port), 30) as sock:
            sock.sendall(('GET %s %s\r\nConnection: close\r\n\r\n'
                          % (PAGE, head)).encode())
            return sock.makefile('rb').readline().split()[1]

    assert ask('HTTP/1.1\r\nHost: %s:%d' % (address, server.tls_port)) == b'200'
    assert ask('HTTP/1.1\r\nHost: 192.0.2.7') == b'404'
    # Without a name only from this machine's loopback address.
    assert ask('HTTP/1.0') == b'404'
    assert ask('HTTP/1.0\r\nHost:') == b'404'
    assert server.raw(('GET %s HTTP/1.0\r\n\r\n' % PAGE).encode()).split()[
        1] == b'200'


def test_scheme_of_an_origin_is_the_connections(httpd):
    server = httpd(ON, features=['tls'])
    for tls, origin, may in ((True, 'https://localhost', True),
                             (True, 'http://localhost', False),
                             (False, 'http://localhost', True),
                             (False, 'https://localhost', False)):
        check = assert_profiled if may else assert_ordinary
        check(server, PAGE, [('Origin', origin)], tls=tls, host='localhost')


def test_scheme_of_an_origin_where_tls_ends_before_us(httpd):
    server = httpd(RULES['rule'] + 'ServerName https://www.example\n')
    assert_profiled(server, PAGE, [('Origin', 'https://www.example')],
                    host='www.example')
    assert_ordinary(server, PAGE, [('Origin', 'http://www.example')],
                    host='www.example')


def test_who_asks_is_the_same_for_a_part_of_a_page(httpd):
    """A subrequest's URI has no port; mod_status shows what is running to who
    may see it."""
    server = httpd(RULES['rule'], features=['include', 'status'], fresh=True)
    (server.site / 'state.shtml').write_text(
        '<!--#include virtual="/server-status" -->')
    host = '127.0.0.1:%d' % server.port
    got = server.get('/++profile++callgrind/state.shtml',
                     [('Referer', 'http://%s/' % host)], host=host)
    assert 'Running as' in got.text


@pytest.mark.parametrize('rule', RULES)
def test_all_requests_show_nothing_to_another_site(httpd, rule):
    server = httpd(RULES[rule] + 'LPProfileAllRequests On\n')
    assert 'Profiling Information' in server.get('/').text
    for headers in (*FROM_ELSEWHERE.values(), *LINKS.values()):
        got = server.get('/', headers)
        assert got.status == 200 and got.oops_id
        assert 'Profiling Information' not in got.text
        assert not got.header('X-LPProfile-Report')
        assert not got.header('X-LPProfile-File')


SPOILERS = ''.join(
    'Header %s %s "%s"\n' % (how, name, value) for how in ('set', 'always set')
    for name, value in (
        ('Access-Control-Allow-Origin', '*'),
        ('Access-Control-Allow-Credentials', 'true'),
        ('Access-Control-Expose-Headers', 'X-LPProfile'),
        ('Cross-Origin-Resource-Policy', 'cross-origin'),
        ('Cross-Origin-Opener-Policy', 'unsafe-none'))) + (
    'Header always add Access-Control-Allow-Origin "http://other"\n')


def assert_to_itself(got):
    assert not [name for name in got.headers
                if name.lower().startswith('access-control-')]
    for name in ('Resource', 'Opener'):
        assert got.all('Cross-Origin-%s-Policy' % name) == ['same-origin']


def test_own_pages_open_to_no_other_site(httpd):
    server = httpd(ON + SPOILERS + 'ErrorDocument 403 /plain.txt\n'
                   '<Location "/++profile++help">\nRequire all denied\n'
                   '</Location>\n')
    server.allow_log('AH01630')
    oops_id = server.get(PAGE).oops_id
    server.wait_saved(oops_id)
    report = '/++profile++report:' + oops_id
    for path, status in ((OWN[0], 200), (OWN[2], 200), (report, 200),
                         (report + '&pprof', 200), (OWN[3], 404),
                         (OWN[1], 403),
                         (OWN[2] + '?report=%s&against=%s'
                          % (oops_id, oops_id), 303)):
        got = server.get(path)
        assert got.status == status, path
        assert_to_itself(got)
    assert_to_itself(server.get(OWN[0], method='POST', body=b''))
    assert_to_itself(server.get(OWN[2], LINKS['link']))
    # The site's own pages keep what the site sets, profiled or not.
    for path in (PAGE, '/index.html'):
        got = server.get(path)
        assert '*' in got.all('Access-Control-Allow-Origin')
        assert 'same-origin' not in got.all('Cross-Origin-Resource-Policy')


def test_page_that_nobody_may_see_has_the_headers_too(httpd):
    server = httpd(ON + SPOILERS
                   + 'LPProfileRequireUser "%{REMOTE_USER} == \'me\'"\n')
    got = server.get(OWN[0])
    assert got.status == 403
    assert_to_itself(got)
