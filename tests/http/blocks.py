# SPDX-License-Identifier: Apache-2.0
"""Pages that hold a block, and a CGI that sends what its query says: so that
every header, status and way of writing can be had."""
import re
import urllib.parse

SEGMENT = '/++profile++show'
SHOW = 'LPProfilingAllowed On\n'
ALL = 'LPProfilingAllowed On\nLPProfileAllRequests On\n'
PAGE = b'<html><body>\n<p>Hello</p>\n</body></html>\n'
HTML = 'text/html; charset=utf-8'

REPLY = r'''#!/usr/bin/python3
import os, sys, time, urllib.parse
q = urllib.parse.parse_qs(os.environ['QUERY_STRING'], keep_blank_values=True)
out = sys.stdout.buffer
# To its end: a script that leaves input unread makes httpd, where that is
# late, serve an empty page and complain.
sys.stdin.buffer.read()
body = bytes.fromhex(q['body'][0])
out.write(('Status: %s\r\n' % q['status'][0]).encode())
for line in q.get('h', []):
    out.write((line + '\r\n').encode('latin-1'))
out.write(b'\r\n')
out.flush()
if 'bytes' in q:
    for i in range(len(body)):
        out.write(body[i:i + 1])
        out.flush()
elif 'pause' in q:
    cut = len(body) // 2
    out.write(body[:cut])
    out.flush()
    deadline = time.monotonic() + 60
    while not os.path.exists(q['pause'][0]) and time.monotonic() < deadline:
        time.sleep(0.01)
    out.write(body[cut:])
elif os.environ['REQUEST_METHOD'] != 'HEAD' or 'evenhead' in q:
    out.write(body)
'''

BLOCK = re.compile(rb'<lpp-profile>.*?</lpp-profile>\n', re.S)
FEATURES = ['cgi']


def serve(httpd, config=SHOW, features=FEATURES, **options):
    server = httpd(config, features=features, **options)
    script = server.site / 'cgi' / 'reply'
    if not script.exists():
        script.write_text(REPLY)
        script.chmod(0o755)
    return server


def query(body=PAGE, type=HTML, status=200, headers=(), **more):
    pairs = [('body', body.hex()), ('status', str(status))]
    if type is not None:
        pairs.append(('h', 'Content-Type: ' + type))
    pairs += [('h', line) for line in headers]
    pairs += list(more.items())
    return '/cgi/reply?' + urllib.parse.urlencode(pairs)


def blocks(body):
    return BLOCK.findall(body)


def without_block(body):
    return BLOCK.sub(b'', body)


def assert_injected(got, page=PAGE, before=b'</body>'):
    """One block, before the </body> that ends the page (or at its end)."""
    assert len(blocks(got.body)) == 1, got.body[:2000]
    assert without_block(got.body) == page
    assert b'<h1>Profiling Information</h1>' in got.body
    after = got.body[BLOCK.search(got.body).end():]
    if before is None:
        assert after == b''
    else:
        assert after == page[page.rindex(before):]


def assert_untouched(got, why, page=PAGE):
    assert got.body == page
    assert why in got.lpprofile.split(';'), got.lpprofile


def read_some(sock, until, timeout=30):
    sock.settimeout(timeout)
    got = b''
    while until not in got:
        piece = sock.recv(65536)
        if not piece:
            break
        got += piece
    return got
