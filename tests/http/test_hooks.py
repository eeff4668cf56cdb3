# SPDX-License-Identifier: Apache-2.0
"""Apache's own view: exact calls and times by module and phase, on Debian's
real modules."""
import base64
import gzip
import pathlib
import random
import re
import sqlite3
import subprocess

import pytest

import apxs_env
import callgrind
import protobuf
from calls_table import calls_of, one, parse, plain, report
from httpd_env import MODULES_DIR

pytestmark = pytest.mark.long

ON = 'LPProfilingAllowed On\n'
TRIGGER = '/++profile++callgrind'
ROW = re.compile(r'^(\d+)-(\d+)@hook (.*)$', re.M)


def profiled(server, path, **kwargs):
    got = server.get(TRIGGER + path, **kwargs)
    assert got.oops_id, (got.status, got.lpprofile)
    return got


# -- modules

REWRITE = ('RewriteEngine On\nRewriteRule ^/old$ /plain.txt [PT]\n'
           '<Directory ${SITE}/dir>\nRewriteEngine On\n'
           'RewriteRule ^gone\\.html$ one.html\n</Directory>\n')


@pytest.mark.all_mpms
def test_rewrite_in_server_context(httpd):
    server = httpd(ON + REWRITE, features=['rewrite'], modules=['negotiation'])
    got = profiled(server, '/old')
    assert got.status == 200
    calls = calls_of(server, got)
    assert one(calls, 'translate_name', 'mod_rewrite').calls == 1
    handler = one(calls, 'handler', 'core')
    assert handler.answer.startswith('OK, handled')
    assert {call.phase for call in calls} >= {
        'post_read_request', 'translate_name', 'map_to_storage',
        'header_parser', 'access_checker_ex', 'type_checker', 'fixups',
        'insert_filter', 'handler', 'log_transaction'}


def test_rewrite_in_directory_context_redirects(httpd):
    server = httpd(ON + REWRITE, features=['rewrite'], modules=['negotiation'])
    got = profiled(server, '/dir/gone.html')
    assert got.status == 200
    calls, scopes, _ = parse(report(server, got))
    assert one(calls, 'fixups', 'mod_rewrite', 'Request').calls == 1
    # mod_rewrite's handler makes the redirect: that lies within it
    handled = one(calls, 'handler', 'mod_rewrite', 'Request')
    assert handled.answer.startswith('OK, handled')
    assert scopes[1] == (1, 'Internal redirect to /dir/one.html, made in '
                            'handler of mod_rewrite.c')
    inner = one(calls, 'handler', 'core', 'Internal redirect')
    assert handled.total >= inner.total
    assert handled.self <= handled.total - inner.total + 0.06 * handled.total


@pytest.fixture(scope='module')
def passwords(tmp_path_factory):
    """bcrypt, as slow as it is in earnest."""
    path = tmp_path_factory.mktemp('passwords') / 'users'
    subprocess.run(['htpasswd', '-cbB', '-C', '11', str(path), 'ada', 'pw'],
                   check=True, stderr=subprocess.DEVNULL)
    path.chmod(0o644)
    return path


BASIC = ('LPProfileAccess "true"\n<Location /plain.txt>\nAuthType Basic\n'
         'AuthName x\nAuthBasicProvider file\nAuthUserFile %s\n'
         'Require valid-user\n</Location>\n')
AUTH = ['auth_basic', 'authn_core', 'authn_file', 'authz_user']
ADA = [('Authorization', 'Basic YWRhOnB3')]


@pytest.mark.alone
def test_a_slow_password_check_is_seen_where_it_is(httpd, passwords):
    server = httpd(ON + BASIC % passwords, modules=AUTH, key='slow')
    got = profiled(server, '/plain.txt', headers=ADA)
    assert got.status == 200
    calls = calls_of(server, got)
    check = one(calls, 'check_user_id', 'mod_auth_basic')
    assert check.answer.startswith('OK')
    assert check.self > 20000
    assert check.self == max(call.self for call in calls)
    # it computes: the CPU clock says so, apart from a busy machine
    assert check.cpu > 20000
    assert check.cpu + check.ready + check.blocked == pytest.approx(
        check.self, rel=0.02)
    timing = ', '.join(got.all('Server-Timing'))
    found = re.search(r'check_user_id\.mod_auth_basic;dur=([\d.]+)', timing)
    assert float(found.group(1)) * 1000 == pytest.approx(check.self, rel=0.01)
    text = server.wait_oops(got.oops_id).read_text()
    spans = {detail: int(end) - int(start)
             for start, end, detail in ROW.findall(text)}
    assert abs(spans['check_user_id mod_auth_basic.c']
               - check.self / 1000) <= 1.1, spans


