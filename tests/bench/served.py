# SPDX-License-Identifier: Apache-2.0
"""What profiling costs requests of a live httpd, beside other profilers.

httpd -X, prefork: one process, whose main thread serves. All servers of a
comparison run side by side and are asked in turns, so that the machine's noise
meets all alike; the medians count. CPU is what the kernel says of the main
thread (schedstat), so that of the profiler's own threads stands apart.
"""
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'http'))

import callgrind  # noqa: E402
import httpd_env  # noqa: E402

WORK = '''-- Always the same work, about 100 ms.
function handle(r)
    local sum = 0
    for i = 1, 3000000 do
        sum = (sum + i * i) % 1000003
    end
    r.content_type = "text/plain"
    r:puts(sum, "\\n")
    return apache2.OK
end
'''
TURNS = 15
RATES = (100, 1000, 10000)
LIBPROFILER = '/usr/lib/x86_64-linux-gnu/libprofiler.so.0'
ALLOWED = 'LPProfilingAllowed On\nLPProfileRate %d\n'
FORMATS = '/++profile++callgrind&pstats&pprof&collapsed'


class Single(httpd_env.Httpd):
    """An httpd -X."""

    def __init__(self, config, base, env=None, profiler=True):
        super().__init__('MaxKeepAliveRequests 0\nTimeout 100\n' + config,
                         mpm='prefork', features=['lua'], base=base, env=env,
                         profiler=profiler, log_level='notice')
        (self.site / 'lua' / 'work.lua').write_text(WORK)

    def start(self):
        self._pick_ports()
        self._write_configuration()
        self.process = self._spawn('-X', start_new_session=True,
                                   preexec_fn=httpd_env._die_with_parent)

        def answers():
            try:
                return self.get('/plain.txt').status == 200
            except OSError:
                return False
        httpd_env.wait_for(answers, 20, 'httpd -X')
        return self

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.process.stdout.close()
        self.remove()

    def cpu_ns(self, name=None):
        """Of the main thread, or of those with that name."""
        total = 0
        for task in pathlib.Path('/proc/%d/task' % self.process.pid).iterdir():
            comm = (task / 'comm').read_text().strip()
            if comm == name or name is None \
                    and task.name == str(self.process.pid):
                total += int((task / 'schedstat').read_text().split()[0])
        return total

    def private_kb(self):
        rollup = pathlib.Path('/proc/%d/smaps_rollup' % self.process.pid)
        return int(re.search(r'Private_Dirty:\s+(\d+)',
                             rollup.read_text()).group(1))


def took(server, path):
    """(CPU, wall) of a request, in ms."""
    cpu, wall = server.cpu_ns(), time.perf_counter()
    got = server.get(path)
    wall = time.perf_counter() - wall
    assert got.status == 200, got
    cpu = server.cpu_ns() - cpu
    return cpu / 1e6, wall * 1e3


def perf_command(server, hz):
    return ['perf', 'record', '-q', '-F', str(hz), '-g', '-p',
            str(server.process.pid), '-o', str(server.root / 'perf.data')]


def perf_runs(server):
    if not shutil.which('perf'):
        return False
    try:
        return subprocess.run(
            [*perf_command(server, 100), '--', 'true'],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=20).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def rates(base=None, turns=TURNS):
    """{name: (CPU ms, wall ms)} of the same request, under each profiler."""
    cases, recorders = {}, []
    try:
        cases['none'] = (Single('', base, profiler=False).start(), '')
        for hz in RATES:
            cases['mod_lpprofile %d Hz' % hz] = (
                Single(ALLOWED % hz, base).start(), '/++profile++callgrind')
        if pathlib.Path(LIBPROFILER).exists():
            for hz in RATES[:2]:
                server = Single('', base, profiler=False)
                server.env = {'LD_PRELOAD': LIBPROFILER,
                              'CPUPROFILE': str(server.root / 'cpuprofile'),
                              'CPUPROFILE_FREQUENCY': str(hz)}
                cases['libprofiler %d Hz' % hz] = (server.start(), '')
        if perf_runs(cases['none'][0]):
            for hz in RATES:
                server = Single('', base, profiler=False).start()
                cases['perf record -g %d Hz' % hz] = (server, '')
                recorders.append(subprocess.Popen(
                    perf_command(server, hz), stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    preexec_fn=httpd_env._die_with_parent))
            time.sleep(1)
        seen = {name: [] for name in cases}
        for turn in range(turns + 1):
            for name, (server, segment) in cases.items():
                figures = took(server, segment + '/lua/work.lua')
                if turn:
                    seen[name].append(figures)
        return {name: tuple(statistics.median(column)
                            for column in zip(*rows))
                for name, rows in seen.items()}
    finally:
        for recorder in recorders:
            recorder.send_signal(signal.SIGINT)
            recorder.wait(30)
        for server, _ in cases.values():
            server.end()


