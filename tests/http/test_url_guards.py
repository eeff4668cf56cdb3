# SPDX-License-Identifier: Apache-2.0
"""The URL segment is a way round no rule that guards a site."""
import hashlib
import re

import pytest

import httpd_env
from blocks import without_block

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


def outcome(server, path):
    got = server.get(path)
    location = got.header('Location', '')
    body = without_block(got.body) if got.status == 200 else b''
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
