# SPDX-License-Identifier: Apache-2.0
"""A slow page of each language, served and profiled: its function and line in
the first sentence of the page, callgrind_annotate, go tool pprof and pstats."""
import collections
import pathlib
import pstats
import re
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from calls_table import plain  # noqa: E402
from foreign import run_pprof  # noqa: E402
from httpd_conf import REGISTRY  # noqa: E402

pytestmark = [pytest.mark.no_asan('counts samples'),
              pytest.mark.no_valgrind('counts samples')]

# mpm, config, features, modules: of the server; url: of the page; files: {path
# in the site: text}, of which the first has the slow function, whose line ends
# with the word "slow"; name: what the function's name ends with.
Page = collections.namedtuple(
    'Page', 'mpm config features modules url name files')
ON = 'LPProfilingAllowed On\n'
# Else a request may meet a child that still has to compile the page.
ONE_CHILD = 'ServerLimit 1\nStartServers 1\nMaxRequestWorkers 1\n'
FIRST = re.compile(r'<p class="words">(.*?)</p>', re.S)

PHP = '''<?php
class Renderer
{
    public static function page($text)
    {
        return preg_replace('/(a+)+$/', 'x', $text); // slow
    }
}

for ($i = 0; $i < 300; $i++) {
    Renderer::page(str_repeat('a', 20) . 'b');
}
echo '<html><body>ok</body></html>';
'''
# In work: the clock of a thread's CPU time is a slow system call on a busy
# virtual machine, and half of the time went there once.
PYTHON = '''def total(turns):
    count = 0
    for turn in range(turns):
        count += sum(i * i for i in range(300))
        for i in range(3000): count += i * i  # slow
    return count
'''
WSGI = '''import os
import sys
sys.path.insert(0, os.path.dirname(__file__))
import catalogue


def application(environ, start_response):
    catalogue.total(3000)
    body = b'<html><body>ok</body></html>'
    start_response('200 OK', [('Content-Type', 'text/html')])
    return [body]
'''
PERL = '''use strict; use warnings;
sub matches {
    my $text = shift;
    my $n = 0;
    $n++ while $text =~ /(\\\\d+),(\\\\d*)7/g; # slow
    return $n;
}
my $list = join ",", map { $_ * 7 } 1 .. 2000;
my $x = 0;
$x += matches($list) for 1 .. 1500;
print "Content-Type: text/html\\n\\n<html><body>ok $x</body></html>";
'''.replace('\\\\', '\\')
LUA = '''function render(n)
    local sum = 0
    for i = 1, n do sum = (sum + i * i) % 1000003 end -- slow
    return sum
end

function handle(r)
    for _ = 1, 150 do render(200000) end
    r.content_type = "text/html"
    r:puts("<html><body>ok</body></html>")
    return apache2.OK
end
'''
PAGES = {
    'PHP': Page('prefork', ON + ONE_CHILD, ['modphp'], [], '/shop.php',
                'Renderer::page', {'shop.php': PHP}),
    'Python': Page('event', ON + 'WSGIScriptAlias /shop ${SITE}/shop.wsgi\n'
                   'WSGIDestroyInterpreter Off\n', [], ['wsgi'], '/shop',
                   'total',
                   {'catalogue.py': PYTHON, 'shop.wsgi': WSGI}),
    'Perl': Page('prefork', ON + ONE_CHILD + REGISTRY
                 + 'PerlOptions +ParseHeaders\n', [], ['perl'], '/shop.pl', '::matches',
                 {'shop.pl': PERL}),
    'Lua': Page('event', ON, ['lua'], [], '/shop.lua', 'render',
                {'shop.lua': LUA}),
}
Found = collections.namedtuple('Found', 'text path line callgrind pprof pstats')


def profile(httpd, page):
    server = httpd(page.config, features=page.features, modules=page.modules,
                   mpm=page.mpm, key='live')
    server.allow_log('wsgi:')
    for name, text in page.files.items():
        (server.site / name).write_text(text)
        (server.site / name).chmod(0o755)
    assert server.get(page.url).status == 200  # now it is compiled
    got = server.get('/++profile++show&callgrind&pprof&pstats' + page.url)
    assert got.status == 200 and 'ok' in got.text, got.text
    names = {'callgrind': 'callgrind.out.', 'pprof': '.pb.gz',
             'pstats': '.prof'}
    files = {kind: next(path for path in server.wait_files(got.oops_id, 3)
                        if name in path.name) for kind, name in names.items()}
    script, text = next(iter(page.files.items()))
    line, = [at for at, words in enumerate(text.splitlines(), 1)
             if words.endswith(' slow')]
    return Found(got.text, str(server.site / script), line, **files)


def check_sentence(page, found):
    words = plain(FIRST.search(found.text).group(1))
    print(words)
    assert re.match(r'\d+\s%% in \S*%s \(%s:%d\)[.;] ' % (
        page.name, pathlib.Path(found.path).name, found.line), words), words


def check_callgrind(page, found):
    """With inclusive costs: those of a slow regular expression are all in C."""
    out = subprocess.run(
        ['callgrind_annotate', '--inclusive=yes', '--auto=yes', '--show=Wall',
         str(found.callgrind)], check=True, stdin=subprocess.DEVNULL,
        text=True, stdout=subprocess.PIPE, cwd='/').stdout
    listing, _, source = out.partition(
        '-- Auto-annotated source: %s\n' % found.path)
    assert re.search(r'^ *[\d,]+ \([\d. ]+%%\) +%s:\S*%s( |$)' % (
        re.escape(found.path), page.name), listing, re.M), out
    slow, = re.findall(r'^ *([\d,]+)(?: \([\d. ]+%\))? .* slow$'
                       r'((?:\n *[\d,]+ \([\d. ]+%\)  => .*)*)', source, re.M)
    costs = [slow[0], *re.findall(r'^ *([\d,]+) ', slow[1], re.M)]
    assert sum(int(cost.replace(',', '')) for cost in costs) > 10000, source


def check_pprof(page, found):
    options = ['-sample_index=wall', '-unit=us', found.pprof]
    top = run_pprof('-top', '-cum', '-lines', *options)
    whole = int(re.search(r'of (\d+)us total', top).group(1))
    row = re.search(r'^.* (\d+)us +[\d.]+%% +\S*%s %s:%d$' % (
        page.name, re.escape(found.path), found.line), top, re.M)
    assert row and int(row.group(1)) > 0.1 * whole, top
    listing = run_pprof('-list', page.name + '$', *options)
    rows = {int(at): cum for cum, at in re.findall(
        r'^ *\S+ +(\S+) +(\d+): ', listing, re.M)}
    assert int(rows[found.line][:-2]) > 0.1 * whole, listing
    assert found.path in listing


def check_pstats(page, found):
    stats = pstats.Stats(str(found.pstats))
    keys = [key for key in stats.stats
            if key[0] == found.path and key[2].endswith(page.name)]
    key, = keys
    # Keys have the first line, as cProfile's do.
    assert 0 < key[1] <= found.line
    _, _, _, inclusive, _ = stats.stats[key]
    assert inclusive > 0.1 * stats.total_tt


@pytest.mark.parametrize('language', sorted(PAGES))
def test_function_and_line_of_a_slow_page(httpd, language):
    page = PAGES[language]
    found = profile(httpd, page)
    check_sentence(page, found)
    check_callgrind(page, found)
    check_pprof(page, found)
    check_pstats(page, found)
