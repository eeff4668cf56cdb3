# SPDX-License-Identifier: Apache-2.0
"""What a request waited for, by name: in the page, the report, the files."""
import fcntl
import os
import re
import socket
import threading
import time

import pytest

from shown_waits import (first_sentence, heaviest, leaves, ms, rows, text_of,
                         waits_of, words)
from slow_servers import SLEEP, backend, slow_page

pytestmark = [pytest.mark.no_valgrind('too slow to see the waits alone')]

ON = 'LPProfilingAllowed On\n'


def test_a_proxied_page_says_for_whom_it_waited(httpd):
    with backend(slow_page) as (host, port):
        server = httpd(ON + 'ProxyPass /slow http://127.0.0.1:%d/\n' % port,
                       features=['proxy', 'status'], fresh=True)
        got = server.get('/++profile++show&collapsed/slow')
        assert got.status == 200, got
        sentence = first_sentence(got.text)
        name = 'tcp 127.0.0.1:%d' % port
        assert re.fullmatch(r'\d+ % waiting for ' + re.escape(name)
                            + r'( \(\S+\))? ?: [\d.]+ m?s', sentence), sentence
        assert SLEEP * 900 < ms(sentence) < SLEEP * 5000, sentence
        found = leaves(server, got.oops_id)
        assert SLEEP * 9e5 < found['[waits: %s]' % name], found
        report = server.report(got.oops_id).text
        assert first_sentence(report) == sentence or name in \
            first_sentence(report)
        times, total, caller = rows(report)[name]
        assert int(times) >= 1 and ms(total) > SLEEP * 900
        assert 'mod_proxy' in caller, caller
        figure = re.fullmatch(r'profiled;.*waits=(\d+)ms (.*)',
                              got.lpprofile)
        assert figure and figure.group(2) == name, got.lpprofile
        # Up to when the helper last looked at it, before the answer came.
        assert SLEEP * 500 < int(figure.group(1)) < SLEEP * 5000
        oops = text_of(report)
        assert re.search(r'wait ' + re.escape(name), oops)
        status = server.get('/server-status?auto').text
        assert re.search(r'LastWaited: \d+ ms, ' + re.escape(name), status), \
            status


@pytest.mark.mpms('event', 'prefork')
def test_a_cgi_script(httpd):
    server = httpd(ON, features=['cgi'], fresh=True)
    script = server.site / 'cgi' / 'sleepy'
    script.write_text('#!/bin/sh\nsleep 0.6\n'
                      'printf "Content-Type: text/html\\n\\n<p>done</p>"\n')
    script.chmod(0o755)
    found, _ = waits_of(server, '/cgi/sleepy')
    # With prefork, mod_cgi has pipes to its child; else a daemon runs it.
    assert re.match(r'\[waits: (pipe with process \S+|unix \S*cgisock\S*)',
                    heaviest(found)), found


PHP = """<html><body><?php
%s
?></body></html>
"""


@pytest.fixture
def php(httpd):
    """run(code): leaves and report of a page of PHP."""
    server = httpd(ON, features=['modphp'], fresh=True, mpm='prefork')

    def run(code):
        # A name of its own: opcache looks at a file every two seconds.
        name = 'waits%d.php' % len(list(server.site.glob('waits*.php')))
        (server.site / name).write_text(PHP % code)
        return waits_of(server, '/' + name)
    run.server = server
    return run


@pytest.mark.mpms('prefork')
@pytest.mark.no_asan('PHP has its own memory')
def test_waits_of_php(php):
    """The script's function is the one that waited; its wait comes second in
    the headline."""
    for _ in range(10):
        found, report = php('function nap() { usleep(600000); }\nnap();')
        assert heaviest(found) == '[waits: sleep]', found
        if 'nap' in rows(report)['sleep'][2]:
            break
        # A busy machine: the sample came too late to read page functions.
        assert 'too late to read' in text_of(report)
    assert 'nap' in rows(report)['sleep'][2]
    assert re.match(r'\d+ % in nap .*?\. \d+ % waiting for sleep ?: ',
                    words(report)), words(report)
    found, _ = php('shell_exec("sleep 0.6");')
    assert heaviest(found).startswith('[waits: pipe with process s'), found


@pytest.mark.mpms('prefork')
@pytest.mark.no_asan('PHP has its own memory')
def test_a_locked_session_of_php(php):
    folder = php.server.root / 'sessions'
    folder.mkdir()
    folder.chmod(0o777)
    session = 'a1b2c3d4e5f6g7h8i9j0k1l2m3'
    path = folder / ('sess_' + session)
    path.write_text('')
    path.chmod(0o666)
    code = ('session_save_path("%s"); session_id("%s"); session_start();'
            % (folder, session))
    with open(path, 'r+') as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        timer = threading.Timer(SLEEP, fcntl.flock, (held, fcntl.LOCK_UN))
        timer.start()
        found, report = php(code)
        timer.join()
    # Whoever reads the name of a session's file could take it over.
    assert heaviest(found) == '[waits: lock of file %s/sess_*]' % folder
    assert session not in report
    note, = [what for what in rows(report) if 'sess_*' in what]
    assert 'held by process' in note, note


