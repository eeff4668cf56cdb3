# SPDX-License-Identifier: Apache-2.0
"""Table and libunwind see the same stacks in a live httpd, over everything that
httpd serves; and nearly all of them reach the request's root."""
import os
import pathlib
import re
import subprocess

import pytest

import apxs_env
import httpd_env
from callgrind import Callgrind

pytestmark = pytest.mark.no_valgrind('too slow to give enough samples')

FEATURES = ['autoindex', 'include', 'lua', 'cgi', 'proxy', 'deflate',
            'rewrite', 'status', 'tls', 'http2']
CONFIG = ('LPProfilingAllowed On\nLPProfileRate 10000\n'
          'ProxyPass /away http://127.0.0.1:${PORT}/dir\n')
PATHS = ['/index.html', '/dir/', '/page.shtml', '/lua/compute.lua?ms=60',
         '/lua/hello.lua', '/cgi/env', '/away/one.html', '/server-status',
         '/plain.txt', '/truth?shapes']
# So often at most: the more others use the processors, the fewer samples.
ASKED = 8
BUILD = pathlib.Path(os.environ.get('LPP_BUILD',
                                    httpd_env.PROJECT / 'build'))


def comparing_module(where):
    """The module with lpp_unwind.c replaced by one that compares."""
    target = where / 'lpp_unwind_compare.o'
    variables = subprocess.run(
        ['make', '-s', '-f', 'Makefile.apxs', 'BUILD=%s' % BUILD,
         '--eval', 'show: ; @echo $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL); '
         'echo $(CC) -shared -pthread $(CFLAGS) ; echo $(LDFLAGS_ALL) '
         '$(LIBS); echo $(core) $(skin)', 'show'],
        cwd=httpd_env.PROJECT, check=True, stdout=subprocess.PIPE,
        text=True).stdout.splitlines()
    compile_, link, libraries, objects = [line.split() for line in variables]
    subprocess.run([*compile_, '-c', '-o', str(target),
                    'tests/modules/lpp_unwind_compare.c'],
                   cwd=httpd_env.PROJECT, check=True)
    objects = [str(target) if name.endswith('/lpp_unwind.o') else name
               for name in objects]
    module = where / 'mod_lpprofile.so'
    subprocess.run([*link, '-o', str(module), *objects, *libraries],
                   cwd=httpd_env.PROJECT, check=True)
    return module


@pytest.fixture
def compared(tmp_path, monkeypatch):
    monkeypatch.setattr(httpd_env, 'MODULE', comparing_module(tmp_path))


def ask_everything(server):
    for _ in range(2):
        for path in PATHS:
            got = server.get('/++profile++callgrind' + path)
            assert got.status == 200, (path, got)
            assert got.lpprofile.startswith('profiled')
        server.get('/++profile++show/index.html', tls=True)
        server.get('/++profile++show/index.html',
                   headers=[('Accept-Encoding', 'gzip')])
        server.curl('/++profile++callgrind/lua/compute.lua?ms=40',
                    '--http2-prior-knowledge')


# prefork: mod_http2 warns.
@pytest.mark.log_allows(r'LPP unwinders compared', r'AH10034')
def test_both_unwinders_agree(httpd, compared):
    server = httpd(CONFIG + apxs_env.load('lpp_truth')
                   + '<Location /truth>\nSetHandler lpp-truth\n</Location>\n',
                   features=FEATURES, fresh=True)
    for _ in range(ASKED):
        ask_everything(server)
        lines = server.error_lines()
        count = 50 * sum('LPP unwinders compared' in line for line in lines)
        if count >= 1000:
            break
    differ = [at for at, line in enumerate(lines)
              if 'LPP unwinders differ' in line]
    print('%d stacks compared, %d differ' % (count, len(differ)))
    for at in differ[:5]:
        print('\n'.join(lines[at:at + 3]))
    assert count >= 1000
    assert not differ


def whole_and_not(paths):
    """(samples, stacks that did not reach the root) of these logs."""
    samples = bad = 0
    for path in paths:
        text = path.read_text()
        match = re.search(r'(\d+) lost, (\d+) cut, (\d+) broken', text)
        samples += int(re.search(r'^(?:summary|totals): \d+ \d+ (\d+)',
                                 text, re.M).group(1))
        bad += int(match.group(2)) + int(match.group(3))
    return samples, bad


@pytest.mark.log_allows(r'AH10034')
def test_stacks_reach_the_root(httpd):
    server = httpd(CONFIG + apxs_env.load('lpp_truth')
                   + '<Location /truth>\nSetHandler lpp-truth\n</Location>\n',
                   features=FEATURES, fresh=True)
    for _ in range(ASKED):
        ask_everything(server)
        samples, bad = whole_and_not(
            path for path in server.profile_files()
            if path.name.startswith('callgrind.'))
        if samples > 1000:
            break
    print('%d samples, %d did not reach the root (%.3f %%)'
          % (samples, bad, 100.0 * bad / samples))
    assert samples > 1000
    assert bad <= samples * 0.001 + 1


# As root's children signals are needed; a server that was not started as root
# is shown where its threads are blocked.
@pytest.mark.parametrize('unprivileged', [False, True])
def test_blocked_stacks_reach_the_root_and_no_call_is_broken(
        httpd, unprivileged):
    server = httpd('LPProfilingAllowed On\n' + apxs_env.load('lpp_truth')
                   + '<Location /truth>\nSetHandler lpp-truth\n</Location>\n',
                   unprivileged=unprivileged, fresh=True)
    samples = bad = asleep = 0
    for _ in range(6 * ASKED):
        got = server.get('/++profile++callgrind/truth?naps')
        assert got.text.startswith('done, 0 broken\n')
        log, = server.wait_files(got.oops_id)
        now, wrong = whole_and_not([log])
        samples, bad = samples + now, bad + wrong
        # The innermost frame is what it waits for, where that was looked at.
        # glibc 2.41 makes the call in a function that all such calls share.
        asleep += sum(
            own[3] for name, own in Callgrind(log).own.items()
            if re.search(r'\[waits: sleep|nanosleep|syscall_cancel', name)
            and len(own) > 3)
        if asleep >= 1000:
            break
    print('%d stacks of %d samples blocked, %d did not reach the root; '
          'no call was broken' % (asleep, samples, bad))
    if not unprivileged and os.geteuid() == 0:
        # Nobody made these processes readable for others of the same user.
        assert {os.stat('/proc/%d/mem' % pid).st_uid
                for pid in server.children()} == {0}
    assert asleep >= 300
    assert bad <= samples * 0.01
