# SPDX-License-Identifier: Apache-2.0
"""The client of a test server: requests as a test words them, and responses."""
import http.client
import socket
import ssl
import subprocess


class Response:
    """A whole response. headers is an http.client.HTTPMessage."""

    def __init__(self, raw, body):
        self.status = raw.status
        self.reason = raw.reason
        self.version = raw.version
        self.headers = raw.headers
        self.body = body

    def header(self, name, default=None):
        return self.headers.get(name, default)

    def all(self, name):
        """Every value of a header, as a list."""
        return self.headers.get_all(name, [])

    @property
    def text(self):
        charset = self.headers.get_content_charset() or 'utf-8'
        return self.body.decode(charset, 'replace')

    @property
    def oops_id(self):
        return self.headers.get('X-Lazr-OopsId')

    @property
    def lpprofile(self):
        return self.headers.get('X-LPProfile')

    def __repr__(self):
        return '<%d %s, %d bytes>' % (self.status, self.reason,
                                      len(self.body))


class _Closing:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class _Connection(_Closing, http.client.HTTPConnection):
    def _validate_path(self, url):
        """Paths are sent as the test wrote them."""


class _TlsConnection(_Closing, http.client.HTTPSConnection):
    def _validate_path(self, url):
        """Paths are sent as the test wrote them."""


class Client:
    """Asks the server at 127.0.0.1, self.port (TLS: self.tls_port)."""

    def connection(self, tls=False, timeout=30):
        if tls:
            context = ssl._create_unverified_context()
            return _TlsConnection('127.0.0.1', self.tls_port, timeout=timeout,
                                  context=context)
        return _Connection('127.0.0.1', self.port, timeout=timeout)

    def send(self, path, headers=(), method='GET', body=None, tls=False,
             timeout=30, connection=None, host='127.0.0.1'):
        """Send a request; returns (connection, http.client.HTTPResponse)
        with the head read and the body not."""
        connection = connection or self.connection(tls, timeout)
        pairs = list(headers.items() if isinstance(headers, dict)
                     else headers)
        names = {name.lower() for name, _ in pairs}
        connection.putrequest(method, path, skip_host=True,
                              skip_accept_encoding=True)
        if host is not None and 'host' not in names:
            connection.putheader('Host', host)
        if body is not None and not names & {'content-length',
                                             'transfer-encoding'}:
            connection.putheader('Content-Length', str(len(body)))
        for name, value in pairs:
            connection.putheader(name, value)
        connection.endheaders(body)
        return connection, connection.getresponse()

    def get(self, path, headers=(), method='GET', **kwargs):
        """One request on its own connection (or on connection=...), read
        whole. A body that is cut short raises http.client.IncompleteRead."""
        keep = kwargs.get('connection') is not None
        connection, raw = self.send(path, headers, method, **kwargs)
        try:
            return Response(raw, raw.read())
        finally:
            if not keep:
                connection.close()

    def raw(self, data, timeout=30, shut=False):
        """Send bytes as they are, read until the server closes."""
        with socket.create_connection(('127.0.0.1', self.port),
                                      timeout) as sock:
            sock.sendall(data)
            if shut:
                sock.shutdown(socket.SHUT_WR)
            pieces = []
            while True:
                piece = sock.recv(65536)
                if not piece:
                    return b''.join(pieces)
                pieces.append(piece)

    def url(self, path, tls=False):
        return '%s://127.0.0.1:%d%s' % ('https' if tls else 'http',
                                        self.tls_port if tls else self.port,
                                        path)

    def curl(self, path, *args, tls=False, timeout=60):
        """curl -sS -k --path-as-is args URL; returns CompletedProcess with
        bytes. For HTTP/2: '--http2-prior-knowledge', '-i'."""
        return subprocess.run(
            ['curl', '-q', '-sS', '-k', '--noproxy', '*', '--path-as-is',
             *args, self.url(path, tls)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)
