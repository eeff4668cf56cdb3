# SPDX-License-Identifier: Apache-2.0
"""A profiler that costs more than 10 % of a request's CPU time stands down."""
import re

import pytest

ON = 'LPProfilingAllowed On\n'


def profile(server, path):
    got = server.get(path)
    assert got.lpprofile.startswith('profiled'), got.headers
    return got, server.wait_files(got.oops_id)[0].read_text()


def rate(text):
    """(true, asked) of a callgrind log."""
    match = re.search(r'Rate: ([\d.]+) Hz of (\d+) Hz asked', text)
    return float(match.group(1)), int(match.group(2))


def test_a_rate_that_costs_too_much_is_lowered_and_every_output_says_so(
        httpd):
    server = httpd(ON + 'LPProfileRate 10000\n', features=['lua'])
    got, text = profile(
        server, '/++profile++show&callgrind/lua/compute.lua?ms=700')
    true_hz, asked_hz = rate(text)
    assert asked_hz == 10000
    if 'lowered' not in text:
        pytest.skip('this machine profiles at 10 kHz for under 10 %%: %.0f Hz'
                    % true_hz)
    assert true_hz < 9000
    line = server.expect_log(r'LPP066: %s: .*rate lowered to (\d+) Hz'
                             % got.oops_id)
    assert int(line.group(1)) in (5000, 2500, 1250, 625, 312, 156, 78, 39)
    # The profile is as whole as ever: its total is the request's.
    total = int(re.search(r'^totals: (\d+)', text, re.M).group(1))
    assert 600_000 < total < 5_000_000


def test_the_default_rate_stays_what_it_is(httpd):
    server = httpd(ON, features=['lua'])
    got, text = profile(server, '/++profile++callgrind/lua/compute.lua?ms=500')
    wall, cpu = re.search(r'^totals: (\d+) (\d+)', text, re.M).groups()
    if int(cpu) < 0.8 * int(wall):
        pytest.skip('the machine is busy: ticks are dear by themselves')
    assert 'lowered' not in text
    assert 'LPP066: ' + got.oops_id not in '\n'.join(server.error_lines())


def test_short_requests_are_not_judged(httpd):
    server = httpd(ON + 'LPProfileRate 10000\n', features=['lua'])
    for _ in range(5):
        got, text = profile(server,
                            '/++profile++callgrind/lua/compute.lua?ms=20')
        assert 'lowered' not in text and 'rate-lowered' not in got.lpprofile
