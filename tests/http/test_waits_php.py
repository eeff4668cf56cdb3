# SPDX-License-Identifier: Apache-2.0
"""A page of PHP waits for a database or another server, by the extensions that
pages use for that: the page, its report and its files say for whom, and which
line of the page waited."""
import os
import re
import urllib.parse

import pytest

from page_stacks import PageStacks
from shown_waits import ms, rows, words
from slow_servers import SLEEP, backend, slow_mysql, slow_page, slow_redis

pytestmark = [pytest.mark.mpms('prefork'),
              pytest.mark.no_asan('PHP has its own memory'),
              pytest.mark.no_valgrind('too slow to see the waits alone'),
              pytest.mark.log_allows(r'LPP036'),
              pytest.mark.xdist_group('postgres')]

ON = 'LPProfilingAllowed On\n'
PAGE = '''<html><body><?php
function ask($to) {
    %s
    return %s;
}
echo extension_loaded("%s") ? "loaded" : "missing";
if (isset($_GET["to"])) {
    ask($_GET["to"]);
}
?></body></html>
'''
LINE = 4  # of the page: where it waits
# What the page does first, and what it then waits for.
MYSQLI = ('$db = new mysqli("127.0.0.1", "lpp", "s3cretword", "shop", $to);',
          '$db->query("SELECT SLEEP(1)")')
REDIS = ('$db = new Redis(); $db->connect("127.0.0.1", $to);',
         '$db->blPop(["jobs"], 30)')
CURL = ('$handle = curl_init("http://127.0.0.1:$to/");'
        ' curl_setopt($handle, CURLOPT_RETURNTRANSFER, true);',
        'curl_exec($handle)')
PGSQL = ('$db = pg_connect($to);',
         'pg_query($db, "SELECT pg_sleep(%s)")' % SLEEP)


@pytest.fixture(params=['signals', 'events'])
def page(httpd, request):
    """page(extension, code): the server that has it, and its path."""
    events = request.param == 'events'
    if events and os.geteuid() != 0:
        pytest.skip('SKIPPED: needs root')
    server = httpd(ON + 'LPProfileKernelEvents %s\n'
                   % ('on force' if events else 'off'), features=['modphp'])
    if events and any('LPP036' in line for line in server.error_lines()):
        pytest.skip('SKIPPED: this machine denies perf_event_open to root')

    def write(extension, code):
        path = '/asks_%s.php' % extension
        (server.site / path[1:]).write_text(PAGE % (*code, extension))
        got = server.get(path)
        assert got.status == 200, got.text
        if 'missing' in got.text:
            pytest.skip('SKIPPED: PHP has no %s: see tests/deps.sh'
                        % extension)
        return server, path
    return write


def profile(server, path, to):
    """The response of a profiled request and its report. A busy machine takes
    some samples too late to read page functions; the report says so."""
    for _ in range(10):
        got = server.get('/++profile++show&pprof%s?to=%s'
                         % (path, urllib.parse.quote(to)), timeout=60)
        assert got.status == 200 and got.lpprofile.startswith('profiled'), got
        report = server.report(got.oops_id).text
        if '(%s:%d)' % (path[1:], LINE) in words(report):
            break
        assert 'too late to read' in report
    return got, report


def check(server, path, to, name):
    """Who it waited for, and where, in all that says so. Some clients poll
    descriptors of their own beside the connection: those come after name."""
    got, report = profile(server, path, to)
    name = re.escape(name)
    for text in words(got.text), words(report):
        assert re.match(r'\d+ %% in ask \(%s:%d\).*?\. \d+ %% waiting for %s\b'
                        % (re.escape(path[1:]), LINE, name), text), text
    figure = re.fullmatch(r'profiled;.*waits=(\d+)ms %s\b.*' % name,
                          got.lpprofile)
    assert figure, got.lpprofile
    # Up to when the helper last looked at it, before the answer came.
    assert SLEEP * 500 < int(figure[1]) < SLEEP * 5000
    (_, total, caller), = [row for what, row in rows(report).items()
                           if re.match(name + r'\b', what)]
    assert SLEEP * 900 < ms(total) < SLEEP * 5000
    assert re.match(r'ask\b', caller), caller
    file, = server.wait_files(got.oops_id)
    stacks = PageStacks(file, '.php').stacks
    waits = [stack for stack in stacks
             if re.match(r'\[waits: %s\b' % name, stack.frames[-1].name)]
    waited = sum(stack.wall_us for stack in waits)
    assert waited > SLEEP * 9e5
    assert waited > sum(stack.wall_us for stack in stacks) / 2
    assert sum(stack.wall_us for stack in waits
               if any(frame.name == 'ask' and frame.line == LINE
                      for frame in stack.frames)) > SLEEP * 5e5


@pytest.mark.parametrize('extension, code, answer', [
    ('mysqli', MYSQLI, slow_mysql), ('redis', REDIS, slow_redis),
    ('curl', CURL, slow_page)], ids=['mysqli', 'redis', 'curl'])
def test_for_a_server(page, extension, code, answer):
    server, path = page(extension, code)
    with backend(answer) as (_, port):
        check(server, path, str(port), 'tcp 127.0.0.1:%d' % port)


def test_for_postgresql(page, postgres):
    server, path = page('pgsql', PGSQL)
    check(server, path, postgres.params,
          'unix %s/.s.PGSQL.5432' % postgres.root)
