# SPDX-License-Identifier: Apache-2.0
"""What the parts of the soak share: watching processes, reading what is left.

    make -f Makefile.apxs soak SOAK_SECONDS=600

runs tests/http/test_storm.py for a quarter of the time, the tests marked
"stress" for another, and every tests/soak/soak_*.py but this one, each with an
equal share of the rest, SOAK_PART_SECONDS. A part prints figures and ends with
exit code 1 where a promise was broken. LPP_MODULE picks the .so.
"""
import gzip
import os
import pathlib
import pstats
import re
import statistics
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'http'))

import httpd_env  # noqa: E402

SECONDS = float(os.environ.get('SOAK_PART_SECONDS', '450'))
PAGE = os.sysconf('SC_PAGE_SIZE')


class Watch(threading.Thread):
    """Memory, descriptors and threads of a server's processes, by process."""

    def __init__(self, server, every=0.5):
        super().__init__(daemon=True)
        self.server, self.every = server, every
        self.seen = {}  # pid -> [(time, rss, fds, threads)]
        self.ended = False

    def look(self):
        now = time.monotonic()
        for pid in [self.server.process.pid, *self.server.children()]:
            try:
                proc = pathlib.Path('/proc/%d' % pid)
                rss = int((proc / 'statm').read_text().split()[1]) * PAGE
                self.seen.setdefault(pid, []).append(
                    (now, rss, len(os.listdir(proc / 'fd')),
                     len(os.listdir(proc / 'task'))))
            except OSError:
                continue

    def run(self):
        while not self.ended:
            self.look()
            time.sleep(self.every)

    def stop(self):
        self.ended = True
        self.join(10)

    def growth(self, since, warm_up):
        """For each process watched for long enough since then, once warm:
        (pid, RSS then, RSS now, fds then, now, threads then, now), medians of
        the first and the last quarter. A process is warm a while after it got
        the last of its threads: a child gets those of the profiler, and their
        memory, with its first profile."""
        rows = []
        for pid, series in self.seen.items():
            threads = max(row[3] for row in series)
            full = next(row[0] for row in series if row[3] == threads)
            series = [row for row in series
                      if row[0] >= max(since, full) + warm_up]
            if len(series) < 12:
                continue
            quarter = len(series) // 4
            row = [pid]
            for column in (1, 2, 3):
                for part in (series[:quarter], series[-quarter:]):
                    row.append(statistics.median(r[column] for r in part))
            rows.append(tuple(row))
        return rows


def _callgrind(path):
    text = path.read_text('utf-8')
    assert text.startswith('# callgrind format\n'), 'no first line'
    summary = re.search(r'^summary: (.*)$', text, re.M).group(1)
    assert re.search(r'^totals: (.*)$', text, re.M).group(1) == summary
    assert text.endswith('\n')


def _pstats(path):
    assert pstats.Stats(str(path)).total_calls > 0


def _pprof(path):
    assert gzip.decompress(path.read_bytes())


def _collapsed(path):
    for line in path.read_text('utf-8').splitlines():
        int(line.rpartition(' ')[2])


def _oops(path):
    head = path.read_text('ascii').partition('\n\n')[0]
    fields = dict(line.partition(': ')[::2] for line in head.splitlines())
    assert fields['Oops-Id'] == path.name
    for name in ('Exception-Type', 'Exception-Value', 'Date', 'Page-Id',
                 'URL', 'Duration', 'Informational', 'Oops-Reporter'):
        assert name in fields, name
    return fields['Exception-Type']


READERS = ((r'callgrind\.out\..*', _callgrind), (r'.*\.prof', _pstats),
           (r'.*\.pb\.gz', _pprof), (r'.*\.collapsed\.txt', _collapsed))


def read_files(server):
    """Open all that the server left: (files read, faults, temporary files,
    {OOPS type: count})."""
    read, faults, left, types = 0, [], [], {}
    for path in sorted(server.profile_dir.rglob('*')):
        if not path.is_file():
            continue
        if path.name.endswith('.tmp'):
            left.append(path.name)
            continue
        try:
            if path.name.startswith('OOPS-'):
                kind = _oops(path)
                types[kind] = types.get(kind, 0) + 1
            else:
                for pattern, reader in READERS:
                    if re.fullmatch(pattern, path.name):
                        reader(path)
            read += 1
        except Exception as fault:
            faults.append('%s: %r' % (path.name, fault))
    return read, faults, left, types


def megabytes(count):
    return count / 1048576.0
