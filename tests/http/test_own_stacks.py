# SPDX-License-Identifier: Apache-2.0
"""PHP's Fibers, which run on stacks of their own, and what its JIT makes."""
import glob
import html
import re

import pytest

from callgrind import Callgrind
from stacks import Stacks

pytestmark = [pytest.mark.no_asan('opcache does not load beside it'),
              pytest.mark.no_valgrind("complains of PHP's own reads")]

ON = 'LPProfilingAllowed On\n'
OWN_STACK = '[on a stack of its own]'
RUN_TIME = '[code made at run time]'
WORK = '''<?php
function work(int $n): int {
    $x = 1;
    for ($i = 0; $i < $n; $i++) {
        $x = ($x * 1103515245 + 12345) & 0x7fffffff;
        $x ^= strlen((string)$x);
    }
    return $x;
}
$end = microtime(true) + 0.8;
$r = 0;
while (microtime(true) < $end) {
    %s
}
echo "<html><body><p>$r</p></body></html>";
'''
PLAIN = WORK % '$r ^= work(20000);'
FIBER = WORK % ('$f = new Fiber(fn() => work(20000)); $f->start();\n'
                '    $r ^= $f->getReturn();')


def php(httpd, page, tmp_path, jit):
    if not glob.glob('/usr/lib/php/*/opcache.so'):
        pytest.skip("PHP's opcache is not installed")
    tmp_path.chmod(0o755)
    (tmp_path / 'zz.ini').write_text(
        'opcache.enable=1\nopcache.file_update_protection=0\n'
        'opcache.jit=tracing\nopcache.jit_buffer_size=%s\n'
        % ('32M' if jit else '0'))
    server = httpd(ON, features=['modphp'], fresh=True,
                   env={'PHP_INI_SCAN_DIR': ':%s' % tmp_path})
    (server.site / 'work.php').write_text(page)
    for _ in range(2):
        assert '<p>' in server.get('/work.php').text
    got = server.get('/++profile++show&callgrind&collapsed/work.php')
    assert got.status == 200 and 'profiled' in got.lpprofile
    files = {path.name.rpartition('.')[2]: path
             for path in server.wait_files(got.oops_id, 2)}
    log, = [path for path in files.values()
            if path.name.startswith('callgrind.out.')]
    report = server.report(got.oops_id).text
    words = re.sub(r'\s+', ' ', html.unescape(re.sub(r'<[^>]+>', '', report)))
    return Callgrind(log), Stacks(files['txt']), log.read_text(), words


def figures(text):
    """taken, lost, cut, broken, on stacks of their own, behind made code."""
    samples = re.search(r'^desc: Samples: (\d+) taken, (\d+) lost, (\d+) cut, '
                        r'(\d+) broken', text, re.M)
    stacks = re.search(r'^desc: Stacks: (\d+) samples on stacks of their own '
                       r'.*, (\d+) whose caller', text, re.M)
    return [int(n) for n in samples.groups() + stacks.groups()]


def nothing_is_lost(text):
    taken, lost, cut, broken, _, _ = figures(text)
    assert taken > 20
    assert lost * 50 <= taken and (cut + broken) * 50 <= taken, text


@pytest.mark.log_allows(r'php')
@pytest.mark.mpms('prefork')
@pytest.mark.parametrize('jit', [False, True], ids=['vm', 'jit'])
def test_what_runs_inside_a_fiber_is_seen(httpd, tmp_path, jit):
    """It was 92 to 96 % "[not sampled]"."""
    callgrind, stacks, text, words = php(httpd, FIBER, tmp_path, jit)
    nothing_is_lost(text)
    taken, _, _, _, own, _ = figures(text)
    assert own * 10 >= taken * 7, text
    assert stacks.share(OWN_STACK) > 60, stacks.lines
    assert stacks.us(OWN_STACK) == callgrind.inclusive(OWN_STACK)
    assert all(stack.index(OWN_STACK) == 1 for stack, _ in stacks.lines
               if OWN_STACK in stack)  # right below [request]
    # A sample that comes late has no page functions.
    assert (stacks.us(OWN_STACK, '{main}', 'Fiber::start()', '{closure}',
                      'work') * 2 > stacks.us(OWN_STACK, '{main}') > 0), \
        stacks.lines
    if jit:
        assert stacks.us(OWN_STACK, RUN_TIME) * 2 > stacks.us(OWN_STACK)
    assert '%d samples are below %s: the code ran' % (own, OWN_STACK) in words


@pytest.mark.log_allows(r'php')
@pytest.mark.mpms('prefork')
def test_code_that_the_jit_made_is_below_the_page(httpd, tmp_path):
    """It was one name an address, and all its stacks were "broken". What is
    known of such a sample are its page functions."""
    callgrind, stacks, text, words = php(httpd, PLAIN, tmp_path, True)
    nothing_is_lost(text)
    _, _, _, _, _, made = figures(text)
    page = stacks.us('{main}', 'work')
    # A sample that comes late has no page functions.
    assert page > 0.6 * stacks.us('{main}') > 0, stacks.lines
    assert stacks.us('{main}', 'work', RUN_TIME) * 2 > page, stacks.lines
    assert stacks.us(RUN_TIME) == callgrind.inclusive(RUN_TIME)
    assert 'in no object' not in text
    assert made < 2 or ('%d samples are below %s, right under the request'
                        % (made, RUN_TIME) in words)
