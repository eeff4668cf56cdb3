# SPDX-License-Identifier: Apache-2.0
"""SQL of requests: what is seen, shown, counted, masked; on SQLite."""
import concurrent.futures
import json
import re
import sqlite3

import pytest

import apxs_env
import databases
from sql_pages import (ON, SECRET, figures, oops_of, read_rfc822, rows_of,
                       section, words)

LOOP = 50
STATEMENTS = LOOP + 2  # one before the loop, one prepared after it

LUA = {
    'loop.lua': '''
function handle(r)
    local db = r:dbacquire()
    local rows = db:select(r, "SELECT id, name FROM person WHERE id < %d")
    for _, row in ipairs(rows(0)) do
        db:select(r, "SELECT city FROM person WHERE id = " .. row[1])(0)
    end
    db:prepared(r, "byname"):select("Name 3")(0)
    db:close()
    r.content_type = r.args == "json" and "application/json" or "text/html"
    if r.args == "json" then r:puts('{"a": 1}') return apache2.OK end
    r:puts("<html><body>loop</body></html>")
    return apache2.OK
end''' % LOOP,
    # The statement comes in the body of the request.
    'run.lua': '''
function handle(r)
    local db = r:dbacquire()
    local text = r:requestbody()
    local result, err
    if text:match("^%s*[Ss][Ee][Ll]") then
        result, err = db:select(r, text)
        if result then
            local rows = result(0)
            result = #rows > 0 and rows[1][1] or "none"
        end
    else
        result, err = db:query(r, text)
    end
    db:close()
    r.content_type = "text/html"
    r:puts("<html><body>", r:escape_html(tostring(result)), " ",
           r:escape_html(tostring(err)), "</body></html>")
    return apache2.OK
end''',
    'prepare.lua': '''
function handle(r)
    local db = r:dbacquire()
    local st = db:prepare(r, "SELECT name FROM person WHERE id = %d")
    for n = 1, 3 do st:select(n)(0) end
    local q = db:prepare(r, "UPDATE person SET city = %s WHERE id = 1")
    q:query("City")
    db:close()
    r.content_type = "text/html"
    r:puts("<html><body>prepared</body></html>")
    return apache2.OK
end''',
    'session.lua': '''
function handle(r)
    r.content_type = "text/html"
    r.headers_out["X-Session"] = "word=" .. (r.args or "none")
    r:puts("<html><body>session</body></html>")
    return apache2.OK
end''',
}

PREPARED = '''
DBDPrepareSQL "SELECT id FROM person WHERE name = %s" byname
DBDPrepareSQL "SELECT password FROM login WHERE name = %s" byuser
DBDPrepareSQL "SELECT role FROM login WHERE name = %s" byrole
DBDPrepareSQL "SELECT url FROM target WHERE name = %s" bytarget
'''
SESSION = '''
DBDPrepareSQL "SELECT value FROM session WHERE key = %s AND (expiry = 0 \
OR expiry > %lld) AND 's3cretword' <> ''" custom
DBDPrepareSQL "DELETE FROM session WHERE key = %s" deletesession
DBDPrepareSQL "UPDATE session SET value = %s, expiry = %lld, key = %s \
WHERE key = %s AND 's3cretword' <> ''" updatesession
DBDPrepareSQL "INSERT INTO session (value, expiry, key) VALUES \
(%s, %lld, %s)" insertsession
<Location /lua/session.lua>
    Session On
    SessionDBDCookieName sid path=/
    SessionDBDSelectLabel custom
    SessionHeader X-Session
</Location>
'''
USERS = '''
<Location /dir>
    AuthType Basic
    AuthName x
    AuthBasicProvider dbd
    AuthDBDUserPWQuery "SELECT password FROM login WHERE name = %s"
    AuthzDBDQuery "SELECT role FROM login WHERE name = %s"
    Require dbd-group boss
</Location>
RewriteEngine On
RewriteMap url "dbd:SELECT url FROM target WHERE name = %s"
RewriteRule ^/go/(.*) ${url:$1|/none} [L]
'''
ANN = ('Authorization', 'Basic YW5uOnBhc3N3b3Jk')


def install(server):
    for name, text in LUA.items():
        path = server.site / 'lua' / name
        if not path.exists():
            path.write_text(text)
            path.chmod(0o644)


