# SPDX-License-Identifier: Apache-2.0
"""Regions that code profiles of itself: from C by lpprofile.h, from Lua."""
import atexit
import functools
import pathlib
import pstats
import re
import shutil
import subprocess
import sys
import tempfile
import threading

import pytest

import httpd_env

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent
                       / 'readers'))

from oops_reader import read_rfc822  # noqa: E402

pytestmark = pytest.mark.long

MODULES = pathlib.Path(__file__).resolve().parent.parent / 'modules'
ON = 'LPProfilingAllowed On\n'


@functools.lru_cache(None)
def module():
    """mod_lpp_inline_test.so, made by apxs of the installed header alone."""
    work = pathlib.Path(tempfile.mkdtemp(prefix='lpp-inline-'))
    atexit.register(shutil.rmtree, work, True)
    work.chmod(0o755)
    subprocess.run(
        ['make', '-s', '-f', 'Makefile.apxs', 'install',
         'BUILD=%s' % httpd_env.MODULE.parent, 'DESTDIR=%s/inst' % work],
        cwd=httpd_env.PROJECT, check=True, stdout=subprocess.DEVNULL)
    header, = (work / 'inst').rglob('lpprofile.h')
    shutil.copy(MODULES / 'mod_lpp_inline_test.c', work)
    subprocess.run(['apxs', '-c', '-I', str(header.parent), '-Wc,-Wall',
                    '-Wc,-Wextra -Wno-unused-parameter -Werror',
                    'mod_lpp_inline_test.c'],
                   cwd=work, check=True, stdout=subprocess.DEVNULL)
    return work / '.libs' / 'mod_lpp_inline_test.so'


LOAD = 'LoadModule lpp_inline_test_module %s\n'


def start(httpd, config=ON, **options):
    return httpd(LOAD % module() + config, **options)


def profile_of(server, got, formats=1):
    """The pstats file of a response and its OOPS report."""
    assert got.oops_id, (got.lpprofile, got.text)
    files = server.wait_files(got.oops_id, formats)
    path, = [f for f in files if f.suffix == '.prof']
    report = read_rfc822(server.wait_oops(got.oops_id).read_bytes())
    return pstats.Stats(str(path)), report


def inline_rows(report):
    return [row for row in report['timeline'] if row[2] == 'inline']


def assert_only_regions(stats, rows):
    """The profile is as long as the outermost regions together were; times
    of the timeline are whole milliseconds, and on a busy machine the thread may
    stand between clock and sampler. What tests do outside takes 30 ms."""
    inside = sum(row[1] - row[0] for row in rows) / 1000
    assert inside - 0.0015 * len(rows) <= stats.total_tt
    assert stats.total_tt <= inside + 0.0015 * len(rows) + 0.02


def names_of(stats):
    return {key[2] for key in stats.stats}


def test_regions_alone_are_profiled(httpd):
    server = start(httpd)
    got = server.get('/inline?twice')
    assert got.text.count('<p>start: 1</p>') == 2
    assert got.text.count('<p>stop: 1</p>') == 2
    assert '<h1>Profiling Information</h1>' in got.text
    assert '<h2>Inline request</h2>' in got.text
    assert 'This request made 2 individual profiles.' in got.text
    assert 'work &#60;&#38;&#62;' in got.text
    assert 'Inline request ignored' not in got.text
    assert got.lpprofile.startswith('profiled') and 'inline' in got.lpprofile
    assert got.header('Cache-Control') == 'no-store'
    assert 'Top Inline Time' in got.text and 'Raw OOPS' in got.text
    stats, report = profile_of(server, got)
    assert stats.total_tt >= 0.039  # of 100 ms that it took
    assert 'lpp_test_burn' in names_of(stats)
    assert 'lpp_test_outside' not in names_of(stats)
    rows = inline_rows(report)
    assert [row[3] for row in rows] == ['work <&>'] * 2
    assert all(row[1] - row[0] >= 19 for row in rows)
    assert_only_regions(stats, rows)


