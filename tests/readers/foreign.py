# SPDX-License-Identifier: Apache-2.0
"""Programs that read our files, and made-up profiles for them.

run_pprof(arguments) -> what "go tool pprof" prints; Debian has it in golang-go.
speedscope(), linters() -> the path of speedscope's page, of the directory with
eslint and stylelint; fetched once a build directory (fetch.sh), and the test is
skipped, with the reason, where they cannot be had. made(directory) -> {case:
Totals} of the profiles that make_profiles wrote there.
"""
import collections
import contextlib
import fcntl
import functools
import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get('LPP_BUILD', ROOT / 'build'))
CASES = ['empty', 'nothing', 'one', 'deep', 'mutual', 'odd', 'huge', 'wild',
         'wild_no_lines', 'page', 'lineless']
Totals = collections.namedtuple('Totals', 'wall cpu ready samples')


@contextlib.contextmanager
def locked(name):
    """One worker at a time makes it, the others find it made."""
    with open(BUILD / (name + '.lock'), 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@functools.lru_cache(None)
def fetched(name):
    """(exit code of fetch.sh, what it said), asked once."""
    try:
        with locked(name):
            done = subprocess.run(
                ['sh', str(HERE / 'fetch.sh'), name, str(BUILD / 'readers')],
                text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                timeout=300, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return 2, name + ': nobody answered in time'
    return done.returncode, done.stdout.strip()


def fetch(name):
    code, said = fetched(name)
    if code == 2:
        pytest.skip(said.splitlines()[-1])
    assert code == 0, said
    return BUILD / 'readers' / name


def run_pprof(*arguments):
    done = subprocess.run(['go', 'tool', 'pprof', *map(str, arguments)],
                          text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def speedscope():
    return fetch('speedscope') / 'dist' / 'release' / 'index.html'


def linters():
    return fetch('linters') / 'node_modules'


def made(directory):
    program = BUILD / 'make_profiles'
    with locked('make_profiles'):
        subprocess.run(['make', '-s', '-f', 'Makefile.apxs',
                        'BUILD=%s' % BUILD, str(program)], cwd=ROOT,
                       check=True)
    out = subprocess.run([str(program), str(directory)], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    totals = {}
    for line in out.splitlines():
        name, *numbers = line.split()
        totals[name] = Totals(*map(int, numbers))
    assert sorted(totals) == sorted(CASES)
    return totals
