# SPDX-License-Identifier: Apache-2.0
"""The URL segment in what WebDAV sends besides the request line."""
import pytest

DAV = '''LPProfilingAllowed On
DavLockDB ${SITE}/dav/.lock
<Location /dav>
    Dav On
</Location>
<VirtualHost *:${PORT}>
ServerName here.example
</VirtualHost>
'''
SHOW = '/++profile++show'
LOCK = (b'<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope>'
        b'<D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype>'
        b'</D:lockinfo>')


@pytest.fixture
def dav(httpd):
    server = httpd(DAV, modules=['dav', 'dav_fs'], fresh=True)
    directory = server.site / 'dav'
    directory.mkdir()
    directory.chmod(0o777)
    return server, directory


@pytest.mark.parametrize('base', [
    'http://here.example' + SHOW + '/dav', 'http://here.example/dav' + SHOW,
    # mod_dav compares no host.
    'http://there.example/dav/%2B%2Bprofile%2B%2Bshow'])
def test_destination_of_a_copy_is_the_plain_url(dav, base):
    """A WebDAV client below /++profile++show/ sends the segment there, too."""
    server, directory = dav

    def ask(method, name, to=None, body=None):
        got = server.get(
            SHOW + '/dav/' + name, method=method, body=body,
            headers=[('Destination', base + to)] if to else [],
            host='here.example')
        assert got.lpprofile
        return got

    assert ask('PUT', 'a.txt', body=b'text').status == 201
    assert ask('COPY', 'a.txt', '/b.txt').status == 201
    assert ask('MOVE', 'b.txt', '/c.txt').status == 201
    assert ask('COPY', 'a.txt', '/c.txt').status == 204
    assert ask('GET', 'c.txt').body == b'text'
    assert sorted(path.name for path in directory.iterdir()
                  if path.name[0] != '.') == ['a.txt', 'c.txt']


def test_older_name_of_destination(dav):
    server, directory = dav
    (directory / 'a.txt').write_text('text')
    got = server.get(SHOW + '/dav/a.txt', method='COPY', host='here.example',
                     headers=[('New-uri', SHOW + '/dav/b.txt')])
    assert got.status == 201 and (directory / 'b.txt').exists()


def test_destination_is_left_where_the_request_has_no_segment(dav):
    server, directory = dav
    (directory / 'a.txt').write_text('text')
    got = server.get('/dav/a.txt', method='COPY', host='here.example',
                     headers=[('Destination',
                               'http://here.example/dav' + SHOW)])
    assert got.status == 201 and (directory / SHOW[1:]).exists()


def test_conditions_on_another_url_are_on_the_plain_one(dav):
    """If: <URL> (<token>), as a client sends that holds a lock."""
    server, directory = dav
    for name in ('a.txt', 'b.txt'):
        (directory / name).write_text(name)
        (directory / name).chmod(0o666)
    tokens = {}
    for name in ('a.txt', 'b.txt'):
        got = server.get(SHOW + '/dav/' + name, method='LOCK', body=LOCK,
                         host='here.example')
        assert got.status == 200
        tokens[name] = got.header('Lock-Token')

    def move(swapped=False, end=')'):
        held = dict(zip(tokens, reversed(tokens.values()))
                    if swapped else tokens)
        tags = ' '.join('<http://here.example%s/dav/%s> (%s%s' % (
            SHOW, name, token, end) for name, token in held.items())
        return server.get(
            SHOW + '/dav/a.txt', method='MOVE', host='here.example', headers=[
                ('Destination', 'http://here.example%s/dav/b.txt' % SHOW),
                ('If', tags)]).status

    server.allow_log('"If:" header', 'If-header', 'Could not MOVE')
    assert move(swapped=True) == 412
    assert move(end='') == 400
    assert move() == 204
    assert (directory / 'b.txt').read_text() == 'a.txt'
