# SPDX-License-Identifier: Apache-2.0
"""Page functions of Lua on a live httpd with mod_lua: shares, lines, and each
caller and callee compared with the script's own text."""
import collections
import math
import os
import re
import threading

import pytest

import apxs_env
from page_stacks import PageStacks

pytestmark = [pytest.mark.mpms('prefork', 'event'),
              pytest.mark.no_valgrind('counts samples')]

ON = 'LPProfilingAllowed On\nLuaPackagePath ${SITE}/lua/?.lua\n'
FAST = ON + 'LPProfileRate 10000\nLPProfileMaxTime 600\n'
SECONDS = int(os.environ.get('LPP_STRESS_SECONDS', '3'))


def start(httpd, config=ON, **options):
    server = httpd(config, features=['lua', 'include'], **options)
    server.allow_log(r'AH0147[0-9]|AH0148[0-9]', r'LPP066')
    return server


def profile(server, what, page='/lua/pagecode.lua'):
    """PageStacks of a request. On a busy machine some samples come too late to
    have page functions: only those that have some are kept."""
    got = server.get('/++profile++pprof%s?%s' % (page, what),
                     timeout=SECONDS + 120)
    assert got.status == 200 and got.lpprofile.startswith('profiled'), got
    assert 'ok' in got.text, got.text
    path, = server.wait_files(got.oops_id)
    stacks = PageStacks(path, '.lua')
    stacks.stacks = [stack for stack in stacks.stacks if page_frames(stack)]
    assert stacks.stacks
    return stacks


def page_frames(stack):
    return [frame for frame in stack.frames
            if frame.is_page or frame.file == '[string]']


def all_of(stacks):
    return sum(stack.samples for stack in stacks.stacks)


def close(found, expected, samples, points, what):
    """Within points, or thrice the standard error of that many samples."""
    share = expected / 100.0
    error = 300.0 * math.sqrt(share * (1 - share) / max(1, samples))
    print('%-20s %6.2f %% of %6.2f %%, %d samples'
          % (what, found, expected, samples))
    assert abs(found - expected) <= max(points, error), what


class Scripts:
    """What the scripts' own text says may be called from where."""

    def __init__(self, server, arrow, definition=None):
        self._folder = server.site / 'lua'
        self._files = {}
        self._arrow = arrow
        self._definition = definition

    def _line(self, frame, number):
        name = os.path.basename(frame.file)
        if name not in self._files:
            self._files[name] = \
                (self._folder / name).read_text().splitlines()
        return self._files[name][number - 1]

    def _name(self, frame):
        if self._definition and frame.begin:
            return re.search(self._definition,
                             self._line(frame, frame.begin)).group(1)
        return frame.name

    def check(self, stacks):
        """Compare every stack's calls; prints, and returns (calls, wrong ones,
        samples without the outermost function)."""
        edges = lineless = 0
        wrong, cut = collections.Counter(), 0
        for stack in stacks.stacks:
            frames = page_frames(stack)
            cut += frames[0].name not in ('handle', '{main}') and stack.samples
            for caller, callee in zip(frames, frames[1:]):
                if not caller.file.startswith(str(self._folder)):
                    continue
                if not caller.line:  # in the middle of a tail call
                    lineless += stack.samples
                    continue
                edges += stack.samples
                text = self._line(caller, caller.line)
                allowed = text.partition(self._arrow)[2].split()
                if self._name(callee) not in allowed:
                    wrong[caller, callee] += stack.samples
        assert lineless <= max(2, 1e-3 * all_of(stacks))
        print('%d calls in %d samples, %d wrong, %d cut'
              % (edges, all_of(stacks), sum(wrong.values()), cut))
        for call, count in wrong.most_common(10):
            print('  %d of' % count, call)
        return edges, sum(wrong.values()), cut


def check_calls(server, stacks, arrow='-> ', definition=None, whole=0.006):
    edges, wrong, cut = Scripts(server, arrow, definition).check(stacks)
    assert edges > 0
    assert wrong <= 1e-4 * edges
    assert cut <= max(2, whole * all_of(stacks))


def test_seventy_and_thirty(httpd):
    server = start(httpd)
    stacks = profile(server, 'what=truth&n=60000')
    a, b = (stacks.samples('handle', 'pages.truth', name, 'burn')
            for name in ('seventy', 'thirty'))
    assert a + b > 200
    close(100.0 * a / (a + b), 70, a + b, 3, 'seventy')
    assert a + b > 0.95 * all_of(stacks)
    check_calls(server, stacks)


def test_two_lines_three_to_one(httpd):
    server = start(httpd)
    stacks = profile(server, 'what=lines&n=60000')
    text = (server.site / 'lua' / 'pagecode.lua').read_text().splitlines()
    three, one = (next(at for at, line in enumerate(text, 1)
                       if line.endswith('-- ' + mark))
                  for mark in ('three', 'one'))
    lines = stacks.lines('pages.lines')
    print(lines)
    close(100.0 * lines[three] / (lines[three] + lines[one]), 75,
          lines[three] + lines[one], 5, 'three')
    assert set(lines) <= set(range(three - 3, one + 3)), lines


