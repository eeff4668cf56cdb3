# SPDX-License-Identifier: Apache-2.0
"""SQL of requests on PostgreSQL, whose driver waits for rows in get_row."""
import os
import re
import signal

import pytest

import apxs_env
import databases
from sql_pages import (ON, SECRET, figures, oops_of, rows_of, section, words)

# One cluster for all, see conftest.py.
pytestmark = pytest.mark.xdist_group('postgres')

LOOP = 50
HANDLER = '<Location /dbd>\nSetHandler lpp-dbd\n</Location>\n'


@pytest.fixture
def shop(httpd, postgres):
    def make(config='', **options):
        return httpd('%sDBDriver pgsql\nDBDParams "%s"\n%s%s%s' % (
            ON, postgres.params, apxs_env.load('lpp_dbd'), HANDLER, config),
            modules=['dbd'], **options)
    return make


def run(server, statement, action='sql', how=''):
    return server.get('/++profile++%s/dbd?%s' % (action, how),
                      headers=[('X-Statement', statement)])


@pytest.mark.mpms('prefork', 'event')
def test_loop(shop, postgres):
    server = shop()
    got = server.get('/++profile++sqltrace/dbd?loop=%d' % LOOP)
    assert 'Name %d' % (LOOP - 1) in got.text
    assert figures(got)[0] == LOOP + 1
    page = section(got)
    assert '%d times, total' % LOOP in words(page)
    assert 'SELECT name FROM person WHERE id = ?' in words(page)
    assert page.count('class="caller"') == LOOP + 1
    assert '%d rows' % LOOP in page and '1 row,' in page
    rows = rows_of(oops_of(server, got))
    assert len(rows) == LOOP + 1
    assert 'pgsql:%s/shop' % postgres.root in page
    assert SECRET not in got.text + repr(rows), 'the password'


def test_every_form_of_a_prepared_statement(shop):
    server = shop()
    got = server.get('/++profile++sql/dbd?forms')
    assert 'Name 1 1;' in got.text, got.text
    page = section(got)
    for call in ('pselect', 'pvselect', 'pbselect', 'pvbselect', 'pquery',
                 'pvquery', 'pbquery', 'pvbquery'):
        assert page.count('sent as <code>%s</code>' % call) == 1, call
    assert len(re.findall(r'prepared as <code>lpp_\d+</code>', page)) == 5
    rows = rows_of(oops_of(server, got))
    assert [row[3] for row in rows] == [
        "UPDATE person SET city = 'City' WHERE id = $1"] + [
        'SELECT name FROM person WHERE id = $1'] * 4 + [
        "UPDATE person SET city = 'City' WHERE id = $1"] * 4
    assert page.count('sent as <code>prepare</code>') == 1


def test_transactions(shop):
    server = shop()
    for how, text in (('commit', 'COMMIT'), ('rollback', 'ROLLBACK')):
        got = server.get('/++profile++sqltrace/dbd?' + how)
        rows = rows_of(oops_of(server, got))
        assert [row[3] for row in rows] == [
            'BEGIN', "UPDATE person SET city = 'City' WHERE id < 3", text]
        assert len({row[2] for row in rows}) == 1
        assert '3 rows' in section(got)


def test_slow_statements_are_yellow_and_red(shop):
    server = shop()
    for again in range(5):
        got = run(server, 'SELECT pg_sleep(0.15)')
        count, took = figures(got)
        assert count == 1 and 150 <= took
        if took < 450: # or the machine paused
            break
    assert took < 450
    page = section(got)
    assert 'class="took slow"' in page and 'took very' not in page
    (row,) = rows_of(oops_of(server, got))
    assert 150 <= row[1] - row[0] < 450
    page = section(run(server, 'SELECT pg_sleep(0.6)'))
    assert 'class="took very"' in page and 'took slow' not in page


def test_a_statement_that_fails_while_its_rows_are_awaited(shop):
    server = shop()
    got = run(server, "SELECT '%s'::integer" % SECRET)
    page = section(got)
    assert '1 failed.' in page and 'invalid input syntax' in page
    got = run(server, "SELECT '%s'::integer" % SECRET, 'callgrind')
    (row,) = rows_of(oops_of(server, got))
    assert row[3].startswith('SELECT ?::integer [failed: ERROR:')
    assert SECRET not in repr(row)


def test_no_rows_are_no_failure(shop):
    server = shop()
    got = run(server, 'SELECT name FROM person WHERE id = -1')
    page = section(got)
    assert 'failed' not in words(page) and '0 rows' in page


def test_a_lost_connection(shop):
    server = shop('DBDMax 1\nDBDKeep 1\nDBDMin 1\nStartServers 1\n'
                  'ServerLimit 1\nMaxRequestWorkers 1\n', mpm='prefork',
                  fresh=True)
    server.allow_log('AH00639', 'AH00632', 'AH00629')
    got = run(server, 'SELECT pg_backend_pid()')
    pid = int(re.search(r'<body>(\d+)<', got.text).group(1))
    # In the midst of a statement of its own ...
    got = run(server, 'SELECT pg_terminate_backend(pg_backend_pid())')
    assert got.status in (200, 500)
    rows = rows_of(oops_of(server, got))
    assert 'failed' in repr(rows) and 'connection' in repr(rows)
    # ... and while it was idle.
    seen = set()
    for _ in range(8):
        got = run(server, 'SELECT pg_backend_pid()')
        found = re.search(r'<body>(\d+)<', got.text)
        if found and int(found.group(1)) not in seen:
            seen.add(int(found.group(1)))
            os.kill(int(found.group(1)), signal.SIGTERM)
    assert seen - {pid}, 'served again'
    server.restart(alone=True) # the connections of the old ones are lost
    assert 'Name 0' in server.get('/++profile++sql/dbd?loop=1').text
    # The one child is through with that: apr_reslist aborts one that is told to
    # end while a request of it has a connection.
    assert server.get('/plain.txt').status == 200


@pytest.fixture
def sqlite_file(tmp_path_factory):
    with databases.sqlite_file(tmp_path_factory.mktemp('two')) as path:
        yield path


def test_two_databases(httpd, postgres, sqlite_file):
    """Virtual hosts with a driver each: neither is taken for the other."""
    server = httpd('''%sDBDriver pgsql\nDBDParams "%s"\n%s%s
<VirtualHost *>
ServerName one
</VirtualHost>
<VirtualHost *>
ServerName two
DBDriver sqlite3
DBDParams %s
</VirtualHost>
''' % (ON, postgres.params, apxs_env.load('lpp_dbd'), HANDLER,
       sqlite_file), modules=['dbd'], mpm='prefork')
    for how, count in (('loop=20', 21), ('commit', 3), ('forms', 9)):
        for host, name in (('one', 'pgsql_'), ('two', 'sqlite3_')) * 2:
            got = server.get('/++profile++sql/dbd?' + how, host=host)
            rows = rows_of(oops_of(server, got))
            assert len(rows) == count
            assert {row[2][:4 + len(name)] for row in rows} == {
                'SQL-' + name}
            plain = server.get('/dbd?' + how, host=host)
            assert plain.status == 200
            assert got.text.startswith(plain.text[:-15])
