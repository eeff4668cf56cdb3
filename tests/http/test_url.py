# SPDX-License-Identifier: Apache-2.0
"""The URL segment: seen through everywhere, and a way round nothing."""
import gzip
import hashlib
import re
import time
from email.utils import formatdate

import pytest

import httpd_env

SEGMENT = '++profile++callgrind'
ENCODED = '%2B%2bprofile%2B+callgrind'

# Rules of every kind that access control is made of, below ${SITE}/guarded.
RULES = '''
LPProfilingAllowed On
RewriteEngine On
RewriteRule ^/rewritten/(.*)$ /guarded/open/$1 [PT]
RewriteRule ^/refused-by-rule(/|$) - [F]
RewriteCond %{THE_REQUEST} " /refused-by-line"
RewriteRule . - [F]
RewriteCond %{REQUEST_URI} ^/refused-by-uri
RewriteRule . - [F]
AliasMatch ^/aliased/(.*)$ ${SITE}/guarded/open/$1
Alias /elsewhere ${SITE}/guarded/secret
RedirectMatch ^/moved/(.*)$ /guarded/open/$1
SetEnvIf Request_URI ^/guarded/by-env is_refused
<Directory ${SITE}/guarded/secret>
    Require all denied
</Directory>
<Directory ${SITE}/guarded>
    <Files "*.key">
        Require all denied
    </Files>
    <RequireAll>
        Require all granted
        Require not env is_refused
    </RequireAll>
</Directory>
<Location /guarded/by-location>
    Require all denied
</Location>
<LocationMatch "^/guarded/by-match">
    Require all denied
</LocationMatch>
<If "%{REQUEST_URI} =~ m#^/guarded/by-if#">
    Require all denied
</If>
'''

VARIANTS = {
    'plain': '',
    'slashes': 'AllowEncodedSlashes On\nMergeSlashes Off\n',
    'nodecode': 'AllowEncodedSlashes NoDecode\n',
}

FOLDERS = ('open', 'secret', 'by-location', 'by-match', 'by-if', 'by-env')

TRICKS = [
    '/guarded/open/page.txt', '/guarded/open/', '/guarded/open',
    '/guarded/secret/page.txt', '/guarded/secret/', '/guarded/secret',
    '/guarded/by-location/page.txt', '/guarded/by-match/page.txt',
    '/guarded/by-if/page.txt', '/guarded/by-env/page.txt',
    '/guarded/open/a.key', '/guarded/open/a%2Ekey',
    '/guarded/open/../secret/page.txt', '/guarded/open/%2e%2e/secret/page.txt',
    '/guarded/open/.%2E/by-location/page.txt',
    '/guarded//secret/page.txt', '//guarded/secret/page.txt',
    '/guarded//by-location/page.txt', '/guarded/./by-location/page.txt',
    '//guarded//by-location//page.txt', '/guarded/by-location//page.txt',
    '/guarded%2Fsecret%2Fpage.txt', '/guarded%2fby-location%2fpage.txt',
    '/guarded/by%2Dlocation/page.txt', '/guarded/%62y-location/page.txt',
    '/guarded/open%2F..%2Fby-location/page.txt',
    '/guarded/open/..%2fby-location/page.txt',
    '/guarded/x/../by-location/page.txt', '/x/../guarded/by-match/page.txt',
    '/../guarded/by-location/page.txt', '/..', '/%2e%2e/',
    '/guarded/by-location/%2e/page.txt', '/guarded/by-location;x/page.txt',
    '/guarded/open/page.txt%00', '/guarded/open/page.txt%2', '/%zz/',
    '/rewritten/page.txt', '/rewritten/../by-location/page.txt',
    '/rewritten/a.key', '/aliased/page.txt', '/aliased/a.key',
    '/aliased/../by-location/page.txt', '/elsewhere/page.txt',
    '/refused-by-rule', '/refused-by-rule/x', '/refused-by-line',
    '/refused-by-uri', '/refused-by-uri/x', '/moved/page.txt',
    '/nothing', '/index.html/path', '/cgi/env/a%20b/c', '/cgi/env?a=/../b',
    '/guarded/open/page.txt?x=/guarded/by-location/',
    '/++profile+/x', '/a++profile++show/x',
]


