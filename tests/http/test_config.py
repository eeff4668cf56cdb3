# SPDX-License-Identifier: Apache-2.0
"""Directives: what is taken, what is refused with which sentence, merging."""
import os
import pwd
import re

import pytest

from httpd_env import USER

GOOD = [
    'LPProfilingAllowed On', 'LPProfilingAllowed off',
    'LPProfilingAllowed "expr=%{REQUEST_METHOD} == \'GET\'"',
    'LPProfilingAllowed "expr=-n req(\'X-Profile\')"',
    'LPProfileDir /var/cache/somewhere', 'LPProfileDir relative/dir',
    'LPProfileAllRequests On', 'LPProfileAllRequests oFF',
    'LPProfileAccess "-R \'10.0.0.0/8\'"',
    'LPProfileAccess "req(\'X-Key\') == \'k\'"',
    'LPProfileRequireUser "%{REMOTE_USER} == \'admin\'"',
    'LPProfileRate 10', 'LPProfileRate 10000',
    'LPProfileLockTimeout 30', 'LPProfileLockTimeout 0',
    'LPProfileLockTimeout 500ms', 'LPProfileLockTimeout 30s',
    'LPProfileLockTimeout 2mi', 'LPProfileLockTimeout 2min',
    'LPProfileLockTimeout 24h',
    'LPProfileMaxWaiting 0', 'LPProfileMaxWaiting 1000000',
    'LPProfileMaxTime 60s', 'LPProfileMaxTime 10ms',
    'LPProfileKeep count=1', 'LPProfileKeep size=10M',
    'LPProfileKeep age=12h size=2G count=5000',
    'LPProfileKeep failures=50 count=1 age=1d size=1M',
    'LPOopsFormat rfc822', 'LPOopsFormat BSON',
    'LPProfilePageId "%{REQUEST_METHOD}:%{HANDLER}"',
    'LPProfileSignal auto', 'LPProfileSignal AUTO', 'LPProfileSignal SIGPROF',
    'LPProfileSignal prof', 'LPProfileSignal SIGRTMIN+3',
    'LPProfileSignal RTMAX-2', 'LPProfileSignal SIGURG',
    'LPProfileHooks On', 'LPProfileHooks off',
    'LPProfileInterpreters On', 'LPProfileInterpreters off',
    'LPProfileInterpreters PHP', 'LPProfileInterpreters lua perl python php',
    'LPProfileKernelEvents auto', 'LPProfileKernelEvents ON',
    'LPProfileKernelEvents on force', 'LPProfileKernelEvents off',
    'LPOopsDir oops', 'LPOopsReporter "web 1"',
    'LPOopsHide X-Key my_field', 'LPOopsHide A B\nLPOopsHide C',
]

DIRECTIVES = sorted({line.split()[0] for line in GOOD})