@pytest.mark.mpms('prefork', 'worker', 'event')
@pytest.mark.parametrize('what,path', [
    ('gsub', ['handle', 'pages.gsub', 'visit', 'burn']),
    ('sort', ['handle', 'pages.sort', 'compare', 'burn']),
    pytest.param('pcall', ['handle', 'pages.pcall', 'thrower', 'burn'],
                 marks=pytest.mark.no_asan('its longjmp costs more')),
    ('module', ['handle', 'pages.module', 'M.work', 'burn']),
    ('load', ['handle', 'pages.load', '{main}', 'burn']),
    ('liar', ['handle', 'pages.liar', 'function:1', 'burn']),
    ('deep', ['handle', 'pages.deep', 'deep', 'deep', 'burn']),
])
def test_kinds_of_calls(httpd, what, path):
    server = start(httpd)
    if what == 'deep':
        path = path[2:]  # of a chain that is too long, the inner end
    stacks = profile(server, 'what=%s&n=20000' % what)
    share = stacks.samples(*path) / all_of(stacks)
    print('%.1f %% of %d' % (100 * share, all_of(stacks)))
    assert share > 0.9
    check_calls(server, stacks, whole=1 if what == 'deep' else 0.006)


@pytest.mark.parametrize('what,callback', [('gsub', 'visit'),
                                           ('sort', 'compare')])
def test_callbacks_of_c(httpd, what, callback):
    """C code that calls a function of the page stands between them."""
    server = start(httpd)
    stacks = profile(server, 'what=%s&n=20000' % what)
    found = 0
    for stack in stacks.stacks:
        names = [frame.name for frame in stack.frames]
        if callback in names:
            between = stack.frames[names.index('pages.' + what) + 1:
                                   names.index(callback)]
            assert between and not any(map(lambda f: f.is_page, between))
            found += stack.samples
    assert found > 0.9 * all_of(stacks)


def test_c_code_below_its_caller(httpd):
    server = start(httpd)
    stacks = profile(server, 'what=pattern&n=30000')
    below = sum(stack.samples for stack in stacks.stacks
                if page_frames(stack)[-1].name == 'pages.pattern'
                and not stack.frames[-1].is_page)
    assert below > 0.9 * all_of(stacks)
    (line, _), = stacks.lines('pages.pattern').most_common(1)
    text = (server.site / 'lua' / 'pagecode.lua').read_text().splitlines()
    assert 'text:find' in text[line - 1]


@pytest.mark.no_asan('its longjmp costs more')
def test_coroutines(httpd):
    server = start(httpd)
    stacks = profile(server, 'what=coroutine&n=40000')
    inner = stacks.samples('handle', 'pages.coroutine', 'outer', 'generate',
                           'burn')
    outer = stacks.samples('handle', 'pages.coroutine', 'outer', 'burn') - inner
    print('%d in both coroutines, %d in one, of %d'
          % (inner, outer, all_of(stacks)))
    assert inner + outer > 0.95 * all_of(stacks)
    close(100.0 * inner / (inner + outer), 50, inner + outer, 4, 'generate')
    check_calls(server, stacks)


def test_subrequests(httpd):
    server = start(httpd)
    (server.site / 'both.shtml').write_text(
        'ok <!--#include virtual="/lua/pagecode.lua?what=gsub&n=9000" -->'
        '<!--#include virtual="/lua/pagecode.lua?what=sort&n=9000" -->')
    stacks = profile(server, '', '/both.shtml')
    parts = [stacks.samples('handle', 'pages.' + name, 'burn')
             for name in ('gsub', 'sort')]
    assert min(parts) > 0.1 * all_of(stacks), parts
    assert sum(parts) > 0.9 * all_of(stacks), parts
    check_calls(server, stacks)


@pytest.mark.parametrize('scope', ['thread', 'server 1 4', 'conn'])
def test_states_that_are_used_again(httpd, scope):
    """Other threads run pages in the same states meanwhile."""
    server = start(httpd, ON + 'LuaScope %s\n' % scope)
    ends = threading.Event()

    def others():
        while not ends.is_set():
            server.get('/lua/pagecode.lua?what=sort&n=80')

    threads = [threading.Thread(target=others) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            stacks = profile(server, 'what=gsub&n=10000')
            share = stacks.samples('handle', 'pages.gsub', 'visit', 'burn') \
                / all_of(stacks)
            assert share > 0.9
            assert not stacks.samples('pages.sort')
            check_calls(server, stacks)
    finally:
        ends.set()
        for thread in threads:
            thread.join()


@pytest.mark.stress
def test_every_call_is_in_the_text(httpd):
    """All that changes Lua's chain of calls, at the highest rate;
    LPP_STRESS_SECONDS makes it minutes."""
    server = start(httpd, FAST, env=apxs_env.full_rate())
    stacks = profile(server, 'ms=%d' % (1000 * SECONDS),
                     '/lua/pagecode_stress.lua')
    assert all_of(stacks) > 50 * SECONDS
    check_calls(server, stacks, '-- ', r'--: (\w+)')
    names = {frame.name for stack in stacks.stacks
             for frame in page_frames(stack)}
    expected = {'Point.__add', 'Point:length', 'compare', 'visit', 'generate',
                'nested', 'recurse', 'tail', 'fails', 'f'}
    assert expected <= names, expected - names