@pytest.mark.mpms('prefork', 'event')
def test_nest_repeat_early_surplus(httpd):
    server = start(httpd)
    got = server.get('/inline?nested+early+surplus')
    assert 'This request made 2 individual profiles.' in got.text
    assert '<p>surplus: 0</p>' in got.text
    stats, report = profile_of(server, got)
    assert stats.total_tt >= 0.024
    rows = inline_rows(report)
    assert [row[3] for row in rows] == ['outer', 'inner', 'scoped']
    assert_only_regions(stats, [rows[0], rows[2]])
    got = server.get('/inline?early')
    assert 'This request made 1 individual profile.' in got.text


def test_many_short_regions(httpd):
    server = start(httpd)
    got = server.get('/inline?many')
    assert 'This request made 200 individual profiles.' in got.text
    assert 'Until this point the profiled regions took' in got.text
    assert 'the request took' not in got.text
    stats, report = profile_of(server, got)
    assert len(inline_rows(report)) == 200
    # The regions hold nothing; what lies between them, 200 ms, is not in it.
    assert stats.total_tt < report['duration'] / 2
    assert 'lpp_test_outside' not in names_of(stats)


def test_never_stopped_ends_with_the_request(httpd):
    server = start(httpd)
    got = server.get('/inline?open')
    assert 'This request made 1 individual profile.' in got.text
    # In the page it is as long as it is until then.
    took, = re.findall(r'<td>open</td>.*?>([\d.]+)&#160;ms</td>', got.text)
    stats, report = profile_of(server, got)
    assert 19 <= float(took) <= report['duration'] * 1000
    assert stats.total_tt >= 0.019
    row, = inline_rows(report)
    assert row[1] - row[0] >= 19
    # The next request of the same child has its own.
    assert server.get('/inline?early').oops_id != got.oops_id


def test_crosses_subrequests(httpd):
    server = start(httpd)
    got = server.get('/inline?cross')
    assert '<p>crossed: 1</p>' in got.text
    assert 'This request made 1 individual profile.' in got.text
    stats, report = profile_of(server, got)
    assert stats.total_tt >= 0.004
    assert [row[3] for row in inline_rows(report)] == ['across']


@pytest.mark.mpms('prefork', 'event')
def test_other_threads_are_refused(httpd):
    server = start(httpd)
    got = server.get('/inline?thread')
    assert '<p>other thread: 0 0 0</p>' in got.text
    assert got.oops_id is None
    got = server.get('/inline?open+thread')
    assert '<p>other thread: 0 0 0</p>' in got.text
    _, report = profile_of(server, got)
    assert [row[3] for row in inline_rows(report)] == ['open']
    server.expect_log('LPP150')


def test_a_full_profile_wins(httpd):
    server = start(httpd)
    got = server.get('/++profile++show&pstats/inline?twice')
    assert '<h2>Inline request ignored</h2>' in got.text
    assert 'individual profile' not in got.text
    assert got.text.count('<p>start: 1</p>') == 2
    stats, report = profile_of(server, got)
    assert stats.total_tt >= 0.099
    assert 'lpp_test_outside' in names_of(stats)
    assert [row[3] for row in inline_rows(report)] == ['work <&>'] * 2


@pytest.mark.no_valgrind('too slow to serve enough requests')
@pytest.mark.parametrize('action', ['sql', 'sqltrace'])
def test_statements_alone_are_no_profile_to_win(httpd, action):
    server = start(httpd)
    got = server.get('/++profile++%s/inline?twice+timeonly' % action)
    assert 'This request made 2 individual profiles.' in got.text
    assert 'Inline request ignored' not in got.text
    assert '<section class="sql">' in got.text
    assert 'Top Inline Time' in got.text
    assert got.lpprofile == 'profiled;inline;sql=0/0ms'
    stats, report = profile_of(server, got)
    rows = inline_rows(report)
    assert [row[3] for row in rows] == ['work <&>', 'work <&>', 'timed']
    assert_only_regions(stats, rows[:2])
    names = names_of(stats)
    assert 'lpp_test_burn' in names and 'lpp_test_outside' not in names
    # Neither calls of before the regions nor samples from between them.
    assert not [name for name in names if name.endswith(':fixups')]
    # Each of them is as it would be alone.
    got = server.get('/++profile++%s/inline' % action)
    assert got.lpprofile == 'profiled;sql=0/0ms'
    assert not server.profile_files(got.oops_id)


