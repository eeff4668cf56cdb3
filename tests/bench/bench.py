# SPDX-License-Identifier: Apache-2.0
"""Every figure of the README's table, measured in one run:

    make -f Makefile.apxs bench

prints them as Markdown, with the machine they are of, and at the end README's
own tables, to be pasted. Bounds, where there are
some, stand beside what was measured; nothing is asserted. Programs of
tests/bench in C are in $LPP_BUILD, the module is $LPP_MODULE.
"""
import os
import pathlib
import platform
import re
import subprocess
import sys

import bench_hooks
import bench_memory
import bench_pagecode
import bench_sql
import instructions
import readme
import served

BUILD = pathlib.Path(os.environ['LPP_BUILD'])
ROUNDS = os.environ.get('LPP_BENCH_ROUNDS', '15')
FIGURES = {}  # by part, for readme.text


def say(*cells):
    print('| %s |' % ' | '.join(str(cell) for cell in cells), flush=True)


def head(title, *columns):
    print('\n%s\n' % title)
    say(*columns)
    say(*['---'] * len(columns))


def machine():
    cpu = re.search(r'model name\s*: (.*)',
                    pathlib.Path('/proc/cpuinfo').read_text())
    release = dict(
        line.split('=', 1) for line in
        pathlib.Path('/etc/os-release').read_text().splitlines() if '=' in line)
    httpd = subprocess.run([served.httpd_env.HTTPD, '-v'], text=True,
                           stdout=subprocess.PIPE).stdout
    print('%s, %d CPUs (%s), Linux %s, %s, load %.1f %.1f %.1f before' % (
        release.get('PRETTY_NAME', '').strip('"'), os.cpu_count(),
        cpu.group(1) if cpu else '?', platform.release(),
        re.search(r'Apache/[\d.]+', httpd).group(), *os.getloadavg()))


def program(name):
    """{name: value} of a program in C."""
    out = subprocess.run([str(BUILD / name), ROUNDS], check=True, text=True,
                         stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE).stdout
    return {words[0]: float(words[1])
            for words in map(str.split, out.splitlines())}


def unprofiled():
    head('Instructions that a request pays which is not profiled',
         'configuration', 'path', 'own', 'calls of anything else',
         "httpd's hook loops",
         'whole process, against absent', 'bound')
    rows = instructions.table(
        ['off', 'allowed, LPProfileHooks Off', 'allowed',
         'off beside a host that allows'], ['root', 'index', 'long', 'escaped'])
    for path, size, configuration, own, calls, hooks, whole, more in rows:
        FIGURES.setdefault('unprofiled', {})[path, configuration] = (
            size, own, hooks, whole - more)
        bound = 40 + (2 * size if configuration.startswith('allowed') else 0)
        say(configuration, '%s, %d bytes' % (path, size), '%.0f' % own,
            '%.0f' % calls, '%+.0f' % hooks,
            '%+.0f of %.0f' % (more, whole), bound)


def samples():
    got = FIGURES['samples'] = program('bench_samples')
    head('One sample', 'what', 'measured', 'bound')
    for caches in ('warm', 'cold'):
        empty, ours = (got['handler.%s.%s' % (caches, kind)]
                       for kind in ('empty', 'ours'))
        say('handler, 6 kB of stack, %s caches, less an empty handler' % caches,
            '%.2f us (%.2f - %.2f)' % ((ours - empty) / 1e3, ours / 1e3,
                                       empty / 1e3), '1 us')
    for kind, bound in (('table', '4 us'), ('libunwind', '-')):
        say('unwinding, %s, %.0f frames' % (
            kind, got['unwind.%s.frames' % kind]),
            '%.2f us' % got['unwind.' + kind], bound)


