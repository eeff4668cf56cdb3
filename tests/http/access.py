# SPDX-License-Identifier: Apache-2.0
"""Whether a server takes ++profile++ for a segment of its own or for text."""
import socket

SEGMENT = '/++profile++callgrind'
PAGE = SEGMENT + '/index.html'
REFUSED = 'LPP050'


def refusals(server):
    return [line for line in server.error_lines() if REFUSED in line]


def assert_ordinary(server, path=PAGE, headers=(), **kwargs):
    """The segment is text, and the log has one line that says so."""
    before = len(refusals(server))
    got = server.get(path, headers, **kwargs)
    assert got.status == 404
    assert not got.lpprofile and not got.oops_id
    lines = refusals(server)[before:]
    assert len(lines) == 1 and ':info]' in lines[0]


def assert_profiled(server, path=PAGE, headers=(), **kwargs):
    before = len(refusals(server))
    got = server.get(path, headers, **kwargs)
    assert got.status == 200 and got.lpprofile
    assert refusals(server)[before:] == []


def own_address():
    """An address of this machine that is not loopback, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(('192.0.2.1', 9))
        except OSError:
            return None
        return probe.getsockname()[0]
