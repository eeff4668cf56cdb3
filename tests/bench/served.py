# SPDX-License-Identifier: Apache-2.0
"""What profiling costs requests of a live httpd, beside other profilers.

httpd -X, prefork: one process, whose main thread serves. With and without
profiling in turns, so that the machine's noise meets both alike; the medians
count. CPU is what the kernel says of the main thread (schedstat), so that of
the profiler's own threads stands apart.
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

import apxs_env  # noqa: E402
import callgrind  # noqa: E402
import httpd_env  # noqa: E402

WORK = '''-- Always the same work, about 100 ms.
function handle(r)
    local sum = 0
    for i = 1, 10000000 do
        sum = (sum + i * i) % 1000003
    end
    r.content_type = "text/plain"
    r:puts(sum, "\\n")
    return apache2.OK
end
'''
TURNS = 15
ADDR_NO_RANDOMIZE = 0x40000  # of personality
RATES = (100, 1000, 10000)
LIBPROFILER = '/usr/lib/x86_64-linux-gnu/libprofiler.so.0'
ALLOWED = 'LPProfilingAllowed On\nLPProfileRate %d\n'
FORMATS = '/++profile++callgrind&pstats&pprof&collapsed'


def _begin():
    httpd_env._die_with_parent()
    # The same addresses each time: two servers differ by less then.
    httpd_env.LIBC.personality(ADDR_NO_RANDOMIZE)


class Single(httpd_env.Httpd):
    """An httpd -X."""

    def __init__(self, config, base, env=None, profiler=True,
                 features=('lua',), modules=()):
        super().__init__('MaxKeepAliveRequests 0\nTimeout 100\n' + config,
                         mpm='prefork', features=features, modules=modules,
                         base=base, env=env, profiler=profiler,
                         log_level='notice')
        (self.site / 'lua' / 'work.lua').write_text(WORK)

    def start(self):
        self._pick_ports()
        self._write_configuration()
        self.process = self._spawn('-X', start_new_session=True,
                                   preexec_fn=_begin)

        def answers():
            if self.process.poll() is not None:  # who answers is another's
                raise httpd_env.HttpdFailed(self._log())
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



def took(server, path):
    """(CPU, wall) of a request, in ms."""
    cpu, wall = server.cpu_ns(), time.perf_counter()
    got = server.get(path)
    wall = time.perf_counter() - wall
    assert got.status == 200, got
    cpu = server.cpu_ns() - cpu
    return cpu / 1e6, wall * 1e3


class Ours:
    """On: the segment in the URL."""

    def __init__(self, hz, base):
        self.server = Single(ALLOWED % hz, base).start()
        self.segment = ''

    def switch(self, on):
        self.segment = '/++profile++callgrind' if on else ''


class Libprofiler:
    """gperftools' profiler, which a signal turns on and off."""
    SIGNAL = signal.SIGUSR2
    segment = ''

    def __init__(self, hz, base):
        self.server = Single('', base, profiler=False)
        out = self.server.root / 'out'
        out.mkdir()
        out.chmod(0o777)  # it writes as the server's user
        self.server.env = {
            'LD_PRELOAD': LIBPROFILER, 'CPUPROFILE_FREQUENCY': str(hz),
            'CPUPROFILE': str(out / 'cpuprofile'),
            'CPUPROFILESIGNAL': str(int(self.SIGNAL))}
        self.server.start()
        self.on = False

    def switch(self, on):
        if on != self.on:
            self.server.process.send_signal(self.SIGNAL)
            self.on = on
            time.sleep(0.05)


class Perf:
    """perf record -g, attached for the request."""
    segment = ''

    def __init__(self, hz, base):
        self.server = Single('', base, profiler=False).start()
        self.hz, self.recorder = hz, None

    def switch(self, on):
        if on:
            self.recorder = subprocess.Popen(
                ['perf', 'record', '-q', '-F', str(self.hz), '-g', '-p',
                 str(self.server.process.pid), '-o',
                 str(self.server.root / 'perf.data')],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                preexec_fn=httpd_env._die_with_parent)
            time.sleep(0.5)
            assert self.recorder.poll() is None
        elif self.recorder:
            self.recorder.send_signal(signal.SIGINT)
            self.recorder.wait(30)
            self.recorder = None


def perf_runs():
    return shutil.which('perf') and subprocess.run(
        ['perf', 'record', '-q', '-o', '/dev/null', '--', 'true'],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL).returncode == 0


def cases(base):
    """Name and profiler; made one after the other."""
    for hz in RATES:
        yield 'mod_lpprofile %d Hz' % hz, Ours(hz, base)
    if pathlib.Path(LIBPROFILER).exists():
        for hz in RATES[:2]:
            yield 'libprofiler %d Hz' % hz, Libprofiler(hz, base)
    if perf_runs():
        for hz in RATES:
            yield 'perf record -g %d Hz' % hz, Perf(hz, base)


