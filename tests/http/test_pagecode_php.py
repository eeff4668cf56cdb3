# SPDX-License-Identifier: Apache-2.0
"""Page functions of PHP on a live httpd with mod_php: shares, lines, and each
caller and callee compared with the script's own text."""
import collections
import math
import os
import re

import pytest

import apxs_env
from page_stacks import PageStacks

pytestmark = [pytest.mark.mpms('prefork'),
              pytest.mark.no_asan('counts samples; PHP has its own memory'),
              pytest.mark.no_valgrind('counts samples')]

ON = 'LPProfilingAllowed On\n'
FAST = ON + 'LPProfileRate 10000\nLPProfileMaxTime 600\n'
STRESS_MS = 1000 * int(os.environ.get('LPP_STRESS_SECONDS', '4'))
PROFILE_MS = 4000
JIT = ('opcache.enable=1\nopcache.jit_buffer_size=16M\nopcache.jit=tracing\n'
       'opcache.jit_hot_loop=8\nopcache.jit_hot_func=8\n')
SETTINGS = {'opcache': 'opcache.enable=1\n', 'plain': 'opcache.enable=0\n',
            'jit': JIT}
# Functions that PHP itself calls, without a caller on the page.
ROOTS = {'{main}', 'at_the_end', 'Renderer::__destruct', 'Thing::__destruct'}


@pytest.fixture(scope='module')
def ini_folders(tmp_path_factory):
    """{settings: folder with their php.ini}"""
    found = {}
    for settings, lines in SETTINGS.items():
        folder = tmp_path_factory.mktemp('php-' + settings)
        folder.parent.chmod(0o755)
        folder.chmod(0o755)
        (folder / 'zz.ini').write_text(lines)
        found[settings] = folder
    return found


@pytest.fixture
def php(httpd, ini_folders):
    """server(settings, config): with these lines of php.ini."""
    def server(settings='opcache', config=ON, env={}):
        return httpd(config, features=['modphp'],
                     env={'PHP_INI_SCAN_DIR': ':%s' % ini_folders[settings],
                          **env})
    return server


def profile(server, what, page='pagecode.php'):
    """PageStacks of a request; said: the body, without the profile."""
    got = server.get('/++profile++pprof/php/%s?%s' % (page, what),
                     timeout=60)
    assert got.status == 200 and got.lpprofile.startswith('profiled'), got
    said = got.text.partition('<lpp-profile>')[0]
    assert ' ok' in said, said
    path, = server.wait_files(got.oops_id)
    stacks = PageStacks(path, '.php')
    stacks.said = said
    return stacks


def page_frames(stack):
    return [frame for frame in stack.frames if frame.is_page]


def close(found, expected, samples, points, what):
    """Within points, or thrice the standard error of that many samples."""
    share = expected / 100.0
    error = 300.0 * math.sqrt(share * (1 - share) / max(1, samples))
    print('%-30s %6.2f %% of %6.2f %%, %d samples'
          % (what, found, expected, samples))
    assert abs(found - expected) <= max(points, error), what


def name(frame):
    """Without the line that tells it from namesakes: "{closure}:12"."""
    return re.sub(r':\d+$', '', frame.name)


class Scripts:
    """What the scripts' own text says may be called from where."""

    def __init__(self, server):
        self._lines = {}
        self._folder = server.site / 'php'

    def allowed(self, frame):
        """Names that may run below the frame's line."""
        # A line of code in an eval may call what the line of the eval says.
        path, _, line = re.match(
            r"(.*?\.php)(\((\d+)\) : eval\(\)'d code.*)?$",
            frame.file).groups()
        file = os.path.basename(path)
        if file not in self._lines:
            self._lines[file] = (self._folder / file).read_text().splitlines()
        text = self._lines[file][int(line or frame.line) - 1]
        return set(text.partition('// -> ')[2].split())

    def check(self, stacks):
        """Compare every stack's calls. Returns (calls looked at, samples,
        Counter of the calls that the text does not have, and one of the
        outermost functions that something must have called)."""
        edges, samples = 0, 0
        wrong, cut = collections.Counter(), collections.Counter()
        for stack in stacks.stacks:
            frames = page_frames(stack)
            if not frames:
                continue
            samples += stack.samples
            if name(frames[0]) not in ROOTS:
                cut[frames[0]] += stack.samples
            allowed = None
            for caller, callee in zip(frames, frames[1:]):
                if caller.file:
                    allowed = self.allowed(caller) if caller.line else None
                if allowed is None:
                    continue
                edges += stack.samples
                if name(callee) not in allowed:
                    wrong[caller, callee.name] += stack.samples
        return edges, samples, wrong, cut


