# SPDX-License-Identifier: Apache-2.0
"""Every kind of response, asked for plain and profiled: the same but for the
block. (The filter's own rules: test_filter.py.)"""
import contextlib
import email.utils
import gzip
import re
import socket
import subprocess
import threading

import pytest

import apxs_env
import httpd_env
from blocks import (ALL, BLOCK, PAGE, SEGMENT, SHOW, blocks, query, serve,
                    without_block)

pytestmark = pytest.mark.long

# What a profiled response has besides, or may lack: contract, 3 and 4.
OURS = {'x-lpprofile', 'x-lazr-oopsid', 'x-lpprofile-file', 'server-timing',
        'cache-control', 'accept-ranges'}
OF_A_BODY = {'content-length', 'etag', 'last-modified', 'transfer-encoding',
             'content-md5', 'digest', 'connection', 'keep-alive', 'vary'}


# Whether httpd meets the end of a script's answer together with its text, and
# so can tell its length and compress it or not, is chance: as without us.
FRAMING = ('Content-Length', 'Content-Encoding', 'Vary')
SCRIPT_ASKED = 8


def ask_both(path, ask_plain, ask_profiled):
    """Their answers; of a script, where chance framed both alike."""
    for _ in range(SCRIPT_ASKED if '/cgi/' in path else 1):
        plain, got = ask_plain(), ask_profiled()
        if all(plain.header(n) == got.header(n) for n in FRAMING):
            break
    return plain, got


def headers_of(got, without):
    return sorted((name.lower(), value) for name, value in got.headers.items()
                  if name.lower() not in without | {'date', 'age'})


def compare(server, path, segment=SEGMENT, injected=None, decode=bytes,
            **how):
    """Ask for both; returns (plain, profiled), after comparing them."""
    plain, got = ask_both(path, lambda: server.get(path, **how),
                          lambda: server.get(segment + path, **how))
    body = decode(got.body)
    assert got.status == plain.status
    assert got.reason == plain.reason
    assert plain.lpprofile is None and got.lpprofile, path
    assert without_block(body) == decode(plain.body)
    changed = bool(blocks(body))
    if injected is not None:
        assert changed == injected, got.lpprofile
    skip = OURS | (OF_A_BODY if changed or got.body != plain.body
                   or how.get('method') == 'HEAD' else set())
    assert headers_of(got, skip) == headers_of(plain, skip)
    return plain, got


STATUSES = [200, 201, 202, 203, 205, 206, 207, 226, 300, 301, 302, 303, 305,
            307, 308, *range(400, 409), *range(410, 419), 421, 422, 423, 424,
            425, 426, 428, 429, 431, 451, *range(500, 509), 510, 511, 599]


@pytest.mark.parametrize('method', ['GET', 'HEAD', 'POST'])
def test_every_status_with_a_body_and_without(httpd, method):
    server = httpd(SHOW + 'AddHandler send-as-is .asis\n'
                   'MaxKeepAliveRequests 0\n', modules=['asis'])
    with contextlib.closing(server.connection()) as connection:
        how = {'method': method, 'connection': connection,
               'body': b'a=b' if method == 'POST' else None}
        for status in STATUSES:
            for body in (PAGE, b''):
                path = '/%d-%d.asis' % (status, len(body))
                write_as_is(server.site / path[1:], status, body)
                compare(server, path, **how)
    assert server.get('/plain.txt').status == 200


def write_as_is(path, status, body):
    head = 'Status: %d Some Reason\nContent-Type: text/html\n' % status
    if 300 <= status < 309 or status == 201:
        head += 'Location: http://127.0.0.1/x\n'
    path.write_bytes(head.encode() + b'X-Own: 1\n\n' + body)
    path.chmod(0o644)


