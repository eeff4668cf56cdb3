# SPDX-License-Identifier: Apache-2.0
"""A block has its style where the page's Content-Security-Policy lets it."""
import pytest

from blocks import (PAGE, SEGMENT, SHOW, assert_injected, blocks, query, serve,
                    without_block)

POLICIES = [
    ("default-src 'self'", False),
    ("default-src 'none'", False),
    ("script-src 'none'", True),
    ("style-src 'unsafe-inline'", True),
    ("STYLE-SRC 'UNSAFE-INLINE'", True),
    ("default-src 'none'; style-src 'unsafe-inline'", True),
    ("style-src 'unsafe-inline'; style-src-elem 'self'", False),
    ("style-src 'self'; style-src-elem 'unsafe-inline'", True),
    ("style-src 'unsafe-inline' 'nonce-abc'", False),
    ("style-src 'unsafe-inline' 'sha256-abc='", False),
    ("style-src 'unsafe-inline', default-src 'self'", False),
    ("style-src 'none'; style-src 'unsafe-inline'", False),
    ("style-src", False),
    ("style-src-attr 'none'", True),
    ("", True),
]


@pytest.mark.parametrize('policy,styled', POLICIES)
def test_style_only_where_the_policy_allows(httpd, policy, styled):
    server = serve(httpd)
    for name in ('Content-Security-Policy',
                 'Content-Security-Policy-Report-Only'):
        got = server.get(SEGMENT + query(headers=[name + ': ' + policy]))
        assert_injected(got)
        assert (b'<style>' in got.body) == styled
        assert b' style=' not in blocks(got.body)[0]


METAS = [
    (b'content="default-src \'self\'"', False),
    (b'content="default-src &#39;none&#39;"', False),
    (b'content="style-src \'unsafe-inline\'"', True),
    (b'content="img-src *"', True),
]


@pytest.mark.parametrize('policy, styled', METAS)
def test_style_only_where_a_meta_element_allows(httpd, policy, styled):
    server = serve(httpd)
    page = (b'<!doctype html><html><head><meta charset="utf-8"><meta '
            b'http-equiv="Content-Security-Policy" %s></head><body>x</body>'
            b'</html>' % policy)
    header = ['Content-Security-Policy: style-src \'unsafe-inline\'']
    for path in (query(page), query(page, bytes='1'),
                 query(page, headers=header)):
        got = server.get(SEGMENT + path)
        assert_injected(got, page)
        assert (b'<style>' in got.body) == styled
    # All of them must allow.
    header = ["Content-Security-Policy: style-src 'self'"]
    got = server.get(SEGMENT + query(page, headers=header))
    assert_injected(got, page)
    assert b'<style>' not in got.body


@pytest.mark.parametrize('body', [PAGE, b'', b'</body>', b'x' * 70000])
@pytest.mark.parametrize('how', ['set', 'always set', 'append'])
def test_policy_that_mod_headers_sets(httpd, how, body):
    server = serve(httpd, SHOW + 'ScriptAlias /set/ ${SITE}/cgi/\n'
                   'Alias /file/ ${SITE}/\n<LocationMatch "^/(set|file)/">\n'
                   'Header ' + how + ' Content-Security-Policy '
                   '"default-src \'self\'"\n</LocationMatch>\n')
    path = query(body[:1000]).replace('/cgi/', '/set/')
    got = server.get(SEGMENT + path)
    assert got.header('Content-Security-Policy')
    assert len(blocks(got.body)) == 1
    assert b'<style>' not in got.body
    # From a file the end is there with the first byte, or instead of it.
    page = server.site / 'policy.html'
    page.write_bytes(body)
    page.chmod(0o644)
    got = server.get(SEGMENT + '/file/policy.html')
    assert got.header('Content-Security-Policy')
    assert without_block(got.body) == body
    assert len(blocks(got.body)) == 1
    assert b'<style>' not in got.body
