# SPDX-License-Identifier: Apache-2.0
"""Who may use ++profile++: allowed and refused in pairs."""
import base64
import socket

import pytest

from access import (PAGE, REFUSED, assert_ordinary, assert_profiled,
                    own_address, refusals)

PROXY_HEADERS = [
    ('Forwarded', 'for=127.0.0.1'), ('X-Forwarded-For', '127.0.0.1'),
    ('x-forwarded-host', 'localhost'), ('X-Forwarded-Anything', ''),
    ('X-Real-IP', '127.0.0.1'), ('Via', '1.1 here')]


def test_loopback_may(httpd):
    assert_profiled(httpd('LPProfilingAllowed On'))


@pytest.mark.parametrize('header', PROXY_HEADERS)
def test_loopback_through_a_proxy_may_not(httpd, header):
    assert_ordinary(httpd('LPProfilingAllowed On'), headers=[header])


@pytest.mark.parametrize('header', [('X-Forward', '1'), ('X-Real', '1'),
                                    ('Viable', '1'), ('X-Forwarded', '1')])
def test_headers_that_only_look_alike_do_not_matter(httpd, header):
    assert_profiled(httpd('LPProfilingAllowed On'), headers=[header])


REMOTE_PEER = '''
LPProfilingAllowed On
RemoteIPProxyProtocol Off
RemoteIPHeader X-Client
RemoteIPInternalProxy 127.0.0.1
'''


def test_client_behind_mod_remoteip_may_not(httpd):
    server = httpd(REMOTE_PEER, modules=['remoteip'])
    assert_profiled(server)
    # Even one that the proxy calls local: a header said so.
    for address in ('192.0.2.7', '127.0.0.1', '127.0.0.2'):
        assert_ordinary(server, headers=[('X-Client', address)])


def test_rule_sees_the_address_that_mod_remoteip_found(httpd):
    server = httpd(REMOTE_PEER + 'LPProfileAccess "-R \'192.0.2.0/24\'"\n',
                   modules=['remoteip'])
    assert_profiled(server, headers=[('X-Client', '192.0.2.7')])
    assert_ordinary(server, headers=[('X-Client', '198.51.100.7')])
    assert_ordinary(server)


def test_peer_that_is_not_loopback_may_not(httpd):
    address = own_address()
    if not address:
        pytest.skip('this machine has no address but loopback')
    server = httpd('LPProfilingAllowed On\nListen 0.0.0.0:${TLSPORT}\n')
    with socket.create_connection((address, server.tls_port)) as sock:
        sock.sendall(('GET %s HTTP/1.0\r\n\r\n' % PAGE).encode())
        assert b' 404 ' in sock.makefile('rb').readline()
    server.expect_log(REFUSED)


def test_ipv6_loopback_may(httpd):
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(('::1', 0))
    except OSError:
        pytest.skip('no IPv6')
    server = httpd('LPProfilingAllowed On\nListen [::1]:${TLSPORT}\n')
    with socket.create_connection(('::1', server.tls_port)) as sock:
        sock.sendall(('GET %s HTTP/1.0\r\n\r\n' % PAGE).encode())
        assert b' 200 ' in sock.makefile('rb').readline()


RULE = 'LPProfilingAllowed On\nLPProfileAccess "req(\'X-Key\') == \'k\'"\n'


def test_rule_replaces_the_default(httpd):
    server = httpd(RULE)
    assert_profiled(server, headers=[('X-Key', 'k'), ('Via', '1.1 x')])
    assert_ordinary(server)
    assert_ordinary(server, headers=[('X-Key', 'K2')])


def test_refused_pages_of_our_own_are_ordinary(httpd):
    server = httpd(RULE)
    for path in ('/++profile++', '/++profile++help', '/++profile++reports'):
        assert_ordinary(server, path)
        assert server.get(path, [('X-Key', 'k')]).status != 404


@pytest.mark.parametrize('rules', [
    'LPProfilingAllowed On\nLPProfileAccess "file(\'/no/such\') != \'x\'"\n',
    'LPProfilingAllowed "expr=file(\'/no/such\') != \'x\'"\n'])
