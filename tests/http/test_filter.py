# SPDX-License-Identifier: Apache-2.0
"""The filter: the block is in the page, and the page is otherwise the same.

What the CGI of blocks.py sends for a query is what the page must be but for the
block. Whose requests get none: test_no_block.py; styles: test_policy.py.
"""
import contextlib
import gzip
import hashlib
import re
import socket
import threading
import time
import xml.dom.minidom

import pytest

from blocks import (ALL, BLOCK, PAGE, SEGMENT, SHOW, assert_injected,
                    assert_untouched, blocks, query, read_some, serve,
                    without_block)

pytestmark = pytest.mark.long

XPAGE = (b'<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml">'
         b'<head><title>x</title></head><body><p>Hello</p></body></html>\n')
XBLOCK = re.compile(rb'<div xmlns="http://www.w3.org/1999/xhtml">\n'
                    rb'(?:<style>.*?</style>\n)?<details class="lpp".*'
                    rb'</details>\n</div>\n', re.S)


def test_block_in_a_static_page(httpd):
    server = serve(httpd)
    plain = server.get('/index.html')
    got = server.get(SEGMENT + '/index.html')
    assert_injected(got, plain.body)
    for name in ('Content-Length', 'ETag', 'Last-Modified'):
        assert plain.header(name)
        assert got.header(name) is None
    assert got.header('Accept-Ranges') == 'none'
    assert got.header('Cache-Control') == 'no-store'
    assert plain.header('Accept-Ranges') == 'bytes'


@pytest.mark.parametrize('status', [200, 201, 302, 403, 404, 500, 503])
def test_block_whatever_the_status(httpd, status):
    server = serve(httpd)
    headers = ['Location: http://127.0.0.1/x'] if status == 302 else []
    got = server.get(SEGMENT + query(status=status, headers=headers))
    assert got.status == status
    assert_injected(got)


@pytest.mark.parametrize('method', ['GET', 'POST', 'PUT', 'DELETE'])
def test_block_whatever_the_method(httpd, method):
    server = serve(httpd)
    got = server.get(SEGMENT + query(), method=method,
                     body=b'a=b' if method != 'GET' else None)
    assert_injected(got)


PAGES = {
    'no tag': (b'<p>short', None),
    'empty': (b'', None),
    'only a tag': (b'</body>', b'</body>'),
    'three tags': (b'a</body>b</body>c</body>\n', b'</body>\n'),
    'text behind the last': (b'a</body>b</body>c</body>d', None),
    'case and space': (b'a</body>b</BODY \n>\n</HTML>\n', b'</BODY \n>'),
    'a longer name': (b'a</body>b</bodyguard>c', None),
    'cut off tag': (b'a</body>b</body', b'</body'),
    'comment of 60 kB behind': (
        b'a</body><!--' + b'x' * 60000 + b'-->', b'</body>'),
    'comment of 70 kB behind': (b'a</body><!--' + b'x' * 70000 + b'-->', None),
    'a later tag after that': (
        b'a</body><!--' + b'x' * 70000 + b'--></body>\n', b'</body>\n'),
    'in the string of a script': (
        b"<!doctype html><title>t</title><body><p>x</p><script>var s = "
        b"'<p></body>'; document.title = 'ran';</script>\n", None),
    'in the JSON of a script': (
        b'<!doctype html><title>t</title><body><script '
        b'type="application/json" id=j>{"h":"</body>"}</script>\n', None),
    'in a template literal': (
        b'<body><script>x = `</body>\n</html>\n`</script></body>\n</html>',
        b'</body>\n</html>'),
    'in a comment behind the root': (
        b'<body><p>x</p></body></html><!-- </body> -->\n',
        b'</body></html><!--'),
    'in a template': (b'<template></body></html></template>\n', None),
    'in a textarea': (b'<textarea></body></html></textarea>\n', None),
    'in a srcdoc': (
        b'<iframe srcdoc="<body>x</body></html>"></iframe>\n', None),
    'in an open comment': (b'<p>x</p><!-- </body></html>\n', None),
    'before an open comment': (
        b'<p>x</p></body></html>\n<!-- more', b'</body></html>'),
    'no ASCII': ('<p>\u20ac\u00f6</p></body>'.encode(), b'</body>'),
    'a NUL': (b'a\0b</body>\n', b'</body>'),
}