CONDITIONS = [
    ('If-None-Match', '*'), ('If-None-Match', '"no"'),
    ('If-Match', '"no"'), ('If-Match', '*'),
    ('If-Unmodified-Since', email.utils.formatdate(0, usegmt=True)),
    ('If-Unmodified-Since', email.utils.formatdate(2e9, usegmt=True)),
    ('If-Modified-Since', email.utils.formatdate(0, usegmt=True)),
    ('If-Modified-Since', email.utils.formatdate(2e9, usegmt=True)),
    ('Range', 'bytes=0-4'), ('Range', 'bytes=1-2,5-6'), ('Range', 'bytes=-3'),
    ('Range', 'bytes=99999-'), ('Range', 'nonsense')]


@pytest.mark.parametrize('name, value', CONDITIONS)
def test_conditions_and_ranges_without_a_segment(httpd, name, value):
    # As profiled without being asked for: all of them mean what they mean.
    every = serve(httpd, ALL)
    plain = httpd(profiler=False)
    got = every.get('/index.html', headers={name: value, 'Sec-Fetch-Dest':
                                            'empty'})
    other = plain.get('/index.html', headers={name: value})
    assert got.lpprofile and other.lpprofile is None
    assert (got.status, got.reason) == (other.status, other.reason)
    skip = OURS - {'accept-ranges', 'cache-control'} | {
        'etag', 'last-modified'}  # two copies of the site
    if 'multipart' in got.header('Content-Type', ''):
        skip |= {'content-type', 'content-length'}  # each child's boundary
    assert headers_of(got, skip) == headers_of(other, skip)
    if got.status != 206 or 'multipart' not in got.header('Content-Type'):
        assert got.body == other.body


@pytest.mark.parametrize('coding', ['gzip', 'br'])
def test_body_that_the_backend_encoded(httpd, coding):
    server = serve(httpd)
    body = gzip.compress(PAGE, mtime=0) if coding == 'gzip' else bytes.fromhex(
        '0b028068656c6c6f03')
    headers = ['Content-Encoding: ' + coding, 'ETag: "x"',
               'Content-Length: %d' % len(body)]
    _, got = compare(server, query(body, headers=headers), injected=False,
                     headers={'Accept-Encoding': coding})
    assert 'encoded' in got.lpprofile


@pytest.mark.parametrize('coding', ['gzip', 'br', 'gzip, br', 'identity'])
def test_body_that_the_server_encodes(httpd, coding):
    server = httpd(SHOW + 'AddOutputFilterByType BROTLI_COMPRESS;DEFLATE '
                   'text/html\n', modules=['filter', 'deflate', 'brotli'])
    large = server.site / 'encode.html'
    large.write_bytes(b'<p>' + b'some text ' * 20000 + b'</body>')
    large.chmod(0o644)
    for path in ('/index.html', '/encode.html'):
        plain = server.curl(path, '-H', 'Accept-Encoding: ' + coding,
                            '--compressed', '-D', '/dev/stderr')
        got = server.curl(SEGMENT + path, '-H', 'Accept-Encoding: ' + coding,
                          '--compressed', '-D', '/dev/stderr')
        assert plain.returncode == got.returncode == 0
        assert without_block(got.stdout) == plain.stdout
        assert len(blocks(got.stdout)) == 1
        used = [re.findall(rb'(?im)^content-encoding: *(\S+)', one.stderr)
                for one in (plain, got)]
        assert used[0] == used[1]
        assert bool(used[0]) == (coding != 'identity'), plain.stderr


def serve_reply(server):
    """test_filter's CGI in a server that was made otherwise."""
    return serve(lambda *args, **kwargs: server)


def test_filters_that_change_the_page(httpd):
    server = httpd(SHOW + 'AddOutputFilterByType SUBSTITUTE text/html\n'
                   'Substitute "s|Hello|Good bye|"\n'
                   'Substitute "s|Profiling|WRONG|"\n'
                   'Substitute "s|</p>|</p><i>more</i>|"\n',
                   features=['cgi', 'include'],
                   modules=['filter', 'substitute'])
    serve_reply(server)
    for path in ('/index.html', query(), '/page.shtml'):
        compare(server, path, injected=True)
    assert b'Good bye' in server.get(SEGMENT + query()).body