def compare(case, turns):
    """Medians (CPU ms, wall ms) without and with, and of the turns' ratios.
    Each process is compared with itself: two of them differ by more than
    profiling costs (where their memory lies)."""
    rows = []
    for turn in range(turns + 1):
        figures = []
        for on in (False, True):
            case.switch(on)
            figures += took(case.server, case.segment + '/lua/work.lua')
        case.switch(False)
        if turn:
            cpu, wall, cpu_on, wall_on = figures
            rows.append((*figures, cpu_on / cpu, wall_on / wall))
    return tuple(map(statistics.median, zip(*rows)))


class Listing(Single):
    """A directory of so many files, which mod_autoindex lists: a subrequest a
    file."""

    def __init__(self, files, base):
        super().__init__(ALLOWED % 1000
                         + 'IndexOptions FancyIndexing\n', base,
                         features=('lua', 'cgi', 'include', 'autoindex'))
        (self.site / 'many').mkdir()
        for i in range(files):
            (self.site / 'many' / ('file%05d.txt' % i)).write_text('x')


def listings(action, files, base=None, turns=5):
    """Medians as compare() has them: (CPU ms, wall ms) without and with, the
    ratios of both."""
    server = Listing(files, base).start()
    rows = []
    try:
        for turn in range(turns + 2):
            figures = took(server, '/many/') + took(
                server, '/++profile++%s/many/' % action)
            if turn > 1:
                cpu, wall, cpu_on, wall_on = figures
                rows.append((*figures, cpu_on / cpu, wall_on / wall))
            time.sleep(0.3)  # the files of the one before are written
    finally:
        server.end()
    return tuple(map(statistics.median, zip(*rows)))


def private_kb(pid):
    rollup = pathlib.Path('/proc/%d/smaps_rollup' % pid)
    return int(re.search(r'Private_Dirty:\s+(\d+)',
                         rollup.read_text()).group(1))


def rates(base=None, turns=TURNS):
    """Name and compare() of the same request under each profiler; the text of
    an error where one came to grief, which is no reason to leave the others
    out."""
    for name, case in cases(base):
        try:
            row = compare(case, turns)
        except (OSError, AssertionError) as error:
            row = '%s; process: %s; log: %s' % (
                error, case.server.process.poll(), case.server._log()[-300:])
        finally:
            case.switch(False)
            case.server.end()
        yield name, row


def before_serving(base=None, turns=60):
    """Microseconds that all post_read_request hooks take, without and with
    profiling (URL, access, OOPS id, turn, arming, log line)."""
    server = httpd_env.Httpd(ALLOWED % 1000 + apxs_env.load('lpp_test_calls')
                             + 'MaxKeepAliveRequests 0\n', mpm='event',
                             base=base, log_level='notice').start()
    took = {'': [], '/++profile++callgrind': []}
    try:
        with server.connection() as connection:
            for _ in range(turns):
                for segment, rows in took.items():
                    got = server.get(segment + '/plain.txt',
                                     connection=connection)
                    rows.append(float(got.header('X-Test-Arm-Us')))
                    time.sleep(0.01)
    finally:
        server.stop()
        server.remove()
    return [statistics.median(rows) for rows in took.values()]


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


ONE_CHILD = ('StartServers 1\nMinSpareServers 1\nMaxSpareServers 1\n'
             'ServerLimit 1\nMaxRequestWorkers 1\nMaxConnectionsPerChild 0\n')


def memory(base=None):
    """kB that a child does not share with its parent: module absent, allowed,
    after 1 and 50 profiles; and those of the parent."""
    result = {}
    for name, config in (('absent', None), ('allowed', ALLOWED % 1000)):
        server = httpd_env.Httpd(
            ONE_CHILD + (config or ''), mpm='prefork', features=['lua'],
            base=base, profiler=config is not None, log_level='notice')
        (server.site / 'lua' / 'work.lua').write_text(WORK)
        server.start()
        try:
            for _ in range(20):
                server.get('/lua/work.lua')
            child, = server.children()
            result[name] = private_kb(child)
            for done in range(50 if config else 0):
                got = server.get('/++profile++callgrind/lua/work.lua')
                server.wait_files(got.oops_id)
                if done in (0, 49):
                    time.sleep(0.5)  # the jobs thread writes more
                    result['after %d' % (done + 1)] = private_kb(child)
            result[name + ', parent'] = private_kb(server.process.pid)
        finally:
            server.stop()
            server.remove()
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
            print(part, dict(rates()) if part == 'rates'
                  else globals()[part](), flush=True)