@pytest.mark.parametrize('name', PAGES)
def test_where_the_block_goes(httpd, name):
    page, before = PAGES[name]
    server = serve(httpd)
    path = server.site / 'where.html'
    path.write_bytes(page)
    path.chmod(0o644)
    assert_injected(server.get(SEGMENT + '/where.html'), page, before)
    if len(page) < 1000:
        assert_injected(server.get(SEGMENT + query(page)), page, before)
        got = server.get(SEGMENT + query(page, bytes='1'))
        assert_injected(got, page, before)


def test_tag_comes_byte_by_byte(httpd):
    server = serve(httpd)
    page = b'<html><body>x</bod>y</body>z</body></html>'
    got = server.get(SEGMENT + query(page, bytes='1'))
    assert_injected(got, page)


def test_length_of_the_backend_is_dropped(httpd):
    server = serve(httpd)
    headers = ['Content-Length: %d' % len(PAGE), 'ETag: "x"',
               'Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT',
               'Content-MD5: AAAA', 'Digest: sha-256=AAAA',
               'Content-Digest: sha-256=:AAAA:', 'Repr-Digest: sha-256=:A:']
    got = server.get(SEGMENT + query(headers=headers))
    assert_injected(got)
    for line in headers[1:]:
        assert got.header(line.partition(':')[0]) is None
    assert got.header('Content-Length') in (None, str(len(got.body)))


def test_headers_stay_where_nothing_is_injected(httpd):
    server = serve(httpd)
    plain = server.get('/plain.txt')
    got = server.get(SEGMENT + '/plain.txt')
    assert_untouched(got, 'no-html', plain.body)
    for name in ('Content-Length', 'ETag', 'Last-Modified', 'Accept-Ranges'):
        assert got.header(name) == plain.header(name)


@pytest.mark.parametrize('type', [
    'text/plain', 'application/json', 'text/htmlx', 'image/svg+xml', None,
    'application/xml', 'text/event-stream'])
def test_only_html(httpd, type):
    server = serve(httpd)
    assert_untouched(server.get(SEGMENT + query(type=type)), 'no-html')


@pytest.mark.parametrize('type', [
    'text/html', 'TEXT/HTML', 'text/html ; charset=UTF-8',
    'text/html;charset="iso-8859-1"', 'text/html; charset=Shift_JIS'])
def test_every_spelling_of_html(httpd, type):
    server = serve(httpd)
    assert_injected(server.get(SEGMENT + query(type=type)))


def test_head_has_the_headers_of_get(httpd):
    server = serve(httpd)
    for path in ('/index.html', query(), query(evenhead='1')):
        get = server.get(SEGMENT + path)
        head = server.get(SEGMENT + path, method='HEAD')
        assert head.body == b''
        assert 'head' in head.lpprofile.split(';')
        differ = {'date', 'x-lpprofile', 'x-lazr-oopsid', 'server-timing',
                  'x-lpprofile-file', 'transfer-encoding', 'connection',
                  'keep-alive'}
        for name in set(get.headers.keys()) | set(head.headers.keys()):
            if name.lower() not in differ:
                assert get.all(name) == head.all(name), name
        assert head.header('Content-Length') is None


@pytest.mark.parametrize('status', [204, 304])
def test_responses_without_body(httpd, status):
    server = serve(httpd)
    with contextlib.closing(server.connection()) as connection:
        got = server.get(SEGMENT + query(b'', status=status),
                         connection=connection)
        assert (got.status, got.body) == (status, b'')
        assert 'no-body' in got.lpprofile
        # Nothing was left on the wire.
        again = server.get('/plain.txt', connection=connection)
        assert again.status == 200


def test_partial_content_of_a_backend(httpd):
    server = serve(httpd)
    got = server.get(SEGMENT + query(
        PAGE[:10], status=206, headers=['Content-Range: bytes 0-9/99']))
    assert_untouched(got, 'partial', PAGE[:10])


