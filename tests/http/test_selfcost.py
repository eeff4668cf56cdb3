# SPDX-License-Identifier: Apache-2.0
"""What the profiler itself takes of a request: it is told apart, and grows
neither with the heap nor, a call, with the number of calls."""
import pathlib
import re
import statistics

import pytest

import apxs_env
from calls_table import parse, plain, report
from httpd_env import wait_for

ON = 'LPProfilingAllowed On\n'
ONE_CHILD = ('StartServers 1\nMinSpareServers 1\nMaxSpareServers 1\n'
             'MaxRequestWorkers 1\nServerLimit 1\n')
LISTING = 'IndexOptions FancyIndexing\n'
PROFILER = '[profiler]'
WORDS = re.compile(r'<p class="words">(.*?)</p>', re.S)


def only_child(server):
    wait_for(lambda: len(server.children()) == 1, 20, 'a single child')
    child, = server.children()
    return child


def cpu_ms(pid):
    """Of the main thread, which serves under prefork."""
    path = pathlib.Path('/proc/%d/task/%d/schedstat' % (pid, pid))
    return int(path.read_text().split()[0]) / 1e6


def cost_ms(server, pid, path):
    before = cpu_ms(pid)
    assert server.get(path).status == 200
    return cpu_ms(pid) - before


def fill(server, name, count):
    directory = server.site / name
    directory.mkdir()
    for i in range(count):
        (directory / ('file%05d.txt' % i)).write_text('x')


def events(server, got):
    return re.findall(r'^\d+-\d+@(\w+) (.*)$',
                      server.wait_oops(got.oops_id).read_text(), re.M)


# -- many calls

def test_a_listing_of_twice_the_files_costs_twice_at_most(httpd):
    """CPU of the serving thread, the least of several: what grew with the
    square cost four times as much, and what is kept grew with the files."""
    server = httpd(ON + ONE_CHILD + LISTING, features=['autoindex'],
                   mpm='prefork', fresh=True)
    pid = only_child(server)
    fill(server, 'few', 2000)
    fill(server, 'many', 4000)
    for action in ('callgrind', 'show'):
        least = {'few': float('inf'), 'many': float('inf')}
        # What others do makes a request dearer, none cheaper.
        for done in range(60):
            for name in least:
                least[name] = min(least[name], cost_ms(
                    server, pid, '/++profile++%s/%s/' % (action, name)))
            if done >= 6 and least['many'] < 2.6 * least['few']:
                break
        print(action, least)
        assert least['many'] < 2.6 * least['few'], (action, least)


def test_what_is_kept_of_many_subrequests(httpd):
    """A request a file: all are counted, few are told apart."""
    server = httpd(ON + ONE_CHILD + LISTING, features=['autoindex'],
                   mpm='prefork', fresh=True)
    only_child(server)
    fill(server, 'few', 200)
    fill(server, 'many', 3000)
    kept = {}
    for name, count in (('few', 200), ('many', 3000)):
        got = server.get('/++profile++callgrind/%s/' % name)
        calls, scopes, _ = parse(report(server, got))
        # One a file, and what mod_dir asks for of the directory itself.
        made = sum(int((re.search(r'\((\d+)\u00d7\)', text) or [0, 1])[1])
                   for depth, text in scopes[1:])
        assert count <= made <= count + 4, (count, made)
        assert sum(call.calls for call in calls
                   if call.phase == 'map_to_storage'
                   and call.module == 'core.c') >= count
        kept[name] = len(scopes), len(events(server, got))
    print(kept)
    assert kept['many'][0] == kept['few'][0]
    # Those that a busy machine made long are kept as well.
    assert kept['many'][1] < 1000


# -- a large heap

