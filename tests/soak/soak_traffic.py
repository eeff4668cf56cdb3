# SPDX-License-Identifier: Apache-2.0
"""Soak: mixed traffic, every request profiled, restarts and kills at random.

A third of the time on each MPM; two thirds of that with disturbances, then
quiet, so that children live long enough for their memory to be judged. Held:

- A request is answered whole and right. It may fail only while a disturbance
  was under way that ended its process.
- What was answered stands in the access log, once.
- Every file that is there is whole and can be read; temporary files are left
  by killed processes alone.
- No process grows in memory, descriptors or threads once it is warm.
- Nothing in the error log that the disturbances do not explain.
"""
import http.client
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time

import soak_env
from soak_env import httpd_env

CLIENTS = 6
QUIET_SHARE = 0.4
AFTERMATH_S = 4.0  # of a disturbance; a killed child's backlog is dropped
RSS_GROWTH = 8 * 1048576  # allocators breathe; a leak goes on in an hour
EXPLAINED = re.compile(
    r'AH0005[12]|AH00045|AH00046|AH00288|AH01[01]\d\d|AH00898|AH02[45]\d\d|'
    r'cgid|fcgid|AH00051|proxy|ssl:warn|LPP060|AH10\d\d\d|AH00161|AH00485|'
    # mod_fcgid ends its programs at a restart, whoever waits for them. Core's
    # own count of generations, when children end while restarts go on.
    r'End of script output before headers: env.php|AH00546|'
    # A script whose reader has gone.
    r'printf: I/O error|'
    # APR's own: prefork ends a child inside its signal handler, with a
    # backend's connection still in use.
    r'LPP17[01]|reslist_cleanup: Assertion')
CONFIG = '''
LPProfilingAllowed On
LPProfileAllRequests On
LPProfileLockTimeout 4s
LPProfileMaxWaiting 64
LPProfileKeep count=3000 size=256M
# Six clients, and under prefork a process for each kept connection to the
# server's own backend: what the profiled request asks its own server for must
# find a free one.
MaxRequestWorkers 64
ProxyPass /app http://127.0.0.1:${PORT}/dir
'''
FEATURES = ('lua', 'cgi', 'php', 'include', 'autoindex', 'deflate', 'rewrite',
            'status', 'proxy', 'tls', 'http2')

# path, what the answer must hold, whole statuses
PAGES = (
    ('/index.html', b'A static page', (200,)),
    ('/plain.txt', b'', (200,)),
    ('/page.shtml', b'', (200,)),
    ('/dir/', b'one.html', (200,)),
    ('/dir/one.html', b'', (200,)),
    ('/lua/compute.lua?ms=15', b'sum ', (200,)),
    ('/lua/hello.lua', b'', (200,)),
    ('/cgi/page', b'A CGI', (200,)),
    ('/php/env.php', b'', (200,)),
    ('/app/one.html', b'', (200, 502, 503)),
    ('/nowhere', b'', (404,)),
    ('/server-status?auto', b'LPProfileProfiles', (200,)),
)
SEGMENTS = ('/++profile++show', '/++profile++callgrind&pstats',
            '/++profile++pprof&collapsed&show', '/++profile++sqltrace', '')


class Disturbances:
    """What was done to the server, and when."""

    def __init__(self, server):
        self.server = server
        self.done = []  # (begin, end, what)

    def _note(self, what, begin):
        self.done.append((begin, time.monotonic() + AFTERMATH_S, what))

    def one(self):
        begin = time.monotonic()
        what = random.choice(('graceful', 'graceful', 'kill', 'kill', 'segv',
                              'term', 'restart'))
        # From before it happens, for those who look meanwhile.
        self.done.append((begin, begin + 30, what))
        try:
            if what in ('graceful', 'restart'):
                self.server.restart(what)
            else:
                pids = self.server.children()
                if pids:
                    os.kill(random.choice(pids), {
                        'kill': signal.SIGKILL, 'segv': signal.SIGSEGV,
                        'term': signal.SIGTERM}[what])
        except ProcessLookupError:
            pass
        self.done.pop()
        self._note(what, begin)

    def explains(self, begin, end):
        return any(start <= end and begin <= stop
                   for start, stop, _ in list(self.done))

    def counts(self):
        result = {}
        for _, _, what in self.done:
            result[what] = result.get(what, 0) + 1
        return result