def test_encoded_body_of_a_backend(httpd):
    server = serve(httpd)
    body = gzip.compress(PAGE)
    got = server.get(SEGMENT + query(body, headers=['Content-Encoding: gzip']))
    assert_untouched(got, 'encoded', body)
    assert got.header('Content-Encoding') == 'gzip'
    got = server.get(SEGMENT + query(headers=['Content-Encoding: identity']))
    assert_injected(got)


def test_block_is_compressed_with_the_page(httpd):
    server = serve(httpd, features=['cgi', 'deflate'])
    got = server.get(SEGMENT + '/index.html',
                     headers=[('Accept-Encoding', 'gzip')])
    assert got.header('Content-Encoding') == 'gzip'
    got.body = gzip.decompress(got.body)
    assert_injected(got, (server.site / 'index.html').read_bytes())


def test_one_block_for_a_page_with_parts(httpd):
    server = serve(httpd, features=['include', 'cgi'])
    (server.site / 'part.html').write_bytes(b'<p>part</body>')
    plain = server.get('/page.shtml')
    assert b'<p>part</body>' in plain.body
    assert_injected(server.get(SEGMENT + '/page.shtml'), plain.body)
    # Its first byte is a part's: still the page's own headers count.
    path = server.site / 'first.shtml'
    path.write_text('<!--#include virtual="/part.html" --></body>')
    path.chmod(0o644)
    got = server.get(SEGMENT + '/first.shtml')
    assert_injected(got, b'<p>part</body></body>')
    assert got.oops_id and got.lpprofile
    assert got.header('Cache-Control') == 'no-store'


@pytest.mark.parametrize('charset', [
    'utf-16', 'UTF-16LE', 'utf-32', 'utf-7', 'IBM037'])
def test_charsets_that_are_not_ascii(httpd, charset):
    server = serve(httpd)
    assert_untouched(
        server.get(SEGMENT + query(type='text/html; charset=' + charset)),
        'charset')


@pytest.mark.parametrize('codec', ['utf-16-le', 'utf-16-be'])
def test_byte_order_mark_of_utf16(httpd, codec):
    server = serve(httpd)
    page = ('\ufeff' + PAGE.decode()).encode(codec)
    path = server.site / 'bom.html'
    path.write_bytes(page)
    path.chmod(0o644)
    assert_untouched(server.get(SEGMENT + '/bom.html'), 'charset', page)


def test_latin1_page_keeps_its_bytes(httpd):
    server = serve(httpd)
    page = '<p>gr\u00fc\u00df</p></body>'.encode('latin-1')
    got = server.get(SEGMENT + query(page, 'text/html; charset=iso-8859-1'))
    assert_injected(got, page)
    assert all(byte < 0x7f for byte in blocks(got.body)[0])


def test_xhtml_stays_well_formed(httpd):
    server = serve(httpd)
    got = server.get(SEGMENT + query(XPAGE, 'application/xhtml+xml'))
    assert len(XBLOCK.findall(got.body)) == 1
    assert XBLOCK.sub(b'', got.body) == XPAGE
    assert b'<template' not in got.body
    xml.dom.minidom.parseString(got.body)


def test_xhtml_without_body_is_left_alone(httpd):
    server = serve(httpd)
    page = b'<?xml version="1.0"?>\n<html xmlns="http://x">x</html>'
    got = server.get(SEGMENT + query(page, 'application/xhtml+xml'))
    assert got.body == page
    path = server.site / 'notag.xhtml'
    path.write_bytes(page)
    path.chmod(0o644)
    plain = server.get('/notag.xhtml')
    assert plain.header('Content-Type') == 'application/xhtml+xml'
    got = server.get(SEGMENT + '/notag.xhtml')
    assert_untouched(got, 'no-body-tag', page)
    for name in ('Content-Length', 'ETag', 'Last-Modified', 'Accept-Ranges'):
        assert got.header(name) == plain.header(name)


@pytest.mark.parametrize('page, before', [
    (XPAGE + b'<!-- </body> -->\n', b'</body></html>\n<!--'),
    (XPAGE.replace(b'<p>', b'<script src="x"/><script>//<![CDATA[\n'
                   b'"<!--</body>"\n//]]></script><p>'), b'</body></html>')])
