# SPDX-License-Identifier: Apache-2.0
"""Requests and bodies that get no block, and their like that do."""
import pytest

from blocks import (ALL, PAGE, SEGMENT, SHOW, assert_injected,
                    assert_untouched, blocks, query, serve)

HTML_FIRST = 'text/html,application/xhtml+xml,*/*;q=0.8'
COOKIE = ('Cookie', 'a=b')
NO_PAGE = [
    *([(name, 'x')] for name in (
        'X-Requested-With', 'HX-Request', 'Turbo-Frame', 'X-Up-Version',
        'X-PJAX', 'X-Alpine-Request', 'X-Inertia', 'X-Livewire', 'X-Barba',
        'Datastar-Request')),
    [('Turbo-Frame', 'f'), ('Accept', HTML_FIRST)],
    [('HX-Request', 'true'), ('Sec-Fetch-Dest', 'document')],
    [('Sec-Fetch-Dest', 'empty'), ('Accept', HTML_FIRST)],
    [('Sec-Fetch-Dest', 'fencedframe')],
    # On plain http a browser says nothing but what it wants.
    [COOKIE], [COOKIE, ('Accept', '*/*')],
    [('Referer', 'http://127.0.0.1/'), ('Accept', 'text/*')],
    [('Origin', 'http://127.0.0.1'), ('Accept', 'application/xhtml+xml')],
]
NOT_ACCEPTED = [
    'application/json', 'image/*, text/plain', 'text/html;q=0',
    '*/*, text/html; q=0.000', 'text/html;level=1;q=0', '*/*;q=0',
    'text/*;q=0, */*', 'text/htmlx', 'application/xhtml+xml;q=0',
]
A_PAGE = [
    [], [('Accept', '')], [('Accept', '*/*')], [('Accept', 'text/*;q=0.1')],
    [('Accept', 'TEXT/HTML')], [('Accept', 'text/*;q=0, text/html;q=0.001')],
    [('Accept', 'application/xhtml+xml')], [('Accept', 'a/b, */* ; Q=1')],
    [('Sec-Fetch-Dest', 'document'), COOKIE],
    [('Sec-Fetch-Mode', 'navigate'), COOKIE, ('Accept', '*/*')],
    [COOKIE, ('Accept', HTML_FIRST)],
    [COOKIE, ('Upgrade-Insecure-Requests', '1')],
    [('Referer', 'http://127.0.0.1/'), ('Accept', 'text/html;q=0.5')],
]
BOTH = pytest.mark.parametrize('config, prefix', [(ALL, ''), (SHOW, SEGMENT)])


@BOTH
def test_what_a_script_fetches_gets_no_block(httpd, config, prefix):
    server = serve(httpd, config)
    for why, requests in (
            ('script-request', NO_PAGE),
            ('not-accepted', [[('Accept', one)] for one in NOT_ACCEPTED])):
        for headers in requests:
            got = server.get(prefix + query(), headers=headers)
            assert got.lpprofile.startswith('profiled'), headers
            assert why in got.lpprofile.split(';'), (headers, got.lpprofile)
            assert got.body == PAGE, headers


@BOTH
def test_a_page_gets_a_block(httpd, config, prefix):
    server = serve(httpd, config)
    for headers in A_PAGE:
        got = server.get(prefix + query(), headers=headers)
        assert len(blocks(got.body)) == 1, (headers, got.lpprofile)


JSON = [b'{"ok": true}\n', b'[1, 2]', b' \r\n\t{', b'\xef\xbb\xbf[]', b'{']


@BOTH
@pytest.mark.parametrize('body', JSON)
def test_json_that_is_called_html_gets_no_block(httpd, config, prefix, body):
    server = serve(httpd, config)
    page = server.site / 'json.html'
    page.write_bytes(body)
    page.chmod(0o644)
    plain = server.get('/json.html')
    got = server.get(prefix + '/json.html')
    assert_untouched(got, 'json', body)
    assert got.header('ETag') and plain.status == 200
    # Whatever pieces it comes in, and where its first byte is late.
    assert server.get(prefix + query(body, bytes='1')).body == body
    assert server.get(prefix + query(body)).body == body


@pytest.mark.parametrize('body', [b'<p>{', b'x[', b'\xef\xbb\xbf \n<p>{}'])
def test_what_only_contains_json_is_a_page(httpd, body):
    server = serve(httpd)
    assert_injected(server.get(SEGMENT + query(body)), body, None)


@pytest.mark.parametrize('dest', ['document', 'iframe', 'frame'])
def test_documents_get_one_without_segment(httpd, dest):
    server = serve(httpd, ALL)
    got = server.get(query(), headers=[('Sec-Fetch-Dest', dest)])
    assert_injected(got)
    # All requests are logged, nobody asked to see it: folded.
    assert b'<details class="lpp">' in got.body
    assert b'LPProfileAllRequests On' in got.body
    assert got.header('Cache-Control') == 'no-store'


def test_range_without_segment_is_a_range(httpd):
    server = serve(httpd, ALL)
    page = (server.site / 'index.html').read_bytes()
    got = server.get('/index.html', headers=[('Range', 'bytes=5-14')])
    assert got.status == 206
    assert_untouched(got, 'range', page[5:15])


def test_range_with_segment_is_ignored(httpd):
    server = serve(httpd)
    got = server.get(SEGMENT + '/index.html',
                     headers=[('Range', 'bytes=5-14')])
    assert got.status == 200
    assert_injected(got, (server.site / 'index.html').read_bytes())


def test_download_gets_no_block_without_segment(httpd):
    server = serve(httpd, ALL)
    got = server.get(query(headers=['Content-Disposition: attachment']))
    assert_untouched(got, 'attachment')