def page_code():
    head('Reading the page functions of one sample, in the handler',
         'frames', 'warm caches', 'cold caches', 'bound')
    for language in ('PHP', 'Python', 'Lua', 'Perl'):
        name = language.lower()
        got = program('bench_interp_' + name)
        for frames, bound in ((10, '2 us'), (50, '4 us'), (200, '8 us')):
            say('%d of %s' % (frames, language), *[
                '%.2f us' % (got['interp.%s.%d.%s' % (name, frames, caches)]
                             / 1e3) for caches in ('warm', 'cold')], bound)
    got = program('bench_interp_merge')
    say('no interpreter', '%.1f ns' % got['interp.none'], '', '5 ns')
    head('Merging them with 40 frames of the C stack, in the helper',
         'page functions', 'measured', 'bound')
    for frames, bound in ((10, '-'), (50, '3 us'), (200, '-')):
        say(frames, '%.2f us' % (got['interp.merge.%d' % frames] / 1e3),
            bound)
    head('A page whose work is done below %d functions, profiled at 1000 Hz: '
         'main thread, the least of %d turns. Without page functions '
         '(LPProfileInterpreters Off) of two servers, which shows the noise'
         % (bench_pagecode.FRAMES, bench_pagecode.TURNS),
         'language', 'CPU unprofiled', 'without', 'without, another', 'with',
         'bound of the difference')
    for language in bench_pagecode.PAGES:
        bare, *shares = bench_pagecode.shares(language)
        say(language, '%.1f ms' % bare,
            *['%+.2f %%' % (share * 100) for share in shares], '+0.4 %')


def waits():
    got = FIGURES['waits'] = program('bench_waits')
    head('Naming what a thread waits for, in the helper, once an episode '
         '(CPU)', 'what', 'first', 'later', 'bound')
    for name, what in (('sleep', 'a sleep'), ('tcp', 'read from a TCP socket'),
                       ('poll_1', 'poll of one'), ('poll_16', 'poll of 16'),
                       ('epoll_16', 'epoll_wait of 16'),
                       ('pipe', 'a pipe with a child'),
                       ('child', 'waitpid'), ('futex', 'a condition'),
                       ('file', 'a file'), ('flock', 'a lock of a file')):
        say(what, '%.1f us' % got['wait_%s.first' % name],
            '%.1f us' % got['wait_' + name], '20 us')


def rates():
    got = FIGURES['rates'] = program('bench_rates')
    head('A thread that computes for 200 ms: its CPU time',
         'rate', 'alone', 'empty handler, fed the same way', 'sampled',
         'sampled against empty', "helper's CPU a sample")
    for hz in served.RATES:
        bare, empty, ours = (got['rate.%d.%s.cpu' % (hz, kind)]
                             for kind in ('bare', 'empty', 'sampled'))
        say('%d Hz' % hz, '%.2f ms' % bare,
            '%.2f ms (%+.2f %%)' % (empty, (empty / bare - 1) * 100),
            '%.2f ms (%+.2f %%)' % (ours, (ours / bare - 1) * 100),
            '%+.2f %%' % ((ours / empty - 1) * 100),
            '%.1f us' % got['rate.%d.helper' % hz])
    head('The same, wall time', 'rate', 'alone',
         'empty handler, fed the same way', 'sampled')
    for hz in served.RATES:
        say('%d Hz' % hz, *['%.1f ms' % got['rate.%d.%s.wall' % (hz, kind)]
                            for kind in ('bare', 'empty', 'sampled')])
    head('A profile begins and ends', 'what', 'measured', 'bound')
    say('announce it, which wakes the helper', '%.0f us' % got['knock'], '-')
    say('take the turn and arm', '%.0f us' % got['arm'], '50 us')
    say('disarm', '%.0f us' % got['disarm'], '20 us')
    without, profiled = FIGURES['before'] = served.before_serving()
    say('in httpd, event: all hooks of post_read_request, without (%.0f us)'
        % without, '%.0f us' % profiled, '-')


def profilers():
    head('The same request (a page in Lua) under each profiler, against itself '
         'without: main thread', 'profiler', 'CPU without', 'with', 'more',
         'wall without', 'with', 'more')
    for name, row in served.rates():
        FIGURES.setdefault('profilers', {})[name] = row
        if isinstance(row, str):
            say(name, 'failed: ' + ' '.join(row.split()))
            continue
        cpu, wall, cpu_on, wall_on, cpu_ratio, wall_ratio = row
        say(name, '%.2f ms' % cpu, '%.2f ms' % cpu_on,
            '%+.2f %%' % ((cpu_ratio - 1) * 100), '%.2f ms' % wall,
            '%.2f ms' % wall_on, '%+.2f %%' % ((wall_ratio - 1) * 100))


