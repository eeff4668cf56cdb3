# SPDX-License-Identifier: Apache-2.0
"""Shares, times and call paths of handlers whose time is known."""
import math
import os
import re
import socket
import subprocess
import time

import pytest

import apxs_env
import httpd_env
from callgrind import Callgrind
from pauses import undisturbed
from stacks import Stacks

pytestmark = [pytest.mark.alone('compares shares of wall time'),
              pytest.mark.no_asan('measures shares of time'),
              pytest.mark.no_valgrind('measures shares of time')]

POINTS = 2.0  # of a share, or its statistical error


def handlers():
    return (apxs_env.load('lpp_truth')
            + '<Location /truth>\nSetHandler lpp-truth\n</Location>\n')


def config():
    return 'LPProfilingAllowed On\n' + handlers()


def profile(server, what):
    """(Stacks, Callgrind, seconds on the client's clock) of one workload. What
    share the machine took all the same is in Stacks.lost."""
    found, lost = undisturbed(server, lambda: profile_once(server, what))
    found[0].lost = lost
    return found


def profile_once(server, what):
    began = time.monotonic()
    got = server.get('/++profile++collapsed&callgrind/truth?' + what)
    took = time.monotonic() - began
    assert got.status == 200 and got.lpprofile.startswith('profiled'), got
    files = server.wait_files(got.oops_id, 2)
    collapsed = next(f for f in files if f.name.endswith('.collapsed.txt'))
    callgrind = next(f for f in files if f.name.startswith('callgrind.'))
    stacks = Stacks(collapsed)
    stacks.said = got.text
    return stacks, Callgrind(callgrind), took


def close(found, expected, samples, what, lost=0.0):
    """Within 2 points, or twice the standard error of that many samples; and
    what the machine took."""
    share = expected / 100.0
    error = 200.0 * math.sqrt(share * (1 - share) / max(1, samples))
    print('%-40s %6.2f %% of %6.2f %%' % (what, found, expected))
    assert abs(found - expected) <= max(POINTS, error) + 100 * lost, what


def check_sums(stacks, callgrind, took):
    wall, cpu, _, samples = callgrind.total
    assert stacks.total == wall
    assert sum(own[0] for own in callgrind.own.values() if own) == wall
    assert sum((own + [0, 0])[1] for own in callgrind.own.values()) == cpu
    print('wall %.2f ms, client %.2f ms, %d samples'
          % (wall / 1e3, took * 1e3, samples))
    # What the client sees more is its own connection and the gate.
    assert wall / 1e6 <= took
    assert wall / 1e6 >= took * (0.98 - stacks.lost) - 0.015
    return samples


def test_seventy_and_thirty(httpd):
    server = httpd(config())
    stacks, callgrind, took = profile(server, 'split')
    samples = check_sums(stacks, callgrind, took)
    below = dict(of='truth_parent')
    close(stacks.share('truth_seventy', **below), 70, samples, 'seventy',
          stacks.lost)
    close(stacks.share('truth_thirty', **below), 30, samples, 'thirty',
          stacks.lost)
    close(stacks.share('truth_seventy', 'truth_leaf', **below), 35, samples,
          'leaf without a frame', stacks.lost)
    assert stacks.us('truth_handler', 'truth_parent') == \
        stacks.us('truth_parent')
    assert stacks.share('truth_parent') > 97 - 100 * stacks.lost


def test_waits_lie_where_they_were_waited(httpd):
    server = httpd(config())
    stacks, callgrind, took = profile(server, 'waits')
    check_sums(stacks, callgrind, took)
    late = max(0, took * 1e3 - 600) # what a busy machine added to it all
    for name in ('truth_wait', 'truth_read'):
        ms = stacks.us(name) / 1e3
        print('%s %.1f ms of 200, %.1f late in all' % (name, ms, late))
        assert 0.98 * 200 - 4 <= ms <= 1.02 * 200 + 10 + late
    # CPU time is where it was computed, whatever else the machine does.
    spun = callgrind.share('truth_thirty', 'CPU')
    print('of %.1f ms CPU time %.1f %% spinning'
          % (callgrind.total[1] / 1e3, 100 * spun))
    assert spun > 0.9


