# SPDX-License-Identifier: Apache-2.0
"""Every format, opened by the readers that people use; all totals agree."""
import collections
import gzip
import os
import pathlib
import pstats
import re
import shutil
import struct
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import foreign  # noqa: E402
from strict import (  # noqa: E402
    Callgrind, Pprof, read_collapsed, read_pstats)

CASES = foreign.CASES
Totals = foreign.Totals


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """(directory, {case: Totals}) of what make_profiles wrote."""
    directory = tmp_path_factory.mktemp('profiles')
    return directory, foreign.made(directory)


# -- callgrind

@pytest.mark.parametrize('case', CASES)
def test_callgrind_sums_to_its_totals(made, case):
    directory, totals = made
    log = Callgrind(directory / (case + '.callgrind'))
    assert log.summary == log.totals == totals[case]
    assert Totals(*map(sum, zip(*log.self_cost.values()))) == totals[case]
    keys = [line.partition(':')[0] for line in log.head]
    order = sorted(set(keys), key=keys.index)
    assert order == ['version', 'creator', 'pid', 'cmd', 'part', 'desc',
                     'positions', 'event']
    assert 'event: Wait = Wall - CPU : Waiting time (us)' in log.head
    assert ('event: Blocked = Wall - CPU - Ready : Blocked time (us)'
            in log.head)
    assert 'positions: line' in log.head
    for (_, callee), cost in log.calls.items():
        assert callee in log.self_cost, 'called but never defined'
        assert cost.wall <= totals[case].wall
        assert cost.samples <= totals[case].samples


@pytest.mark.parametrize('case', CASES)
@pytest.mark.parametrize('inclusive', ['no', 'yes'])
def test_callgrind_annotate_shows_the_totals(made, case, inclusive):
    directory, totals = made
    done = subprocess.run(
        ['callgrind_annotate', '--inclusive=' + inclusive, '--threshold=100',
         '--tree=both', str(directory / (case + '.callgrind'))],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=directory)
    assert done.returncode == 0 and done.stderr == b''
    line, = [x for x in done.stdout.decode('utf-8', 'replace').splitlines()
             if 'PROGRAM TOTALS' in x]
    shown = [int(x.replace(',', ''))
             for x in re.findall(r'([\d,]+) \([\d.]+%\)', line)]
    if not shown:  # without time there are no percentages
        shown = [int(x.replace(',', '')) for x in line.split()[:4]]
    assert shown and shown == list(totals[case])[:len(shown)]


# -- pstats

@pytest.mark.parametrize('case', CASES)
def test_pstats_has_what_its_readers_need(made, case):
    directory, totals = made
    stats = read_pstats(directory / (case + '.pstats'))
    assert stats
    for key, (cc, nc, tt, ct, callers) in stats.items():
        file, line, name = key
        assert isinstance(file, str) and isinstance(name, str)
        assert isinstance(line, int)
        assert 1 <= cc <= nc and 0 <= tt <= ct + 1e-9
        for caller, (count, primitive, own, total) in callers.items():
            assert caller in stats, 'snakeviz would raise KeyError'
            assert 1 <= primitive <= count and own <= total + 1e-9
        if callers:  # own time by callers is own time
            assert sum(x[2] for x in callers.values()) == pytest.approx(tt)
    root = ('~', 0, '[request]')
    assert stats[root][4] == {}
    assert stats[root][3] == pytest.approx(totals[case].wall / 1e6)
    assert (sum(x[2] for x in stats.values())
            == pytest.approx(totals[case].wall / 1e6, abs=1e-9))


@pytest.mark.parametrize('case', CASES)
def test_pstats_prints(made, case, capsys):
    directory, totals = made
    stats = pstats.Stats(str(directory / (case + '.pstats')))
    stats.sort_stats('cumulative').print_stats()
    stats.print_callers()
    stats.print_callees()
    stats.strip_dirs().print_stats(5)
    assert stats.total_tt == pytest.approx(totals[case].wall / 1e6)
    assert 'in %.3f seconds' % stats.total_tt in capsys.readouterr().out


