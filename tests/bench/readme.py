# SPDX-License-Identifier: Apache-2.0
"""The tables of README's "What it costs", made of what bench.py has measured:
to be pasted there as they are."""

PATHS = (('root', '`/`'), ('index', '`/index.html`'),
         ('long', 'path of 500 bytes'), ('escaped', '42 bytes, many `%20`'))
RATES = (100, 1000, 10000)


def row(*cells):
    return '| %s |' % ' | '.join(cells)


def table(title, columns, rows):
    return '\n'.join([row(title, *columns), row(*['---'] * (len(columns) + 1)),
                      *rows, ''])


def unprofiled(got):
    """got: {(path, configuration): (bytes, own, hooks, absent)}"""
    def cells(name, show):
        return [show(*got[path, name]) for path, _ in PATHS]

    def own(size, own, hooks, absent):
        return '%.0f + %.0f' % (own, hooks)
    return table(
        'a request that is not profiled, instructions',
        [words for _, words in PATHS], [
            row('httpd without the module, as a whole', *cells(
                'off', lambda size, own, hooks, absent:
                '{:,.0f}'.format(absent))),
            row('`LPProfilingAllowed Off` everywhere: own', *cells(
                'off', lambda size, own, hooks, absent: '%.0f' % own)),
            row("allowed: own, and in httpd's loop over hooks",
                *cells('allowed', own)),
            row('goal where it is allowed (40, and 2 a byte)', *cells(
                'allowed', lambda size, *rest: '%d' % (40 + 2 * size))),
            row('off, another host allows it (goal: 40)',
                *cells('off beside a host that allows', own))])


def handler(samples, caches):
    return '%.2f us' % ((samples['handler.%s.ours' % caches]
                         - samples['handler.%s.empty' % caches]) / 1e3)


def profiled(figures):
    samples, rates, files = (figures[name]
                             for name in ('samples', 'rates', 'files'))
    memory, hook = figures['memory'], figures['hooks']
    per_second = figures['per_second']

    def each(form, name, scale=1):
        return ', '.join(form % (files[name % count] * scale)
                         for count in (1000, 10000, 100000))
    sizes = ['%.2f' % (sum(files['files.%d.%s' % (count, name)] for name in (
        'callgrind', 'pstats', 'pprof', 'collapsed')) / 1e6)
        for count in (1000, 10000, 100000)]
    without, before = figures['before']
    return table('what', ('measured', 'goal'), [
        row('signal handler, 6 kB of stack, above an empty one: caches warm, '
            'cold', '%s, %s' % (handler(samples, 'warm'),
                                handler(samples, 'cold')), '1 us'),
        row('unwinding 32 frames by the table (by libunwind)',
            '%.2f us (%.0f us)' % (samples['unwind.table'],
                                   samples['unwind.libunwind']), '4 us'),
        row('a listing of 2,000 files (mod_autoindex, a subrequest a file), CPU '
            'against itself unprofiled: `callgrind`, `show`',
            '%.2f, %.2f times' % tuple(figures['listings'][action, 2000]
                                       for action in ('callgrind', 'show')),
            '1.3 times'),
        row('a profiled hook call, counted and timed, all included',
            '%.0f ns' % (hook[1] - hook[0]), '100 ns'),
        row("take one's turn and arm; disarm", '%.0f us, %.0f us' % (
            rates['arm'], rates['disarm']), '50 us, 20 us'),
        row('wake the helper before that', '%.0f us' % rates['knock'], ''),
        row('in httpd (event): all that a profiled request waits for before '
            'it goes on', '%.0f us' % (before - without), ''),
        row('helper thread, all it does, CPU a sample at 1000 Hz (10,000 Hz)',
            '%.0f us (%.0f us)' % (rates['rate.1000.helper'],
                                   rates['rate.10000.helper']), ''),
        row('1,000, 10,000, 100,000 samples to all four files, CPU, first '
            'profile of a child', each('%.1f', 'files.%d.cold') + ' ms',
            '8 ms for 10,000'),
        row('the same, later profiles', each('%.1f', 'files.%d.warm') + ' ms',
            ''),
        row('the saved form beside them', each('%.1f', 'saved.%d') + ' ms',
            ''),
        row('bytes of the four files together; of the saved form',
            '%s MB; %s kB' % (', '.join(sizes),
                              each('%.0f', 'saved.%d.bytes', 1e-3)), ''),
        row('symbols of 30 libraries, read once in the parent',
            '%.0f ms' % files['files.1000.read'], ''),
        row("source lines, once a child, where libc's debug file is installed",
            'about 50 ms', ''),
        row('memory of a child that its parent has not: module absent, '
            'allowed, after a profile, with source lines',
            '%.1f, %.1f, %.1f, %.0f MB' % tuple(
                memory[name] / 1e3 for name in (
                    'absent', 'allowed', 'after 1', 'after 50')), ''),
        row('static pages a second, every request profiled (one at a time, '
            'all files written)', '%.0f (unprofiled: %.0f)' % (
                per_second['every request profiled'],
                per_second['allowed, none profiled']), '')])


def sampled(got):
    def cpu(hz, kind):
        return got['rate.%d.%s.cpu' % (hz, kind)]

    def more(kind, than):
        return ['%+.2f %%' % ((cpu(hz, kind) / cpu(hz, than) - 1) * 100)
                for hz in RATES]
    return table('CPU of a thread that computes for 200 ms',
                 ['{:,} Hz'.format(hz) for hz in RATES], [
                     row('an empty handler, fed the same way',
                         *more('empty', 'bare')),
                     row('sampled', *more('sampled', 'bare')),
                     row('sampled against empty (goal at 1000 Hz: +0.4 %)',
                         *more('sampled', 'empty'))])


def profilers(got):
    def cells(name):
        rows = [got.get('%s %d Hz' % (name, hz)) for hz in RATES]
        return ['%+.1f %%' % ((cells[4] - 1) * 100)
                if isinstance(cells, tuple) else '' for cells in rows]
    return table('CPU of the serving thread, a Lua page of 77 ms, against '
                 'itself without', ['{:,} Hz'.format(hz) for hz in RATES], [
                     row('mod_lpprofile, the whole request',
                         *cells('mod_lpprofile')),
                     row("gperftools' libprofiler (no more than 250 Hz come)",
                         *cells('libprofiler')),
                     row('`perf record -g`', *cells('perf record -g'))])


def text(figures):
    return '\n'.join([unprofiled(figures['unprofiled']), profiled(figures),
                      sampled(figures['rates']),
                      profilers(figures['profilers'])])