def test_who_denied(httpd, passwords):
    server = httpd(ON + BASIC % passwords, modules=AUTH, key='slow')
    got = profiled(server, '/plain.txt')
    assert got.status == 401
    calls = calls_of(server, got)
    assert one(calls, 'check_user_id',
               'mod_auth_basic').answer.startswith('401 refused')
    assert not [call for call in calls if call.phase == 'handler']


def test_authz_dbd(httpd, tmp_path_factory):
    path = tmp_path_factory.mktemp('dbd') / 'groups.db'
    base = sqlite3.connect(path)
    base.execute('CREATE TABLE groups (user TEXT, grp TEXT)')
    base.execute("INSERT INTO groups VALUES ('ada', 'team')")
    base.commit()
    base.close()
    path.chmod(0o644)
    config = ('LPProfileAccess "true"\nDBDriver sqlite3\nDBDParams %s\n'
              '<Location /plain.txt>\nAuthType Basic\nAuthName x\n'
              'AuthBasicProvider anon\nAnonymous *\n'
              'Require dbd-group %%s\nAuthzDBDQuery "SELECT grp FROM groups '
              'WHERE user = %%%%s"\n</Location>\n' % path)
    server = httpd(ON + config % 'team',
                   modules=['dbd', 'authz_dbd', 'authn_dbd', 'auth_basic',
                            'authn_core', 'authn_anon'])
    got = profiled(server, '/plain.txt', headers=ADA)
    assert got.status == 200
    calls = calls_of(server, got)
    # providers run within mod_authz_core's hook
    checked = one(calls, 'auth_checker', 'mod_authz_core')
    assert checked.answer.startswith('OK') and checked.self > 1
    got = profiled(server, '/plain.txt',
                   headers=[('Authorization', 'Basic Ym9iOnB3')])
    assert got.status == 401
    server.allow_log(r'AH01617|AH01618|AH01664|AH01631')
    assert one(calls_of(server, got), 'auth_checker',
               'mod_authz_core').answer.startswith('401 refused')


def test_directory_index_is_a_subrequest_of_its_fixup(httpd):
    server = httpd(ON + 'DirectoryIndex nothing.html one.html\n', key='dir')
    got = profiled(server, '/dir/')
    assert got.status == 200
    calls, scopes, _ = parse(report(server, got))
    made = [text for depth, text in scopes if depth == 1]
    assert made[:3] == [
        'Subrequest /dir/index.html, made in fixups of mod_dir.c',
        'Subrequest /dir/nothing.html, made in fixups of mod_dir.c',
        'Subrequest /dir/one.html, made in fixups of mod_dir.c']
    assert one(calls, 'fixups', 'mod_dir', 'Request').total \
        > one(calls, 'fixups', 'mod_dir', 'Request').self


def test_nested_includes(httpd):
    server = httpd(ON, features=['include'], fresh=True)
    (server.site / 'outer.shtml').write_text(
        '<!--#include virtual="/inner.shtml" -->'
        '<!--#include virtual="/inner.shtml" -->')
    (server.site / 'inner.shtml').write_text(
        '<!--#include virtual="/part.html" -->')
    got = profiled(server, '/outer.shtml')
    assert got.text.count('The included part') == 2
    calls, scopes, _ = parse(report(server, got))
    assert scopes == [
        (0, 'Request'),
        (1, 'Subrequest /inner.shtml (2\u00d7), made in handler of core.c'),
        (2, 'Subrequest /part.html (2\u00d7), made in handler of core.c')]
    assert one(calls, 'handler', 'core', 'Request').calls == 1
    assert one(calls, 'handler', 'core', 'Subrequest /inner').calls == 2
    assert one(calls, 'handler', 'core', 'Subrequest /part').calls == 2
    outer = one(calls, 'handler', 'core', 'Request')
    inner = one(calls, 'handler', 'core', 'Subrequest /inner')
    assert outer.total >= inner.total >= inner.self


