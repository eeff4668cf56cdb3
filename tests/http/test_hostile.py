# SPDX-License-Identifier: Apache-2.0
"""What a client, or somebody with a hand in the directory, can put in: it gets
into no header, log line, page or file name as anything but text."""
import gzip
import os
import pathlib
import re
import signal
import struct

import pytest

from httpd_env import wait_for

pytestmark = pytest.mark.long

ON = ('LPProfilingAllowed On\nLPProfilePageId "%{HTTP:X-Page}"\n'
      'LPMemoryProfileLog ${ROOT}/run/memory.log\n'
      'LogFormat "%r" line\n')
CANARY = 'canary4711'
# Bytes as they come, and as a URL holds them.
NASTY = ('<script>alert(1)</script>', '"><img src=x onerror=alert(1)>',
         "'-alert(1)-'", '</lpp-profile></template></body>', '&lt;b&gt;',
         '../../../../tmp/evil', '/etc/passwd', '..', '.', '-rf',
         '\x1b[31mred\x1b]0;title\x07', '\x9b31m', 'a\rb', '\x7f', '%n%s%x',
         '$(id)', '`id`', 'x' * 1500, '\u202e', '\xff\xfe', '|id', '{{7*7}}')


def quoted(text):
    return ''.join('%%%02x' % byte for byte in text.encode('utf-8'))


def check_log(server):
    """httpd's logs are one line an event, ASCII, no terminal sequence."""
    for line in server.error_log.read_bytes().split(b'\n'):
        if b'LPP' in line:
            assert re.fullmatch(rb'[\x20-\x7e\t]*', line), line
            assert line.startswith(b'['), line
    memory = server.root / 'run' / 'memory.log'
    for line in memory.read_bytes().splitlines():
        assert re.fullmatch(rb'[\x21-\x7e]+(?: [\x21-\x7e]+){8,}', line), line


def check_names(server):
    for path in server.profile_dir.rglob('*'):
        assert re.fullmatch(r'[A-Za-z0-9._:+@-]+', path.name), path
        assert len(path.name) < 255
    assert not os.path.exists('/tmp/evil')


def check_files(server, got):
    for path in server.wait_files(got.oops_id, 4):
        data = path.read_bytes()
        if path.name.endswith('.gz'):
            data = gzip.decompress(data)
        elif not path.name.endswith('.prof'):
            assert not re.search(rb'[\x00-\x08\x0b-\x1f\x7f]', data), path


def check_head(got):
    for name, value in got.headers.items():
        assert re.fullmatch(r'[\x20-\x7e]*', value), (name, value)
        assert not name.lower().startswith('x-evil')


@pytest.mark.log_allows(r'AH00127', r'AH10411', r'AH00036', r'AH01797')
def test_nothing_is_more_than_text(httpd):
    server = httpd(ON, features=['cgi'], fresh=True)
    for text in NASTY:
        raw = text.replace('\r', '').encode('utf-8', 'replace').decode(
            'latin-1')
        segment = '/++profile++show&callgrind&pstats&pprof&collapsed'
        got = server.get(
            segment + '/index.html?q=' + quoted(text),
            headers={'X-Page': raw, 'User-Agent': raw, 'Referer': raw,
                     'Accept': 'text/html'})
        assert got.status in (200, 400), (text, got.status)
        if got.status == 400:
            continue  # httpd itself refuses such a header
        assert got.lpprofile.startswith('profiled')
        check_head(got)
        check_files(server, got)
        for marked in ('<script>alert', '<img src=x', '</lpp-profile></templ',
                       '\x1b', '\x9b'):
            assert marked not in got.text, marked
        server.wait_saved(got.oops_id)
        for page in ('/++profile++report:' + got.oops_id,
                     '/++profile++reports'):
            shown = server.get(page)
            assert shown.status == 200
            assert '<script>alert' not in shown.text
            assert '<img src=x' not in shown.text
            assert '\x1b' not in shown.text
            check_head(shown)
    check_log(server)
    check_names(server)


