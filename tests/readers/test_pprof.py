# SPDX-License-Identifier: Apache-2.0
"""google's pprof opens our files and shows their totals."""
import collections
import pathlib
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import foreign  # noqa: E402


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    directory = tmp_path_factory.mktemp('pprof')
    return directory, foreign.made(directory)


def raw_samples(text):
    """Summed up columns of the samples that pprof -raw prints, and stacks."""
    body = text.split('\nSamples:\n', 1)[1].split('\nLocations\n', 1)[0]
    columns, *lines = body.splitlines()
    assert columns.split() == ['samples/count', 'wall/microseconds[dflt]',
                               'cpu/microseconds', 'ready/microseconds',
                               'blocked/microseconds']
    rows = [re.match(r' *' + r'(\d+) +' * 4 + r'(\d+): (.+)', x) for x in lines]
    rows = [[int(n) for n in x.groups()[:5]] for x in rows if x]
    return [sum(column) for column in zip([0] * 5, *rows)]


@pytest.mark.parametrize('case', foreign.CASES)
def test_pprof_reads_the_totals(made, case):
    directory, totals = made
    out = foreign.run_pprof('-raw', directory / (case + '.pprof'))
    samples, wall, cpu, ready, blocked = raw_samples(out)
    assert foreign.Totals(wall, cpu, ready, samples) == totals[case]
    assert cpu + ready + blocked == wall
    assert 'Period: 1000' in out


@pytest.mark.parametrize('case', ['one', 'deep', 'mutual', 'odd', 'page'])
def test_pprof_shows_the_self_times_of_the_collapsed_file(made, case):
    """Function by function, recursion and strange names and all; not the
    cases whose names stand in several objects, which pprof takes for one."""
    directory, totals = made
    out = foreign.run_pprof('-traces', '-sample_index=wall', '-unit=us',
              directory / (case + '.pprof'))
    own = collections.Counter()
    for trace in out.split('-----------+')[1:]:
        for line in trace.splitlines()[1:]:
            found = re.match(r' *([\d.]+)us   (.+)', line)
            if found:
                own[found.group(2).strip()] += int(found.group(1))
    wanted = collections.Counter()
    for line in (directory / (case + '.collapsed')).read_text().splitlines():
        stack, weight = line.rsplit(' ', 1)
        wanted[stack.rsplit(';', 1)[-1]] += int(weight)
    assert sum(own.values()) == totals[case].wall
    assert sorted(own.values()) == sorted(wanted.values())


def test_pprof_draws_a_real_page(httpd):
    """Its own views of a page that was served, not of a made-up profile."""
    server = httpd('LPProfilingAllowed On\n', features=['lua'])
    got = server.get('/++profile++pprof/lua/compute.lua?ms=200')
    path, = server.wait_files(got.oops_id)
    out = foreign.run_pprof('-top', '-sample_index=wall', '-unit=ms', path)
    assert 'Type: wall' in out and 'OOPS: ' + got.oops_id in out
    whole = float(re.search(r'of ([\d.]+)ms total', out).group(1))
    assert 150 < whole < 20000
    assert re.search(r'100% +\[request\]$', out, re.M)
    assert re.search(r'ap_invoke_handler$', foreign.run_pprof(
        '-top', '-cum', '-nodecount=20', path), re.M)
    assert '++profile++' not in foreign.run_pprof('-traces', path)
    dot = foreign.run_pprof('-dot', path)
    assert dot.startswith('digraph') and 'lua' in dot