def test_every_python_here_reads_pstats(made):
    directory, _ = made
    found = {os.path.realpath(path)
             for path in map(shutil.which, ['python3'] + [
                 'python3.%d' % n for n in range(8, 16)]) if path}
    found.add('/usr/bin/python3')
    read = 0
    for python in sorted(found):
        # a shim of a version that is not installed runs nothing
        done = subprocess.run(
            [python, '-c', 'import pstats, sys\nprint("runs", flush=True)\n'
             'for path in sys.argv[1:]: pstats.Stats(path).print_stats()',
             *[str(directory / (case + '.pstats')) for case in CASES]],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.stdout.startswith(b'runs'):
            assert done.returncode == 0, (python, done.stderr)
            assert done.stdout.count(b' function calls ') == len(CASES)
            read += 1
    assert read


# -- pprof

@pytest.mark.parametrize('case', CASES)
def test_pprof_sums_to_the_totals(made, case):
    directory, totals = made
    profile = Pprof(directory / (case + '.pprof'))
    assert profile.types == [('samples', 'count'), ('wall', 'microseconds'),
                             ('cpu', 'microseconds'),
                             ('ready', 'microseconds'),
                             ('blocked', 'microseconds')]
    assert profile.default == 'wall' and profile.period == [1000]
    assert profile.time == 1700000000123456000
    assert profile.duration == totals[case].wall * 1000
    assert profile.samples
    samples, wall, cpu, ready, blocked = map(
        sum, zip(*(x[1] for x in profile.samples)))
    assert Totals(wall, cpu, ready, samples) == totals[case]
    assert cpu + ready + blocked == wall
    for stack, _ in profile.samples:
        assert stack[-1][0] == '[request]', 'leaf first'


@pytest.mark.parametrize('case', CASES)
def test_protoc_knows_every_field(made, case):
    directory, _ = made
    data = gzip.decompress((directory / (case + '.pprof')).read_bytes())
    done = subprocess.run(
        ['protoc',
         '--proto_path=%s' % (HERE.parents[1] / 'mod_lpprofile/formats'),
         '--decode=lpp.pprof.Profile', 'lpp_pprof.proto'], input=data,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    assert not re.search(rb'^\s*\d+[:{ ]', done.stdout, re.M)


# -- collapsed

@pytest.mark.parametrize('case', CASES)
def test_collapsed_sums_to_the_total(made, case):
    directory, totals = made
    stacks = read_collapsed(directory / (case + '.collapsed'))
    assert sum(stacks.values()) == totals[case].wall


# -- all of them

def plain(name):
    """What the formats that cannot hold every byte make of a name, and pstats,
    whose keys have the line, of a page function's namesakes."""
    name = re.sub(r'^render:\d+$', 'render', name)
    return re.sub(r'[^A-Za-z0-9]', '', name.replace('#', '%23'))


@pytest.mark.parametrize('case', CASES)
def test_formats_agree_on_every_function(made, case):
    """Own wall time by function name, in microseconds, exactly."""
    directory, _ = made
    of = {x: collections.Counter() for x in
          ('callgrind', 'pstats', 'pprof', 'collapsed')}
    log = Callgrind(directory / (case + '.callgrind'))
    for (_, _, name), cost in log.self_cost.items():
        of['callgrind'][plain(name)] += cost.wall
    stats = read_pstats(directory / (case + '.pstats'))
    for (_, _, name), row in stats.items():
        name = re.sub(r' \[[^\[]*, \d+\]$', '', name)
        of['pstats'][plain(name)] += round(row[2] * 1e6)
    for stack, values in Pprof(directory / (case + '.pprof')).samples:
        of['pprof'][plain(stack[0][0])] += values[1]
    for stack, weight in read_collapsed(
            directory / (case + '.collapsed')).items():
        name = re.sub(r' \[(mod_.\.so|page\.php|such.*\.php)\]$', '',
                      stack.rpartition(';')[2])
        of['collapsed'][plain(name.replace('#', '%23'))] += weight
    expected = +of['callgrind']
    for name, found in of.items():
        assert +found == expected, name


@pytest.mark.parametrize('case', ['deep', 'mutual', 'wild_no_lines'])
def test_inclusive_times_count_a_sample_once(made, case):
    """pstats' ct against a count over pprof's stacks."""
    directory, totals = made
    inclusive = collections.Counter()
    for stack, values in Pprof(directory / (case + '.pprof')).samples:
        for function in set(stack):
            inclusive[function] += values[1]
    checked = 0
    for (file, line, name), row in read_pstats(
            directory / (case + '.pstats')).items():
        key = (name, '' if file == '~' else file, line)
        assert round(row[3] * 1e6) == inclusive[key], key
        assert row[3] * 1e6 <= totals[case].wall + 1e-3
        checked += 1
    assert checked > 2


def test_marshal_codes_are_those_of_version_2(made):
    """No references, no interned or short strings: old Pythons read it."""
    directory, _ = made
    data = (directory / 'huge.pstats').read_bytes()
    at, seen, containers = 0, set(), 0
    while at < len(data):
        code = data[at:at + 1]
        seen.add(code)
        at += 1
        if code in b'(i':
            at += 4
        elif code == b'g':
            at += 8
        elif code == b'u':
            size, = struct.unpack_from('<i', data, at)
            at += 4 + size
        elif code == b'l':
            digits, = struct.unpack_from('<i', data, at)
            at += 4 + 2 * digits
        else:
            containers += {b'{': 1, b'0': -1}[code]
    assert at == len(data) and containers == 0
    assert seen == {b'{', b'0', b'(', b'i', b'l', b'g', b'u'}