# Directive, value as configured, part of the sentence.
BAD = [
    ('LPProfilingAllowed', 'maybe', 'On, Off or expr='),
    ('LPProfilingAllowed', '"expr="', 'needs an expression'),
    ('LPProfileAccess', '" "', 'needs an expression'),
    ('LPProfilingAllowed', '"expr=%{REQUEST_METHOD} =="', 'cannot parse'),
    ('LPProfileAllRequests', 'expr=true', 'On or Off'),
    ('LPProfileAccess', '"no such thing("', 'cannot parse'),
    ('LPProfileRequireUser', '"((("', 'cannot parse'),
    ('LPProfilePageId', '"%{REQUEST_METHOD"', 'cannot parse'),
    ('LPProfileRate', '9', 'from 10 to 10000'),
    ('LPProfileRate', '10001', 'from 10 to 10000'),
    ('LPProfileRate', '-100', 'from 10 to 10000'),
    ('LPProfileRate', '100Hz', 'from 10 to 10000'),
    ('LPProfileRate', '1e3', 'from 10 to 10000'),
    ('LPProfileRate', '99999999999999999999999', 'from 10 to 10000'),
    ('LPProfileLockTimeout', '-1', 'must be a time'),
    ('LPProfileLockTimeout', 'soon', 'must be a time'),
    ('LPProfileLockTimeout', '30sheep', 'must be a time'),
    ('LPProfileLockTimeout', '1.5s', 'must be a time'),
    ('LPProfileLockTimeout', '25h', 'from 0ms to 24h'),
    ('LPProfileLockTimeout', '99999999999999999999', 'must be a time'),
    ('LPProfileMaxTime', '0', 'from 10ms to 24h'),
    ('LPProfileMaxTime', '9ms', 'from 10ms to 24h'),
    ('LPProfileMaxTime', 's', 'must be a time'),
    ('LPProfileKeep', 'count=0', 'from 1 to 1000000000'),
    ('LPProfileKeep', 'count=many', 'from 1 to 1000000000'),
    ('LPProfileKeep', 'size=1MB', 'such as 500000, 512K, 64M or 2G'),
    ('LPProfileKeep', 'age=7', 'such as 90s, 30min, 12h or 7d'),
    ('LPProfileKeep', '100', 'must be count=NUMBER, size=BYTES, age=TIME or'),
    ('LPOopsFormat', 'json', 'must be rfc822 or bson'),
    ('LPProfileMaxWaiting', '-1', 'from 0 to 1000000'),
    ('LPProfileMaxWaiting', 'half', 'from 0 to 1000000'),
    ('LPProfileHooks', 'maybe', 'On or Off'),
    ('LPProfileInterpreters', 'ruby', 'names of php, python, lua and perl'),
    ('LPProfileKernelEvents', 'maybe', 'auto, on or off'),
    ('LPProfileKernelEvents', 'on please', 'only "on" may'),
    ('LPProfileKernelEvents', 'auto force', 'only "on" may'),
    ('LPProfileSignal', 'SIGNONSENSE', 'name of a signal'),
    ('LPProfileSignal', '27', 'name of a signal'),
    ('LPProfileSignal', 'SIGRTMIN+99', 'name of a signal'),
    ('LPProfileSignal', 'SIGRTMIN-1', 'name of a signal'),
    ('LPProfileSignal', 'SIGRTMAX+1', 'name of a signal'),
    ('LPProfileSignal', 'SIGKILL', 'meaning of its own'),
    ('LPProfileSignal', 'SIGSEGV', 'meaning of its own'),
    ('LPProfileSignal', 'SIGUSR1', 'meaning of its own'),
    ('LPOopsHide', '"A B"', 'name of a request variable'),
    ('LPOopsHide', 'X=Y', 'name of a request variable'),
]

@pytest.mark.parametrize('line', GOOD)
def test_good_value_is_taken(httpd, line):
    code, said = httpd.configtest(line)
    assert code == 0, said
    assert 'LPP' not in said.replace('LPProf', ''), said


@pytest.mark.parametrize('line', GOOD)
def test_good_value_is_taken_in_a_virtual_host(httpd, line):
    code, said = httpd.configtest('<VirtualHost *>\n%s\n</VirtualHost>' % line)
    if line.startswith(('LPProfileSignal', 'LPProfileHooks',
                        'LPProfileInterpreters', 'LPProfileKernelEvents')):
        assert code != 0 and 'whole server' in said
        assert line.split()[0] in said and line.split()[1] in said
    else:
        assert code == 0, said


@pytest.mark.parametrize('directive, value, sentence', BAD)
def test_bad_value_is_refused_by_a_sentence(httpd, directive, value,
                                            sentence):
    code, said = httpd.configtest('%s %s' % (directive, value))
    assert code != 0
    said = ' '.join(said.split())
    shown = value.strip('" ')
    if directive == 'LPProfilingAllowed' and shown.startswith('expr='):
        shown = shown[len('expr='):]  # what is wrong is the expression
    assert '%s %s: ' % (directive, shown or '""') in said, said
    assert sentence in said


@pytest.mark.parametrize('directive', DIRECTIVES)
@pytest.mark.parametrize('value', ['', '""', 'one two three'])
def test_wrong_number_of_values_is_refused(httpd, directive, value):
    if directive == 'LPOopsHide' and ' ' in value:
        return  # takes any number
    code, said = httpd.configtest('%s %s' % (directive, value))
    assert code != 0 and directive in said


def test_every_directive_of_the_issue_is_here():
    assert len(DIRECTIVES) == 19


@pytest.mark.parametrize('directive', DIRECTIVES)
@pytest.mark.parametrize('inside', ['Directory /', 'Location /', 'Files x'])
def test_only_servers_and_hosts_hold_directives(httpd, directive, inside):
    line = next(line for line in GOOD if line.startswith(directive + ' '))
    code, said = httpd.configtest('<%s>\n%s\n</%s>' % (
        inside, line.splitlines()[0], inside.split()[0]))
    assert code != 0 and directive in said


