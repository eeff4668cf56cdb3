# SPDX-License-Identifier: Apache-2.0
"""A profiled request waits exactly as long as it would without us."""
import re
import socket
import threading
import time

import pytest

import apxs_env
from pauses import Pauses

pytestmark = [pytest.mark.alone('compares waits by the clock'),
              pytest.mark.no_valgrind('compares waits by the clock')]

ON = 'LPProfilingAllowed On\nLPProfileRate 1000\n'
SEGMENT = '/++profile++callgrind'
CALLS = 34
# What another process on this machine may add to a wait; and to a response
# that says so, with a page that names its first profile.
SLACK = 0.015
PAGE_SLACK = 0.08
# After so many seconds more something else than the timeout has ended a wait.
ELSE_S = 2.5


def within(profiled, plain, what, slack=SLACK):
    print('%-32s plain %9.2f ms, profiled %9.2f ms (%+.2f %%)' % (
        what, plain * 1e3, profiled * 1e3,
        100 * (profiled - plain) / plain))
    return abs(profiled - plain) <= max(0.02 * plain, slack)


def one_call(server, path):
    got = server.get(path)
    assert got.status == 200, got
    name, result, error, took = got.text.strip().split(';')
    return got, name, (int(result), int(error)), float(took) / 1e6


def test_blocking_calls_in_a_handler(httpd):
    server = httpd(ON + apxs_env.load('lpp_test_calls')
                   + '<Location /calls>\nSetHandler lpp-calls\n</Location>\n')
    slower = []
    for number in range(CALLS):
        plain_s = profiled_s = 1e9
        for again in range(8):
            _, name, plain, took = one_call(server, '/calls?%d' % number)
            # The machine can only lengthen: the shortest ones are compared.
            # A call that we lengthen stays long.
            plain_s = min(plain_s, took)
            got, _, profiled, took = one_call(
                server, '%s/calls?%d' % (SEGMENT, number))
            assert got.lpprofile.startswith('profiled')
            assert profiled == plain, name
            assert took > 0.149, name
            profiled_s = min(profiled_s, took)
            if within(profiled_s, plain_s, name):
                break
        else:
            slower.append(name)
    assert not slower
    assert server.get('/calls?%d' % CALLS).status == 404


def both(server, ask, what):
    """ask(path prefix) -> anything; with and without us, at the same time.
    Returns what it gave, once it took as long, and how long that was without
    what the machine took."""
    for _ in range(6):
        found = {}

        def run(prefix):
            began = time.monotonic()
            answer = ask(prefix)
            found[prefix] = (answer, time.monotonic() - began)
        threads = [threading.Thread(target=run, args=(prefix,), daemon=True)
                   for prefix in ('', SEGMENT)]
        with Pauses(server.children()) as pauses:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
        assert len(found) == 2, 'no answer'
        (plain, plain_s), (profiled, profiled_s) = found[''], found[SEGMENT]
        if within(profiled_s, plain_s, what, PAGE_SLACK + pauses.lost):
            return plain, profiled, plain_s, plain_s - pauses.lost
    raise AssertionError('%s: %.3f s, profiled %.3f s'
                         % (what, plain_s, profiled_s))


def statuses(server, ask, what, seconds):
    plain, profiled, took, own = both(server, ask, what)
    assert seconds * 0.98 <= took and own < seconds + ELSE_S, (took, own)
    assert profiled.lpprofile.startswith('profiled'), profiled.headers
    assert profiled.status == plain.status
    return profiled


@pytest.mark.log_allows(r'AH0', r'LPP')
def test_a_proxy_gives_up_after_proxytimeout(httpd):
    with socket.socket() as deaf:
        deaf.bind(('127.0.0.1', 0))
        deaf.listen(16)
        server = httpd(ON + 'ProxyTimeout 1\nProxyPass /away '
                       'http://127.0.0.1:%d/ disablereuse=on retry=0\n'
                       % deaf.getsockname()[1], features=['proxy'],
                       fresh=True)
        got = statuses(server, lambda at: server.get(at + '/away/x'),
                       'ProxyTimeout 1', 1)
        assert got.status == 502