def with_segment(path, segment, slash):
    """path with a segment put in after its slash-th slash (0: the first)."""
    head, mark, query = path.partition('?')
    places = [match.start() for match in re.finditer('/', head)]
    at = places[slash]
    return head[:at] + '/' + segment + head[at:] + mark + query


def page(got):
    """The page that a response holds, without our block."""
    return re.sub(b'<lpp-profile>.*</lpp-profile>\n', b'', got.body,
                  flags=re.S)


def outcome(server, path):
    got = server.get(path)
    location = got.header('Location', '')
    body = page(got) if got.status == 200 else b''
    env = [line for line in body.splitlines()
           if not line.startswith((b'UNIQUE_ID', b'REMOTE_PORT', b'LPPROFILE_',
                                   b'HTTP_'))]
    return got.status, location.replace(SEGMENT + '/', '').replace(
        ENCODED + '/', ''), env


def lay_out_guarded(server):
    for folder in FOLDERS:
        where = server.site / 'guarded' / folder
        where.mkdir(parents=True, exist_ok=True)
        (where / 'page.txt').write_text('in ' + folder)
        (where / 'index.html').write_text('index of ' + folder)
        (where / 'a.key').write_text('a key')


@pytest.mark.parametrize('variant', VARIANTS)
@pytest.mark.log_allows(
    r'\[core:error\] .*AH10244', r'authz_core:error.*AH01630',
    r'rewrite:error.*AH10411', r'core:error.*AH00127')
def test_segment_reaches_just_what_the_plain_url_reaches(httpd, variant):
    server = httpd(RULES + VARIANTS[variant], features=['cgi', 'rewrite'])
    lay_out_guarded(server)
    wrong = []
    statuses = set()
    for path in TRICKS:
        plain = outcome(server, path)
        statuses.add(plain[0])
        slashes = path.partition('?')[0].count('/')
        for slash in range(slashes):
            for segment in (SEGMENT, ENCODED):
                tricked = with_segment(path, segment, slash)
                got = outcome(server, tricked)
                if got != plain:
                    wrong.append((path, tricked, plain, got))
    assert not wrong, '\n'.join(map(str, wrong))
    # The table is worth something only if it meets each of these.
    assert {200, 301, 302, 400, 403, 404} <= statuses


@pytest.mark.parametrize('hostile', [
    '/%s%%2F..%%2Fguarded%%2Fby-location/page.txt',
    '/%s/%s/guarded/by-location/page.txt',
    '/guarded/%s/../by-location/page.txt',
    '/guarded/%s/%%2e%%2e/by-location/page.txt',
    '/%s/../guarded/by-location/page.txt',
    '//%s/guarded/by-location/page.txt', '/%s//guarded/by-location/page.txt',
    '/guarded/open/%s/..//../by-location/page.txt',
    '/guarded/by-location/%s/page.txt', '/guarded/by-location/%s',
    '/guarded/by-location/page.txt/%s', '/guarded/%s/by-location/page.txt',
    '/guarded/by-location/./%s/page.txt',
    '/guarded/by-%s/by-location/page.txt',
    '/guarded/by-location%%2F%s/page.txt',
    '/guarded%%2F%s/by-location/page.txt',
])
@pytest.mark.parametrize('variant', VARIANTS)
@pytest.mark.log_allows(r'AH10244', r'AH01630', r'AH10411')
def test_segment_opens_nothing(httpd, variant, hostile):
    server = httpd(RULES + VARIANTS[variant], features=['cgi', 'rewrite'])
    lay_out_guarded(server)
    for segment in (SEGMENT, ENCODED):
        got = server.get(hostile.replace('%s', segment).replace('%%', '%'))
        assert got.status in (400, 403, 404), hostile
        assert b'in by-location' not in got.body
        assert b'index of by-location' not in got.body


