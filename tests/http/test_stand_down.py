# SPDX-License-Identifier: Apache-2.0
"""A profiler that costs more than 10 % of a request's CPU time stands down."""
import re
import subprocess
import time

import pytest

from pauses import Pauses

pytestmark = pytest.mark.no_valgrind('measures what a tick costs')

ON = 'LPProfilingAllowed On\n'


def profile(server, path):
    got = server.get(path)
    assert got.lpprofile.startswith('profiled'), got.headers
    return got, server.wait_files(got.oops_id)[0].read_text()


def rate(text):
    """(true, asked) of a callgrind log."""
    match = re.search(r'Rate: ([\d.]+) Hz of (\d+) Hz asked', text)
    return float(match.group(1)), int(match.group(2))


# The helper's own CPU time, told TIMES too high: how a machine that is too
# slow, or a sample that is too dear, would look.
DEAR = '''
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/prctl.h>
#include <string.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    char name[16] = "";
    int rc;

    if (!real) {
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT,
                                                            "clock_gettime");
    }
    rc = real(clock, now);
    if (clock == CLOCK_THREAD_CPUTIME_ID
        && prctl(PR_GET_NAME, name) == 0 && !strcmp(name, "lpp-helper")) {
        long long ns = (now->tv_sec * 1000000000ll + now->tv_nsec) * TIMES;

        now->tv_sec = ns / 1000000000;
        now->tv_nsec = ns % 1000000000;
    }
    return rc;
}
'''


@pytest.fixture
def dear(httpd, tmp_path):
    """A server whose helper thread reads that it took so many times more."""
    def make(config, times):
        source, library = tmp_path / 'dear.c', tmp_path / 'dear.so'
        source.write_text(DEAR)
        subprocess.run(['gcc', '-shared', '-fPIC', '-DTIMES=%d' % times,
                        '-o', library, source], check=True)
        return httpd(ON + config, features=['lua'], fresh=True,
                     env={'LD_PRELOAD': str(library)})
    return make


def test_a_rate_that_costs_too_much_is_lowered_and_every_output_says_so(
        dear):
    # A tick at 10 kHz takes more than half a microsecond on any machine.
    server = dear('LPProfileRate 10000\n', 20)
    for ms in (700, 1400, 2800, 5600, 11200):
        got, text = profile(
            server, '/++profile++show&callgrind/lua/compute.lua?ms=%d' % ms)
        cpu = int(re.search(r'^totals: \d+ (\d+)', text, re.M).group(1))
        # A rate is judged after 100 ms of CPU time, of which a busy machine
        # may give less.
        if cpu > 400_000:
            break
    true_hz, asked_hz = rate(text)
    assert asked_hz == 10000
    assert 'lowered' in text
    assert true_hz < asked_hz # from when it was lowered, which may be late
    line = server.expect_log(r'LPP066: %s: .*rate lowered to (\d+) Hz'
                             % got.oops_id)
    # By halves; the busier the machine, the dearer is a tick.
    assert int(line.group(1)) in [10000 >> times for times in range(1, 11)]
    # The profile is as whole as ever: its total is the request's.
    total = int(re.search(r'^totals: (\d+)', text, re.M).group(1))
    assert (ms - 100) * 1000 < total < (ms + 4300) * 1000


@pytest.mark.alone('ticks are dear where the caches are shared')
def test_the_default_rate_stays_what_it_is(httpd):
    server = httpd(ON, features=['lua'])
    # A pause of the machine within a tick makes that tick dear: a rate that is
    # too high is lowered every time, also where the machine took nothing.
    lowered = 0
    for _ in range(20):
        with Pauses(server.children()) as pauses:
            got, text = profile(
                server, '/++profile++callgrind/lua/compute.lua?ms=500')
        if 'lowered' not in text:
            break
        lowered += pauses.lost < 0.02 * 0.5
        assert lowered < 4
    assert 'lowered' not in text
    assert 'LPP066: ' + got.oops_id not in '\n'.join(server.error_lines())


def test_short_requests_are_not_judged(httpd):
    server = httpd(ON + 'LPProfileRate 10000\n', features=['lua'])
    for _ in range(5):
        got, text = profile(server,
                            '/++profile++callgrind/lua/compute.lua?ms=20')
        assert 'lowered' not in text and 'rate-lowered' not in got.lpprofile


def test_a_profiler_that_is_still_too_dear_ends_the_profile(dear):
    server = dear('LPProfileRate 100\n', 100000)
    begin = time.monotonic()
    got, text = profile(
        server, '/++profile++show&callgrind/lua/compute.lua?ms=2500')
    # 100, 50, 25 Hz for 100 ms of CPU time each: then it is over, the request
    # is not, by whatever others want of the processor.
    assert got.status == 200
    assert 'stood-down' in got.lpprofile
    assert 'the profiler cost too much' in got.text
    assert 'cut short: the profiler cost too much' in text
    total = int(re.search(r'^totals: (\d+)', text, re.M).group(1))
    assert 290_000 < total < 2_400_000
    assert time.monotonic() - begin > 2.5
    server.wait_oops(got.oops_id)
    server.expect_log(r'LPP066: %s: .*rate lowered to 25 Hz, then ended'
                      % got.oops_id)
    page = server.report(got.oops_id).text
    assert 'the profiler cost too much' in page
    assert 'it lowered its rate to 25' in page
    status = server.get('/++profile++callgrind/index.html')
    assert status.lpprofile.startswith('profiled')