def test_negotiation(httpd):
    server = httpd(ON + '<Directory ${SITE}>\nOptions +MultiViews\n'
                   '</Directory>\n', modules=['negotiation'], key='views')
    got = profiled(server, '/plain')
    assert got.status == 200
    calls, scopes, _ = parse(report(server, got))
    assert one(calls, 'type_checker', 'mod_negotiation', 'Request').calls == 1
    assert [text for _, text in scopes
            if text.startswith('Subrequest /plain.txt, made in type_checker '
                               'of mod_negotiation.c')], scopes


def test_proxy(httpd):
    backend = httpd('', profiler=False)
    server = httpd(ON + 'ProxyPass /app http://127.0.0.1:%d/\n' % backend.port,
                   features=['proxy'])
    got = profiled(server, '/app/plain.txt')
    assert got.status == 200
    calls = calls_of(server, got)
    handled = one(calls, 'handler', 'mod_proxy')
    assert handled.answer.startswith('OK, handled')
    assert handled.self > 50
    # httpd's own handlers decline it, and one is not asked any more
    assert [call.answer for call in calls if call.phase == 'handler'
            and call.module == 'core.c'] == ['declined']


LUA_HOOKS = ('LuaHookFixups ${SITE}/lua/hooks.lua sleep\n'
             'LuaHookAccessChecker ${SITE}/lua/hooks.lua compute\n')
LUA_SOURCE = '''
function sleep(r)
    io.popen("sleep 0.12"):close()
    return apache2.OK
end
function compute(r)
    local stop = r:clock() + 120000
    local sum = 0
    repeat
        for i = 1, 5000 do sum = (sum + i * i) % 1000003 end
    until r:clock() >= stop
    return apache2.OK
end
'''


@pytest.fixture
def lua(httpd):
    server = httpd(ON + LUA_HOOKS, features=['lua'], key='hooks')
    (server.site / 'lua' / 'hooks.lua').write_text(LUA_SOURCE)
    return server


@pytest.mark.no_valgrind('too slow to give enough samples')
@pytest.mark.alone
@pytest.mark.all_mpms
def test_lua_hooks_and_waiting(lua):
    calls = calls_of(lua, profiled(lua, '/plain.txt'))
    slept = one(calls, 'fixups', 'mod_lua')
    assert slept.self >= 119000
    assert slept.blocked > 0.9 * slept.self
    computed = one(calls, 'access_checker', 'mod_lua')
    assert computed.self >= 119000
    assert computed.cpu > slept.cpu


def sampled_wall(server, got, phase):
    """Microseconds that callgrind's file says were spent below
    ap_run_<phase>, by callee."""
    path, = server.wait_files(got.oops_id)
    parsed = callgrind.Callgrind(path)
    return {callee: cost[0] for (caller, callee), cost
            in parsed.edges.items() if caller == 'ap_run_' + phase}


@pytest.mark.no_valgrind('too slow to give enough samples')
@pytest.mark.alone
def test_exact_and_sampled_agree(lua):
    for again in range(6):
        got = profiled(lua, '/plain.txt')
        calls = calls_of(lua, got)
        wrong = []
        for phase in ('fixups', 'access_checker'):
            exact = one(calls, phase, 'mod_lua').total
            by_callee = sampled_wall(lua, got, phase)
            assert by_callee, phase
            # Samples are 1 ms apart and each stands for the time since the one
            # before it: what lies at either end may be off by two of them. A
            # busy machine delays some, and what is wrong stays wrong.
            if abs(max(by_callee.values()) - exact) > max(4000, 0.06 * exact):
                wrong.append((phase, by_callee, exact))
        if not wrong:
            break
    assert not wrong, wrong


def test_error_document(httpd):
    server = httpd(ON + 'ErrorDocument 404 /plain.txt\n', key='redirect')
    got = profiled(server, '/nothing-here')
    assert got.status == 404
    calls, scopes, _ = parse(report(server, got))
    assert one(calls, 'handler', 'core', 'Request').answer.startswith(
        '404 refused')
    # made by httpd itself, outside of any hook
    assert scopes[1] == (1, 'Internal redirect to /plain.txt')
    assert one(calls, 'handler', 'core',
               'Internal redirect').answer.startswith('OK, handled')


# -- what others see