def test_a_page_whose_links_a_proxy_rewrites(httpd):
    backend = httpd(profiler=False, key='links')
    page = backend.site / 'links.html'
    page.write_text('<html><head><title>x</title></head><body>'
                    '<a href="http://inside/a">a</a></body></html>')
    page.chmod(0o644)
    server = httpd(SHOW + 'ProxyHTMLLinks a href\nProxyHTMLEnable On\n'
                   'ProxyHTMLURLMap http://inside /outside\n'
                   'ProxyPass /b/ http://127.0.0.1:%d/\n' % backend.port,
                   features=['proxy'], modules=['xml2enc', 'proxy_html'],
                   fresh=True)
    server.allow_log('AH01425', 'AH01426', 'AH01430')
    plain, got = compare(server, '/b/links.html', injected=True)
    assert b'/outside/a' in plain.body


@pytest.mark.parametrize('store', ['disk', 'socache'])
@pytest.mark.parametrize('quick', ['On', 'Off'])
def test_caches_never_meet_a_profile(httpd, store, quick):
    server = httpd('%sCacheRoot ${ROOT}/run/cache\nCacheSocache shmcb\n'
                   'CacheEnable %s /\nCacheQuickHandler %s\n'
                   'CacheStoreNoStore On\nCacheStorePrivate On\n'
                   'CacheIgnoreNoLastMod On\nCacheIgnoreCacheControl On\n'
                   'CacheDefaultExpire 600\nCacheMinExpire 600\n'
                   'CacheHeader On\nCacheIgnoreHeaders None\n'
                   'CacheSocacheMaxSize 200000\n' % (SHOW, store, quick),
                   features=['cgi'], modules=['cache', 'cache_disk',
                                              'socache_shmcb',
                                              'cache_socache'], fresh=True)
    (server.root / 'run' / 'cache').mkdir(exist_ok=True)
    (server.root / 'run' / 'cache').chmod(0o777)
    path = '/dir/one.html'

    def hit(got):
        return 'HIT' in got.header('X-Cache', '')
    for _ in range(2):
        got = server.get(SEGMENT + path)
        assert not hit(got) and len(blocks(got.body)) == 1
    first = server.get(path)
    assert not hit(first), 'a profile was stored'
    httpd_env.wait_for(lambda: hit(server.get(path)), 10, 'a stored page')
    for _ in range(2):
        got = server.get(SEGMENT + path)
        assert not hit(got) and len(blocks(got.body)) == 1
        stored = server.get(path)
        assert hit(stored) and stored.body == first.body
        assert stored.oops_id is None and stored.lpprofile is None
    # Of a page with the block nothing is in the store.
    for file in (server.root / 'run' / 'cache').rglob('*'):
        assert file.is_dir() or b'lpp-profile' not in file.read_bytes()


@pytest.mark.parametrize('how', ['pass', 'flush', 'bucket', 'one', 'oneflush',
                                 'onebucket'])
def test_split_at_every_byte(httpd, how):
    server = httpd(SHOW + apxs_env.load('lpp_test_split')
                   + '<Location /split>\nSetHandler lpp-test-split\n'
                   '</Location>\n')
    plain = server.get('/split').body
    with contextlib.closing(server.connection()) as connection:
        for at in range(len(plain)):
            got = server.get('%s/split?at=%d&how=%s' % (SEGMENT, at, how),
                             connection=connection)
            assert without_block(got.body) == plain, at
            assert got.body[BLOCK.search(got.body).end():] == \
                b'</body\t></html>\n', at
    assert server.get('/split?at=%d' % len(plain)).status == 404


def trailing_backend(listener):
    def serve():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                data = piece = client.recv(4096)
                while piece and b'\r\n\r\n' not in data:
                    piece = client.recv(4096)
                    data += piece
                client.sendall(
                    b'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n'
                    b'Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n'
                    b'Connection: close\r\n\r\n%x\r\n%s\r\n0\r\n'
                    b'X-Sum: 42\r\n\r\n' % (len(PAGE), PAGE))
                client.shutdown(socket.SHUT_WR)
                client.recv(4096)
    threading.Thread(target=serve, daemon=True).start()