@pytest.mark.parametrize('directive, warned', [
    ('LPProfileAccess "%{REMOTE_USER} == \'x\'"', True),
    ('LPProfileAccess "%{HTTP_HOST} == \'x\'"', False),
    ('LPProfileRequireUser "%{REMOTE_USER} == \'x\'"', False)])
def test_configtest_warns_of_a_user_asked_for_too_early(httpd, directive,
                                                        warned):
    code, said = httpd.configtest(directive)
    assert code == 0
    assert ('LPP043' in said) is warned
    assert ('REMOTE_USER' in said) is warned


HOSTS = '''
LPProfilingAllowed On
LPProfileDir ${ROOT}/run/main
LPProfileAccess "req('X-Key') == 'main'"
<VirtualHost 127.0.0.1:${PORT}>
ServerName inherits
DocumentRoot ${SITE}
</VirtualHost>
<VirtualHost 127.0.0.1:${PORT}>
ServerName off
DocumentRoot ${SITE}
LPProfilingAllowed Off
</VirtualHost>
<VirtualHost 127.0.0.1:${PORT}>
ServerName own
DocumentRoot ${SITE}
LPProfileDir ${ROOT}/run/own
LPProfileAccess "req('X-Key') == 'own'"
</VirtualHost>
<VirtualHost 127.0.0.1:${PORT}>
ServerName expr
DocumentRoot ${SITE}
LPProfilingAllowed "expr=%{QUERY_STRING} == 'please'"
</VirtualHost>
'''


@pytest.mark.all_mpms
def test_hosts_inherit_member_by_member(httpd):
    server = httpd(HOSTS)

    def profiled(host, key, query=''):
        got = server.get('/++profile++callgrind/index.html' + query,
                         [('X-Key', key)], host=host)
        assert got.status == (200 if got.lpprofile else 404)
        return bool(got.lpprofile)

    assert profiled('inherits', 'main') and not profiled('inherits', 'own')
    assert not profiled('off', 'main')
    assert profiled('own', 'own') and not profiled('own', 'main')
    assert profiled('expr', 'main', '?please')
    assert not profiled('expr', 'main') and not profiled('expr', 'own',
                                                         '?please')


def test_directories_are_made_for_the_children(httpd):
    server = httpd(HOSTS, key='directories', fresh=True)
    for name in ('main', 'main/oops', 'own', 'own/oops'):
        made = os.stat(server.root / 'run' / name)
        assert made.st_mode & 0o7777 == 0o700, name
        if server.as_root:
            assert made.st_uid != 0, name


def test_no_directory_is_made_where_nothing_is_allowed(httpd):
    server = httpd('LPProfileDir ${ROOT}/run/unused', fresh=True)
    assert server.get('/').status == 200
    assert not (server.root / 'run' / 'unused').exists()


def test_oops_directory_of_its_own(httpd):
    server = httpd('LPProfilingAllowed On\nLPProfileDir p\nLPOopsDir o/deep\n',
                   fresh=True)
    assert (server.root / 'run' / 'p').is_dir()
    assert (server.root / 'run' / 'o' / 'deep').is_dir()
    assert not (server.root / 'run' / 'p' / 'oops').exists()


@pytest.mark.parametrize('path', ['/proc/lpprofile', '${SITE}/index.html',
                                  '/dev/null'])
def test_unusable_directory_stops_the_start(httpd, path):
    said = httpd.fails('LPProfilingAllowed On\nLPProfileDir %s\n' % path)
    assert re.search(r'LPP041: LPProfileDir \S+: \w+', said), said


def prepare_directory(tmp_path, mode, owner):
    path = tmp_path / 'profiles'
    path.mkdir()
    os.chown(path, *owner)
    path.chmod(mode)
    for above in (tmp_path, *tmp_path.parents):
        if str(above).startswith('/tmp/') and above.stat().st_uid == 0:
            above.chmod(0o755)
    return path


@pytest.mark.skipif(os.geteuid() != 0, reason='needs another user')
@pytest.mark.parametrize('directive,mode,other,said', [
    ('LPProfileDir', 0o777, False, 'by everybody'),
    ('LPProfileDir', 0o770, False, 'by its group'),
    ('LPProfileDir', 0o770, True, 'belongs to another user'),
    ('LPOopsDir', 0o777, False, 'by everybody'),
    ('LPOopsDir', 0o770, True, 'belongs to another user'),
])
def test_directory_that_others_may_change_stops_the_start(
        httpd, tmp_path, directive, mode, other, said):
    user = pwd.getpwnam(USER)
    path = prepare_directory(tmp_path, mode, (
        user.pw_uid + other, user.pw_gid))
    told = httpd.fails('LPProfilingAllowed On\n%s %s\n' % (directive, path))
    assert re.search('LPP041: %s %s: it .*%s' % (directive, path, said),
                     told), told
    assert '(ch' in told # what to do


