# SPDX-License-Identifier: Apache-2.0
"""What burns the time is on top, and who called it has a name."""
import re
import subprocess

import pytest

from callgrind import Callgrind

pytestmark = pytest.mark.no_valgrind('too slow to give enough samples')

PROFILE = 'LPProfilingAllowed On'


def profile(server, path, headers=()):
    got = server.get('/++profile++show&callgrind' + path, headers)
    assert got.status == 200
    log, = server.wait_files(got.oops_id)
    return got, log, Callgrind(log)


def first_of_annotate(log, event='Wall'):
    """The first function in callgrind_annotate's list."""
    out = subprocess.run(['callgrind_annotate', '--auto=no', '--show=' + event,
                          '--sort=' + event, str(log)],
                         check=True, stdin=subprocess.DEVNULL, text=True,
                         stdout=subprocess.PIPE).stdout
    return next(line for line in out.splitlines()
                if re.match(r'\s*[\d,]+ \(\s*[\d.]+%\)', line)
                and 'PROGRAM TOTALS' not in line)


def first_of_page(text):
    """The first row of the page's table of inline times."""
    table = text[text.index('Top Inline Time'):]
    return table[:table.index('</table>')]


@pytest.mark.all_mpms
def test_lua_page_that_computes(httpd):
    server = httpd(PROFILE, features=['lua', 'deflate', 'rewrite'])
    got, log, calls = profile(server, '/lua/compute.lua?ms=1000')
    # On a busy machine samples that come too late have no page functions: then
    # the function of Lua that runs them is first.
    tops = [calls.top()[0], first_of_annotate(log), first_of_page(got.text)]
    assert all(re.search(r'\bhandle\b|liblua5', top) for top in tops), tops
    assert 'handle' in calls.top()[:2]
    assert calls.inclusive('mod_lua.so:handler') > 800000
    assert calls.total[0] >= 1000000  # microseconds


@pytest.mark.parametrize('how', [
    'SetOutputFilter DEFLATE',
    # Debian's way: mod_filter stands between, and knows the filter.
    'AddOutputFilterByType DEFLATE text/plain',
])
def test_deflated_text_of_20_mb(httpd, how):
    server = httpd(PROFILE + '\n' + how, modules=['filter', 'deflate'])
    words = b' '.join(b'%x' % (n * 2654435761 % 2**32) for n in range(100000))
    text = server.site / 'large.txt'
    with text.open('wb') as out:
        while out.tell() < 20 * 1024 * 1024:
            out.write(words + b'\n')
    got, log, calls = profile(server, '/large.txt',
                              [('Accept-Encoding', 'gzip')])
    text.unlink()
    assert got.header('Content-Encoding') == 'gzip'
    assert calls.top()[0].startswith('libz.so'), calls.top()[:5]
    assert 'libz.so' in first_of_annotate(log)
    names = [name for name in calls.own if 'DEFLATE' in name]
    names += [caller for caller, _ in calls.edges if 'DEFLATE' in caller]
    assert any(name.startswith('mod_deflate.so:')
               and calls.top()[0] in calls.called_below(name)
               for name in names), names


def test_500_rewrite_rules(httpd):
    # Each rule costs pcre some ten thousand steps and matches nothing.
    rules = ''.join('RewriteRule "^/(a|aa)+[0-9]{1,%d}$" - [F]\n' % n
                    for n in range(1, 501))
    server = httpd(PROFILE + '\nRewriteEngine On\n' + rules,
                   features=['rewrite'])
    (server.site / ('a' * 18)).write_text('found')
    got, log, calls = profile(server, '/' + 'a' * 18)
    assert got.text.startswith('found')
    # A moment that the machine stands still is longer; it burns nothing.
    top = calls.top('CPU')
    assert 'pcre' in top[0], top[:5]
    assert 'pcre' in first_of_annotate(log, 'CPU')
    hook = 'mod_rewrite.so:translate_name'
    assert top[0] in calls.called_below(hook)
    assert calls.share(hook, 'CPU') > 0.5
