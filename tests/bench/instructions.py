# SPDX-License-Identifier: Apache-2.0
"""Instructions that a request pays which is not profiled.

Counted by valgrind's callgrind on a prefork httpd -X: the same request
FEW and MANY times on one connection, the difference divided by the number of
requests between. "own" is what ran inside mod_lpprofile.so, "calls" how often
that called anything outside of it (malloc, the kernel, APR); "hooks" what
httpd's own loops over hooks took more than without the module; "all" the whole
process, which varies by some tens from run to run (how many reads a request
takes, what malloc finds) and holds what any module costs that is loaded. Owns
its servers; measures nothing else.
"""
import collections
import pathlib
import pwd
import re
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'http'))

import httpd_env  # noqa: E402

FEW, MANY = 40, 240
# No access log, so that the length of a line is in no figure.
QUIET = 'CustomLog /dev/null common env=never\nMaxKeepAliveRequests 0\n'
CONFIGURATIONS = {
    'absent': None,
    'off': 'LPProfilingAllowed Off\n',
    'allowed': 'LPProfilingAllowed On\n',
    'allowed, LPProfileHooks Off':
        'LPProfilingAllowed On\nLPProfileHooks Off\n',
    'off beside a host that allows':
        'LPProfilingAllowed Off\nListen 127.0.0.1:${TLSPORT}\n'
        '<VirtualHost 127.0.0.1:${TLSPORT}>\nServerName other\n'
        'LPProfilingAllowed On\n</VirtualHost>\n',
}
PATHS = {
    'root': '/',
    'short': '/x',
    'index': '/index.html',
    'long': '/' + 'directory/' * 49 + 'page.html',
    'escaped': '/a%20b%20c%20d%20e%20f%20g%20h%20i%20j%20k',
    'slashes': '/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u',
}


OURS = 'mod_lpprofile.so'
ENTRY = re.compile(r'(int|void|quick)_wrapper_\d+$')


class Counted(httpd_env.Httpd):
    """An httpd -X under callgrind."""

    def __init__(self, config, base):
        super().__init__(QUIET + (config or ''), mpm='prefork', base=base,
                         profiler=config is not None, log_level='notice',
                         unprivileged=True)
        (self.root / 'out').mkdir()
        (self.root / 'out').chmod(0o777)

    def _spawn(self, *args, **kwargs):
        owner = pwd.getpwnam(httpd_env.USER)
        # As the server's user from the start: valgrind writes at the end.
        user = dict(user=owner.pw_uid, group=owner.pw_gid,
                    extra_groups=[]) if self.unprivileged else {}
        return subprocess.Popen(
            ['valgrind', '--tool=callgrind', '--compress-strings=no',
             '--compress-pos=no',
             '--callgrind-out-file=%s' % (self.root / 'out' / '%p'),
             httpd_env.HTTPD, '-d', str(self.root),
             '-f', str(self.root / 'httpd.conf'), '-X'],
            env={'PATH': '/usr/sbin:/usr/bin:/bin', 'LANG': 'C.UTF-8'},
            cwd='/', stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
            preexec_fn=httpd_env._die_with_parent, **user)

    def _answers(self):
        if self.process.poll() is not None:
            raise httpd_env.HttpdFailed(self.process.stdout.read().decode()
                                        + self._log())
        try:
            return self.get('/index.html').status == 200
        except OSError:
            return False

    def count(self, path, requests):
        """Instructions that serving that many requests took."""
        self._pick_ports()
        self._write_configuration()
        self.process = self._spawn()
        httpd_env.wait_for(self._answers, 60, 'httpd under valgrind')
        with self.connection() as connection:
            for _ in range(requests):
                self.send(path, connection=connection)[1].read()
            # A prefork process that SIGTERM interrupts in malloc waits for it
            # for ever.
            httpd_env.wait_for(lambda: httpd_env._sleeps(self.process.pid), 60,
                               'httpd to be idle')
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.process.stdout.close()
        return read(self.root / 'out' / str(self.process.pid))


def read(path):
    """Own costs of a callgrind file: {'own', 'calls', 'hooks', 'all'}."""
    costs = collections.Counter()
    place, callee, function, skip = '', '', '', False
    for line in path.read_text('utf-8', 'replace').splitlines():
        if line.startswith('ob='):
            place = callee = pathlib.Path(line[3:]).name
        elif line.startswith('cob='):
            callee = pathlib.Path(line[4:]).name
        elif line.startswith('fn='):
            function = line[3:]
        elif line.startswith('calls='):
            if place == OURS and callee != OURS:
                costs['calls'] += int(line[6:].split()[0])
            callee, skip = place, True
        elif re.match(r'[0-9+*-]', line):
            if not skip:
                cost = int(line.split()[1])
                costs['all'] += cost
                # valgrind takes the entries' section for nobody's.
                if place == OURS or ENTRY.match(function):
                    costs['own'] += cost
                elif function.startswith('ap_run_'):
                    costs['hooks'] += cost
            skip = False
    return costs


def measure(configuration, path, base=None):
    """{'own', 'calls', 'hooks', 'all'} of each request."""
    server = Counted(CONFIGURATIONS[configuration], base)
    try:
        few, many = (server.count(path, n) for n in (FEW, MANY))
    finally:
        server.remove()
    return {key: (many[key] - few[key]) / (MANY - FEW)
            for key in ('own', 'calls', 'hooks', 'all')}


def table(configurations, paths, base=None):
    """Rows (path, bytes, configuration, own, calls, hooks, all, more than
    absent)."""
    for path in paths:
        absent = measure('absent', PATHS[path], base)
        for configuration in configurations:
            got = measure(configuration, PATHS[path], base)
            yield (path, len(PATHS[path]), configuration, got['own'],
                   got['calls'], got['hooks'] - absent['hooks'], got['all'],
                   got['all'] - absent['all'])


if __name__ == '__main__':
    chosen = (sys.argv[1].split(';') if len(sys.argv) > 1
              else list(CONFIGURATIONS)[1:])
    for row in table(chosen, sys.argv[2:] or PATHS):
        print('%-8s %3d bytes  %-30s own %6.1f  calls %.1f  hooks %+6.1f  '
              'all %.0f (%+.0f)' % row, flush=True)