def test_rule_that_fails_refuses(httpd, rules):
    server = httpd(rules)
    got = server.get(PAGE)
    assert got.status == 404 and not got.lpprofile and not got.oops_id
    server.expect_log('Evaluation of expression from .* failed')
    server.expect_log('LPP044: LPProf[A-Za-z]+ could not be evaluated')


def test_asking_adds_no_vary(httpd):
    server = httpd(RULE)
    for path, headers in ((PAGE, [('X-Key', 'k')]), ('/index.html', []),
                          (PAGE, [])):
        assert server.get(path, headers).header('Vary') is None


def test_off_wins(httpd):
    server = httpd('LPProfilingAllowed Off\nLPProfileAllRequests On\n'
                   'LPProfileAccess "true"\n')
    for path in (PAGE, '/++profile++', '/++profile++help'):
        got = server.get(path)
        assert got.status == 404 and not got.lpprofile and not got.oops_id
    assert not server.get('/').oops_id
    assert refusals(server) == []


def test_expression_decides_for_each_request(httpd):
    server = httpd('LPProfilingAllowed "expr=req(\'X-On\') == \'1\'"\n')
    assert_profiled(server, headers=[('X-On', '1')])
    got = server.get(PAGE)
    assert got.status == 404 and not got.lpprofile
    assert refusals(server) == []


def test_all_requests_of_a_client_outside_are_still_logged(httpd):
    server = httpd(RULE + 'LPProfileAllRequests On\n')
    plain = httpd(profiler=False)
    got, unprofiled = server.get('/index.html'), plain.get('/index.html')
    assert got.oops_id and got.lpprofile
    own = {'x-lazr-oopsid', 'x-lpprofile', 'date', 'last-modified', 'etag'}

    def others(response):
        return {(n.lower(), v) for n, v in response.headers.items()
                if n.lower() not in own}

    assert others(got) == others(unprofiled)
    assert got.body == unprofiled.body
    refused = server.get(PAGE)
    assert refused.status == 404 and refused.oops_id


def test_outside_the_conditions_of_a_request_stand(httpd):
    server = httpd(RULE + 'LPProfileAllRequests On\n')
    etag = server.get('/plain.txt').header('ETag')
    assert server.get('/plain.txt', [('If-None-Match', etag)]).status == 304
    assert server.get('/plain.txt', [('Range', 'bytes=0-1')]).status == 206


def test_header_of_a_child_lets_nobody_in(httpd):
    server = httpd(RULE)
    assert_ordinary(server, headers=[
        ('X-LPProfile-Parent', 'OOPS-0123456789abcdef0123456789abcdef')])


def test_rule_sees_tls(httpd):
    server = httpd('LPProfilingAllowed On\n'
                   'LPProfileAccess "%{HTTPS} == \'on\' && '
                   '%{SSL_PROTOCOL} =~ /TLS/"\n', features=['tls'])
    assert_profiled(server, tls=True)
    assert_ordinary(server)


USERS = '''
LPProfilingAllowed On
LPProfileRequireUser "%{REMOTE_USER} == 'admin'"
<Location /dir>
    AuthType Basic
    AuthName test
    AuthBasicProvider file
    AuthUserFile ${ROOT}/users
    Require valid-user
</Location>
'''


def test_user_is_asked_for_again_once_known(httpd):
    server = httpd(USERS, modules=['auth_basic', 'authn_core', 'authn_file',
                                   'authz_user'])
    (server.root / 'users').write_text(
        'admin:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n'
        'other:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n')  # "password"
    path = '/++profile++show&callgrind/dir/one.html'

    def ask(user):
        word = base64.b64encode((user + ':password').encode()).decode()
        return server.get(path, [('Authorization', 'Basic ' + word)])

    allowed, refused = ask('admin'), ask('other')
    assert allowed.status == refused.status == 200
    assert 'Profiling Information' in allowed.text and allowed.oops_id
    assert 'Profiling Information' not in refused.text
    assert not refused.oops_id and not refused.header('X-LPProfile-File')
    unknown = server.get(path)
    assert unknown.status == 401 and not unknown.oops_id
    assert 'Profiling Information' not in unknown.text
    nobody = server.get('/++profile++show/index.html')
    assert nobody.status == 200 and not nobody.oops_id
    assert 'Profiling Information' not in nobody.text