@pytest.mark.log_allows(r'AH0', r'AH1', r'LPP', r'\[cgi', r'End of script')
@pytest.mark.mpms('prefork', 'event')
def test_a_script_gives_up_after_its_timeout(httpd, mpm):
    name = 'CGIScriptTimeout' if mpm == 'prefork' else 'CGIDScriptTimeout'
    server = httpd(ON + name + ' 1\n', features=['cgi'], fresh=True)
    script = server.site / 'cgi' / 'slow'
    script.write_text('#!/bin/sh\nexec sleep 4\n')
    script.chmod(0o755)
    got = statuses(server, lambda at: server.get(at + '/cgi/slow'),
                   name + ' 1', 1)
    assert got.status in (500, 504)


@pytest.mark.log_allows(r'AH0', r'AH1', r'LPP', r'\[cgi')
@pytest.mark.all_mpms
def test_a_client_that_does_not_send_meets_timeout(httpd, mpm):
    server = httpd(ON + 'Timeout 1\n', features=['cgi'], fresh=True)
    script = server.site / 'cgi' / 'eat'
    script.write_text('#!/bin/sh\ncat > /dev/null\n'
                      'echo "Content-Type: text/plain"\necho\necho eaten\n')
    script.chmod(0o755)

    def ask(prefix):
        with socket.create_connection(('127.0.0.1', server.port), 20) as sock:
            sock.sendall(b'POST %s/cgi/eat HTTP/1.1\r\nHost: localhost\r\n'
                         b'Content-Length: 100\r\n\r\nhalf'
                         % prefix.encode())
            pieces = []
            while True:
                piece = sock.recv(65536)
                if not piece or b'\r\n\r\n' in piece:
                    return (b''.join(pieces) + piece).split(b'\r\n')[0]
                pieces.append(piece)
    plain, profiled, took, own = both(server, ask, 'Timeout 1, ' + mpm)
    assert plain == profiled
    assert 0.98 <= took and own < 1 + ELSE_S, (took, own)


@pytest.mark.log_allows(r'PHP Fatal', r'php', r'LPP')
@pytest.mark.mpms('prefork')
def test_php_meets_its_max_execution_time(httpd):
    server = httpd(ON + 'php_admin_value max_execution_time 1\n'
                   'php_admin_flag display_errors on\n',
                   features=['modphp'], fresh=True)
    # PHP counts the CPU time of the process as the timer tick sees it, which is
    # not when our helper runs; getrusage counts that too, so it is taken off.
    (server.site / 'spin.php').write_text(
        '<?php function cpu() { $u = getrusage();\n'
        'return $u["ru_utime.tv_sec"] + $u["ru_stime.tv_sec"]\n'
        ' + ($u["ru_utime.tv_usec"] + $u["ru_stime.tv_usec"]) / 1e6; }\n'
        '$GLOBALS["t"] = cpu(); register_shutdown_function(function() {\n'
        '  printf("\ncpu=%.4f\n", cpu() - $GLOBALS["t"]);});\n'
        'while (true) { $x = md5($x ?? "y"); }\n')

    def seconds(prefix):
        got = server.get(prefix + '/spin.php', timeout=25)
        own_us = 0
        if prefix:
            log, = server.wait_files(got.oops_id)
            own_us = int(re.search(r'Profiler: (\d+) us',
                                   log.read_text()).group(1))
        assert 'Maximum execution time of 1 second' in got.text, got.text
        assert not prefix or got.lpprofile.startswith('profiled')
        return (float(re.search(r'cpu=([\d.]+)', got.text).group(1))
                - own_us / 1e6)
    # PHP's own accuracy, where others want the processor, is some 100 ms (seen:
    # 797 to 1005 without us): the ranges have to meet.
    plain, profiled = [], []
    for again in range(4):
        plain += [seconds('') for _ in range(3)]
        profiled += [seconds('/++profile++callgrind') for _ in range(3)]
        print('max_execution_time 1, CPU: plain %s, profiled %s'
              % (sorted(plain), sorted(profiled)))
        if (min(profiled) <= 1.02 * max(plain) + SLACK
                and max(profiled) >= 0.98 * min(plain) - SLACK):
            return
    raise AssertionError((plain, profiled))