PLACES = ['/++profile++callgrind/dir/one.html',
          '/dir/++profile++callgrind/one.html',
          '/dir/one.html/++profile++callgrind',
          '/%2B%2Bprofile%2B%2Bcallgrind/dir/one.html',
          '/dir/%2b+%70rofile+%2bcallgrind/one.html',
          '//++profile++callgrind//dir/one.html']


@pytest.mark.all_mpms
@pytest.mark.parametrize('path', PLACES)
def test_segment_is_seen_through(httpd, path):
    server = httpd('LPProfilingAllowed On', features=['cgi'])
    plain = server.get('/dir/one.html')
    got = server.get(path)
    assert (got.status, page(got)) == (200, plain.body)
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
    ('fastcgi', 'event'), ('mod_php', 'prefork')])
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


@pytest.mark.all_mpms
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


@pytest.mark.all_mpms
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


EARLY_JUDGES = {
    'security2': (['unique_id', 'security2'], """
SecRuleEngine On
SecAuditEngine Off
SecRule REQUEST_URI "@beginsWith /dir/one.html" "id:1,phase:1,deny,status:403"
SecRule REQUEST_FILENAME "@streq /plain.txt" "id:2,phase:1,deny,status:403"
SecRule REQUEST_LINE "@contains /index.html" "id:3,phase:1,deny,status:403"
"""),
    'perl': (['perl'], """
<Perl>
package Lpp::Judge;
use Apache2::RequestRec ();
use Apache2::Const -compile => qw(DECLINED FORBIDDEN);
sub handler {
    my $r = shift;
    return Apache2::Const::FORBIDDEN
        if $r->uri =~ m{^/dir/one.html} || $r->unparsed_uri =~ m{^/plain.txt}
           || $r->the_request =~ m{/index.html};
    return Apache2::Const::DECLINED;
}
$INC{'Lpp/Judge.pm'} = 1;
</Perl>
PerlPostReadRequestHandler Lpp::Judge
"""),
}


@pytest.mark.parametrize('on', ['On', 'Off'])
@pytest.mark.parametrize('order', ['first', 'last'])
@pytest.mark.parametrize('judge', sorted(EARLY_JUDGES))
def test_who_judges_early_sees_the_plain_url(httpd, judge, order, on):
    """A firewall's rule for a URL held until a segment stood in it."""
    modules, rules = EARLY_JUDGES[judge]
    modules = ['authn_core', 'auth_digest', *modules]
    rules = rules + 'LPProfilingAllowed On\nLPProfileHooks %s\n' % on
    if order == 'first':  # loaded before mod_lpprofile
        server = httpd(rules, modules=modules)
    else:
        server = httpd(''.join(httpd_env.load_module(name) + '\n'
                               for name in modules) + rules)
    server.allow_log('ModSecurity', 'AH01630')
    for path in ('/dir/one.html', '/plain.txt', '/index.html'):
        folder, _, name = path.rpartition('/')
        for uri in (path, '/++profile++callgrind' + path,
                    '%s/++profile++callgrind/%s' % (folder, name)):
            assert server.get(uri).status == 403
            # mod_auth_digest alone is shown the URI that was sent
            assert server.get(uri, [('Authorization', 'Digest x')]
                              ).status == 403
    assert server.get('/++profile++callgrind/dir/').status != 403


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def with_digest(server, uri, password='secret', signed=None):
    """The answer to uri with a password that is never sent; signed: another
    URI than that."""
    nonce = re.search('nonce="([^"]+)"',
                      server.get(uri).header('WWW-Authenticate'))[1]
    signed = signed or uri
    proof = md5(':'.join([md5('ada:here:' + password), nonce, '00000001',
                          'c', 'auth', md5('GET:' + signed)]))
    return server.get(uri, [('Authorization',
                             'Digest username="ada", realm="here", '
                             'nonce="%s", uri="%s", qop=auth, nc=00000001, '
                             'cnonce="c", response="%s"'
                             % (nonce, signed, proof))])