def test_shapes_of_code(httpd):
    server = httpd(config())
    stacks, callgrind, took = profile(server, 'shapes')
    samples = check_sums(stacks, callgrind, took)
    whole = stacks.us('truth_handler')
    # What the handler's own clock saw: others may have had the processor.
    *us, bottom = [int(n) for n in re.search(
        r'shapes (\d+) (\d+) (\d+) (\d+), bottom (\d+) us',
        stacks.said).groups()]
    recursion, tail, inlined, framed = [100 * n / sum(us) for n in us]

    def share(*path):
        return 100.0 * stacks.us(*path) / whole

    def near(found, expected, what, samples=samples):
        close(found, expected, samples, what, stacks.lost)
    near(share('truth_recurse'), recursion, 'recursion')
    near(stacks.share('truth_recurse', 'truth_leaf', of='truth_recurse'),
         100 * bottom / us[0], 'of it, at its bottom', samples / 3)
    near(share('truth_with_inlined'), inlined, 'inlined code is its caller')
    near(share('truth_framed', 'truth_leaf'), framed,
         'frame pointer and alloca')
    # a jump leaves no frame: the callee stands where its caller was
    near(share('truth_tail_first'), tail / 2, 'before a jump')
    near(share('truth_tail_second'), tail / 2, 'after it')
    assert stacks.us('truth_tail_first', 'truth_tail_second') == 0
    assert stacks.depth('truth_recurse') == 51


def test_deep_stacks(httpd):
    # At 1000 Hz so deep a stack costs 6 % of the processor, and more where it
    # is busy: past 10 % the profiler would lower its rate.
    server = httpd(config() + 'LPProfileRate 250\n')
    stacks, callgrind, took = profile(server, 'deep')
    check_sums(stacks, callgrind, took)
    assert stacks.depth('truth_recurse') == 901
    assert stacks.share('truth_handler', 'truth_recurse') > \
        97 - 100 * stacks.lost
    assert stacks.share('truth_handler', 'truth_recurse', 'truth_leaf') > 5


def same_name(name):
    """valgrind has the address where we have object and address."""
    match = re.search(r'(?:^|\+)0x([0-9a-f]+)$', name)
    return '0x%x' % int(match.group(1), 16) if match else name


def listening(port):
    try:
        socket.create_connection(('127.0.0.1', port), 1).close()
        return True
    except OSError:
        return False


def callgrind_of_valgrind(tmp_path):
    """Self cost by function of the fixed workload, counted by valgrind."""
    # Without our module, and not as root: valgrind writes its file at the end.
    server = httpd_env.Httpd(handlers(), mpm='prefork', base=str(tmp_path),
                             profiler=False, unprivileged=True)
    server._pick_ports()
    server._write_configuration()
    out = server.root / 'counted.out'
    process = subprocess.Popen(
        ['valgrind', '-q', '--tool=callgrind', '--callgrind-out-file=%s' % out,
         '--toggle-collect=truth_handler', '--collect-atstart=no',
         httpd_env.HTTPD, '-X', '-d', str(server.root), '-f',
         str(server.root / 'httpd.conf')],
        env={'PATH': os.environ['PATH'], 'LANG': 'C.UTF-8'}, cwd='/',
        user=httpd_env.USER if os.geteuid() == 0 else None, extra_groups=(),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    try:
        httpd_env.wait_for(lambda: listening(server.port), 600,
                           'httpd under valgrind')
        assert server.get('/truth?fixed', timeout=600).status == 200
    finally:
        process.terminate()
        process.wait(600)
        process.stdout.close()
    listing = subprocess.run(['callgrind_annotate', '--threshold=100',
                              str(out)], check=True, text=True,
                             stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL).stdout
    costs = {}
    for line in listing.splitlines():
        match = re.match(r"^\s*([\d,]+) \(\s*[\d.]+%\)\s+\S*?:([^ ]+)", line)
        if match:
            name = same_name(match.group(2).partition("'")[0])
            costs[name] = costs.get(name, 0) + int(
                match.group(1).replace(',', ''))
    server.remove()
    return costs


def test_a_second_opinion_counts_instructions(httpd, tmp_path):
    costs = callgrind_of_valgrind(tmp_path)
    whole = sum(costs.values())
    compare_with(costs, whole, httpd(config()))


def compare_with(costs, whole, server):
    stacks, callgrind, took = profile(server, 'fixed20')
    below = [(stack, weight) for stack, weight in stacks.lines
             if 'truth_handler' in stack]
    ours = {}
    for stack, weight in below:
        name = same_name(stack[-1])
        ours[name] = ours.get(name, 0) + weight
    wall = sum(ours.values())
    heavy = {name: 100.0 * cost / whole for name, cost in costs.items()
             if cost > 0.05 * whole}
    assert len(heavy) >= 4, costs
    for name, theirs in sorted(heavy.items(), key=lambda item: -item[1]):
        mine = 100.0 * ours.get(name, 0) / wall
        print('%-24s callgrind %5.1f %%, ours %5.1f %%' % (name, theirs, mine))
        assert abs(mine - theirs) <= 5 + 100 * stacks.lost, \
            (name, theirs, mine, ours)