def test_trailers(httpd):
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen(8)
        trailing_backend(listener)
        server = httpd(SHOW + 'MergeTrailers On\nProxyPass /t http://127.0.0.1'
                       ':%d/\n' % listener.getsockname()[1],
                       features=['proxy', 'cgi'], fresh=True)
        serve_reply(server)
        compare(server, '/t', injected=True)
        ends = [re.search(rb'\r\n0\r\n(.*)\Z', server.raw(
            b'GET %s/t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
            % prefix), re.S)[1] for prefix in (b'', SEGMENT.encode())]
        assert ends[0] == ends[1]
        answers = [server.raw(
            b'POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n'
            b'Trailer: X-In\r\nTransfer-Encoding: chunked\r\n\r\n'
            b'3\r\na=b\r\n0\r\nX-In: 1\r\n\r\n'
            % (prefix + query().encode())) for prefix in
            (b'', SEGMENT.encode())]
        assert all(one.startswith(b'HTTP/1.1 200') and b'Hello' in one
                   for one in answers)


def test_http2_with_push(httpd):
    server = httpd(SHOW + 'H2Push On\n'
                   '<Location /index.html>\nHeader add Link '
                   '"</plain.txt>;rel=preload"\n</Location>\n',
                   features=['http2', 'cgi'], fresh=True)
    serve_reply(server)
    plain = server.curl('/index.html', '--http2-prior-knowledge').stdout
    got = server.curl(SEGMENT + '/index.html', '--http2-prior-knowledge')
    assert without_block(got.stdout) == plain and len(blocks(got.stdout)) == 1
    pushed = []
    for path in ('/index.html', SEGMENT + '/index.html'):
        done = subprocess.run(
            ['nghttp', '-ans', '--no-dep', server.url(path)],
            stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, timeout=30)
        pushed.append(sorted(set(re.findall(
            r'(\*?) +\+\S+ +\S+ +\d+ +\w+ (/\S+)', done.stdout))))
        assert '/plain.txt' in done.stdout, done.stdout
    assert ('*', '/plain.txt') in pushed[0]
    assert ('*', '/plain.txt') in pushed[1] and len(pushed[1]) == 2


@pytest.mark.mpms('event', 'worker')
def test_http2_many_streams_at_once(httpd, tmp_path):
    server = httpd(SHOW, features=['http2', 'tls'], key='streams')
    plain = server.get('/index.html').body
    args = []
    for i in range(24):
        args += ['-o', str(tmp_path / str(i)),
                 server.url(SEGMENT + '/index.html', tls=True)]
    # The last address is the one that curl() adds.
    done = server.curl('/plain.txt', '--http2', '--parallel', '--parallel-max',
                       '24', *args, '-o', '/dev/null', tls=True)
    assert done.returncode == 0, done.stderr
    for i in range(24):
        body = (tmp_path / str(i)).read_bytes()
        assert without_block(body) == plain and len(blocks(body)) == 1


GIGABYTE = 1 << 30


def anonymous_kb(server):
    total = 0
    for pid in server.children():
        with open('/proc/%d/status' % pid) as status:
            total += int(re.search(r'RssAnon:\s+(\d+)', status.read())[1])
    return total


