# SPDX-License-Identifier: Apache-2.0
"""How tests get a live httpd. (The server itself: tests/http/httpd_env.py.)

    PROFILE = 'LPProfilingAllowed On'

    @pytest.mark.all_mpms                  # else event alone; --mpm overrides
    def test_page(httpd):
        server = httpd(PROFILE, features=['lua', 'cgi'], modules=['status'])
        got = server.get('/++profile++callgrind/index.html',
                         headers=[('X-A', '1'), ('X-A', '2')])
        assert got.status == 200 and got.oops_id
        path, = server.wait_files(got.oops_id)

httpd(config='', features=(), modules=(), profiler=True, unprivileged=False,
      env=None, fresh=False, key=None, mpm=None, log_level=...)
    A running server. The same arguments give the same server all session
    long, so keep to few configurations; fresh=True gives one for this test
    alone (do that when you kill, restart or fill it), key='b' a second one.
    config is appended to the configuration of the main server (virtual hosts
    may stand in it) and may use ${ROOT}, ${SITE}, ${PORT}, ${TLSPORT}; MPM
    limits given there win. features: see FEATURES in httpd_env.py (lua, cgi,
    php, modphp, include, autoindex, proxy, deflate, rewrite, status, info,
    tls, http2). modules: further names, as in mod_NAME.so. profiler=False: a
    server without our module, such as a backend. unprivileged=True: httpd
    itself is not started as root. env: its environment.
httpd.configtest(config, ...) -> (exit code, output); nothing is started.
httpd.fails(config, ...) -> what a server that must not start said.

A server has: get(path, headers, method, body, tls, timeout, connection,
host), send() (head read, body not), raw(bytes), curl(path, *args), url(path),
port, tls_port, connection(), restart('graceful'|'restart'), reconfigure(),
stop('stop'|'graceful-stop'), process, children(), expect_log(regex),
error_lines(), access_lines(count), profile_dir, profile_files(oops_id),
wait_files(oops_id, count), wait_saved(oops_id), wait_oops(oops_id),
report(oops_id), site (its own copy of tests/http/site: a test may add files
there), root. What is written of a profile may come after its response: first
the files, then the saved profile, then the OOPS; each wait is for one of them.
A response has: status, headers, header(name), all(name), body, text, oops_id,
lpprofile. `wait_for(probe, timeout, what)` is in httpd_env.

After each test the error logs of its servers are read: a line at warn or
worse, a crashed child, or text that httpd did not write fails the test,
unless the test named it: @pytest.mark.log_allows(r'LPP030'),
server.allow_log(regex), server.expect_log(regex). Our own tags LPP... at info
and debug are in the log, others' from notice on. Every callgrind log that a
server leaves is opened with callgrind_annotate when the server goes.

(httpd itself logs a child that dies of SIGSEGV, SIGABRT and the like, and
says nothing of one that was killed by SIGKILL or SIGTERM.)

Options: --mpm prefork,worker  run everything on these; --kernel-events
'on force'  with this LPProfileKernelEvents, where a test sets none and httpd
is started as root; --keep  leave the servers' directories behind (also
LPP_KEEP=1). LPP_MODULE=path picks the .so.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / 'http'))

import apxs_env  # noqa: E402
import databases  # noqa: E402
import httpd_env  # noqa: E402

ANNOTATE = pathlib.Path(__file__).parent / 'readers/annotate.pl'
MOST_SERVERS = 10  # that idle in the cache


def pytest_addoption(parser):
    parser.addoption('--mpm', default='',
                     help='comma-separated MPMs to run every test on')
    parser.addoption('--kernel-events', default='',
                     help='LPProfileKernelEvents where a test sets none')
    parser.addoption('--keep', action='store_true',
                     default=bool(os.environ.get('LPP_KEEP')),
                     help="leave the servers' directories behind")


def pytest_configure(config):
    if not hasattr(config, 'workerinput'):
        apxs_env.make_base()


def pytest_unconfigure(config):
    if not hasattr(config, 'workerinput'):
        apxs_env.remove_base()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """What one worker of several runs together: the tests of a file that use
    the same MPM, and so the same servers; or what the file itself names."""
    for item in items:
        if item.get_closest_marker('xdist_group'):
            continue
        mpm = (item.callspec.params.get('mpm')
               if hasattr(item, 'callspec') else None)
        # No string where --mpm leaves none: pytest skips such a test. All of
        # Chromium is one group: several at once only slow each other down.
        name = ([item.path.parent.name] if item.path.parent.name == 'browser'
                else [item.path.stem, mpm] if isinstance(mpm, str)
                else [item.path.stem])
        item.add_marker(pytest.mark.xdist_group(' '.join(name)))
    items.sort(key=lambda item: 2 - bool(item.get_closest_marker('long'))
               - 2 * (item.path.parent.name == 'browser'))


def pytest_generate_tests(metafunc):
    if 'mpm' not in metafunc.fixturenames:
        return
    asked = metafunc.config.getoption('--mpm')
    named = metafunc.definition.get_closest_marker('mpms')
    if named:
        mpms = [m for m in named.args if not asked or m in asked.split(',')]
    elif asked:
        mpms = asked.split(',')
    elif metafunc.definition.get_closest_marker('all_mpms'):
        mpms = httpd_env.MPMS
    else:
        mpms = ['event']
    metafunc.parametrize('mpm', mpms)


class Servers:
    """Every server of this session; keeps the idle ones for reuse."""

    def __init__(self, keep, kernel_events):
        self.kernel_events = kernel_events
        self.base = tempfile.mkdtemp(prefix='lpp-tests-')
        os.chmod(self.base, 0o755)
        self.keep = keep
        self.cached = {}  # arguments -> server, least recently used first
        self.unstarted = {}  # options -> server that only reads configurations

    def get(self, key, make):
        server = self.cached.pop(key, None)
        if server is None or not server.running():
            server = make().start()
        self.cached[key] = server
        return server

    def drop_idle(self, used):
        """Keep the machine free of servers that nobody asks for."""
        idle = [key for key, server in self.cached.items()
                if server not in used]
        while len(self.cached) > MOST_SERVERS and idle:
            server = self.cached.pop(idle.pop(0))
            problems = self.close([server])
            assert not problems, '\n'.join(problems)

    def close(self, servers):
        problems = httpd_env.stop_all(servers)
        for server in servers:
            faults = server.take_faults()
            if faults:
                problems.append('in the log at the end:\n'
                                + '\n'.join(faults))
            if server.process is not None:
                server.kill_all()
        problems += unreadable_logs(*[server.root for server in servers])
        if not self.keep:
            for server in servers:
                server.remove()
        return problems


def unreadable_logs(*roots):
    """What callgrind_annotate says against the logs below these."""
    logs = [path for root in roots for path in root.rglob('callgrind.out.*')]
    if not logs:
        return []
    done = subprocess.run(
        ['perl', ANNOTATE, shutil.which('callgrind_annotate'), *logs],
        text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    if done.returncode or done.stdout:
        return ['callgrind_annotate does not read:\n' + done.stdout]
    return []


@pytest.fixture(scope='session')
def servers(request):
    every = Servers(request.config.getoption('--keep'),
                    request.config.getoption('--kernel-events'))
    yield every
    problems = every.close(list(every.cached.values()))
    if every.keep:
        print('\nservers left in', every.base)
    else:
        shutil.rmtree(every.base, ignore_errors=True)
    assert not problems, '\n'.join(problems)


class Factory:
    """What the httpd fixture gives to a test; see the head of this file."""

    def __init__(self, servers, mpm, allowed):
        self.servers, self.mpm, self.allowed = servers, mpm, allowed
        self.used, self.own = [], []

    def _make(self, config, options):
        names = [*options.get('modules', ())]
        if 'modphp' in options.get('features', ()):
            names.append('php')
        try:
            for name in names:
                httpd_env.load_module(name)
        except httpd_env.NotInstalled as missing:
            pytest.skip(str(missing))
        events = self.servers.kernel_events
        if (events and options.get('profiler', True)
                and not options.get('unprivileged')
                and 'LPProfileKernelEvents' not in config):
            config = 'LPProfileKernelEvents %s\n%s' % (events, config)
        return httpd_env.Httpd(config, base=self.servers.base, **options)

    def __call__(self, config='', fresh=False, key=None, **options):
        options.setdefault('mpm', self.mpm)
        if fresh:
            server = self._make(config, options)
            self.own.append(server)
            server.allow_log(*self.allowed)
            server.start()
        else:
            name = repr((config, key, sorted(options.items())))
            server = self.servers.get(
                name, lambda: self._make(config, options))
        if server not in self.used:
            if not fresh:
                server.begin_test()
                server.allow_log(*self.allowed)
            self.used.append(server)
        return server

    def configtest(self, config='', **options):
        options.setdefault('mpm', self.mpm)
        name = repr(sorted(options.items()))
        if name not in self.servers.unstarted:
            self.servers.unstarted[name] = self._make('', options)
        return self.servers.unstarted[name].configtest(config)

    def fails(self, config='', **options):
        options.setdefault('mpm', self.mpm)
        server = self._make(config, options)
        try:
            server.start()
        except httpd_env.HttpdFailed as failure:
            return str(failure)
        else:
            server.stop()
            raise AssertionError('httpd started all the same')
        finally:
            if server.process is not None:
                server.kill_all()
            server.remove()

    def finish(self):
        faults = []
        for server in self.used:
            if server not in self.own:
                faults += server.take_faults()
        faults += self.servers.close(self.own)
        self.servers.drop_idle(self.used)
        return faults


@pytest.fixture
def httpd(request, servers, mpm):
    allowed = [pattern for mark in request.node.iter_markers('log_allows')
               for pattern in mark.args]
    factory = Factory(servers, mpm, allowed)
    yield factory
    faults = factory.finish()
    assert not faults, 'not named by the test:\n' + '\n'.join(faults)


@pytest.fixture(scope='session')
def postgres():
    """Tests that use it are of the xdist_group postgres."""
    cluster = databases.Postgres()
    try:
        yield cluster.start()
    finally:
        cluster.stop()


class TmpPaths:
    """Like pytest's, but the servers' User can reach them."""

    def __init__(self, base):
        self.base = base

    def mktemp(self, name):
        path = pathlib.Path(tempfile.mkdtemp(prefix=name, dir=self.base))
        path.chmod(0o755)
        return path


@pytest.fixture(scope='session')
def tmp_path_factory(servers):
    return TmpPaths(servers.base)


@pytest.fixture
def tmp_path(tmp_path_factory):
    return tmp_path_factory.mktemp('test')


@pytest.fixture
def wait_for():
    return httpd_env.wait_for
