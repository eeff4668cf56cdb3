# SPDX-License-Identifier: Apache-2.0
"""Beside Debian's other modules, all at once, with every request profiled:
no crash, no changed answer, each keeps its signals."""
import concurrent.futures
import ctypes.util
import pathlib
import re

import pytest

import child_state
import httpd_env
from blocks import without_block

pytestmark = pytest.mark.no_valgrind("complains of PHP's and Perl's own reads")

NAMES = ('php', 'wsgi', 'perl', 'unique_id', 'security2', 'lua', 'ssl',
         'socache_shmcb', 'md', 'dav', 'dav_fs', 'http2', 'auth_basic',
         'authn_core', 'authz_user')
CONFIG = '''
AddHandler application/x-httpd-php .php
AddHandler lua-script .lua
WSGIScriptAlias /wsgi ${SITE}/app.wsgi
WSGIDestroyInterpreter Off
<Files "*.pl">
    SetHandler perl-script
    PerlResponseHandler ModPerl::Registry
    Options +ExecCGI
</Files>
SecRuleEngine On
SecRequestBodyAccess On
SecResponseBodyAccess On
SecTmpDir ${ROOT}/run
SecDataDir ${ROOT}/run
SecAuditEngine Off
SecRule ARGS "@contains attack" "id:1,phase:2,deny,status:403,nolog"
QS_SrvMaxConnPerIP 200
QS_LocRequestLimit / 100
MDStoreDir ${ROOT}/md
DavLockDB ${SITE}/dav/.lock
<Location /dav>
    Dav On
</Location>
Protocols h2c http/1.1
'''
ALL = 'LPProfilingAllowed On\nLPProfileAllRequests On\n'
# Of other modules at their start; and HTTP/2 under prefork, which declines.
LOG = (r'AH10034', r'AH02568', r'AH01873', r'ModSecurity', r'mod_qos', r'qos:',
       r'AH01906', r'AH01909', r'wsgi:', r'md:(warn|error)', r'StatusEngine')


def missing(mpm):
    for name in (*NAMES, 'qos'):
        if name == 'php':
            if not list(pathlib.Path(httpd_env.MODULES_DIR).glob(
                    'libphp*.so')):
                return 'mod_php'
        elif not pathlib.Path(httpd_env.MODULES_DIR,
                              'mod_%s.so' % name).exists():
            return 'mod_' + name
    return None


def load_qos():
    """Debian's mod_qos relies on a library that httpd no longer loads."""
    pcre = ctypes.util.find_library('pcre')
    return ('LoadFile %s\n' % pcre if pcre else '') + httpd_env.load_module(
        'qos') + '\n'


def make(httpd, mpm, profiler):
    if missing(mpm):
        pytest.skip(missing(mpm) + ' is not installed: see tests/deps.sh')
    # Under event mod_perl's children do not end, whoever is beside it.
    names = [name for name in NAMES
             if name not in ('php', 'perl') or mpm == 'prefork']
    config = CONFIG
    if mpm != 'prefork':
        config = config.replace('AddHandler application/x-httpd-php .php', '')
        config = re.sub('(?s)<Files .*?</Files>\n', '', config)
    server = httpd(load_qos() + (ALL if profiler else '') + config,
                   modules=names,
                   profiler=profiler, fresh=True)
    server.allow_log(*LOG)
    for name, text in PAGES.items():
        path = server.site / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    (server.site / 'dav').chmod(0o777)
    return server