@pytest.mark.mpms('prefork')
@pytest.mark.no_asan('PHP has its own memory')
def test_sockets_and_names_that_are_hostile(php):
    """A unix socket whose path is markup, and separators of formats."""
    path = str(php.server.root / 'run' / '<b>;x')

    def answer(connection):
        time.sleep(SLEEP)
        connection.sendall(b'x')

    with backend(answer, socket.AF_UNIX, path):
        os.chmod(path, 0o777)
        found, report = php('$s = stream_socket_client("unix://%s"); '
                            'fread($s, 1);' % path)
    assert heaviest(found) == '[waits: unix %s]' % path.replace(';', '?')
    assert '<b>?x' not in report and '&#60;b&#62;?x' in report


@pytest.mark.mpms('prefork')
@pytest.mark.no_asan('PHP has its own memory')
def test_all_members_of_a_select(php):
    with backend(lambda connection: time.sleep(SLEEP)) as (_, first), \
            backend(lambda connection: time.sleep(SLEEP)) as (_, second):
        found, _ = php(
            '$a = stream_socket_client("tcp://127.0.0.1:%d");'
            '$b = stream_socket_client("tcp://127.0.0.1:%d");'
            '$r = [$a, $b]; $w = $e = null; stream_select($r, $w, $e, 5);'
            % (first, second))
    assert heaviest(found) == ('[waits: tcp 127.0.0.1:%d, tcp 127.0.0.1:%d]'
                               % (first, second)), found


def test_a_client_that_reads_slowly(httpd):
    server = httpd(ON + 'SendBufferSize 8192\n', fresh=True)
    (server.site / 'big.bin').write_bytes(os.urandom(3000000))
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(('127.0.0.1', server.port))
        client.sendall(b'GET /++profile++collapsed/big.bin HTTP/1.1\r\n'
                       b'Host: 127.0.0.1\r\nConnection: close\r\n\r\n')
        head = client.recv(1000)
        time.sleep(SLEEP)
        while client.recv(65536):
            pass
    oops_id = re.search(rb'X-Lazr-OopsId: (\S+)', head).group(1).decode()
    found = leaves(server, oops_id)
    assert heaviest(found) == '[waits: client 127.0.0.1]', found


def test_a_reader_without_access_is_shown_no_peer(httpd):
    with backend(slow_page) as (_, port):
        server = httpd(ON + 'LPProfileAllRequests On\n'
                       "LPProfileAccess \"-R '192.0.2.1'\"\n"
                       'ProxyPass /slow http://127.0.0.1:%d/\n' % port,
                       features=['proxy', 'status'], fresh=True)
        got = server.get('/slow')
        assert got.status == 200
        assert str(port) not in got.text
        # The status page is open to all here, but not this line of it.
        status = server.get('/server-status?auto').text
        assert 'LPProfileSignal: ' in status and 'LastWaited' not in status
        assert str(port) not in status
        assert not [value for name, value in got.headers.items()
                    if str(port) in value]


@pytest.mark.mpms('prefork')
@pytest.mark.no_asan('PHP has its own memory')
def test_a_cold_file_is_a_wait_for_the_disk(php):
    path = php.server.site / 'cold.bin'
    with open(path, 'wb') as file:
        for _ in range(64):
            file.write(os.urandom(1 << 20))
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    found, report = php(
        '$h = fopen("%s", "r"); for ($i = 0; $i < 1500; $i++) {'
        'fseek($h, ($i * 7919 %% 16384) * 4096); fread($h, 4096); }' % path)
    name = '[waits: disk file %s]' % path
    if not any(frame.startswith('[waits: disk') for frame in found):
        pytest.skip('SKIPPED: this disk answers too fast to be seen')
    assert name in found, found
    assert 'disk file %s' % path in ' '.join(rows(report))


@pytest.mark.mpms('prefork')
@pytest.mark.no_asan('PHP has its own memory')
def test_a_name_server_that_is_silent(php):
    """What a resolver does: a connected UDP socket, and a timeout."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(('127.0.0.1', 0))
        port = silent.getsockname()[1]
        found, _ = php('$s = stream_socket_client("udp://127.0.0.1:%d");'
                       'stream_set_timeout($s, 0, 600000); fwrite($s, "?");'
                       'fread($s, 1);' % port)
    assert heaviest(found) == '[waits: udp 127.0.0.1:%d]' % port, found