def judge(edges, samples, wrong, cut, at_most=0.0):
    print('%d calls in %d samples, %d wrong, %d cut'
          % (edges, samples, sum(wrong.values()), sum(cut.values())))
    for call, count in wrong.most_common(20):
        print('  %d of' % count, call)
    assert samples > 0
    assert sum(wrong.values()) <= at_most * edges, wrong
    for frame, count in cut.most_common(5):
        print('  %d without a caller: %s@%d' % (count, frame.name, frame.line))
    allowed = 1e-3 * samples  # and what chance makes of that
    assert sum(cut.values()) <= 1 + allowed + 3 * math.sqrt(allowed), cut


def check_calls(server, stacks):
    judge(*Scripts(server).check(stacks))


def test_seventy_and_thirty(php):
    server = php()
    # A busy machine takes fewer samples of a request, so all requests count
    # together.
    stacks = profile(server, 'what=truth&n=8000')
    for _ in range(20):
        a, b = (stacks.samples('{main}', 'truth', name, 'compute')
                for name in ('seventy', 'thirty'))
        whole = a + b
        if whole > 2000:
            break
        stacks.stacks += profile(server, 'what=truth&n=8000').stacks
    assert whole > 2000
    close(100.0 * a / whole, 70, whole, 3, 'seventy')
    close(100.0 * stacks.samples('{main}', 'truth') / stacks.samples('{main}'),
          100, whole, 2, 'truth of all')
    check_calls(server, stacks)


@pytest.mark.parametrize('what,function', [('lines', 'three_to_one'),
                                       ('in_c', 'in_c')])
@pytest.mark.parametrize('settings', ['plain', 'opcache', 'jit'])
def test_two_lines_three_to_one(php, what, function, settings):
    server = php(settings)
    stacks = profile(server, 'what=%s&n=10000000' % what)
    text = (server.site / 'php' / 'pagecode.php').read_text().splitlines()
    marks = {mark: [at for at, line in enumerate(text, 1)
                    if line.endswith('// ' + mark)] for mark in
             ('three', 'one')}
    which = what == 'in_c'
    three, one = marks['three'][which], marks['one'][which]
    lines = stacks.lines(function)
    print(lines)
    # Only lines of the function's body.
    assert set(lines) <= set(range(three - 3, one + 4)), lines
    if settings == 'jit' and what == 'lines':
        return  # compiled code stays at its first instruction's line
    close(100.0 * lines[three] / (lines[three] + lines[one]), 75,
          lines[three] + lines[one], 5, settings)


def test_a_slow_regular_expression(php):
    server = php()
    stacks = profile(server, 'what=regex&n=100')
    path = ['{main}', 'Renderer::page']
    if 'PHP 8.2' in stacks.said:  # later ones call it without a frame
        path.append('preg_replace()')
    inside = [stack for stack in stacks.stacks
              if PageStacks.has(stack.frames, path)]
    # pcre2 makes code of a regular expression when it first meets it.
    below = sum(stack.samples for stack in inside
                if any('pcre2' in frame.file
                       or frame.name == '[code made at run time]'
                       for frame in stack.frames))
    whole = stacks.samples('{main}')
    print('%d of %d samples below %s' % (below, whole, path[-1]))
    assert below > 0.8 * whole
    check_calls(server, stacks)


def test_a_callback_of_c(php):
    """usort() calls a function of the page: it stands below usort(), and C
    stands between them."""
    server = php()
    stacks = profile(server, 'what=usort&n=3000')
    found = 0
    for stack in stacks.stacks:
        names = [frame.name for frame in stack.frames]
        if 'Renderer::{closure}' not in names:
            continue
        below = names.index('usort()')
        assert below < names.index('Renderer::{closure}')
        between = stack.frames[below + 1:names.index('Renderer::{closure}')]
        assert between and not any(frame.is_page for frame in between)
        found += stack.samples
    print('%d samples of the callback' % found)
    assert found > 0.8 * stacks.samples('{main}')
    check_calls(server, stacks)