def test_odd_xhtml_stays_well_formed(httpd, page, before):
    server = serve(httpd)
    got = server.get(SEGMENT + query(page, 'application/xhtml+xml'))
    assert XBLOCK.sub(b'', got.body) == page
    assert got.body[XBLOCK.search(got.body).end():] == \
        page[page.rindex(before):]
    xml.dom.minidom.parseString(got.body)


@pytest.mark.parametrize('page', [
    XPAGE.replace(b'</html>\n', b'</html><?x y?>z'),
    XPAGE.replace(b'</body></html>', b'<!-- </body></html>')])
def test_odd_xhtml_without_an_end_is_left_alone(httpd, page):
    server = serve(httpd)
    path = server.site / 'odd.xhtml'
    path.write_bytes(page)
    path.chmod(0o644)
    assert_untouched(server.get(SEGMENT + '/odd.xhtml'), 'no-body-tag', page)


@pytest.mark.all_mpms
def test_streamed_page_keeps_streaming(httpd):
    server = serve(httpd)
    page = b'<html><body>first half ' + b'x' * 30 + b'</body></html>'
    go = server.root / 'go-on'
    with socket.create_connection(('127.0.0.1', server.port)) as sock:
        sock.sendall(b'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n'
                     b'\r\n' % (SEGMENT + query(page, pause=str(go))).encode())
        first = read_some(sock, b'first half')
        assert b'first half' in first
        # The backend has not sent it yet.
        assert b'</body>' not in first
        go.write_text('')
        rest = read_some(sock, b'\0 never')
    go.unlink()
    assert b'Profiling Information' in rest


def test_http10_client(httpd):
    server = serve(httpd)
    raw = server.raw(b'GET ' + (SEGMENT + query()).encode()
                     + b' HTTP/1.0\r\n\r\n')
    head, _, body = raw.partition(b'\r\n\r\n')
    assert b'chunked' not in head
    assert without_block(body) == PAGE
    assert len(blocks(body)) == 1


def test_connection_serves_on(httpd):
    server = serve(httpd)
    with contextlib.closing(server.connection()) as connection:
        for _ in range(3):
            got = server.get(SEGMENT + query(), connection=connection)
            assert_injected(got)
            got = server.get('/plain.txt', connection=connection)
            assert got.body == (server.site / 'plain.txt').read_bytes()


def memory_kb(server, what='VmHWM'):
    """Sum over the children."""
    total = 0
    for pid in server.children():
        with open('/proc/%d/status' % pid) as status:
            total += int(re.search(what + r':\s+(\d+)', status.read())[1])
    return total


