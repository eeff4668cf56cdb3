# SPDX-License-Identifier: Apache-2.0
"""A profiled request asks its own server, and what it asks for is to be profiled
too: that request cannot wait for the gate, and is known by its connection."""
import re
import socket
import statistics
import threading

import pytest

import apxs_env
from httpd_conf import REGISTRY
from httpd_env import wait_for

# A child process of the owner is waited for for one second, not for these 20.
ON = ('SetEnv OWN_PORT ${PORT}\nLPProfilingAllowed On\nLPProfileLockTimeout 20s\n'
      'LPProfileAccess "true"\n')
ASK = '/++profile++show'  # no files, which would be opened after the test
SQL = '/++profile++sql'
CHILD = r'LPP063: served unprofiled: child-of-profiled \(waited (\d+) ms\)'
TRIES = 200
PHP = '''<?php
$url = 'http://127.0.0.1:' . $_SERVER['OWN_PORT']
    . '/++profile++show/index.html';
'''
SCRIPTS = {
    'stream.php': PHP + 'echo file_get_contents($url);\n',
    'read.php': PHP + '''
$socket = stream_socket_client('tcp://127.0.0.1:' . $_SERVER['OWN_PORT']);
fwrite($socket, "GET /++profile++show/index.html HTTP/1.0\\r\\n"
    . "Host: 127.0.0.1\\r\\n\\r\\n");
echo stream_get_contents($socket);
''',
    'spin.php': PHP + '''
$socket = stream_socket_client('tcp://127.0.0.1:' . $_SERVER['OWN_PORT']);
stream_set_blocking($socket, false);
fwrite($socket, "GET /++profile++show/index.html HTTP/1.0\\r\\n"
    . "Host: 127.0.0.1\\r\\n\\r\\n");
while (!feof($socket)) {
    echo fread($socket, 8192);
}
''',
    'asks.wsgi': '''
import threading
import urllib.request


def application(environ, start_response):
    url = ('http://127.0.0.1:%s/++profile++show/index.html'
           % environ['OWN_PORT'])
    got = []

    def ask():
        got.append(urllib.request.urlopen(url).read())

    if environ['PATH_INFO'] == '/thread':
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    else:
        ask()
    start_response('200 OK', [('Content-Type', 'text/html'),
                              ('Content-Length', str(len(got[0])))])
    return got
''',
    'asks.pl': '''
use HTTP::Tiny;
my $url = "http://127.0.0.1:$ENV{OWN_PORT}/++profile++show/index.html";
print "Content-Type: text/html\\n\\n", HTTP::Tiny->new->get($url)->{content};
''',
    'asks.lua': '''
function handle(r)
    local port = r.subprocess_env["OWN_PORT"]
    local curl = io.popen("curl -s http://127.0.0.1:" .. port
        .. "/++profile++show/index.html")
    r.content_type = "text/html"
    r:write(curl:read("*a"))
    curl:close()
    return apache2.OK
end
''',
    'asks': '''#!/bin/sh
printf 'Content-Type: text/html\\r\\n\\r\\n'
exec curl -s http://127.0.0.1:$OWN_PORT/++profile++show/index.html
'''}


def add_script(server, name, folder='.'):
    path = server.site / folder / name
    path.write_text(SCRIPTS[name])
    path.chmod(0o755)


def waits(server):
    """Milliseconds that each request waited which its owner waited for."""
    return [int(ms) for ms in re.findall(CHILD,
                                         '\n'.join(server.error_lines()))]


def ask(server, path, times, segment=ASK):
    """Each request is profiled to its end, and has the page that it asked its
    own server for."""
    for _ in range(times):
        got = server.get(segment + path, timeout=60)
        assert got.status == 200, got.text
        assert '<h1>A static page</h1>' in got.text
        assert got.lpprofile.startswith('profiled'), got.lpprofile
        assert 'cut' not in got.lpprofile


def check_served_at_once(server, path, times, segment=ASK):
    ask(server, path, 1, segment)  # starts workers and interpreters
    before = len(waits(server))
    ask(server, path, times, segment)
    wait_for(lambda: len(waits(server)) >= before + times, 10, 'log lines')
    waited = waits(server)[before:]
    print('%s %s: %d times, waited %d ms (median), %d ms (longest), '
          'over 50 ms: %d' % (server.mpm, path, times,
                              statistics.median(waited), max(waited),
                              sum(one > 50 for one in waited)))
    assert len(waited) == times
    # LPProfileLockTimeout is 20 s; a child process is waited for for one.
    assert statistics.median(waited) < 900 and max(waited) < 15000


@pytest.mark.all_mpms
@pytest.mark.parametrize('how, times', [
    ('show', TRIES), ('sql', 20), ('rate', 20), ('unprivileged', 20)])
def test_by_mod_proxy_http(httpd, how, times):
    """With sql alone, neither the owner nor the other is sampled. At a low rate
    the owner is sampled when the other asks; without privileges its calls can be
    read without a signal."""
    server = httpd(ON + {'rate': 'LPProfileRate 10\n'}.get(how, '')
                   + 'ProxyPass /self/ http://127.0.0.1:${PORT}'
                   '/++profile++%s/\n' % ('sql' if how == 'sql' else 'show'),
                   features=['proxy'], unprivileged=how == 'unprivileged')
    check_served_at_once(server, '/self/index.html', times,
                         SQL if how == 'sql' else ASK)


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(('::1', 0))
        return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason='no IPv6 on this machine')
