# SPDX-License-Identifier: Apache-2.0
"""The URL segment with caches and conditional requests."""
import gzip
from email.utils import formatdate

import pytest

import httpd_env
from blocks import without_block

SITE_HEADERS = [
    'Header always set Cache-Control "public, max-age=3600"\n',
    'Header set Cache-Control "public, max-age=3600"\n',
    'Header append Cache-Control public\n',
    'Header always set Expires "Thu, 01 Jan 2099 00:00:00 GMT"\n',
    'ExpiresActive On\nExpiresDefault "access plus 1 year"\n',
]


@pytest.mark.parametrize('rule', SITE_HEADERS)
def test_what_a_segment_asked_for_is_not_stored(httpd, rule):
    """Whatever the site says of its own pages, and of errors and redirects."""
    server = httpd('LPProfilingAllowed On\nDirectoryIndex index.html\n'
                   'ErrorDocument 410 /dir/one.html\n'
                   'Redirect gone /gone\n' + rule,
                   modules=['headers', 'expires'], features=['cgi'])
    for path in ('/plain.txt', '/dir/one.html', '/no-such-page', '/gone',
                 '/dir/', '/dir'):
        plain = server.get(path)
        assert 'no-store' not in plain.all('Cache-Control')
        for action in ('callgrind', 'help', 'show', 'sql'):
            got = server.get('/++profile++%s%s' % (action, path))
            assert got.status == plain.status
            assert got.all('Cache-Control') == ['no-store'], (path, action)
            assert not got.all('Expires')
    for path in ('', 'help', 'reports', 'report:OOPS-' + 32 * '0'):
        got = server.get('/++profile++' + path)
        assert got.all('Cache-Control') == ['no-store'], path
        assert not got.all('Expires')
    part = server.get('/++profile++show/plain.txt',
                      [('Sec-Fetch-Dest', 'image')])
    assert part.all('Cache-Control') == ['no-store'] and not part.lpprofile


@pytest.mark.parametrize('rule', SITE_HEADERS)
def test_a_page_with_a_block_is_not_stored(httpd, rule):
    server = httpd('LPProfilingAllowed On\nLPProfileAllRequests On\n' + rule,
                   modules=['headers', 'expires'])
    got = server.get('/dir/one.html')
    assert 'Profiling Information' in got.text
    assert got.all('Cache-Control') == ['no-store']
    assert not got.all('Expires')
    assert 'no-store' not in server.get('/plain.txt').all('Cache-Control')


def caching(httpd, quick):
    """A server that stores whatever it may, and more."""
    server = httpd('LPProfilingAllowed On\nCacheRoot ${ROOT}/run/cache\n'
                   'CacheEnable disk /\nCacheQuickHandler %s\n'
                   'CacheStoreNoStore On\nCacheIgnoreNoLastMod On\n'
                   'CacheDefaultExpire 600\nCacheMinExpire 600\n'
                   'CacheHeader On\n' % quick,
                   modules=['cache', 'cache_disk'], features=['cgi'])
    (server.root / 'run' / 'cache').mkdir(exist_ok=True)
    (server.root / 'run' / 'cache').chmod(0o777)
    return server


@pytest.mark.parametrize('quick', ['On', 'Off'])
def test_a_part_of_a_page_may_come_from_the_cache(httpd, quick):
    server = caching(httpd, quick)
    image = [('Sec-Fetch-Dest', 'image')]
    plain = httpd(profiler=False).get('/plain.txt')
    for path in ('/++profile++show/plain.txt', '/plain.txt',
                 '/++profile++show/plain.txt'):
        got = server.get(path, image)
        assert (got.status, got.body) == (200, plain.body)
        assert (got.all('Cache-Control') == ['no-store']) == (
            '++profile++' in path)
    assert got.header('X-Cache').startswith('HIT')


CONDITIONS = [('If-None-Match', '*'), ('Range', 'bytes=0-0'),
              ('If-Modified-Since', formatdate(usegmt=True))]


@pytest.mark.parametrize('method', ['GET', 'HEAD'])
@pytest.mark.parametrize('condition', CONDITIONS)
def test_conditions_are_ignored_with_a_segment_only(httpd, method, condition):
    server = httpd('LPProfilingAllowed On', features=['cgi'])
    plain = server.get('/plain.txt', [condition], method=method)
    assert plain.status in (206, 304) or method == 'HEAD'
    got = server.get('/++profile++callgrind/plain.txt', [condition],
                     method=method)
    assert got.status == 200


@pytest.mark.parametrize('condition', [
    ('If-Match', '"no such"'),
    ('If-Unmodified-Since', 'Fri, 01 Jan 1999 00:00:00 GMT')])
def test_guards_of_a_write_stand(httpd, condition):
    server = httpd('LPProfilingAllowed On', features=['cgi'])
    for path in ('/plain.txt', '/++profile++callgrind/plain.txt'):
        assert server.get(path, [condition]).status == 412


def test_backend_is_asked_for_identity_and_deflate_still_works(httpd):
    backend = httpd(profiler=False, features=['cgi'], key='backend')
    server = httpd('LPProfilingAllowed On\n'
                   'ProxyPass /app http://127.0.0.1:%d/cgi/env\n'
                   % backend.port, features=['proxy', 'deflate', 'cgi'])
    encodings = [('Accept-Encoding', 'gzip')]

    def seen(path):
        got = server.get(path, encodings)
        assert got.header('Content-Encoding') == 'gzip'
        return gzip.decompress(got.body).decode()

    for path in ('/app', '/cgi/env'):
        assert 'HTTP_ACCEPT_ENCODING=gzip' in seen(path)
        assert 'HTTP_ACCEPT_ENCODING' not in seen('/++profile++callgrind'
                                                  + path)


@pytest.mark.parametrize('quick', ['On', 'Off'])
def test_cache_neither_answers_nor_stores(httpd, quick):
    server = caching(httpd, quick)
    path = '/dir/one.html'
    plain = httpd(profiler=False).get(path)
    got = server.get('/++profile++callgrind' + path)
    assert got.status == 200 and got.lpprofile
    assert 'HIT' not in got.header('X-Cache', '')
    first = server.get(path)
    assert 'HIT' not in first.header('X-Cache', ''), 'a profile was stored'
    assert not first.lpprofile
    httpd_env.wait_for(
        lambda: 'HIT' in server.get(path).header('X-Cache', ''))
    got = server.get('/++profile++callgrind' + path)
    assert got.lpprofile and 'HIT' not in got.header('X-Cache', '')
    assert without_block(got.body) == first.body == plain.body
