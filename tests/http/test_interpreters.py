# SPDX-License-Identifier: Apache-2.0
"""Which interpreters are read, and what is said of those that are not."""
import html
import re
import subprocess

import pytest

ON = 'LPProfilingAllowed On\n'
ONE_CHILD = ('StartServers 1\nServerLimit 1\nThreadsPerChild 8\n'
             'MaxRequestWorkers 8\nThreadLimit 8\n')
LUA_PAGE = '/++profile++collapsed/lua/compute.lua?ms=300'

# A Python that this module does not know.
FAKE_PYTHON = '''
const unsigned long Py_Version = 0x03630000;
const char *Py_GetVersion(void)
{
    return "3.99.0 (a test)";
}
'''
UNKNOWN = 'Python 3.99 is not known: its functions are not shown.'
SIGNALS = ('Page functions are not shown: the page has an action of its own '
           'for SIGSEGV or SIGBUS.')


def words(text):
    return ' '.join(html.unescape(re.sub(r'<[^>]*>', ' ', text)).split())


def auto(server):
    text = server.get('/server-status?auto').text
    return dict(re.findall(r'^LPProfile(\w+): (.*)$', text, re.M))


def report_of(server, path):
    got = server.get(path)
    assert got.status == 200 and got.lpprofile.startswith('profiled'), got
    return words(server.report(got.oops_id).text)


@pytest.fixture(scope='session')
def fake_python(tmp_path_factory):
    base = tmp_path_factory.mktemp('python')
    base.parent.chmod(0o755)
    base.chmod(0o755)
    source = base / 'fake.c'
    source.write_text(FAKE_PYTHON)
    made = base / 'libpython_fake.so'
    subprocess.run(['gcc', '-shared', '-fPIC', '-o', made, source], check=True)
    return made


def test_a_version_that_is_not_known_is_said(httpd, fake_python):
    server = httpd('%s%sLoadFile %s\n' % (ON, ONE_CHILD, fake_python),
                   features=['lua', 'status'], mpm='event')
    server.allow_log('LPP068')
    assert auto(server)['Interpreters'] == 'none yet'
    assert 'InterpretersUnread' not in auto(server)
    for _ in range(2):
        assert UNKNOWN in report_of(server,
                                    '/++profile++callgrind/index.html')
    # Once in a process.
    lines = [line for line in server.error_lines() if 'LPP068' in line]
    assert len(lines) == 1 and UNKNOWN in lines[0], lines
    assert ':notice]' in lines[0]
    page = report_of(server, LUA_PAGE)
    assert UNKNOWN in page
    assert re.search(r'[1-9]\d* samples have page functions', page)
    assert auto(server)['InterpretersUnread'] == UNKNOWN
    assert auto(server)['Interpreters'] == 'Lua'
    shown = words(server.get('/server-status').text)
    assert 'Interpreters read in profiles: Lua' in shown
    assert 'Interpreters not read: ' + UNKNOWN in shown


def stacks_of(server):
    got = server.get(LUA_PAGE)
    assert got.status == 200 and got.oops_id
    path, = server.wait_files(got.oops_id)
    return got, path.read_text('utf-8')


@pytest.mark.parametrize('names, shown', [
    ('On', True), ('lua', True), ('PHP Lua', True), ('Off', False),
    ('php python perl', False)])
def test_the_directive_chooses(httpd, names, shown):
    server = httpd('%sLPProfileInterpreters %s\n' % (ON, names),
                   features=['lua', 'status'])
    got, stacks = stacks_of(server)
    page = words(server.report(got.oops_id).text)
    assert ('have page functions' in page) == shown, page
    assert bool(re.search(r'[;^](compute|handle)\b', stacks)) == shown, stacks
    assert ('luaV_execute' in stacks or 'liblua' in stacks)
    assert auto(server)['Interpreters'] == (
        'Lua' if shown else 'off' if names == 'Off' else 'none yet')
    assert server.get('/lua/compute.lua?ms=1').status == 200


def test_what_is_not_chosen_is_not_missed(httpd, fake_python):
    server = httpd('%sLoadFile %s\nLPProfileInterpreters lua\n'
                   % (ON, fake_python), features=['lua'])
    assert 'Python' not in report_of(server,
                                     '/++profile++callgrind/index.html')
    assert not any('LPP068' in line for line in server.error_lines())


@pytest.mark.no_valgrind("complains of Python's own reads")
def test_a_page_that_takes_the_signals_is_left_alone(httpd):
    server = httpd(ON + ONE_CHILD
                   + 'WSGIScriptAlias /signals ${SITE}/python/signals.wsgi\n'
                   'WSGIDestroyInterpreter Off\n',
                   modules=['wsgi'], mpm='event')
    server.allow_log(r'wsgi:', 'LPP068')
    page = '/++profile++callgrind/signals?'
    assert 'samples have page functions.' in report_of(server, page)
    said = report_of(server, page + 'take')
    assert 'samples have page functions.' in said
    assert ('samples have no page functions since the page itself takes or '
            'blocks SIGSEGV or SIGBUS.') in said
    said = report_of(server, page)
    assert SIGNALS in said and 'samples have page functions.' not in said
    assert SIGNALS in report_of(server, page + 'leave')
    said = report_of(server, page)
    assert SIGNALS not in said and 'samples have page functions.' in said
    lines = [line for line in server.error_lines() if 'LPP068' in line]
    assert len(lines) == 1 and SIGNALS in lines[0], lines