@pytest.mark.no_asan('measures memory')
@pytest.mark.no_valgrind('measures memory')
@pytest.mark.parametrize('mmap', ['On', 'Off'])
def test_large_file_takes_no_memory(httpd, mmap):
    size = 64 * 1024 * 1024
    server = serve(httpd, SHOW + 'EnableMMAP %s\nStartServers 1\n'
                   'ServerLimit 1\nMaxRequestWorkers 1\n' % mmap,
                   mpm='prefork')
    path = server.site / 'large.html'
    line = b'<p>' + b'0123456789abcdef' * 63 + b'</p></body>\n'
    if not path.exists():
        with path.open('wb') as file:
            for _ in range(size // len(line)):
                file.write(line)
            file.write(b'</body></html>')
        path.chmod(0o644)
    server.wait_oops(server.get(SEGMENT + '/index.html').oops_id)
    before = memory_kb(server, 'RssAnon')
    peak = [0]
    done = threading.Event()

    def watch():
        while not done.wait(0.005):
            peak[0] = max(peak[0], memory_kb(server, 'RssAnon'))
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        got = server.get(SEGMENT + '/large.html')
    finally:
        done.set()
        watcher.join()
    match = BLOCK.search(got.body)
    digest = hashlib.sha256(got.body[:match.start()])
    digest.update(got.body[match.end():])
    assert digest.digest() == hashlib.sha256(path.read_bytes()).digest()
    assert got.body[match.end():] == b'</body></html>'
    # The tree, the rings, a snapshot and libdw's tables of libc may grow by
    # some 20 MB; the page may not be there.
    assert peak[0] - before < 32 * 1024, (before, peak)


def test_error_document_by_redirect(httpd):
    server = serve(httpd, SHOW + 'ErrorDocument 404 /index.html\n')
    got = server.get(SEGMENT + '/nowhere.html')
    assert got.status == 404
    assert_injected(got, (server.site / 'index.html').read_bytes())


def test_error_documents_as_text(httpd):
    server = serve(httpd, SHOW + 'ErrorDocument 404 "<p>none</p>"\n')
    got = server.get(SEGMENT + '/nowhere.html')
    assert got.status == 404
    assert_injected(got, b'<p>none</p>', None)


def test_standard_error_page(httpd):
    server = serve(httpd)
    plain = server.get('/nowhere.html')
    got = server.get(SEGMENT + '/nowhere.html')
    assert got.status == 404
    assert_injected(got, plain.body)


class Backend(threading.Thread):
    """Answers one request with given bytes, then closes."""

    def __init__(self, *pieces):
        super().__init__(daemon=True)
        self.pieces = pieces
        self.socket = socket.create_server(('127.0.0.1', 0))
        self.port = self.socket.getsockname()[1]
        self.start()

    def run(self):
        connection, _ = self.socket.accept()
        with connection:
            read_some(connection, b'\r\n\r\n')
            for piece in self.pieces:
                connection.sendall(piece)
                time.sleep(0.2)
        self.socket.close()


@pytest.mark.log_allows('AH01110|AH01102|AH02609|AH01095|AH01097|AH10390'
                        '|AH00898|AH01084|AH01119')
def test_page_that_a_backend_cuts_off(httpd):
    """No block, no end: the client must see that something is missing."""
    backend = Backend(b'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n'
                      b'Transfer-Encoding: chunked\r\n\r\n'
                      b'b\r\n<body>first\r\n', b'14\r\n</body></html')
    server = serve(httpd, SHOW + 'ProxyPass /back/ http://127.0.0.1:%d/\n'
                   % backend.port, features=['cgi', 'proxy'], fresh=True)
    raw = server.raw(b'GET ' + SEGMENT.encode() + b'/back/x HTTP/1.1\r\n'
                     b'Host: localhost\r\nConnection: close\r\n\r\n')
    backend.join(10)
    assert b'<body>first' in raw
    assert b'</body></html' in raw
    assert b'Profiling Information' not in raw
    assert not raw.endswith(b'\r\n0\r\n\r\n')


def test_backend_streams_through_the_proxy(httpd):
    backend = Backend(b'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n'
                      b'Content-Length: 27\r\nConnection: close\r\n\r\n',
                      b'<body>fi', b'rst</bo', b'dy></html>\r\n')
    server = serve(httpd, SHOW + 'ProxyPass /back/ http://127.0.0.1:%d/\n'
                   % backend.port, features=['cgi', 'proxy'], fresh=True)
    got = server.get(SEGMENT + '/back/x')
    backend.join(10)
    assert_injected(got, b'<body>first</body></html>\r\n')


@pytest.mark.mpms('event', 'worker')  # the others have no HTTP/2
def test_http2(httpd):
    server = serve(httpd, features=['cgi', 'http2'])
    done = server.curl(SEGMENT + '/index.html', '--http2-prior-knowledge',
                       '-i')
    head, _, body = done.stdout.partition(b'\r\n\r\n')
    assert head.startswith(b'HTTP/2 200')
    assert b'\ncontent-length:' not in head
    assert without_block(body) == (server.site / 'index.html').read_bytes()
    assert len(blocks(body)) == 1


def test_client_without_access_gets_the_page_of_the_server(httpd):
    server = serve(httpd, ALL + 'LPProfileAccess false\n')
    got = server.get(query(headers=['ETag: "x"']))
    assert got.body == PAGE
    assert got.header('ETag') == '"x"'
    assert got.header('Cache-Control') is None
    assert got.all('X-LPProfile-File') == []
