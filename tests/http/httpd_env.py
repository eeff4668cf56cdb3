# SPDX-License-Identifier: Apache-2.0
"""A private httpd on loopback, for tests, the demo and benchmarks.

Owns one server: its directory, configuration, process and log. Knows nothing
of pytest; how tests use it stands in tests/conftest.py.
"""
import ctypes
import http.client
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SITE = HERE / 'site'
PROJECT = HERE.parent.parent
HTTPD = os.environ.get('LPP_HTTPD', '/usr/sbin/apache2')
MODULES_DIR = os.environ.get('LPP_MODULES_DIR', '/usr/lib/apache2/modules')
MODULE = pathlib.Path(os.environ.get(
    'LPP_MODULE', PROJECT / 'build' / 'mod_lpprofile.so')).resolve()
USER = 'www-data'
# "make asan" runs the module built with sanitizers inside a stock httpd: their
# library has to be there first. "make valgrind" runs httpd below valgrind.
SANITIZER = {name: os.environ['LPP_' + name]
             for name in ('LD_PRELOAD', 'ASAN_OPTIONS', 'UBSAN_OPTIONS',
                          'VALGRIND_OPTS', 'PHP_INI_SCAN_DIR')
             if 'LPP_' + name in os.environ}
MPMS = ('prefork', 'worker', 'event')

BASE_MODULES = ('authz_core', 'authz_host', 'dir', 'mime', 'alias', 'env',
                'setenvif', 'headers')

# What a neighbour of the module needs: modules, configuration. The site's
# files are under ${SITE}; see BASE for what else is defined.
FEATURES = {
    'autoindex': (('autoindex',), 'Options +Indexes\n'),
    # Opens connections that it does not use; a child at its end reads from
    # them until they time out, and is killed by its parent before that.
    'browser': (('reqtimeout',), 'RequestReadTimeout header=2\n'),
    'include': (('include', 'filter'),
                'Options +Includes\nAddType text/html .shtml\n'
                'AddOutputFilter INCLUDES .shtml\n'),
    'lua': (('lua',), 'AddHandler lua-script .lua\n'),
    'cgi': (('cgid',),
            'ScriptSock ${ROOT}/run/cgisock\n'
            'ScriptAlias /cgi/ ${SITE}/cgi/\n'),
    'php': (('fcgid',),
            'FcgidIPCDir ${ROOT}/run/fcgid\n'
            'FcgidProcessTableFile ${ROOT}/run/fcgid_shm\n'
            'Options +ExecCGI\nAddHandler fcgid-script .php\n'
            'FcgidWrapper /usr/bin/php-cgi .php\n'),
    'modphp': (('php',), 'AddHandler application/x-httpd-php .php\n'),
    'proxy': (('proxy', 'proxy_http'), ''),
    'deflate': (('filter', 'deflate'),
                'AddOutputFilterByType DEFLATE text/html text/plain\n'),
    'rewrite': (('rewrite',), ''),
    'status': (('status',),
               '<Location /server-status>\nSetHandler server-status\n'
               '</Location>\n'),
    'info': (('info',), '<Location /server-info>\nSetHandler server-info\n'
                        '</Location>\n'),
    'http2': (('http2',), 'Protocols h2 h2c http/1.1\n'),
    'tls': (('socache_shmcb', 'ssl'),
            'Listen 127.0.0.1:${TLSPORT}\n'
            'SSLSessionCache shmcb:${ROOT}/run/ssl(64000)\n'
            '<VirtualHost 127.0.0.1:${TLSPORT}>\n'
            'ServerName localhost\nSSLEngine on\n'
            'SSLCertificateFile ${ROOT}/cert.pem\n'
            'SSLCertificateKeyFile ${ROOT}/key.pem\n</VirtualHost>\n'),
}

# Small and quick to start. Whatever a test adds comes later and wins.
MPM_CONFIG = {
    'prefork': 'StartServers 3\nMinSpareServers 1\nMaxSpareServers 8\n'
               'MaxRequestWorkers 16\n',
    'worker': 'StartServers 2\nThreadsPerChild 8\nMinSpareThreads 8\n'
              'MaxSpareThreads 32\nMaxRequestWorkers 32\n',
    'event': 'StartServers 2\nThreadsPerChild 8\nMinSpareThreads 8\n'
             'MaxSpareThreads 32\nMaxRequestWorkers 32\n',
}