@pytest.fixture(scope='session')
def sqlite_file(tmp_path_factory):
    with databases.sqlite_file(tmp_path_factory.mktemp('sqlite')) as path:
        yield path


@pytest.fixture
def shop(httpd, sqlite_file):
    """A server with the database behind mod_dbd."""
    def make(config='', **options):
        modules = ['dbd', *options.pop('modules', ())]
        server = httpd('%sDBDriver sqlite3\nDBDParams %s\n%s%s' % (
            ON, sqlite_file, PREPARED, config), modules=modules,
            features=['lua', *options.pop('features', ())], **options)
        install(server)
        return server
    return make


def label_of_all(page):
    """What a screen reader says of the box that opens all statements; the
    words on the screen, which CSS has, are the same."""
    box = re.search(r'<div class="sqlbox( plainsql)?">', page)
    label = re.search(r'class="sqlall" [^>]*aria-label="([^"]*)"', page)[1]
    assert bool(box[1]) == (label == 'Show all in full')
    return label


@pytest.mark.mpms('prefork', 'event')
def test_loop_of_a_lua_page(shop):
    server = shop()
    got = server.get('/++profile++sql/lua/loop.lua')
    assert got.status == 200
    assert figures(got)[0] == STATEMENTS
    page = section(got)
    for heading in ('SQL trace', 'Top 10 SQL times',
                    'Top 10 times between SQL statements',
                    'Same statement, other values'):
        assert heading in page
    assert '<b>%d</b> SQL statements' % STATEMENTS in page
    assert '%d times, total' % LOOP in words(page)
    assert 'SELECT city FROM person WHERE id = ?' in words(page)
    assert 'Before query number 1' in words(page)
    assert page.count('<li class="q') == STATEMENTS
    assert 'prepared as <code>byname</code>' in page
    assert '60 rows' not in page and '%d rows' % LOOP in page
    assert 'apr_dbd' not in page and 'Repeated SQL triggers' not in page
    assert label_of_all(page) == 'Show all in full'  # there are no tracebacks
    rows = rows_of(oops_of(server, got))
    assert len(rows) == STATEMENTS
    assert {row[2] for row in rows} == {'SQL-sqlite3_shop_db'}
    assert rows[1][3] == 'SELECT city FROM person WHERE id = 0'
    starts = [row[0] for row in rows]
    assert starts == sorted(starts)


@pytest.mark.mpms('prefork', 'event')
def test_tracebacks_end_with_the_caller_and_show_its_database_call(shop):
    server = shop()
    got = server.get('/++profile++sqltrace/lua/loop.lua')
    page = section(got)
    assert 'Repeated SQL triggers' in page
    callers = re.findall(r'<pre class="caller">(.*?)</pre>', page, re.S)
    assert len(callers) == STATEMENTS
    for caller in callers:
        lines = caller.strip().splitlines()
        assert 'mod_lua' in lines[-1], caller
        assert any('ap_' in line for line in lines)
        assert 'mod_lpprofile' not in caller and 'apr_dbd_' not in caller
    parts = re.findall(r'<pre class="db">(.*?)</pre>', page, re.S)
    assert [part.split()[0] for part in parts[:2]] == ['apr_dbd_select'] * 2
    assert parts[-1].split()[0] == 'apr_dbd_pselect'
    assert all('sqlite3:shop.db' in part for part in parts)
    assert 'Taking tracebacks takes time' in words(page)
    assert 'not evenly so' not in words(page)
    assert label_of_all(page) == 'Show all tracebacks'
    # What to type next: true times, or tracebacks of some.
    assert 'href="/++profile++sql/lua/loop.lua"' in page
    assert 'href="/++profile++sqltrace:includes%20TEXT/lua/loop.lua"' in page