def test_help_is_no_profile_to_win(httpd):
    server = start(httpd)
    got = server.get('/++profile++help/inline?early')
    assert '<h2>Help</h2>' in got.text
    assert 'This request made 1 individual profile.' in got.text
    profile_of(server, got)


def test_all_requests_wins(httpd):
    server = start(httpd, ON + 'LPProfileAllRequests On\n')
    got = server.get('/inline?early')
    assert '<h2>Inline request ignored</h2>' in got.text


def test_timeline_alone(httpd):
    server = start(httpd)
    got = server.get('/inline?timeonly')
    assert '<p>time: 0</p>' in got.text and got.oops_id is None
    got = server.get('/++profile++callgrind/inline?timeonly')
    report = read_rfc822(server.wait_oops(got.oops_id).read_bytes())
    assert [row[3] for row in inline_rows(report)] == ['timed']
    assert 'Inline request' not in got.text


def test_begun_before_the_handler(httpd):
    server = start(httpd)
    got = server.get('/inline?fixups')
    assert 'This request made 1 individual profile.' in got.text
    profile_of(server, got)


def test_no_page_to_show_it_in(httpd):
    server = start(httpd)
    got = server.get('/inline?plain+early')
    assert 'Profiling Information' not in got.text
    assert 'no-html' in got.lpprofile
    profile_of(server, got)
    # The head is gone: the response stays as it is, the files are made.
    got = server.get('/inline?late+early&in-the-log')
    assert got.lpprofile is None and 'Profiling' not in got.text
    httpd_env.wait_for(lambda: [
        report for report in server.profile_dir.glob('oops/*/OOPS-*')
        if 'in-the-log' in report.read_text()], 10, 'its OOPS')


@pytest.mark.parametrize('config', [
    '', 'LPProfilingAllowed Off\n', 'LPProfilingAllowed expr=false\n',
    ON + 'LPProfileRequireUser false\n'])
def test_not_allowed_nothing_happens(httpd, config):
    server = start(httpd, config)
    got = server.get('/inline?twice+open+surplus')
    assert got.text.count('<p>start: 0</p>') == 2
    assert got.oops_id is None and 'Profiling' not in got.text
    assert not server.profile_files()


def test_without_the_module(httpd):
    server = start(httpd, '', profiler=False)
    got = server.get('/inline?twice+early+timeonly+cross+thread')
    assert got.status == 200 and got.text.count('<p>start: 0</p>') == 2


def test_others_see_nothing(httpd):
    server = start(httpd, ON + 'LPProfileAccess false\n')
    got = server.get('/inline?early')
    assert 'Profiling' not in got.text
    assert got.oops_id and got.header('X-LPProfile-File') is None
    assert got.header('Cache-Control') is None
    profile_of(server, got)


def test_require_user(httpd):
    """A user that fixups know; one whose password was wrong."""
    server = start(httpd, ON + '''LPProfileRequireUser "%{REMOTE_USER} == 'me'"
<Location /inline>
AuthType Basic
AuthName x
AuthBasicProvider file
AuthUserFile ${ROOT}/users
Require valid-user
</Location>
''', modules=['auth_basic', 'authn_core', 'authn_file', 'authz_user'])
    server.allow_log('AH0161')
    (server.root / 'users').write_text(
        'me:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n')  # secret
    ok = {'Authorization': 'Basic bWU6c2VjcmV0'}
    got = server.get('/inline?early', headers=ok)
    assert 'This request made 1 individual profile.' in got.text
    got = server.get('/inline?early',
                     headers={'Authorization': 'Basic bWU6d3Jvbmc='})
    assert got.status == 401 and got.oops_id is None