PAGES = {
    'app.wsgi': '''
import math
def application(environ, start_response):
    total = sum(math.sqrt(i) for i in range(30000))
    body = ('<html><body>wsgi %.3f %s</body></html>' % (
        total, environ['PATH_INFO'])).encode()
    start_response('200 OK', [('Content-Type', 'text/html'),
                              ('Content-Length', str(len(body)))])
    return [body]
''',
    'page.pl': '''
my $sum = 0; $sum += $_ * 3 % 7 for 1 .. 60000;
print "Content-Type: text/html\\n\\n<html><body>perl $sum</body></html>";
''',
    'page.php': '''<?php
$sum = 0; for ($i = 0; $i < 100000; $i++) { $sum += $i % 7; }
usleep(20000);
echo "<html><body>php $sum ", php_sapi_name(), "</body></html>"; ?>''',
    'alarm.php': '''<?php
set_time_limit(20); $sum = 0;
for ($i = 0; $i < 300000; $i++) { $sum += $i % 7; }
echo "<html><body>alarm $sum</body></html>"; ?>''',
    'page.lua': '''function handle(r)
    local sum = 0
    for i = 1, 60000 do sum = sum + i % 7 end
    r.content_type = "text/html"
    r:puts("<html><body>lua " .. sum .. "</body></html>")
    return apache2.OK
end''',
    'dav/file.html': '<html><body>dav</body></html>',
}
ASKED = [('GET', '/index.html', None), ('GET', '/wsgi/x', None),
         ('GET', '/page.lua', None),
         ('GET', '/dav/file.html', None), ('PROPFIND', '/dav/', b''),
         ('PUT', '/dav/new.html', b'<html><body>new</body></html>'),
         ('GET', '/dav/new.html', None), ('DELETE', '/dav/new.html', None),
         ('OPTIONS', '/dav/', None), ('POST', '/wsgi/post', b'a=b'),
         ('GET', '/index.html?a=attack', None), ('GET', '/nothing', None)]
PREFORK = [('GET', '/page.php', None), ('GET', '/alarm.php', None),
           ('GET', '/page.pl', None)]


def ask(server, one):
    method, path, body = one
    headers = {'Depth': '0'} if method == 'PROPFIND' else {}
    return server.get(path, headers, method, body=body, timeout=60)


def same(one, other):
    def plain(got):
        if got.status == 207:  # properties of two copies of the site
            return sorted(re.findall(rb'[^<>\s]+(?=[^<]*>)', got.body))
        return without_block(got.body)
    assert plain(one) == plain(other)
    return ((one.status, one.reason, one.header('Content-Type'))
            == (other.status, other.reason, other.header('Content-Type')))


@pytest.mark.mpms('prefork', 'event')
def test_all_at_once(httpd, mpm):
    plain = make(httpd, mpm, False)
    server = make(httpd, mpm, True)
    asked = ASKED + (PREFORK if mpm == 'prefork' else [])
    for one in asked:
        wanted, got = ask(plain, one), ask(server, one)
        assert same(got, wanted), (one, got.headers.items(),
                                   got.body, wanted.body)
        assert got.lpprofile.startswith('profiled'), (one, got.lpprofile)
        server.wait_oops(got.oops_id)
    reads = [one for one in asked if one[0] == 'GET' and 'new' not in one[1]]
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        many = reads * 6
        answers = list(pool.map(lambda one: ask(server, one), many))
    wanted = {one: ask(plain, one) for one in reads}
    for one, got in zip(many, answers):
        assert same(got, wanted[one]), one
    def profilers():
        return [state for state in map(child_state.of, server.children())
                if child_state.has_profiled(state)]
    httpd_env.wait_for(lambda: all(state.timers == 0
                                   for state in profilers()), 10,
                       'timers of the last requests to go')
    states = profilers()
    others = [state for state in map(child_state.of, plain.children())
              if state]
    # At rest nobody's signals differ from those of a server without us, but
    # for what glibc's threads want (32 and 33).
    threads = 3 << 31
    # Some are caught from a child's first PHP page on: a child may lack them.
    caught = threads
    for state in others:
        caught |= int(state.signals['SigCgt'], 16)
    assert states and others
    for state in states:
        assert int(state.signals['SigCgt'], 16) & ~caught == 0
    if mpm == 'event':
        got = server.curl('/wsgi/h2', '--http2-prior-knowledge')
        assert b'wsgi' in got.stdout