@pytest.mark.no_asan('measures memory')
@pytest.mark.no_valgrind('measures memory')
def test_a_gigabyte_takes_no_memory(httpd):
    server = httpd(SHOW + 'EnableMMAP Off\nStartServers 1\nServerLimit 1\n'
                   'MaxRequestWorkers 1\n', mpm='prefork', fresh=True)
    path = server.site / 'huge.html'
    with path.open('wb') as file:
        file.truncate(GIGABYTE)
        file.seek(GIGABYTE)
        file.write(b'</body></html>')
    path.chmod(0o644)
    warm = server.site / 'warm.html'
    warm.write_bytes(bytes(1 << 26))
    warm.chmod(0o644)
    for _ in range(3):  # what a profile takes, it takes once
        server.wait_oops(server.get(SEGMENT + '/warm.html').oops_id)
    before = anonymous_kb(server)
    peak = count = 0
    zeros = bytes(1 << 20)
    connection, raw = server.send(SEGMENT + '/huge.html', timeout=120)
    with contextlib.closing(connection):
        tail = b''
        buffer = bytearray(1 << 20)
        turn = 0
        while True:
            got = raw.readinto(buffer)
            if not got:
                break
            if count < GIGABYTE:
                some = min(got, GIGABYTE - count)
                assert buffer[:some] == zeros[:some]
                tail += bytes(buffer[some:got])
            else:
                tail += bytes(buffer[:got])
            count += got
            turn += 1
            if turn % 64 == 0:
                peak = max(peak, anonymous_kb(server))
    assert BLOCK.fullmatch(tail[:-len(b'</body></html>')]), tail[:200]
    assert tail.endswith(b'</body></html>')
    assert peak - before < 16 * 1024, (before, peak)


def test_head_of_a_page_that_is_compressed(httpd):
    server = httpd(SHOW, features=['cgi', 'deflate'])
    how = {'headers': {'Accept-Encoding': 'gzip'}, 'method': 'HEAD'}
    got = server.get(SEGMENT + '/index.html', **how)
    assert got.header('Content-Encoding') == 'gzip'
    assert got.header('Content-Length') is None  # not that of the plain page


def test_what_is_asked_for_twice_is_the_same_twice(httpd):
    # Over one connection, plain and profiled in turn: nothing is left on it.
    server = serve(httpd)
    with contextlib.closing(server.connection()) as connection:
        for path in ('/index.html', '/plain.txt', '/nothing', '/dir/one.html',
                     query(b''), query(status=404), query(type='text/plain'),
                     query(headers=['Content-Length: %d' % len(PAGE)])):
            for method in ('GET', 'HEAD'):
                for _ in range(2):
                    compare_on(server, connection, method, path)


def compare_on(server, connection, method, path):
    plain = server.get(path, method=method, connection=connection)
    got = server.get(SEGMENT + path, method=method, connection=connection)
    assert (got.status, without_block(got.body)) == (plain.status, plain.body)
    assert got.header('Content-Type') == plain.header('Content-Type')


ENCODED = ('ServerName www.example.org\n'
           'AddOutputFilterByType BROTLI_COMPRESS;DEFLATE text/html '
           'text/plain\n')


@pytest.mark.mpms('prefork', 'event')
@pytest.mark.parametrize('access', ['LPProfileAccess "false"\n', ''])
def test_without_a_block_nothing_tells_a_profiled_response(httpd, access):
    """Not even how it is cut into pieces: mod_deflate leaves a tiny body as
    it is, but only where it comes whole, and so does Content-Length."""
    options = dict(features=['cgi', 'lua', 'include', 'autoindex'],
                   modules=['deflate', 'brotli'])
    stock = httpd(ENCODED, profiler=False, **options)
    every = httpd(ENCODED + ALL + access, **options)
    for coding in ('gzip', 'br', 'identity'):
        for path in ('/cgi/page', '/index.html', '/lua/hello.lua',
                     '/page.shtml', '/dir/', '/dir', '/plain.txt',
                     '/nowhere'):
            for method in ('GET', 'HEAD'):
                how = {'method': method, 'headers': {
                    'Accept-Encoding': coding, 'X-Requested-With': 'x',
                    'Host': 'www.example.org'}}
                skip = OURS - {'accept-ranges', 'cache-control'} | {
                    'etag', 'last-modified'}  # two copies of the site
                plain, got = ask_both(path, lambda: stock.get(path, **how),
                                      lambda: every.get(path, **how))
                assert got.lpprofile.startswith('profiled')
                assert got.status == plain.status
                assert got.body == plain.body, (path, coding)
                assert headers_of(got, skip) == headers_of(plain, skip)
    # With a block, /cgi/page is long enough for mod_deflate.
    got = every.get('/cgi/page', headers={'Accept-Encoding': 'gzip'})
    assert got.header('Content-Encoding') == (None if access else 'gzip')