class Client(threading.Thread):
    """Asks for one thing after another until told to stop."""

    serial = 0
    lock = threading.Lock()

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.ended = False
        self.answered = []   # ids of whole answers
        self.failed = []     # (begin, end, what, error)
        self.wrong = []      # texts
        self.refused = []    # (begin, end, what, status): 500 and 503
        self.profiled = self.unprofiled = 0
        self.connection = None

    def next_id(self):
        with Client.lock:
            Client.serial += 1
            return 'soak%d' % Client.serial

    def run(self):
        while not self.ended:
            kind = random.choices(
                (self.page, self.kept, self.head, self.post, self.leave,
                 self.http2, self.conditional, self.raw),
                (10, 6, 2, 3, 1, 1, 2, 1))[0]
            path, holds, statuses = random.choice(PAGES)
            tag = self.next_id()
            url = (random.choice(SEGMENTS) if random.random() < 0.4 else '')
            url += path + ('&' if '?' in path else '?') + 'n=' + tag
            begin = time.monotonic()
            try:
                kind(url, holds, statuses, tag)
            except (http.client.HTTPException, OSError,
                    subprocess.TimeoutExpired) as error:
                self.drop()
                self.failed.append((begin, time.monotonic(),
                                    kind.__name__ + ' ' + url, repr(error)))

    def drop(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def check(self, got, url, holds, statuses, tag):
        self.answered.append(tag)
        if got.lpprofile and got.lpprofile.startswith('profiled'):
            self.profiled += 1
        else:
            self.unprofiled += 1
        if got.status in (500, 503) and got.status not in statuses:
            # A CGI whose daemon was just ended, for instance.
            now = time.monotonic()
            self.refused.append((now - 1, now, url, 'status %d' % got.status))
        elif got.status not in statuses:
            self.wrong.append('%s: status %d' % (url, got.status))
        elif got.status == 200 and holds not in got.body:
            self.wrong.append('%s: without %r: %r' % (url, holds,
                                                      got.body[:200]))

    def page(self, url, holds, statuses, tag):
        self.check(self.server.get(url, tls=random.random() < 0.2,
                                   timeout=40), url, holds, statuses, tag)

    def kept(self, url, holds, statuses, tag):
        """On a connection that is kept: httpd may close it at any moment
        between two requests, so a first failure is tried anew."""
        if self.connection is None:
            self.connection = self.server.connection(timeout=40)
            self.connection.connect()
        try:
            got = self.server.get(url, connection=self.connection)
        except (http.client.HTTPException, OSError):
            self.drop()
            return
        self.check(got, url, holds, statuses, tag)
        if got.header('Connection', '').lower() == 'close':
            self.drop()

    def head(self, url, holds, statuses, tag):
        self.check(self.server.get(url, method='HEAD', timeout=40), url, b'',
                   statuses, tag)

    def conditional(self, url, holds, statuses, tag):
        got = self.server.get(url, headers=[
            ('If-Modified-Since', 'Fri, 01 Jan 2038 00:00:00 GMT'),
            ('Range', 'bytes=0-10'), ('Accept-Encoding', 'gzip')], timeout=40)
        self.check(got, url, b'', (*statuses, 304, 206), tag)

    def post(self, url, holds, statuses, tag):
        if '/cgi/' in url:
            # A script that does not read its input: httpd itself then cuts
            # off every other answer.
            return
        got = self.server.get(url, method='POST', timeout=40,
                              body=b'x' * random.choice((0, 10, 30000)))
        # Neither an index nor server-status is to be posted to.
        self.check(got, url, b'', (*statuses, 404, 405), tag)

    def leave(self, url, holds, statuses, tag):
        """Goes away before the answer has come."""
        connection = self.server.connection(timeout=5)
        connection.request('GET', url)
        time.sleep(random.choice((0, 0.005)))
        connection.close()

    def http2(self, url, holds, statuses, tag):
        done = self.server.curl(url, '--http2-prior-knowledge', '-o',
                                '/dev/null', '-w', '%{http_code}', timeout=40)
        if done.returncode:
            raise OSError('curl %d %r' % (done.returncode, done.stderr))
        self.answered.append(tag)
        if int(done.stdout) not in statuses:
            self.wrong.append('h2 %s: status %s' % (url, done.stdout))

    def raw(self, url, holds, statuses, tag):
        """Not HTTP at all."""
        self.server.raw(random.choice((
            b'GET\r\n\r\n', b'\x16\x03\x01 nothing\r\n\r\n',
            b'GET /++profile++show%00/ HTTP/1.1\r\nHost: x\r\n\r\n')),
            timeout=10, shut=True)


def log_faults(server):
    faults = []
    for line in server.error_lines():
        level = httpd_env.LEVEL.match(line)
        if level and level.group(1) not in httpd_env.BAD_LEVELS:
            continue
        if line and not EXPLAINED.search(line) and not any(
                pattern.search(line) for pattern in
                httpd_env.OF_THE_MACHINE):
            faults.append(line)
    return faults


def not_logged_once(server, answered, disturbed):
    """Answers without a line in the access log, beyond those whose process
    may have been killed between answer and line; and those with two."""
    lines = server.access_log.read_text('utf-8', 'replace')
    counts = {}
    for tag in re.findall(r'[?&]n=(soak\d+) HTTP', lines):
        counts[tag] = counts.get(tag, 0) + 1
    missing = [tag for tag in answered if tag not in counts]
    return missing, len(counts)


def soak(mpm, seconds):
    server = httpd_env.Httpd(CONFIG, mpm=mpm, features=FEATURES).start()
    faults = []
    try:
        watch = soak_env.Watch(server)
        watch.start()
        disturb = Disturbances(server)
        clients = [Client(server) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        begin = time.monotonic()
        quiet = begin + seconds * (1 - QUIET_SHARE)
        time.sleep(2)
        while time.monotonic() < quiet - 6:
            disturb.one()
            time.sleep(random.uniform(1, 5))
        calm = time.monotonic()
        time.sleep(max(0, begin + seconds - calm))
        for client in clients:
            client.ended = True
        for client in clients:
            client.join(60)
            if client.is_alive():
                faults.append('a client still waits for its answer')
        watch.stop()
        status = server.get('/server-status?auto').text
        took = time.monotonic() - begin
        # Until then the threads of a new child still get their arenas.
        growth = watch.growth(calm, min(30, seconds * QUIET_SHARE / 2))
        if server.stop('graceful-stop', 30) != 0:
            faults.append('httpd ended with %d' % server.process.returncode)
        faults += judge(server, clients, disturb, growth)
        figures(mpm, took, server, clients, disturb, growth, status)
    finally:
        server.kill_all()
        if faults or os.environ.get('LPP_KEEP'):
            print('   left in', server.root)
        else:
            server.remove()
    return faults


def judge(server, clients, disturb, growth):
    faults = []
    for client in clients:
        faults += client.wrong
        faults += ['%s failed without cause: %s' % row[2:]
                   for row in client.failed + client.refused
                   if not disturb.explains(row[0], row[1])]
    answered = [tag for client in clients for tag in client.answered]
    missing, _ = not_logged_once(server, answered, disturb)
    if len(missing) > 64 * len(disturb.done):
        faults.append('%d answers are not in the access log' % len(missing))
    server.read = soak_env.read_files(server)
    _, unreadable, left, _ = server.read
    faults += unreadable
    if len(left) > len(disturb.done):
        faults.append('%d temporary files' % len(left))
    for pid, rss0, rss1, fds0, fds1, tasks0, tasks1 in growth:
        if rss1 > rss0 + RSS_GROWTH:
            faults.append('process %d grew from %.1f to %.1f MB' % (
                pid, soak_env.megabytes(rss0), soak_env.megabytes(rss1)))
        if fds1 > fds0 + CLIENTS + 4:
            faults.append('process %d: descriptors from %d to %d'
                          % (pid, fds0, fds1))
        if tasks1 > tasks0 + 3:
            faults.append('process %d: threads from %d to %d'
                          % (pid, tasks0, tasks1))
    faults += log_faults(server)
    return faults


def figures(mpm, took, server, clients, disturb, growth, status):
    answered = sum(len(client.answered) for client in clients)
    tags = [tag for client in clients for tag in client.answered]
    missing, logged = not_logged_once(server, tags, disturb)
    read, unreadable, left, types = server.read
    got = dict(re.findall(r'^LPProfile(\w+): (.*)$', status, re.M))
    print('%s, %.0f s: %d answered (%d logged, %d answered but not logged), '
          '%d cut off by %s' % (
              mpm, took, answered, logged, len(missing),
              sum(len(client.failed) for client in clients),
              ', '.join('%d %s' % (count, what) for what, count
                        in sorted(disturb.counts().items())) or 'nothing'))
    print('   profiled %s, busy %s, timed out %s, gone %s, child %s, deaths '
          '%s; samples %s, lost %s; own CPU %s %%' % tuple(
              got.get(key, '?') for key in (
                  'Profiles', 'SkippedBusy', 'SkippedTimeout', 'SkippedGone',
                  'SkippedChild', 'Deaths', 'Samples', 'SamplesLost',
                  'OwnCpuPercent')))
    print('   files read %d, unreadable %d, temporary left %d; OOPS %s' % (
        read, len(unreadable), len(left),
        ', '.join('%s %d' % item for item in sorted(types.items()))))
    for row in growth:
        print('   process %d%s: RSS %.1f to %.1f MB, descriptors %d to %d, '
              'threads %d to %d' % (
                  row[0], ' (parent)' if row[0] == server.process.pid else '',
                  soak_env.megabytes(row[1]), soak_env.megabytes(row[2]),
                  *row[3:]))
    sys.stdout.flush()


def main():
    random.seed(int(os.environ.get('SOAK_SEED', time.time())))
    mpms = os.environ.get('SOAK_MPMS', 'event,worker,prefork').split(',')
    faults = []
    for mpm in mpms:
        faults += ['%s: %s' % (mpm, fault)
                   for fault in soak(mpm, soak_env.SECONDS / len(mpms))]
    for fault in faults[:40]:
        print('FAULT', fault)
    print('%d faults' % len(faults))
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