BASE = '''\
ServerName 127.0.0.1
Listen 127.0.0.1:${PORT}
PidFile ${ROOT}/run/httpd.pid
DefaultRuntimeDir ${ROOT}/run
ErrorLog ${ROOT}/error.log
LogFormat "%h %l %u %t \\"%r\\" %>s %b" common
CustomLog ${ROOT}/access.log common
TypesConfig /etc/mime.types
DocumentRoot ${SITE}
Timeout 20
KeepAliveTimeout 3
GracefulShutdownTimeout 5
<Directory />
    Options FollowSymLinks
    AllowOverride None
    Require all denied
</Directory>
<Directory ${SITE}>
    Require all granted
</Directory>
DirectoryIndex index.html
'''

LEVEL = re.compile(r'^\[[^\]]*\] \[[\w.-]*:(\w+)\]')
BAD_LEVELS = {'emerg', 'alert', 'crit', 'error', 'warn'}
CRASH = re.compile(r'exit signal|AH00051|AH00052')
READY = 'resuming normal operations'
# Of the machine, not of any test: mod_ssl was built with a later OpenSSL than
# the one installed; (nearly) all workers are busy at once, where many ask and it
# is slow; a child takes more than three seconds to end, as the job that it has
# in hand may (one that has to be killed, AH00046, is a fault).
OF_THE_MACHINE = (re.compile('AH01882'),
                  re.compile('AH00045: child process [0-9]+ still did not '
                             'exit, sending a SIGTERM'),
                  re.compile('AH(00484|00286|00287|00161|10159): server '))
# A child of worker or event that is told to end while it starts can crash in
# httpd's own code: let it have its threads, which takes a machine that stands
# still so long, and the youngest grow this old first.
LATE_S = 3
GROWN_UP_S = 0.4


class NotInstalled(Exception):
    """A module that this machine may do without; tests of it are skipped."""


class HttpdFailed(Exception):
    """The server did not start; the text holds what it said."""


def wait_for(probe, timeout=10.0, what=None):
    """Call probe() until it returns something true, and return that."""
    deadline = time.monotonic() + timeout
    while True:
        # Asked before: a machine that stood still is looked at once more.
        late = time.monotonic() > deadline
        value = probe()
        if value:
            return value
        if late:
            raise AssertionError('waited %.1f s in vain for %s'
                                 % (timeout, what or probe))
        time.sleep(0.01)


def command_line(pid):
    return pathlib.Path('/proc/%d/cmdline' % pid).read_bytes()


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


LIBC = ctypes.CDLL(None)  # not between fork and exec


def _die_with_parent():
    # A test run that is killed leaves no server behind.
    LIBC.prctl(1, signal.SIGTERM)


class Response:
    """A whole response. headers is an http.client.HTTPMessage."""

    def __init__(self, raw, body):
        self.status = raw.status
        self.reason = raw.reason
        self.version = raw.version
        self.headers = raw.headers
        self.body = body

    def header(self, name, default=None):
        return self.headers.get(name, default)

    def all(self, name):
        """Every value of a header, as a list."""
        return self.headers.get_all(name, [])

    @property
    def text(self):
        charset = self.headers.get_content_charset() or 'utf-8'
        return self.body.decode(charset, 'replace')

    @property
    def oops_id(self):
        return self.headers.get('X-Lazr-OopsId')

    @property
    def lpprofile(self):
        return self.headers.get('X-LPProfile')

    def __repr__(self):
        return '<%d %s, %d bytes>' % (self.status, self.reason,
                                      len(self.body))


class _Closing:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class _Connection(_Closing, http.client.HTTPConnection):
    def _validate_path(self, url):
        """Paths are sent as the test wrote them."""


class _TlsConnection(_Closing, http.client.HTTPSConnection):
    def _validate_path(self, url):
        """Paths are sent as the test wrote them."""