@pytest.mark.parametrize('on', ['On', 'Off'])
def test_a_page_behind_a_digest(httpd, tmp_path, on):
    """mod_auth_digest compares the URI that the browser signed with the
    request's: this is the one that was sent."""
    (tmp_path / 'words').write_text('ada:here:%s\n' % md5('ada:here:secret'))
    server = httpd('LPProfilingAllowed On\nLPProfileHooks %s\n'
                   '<Location /dir>\nAuthType Digest\nAuthName here\n'
                   'AuthUserFile %s\nRequire valid-user\n</Location>\n'
                   '<LocationMatch "^/\\+\\+profile">\nAuthType Digest\n'
                   'AuthName here\nAuthUserFile %s\nRequire valid-user\n'
                   '</LocationMatch>\n'
                   % (on, tmp_path / 'words', tmp_path / 'words'),
                   modules=['authn_core', 'auth_digest', 'authn_file',
                            'authz_user'])
    server.allow_log('AH01794: user ada: password mismatch',
                     'AH01786: uri mismatch')
    assert with_digest(server, '/dir/one.html?x=1').status == 200
    for uri in ('/++profile++callgrind/dir/one.html?x=1',
                '/dir/++profile++callgrind/one.html',
                '/dir/%2B%2Bprofile++callgrind/one.html',
                '/++profile++/', '/++profile++reports?sort=wall'):
        assert with_digest(server, uri).status == 200, uri
        assert with_digest(server, uri, 'wrong').status == 401
        assert with_digest(server, uri, signed='/other').status == 400
    got = with_digest(server, '/++profile++callgrind/dir/one.html')
    assert got.lpprofile == 'profiled'
    report = server.wait_oops(got.oops_id).read_text()
    assert re.search('^URL: http.*/dir/one.html$', report, re.M)


SITE_HEADERS = [
    'Header always set Cache-Control "public, max-age=3600"\n',
    'Header set Cache-Control "public, max-age=3600"\n',
    'Header append Cache-Control public\n',
    'Header always set Expires "Thu, 01 Jan 2099 00:00:00 GMT"\n',
    'ExpiresActive On\nExpiresDefault "access plus 1 year"\n',
]


@pytest.mark.parametrize('rule', SITE_HEADERS)
def test_what_a_segment_asked_for_is_not_stored(httpd, rule):
    """Whatever the site says of its own pages, and of errors and redirects."""
    server = httpd('LPProfilingAllowed On\nDirectoryIndex index.html\n'
                   'ErrorDocument 410 /dir/one.html\n'
                   'Redirect gone /gone\n' + rule,
                   modules=['headers', 'expires'], features=['cgi'])
    for path in ('/plain.txt', '/dir/one.html', '/no-such-page', '/gone',
                 '/dir/', '/dir'):
        plain = server.get(path)
        assert 'no-store' not in plain.all('Cache-Control')
        for action in ('callgrind', 'help', 'show', 'sql'):
            got = server.get('/++profile++%s%s' % (action, path))
            assert got.status == plain.status
            assert got.all('Cache-Control') == ['no-store'], (path, action)
            assert not got.all('Expires')
    for path in ('', 'help', 'reports', 'report:OOPS-' + 32 * '0'):
        got = server.get('/++profile++' + path)
        assert got.all('Cache-Control') == ['no-store'], path
        assert not got.all('Expires')
    part = server.get('/++profile++show/plain.txt',
                      [('Sec-Fetch-Dest', 'image')])
    assert part.all('Cache-Control') == ['no-store'] and not part.lpprofile


@pytest.mark.parametrize('rule', SITE_HEADERS)
def test_a_page_with_a_block_is_not_stored(httpd, rule):
    server = httpd('LPProfilingAllowed On\nLPProfileAllRequests On\n' + rule,
                   modules=['headers', 'expires'])
    got = server.get('/dir/one.html')
    assert 'Profiling Information' in got.text
    assert got.all('Cache-Control') == ['no-store']
    assert not got.all('Expires')
    assert 'no-store' not in server.get('/plain.txt').all('Cache-Control')