@pytest.mark.no_asan('measures the heap')
def test_a_large_heap_is_not_counted_in_a_requests_way(httpd):
    server = httpd(ON + ONE_CHILD + apxs_env.load('lpp_test_heap')
                   + '<Location /heap>\nSetHandler lpp-test-heap\n'
                   '</Location>\n', mpm='prefork', fresh=True)
    pid = only_child(server)
    page = plain(server.get('/++profile++show/index.html').text)
    assert 'Heap in use' in page and 'not counted' not in page
    takes_us, pieces = server.get('/heap').text.split()
    assert int(pieces) > 300000
    added = []
    for _ in range(5):
        before = cost_ms(server, pid, '/index.html')
        added.append(cost_ms(server, pid, '/++profile++show/index.html')
                     - before)
    print(takes_us, added)
    assert statistics.median(added) * 1000 < int(takes_us)
    got = server.get('/++profile++show&collapsed/index.html')
    assert 'not counted' in plain(got.text)
    assert 'not counted' in plain(report(server, got))
    path, = server.wait_files(got.oops_id)
    assert 'mallinfo' not in path.read_text()


# -- told apart

def test_the_profilers_work_stands_under_one_name(httpd):
    server = httpd(ON + LISTING, features=['autoindex', 'deflate'], fresh=True)
    fill(server, 'many', 2000)
    found = 0
    for _ in range(12):
        got = server.get('/++profile++show&collapsed&callgrind&pstats/many/')
        paths = server.wait_files(got.oops_id, 3)
        folded, = [path for path in paths if 'collapsed' in path.name]
        text = folded.read_text()
        # Whatever of ours lies between frames of others is not shown.
        assert 'lpp_' not in text and 'mod_lpprofile' not in text, text
        own = [line for line in text.splitlines() if PROFILER in line]
        assert all(line.startswith('[request];' + PROFILER + ' ')
                   for line in own), own
        found += len(own)
        words = WORDS.search(got.text).group(1)
        assert PROFILER not in words and 'lpp_' not in words, words
        assert 'mod_lpprofile.c' not in words, words
    assert found


def test_its_call_is_told_apart_from_the_handlers(httpd):
    server = httpd(ON + LISTING, features=['autoindex'])
    got = server.get('/++profile++show&callgrind/index.html')
    calls, _, _ = parse(report(server, got))
    own, = [call for call in calls if call.phase == PROFILER]
    assert own.calls == 1 and own.module == 'mod_lpprofile.c'
    handler = max((call for call in calls if call.phase == 'handler'),
                  key=lambda call: call.total)
    # Times are printed with three digits.
    assert handler.total >= 0.98 * (handler.self + own.total)


def test_what_is_behind_or_before_our_filter_is_not_the_profilers(httpd):
    """A CGI that the block's filter waits for, and mod_deflate behind it."""
    server = httpd(ON, features=['cgi', 'deflate'], fresh=True)
    script = server.site / 'cgi' / 'waits'
    script.write_text('#!/bin/sh\necho Content-type: text/html\necho\n'
                      'sleep 1\necho "<body>late</body>"\n')
    script.chmod(0o755)
    got = server.get('/++profile++show&collapsed/cgi/waits')
    path, = server.wait_files(got.oops_id)
    lines = [line.rsplit(' ', 1) for line in path.read_text().splitlines()]
    total = sum(int(weight) for _, weight in lines)
    own = sum(int(weight) for stack, weight in lines if PROFILER in stack)
    assert total > 900000 and own < total / 2, (own, total)

    (server.site / 'large.html').write_text(
        '<body>%s</body>' % ''.join(str(i * i % 7919) for i in range(2000000)))
    got = server.get('/++profile++show&collapsed/large.html',
                     headers=[('Accept-Encoding', 'gzip')])
    assert got.header('Content-Encoding') == 'gzip'
    path, = server.wait_files(got.oops_id)
    lines = [line.rsplit(' ', 1) for line in path.read_text().splitlines()]
    squeezed = sum(int(weight) for stack, weight in lines
                   if re.search(r'libz|deflate|DEFLATE', stack))
    assert squeezed > sum(int(weight) for _, weight in lines) / 2, lines