class Httpd:
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
        self.site = self.root / 'site'
        self.error_log = self.root / 'error.log'
        self.access_log = self.root / 'access.log'
        self.profile_dir = self.root / 'run' / 'lpprofile'
        self.env = dict(env or {})
        self.port = self.tls_port = 0
        self.process = None
        self._fixed_port = port
        self._config = config
        self._modules = tuple(modules)
        self._profiler = profiler
        self._log_level = log_level or (
            'notice lpprofile:debug' if profiler else 'notice')
        self._checked = 0
        self._allowed = []
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
        names = ['mpm_' + self.mpm, *BASE_MODULES]
        features = [FEATURES[name] for name in self.features]
        if 'cgi' in self.features and self.mpm == 'prefork':
            # Both ways that httpd has to run a CGI are worth a test.
            names.append('cgi')
            features = [(tuple(m for m in modules if m != 'cgid'),
                         config.replace('ScriptSock', '#ScriptSock'))
                        for modules, config in features]
        for modules, _ in features:
            names += modules
        names = list(dict.fromkeys([*names, *self._modules]))
        lines = ['Define ROOT %s' % self.root, 'Define SITE %s' % self.site,
                 'Define PORT %d' % self.port,
                 'Define TLSPORT %d' % self.tls_port, 'ServerRoot ${ROOT}']
        lines += [load_module(name) for name in names]
        if self._profiler:
            lines.append('LoadModule lpprofile_module '
                         '${ROOT}/mod_lpprofile.so')
        if self.as_root and not self.unprivileged:
            lines += ['User ' + USER, 'Group ' + USER]
        lines += ['LogLevel ' + self._log_level, BASE, MPM_CONFIG[self.mpm]]
        inside = [config for _, config in features
                  if config and 'VirtualHost' not in config]
        lines += [config for _, config in features
                  if 'VirtualHost' in config]
        lines += ['<Directory ${SITE}>', ''.join(
            line + '\n' for config in inside for line in config.splitlines()
            if line.startswith('Options')), '</Directory>']
        lines += [line for config in inside for line in config.splitlines()
                  if not line.startswith('Options')]
        lines.append(self._config)
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

    # -- life

    def _pick_ports(self):
        self.port, self.tls_port = self._fixed_port or free_port(), free_port()

    def configtest(self):
        """(exit code, what httpd -t said); starts nothing."""
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

    def running(self):
        return self.process is not None and self.process.poll() is None

    def ask_to_stop(self, how='stop'):
        """Send the signal: 'stop' or 'graceful-stop'. Does not wait."""
        if self.running():
            self._let_children_grow_up()
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

    # -- processes

    def descendants(self):
        """Process ids of everything the server started, in any depth."""
        parents = {}
        for entry in os.listdir('/proc'):
            if entry.isdigit():
                try:
                    stat = pathlib.Path('/proc', entry, 'stat').read_text()
                except OSError:
                    continue
                parents[int(entry)] = int(stat.rpartition(')')[2].split()[1])
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            children = [p for p, parent in parents.items() if parent == pid]
            found += children
            todo += children
        return found

    def _runs_scripts(self, pid):
        """Whether it is mod_cgid's daemon: a fork of httpd, named like it, that
        listens at a socket in a file."""
        own = {'socket:[%s]' % line.split()[6] for line in
               pathlib.Path('/proc/net/unix').read_text().splitlines()
               if line.endswith('cgisock.%d' % self.process.pid)}
        try:
            return any(os.readlink('/proc/%d/fd/%s' % (pid, fd)) in own
                       for fd in os.listdir('/proc/%d/fd' % pid))
        except OSError:
            return False  # it ended meanwhile

    def children(self):
        """Process ids of the children that serve (mod_cgid's is left out)."""
        result = []
        for pid in self.descendants():
            try:
                stat = pathlib.Path('/proc/%d/stat' % pid).read_text()
                line = command_line(pid)
            except OSError:
                continue
            ppid = int(stat.rpartition(')')[2].split()[1])
            state = stat.rpartition(')')[2].split()[0]
            if (ppid == self.process.pid and state != 'Z'
                    and b'cgid' not in line and not self._runs_scripts(pid)):
                result.append(pid)
        return result

    # -- requests

    def connection(self, tls=False, timeout=30):
        if tls:
            context = ssl._create_unverified_context()
            return _TlsConnection('127.0.0.1', self.tls_port, timeout=timeout,
                                  context=context)
        return _Connection('127.0.0.1', self.port, timeout=timeout)

    def send(self, path, headers=(), method='GET', body=None, tls=False,
             timeout=30, connection=None, host='127.0.0.1'):
        """Send a request; returns (connection, http.client.HTTPResponse)
        with the head read and the body not."""
        connection = connection or self.connection(tls, timeout)
        pairs = list(headers.items() if isinstance(headers, dict)
                     else headers)
        names = {name.lower() for name, _ in pairs}
        connection.putrequest(method, path, skip_host=True,
                              skip_accept_encoding=True)
        if host is not None and 'host' not in names:
            connection.putheader('Host', host)
        if body is not None and not names & {'content-length',
                                             'transfer-encoding'}:
            connection.putheader('Content-Length', str(len(body)))
        for name, value in pairs:
            connection.putheader(name, value)
        connection.endheaders(body)
        return connection, connection.getresponse()

    def get(self, path, headers=(), method='GET', **kwargs):
        """One request on its own connection (or on connection=...), read
        whole. A body that is cut short raises http.client.IncompleteRead."""
        keep = kwargs.get('connection') is not None
        connection, raw = self.send(path, headers, method, **kwargs)
        try:
            return Response(raw, raw.read())
        finally:
            if not keep:
                connection.close()

    def raw(self, data, timeout=30, shut=False):
        """Send bytes as they are, read until the server closes."""
        with socket.create_connection(('127.0.0.1', self.port),
                                      timeout) as sock:
            sock.sendall(data)
            if shut:
                sock.shutdown(socket.SHUT_WR)
            pieces = []
            while True:
                piece = sock.recv(65536)
                if not piece:
                    return b''.join(pieces)
                pieces.append(piece)

    def url(self, path, tls=False):
        return '%s://127.0.0.1:%d%s' % ('https' if tls else 'http',
                                        self.tls_port if tls else self.port,
                                        path)

    def curl(self, path, *args, tls=False, timeout=60):
        """curl -sS -k --path-as-is args URL; returns CompletedProcess with
        bytes. For HTTP/2: '--http2-prior-knowledge', '-i'."""
        return subprocess.run(
            ['curl', '-q', '-sS', '-k', '--noproxy', '*', '--path-as-is',
             *args, self.url(path, tls)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)

    # -- what the server wrote

    def _log(self):
        try:
            return self.error_log.read_text('utf-8', 'replace')
        except FileNotFoundError:
            return ''

    def error_lines(self):
        """Every line of the error log since the test began to use it."""
        with_start = self._log()[self._checked:]
        return with_start.splitlines()

    def access_lines(self, count=0, timeout=10):
        """Lines of the access log; waits until there are count of them
        (a line is written after the client has its response)."""
        def read():
            lines = self.access_log.read_text('utf-8', 'replace').splitlines()
            return lines if len(lines) >= count else None
        if count:
            return wait_for(read, timeout, '%d access log lines' % count)
        return self.access_log.read_text('utf-8', 'replace').splitlines()

    def allow_log(self, *patterns):
        """Lines that match one of these are no fault in this test."""
        self._allowed += [re.compile(pattern) for pattern in patterns]

    def expect_log(self, pattern, timeout=10):
        """Wait for a line of this test that matches; it is no fault.
        Returns the match."""
        wanted = re.compile(pattern)

        def look():
            for line in self.error_lines():
                match = wanted.search(line)
                if match:
                    return match
            return None
        try:
            match = wait_for(look, timeout, 'a log line like ' + pattern)
        except AssertionError as error:
            raise AssertionError('%s in\n%s' % (
                error, '\n'.join(self.error_lines()))) from None
        self._allowed.append(wanted)
        return match

    def begin_test(self):
        self._allowed = []

    def take_faults(self, allowed=()):
        """Log lines since the last call that no test named: warnings and
        worse, crashes, and text that is not httpd's (a sanitizer's)."""
        text = self._log()
        new = text[self._checked:]
        new = new[:new.rfind('\n') + 1]
        self._checked += len(new)
        patterns = [*OF_THE_MACHINE, *self._allowed,
                    *[re.compile(p) for p in allowed]]
        faults = []
        for line in new.splitlines():
            level = LEVEL.match(line)
            bad = (not level or level.group(1) in BAD_LEVELS
                   or CRASH.search(line))
            if bad and line and not any(p.search(line) for p in patterns):
                faults.append(line)
        return faults

    def profile_files(self, oops_id='', directory=None):
        """Whole profile files, oldest name first (not OOPSes, not .tmp)."""
        where = pathlib.Path(directory or self.profile_dir)
        try:
            return sorted(p for p in where.iterdir() if p.is_file()
                          and oops_id in p.name and is_profile(p.name))
        except FileNotFoundError:
            return []

    def wait_files(self, oops_id, count=1, timeout=10, directory=None):
        """The files of one profile, once there are count of them."""
        def look():
            files = self.profile_files(oops_id, directory)
            return files if len(files) >= count else None
        return wait_for(look, timeout, '%d files of %s' % (count, oops_id))

    def wait_oops(self, oops_id, timeout=10, directory=None):
        """The path of an OOPS report, once it is there."""
        where = pathlib.Path(directory or self.profile_dir / 'oops')

        def look():
            return next(iter(where.glob('*/' + oops_id)), None)
        return wait_for(look, timeout, 'the report ' + oops_id)


def load_module(name):
    if name == 'php':
        found = sorted(pathlib.Path(MODULES_DIR).glob('libphp*.so'))
        if not found:
            raise NotInstalled('mod_php: see tests/deps.sh')
        path = found[0]
    elif name == 'mpm_itk':  # named like no other
        path = pathlib.Path(MODULES_DIR, 'mpm_itk.so')
        if not path.exists():
            raise NotInstalled('mpm_itk: see tests/deps.sh')
    else:
        path = '%s/mod_%s.so' % (MODULES_DIR, name)
    return 'LoadModule %s_module %s' % (name, path)


def is_profile(name):
    return (name.startswith('callgrind.out.')
            or name.endswith(('.prof', '.pb.gz', '.collapsed.txt')))


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
