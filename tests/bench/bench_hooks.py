#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the entries in httpd's hook arrays cost.

    LPP_MODULE=build/mod_lpprofile.so tests/bench/bench_hooks.py

Prints, beside the bounds of issue 8: how many entries a request meets while
nobody is profiled, and its instructions, by valgrind (hooks counted against
hooks not counted and against no module at all); and the nanoseconds that
counting and timing a call takes, all included, while somebody is.
"""
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'http'))

import apxs_env  # noqa: E402
import httpd_env  # noqa: E402

REQUESTS = 40
MODULES = ('rewrite', 'negotiation', 'autoindex', 'status', 'include',
           'auth_basic', 'authn_core', 'authn_file', 'authz_user', 'deflate',
           'filter', 'lua', 'proxy', 'expires')
CONFIG = 'MaxRequestsPerChild 0\n'
# Files that valgrind opened as root it could not write to later.
AS_USER = ['setpriv', '--reuid', httpd_env.USER, '--regid', httpd_env.USER,
           '--clear-groups'] if os.geteuid() == 0 else []


def in_entries(text):
    """Calls of entries in a callgrind file, and instructions in their own
    code."""
    names, calls, spent = {}, 0, 0
    function = callee = ''
    after_calls = False
    for line in text.splitlines():
        match = re.match(r'(c?fn)=\((\d+)\)(?: (.*))?', line)
        if match:
            name = names.setdefault(match.group(2), match.group(3) or '')
            if match.group(1) == 'fn':
                function = name
            else:
                callee = name
        elif line.startswith('calls='):
            after_calls = True
            if re.match(r'(int|void|quick)_wrapper_', callee):
                calls += int(line[6:].split()[0])
        elif re.match(r'[-+*\d]', line):
            if not after_calls and re.match(r'(int|void|quick)_wrapper_',
                                            function):
                spent += int(line.split()[1])
            after_calls = False
    return calls, spent


def instructions(profiler, config):
    """Instructions of one unprofiled request, calls of entries in it, and
    instructions in these."""
    server = httpd_env.Httpd(config + CONFIG, mpm='prefork', modules=MODULES,
                             profiler=profiler, unprivileged=True)
    out = server.root / 'out' / 'callgrind.out'
    out.parent.mkdir()
    out.parent.chmod(0o777)
    try:
        server._pick_ports()
        server._write_configuration()
        process = subprocess.Popen(
            [*AS_USER, 'valgrind', '--tool=callgrind', '--callgrind-out-file=%s' % out,
             '--toggle-collect=ap_process_request', '--separate-threads=no',
             httpd_env.HTTPD, '-X', '-d', str(server.root), '-f',
             str(server.root / 'httpd.conf')],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                server.get('/plain.txt', timeout=60)
                break
            except OSError:
                time.sleep(0.3)
        for _ in range(REQUESTS - 1):
            assert server.get('/plain.txt', timeout=60).status == 200
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        text = out.read_text()
        total = int(re.search(r'^totals: (\d+)', text, re.M).group(1))
        calls, spent = in_entries(text)
        return total / REQUESTS, calls / REQUESTS, spent / REQUESTS
    finally:
        server.remove()


def served_ns():
    """Nanoseconds of a hook that declines at once, without a profile and
    with one: all that a call costs within httpd."""
    server = httpd_env.Httpd(
        'LPProfilingAllowed On\n' + apxs_env.load('lpp_hook_cost')
        + '<Location /hooks>\nSetHandler lpp-hook-cost\n</Location>\n')
    try:
        server.start()
        return [min(float(server.get(path).text) for _ in range(8))
                for path in ('/hooks', '/++profile++callgrind/hooks')]
    finally:
        server.stop()
        server.remove()


def hook_calls():
    """How many counted calls a request of that page makes."""
    import calls_table
    server = httpd_env.Httpd('LPProfilingAllowed On\n' + CONFIG,
                             modules=MODULES)
    try:
        server.start()
        got = server.get('/++profile++callgrind/plain.txt')
        return sum(call.calls for call in calls_table.calls_of(server, got))
    finally:
        server.stop()
        server.remove()


def main():
    calls = hook_calls()
    print('counted hook calls of a plain file with %d modules: %d'
          % (len(MODULES) + len(httpd_env.BASE_MODULES), calls))
    for what, profiler, config in (
            ('without the module', False, ''),
            ('LPProfileHooks Off', True,
             'LPProfilingAllowed On\nLPProfileHooks Off\n'),
            ('LPProfileHooks On', True, 'LPProfilingAllowed On\n')):
        whole, entered, spent = instructions(profiler, config)
        print('unprofiled, %s: %.0f instructions a request; %.1f hook calls '
              'through entries, %.2f instructions each (bound: 3)' % (
                  what, whole, entered, spent / entered if entered else 0))
    unprofiled, profiled = served_ns()
    print('a hook that declines at once: %.1f ns unprofiled, %.1f ns more '
          'where it is profiled (bound: 100)'
          % (unprofiled, profiled - unprofiled))


if __name__ == '__main__':
    main()