@pytest.mark.mpms('prefork', 'event')
def test_tracebacks_name_the_line_of_the_page(shop):
    # Without samples and with them; of the page itself, and as it was saved.
    server = shop()
    lines = LUA['loop.lua'].splitlines()
    in_loop = 1 + next(number for number, line in enumerate(lines)
                       if 'SELECT city' in line)
    for action in ('sqltrace', 'show&sqltrace'):
        got = server.get('/++profile++%s/lua/loop.lua' % action)
        saved = server.report(got.oops_id)
        for page in (section(got), section(saved)):
            callers = re.findall(r'<pre class="caller">(.*?)</pre>', page,
                                 re.S)
            assert len(callers) == STATEMENTS
            for caller in callers[1:-1]:
                assert 'handle  (loop.lua:%d)' % in_loop in caller, caller
            text = words(page)
            sent = text[text.index('Repeated SQL triggers'):]
            assert 'handle in loop.lua:%d' % in_loop in sent, sent[:500]


def test_tracebacks_have_no_page_functions_where_they_are_off(shop, httpd):
    server = shop('LPProfileInterpreters php python perl\n')
    got = server.get('/++profile++sqltrace/lua/loop.lua')
    page = section(got)
    assert page.count('class="caller"') == STATEMENTS
    assert 'loop.lua:' not in page and 'Repeated SQL triggers' in page


def test_tracebacks_begin_where_the_request_is_served(shop):
    # With samples and without, and not at the thread's first function.
    server = shop()
    first = set()
    for action in ('sqltrace', 'show&sqltrace'):
        page = section(server.get('/++profile++%s/lua/loop.lua' % action))
        for caller in re.findall(r'<pre class="caller">(.*?)</pre>', page,
                                 re.S):
            assert 'start_thread' not in caller
            first.add(caller.strip().splitlines()[0])
    assert len(first) == 1 and 'process_connection' in first.pop()


def test_conditions_choose_what_is_traced(shop):
    server = shop()
    got = server.get('/++profile++sqltrace:includes%20where%20name'
                     '|matches%20x|endswith%20ID%20=%207/lua/loop.lua')
    page = section(got)
    assert page.count('class="caller"') == 2
    assert page.count('No traceback was taken') == STATEMENTS - 2
    assert '<li><code>includes WHERE NAME</code></li>' in page
    assert '<li><code>endswith ID = 7</code></li>' in page
    assert 'was not understood and is ignored: <code>matches x</code>' in page
    assert 'not evenly so, where only some have one' in words(page)
    assert 'None: no two tracebacks that were taken are the same' in page
    assert 'includes%20TEXT' not in page
    got = server.get('/++profile++sqltrace:matches%20x/lua/loop.lua')
    page = section(got)
    assert 'class="caller"' not in page
    assert 'no traceback was taken' in page
    assert label_of_all(page) == 'Show all in full'


def test_sql_without_asking_is_in_the_oops_with_its_literals_masked(shop):
    server = shop()
    got = server.get('/++profile++show/lua/loop.lua')
    assert '<section class="sql">' not in got.text
    assert ';sql=' not in got.lpprofile
    assert '/++profile++show&amp;sql/lua/loop.lua' in got.text
    rows = rows_of(oops_of(server, got))
    assert len(rows) == STATEMENTS
    assert {row[3] for row in rows[1:-1]} == {
        'SELECT city FROM person WHERE id = ?'}
    assert 'id = 7' not in got.text


def test_json_has_the_figures_in_headers(shop):
    server = shop()
    got = server.get('/++profile++sql/lua/loop.lua?json')
    assert json.loads(got.body) == {'a': 1}
    assert figures(got)[0] == STATEMENTS
    assert 'no-html' in got.lpprofile
    timing = ', '.join(got.all('Server-Timing'))
    assert re.search(r'sql;dur=[\d.]+;desc="%d statements"' % STATEMENTS,
                     timing)


def test_without_statements_it_says_so(shop, httpd):
    for server in (shop(), httpd(ON)):
        got = server.get('/++profile++sql/index.html')
        assert figures(got) == (0, 0)
        assert 'No SQL statement was sent' in section(got)
        assert rows_of(oops_of(server, got)) == []


@pytest.mark.mpms('prefork', 'event')
def test_traced_and_untraced_requests_take_turns_on_a_connection(shop):
    server = shop('DBDMax 3\nDBDKeep 3\nDBDMin 1\n')

    def untraced(_):
        got = server.get('/lua/loop.lua')
        return got.status, got.oops_id

    def traced(n):
        got = server.get('/++profile++%s/lua/loop.lua' % (
            'sqltrace' if n % 2 else 'sql'))
        return figures(got)[0]

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        others = pool.map(untraced, range(40))
        own = list(pool.map(traced, range(10)))
        assert own == [STATEMENTS] * 10
        assert set(others) == {(200, None)}