@pytest.mark.parametrize('address, client', [
    ('[::1]', '[::1]'), ('[::ffff:127.0.0.3]', '127.0.0.3')])
def test_by_ipv6(httpd, address, client):
    """A server that listens for IPv6 sees IPv4 addresses mapped into it."""
    server = httpd(ON + 'Listen %s:${PORT}\nProxyPass /self/ '
                   'http://%s:${PORT}/++profile++show/\n' % (address, client),
                   features=['proxy'])
    check_served_at_once(server, '/self/index.html', 20)


@pytest.mark.mpms('event', 'worker')
def test_by_mod_proxy_http2(httpd):
    server = httpd(ON + 'ProxyPass /self/ '
                   'h2c://127.0.0.1:${PORT}/++profile++show/\n',
                   features=['proxy', 'http2'], modules=['proxy_http2'])
    check_served_at_once(server, '/self/index.html', TRIES)


@pytest.mark.mpms('prefork')
@pytest.mark.parametrize('name', ['stream.php', 'read.php', 'spin.php'])
def test_by_php(httpd, name):
    server = httpd(ON, features=['modphp'])
    add_script(server, name)
    check_served_at_once(server, '/' + name, 50)


@pytest.mark.all_mpms
@pytest.mark.parametrize('how', ['directly', 'thread'])
def test_by_python(httpd, how):
    """Another thread may do what the request waits for."""
    server = httpd(ON + 'WSGIScriptAlias /python ${SITE}/asks.wsgi\n'
                   'WSGIDestroyInterpreter Off\n', modules=['wsgi'])
    server.allow_log(r'wsgi:', r'LPP066')
    add_script(server, 'asks.wsgi')
    check_served_at_once(server, '/python/' + how, 50)


@pytest.mark.all_mpms
def test_by_a_unix_socket(httpd):
    server = httpd(ON + 'Listen 127.0.0.2:${PORT}\nAcceptFilter http none\n'
                   + apxs_env.load('lpp_test_unix')
                   + 'ProxyPass /self/ "unix:${ROOT}/run/own.sock|'
                   'http://127.0.0.1/++profile++show/"\n', features=['proxy'])
    # The parent wakes idle children of prefork by a connection to a listener.
    server.allow_log(r'TCP_NODELAY|AH00056')
    check_served_at_once(server, '/self/index.html', 50)


@pytest.mark.mpms('prefork')
def test_by_perl(httpd):
    server = httpd(ON + REGISTRY, modules=['perl'])
    add_script(server, 'asks.pl')
    check_served_at_once(server, '/asks.pl', 50)


# mod_lua has no sockets: its script starts curl. "php" is mod_fcgid with
# php-cgi.
@pytest.mark.all_mpms
@pytest.mark.parametrize('segment', [ASK, SQL])
@pytest.mark.parametrize('feature, folder, name', [
    ('cgi', 'cgi', 'asks'), ('lua', '.', 'asks.lua'),
    ('php', '.', 'stream.php')])
def test_a_script_in_another_process_waits_for_a_second(
        httpd, feature, folder, name, segment):
    server = httpd(ON, features=[feature])
    add_script(server, name, folder)
    before = len(waits(server))
    ask(server, '/%s/%s' % (folder, name), 1, segment)
    wait_for(lambda: len(waits(server)) > before, 10, 'a log line')
    assert 1000 <= waits(server)[before] < 15000


class Slow(threading.Thread):
    """A request that owns the gate for some seconds."""

    def __init__(self, server, path):
        super().__init__(daemon=True)
        self.server, self.path, self.got = server, path, None
        self.begun = len(self.owners())
        self.start()
        wait_for(lambda: len(self.owners()) > self.begun, 10, 'the owner')

    def owners(self):
        return re.findall(r'LPP062: profiling this request as (OOPS-\w+)',
                          '\n'.join(self.server.error_lines()))

    def run(self):
        self.got = self.server.get(self.path, timeout=60)


@pytest.mark.all_mpms
@pytest.mark.parametrize('path', [
    ASK + '/lua/linger.lua?ms=2000', ASK + '/self/lua/linger.lua?ms=2000',
    SQL + '/lua/linger.lua?ms=2000'])
def test_other_clients_of_this_host_wait_as_before(httpd, path):
    """Whatever their headers say, and even while the owner waits for another
    request to its own server."""
    server = httpd(ON + 'ProxyPass /self/ http://127.0.0.1:${PORT}/\n',
                   features=['proxy', 'lua'])
    for header in (None, 'X-LPProfile-Parent'):
        slow = Slow(server, path)
        headers = [(header, slow.owners()[-1])] if header else []
        before = len(waits(server))
        got = server.get(ASK + '/index.html', headers=headers, timeout=60)
        assert got.lpprofile.startswith('profiled'), got.lpprofile
        slow.join(60)
        assert slow.got.lpprofile.startswith('profiled'), slow.got.lpprofile
        assert len(waits(server)) == before
        gate = server.wait_oops(got.oops_id).read_text()
        assert 'gate' in gate, 'it did not wait'
