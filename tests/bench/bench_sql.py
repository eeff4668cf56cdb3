# SPDX-License-Identifier: Apache-2.0
"""What a statement costs: module absent, loaded, allowed, recorded, shown,
traced. On SQLite in memory of the page cache, whose statements are short, so
that what is added shows.

A request of mod_lpp_dbd sends STATEMENTS of them and says how long that took,
by the thread's CPU clock and by the wall's; ROUNDS times, in turns with the
others, so that the machine's noise meets all alike; the shortest counts. A
statement is a select and the fetching of its row: three decorated functions.
"""
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'http'))

import apxs_env  # noqa: E402
import databases  # noqa: E402
import httpd_env  # noqa: E402

STATEMENTS, ROUNDS = 4000, 20
CONFIG = '''DBDriver sqlite3
DBDParams %s
%sKeepAliveTimeout 300
MaxKeepAliveRequests 0
<Location /dbd>
SetHandler lpp-dbd
</Location>
'''
CASES = (('module absent', None, ''),
         ('loaded, LPProfilingAllowed Off', 'Off', ''),
         ('allowed, request not profiled', 'On', ''),
         ('show: recorded for the OOPS', 'On', '/++profile++show'),
         ('sql', 'On', '/++profile++sql'),
         ('sqltrace:includes nothing', 'On',
          '/++profile++sqltrace:includes%20nothing'),
         ('sqltrace', 'On', '/++profile++sqltrace'))


def took(server, path, connection):
    """Nanoseconds of CPU time and of wall time."""
    got = server.get(path, connection=connection)
    assert got.status == 200 and b'<html><body>' in got.body
    return [int(word) for word in got.header('X-Took').split()]


def main():
    with tempfile.TemporaryDirectory(prefix='lpp-bench-sql-') as directory, \
            databases.sqlite_file(directory) as path:
        servers, results = {}, {}
        try:
            for allowed in (None, 'Off', 'On'):
                config = CONFIG % (path, apxs_env.load('lpp_dbd'))
                if allowed:
                    config += 'LPProfilingAllowed %s\n' % allowed
                servers[allowed] = httpd_env.Httpd(
                    config, mpm='event', modules=['dbd'],
                    profiler=allowed is not None).start()
            connections = {key: server.connection()
                           for key, server in servers.items()}
            for _ in range(ROUNDS):
                for name, allowed, segment in CASES:
                    results.setdefault(name, []).append(took(
                        servers[allowed],
                        '%s/dbd?loop=%d' % (segment, STATEMENTS),
                        connections[allowed]))
        finally:
            httpd_env.stop_all(servers.values())
            for server in servers.values():
                server.remove()
    print('%d statements a request, shortest of %d; us a statement'
          % (STATEMENTS, ROUNDS))
    print('%-32s %8s %8s %8s %8s' % ('', 'CPU', 'added', 'wall', 'added'))
    base = None
    for name, _, _ in CASES:
        each = [min(column) / STATEMENTS / 1000
                for column in zip(*results[name])]
        base = base or each
        print('%-32s %8.3f %+8.3f %8.3f %+8.3f' % (
            name, each[0], each[0] - base[0], each[1], each[1] - base[1]))


if __name__ == '__main__':
    main()