def test_statements_prepared_in_the_request(shop):
    server = shop()
    got = server.get('/++profile++sql/lua/prepare.lua')
    assert got.status == 200, got.text
    page = words(section(got))
    assert figures(got)[0] == 4
    assert page.count('SELECT name FROM person WHERE id = ?') >= 3
    assert 'UPDATE person SET city = ? WHERE id = 1' in page


def test_users_groups_and_rewrite_maps(shop):
    server = shop(USERS, features=['rewrite'], modules=[
        'authn_core', 'auth_basic', 'authn_dbd', 'authz_dbd', 'authz_user'])
    assert server.get('/dir/one.html').status == 401
    got = server.get('/++profile++sqltrace/dir/one.html', headers=[ANN])
    assert got.status == 200
    page = section(got)
    assert figures(got)[0] == 2
    assert 'SELECT password FROM login WHERE name = %s' in page
    assert 'SELECT role FROM login WHERE name = %s' in page
    assert 'mod_authn_dbd' in page and 'mod_authz_dbd' in page
    assert 'W6ph5Mm5' not in got.text
    got = server.get('/++profile++sqltrace/go/plain')
    assert got.status == 200
    rows = rows_of(oops_of(server, got))
    assert [row[3] for row in rows] == [
        'SELECT url FROM target WHERE name = %s']


def test_session_data_is_nowhere(shop, sqlite_file):
    server = shop(SESSION, modules=['session', 'session_dbd', 'request'])
    got = server.get('/++profile++sqltrace/lua/session.lua?' + SECRET)
    assert got.status == 200
    cookie = got.header('Set-Cookie').split(';')[0]
    again = server.get('/++profile++sql&callgrind/lua/session.lua?x',
                       headers=[('Cookie', cookie), ('Accept', 'text/html')])
    stored = sqlite3.connect(sqlite_file).execute(
        'SELECT value FROM session').fetchall()
    assert ('word=x',) in stored, 'the session was saved'
    for answer in (got, again):
        page = section(answer)
        assert 'session' in page and SECRET not in page
        report = oops_of(server, answer)
        rows = rows_of(report)
        assert rows and SECRET not in repr(rows)
        assert cookie.partition('=')[2] not in page + repr(rows)
    assert "? &lt;&gt; ?" in section(again).replace('&#62;', '&gt;').replace(
        '&#60;', '&lt;')


def test_a_failing_statement(shop):
    server = shop()
    got = server.get('/++profile++sql/lua/run.lua', method='POST',
                     body=b"UPDATE nowhere SET a = 'x'")
    assert 'no such table' in got.text
    page = section(got)
    assert '1 failed.' in page and 'no such table: nowhere' in page
    (row,) = rows_of(oops_of(server, got))
    assert row[3] == ("UPDATE nowhere SET a = 'x' "
                      "[failed: no such table: nowhere]")
    got = server.get('/++profile++callgrind/lua/run.lua', method='POST',
                     body=b'SELECT \'%s\' AND "%s" FROM nowhere' % (
                         SECRET.encode(), SECRET.encode()))
    (row,) = rows_of(oops_of(server, got))
    assert '[failed: ' in row[3] and SECRET not in repr(row)


def test_a_statement_of_a_megabyte(shop):
    server = shop()
    text = b"SELECT 'begin" + b'x' * 1024 * 1024 + b"end'"
    got = server.get('/++profile++sqltrace:endswith%20end%27/lua/run.lua',
                     method='POST', body=text)
    page = section(got)
    assert 'bytes' in page and str(len(text)) in page
    assert page.count('class="caller"') == 1, 'the condition sees all of it'
    assert len(page) < 60000
    (row,) = rows_of(oops_of(server, got))
    assert len(row[3]) < 10000 and row[3].startswith("SELECT 'begin")
    got = server.get('/++profile++callgrind/lua/run.lua', method='POST',
                     body=text)
    (row,) = rows_of(oops_of(server, got))
    assert row[3].startswith('SELECT ?') and 'xx' not in row[3]