@pytest.mark.parametrize('name', [
    'show%0d%0aX-Evil:%201', 'show&%3cscript%3ealert(1)%3c%2fscript%3e',
    'sqltrace:includes%20%3cscript%3ealert(1)', 'show%00', 'show%1b[31m',
    'report:..%2f..%2fetc%2fpasswd', 'report:OOPS-%2e%2e', 'report:%0d%0a',
    'report:OOPS-0123456789abcdef0123456789abcdef&callgrind%2f..',
    'reports&sort=%3cscript%3ealert(1)', '%f0%9f%92%a9',
    'sqltrace:' + 'x' * 6000])
@pytest.mark.log_allows(r'AH10244', r'AH00127', r'AH10411', r'AH01630')
def test_segment_is_no_way_in(httpd, name):
    server = httpd(ON, features=['cgi'], key='segment')
    for path in ('/++profile++%s/index.html', '/++profile++%s'):
        got = server.get(path % name)
        assert got.status in (200, 400, 403, 404), got.status
        assert 'root:' not in got.text and '<script>alert' not in got.text
        assert '\x1b' not in got.text
        check_head(got)
    check_names(server)


def plant(server):
    """What somebody who can write to the directory might leave there."""
    directory = server.profile_dir
    name = 'callgrind.out.2020-01-01_00:00:00.000-x:y-OOPS-%s-1.1'
    victim = server.root / 'victim'
    victim.write_text('precious\n')
    (directory / (name % ('a' * 32))).symlink_to(victim)
    os.link(victim, directory / (name % ('b' * 32)))
    (directory / (name % ('c' * 32))).mkdir()
    os.mkfifo(directory / (name % ('d' * 32)))
    foreign = directory / (name % ('e' * 32))
    foreign.write_text('of somebody else\n')
    os.chown(foreign, 12345, 12345)
    (directory / '.lpp-1-x.tmp').symlink_to(victim)
    return victim


@pytest.mark.skipif(os.geteuid() != 0, reason='plants files of others')
def test_what_others_planted_is_neither_followed_nor_shown(httpd):
    server = httpd(ON + 'LPProfileKeep count=2\n', fresh=True)
    first = server.get('/++profile++callgrind/index.html')
    server.wait_files(first.oops_id)
    victim = plant(server)
    for _ in range(4):
        got = server.get('/++profile++callgrind/index.html')
        assert got.lpprofile.startswith('profiled')
        server.wait_oops(got.oops_id)
    assert victim.read_text() == 'precious\n'
    assert server.get('/++profile++reports').status == 200
    for letter in 'abcde':
        path = '/++profile++report:OOPS-' + letter * 32
        for download in ('', '&callgrind'):
            shown = server.get(path + download, timeout=10)
            assert shown.status == 404 or letter == 'e', (letter, shown.status)
            assert 'precious' not in shown.text
    got = server.get('/++profile++callgrind/index.html')
    server.wait_files(got.oops_id)
    for path in list(server.profile_dir.glob('*-x:y-OOPS-*')):
        # The keeper may come meanwhile.
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)


def gate_memory(pid):
    """(address, bytes) of the one shared mapping that has room for what dead
    processes leave."""
    found = []
    for line in pathlib.Path('/proc/%d/maps' % pid).read_text().splitlines():
        begin, end = [int(word, 16) for word in line.split()[0].split('-')]
        if line.split()[1] == 'rw-s' and end - begin > 10 << 20:
            found.append((begin, end - begin))
    one, = found
    return one


def write_memory(pid, address, data):
    with open('/proc/%d/mem' % pid, 'r+b', buffering=0) as memory:
        memory.seek(address)
        assert memory.write(data) == len(data)


def false_places(pid, children):
    """Only the number of places is false; as found first."""
    address, size = gate_memory(pid)
    with open('/proc/%d/mem' % pid, 'rb', buffering=0) as memory:
        memory.seek(address)
        words = struct.unpack('<4096Q', memory.read(4096 * 8))
    first = min(i for i, word in enumerate(words)
                if word >> 32 in children and not word & 0xffffffff)
    write_memory(pid, address + 8 * (first - 1),
                 struct.pack('<I', 0xfffffff0))