@pytest.mark.skipif(os.geteuid() != 0, reason='needs another user')
@pytest.mark.parametrize('directive,mode,said', [
    ('LPOopsDir', 0o770, 'LPP083: .*can be written to by its group'),
    ('LPProfileDir', 0o755, 'LPP084: .*other users can list its files'),
])
@pytest.mark.log_allows('LPP083')
def test_directory_that_some_may_use_is_warned_about(
        httpd, tmp_path, directive, mode, said):
    user = pwd.getpwnam(USER)
    path = prepare_directory(tmp_path, mode, (user.pw_uid, user.pw_gid))
    server = httpd('LPProfilingAllowed On\n%s %s\n' % (directive, path),
                   fresh=True)
    server.expect_log(said.replace('.*', '%s %s: .*' % (directive, path)))
    got = server.get('/++profile++callgrind/index.html')
    server.wait_oops(got.oops_id, directory=path if directive == 'LPOopsDir'
                     else path / 'oops')


def test_unusable_directory_of_a_host_that_profiles_nothing(httpd):
    server = httpd('LPProfilingAllowed On\n<VirtualHost 127.0.0.1:1>\n'
                   'LPProfilingAllowed Off\nLPProfileDir /proc/lpprofile\n'
                   '</VirtualHost>\n', fresh=True)
    assert server.get('/++profile++callgrind/index.html').lpprofile


@pytest.mark.log_allows('LPP042')
def test_directory_below_document_root_is_warned_about(httpd):
    server = httpd('LPProfilingAllowed On\nLPProfileDir ${SITE}/profiles\n',
                   fresh=True)
    server.expect_log(r'LPP042: LPProfileDir \S+ is below DocumentRoot')
    server.expect_log(r'LPP042: LPOopsDir \S+ is below DocumentRoot')


def test_directory_elsewhere_is_not_warned_about(httpd):
    server = httpd('LPProfilingAllowed On\nLPProfileDir ${ROOT}/site-other\n',
                   fresh=True)
    assert not any('LPP042' in line for line in server.error_lines())


def settings(server):
    """What /++profile++ says is in force, as a dictionary."""
    text = re.sub(r'<[^>]*>', ' ', server.get('/++profile++').text)
    return dict(re.findall(r'\b(LP[A-Z]\w+) +(\S[^\n]*?) *(?=\n|LP[A-Z])',
                           text))


@pytest.mark.all_mpms
def test_defaults_in_force(httpd):
    server = httpd('LPProfilingAllowed On')
    found = settings(server)
    assert set(DIRECTIVES) <= set(found), found
    workers = {'prefork': 16, 'worker': 32, 'event': 32}[server.mpm]
    assert found['LPProfileMaxWaiting'].startswith(str(workers // 2))
    assert found['LPProfileRate'].startswith('1000')
    assert found['LPProfileLockTimeout'].startswith('30s')
    assert found['LPProfileMaxTime'].startswith('60s')
    assert found['LPProfileSignal'].startswith('auto')
    assert found['LPProfileHooks'].startswith('On')
    assert found['LPProfileInterpreters'].startswith('On')
    assert found['LPProfileKernelEvents'].startswith('auto')
    assert found['LPProfileDir'].startswith(str(server.profile_dir))
    assert found['LPOopsDir'].startswith(str(server.profile_dir / 'oops'))


def test_values_in_force(httpd):
    server = httpd('LPProfilingAllowed On\nLPProfileRate 250\n'
                   'LPProfileLockTimeout 1500ms\nLPProfileMaxTime 2min\n'
                   'LPProfileMaxWaiting 3\nLPProfileSignal SIGRTMIN+4\n'
                   'LPOopsReporter here\nLPOopsHide x-one two\n'
                   'LPProfileInterpreters perl LUA\n')
    found = settings(server)
    for directive, value in [
            ('LPProfileRate', '250'), ('LPProfileLockTimeout', '1500ms'),
            ('LPProfileMaxTime', '120s'), ('LPProfileMaxWaiting', '3'),
            ('LPProfileSignal', 'SIGRTMIN+4'), ('LPOopsReporter', 'here'),
            ('LPOopsHide', 'X_ONE TWO'),
            ('LPProfileInterpreters', 'lua perl')]:
        assert found[directive].startswith(value), directive
