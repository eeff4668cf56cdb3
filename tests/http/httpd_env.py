# SPDX-License-Identifier: Apache-2.0
"""A private httpd on loopback, for tests, the demo and benchmarks.

Owns one server: its directory, configuration and process. What is asked of it
is in httpd_client.py, what it wrote in httpd_written.py. Knows nothing of
pytest; how tests use it stands in tests/conftest.py.
"""
import ctypes
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from httpd_client import Client
from httpd_conf import (BASE, BASE_MODULES, MODULES_DIR, MPM_CONFIG, MPMS,
                        NotInstalled, feature_lines, load_module,
                        module_names)
from httpd_processes import Processes, command_line
from httpd_written import BAD_LEVELS, LEVEL, OF_THE_MACHINE, Written
from waits import wait_for

__all__ = ['BAD_LEVELS', 'BASE_MODULES', 'HTTPD', 'Httpd', 'HttpdFailed',
           'LEVEL', 'MODULE', 'MODULES_DIR', 'MPMS', 'NotInstalled',
           'OF_THE_MACHINE', 'PROJECT', 'SANITIZER', 'SITE', 'USER',
           'free_port', 'load_module', 'stop_all', 'wait_for']

HERE = pathlib.Path(__file__).resolve().parent
SITE = HERE / 'site'
PROJECT = HERE.parent.parent
HTTPD = os.environ.get('LPP_HTTPD', '/usr/sbin/apache2')
MODULE = pathlib.Path(os.environ.get(
    'LPP_MODULE', PROJECT / 'build' / 'mod_lpprofile.so')).resolve()
USER = 'www-data'
# "make asan" runs the module built with sanitizers inside a stock httpd: their
# library has to be there first. "make valgrind" runs httpd below valgrind.
SANITIZER = {name: os.environ['LPP_' + name]
             for name in ('LD_PRELOAD', 'ASAN_OPTIONS', 'UBSAN_OPTIONS',
                          'VALGRIND_OPTS', 'PHP_INI_SCAN_DIR')
             if 'LPP_' + name in os.environ}
READY = 'resuming normal operations'
# A child of worker or event that is told to end while it starts can crash in
# httpd's own code: let it have its threads, which takes a machine that stands
# still so long, and the youngest grow this old first.
LATE_S = 3
GROWN_UP_S = 0.4
# And for that long the workers may finish what they are at.
ASLEEP_S = 0.5


class HttpdFailed(Exception):
    """The server did not start; the text holds what it said."""


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


LIBC = ctypes.CDLL(None)  # not between fork and exec


def _die_with_parent():
    # A test run that is killed leaves no server behind.
    LIBC.prctl(1, signal.SIGTERM)