def listings():
    head('A listing of a directory (mod_autoindex, a subrequest a file): main '
         'thread, against itself without', 'files, asked for', 'CPU without',
         'with', 'ratio', 'wall without', 'with', 'ratio', 'bound')
    for action in ('callgrind', 'show'):
        for count in (500, 2000, 4000):
            cpu, wall, cpu_on, wall_on, cpu_ratio, wall_ratio = (
                served.listings(action, count))
            FIGURES.setdefault('listings', {})[action, count] = cpu_ratio
            say('%d, %s' % (count, action), '%.1f ms' % cpu,
                '%.1f ms' % cpu_on, '%.2f' % cpu_ratio, '%.1f ms' % wall,
                '%.1f ms' % wall_on, '%.2f' % wall_ratio,
                '1.3' if count == 2000 else '-')


def files():
    got = FIGURES['files'] = program('bench_files')
    head('Samples to the bytes of all four formats (CPU; made-up samples in '
         'real libraries)',
         'samples (nodes)', 'first profile of a child', 'later', 'bytes',
         'saved for the report pages', 'its bytes', 'bound')
    for count in (1000, 10000, 100000):
        sizes = [got['files.%d.%s' % (count, name)] for name in
                 ('callgrind', 'pstats', 'pprof', 'collapsed')]
        say('%d (%d)' % (count, got['files.%d.nodes' % count]),
            '%.1f ms' % got['files.%d.cold' % count],
            '%.1f ms' % got['files.%d.warm' % count], '%d' % sum(sizes),
            '%.1f ms' % got['saved.%d' % count],
            '%d' % got['saved.%d.bytes' % count],
            '8 ms' if count == 10000 else '-')
    say('symbols of all objects, read once in the parent',
        '%.1f ms' % got['files.1000.read'], '', '', '', '', '-')
    head('The same in httpd, page in Lua: the jobs thread until the files are '
         'there, with OOPS and, in the first profile, source lines',
         'rate, time', 'samples', "jobs thread's CPU", 'bytes',
         "helper's CPU a sample")
    for hz, ms in ((1000, 1000), (10000, 1000), (10000, 10000)):
        for nth, row in zip(('first', 'second'), served.files(hz, ms)):
            say('%d Hz, %d s, %s' % (hz, ms // 1000, nth), row[0],
                '%.1f ms' % row[1], row[2], '%.1f us' % row[3])


def memory():
    head('Memory of a child, less what it shares with its parent (prefork; '
         'profiles with source lines where debug files are installed)',
         'when', 'kB')
    FIGURES['memory'] = served.memory()
    for name, kilobytes in FIGURES['memory'].items():
        say(name, kilobytes)


def per_second():
    head('Requests a second (a static page, ab -k -c 4)', 'configuration',
         'requests a second')
    FIGURES['per_second'] = served.per_second()
    for name, value in FIGURES['per_second'].items():
        say(name, '%.0f' % value)


def hooks():
    without, profiled = FIGURES['hooks'] = bench_hooks.served_ns()
    head('A hook that declines at once', 'when', 'measured', 'bound')
    say('nobody is profiled', '%.1f ns' % without, '-')
    say('its request is: more', '%.1f ns' % (profiled - without), '100 ns')


def plain(title, tell):
    print('\n%s\n\n```' % title, flush=True)
    tell()
    print('```', flush=True)


def statements():
    plain('An SQL statement', bench_sql.main)


def memory_log():
    plain('A line of LPMemoryProfileLog', bench_memory.main)


PARTS = (unprofiled, samples, page_code, waits, hooks, rates, profilers,
         listings, files, memory, per_second, statements, memory_log)


def main():
    chosen = sys.argv[1:]
    machine()
    for part in PARTS:
        if not chosen or part.__name__ in chosen:
            part()
    if not chosen:
        print('\nFor README:\n\n' + readme.text(FIGURES))


if __name__ == '__main__':
    main()
