# SPDX-License-Identifier: Apache-2.0
"""Page functions in every format: file, line, costs by line, in the programs
that people use. The profile is the case "page" of make_profiles."""
import collections
import pathlib
import pstats
import re
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import foreign  # noqa: E402
from foreign import run_pprof  # noqa: E402
from strict import (  # noqa: E402
    Callgrind, Pprof, read_collapsed, read_pstats)

# Own wall time (us) by line of page.php, and that of calls from it.
OWN = {21: 3000, 22: 3000, 32: 500, 33: 1500, 42: 4000}
RENDER = {21: 3000, 22: 3000}


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    directory = tmp_path_factory.mktemp('page')
    return directory, foreign.made(directory)['page']


def php(made):
    return str(made[0] / 'page.php')


def test_callgrind_has_the_costs_of_each_line(made):
    directory, totals = made
    log = Callgrind(directory / 'page.callgrind')
    own, calls = {}, collections.Counter()
    for ((_, file, _), line), cost in log.self_lines.items():
        if file == php(made):
            own[line] = cost.wall
    assert own == OWN
    for (caller, callee, line), cost in log.call_lines.items():
        if caller[1] == php(made):
            calls[caller[2], line, callee[2]] = cost.wall
    assert calls == {
        ('{main}', 3, 'Renderer::page'): 4000,
        ('{main}', 4, 'Renderer::page'): 11000,
        ('Renderer::page', 42, 'render:20'): 6000,
        ('Renderer::page', 44, 'usort()'): 5000,
        ('render:30', 31, 'render:30'): 2000}
    # the first line of the callee stands beside the count of calls
    text = (directory / 'page.callgrind').read_text()
    assert re.search(r'cfn=\(\d+\) Renderer::page\ncalls=4 40\n3 4000 ', text)


def test_callgrind_annotate_shows_the_source(made):
    directory, totals = made
    done = subprocess.run(
        ['callgrind_annotate', '--auto=yes', '--threshold=100',
         '--context=2', str(directory / 'page.callgrind')],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd='/')
    assert done.returncode == 0 and done.stderr == '', done.stderr
    assert '-- Auto-annotated source: ' + php(made) in done.stdout
    source = done.stdout.split('-- Auto-annotated source: ' + php(made))[1]
    shown, calling = {}, set()
    for line in source.splitlines():
        # "3,000 (15.0%) 2,000 (13.3%) 3 (17.6%)  work(); /* this is ... */"
        found = re.match(r'\s*([\d,]+) .*/\* this is line (\d+) \*/', line)
        if found and found[1] == '0':
            calling.add(int(found[2]))
        elif found and '=>' not in line:
            shown[int(found[2])] = int(found[1].replace(',', ''))
    assert shown == OWN
    assert calling == {3, 4, 31, 44}  # lines that only call
    assert re.search(r'6,000 .*=> .*page\.php:render:20 \(6x\)', source)


def test_callgrind_annotate_reads_a_script_without_lines(made):
    """It was an error in its own code, for costs at line 0 alone."""
    done = subprocess.run(
        ['callgrind_annotate', str(made[0] / 'lineless.callgrind')],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd='/')
    assert done.returncode == 0 and done.stderr == '', done.stderr
    assert php(made) + ':lineless' in done.stdout


def test_pprof_has_function_file_and_line(made):
    directory, totals = made
    profile = Pprof(directory / 'page.pprof')
    assert ('Renderer::page', php(made), 40) in profile.functions.values()
    assert ('render:20', php(made), 20) in profile.functions.values()
    own, paths = collections.Counter(), collections.Counter()
    for (stack, values), lines in zip(profile.samples, profile.stack_lines):
        for function, line in zip(stack, lines):
            assert (line != 0) == function[1].endswith('.php'), function
        if stack[0][1] == php(made):
            own[lines[0]] += values[1]
        if stack[0][0] == 'render:20':
            paths[tuple(lines[:3])] += values[1]
    assert own == OWN
    # whole paths of lines, not only the lines of each function
    assert paths == {(21, 42, 3): 3000, (22, 42, 3): 1000, (22, 42, 4): 2000}


def test_pprof_lists_the_source(made):
    directory, _ = made
    path = directory / 'page.pprof'
    top = run_pprof('-top', '-sample_index=wall', '-unit=us', path)
    assert re.search(r'6000us +30\.00% .* 6000us +30\.00% +render:20$', top,
                     re.M), top
    assert re.search(r'4000us +20\.00% .* 15000us .* Renderer::page$', top,
                     re.M), top
    lines = run_pprof('-top', '-lines', '-sample_index=wall', '-unit=us',
                      path)
    assert re.search(r'render:20 .*page\.php:21$', lines, re.M), lines
    listing = run_pprof('-list', '^Renderer::page$', '-sample_index=wall',
                        '-unit=us', path)
    assert 'ROUTINE' in listing and php(made) in listing
    found = {int(x[2]): (x[0], x[1]) for x in re.findall(
        r'^ *(\S+) +(\S+) +(\d+): .*this is line \3 ', listing, re.M)}
    assert found[42] == ('4000us', '10000us')
    assert found[44] == ('.', '5000us')


def test_pstats_has_the_keys_of_cprofile(made, capsys):
    directory, _ = made
    stats = read_pstats(directory / 'page.pstats')
    own = {key: round(row[2] * 1e6) for key, row in stats.items()
           if key[0] == php(made)}
    assert own == {
        (php(made), 1, '{main}'): 0,
        (php(made), 40, 'Renderer::page'): 4000,
        (php(made), 20, 'render'): 6000,
        (php(made), 30, 'render'): 2000}
    assert ('~', 0, 'usort()') in stats
    shown = pstats.Stats(str(directory / 'page.pstats')).strip_dirs()
    shown.sort_stats('tottime').print_stats('page')
    assert 'page.php:20(render)' in capsys.readouterr().out


def test_collapsed_has_names_without_places(made):
    directory, _ = made
    stacks = read_collapsed(directory / 'page.collapsed')
    frames = collections.Counter()
    for stack, weight in stacks.items():
        frames[stack.split(';')[-1]] += weight
    assert frames['Renderer::page [page.php]'] == 4000
    assert frames['render:20 [page.php]'] == 6000
    assert frames['render:30 [page.php]'] == 2000
    assert any(';{main} [page.php];Renderer::page [page.php];usort();memcpy '
               in stack for stack in stacks)


def test_names_of_the_page_change_no_file(made):
    """A function "(1) a;b#<newline>fn=(3) <bad byte><right to left>"."""
    directory, _ = made
    for kind in 'callgrind', 'collapsed':
        text = (directory / ('page.' + kind)).read_text('utf-8')
        assert '\u202e' not in text and 'a;b' not in text
        assert not re.search(r'^fn=\(3\) ', text.replace(
            'fn=(3) ap_run_handler', ''), re.M)
    names = [key[2] for key in read_pstats(directory / 'page.pstats')]
    assert '?1) a?b#?fn=(3) ????' in names