class Httpd(Client, Written, Processes):
    """One server. Make it, start() it, stop() it."""

    def __init__(self, config='', mpm='event', modules=(), features=(),
                 profiler=True, unprivileged=False, env=None, base=None,
                 log_level=None, port=0):
        if profiler and not MODULE.is_file():
            raise HttpdFailed('%s is missing: build it first' % MODULE)
        self.mpm = mpm
        self.features = tuple(features)
        self.as_root = os.geteuid() == 0
        self.unprivileged = unprivileged and self.as_root
        self.root = pathlib.Path(tempfile.mkdtemp(prefix='lpp-httpd-',
                                                  dir=base))
        super().__init__(self.root)
        self.site = self.root / 'site'
        self.env = dict(env or {})
        self.port = self.tls_port = 0
        self.process = None
        self._fixed_port = port
        self._config = config
        self._modules = tuple(modules)
        self._profiler = profiler
        self._log_level = log_level or (
            'notice lpprofile:debug' if profiler else 'notice')
        self._lay_out()

    # -- files

    def _lay_out(self):
        os.chmod(self.root, 0o755)
        (self.root / 'run').mkdir()
        shutil.copytree(SITE, self.site)
        for path in [self.site, *self.site.rglob('*')]:
            executable = path.is_dir() or path.parent.name == 'cgi'
            os.chmod(path, 0o755 if executable else 0o644)
        if self._profiler:
            # A copy: others may rebuild it meanwhile, and the server's user
            # need not be able to read this checkout.
            shutil.copy(MODULE, self.root / 'mod_lpprofile.so')
        if 'tls' in self.features:
            self._make_certificate()
        if self.unprivileged:
            owner = pwd.getpwnam(USER)
            for path in [self.root, *self.root.rglob('*')]:
                os.chown(path, owner.pw_uid, owner.pw_gid)

    def _make_certificate(self):
        subprocess.run(
            ['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes',
             '-days', '2', '-subj', '/CN=localhost',
             '-addext', 'basicConstraints=critical,CA:FALSE',
             '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
             '-keyout',
             str(self.root / 'key.pem'), '-out', str(self.root / 'cert.pem')],
            check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _configuration(self):
        lines = ['Define ROOT %s' % self.root, 'Define SITE %s' % self.site,
                 'Define PORT %d' % self.port,
                 'Define TLSPORT %d' % self.tls_port, 'ServerRoot ${ROOT}']
        lines += [load_module(name) for name in module_names(
            self.mpm, self.features, self._modules)]
        if self._profiler:
            lines.append('LoadModule lpprofile_module '
                         '${ROOT}/mod_lpprofile.so')
        if self.as_root and not self.unprivileged:
            lines += ['User ' + USER, 'Group ' + USER]
        lines += ['LogLevel ' + self._log_level, BASE, MPM_CONFIG[self.mpm],
                  *feature_lines(self.mpm, self.features), self._config]
        return '\n'.join(lines) + '\n'

    def _write_configuration(self):
        conf = self.root / 'httpd.conf'
        conf.write_text(self._configuration())
        return conf

    def _spawn(self, *args, **kwargs):
        env = {'PATH': '/usr/local/bin:/usr/bin:/bin', 'LANG': 'C.UTF-8'}
        env.update(SANITIZER)
        env.update(self.env)
        if 'LD_PRELOAD' in SANITIZER and 'LD_PRELOAD' in self.env:
            env['LD_PRELOAD'] = ' '.join([SANITIZER['LD_PRELOAD'],
                                          self.env['LD_PRELOAD']])
        if self.unprivileged:
            owner = pwd.getpwnam(USER)
            kwargs.update(user=owner.pw_uid, group=owner.pw_gid,
                          extra_groups=[])
        return subprocess.Popen(
            [HTTPD, '-d', str(self.root), '-f', str(self.root / 'httpd.conf'),
             *args], env=env, cwd='/', stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kwargs)

    # -- pages

    def report(self, oops_id, **kwargs):
        """The report page of a profile, once the profile is saved, which is
        after its response."""
        self.wait_saved(oops_id)
        return self.get('/++profile++report:' + oops_id, **kwargs)

    # -- life

    def _pick_ports(self):
        self.port, self.tls_port = self._fixed_port or free_port(), free_port()

    def configtest(self, config):
        """(exit code, what httpd -t said of it); starts nothing."""
        self._config = config
        self._pick_ports()
        self._write_configuration()
        process = self._spawn('-t')
        out = process.communicate(timeout=30)[0]
        return process.returncode, out.decode('utf-8', 'replace')

    def start(self):
        """Start, and return self once it serves."""
        for last in (False, False, True):
            self._pick_ports()
            self._write_configuration()
            self.process = self._spawn('-D', 'FOREGROUND',
                                       start_new_session=True,
                                       preexec_fn=_die_with_parent)
            try:
                wait_for(self._ready, 30, 'httpd to start')
                return self
            except HttpdFailed as failure:
                # Another process took the port since it was found free.
                if last or 'could not bind' not in str(failure):
                    raise
                self._checked = len(self._log())

    def _ready(self):
        if self.process.poll() is not None:
            said = self.process.stdout.read().decode('utf-8', 'replace')
            self.process.stdout.close()
            raise HttpdFailed('httpd ended with %d: %s\n%s' % (
                self.process.returncode, said, self._log()))
        return READY in self._log()

    def restart(self, how='graceful', alone=False):
        """'graceful' or 'restart'; returns when the new generation serves:
        beside children of the old one that still finish, or, alone, when those
        have gone, which might take one request more."""
        before = self._log().count(READY)
        old = set(self.children())
        self._let_children_grow_up()
        self.process.send_signal({'graceful': signal.SIGUSR1,
                                  'restart': signal.SIGHUP}[how])
        wait_for(lambda: self._log().count(READY) > before, 30,
                 'the new generation')
        wait_for(lambda: set(self.children()) - old, 30,
                 'a child of the new generation')
        if alone:
            wait_for(lambda: not old & set(self.children()), 30,
                     'the old generation to end')

    def reconfigure(self, config, how='graceful'):
        """Replace the test's own configuration text, then restart; returns
        when the children that know the old one have gone."""
        self._config = config
        self._write_configuration()
        self.restart(how, alone=True)

    def _have_their_threads(self):
        """Children of worker and event create theirs one by one. The daemon of
        mod_fcgid looks like a child that has none yet."""
        conf = (self.root / 'httpd.conf').read_text()
        workers = int(re.findall(r'^ThreadsPerChild +(\d+)', conf, re.M)[-1])
        missing = 0
        for pid in self.children():
            try:
                # And its main thread and the one that listens.
                missing += (
                    len(os.listdir('/proc/%d/task' % pid)) < workers + 2
                    and command_line(pid) == command_line(self.process.pid))
            except OSError:
                continue  # it ended meanwhile
        return missing <= len(re.findall(r'^LoadModule fcgid_', conf, re.M))

    def _let_children_grow_up(self):
        if self.mpm != 'prefork':
            deadline = time.monotonic() + LATE_S
            while (not self._have_their_threads()
                   and time.monotonic() < deadline):
                time.sleep(0.01)
        ticks = os.sysconf('SC_CLK_TCK')
        youngest = 0.0
        for pid in self.children():
            try:
                stat = pathlib.Path('/proc/%d/stat' % pid).read_text()
            except OSError:
                continue
            started = int(stat.rpartition(')')[2].split()[19]) / ticks
            youngest = max(youngest, started)
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - youngest
        if age < GROWN_UP_S:
            time.sleep(GROWN_UP_S - age)

    def _let_workers_sleep(self):
        """Event's main thread closes the workers' sockets when it is told to
        stop, and reads one that a worker frees at that moment: SIGSEGV (with
        any modules). The client has had its answer by then."""
        deadline = time.monotonic() + ASLEEP_S
        while (self.mpm == 'event' and time.monotonic() < deadline
               and not all(map(_sleeps, [self.process.pid, *self.children()]))):
            time.sleep(0.002)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def ask_to_stop(self, how='stop'):
        """Send the signal: 'stop' or 'graceful-stop'. Does not wait."""
        if self.running():
            self._let_children_grow_up()
            self._let_workers_sleep()
            self.process.send_signal({
                'stop': signal.SIGTERM,
                'graceful-stop': signal.SIGWINCH}[how])

    def stop(self, how='stop', timeout=20):
        """Stop and wait; returns the exit code (None: never started)."""
        if self.process is None:
            return None
        self.ask_to_stop(how)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill_all()
            raise AssertionError('httpd did not stop within %d s\n%s'
                                 % (timeout, self._log()))
        finally:
            self.process.stdout.close()
        return self.process.returncode

    def kill_all(self):
        """End every process of this server, whatever it takes."""
        if self.process is None:
            return
        for pid in [self.process.pid, *self.descendants()]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(10)

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)


def _sleeps(pid):
    """No thread of the process runs or wants to."""
    try:
        for task in pathlib.Path('/proc/%d/task' % pid).iterdir():
            stat = (task / 'stat').read_text()
            if stat.rpartition(')')[2].split()[0] != 'S':
                return False
    except OSError:
        return False  # one has just ended: look again
    return True


def stop_all(servers):
    """Stop many at once; returns what went wrong, as text."""
    problems = []
    for server in servers:
        server.ask_to_stop()
    for server in servers:
        try:
            code = server.stop()
            if code:
                problems.append('httpd ended with %d' % code)
        except AssertionError as error:
            problems.append(str(error))
    return problems