def caching(httpd, quick):
    """A server that stores whatever it may, and more."""
    server = httpd('LPProfilingAllowed On\nCacheRoot ${ROOT}/run/cache\n'
                   'CacheEnable disk /\nCacheQuickHandler %s\n'
                   'CacheStoreNoStore On\nCacheIgnoreNoLastMod On\n'
                   'CacheDefaultExpire 600\nCacheMinExpire 600\n'
                   'CacheHeader On\n' % quick,
                   modules=['cache', 'cache_disk'], features=['cgi'])
    (server.root / 'run' / 'cache').mkdir(exist_ok=True)
    (server.root / 'run' / 'cache').chmod(0o777)
    return server


@pytest.mark.parametrize('quick', ['On', 'Off'])
def test_a_part_of_a_page_may_come_from_the_cache(httpd, quick):
    server = caching(httpd, quick)
    image = [('Sec-Fetch-Dest', 'image')]
    plain = httpd(profiler=False).get('/plain.txt')
    for path in ('/++profile++show/plain.txt', '/plain.txt',
                 '/++profile++show/plain.txt'):
        got = server.get(path, image)
        assert (got.status, got.body) == (200, plain.body)
        assert (got.all('Cache-Control') == ['no-store']) == (
            '++profile++' in path)
    assert got.header('X-Cache').startswith('HIT')


CONDITIONS = [('If-None-Match', '*'), ('Range', 'bytes=0-0'),
              ('If-Modified-Since', formatdate(usegmt=True))]


@pytest.mark.parametrize('method', ['GET', 'HEAD'])
@pytest.mark.parametrize('condition', CONDITIONS)
def test_conditions_are_ignored_with_a_segment_only(httpd, method, condition):
    server = httpd('LPProfilingAllowed On', features=['cgi'])
    plain = server.get('/plain.txt', [condition], method=method)
    assert plain.status in (206, 304) or method == 'HEAD'
    got = server.get('/++profile++callgrind/plain.txt', [condition],
                     method=method)
    assert got.status == 200


@pytest.mark.parametrize('condition', [
    ('If-Match', '"no such"'),
    ('If-Unmodified-Since', 'Fri, 01 Jan 1999 00:00:00 GMT')])
def test_guards_of_a_write_stand(httpd, condition):
    server = httpd('LPProfilingAllowed On', features=['cgi'])
    for path in ('/plain.txt', '/++profile++callgrind/plain.txt'):
        assert server.get(path, [condition]).status == 412


def test_backend_is_asked_for_identity_and_deflate_still_works(httpd):
    backend = httpd(profiler=False, features=['cgi'], key='backend')
    server = httpd('LPProfilingAllowed On\n'
                   'ProxyPass /app http://127.0.0.1:%d/cgi/env\n'
                   % backend.port, features=['proxy', 'deflate', 'cgi'])
    encodings = [('Accept-Encoding', 'gzip')]

    def seen(path):
        got = server.get(path, encodings)
        assert got.header('Content-Encoding') == 'gzip'
        return gzip.decompress(got.body).decode()

    for path in ('/app', '/cgi/env'):
        assert 'HTTP_ACCEPT_ENCODING=gzip' in seen(path)
        assert 'HTTP_ACCEPT_ENCODING' not in seen('/++profile++callgrind'
                                                  + path)


@pytest.mark.parametrize('quick', ['On', 'Off'])
def test_cache_neither_answers_nor_stores(httpd, quick):
    server = caching(httpd, quick)
    path = '/dir/one.html'
    plain = httpd(profiler=False).get(path)
    got = server.get('/++profile++callgrind' + path)
    assert got.status == 200 and got.lpprofile
    assert 'HIT' not in got.header('X-Cache', '')
    first = server.get(path)
    assert 'HIT' not in first.header('X-Cache', ''), 'a profile was stored'
    assert not first.lpprofile
    httpd_env.wait_for(
        lambda: 'HIT' in server.get(path).header('X-Cache', ''))
    got = server.get('/++profile++callgrind' + path)
    assert got.lpprofile and 'HIT' not in got.header('X-Cache', '')
    assert page(got) == first.body == plain.body