@pytest.mark.parametrize('what,path', [
    ('generator&n=8000',
     ['{main}', 'Renderer::sum', 'Renderer::numbers', 'compute']),
    ('closure&n=15000000', ['{main}', '{closure}', 'compute']),
    ('eval&n=8000000', ['{main}', '{eval}', 'compute']),
    ('include&n=12000000', ['{main}', 'part', 'compute']),
    ('exceptions&n=40', ['{main}', 'catcher', 'thrower',
                         'Renderer::__destruct', 'compute']),
    ('fiber&n=400', ['{main}', 'fiber', 'Fiber::resume()', '{closure}',
                     'compute']),
])
def test_kinds_of_functions(php, what, path):
    server = php()
    # On a busy machine the handler may run too late to read them.
    for _ in range(5):
        stacks = profile(server, 'what=' + what)
        whole = sum(stack.samples for stack in stacks.stacks
                    if page_frames(stack))
        if whole >= 50:
            break
    share = stacks.samples(*path) / whole
    print('%.1f %% of %d' % (100 * share, whole))
    assert share > (0.1 if 'include' in what else 0.85)
    check_calls(server, stacks)
    if 'include' in what:
        files = {(frame.name, os.path.basename(frame.file), frame.begin)
                 for stack in stacks.stacks for frame in page_frames(stack)}
        assert ('part', 'pagecode_part.php', 5) in files, files
        assert any(name == '{main}' and file == 'pagecode_part.php'
                   for name, file, _ in files), files


@pytest.mark.parametrize('depth', [200, 1000])
def test_deep_recursion(php, depth):
    """Of a chain that is too long, the inner end is kept."""
    server = php()
    stacks = profile(server, 'what=deep&n=15000000&depth=%d' % depth)
    inner = [stack for stack in stacks.stacks
             if page_frames(stack) and page_frames(stack)[-1].name == 'compute']
    assert sum(stack.samples for stack in inner) > 50
    for stack in inner:
        frames = page_frames(stack)
        assert len(frames) == min(depth + 3, 256)
        assert {frame.name for frame in frames[1:-1]} == {'deep'}
        assert (frames[0].name == '{main}') == (depth == 200)
    print(sum(stack.samples for stack in inner))


def test_after_the_page(php):
    """A function that was registered for the end of the request."""
    server = php()
    stacks = profile(server, 'what=shutdown&n=1')
    assert stacks.samples('at_the_end', 'compute') \
        > 0.5 * stacks.samples('compute')
    check_calls(server, stacks)


@pytest.mark.stress
@pytest.mark.parametrize('settings', sorted(SETTINGS))
def test_every_call_is_in_the_text(php, settings):
    """All that changes PHP's chain of frames, at the highest rate;
    LPP_STRESS_SECONDS makes it minutes."""
    server = php(settings, FAST, apxs_env.full_rate())
    texts = Scripts(server)
    sums, wrong, cut, lineless = [collections.Counter() for _ in range(4)]
    names = set()
    # Several requests: each ends a chain of frames.
    for _ in range(max(1, STRESS_MS // PROFILE_MS)):
        stacks = profile(server, 'ms=%d' % PROFILE_MS, 'pagecode_stress.php')
        edges, samples, bad, short = texts.check(stacks)
        sums.update(calls=edges, samples=samples)
        wrong += bad
        cut += short
        for stack in stacks.stacks:
            names |= {name(frame) for frame in stack.frames}
            for frame in page_frames(stack):
                if frame.file and frame.line == 0:
                    lineless[frame.name] += stack.samples
    print(settings, dict(sums))
    judge(sums['calls'], sums['samples'], wrong, cut, 1e-4)
    print('without a line: %s' % lineless)
    # The first instruction of a function that was just called is not in its
    # frame yet; compiled code stores it late.
    assert (sum(lineless.values())
            <= (0.1 if settings == 'jit' else 0.02) * sums['samples'])
    assert '[more functions]' not in names
    expected = {'Thing::__destruct', 'Thing::rest', '{eval}', '{closure}',
                'usort()', 'Thing::__call'}
    assert expected <= names, expected - names