def filled(pattern):
    def fill(pid, children):
        address, size = gate_memory(pid)
        write_memory(pid, address, pattern * (size // len(pattern)))
    return fill


# A dead owner with strings that have no end and a path for an id: all eight
# areas are due for a report of process 2^31 - 2, which is none.
DEAD_EVERYWHERE = filled(struct.pack('<Q', 2 << 32 | 0x7ffffffe))


@pytest.mark.skipif(os.geteuid() != 0, reason='writes into a child\'s memory')
@pytest.mark.log_allows('LPP025', 'LPP061', 'AH0005[12]')
@pytest.mark.parametrize('write', [
    false_places, filled(b'\xff'), filled(struct.pack('<I', 0xfffffff0)),
    filled(b'../../../../tmp/evil/'), DEAD_EVERYWHERE],
    ids=['places', 'ones', 'large', 'path', 'dead'])
def test_what_a_child_writes_into_shared_memory_harms_no_parent(httpd, write):
    """Seen: the root parent died of SIGSEGV when another child ended."""
    server = httpd('LPProfilingAllowed On\nMaxSpareThreads 100\n',
                   features=['status'], fresh=True)
    got = server.get('/++profile++callgrind/index.html')
    server.wait_files(got.oops_id)
    children = server.children()
    writer, other = children[:2]
    write(writer, children)
    # The parent learns of that, and starts another one, which looks for its
    # place.
    os.kill(other, signal.SIGKILL)
    wait_for(lambda: len(set(server.children()) - {other}) >= len(children)
             or not server.running(), 30, 'a child in place of the killed one')
    assert server.running()
    if write is DEAD_EVERYWHERE:
        server.expect_log('LPP025')
    for path in ('/index.html', '/server-status?auto', '/server-status',
                 '/++profile++callgrind/index.html'):
        assert server.get(path).status == 200
    assert not os.path.exists('/tmp/evil')
    server.restart('graceful')
    assert server.get('/index.html').status == 200
    assert server.stop() == 0


def test_a_date_directory_that_is_a_link_is_not_followed(httpd):
    server = httpd('LPProfilingAllowed On\n', fresh=True)
    got = server.get('/++profile++callgrind/index.html')
    date = server.wait_oops(got.oops_id).parent
    outside = server.root / 'outside'
    outside.mkdir(mode=0o777)
    outside.chmod(0o777)
    date.rename(server.root / 'moved')
    date.symlink_to(outside)
    got = server.get('/++profile++callgrind/index.html')
    assert got.status == 200
    server.expect_log(r'warn.*LPP065')
    assert not list(outside.iterdir())


def test_a_secret_is_nowhere(httpd):
    server = httpd(ON + 'LPOopsHide x_odd\nSetEnv API_KEY %s\n' % CANARY,
                   modules=['status'], features=['cgi'], fresh=True,
                   env={'DB_SECRET': CANARY})
    headers = [(name, CANARY) for name in (
        'Authorization', 'Proxy-Authorization', 'X-Auth-Token', 'X-Api-Key',
        'X-CSRF-Token', 'X-My-Session', 'X-Password', 'X-Signature', 'X-Odd')]
    headers += [('Cookie', 'sid=%s; other=%s' % (CANARY, CANARY)),
                ('Accept', 'text/html')]
    page = ('/++profile++show&sqltrace&callgrind&pstats&pprof&collapsed'
            '/cgi/page?password=%s&a=1&api%%5fkey=%s' % (CANARY, CANARY))
    got = server.get(page, headers=headers)
    assert got.lpprofile.startswith('profiled')
    server.wait_files(got.oops_id, 4)
    server.wait_saved(got.oops_id)
    server.wait_oops(got.oops_id)
    shown = [got]
    for what in ('report:' + got.oops_id, 'reports', 'help', '',
                 *('report:%s&%s' % (got.oops_id, name) for name in (
                     'callgrind', 'pstats', 'pprof', 'collapsed'))):
        shown.append(server.get('/++profile++' + what))
        assert shown[-1].status == 200, what
    for one in shown:
        body = one.body
        if body[:2] == b'\x1f\x8b':
            body = gzip.decompress(body)
        # The CGI prints none of it; what is there would be ours.
        assert CANARY.encode() not in body
        assert all(CANARY not in value for value in one.headers.values())
    for path in server.root.joinpath('run').rglob('*'):
        if path.is_file():
            data = path.read_bytes()
            if path.name.endswith('.gz'):
                data = gzip.decompress(data)
            assert CANARY.encode() not in data, path
            assert CANARY not in path.name
    assert CANARY not in server.error_log.read_text('utf-8', 'replace')
    assert 'a=1' in server.wait_oops(got.oops_id).read_text()  # they are there