@pytest.mark.all_mpms
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


DAV = '''LPProfilingAllowed On
DavLockDB ${SITE}/dav/.lock
<Location /dav>
    Dav On
</Location>
<VirtualHost *:${PORT}>
ServerName here.example
</VirtualHost>
'''
SHOW = '/++profile++show'
LOCK = (b'<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope>'
        b'<D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype>'
        b'</D:lockinfo>')


@pytest.fixture
def dav(httpd):
    server = httpd(DAV, modules=['dav', 'dav_fs'], fresh=True)
    directory = server.site / 'dav'
    directory.mkdir()
    directory.chmod(0o777)
    return server, directory


@pytest.mark.parametrize('base', [
    'http://here.example' + SHOW + '/dav', 'http://here.example/dav' + SHOW,
    # mod_dav compares no host.
    'http://there.example/dav/%2B%2Bprofile%2B%2Bshow'])
def test_destination_of_a_copy_is_the_plain_url(dav, base):
    """A WebDAV client below /++profile++show/ sends the segment there, too."""
    server, directory = dav

    def ask(method, name, to=None, body=None):
        got = server.get(
            SHOW + '/dav/' + name, method=method, body=body,
            headers=[('Destination', base + to)] if to else [],
            host='here.example')
        assert got.lpprofile
        return got

    assert ask('PUT', 'a.txt', body=b'text').status == 201
    assert ask('COPY', 'a.txt', '/b.txt').status == 201
    assert ask('MOVE', 'b.txt', '/c.txt').status == 201
    assert ask('COPY', 'a.txt', '/c.txt').status == 204
    assert ask('GET', 'c.txt').body == b'text'
    assert sorted(path.name for path in directory.iterdir()
                  if path.name[0] != '.') == ['a.txt', 'c.txt']


def test_older_name_of_destination(dav):
    server, directory = dav
    (directory / 'a.txt').write_text('text')
    got = server.get(SHOW + '/dav/a.txt', method='COPY', host='here.example',
                     headers=[('New-uri', SHOW + '/dav/b.txt')])
    assert got.status == 201 and (directory / 'b.txt').exists()


def test_destination_is_left_where_the_request_has_no_segment(dav):
    server, directory = dav
    (directory / 'a.txt').write_text('text')
    got = server.get('/dav/a.txt', method='COPY', host='here.example',
                     headers=[('Destination',
                               'http://here.example/dav' + SHOW)])
    assert got.status == 201 and (directory / SHOW[1:]).exists()


def test_conditions_on_another_url_are_on_the_plain_one(dav):
    """If: <URL> (<token>), as a client sends that holds a lock."""
    server, directory = dav
    for name in ('a.txt', 'b.txt'):
        (directory / name).write_text(name)
        (directory / name).chmod(0o666)
    tokens = {}
    for name in ('a.txt', 'b.txt'):
        got = server.get(SHOW + '/dav/' + name, method='LOCK', body=LOCK,
                         host='here.example')
        assert got.status == 200
        tokens[name] = got.header('Lock-Token')

    def move(swapped=False, end=')'):
        held = dict(zip(tokens, reversed(tokens.values()))
                    if swapped else tokens)
        tags = ' '.join('<http://here.example%s/dav/%s> (%s%s' % (
            SHOW, name, token, end) for name, token in held.items())
        return server.get(
            SHOW + '/dav/a.txt', method='MOVE', host='here.example', headers=[
                ('Destination', 'http://here.example%s/dav/b.txt' % SHOW),
                ('If', tags)]).status

    server.allow_log('"If:" header', 'If-header', 'Could not MOVE')
    assert move(swapped=True) == 412
    assert move(end='') == 400
    assert move() == 204
    assert (directory / 'b.txt').read_text() == 'a.txt'