def test_info_lists_the_same_hooks_in_the_same_order(httpd):
    pages = []
    for setting in ('On', 'Off'):
        server = httpd(ON + 'LPProfileHooks %s\n' % setting,
                       features=['info', 'rewrite'], key='info')
        got = server.get('/server-info?hooks')
        assert got.status == 200
        assert 'mod_rewrite.c' in got.text and 'Fixups' in got.text
        pages.append(re.sub(r'Server Version.*|at .*', '', plain(got.text)))
    plain_server = httpd('', profiler=False, features=['info', 'rewrite'])
    without = plain(plain_server.get('/server-info?hooks').text)

    def names(text):
        return [line for line in re.findall(r'mod_\w+\.c|core\.c', text)
                if line != 'mod_lpprofile.c']
    assert names(pages[0]) == names(pages[1]) == names(without)


def test_info_is_counted_too(httpd):
    server = httpd(ON + 'LPProfileHooks On\n', features=['info', 'rewrite'],
                   key='info')
    got = profiled(server, '/server-info')
    assert one(calls_of(server, got), 'handler',
               'mod_info').answer.startswith('OK, handled')


NOT_TOGETHER = {
    'mpm_event', 'mpm_prefork', 'mpm_worker', 'perl', 'wsgi', 'security2',
    'qos', 'md', 'dialup', 'log_forensic', 'heartmonitor', 'heartbeat',
    'lbmethod_heartbeat', 'proxy_hcheck', 'cgi', 'case_filter',
    'case_filter_in', 'bucketeer', 'dumpio', 'echo', 'reflector', 'data',
    'ident', 'lpprofile', 'suexec'}


def all_modules():
    names = {path.name[4:-3] for path in pathlib.Path(MODULES_DIR).glob(
        'mod_*.so') if path.is_file()}
    found = sorted(names - NOT_TOGETHER)
    assert len(found) > 60
    # those that others need
    first = ['authn_core', 'authz_core', 'dbd', 'dav', 'proxy', 'session',
             'cache', 'slotmem_shm', 'ldap', 'socache_shmcb', 'watchdog',
             'filter', 'xml2enc']
    return [name for name in first if name in found] + [
        name for name in found if name not in first]


@pytest.mark.log_allows(r'.*')
def test_with_all_modules(httpd):
    # what modules warn of that are loaded and not configured is not ours
    server = httpd(ON + 'ScriptSock ${ROOT}/run/cgisock\n'
                   'FcgidIPCDir ${ROOT}/run/fcgid\n'
                   'FcgidProcessTableFile ${ROOT}/run/fcgid_shm\n',
                   modules=all_modules(), fresh=True)
    for path in ('/plain.txt', '/index.html', '/dir/one.html'):
        got = profiled(server, path)
        assert got.status == 200
        page = report(server, got)
        calls, _, _ = parse(page)
        assert 'no entry was left' not in page
        assert len(calls) > 80
        assert one(calls, 'handler', 'core').answer.startswith('OK, handled')
        assert all(call.self <= call.total + 0.2 for call in calls)
    assert not re.search(r'exit signal|LPP160',
                         server.error_log.read_text())


@pytest.mark.no_valgrind('too slow to serve enough requests')
def test_more_hooks_than_entries(httpd):
    server = httpd('Define MANY_HOOKS\n' + apxs_env.load('lpp_hook_cost')
                   + ON, key='many')
    assert server.get('/plain.txt').status == 200
    got = profiled(server, '/plain.txt')
    assert got.status == 200
    said = server.expect_log(r'LPP160: (\d+) of (\d+) hooks are not counted')
    left_out, all_hooks = int(said.group(1)), int(said.group(2))
    assert 0 < left_out < 700 < all_hooks
    page = report(server, got)
    assert re.search(r'%d hooks that no entry was left for' % left_out,
                     plain(page)), plain(page)
    calls, _, _ = parse(page)
    counted = sum(call.calls for call in calls
                  if call.module.startswith('mod_lpp_hook_cost'))
    assert 400 < counted < 700
    # the phases after it, whose hooks came too late for an entry
    for phase in ('fixups', 'handler', 'log_transaction'):
        assert '@phase %s\n' % phase in server.wait_oops(
            got.oops_id).read_text()


# -- on and off, restarts