@pytest.mark.parametrize('fmt', ['rfc822', 'bson'])
def test_markup_and_bytes_that_are_no_text(shop, fmt):
    server = shop('LPOopsFormat %s\n' % fmt)
    text = (b"SELECT '</script></body></html><img src=x onerror=alert(1)> "
            b"\xff\xfe\xed\xa0\x80 \xe2\x82\xac & \x01' -- </template>")
    got = server.get('/++profile++sqltrace/lua/run.lua', method='POST',
                     body=text)
    page = section(got)
    assert '<img' not in page and '</script' not in page
    assert page.count('</template') == 0
    assert got.body.isascii() or b'\xff' not in section(got).encode()
    assert '&#8364;' in page and '&#65533;' in page
    data = server.wait_oops(got.oops_id).read_bytes()
    if fmt == 'rfc822':
        (row,) = rows_of(read_rfc822(data))
        assert 'onerror' in row[3]
    else:
        bson = pytest.importorskip('bson')
        rows = [r for r in bson.BSON(data).decode()['timeline']
                if r[2].startswith('SQL-')]
        assert len(rows) == 1 and '\u20ac' in rows[0][3]


def test_over_http2(shop):
    server = shop(features=['http2'])
    done = server.curl('/++profile++sql/lua/loop.lua',
                       '--http2-prior-knowledge', '-i')
    head, _, body = done.stdout.partition(b'\r\n\r\n')
    assert b';sql=%d/' % STATEMENTS in head
    assert b'Top 10 SQL times' in body


def test_connections_outlive_a_graceful_restart(shop):
    server = shop(fresh=True)
    for how in ('graceful', 'restart', 'graceful'):
        got = server.get('/++profile++sqltrace/lua/loop.lua')
        assert figures(got)[0] == STATEMENTS
        server.restart(how)
    got = server.get('/++profile++sql/lua/loop.lua')
    assert figures(got)[0] == STATEMENTS
    # Without the module allowed, nothing is in the way of the database.
    server.reconfigure(server._config.replace('Allowed On', 'Allowed Off'))
    assert 'loop' in server.get('/lua/loop.lua').text


def test_connections_that_last_one_request(shop):
    server = shop('DBDPersist Off\nDBDInitSQL "PRAGMA synchronous=OFF"\n')
    for _ in range(3):
        got = server.get('/++profile++sql/lua/loop.lua')
        assert figures(got)[0] == STATEMENTS + 1, 'and that of DBDInitSQL'
        assert 'PRAGMA synchronous=OFF' in section(got)


def test_other_modules_tell_of_their_statements(httpd):
    tell = ('<Location /lpp-tell>\nSetHandler lpp-tell\n</Location>\n')
    server = httpd(ON + apxs_env.load('lpp_tell') + tell)
    got = server.get('/++profile++sqltrace/lpp-tell?3')
    assert 'found 1 2 3' in got.text
    page = section(got)
    assert figures(got)[0] == 3 and '1 failed.' in page
    assert 'mod_lpp_tell' in page and 'mysql:db_host/shop' in page
    assert '99 rows' not in page
    rows = rows_of(oops_of(server, got))
    assert [row[3] for row in rows] == [
        'SELECT "s3cret" FROM t WHERE id = %d%s' % (
            n, ' [failed: no such "s3cret"]' if n == 1 else '')
        for n in range(3)]
    got = server.get('/++profile++callgrind/lpp-tell?2')
    rows = rows_of(oops_of(server, got))
    assert rows[0][3] == 'SELECT ? FROM t WHERE id = ?'
    assert 's3cret' not in repr(rows)
    assert 'found 0 0' in server.get('/lpp-tell?2').text
    server = httpd(apxs_env.load('lpp_tell') + tell, profiler=False)
    assert 'absent 0' in server.get('/lpp-tell?1').text


def test_who_may_not_look_sees_nothing(shop):
    server = shop('LPProfileAllRequests On\nLPProfileAccess false\n')
    got = server.get('/lua/loop.lua')
    assert '<section class="sql">' not in got.text
    assert 'sql' not in got.lpprofile and not got.all('Server-Timing')
    rows = rows_of(oops_of(server, got))
    assert len(rows) == STATEMENTS and 'id = 7' not in repr(rows)