def wait_idle(server):
    """Until the jobs thread has nothing to do any more; its CPU then."""
    last, same = server.cpu_ns('lpp-jobs'), 0
    while same < 20:
        time.sleep(0.01)
        now = server.cpu_ns('lpp-jobs')
        same = same + 1 if now == last else 0
        last = now
    return last


def files(hz, ms, base=None):
    """Of a profile in all formats, by a child that has not profiled before and
    again: [(samples, CPU ms of jobs thread, bytes, helper's us a sample)]."""
    server = Single(ALLOWED % hz, base).start()
    rows = []
    try:
        for _ in range(2):
            jobs = server.cpu_ns('lpp-jobs')
            helper = server.cpu_ns('lpp-helper')
            got = server.get(FORMATS + '/lua/compute.lua?ms=%d' % ms,
                             timeout=ms / 1000 + 60)
            paths = server.wait_files(got.oops_id, 4, timeout=60)
            jobs = wait_idle(server) - jobs
            helper = server.cpu_ns('lpp-helper') - helper
            log = next(p for p in paths if p.name.startswith('callgrind'))
            samples = callgrind.Callgrind(log).total[2]
            rows.append((samples, jobs / 1e6,
                         sum(p.stat().st_size for p in paths),
                         helper / 1e3 / samples))
    finally:
        server.end()
    return rows


def memory(base=None):
    """Private kB of a process: module absent, allowed, after 1 and 50
    profiles."""
    result = {}
    for name, config in (('absent', None), ('allowed', ALLOWED % 1000)):
        server = Single(config or '', base,
                        profiler=config is not None).start()
        try:
            for _ in range(20):
                server.get('/lua/work.lua')
            result[name] = server.private_kb()
            for done in range(50 if config else 0):
                got = server.get('/++profile++callgrind/lua/work.lua')
                server.wait_files(got.oops_id)
                if done in (0, 49):
                    wait_idle(server)
                    result['after %d' % (done + 1)] = server.private_kb()
        finally:
            server.end()
    return result


def per_second(requests=2000, base=None):
    """{name: requests a second} of a static page, by ab."""
    cases = {'absent': (None, ''),
             'allowed, none profiled': ('LPProfilingAllowed On\n', ''),
             'every request profiled':
             ('LPProfilingAllowed On\nLPProfileAllRequests On\n', '')}
    result = {}
    for name, (config, segment) in cases.items():
        server = httpd_env.Httpd(
            config or '', mpm='event', base=base,
            profiler=config is not None, log_level='error').start()
        try:
            runs = []
            for _ in range(3):
                done = subprocess.run(
                    ['ab', '-q', '-k', '-c', '4', '-n', str(requests),
                     server.url(segment + '/index.html')], text=True,
                    check=True, stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
                assert 'Non-2xx' not in done, done
                runs.append(float(re.search(r'Requests per second:\s+([\d.]+)',
                                            done).group(1)))
            result[name] = statistics.median(runs)
        finally:
            server.stop()
            server.remove()
    return result


if __name__ == '__main__':
    for part in sys.argv[1:] or ('rates', 'files', 'memory', 'per_second'):
        if part == 'files':
            for hz, ms in ((1000, 1000), (10000, 1000), (10000, 10000)):
                print(hz, ms, files(hz, ms), flush=True)
        else:
            print(part, globals()[part](), flush=True)