def test_off_counts_nothing(httpd):
    server = httpd(ON + 'LPProfileHooks Off\n', key='off')
    got = profiled(server, '/plain.txt')
    assert '<h2>By module and phase' not in report(server, got)
    assert 'hook ' not in ''.join(ROW.findall(
        server.wait_oops(got.oops_id).read_text()) or [''])
    path, = server.wait_files(got.oops_id)
    assert 'desc: Counts: samples\n' in path.read_text()


def test_nothing_is_touched_where_nobody_may_profile(httpd):
    server = httpd('LPProfilingAllowed Off\nLPProfileHooks On\n', key='never')
    assert server.get('/plain.txt').status == 200
    assert 'LPP161' not in server.error_log.read_text()


@pytest.mark.all_mpms
def test_a_graceful_restart_starts_from_scratch(httpd):
    server = httpd(ON, features=['rewrite'], fresh=True)
    before = calls_of(server, profiled(server, '/plain.txt'))
    server.restart('graceful')
    server.restart('restart')
    after = calls_of(server, profiled(server, '/plain.txt'))
    assert sorted((c.phase, c.module, c.calls) for c in before) \
        == sorted((c.phase, c.module, c.calls) for c in after)
    said = re.findall(r'LPP161: calls of (\d+) hooks',
                      server.error_log.read_text())
    assert len(said) == 3 and len(set(said)) == 1, said


def test_counts_are_those_of_one_request(httpd):
    server = httpd(ON)
    for _ in range(3):
        calls = calls_of(server, profiled(server, '/plain.txt'))
        assert one(calls, 'map_to_storage', 'core').calls == 1
        assert one(calls, 'handler', 'core').calls == 1


# -- files

def test_callgrind_has_exact_calls_and_our_frames_are_hidden(lua):
    got = profiled(lua, '/plain.txt')
    path, = lua.wait_files(got.oops_id)
    text = path.read_text()
    assert 'exact calls of hooks' in text
    for ours in ('int_entry', 'watched_int', 'void_entry', 'quick_entry'):
        assert ours not in text
    counts = {}
    for line, calls in re.findall(r'^cfn=\((\d+)\).*\ncalls=(\d+) ', text,
                                  re.M):
        counts.setdefault(line, []).append(int(calls))
    names = dict(re.findall(r'fn=\((\d+)\) (.+)$', text, re.M))
    found = {names[number]: calls for number, calls in counts.items()}
    # never in a sample, counted all the same
    assert found['mod_mime.so:type_checker'] == [1], found
    assert found['mod_alias.so:fixups'] == [1], found
    # sampled a hundred times, called once
    assert [1] in [calls for name, calls in found.items()
                   if name.startswith('mod_lua.so:fixups')], found


def pprof_labels(data):
    """Every (key, text) that some sample has."""
    profile = list(protobuf.fields(data))
    strings = [value.decode() for number, value in profile if number == 6]
    labels = [dict(protobuf.fields(label))
              for number, sample in profile if number == 2
              for part, label in protobuf.fields(sample) if part == 3]
    return {(strings[label[1]], strings[label.get(2, 0)])
            for label in labels}


def test_pprof_samples_carry_phase_and_module(lua):
    got = lua.get('/++profile++pprof/plain.txt')
    path, = lua.wait_files(got.oops_id)
    labels = pprof_labels(gzip.decompress(path.read_bytes()))
    assert {('phase', 'fixups'), ('phase', 'access_checker'),
            ('module', 'mod_lua.c')} <= labels, labels


def test_filters_are_sampled_and_named(httpd):
    server = httpd(ON, features=['deflate'], fresh=True)
    (server.site / 'large.txt').write_bytes(
        base64.b64encode(random.Random(1).randbytes(1500000)))
    got = profiled(server, '/large.txt',
                   headers=[('Accept-Encoding', 'gzip')])
    assert got.header('Content-Encoding') == 'gzip'
    page = report(server, got)
    found = re.search(r'<table class="top filters">(.*?)</table>', page, re.S)
    assert found, page[:3000]
    rows = [[plain(cell) for cell in re.findall(r'<td[^>]*>(.*?)</td>', row,
                                                re.S)]
            for row in re.findall(r'<tr>(.*?)</tr>', found.group(1), re.S)]
    deflate, = [row for row in rows if row and 'DEFLATE' in row[0]]
    assert int(deflate[1]) > 5 and deflate[2].startswith('\u2248')
    assert 'filters are not counted' in plain(page)
