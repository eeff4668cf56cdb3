# SPDX-License-Identifier: Apache-2.0
"""Sampled at 10 kHz while objects come and go, threads allocate, throw and
fork: nothing hangs, nothing dies, no stack is wrong. LPP_SOAK=seconds makes it
last (make -f Makefile.apxs soak)."""
import os
import re
import time

import pytest

import apxs_env
from stacks import Stacks

pytestmark = [pytest.mark.alone('needs ten thousand ticks a second'),
              pytest.mark.no_valgrind('too slow to give enough samples')]

SOAK_S = float(os.environ.get('LPP_SOAK', '0'))
ROUND_CPU_MS = 1000  # of the request; with others beside it, twice as long


@pytest.fixture
def storm(httpd):
    apxs_env.build_plugin('plugin_a', '-DPLUGIN_A')
    apxs_env.build_plugin('plugin_b')
    where = apxs_env.build_plugin('plugin_c', '-DPLUGIN_A').parent
    # The C++ module is the last one that is loaded.
    return httpd('LPProfilingAllowed On\nLPProfileRate 10000\n'
                 + apxs_env.load('lpp_test_storm')
                 + apxs_env.load('lpp_test_cxx')
                 + '<Location /storm>\nSetHandler lpp-storm\n</Location>\n'
                   '<Location /cxx>\nSetHandler lpp-cxx\n</Location>\n',
                 env={'LPP_STORM_DIR': str(where), **apxs_env.full_rate()})


def check_stacks(path, text):
    stacks = Stacks(path)
    for function, caller in (('plugin_a_inner', 'plugin_a_work'),
                             ('plugin_a_work', 'storm_call_a'),
                             ('plugin_b_work', 'plugin_b_other'),
                             ('plugin_b_other', 'storm_call_b')):
        # Directly below its caller, or at the end of what is known of a stack.
        wrong = [stack for stack, _ in stacks.lines if function in stack
                 and stack[stack.index(function) - 1]
                 not in (caller, 'call', '[request]')]
        assert not wrong, (function, wrong[:3])
    assert stacks.us('storm_call_a', 'plugin_a_inner') > 0
    assert stacks.us('storm_call_b', 'plugin_b_work') > 0
    match = re.search(r'(\d+) lost, (\d+) cut, (\d+) broken', text)
    samples = int(re.search(r'^(?:summary|totals): \d+ \d+ (\d+)', text,
                            re.M).group(1))
    rate = re.search(r'Rate: ([\d.]+) Hz of (\d+) Hz asked', text)
    print('%d samples, %s; %s' % (samples, match.group(0), rate.group(0)))
    assert rate.group(2) == '10000' and 'lowered' not in text
    return samples, int(match.group(2)) + int(match.group(3))


def one_round(storm):
    """(samples, of them those that did not reach the root) of one storm."""
    got = storm.get('/++profile++collapsed&callgrind/storm?%d' % ROUND_CPU_MS,
                    timeout=120)
    assert got.status == 200 and got.lpprofile.startswith('profiled')
    faults, same, *done = [int(n) for n in got.text.split(';')]
    print('same address %d, loads %d, mallocs %d, throws %d, forks %d'
          % (same, *done))
    assert faults == 0
    assert same > 10 and all(n > 10 for n in done)
    files = storm.wait_files(got.oops_id, 2, 30)
    text = next(f for f in files
                if f.name.startswith('callgrind.')).read_text()
    samples, bad = check_stacks(
        next(f for f in files if f.name.endswith('.txt')), text)
    assert samples > 100
    return samples, bad


def test_a_storm(storm):
    children = set(storm.children())
    samples = bad = 0
    end = time.monotonic() + SOAK_S
    while not samples or time.monotonic() < end:
        now, broken = one_round(storm)
        samples, bad = samples + now, bad + broken
    # What was unloaded before its sample was looked at is not guessed.
    print('%d of %d stacks did not reach the root (%.3f %%)'
          % (bad, samples, 100.0 * bad / samples))
    assert bad <= samples * 0.5
    assert set(storm.children()) == children # nobody died


def test_cxx_throws_through_its_own_unwinder(storm):
    for prefix in ('', '/++profile++collapsed'):
        got = storm.get(prefix + '/cxx', timeout=60)
        assert got.text == '5000\n'
    files = storm.wait_files(got.oops_id, 1)
    assert any('libgcc_s' in line for line in
               files[0].read_text().splitlines())