def test_turns_are_kept(httpd):
    """Inline requests are profiled one at a time, too."""
    server = start(httpd)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(
        server.get('/inline?open'))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({got.oops_id for got in answers}) == 6
    for got in answers:
        stats, _ = profile_of(server, got)
        assert stats.total_tt >= 0.019


def test_http2(httpd):
    server = start(httpd, features=['http2'])
    got = server.curl('/inline?twice', '--http2-prior-knowledge', '-i')
    assert b'This request made 2 individual profiles.' in got.stdout
    assert b'x-lpprofile: profiled;inline' in got.stdout.lower()


LUA = '''
function work(ms, r)
    local stop = r:clock() + ms * 1000
    repeat local x = 0 for i = 1, 1000 do x = x + i end until r:clock() >= stop
    return "done", 7
end
function handle(r)
    r.content_type = "text/html"
    if not lpprofile then r:puts("<body>no table</body>") return apache2.OK end
    local word, number = lpprofile.region(r, "lua <work>", work, 20, r)
    r:puts("<body>" .. word .. number)
    work(20, r)
    local ok, why = pcall(lpprofile.region, r, "fails",
                          function() error("on purpose") end)
    r:puts(tostring(ok), why)
    local on = lpprofile.start(r, "by hand")
    work(1, r)
    r:puts(tostring(on), tostring(lpprofile.stop(r)),
           tostring(lpprofile.stop(r)))
    r:puts(tostring(pcall(lpprofile.start, "no request")), "</body>")
    return apache2.OK
end
'''


@pytest.mark.mpms('prefork', 'event')
def test_lua(httpd):
    server = httpd(ON, features=['lua'])
    (server.site / 'lua' / 'inline.lua').write_text(LUA)
    for _ in range(2):  # an interpreter may be used again
        got = server.get('/lua/inline.lua')
        assert '<body>done7false' in got.text and 'on purpose' in got.text
        assert 'truetruefalsefalse' in got.text
        assert 'This request made 3 individual profiles.' in got.text
        stats, report = profile_of(server, got)
        assert stats.total_tt >= 0.019
        rows = inline_rows(report)
        assert [row[3] for row in rows] == ['lua <work>', 'fails', 'by hand']
        assert_only_regions(stats, rows)


def test_lua_without_profiling(httpd):
    server = httpd('', features=['lua'], key='inline')
    (server.site / 'lua' / 'inline.lua').write_text(LUA)
    assert 'no table' in server.get('/lua/inline.lua').text


@pytest.mark.parametrize('compiler,flags,name', [
    ('gcc', ['-std=c99', '-Wpedantic'], 'alone.c'),
    ('g++', ['-std=c++98'], 'alone.cc'), ('g++', ['-std=c++17'], 'alone.cc')])
def test_header_stands_alone(tmp_path, compiler, flags, name):
    source = tmp_path / name
    text = ('#include "lpprofile.h"\nextern lpprofile_api_t api;\n'
            'lpprofile_api_t api;\nint use(struct request_rec *r);\n'
            'int use(struct request_rec *r)\n{\n')
    text += ('    lpprofile::region one(api, r, "one");\n'
             if name.endswith('.cc') else
             '    LPPROFILE_REGION(&api, r, "one");\n')
    source.write_text(text + '    lpprofile_retrieve(&api);\n'
                      '    return r != 0;\n}\n')
    apr = subprocess.run(['apxs', '-q', 'APR_INCLUDEDIR'], check=True,
                         stdout=subprocess.PIPE, text=True).stdout.strip()
    done = subprocess.run(
        [compiler, *flags, '-Wall', '-Wextra', '-Werror', '-D_LARGEFILE64_SOURCE',
         '-isystem', apr, '-I', str(httpd_env.PROJECT / 'include'), '-c',
         '-o', str(tmp_path / 'alone.o'), str(source)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
