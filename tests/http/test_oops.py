# SPDX-License-Identifier: Apache-2.0
"""What stands in the OOPS of a request, and what must never stand there."""
import base64
import datetime
import hashlib
import pathlib
import re
import socket
import stat
import sys
import threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent
                       / 'readers'))

from oops_reader import read_rfc822  # noqa: E402

pytestmark = pytest.mark.long

ON = 'LPProfilingAllowed On\n'
CANARY = 's3cr3tcanary'

FAILING = '''
function handle(r)
    local what = r.args or ""
    if what:find("err") then
        r:err("first complaint, see http://me:%(canary)s@db/?token=%(canary)s")
        r:err("second complaint")
    end
    if what:find("crit") then r:crit("it is critical") end
    if what:find("alert") then r:alert("it is alarming") end
    if what:find("status") then return 503 end
    r.content_type = "text/html"
    r:puts("<html><body>" .. what .. "</body></html>")
    return apache2.OK
end
''' % {'canary': CANARY}


def report_of(server, got, **kwargs):
    assert got.oops_id, got.headers
    path = server.wait_oops(got.oops_id, **kwargs)
    report = read_rfc822(path.read_bytes())
    assert report['id'] == got.oops_id
    assert report['lost'] == []
    return report


def profiled(server, path, **kwargs):
    got = server.get('/++profile++callgrind' + path, **kwargs)
    return got, report_of(server, got)


def lua(httpd, config=''):
    server = httpd(ON + config, features=['lua'])
    (server.site / 'lua' / 'fail.lua').write_text(FAILING)
    server.allow_log('complaint', 'critical', 'alarming')
    return server


@pytest.mark.all_mpms
def test_a_page_is_informational(httpd):
    server = httpd(ON)
    before = datetime.datetime.now(datetime.timezone.utc)
    got, report = profiled(server, '/dir/one.html?a=b',
                           host='127.0.0.1:%d' % server.port,
                           headers=[('User-Agent', 'caf\xe9 1')])
    assert got.status == 200
    assert report['type'] == 'ProfilingOops'
    assert report['informational'] == 'True'
    assert report['tb_text'].strip() == ''
    assert report['topic'] == 'dir:one.html'
    assert report['reporter'] == '127.0.0.1'
    assert report['branch_nick'] == 'mod_lpprofile'
    assert report['username'] is None
    assert report['url'] == 'http://127.0.0.1:%d/dir/one.html?a=b' % server.port
    assert 0 < report['duration'] < 30
    time = datetime.datetime.fromisoformat(report['time'])
    slack = datetime.timedelta(seconds=1)
    assert before - slack < time < before + 30 * slack
    variables = report['req_vars']
    assert variables['REQUEST_METHOD'] == 'GET'
    assert variables['QUERY_STRING'] == 'a=b'
    assert variables['REQUEST_URI'] == '/dir/one.html?a=b'
    assert variables['SCRIPT_NAME'] == '/dir/one.html'
    assert variables['REMOTE_ADDR'] == '127.0.0.1'
    assert variables['SERVER_PORT'] == str(server.port)
    assert variables['HTTP_HOST'] == '127.0.0.1:%d' % server.port
    assert variables['HTTP_USER_AGENT'] == r'caf\xe9 1'
    assert CANARY not in str(report)


def test_file_lies_in_its_date_directory(httpd, wait_for):
    server = httpd(ON)
    got = server.get('/++profile++callgrind/')
    path = server.wait_oops(got.oops_id)
    date = re.match(r'\d{4}-\d\d-\d\d', read_rfc822(path.read_bytes())['time'])
    assert path.parent.name == date.group()
    assert path.name == got.oops_id
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    # That of another test may be on its way.
    wait_for(lambda: not [p for p in path.parent.iterdir()
                          if p.name.startswith('.')])


@pytest.mark.parametrize('path,topic', [
    ('/', 'RootObject:index.html'),
    ('/index.html', 'RootObject:index.html'),
    ('/nothing-here', 'RootObject:nothing-here'),
    ('/dir/no;jsessionid=' + CANARY, 'dir:no;jsessionid=<hidden>'),
    ('/lua/hello.lua', 'lua-script:hello.lua'),
])
def test_page_id(httpd, path, topic):
    server = httpd(ON, features=['lua'])
    got, report = profiled(server, path)
    assert report['topic'] == topic
    name, = [p.name for p in server.wait_files(got.oops_id)]
    assert '-' + re.sub(r'[^A-Za-z0-9._:+@-]', '_', topic) + '-OOPS-' in name
    assert CANARY not in name


def test_page_id_of_an_error_document_is_the_page(httpd):
    server = httpd(ON + 'ErrorDocument 404 /dir/one.html\n')
    got, report = profiled(server, '/gone.html')
    assert got.status == 404
    assert report['topic'] == 'RootObject:gone.html'
    assert report['url'].endswith('/gone.html')
    assert report['informational'] == 'True'


def test_page_id_told_by_the_environment_and_by_the_directive(httpd):
    server = httpd(ON + 'SetEnv launchpad.pageid Told:here\n')
    assert profiled(server, '/')[1]['topic'] == 'Told:here'
    server = httpd(ON + 'SetEnv launchpad.pageid Told:here\n'
                   'LPProfilePageId "x:%{REQUEST_METHOD}"\n'
                   'LPOopsReporter my.host\n')
    report = profiled(server, '/')[1]
    assert report['topic'] == 'x:GET'
    assert report['reporter'] == 'my.host'


@pytest.mark.all_mpms
def test_a_failure_is_the_real_thing(httpd):
    server = lua(httpd)
    got, report = profiled(server, '/lua/fail.lua?err+status')
    assert got.status == 503
    assert report['type'] == 'HTTPServiceUnavailable'
    assert report['informational'] == 'False'
    assert 'first complaint' in report['value']
    assert 'second' not in report['value']
    assert '<hidden>@db/?token=<hidden>' in report['value']
    assert CANARY not in str(report)
    trace = report['tb_text'].split('\n')
    assert trace[0].startswith('Traceback')
    # the stack of the message, not one of later on
    assert any('mod_lua.so' in line for line in trace)


def test_a_failure_without_a_message(httpd):
    server = lua(httpd)
    report = profiled(server, '/lua/fail.lua?status')[1]
    assert report['type'] == 'HTTPServiceUnavailable'
    assert report['value'] == '503 Service Unavailable'
    assert report['informational'] == 'False'


@pytest.mark.parametrize('what,kind,value', [
    ('crit', 'LogCritical', 'it is critical'),
    ('alert', 'LogAlert', 'it is alarming'),
    ('crit+alert', 'LogAlert', 'it is critical'),
    ('err+crit', 'LogCritical', 'first complaint'),
])
def test_a_grave_message_fails_a_page_that_was_served(httpd, what, kind,
                                                      value):
    server = lua(httpd)
    got, report = profiled(server, '/lua/fail.lua?' + what)
    assert got.status == 200
    assert report['type'] == kind
    assert value in report['value']
    assert report['informational'] == 'False'
    assert report['tb_text'].startswith('Traceback')


def test_an_error_message_alone_is_informational(httpd):
    server = lua(httpd)
    got, report = profiled(server, '/lua/fail.lua?err')
    assert got.status == 200
    assert report['type'] == 'ProfilingOops'
    assert report['informational'] == 'True'
    assert 'first complaint' in report['value']
    # and the next request on that connection starts afresh
    assert 'complaint' not in profiled(server, '/')[1]['value']


@pytest.mark.all_mpms
def test_a_cgi_that_dies(httpd):
    server = httpd(ON, features=['cgi'])
    script = server.site / 'cgi' / 'dies'
    script.write_text('#!/bin/sh\nexit 3\n')
    script.chmod(0o755)
    server.allow_log('end of script output', 'End of script output')
    got, report = profiled(server, '/cgi/dies/info?x=1')
    assert got.status == 500
    assert report['type'] == 'HTTPInternalServerError'
    assert 'nd of script output before headers' in report['value']
    assert report['informational'] == 'False'
    assert report['topic'] == 'cgi-script:dies'
    assert report['req_vars']['PATH_INFO'] == '/info'
    assert report['req_vars']['SCRIPT_NAME'] == '/cgi/dies'
    assert report['tb_text'].startswith('Traceback')


def test_a_status_that_has_no_name(httpd):
    server = httpd(ON, features=['cgi'])
    script = server.site / 'cgi' / 'strange'
    script.write_text('#!/bin/sh\nprintf "Status: 599 Odd token=%s\\r\\n'
                      'Content-Type: text/plain\\r\\n\\r\\n"\n' % CANARY)
    script.chmod(0o755)
    got, report = profiled(server, '/cgi/strange')
    assert got.status == 599
    assert report['type'] == 'HTTP599'
    assert report['value'] == '599 Odd token=<hidden>'
    assert report['informational'] == 'False'


def test_a_dead_backend(httpd):
    with socket.socket() as dead:  # holds its port, and does not listen
        dead.bind(('127.0.0.1', 0))
        server = httpd(ON + 'ProxyPass /app http://127.0.0.1:%d/\n'
                       % dead.getsockname()[1], features=['proxy'], fresh=True)
        server.allow_log('AH00957', 'AH00959', 'AH01114')
        got, report = profiled(server, '/app/users')
    assert got.status == 503
    assert report['type'] == 'HTTPServiceUnavailable'
    assert report['topic'] == 'proxy-server:users'
    assert 'AH0' in report['value']


def test_a_bad_gateway(httpd):
    with socket.create_server(('127.0.0.1', 0)) as backend:
        server = httpd(ON + 'ProxyPass /app http://127.0.0.1:%d/\n'
                       % backend.getsockname()[1], features=['proxy'],
                       fresh=True)
        server.allow_log('AH01102', 'AH00898', 'AH01097')

        def hang_up():
            client, _ = backend.accept()
            with client, client.makefile('rb') as asked:
                while asked.readline().strip():
                    pass

        threading.Thread(target=hang_up, daemon=True).start()
        got, report = profiled(server, '/app/users')
    assert got.status == 502
    assert report['type'] == 'HTTPBadGateway'
    assert report['informational'] == 'False'
    assert report['topic'] == 'proxy-server:users'
    assert report['value']


def test_user_is_named_and_the_password_is_not(httpd):
    server = httpd(ON + '''<Location /dir>
AuthType Basic
AuthName x
AuthUserFile ${SITE}/users
Require valid-user
</Location>''', modules=['auth_basic', 'authn_core', 'authn_file',
                          'authz_user'])
    digest = base64.b64encode(hashlib.sha1(CANARY.encode()).digest()).decode()
    (server.site / 'users').write_text('somebody:{SHA}%s\n' % digest)
    login = base64.b64encode(('somebody:' + CANARY).encode()).decode()
    got, report = profiled(server, '/dir/one.html',
                           headers=[('Authorization', 'Basic ' + login)])
    assert got.status == 200
    assert report['username'] == 'somebody'
    assert report['req_vars']['REMOTE_USER'] == 'somebody'
    assert report['req_vars']['AUTH_TYPE'] == 'Basic'
    assert login not in str(report) and CANARY not in str(report)


def secret_headers():
    names = ['Cookie', 'Authorization', 'Proxy-Authorization', 'X-Api-Key',
             'X-Auth-Token', 'X-Csrf-Token', 'X-My-Password', 'X-Passwd',
             'X-Client-Secret', 'X-Session-Id', 'X-Amz-Signature', 'Set-Cookie',
             'X-ApiKey', 'X-Hide-This']
    return [(name, CANARY + ' a=' + CANARY) for name in names]


URLS = [
    ('Referer', 'http://me:%s@other/?token=%s&a=1' % (CANARY, CANARY)),
    ('X-Original-Url', '/x?go=%%2Fy%%3Fsecret%%3D%s' % CANARY),
    ('Sec-Fetch-Site', 'none'),  # else the Referer is another site's
]


def test_no_secret_gets_anywhere(httpd):
    server = httpd(ON + 'LPOopsHide x_hide_this\n'
                   'SetEnv DB_PASSWORD %s\n' % CANARY
                   + 'SetEnv BACKEND http://u:%s@db/\n' % CANARY,
                   features=['cgi'])
    query = ('?token=%(c)s&user%%5Bpass%%77ord%%5D=%(c)s&x-hide-this=%(c)s'
             '&u=http%%3A%%2F%%2Fme%%3A%(c)s%%40h%%2F%%3Fcsrf%%3D%(c)s&plain=1'
             % {'c': CANARY})
    for page in ('/dir/one.html', '/cgi/page', '/nothing;session=' + CANARY):
        got, report = profiled(server, page + query,
                               headers=secret_headers() + URLS)
        variables = report['req_vars']
        for name, _ in secret_headers():
            name = 'HTTP_' + name.upper().replace('-', '_')
            assert variables[name] == '<hidden>'
        assert variables['DB_PASSWORD'] == '<hidden>'
        assert variables['BACKEND'] == 'http://<hidden>@db/'
        assert variables['HTTP_REFERER'] == (
            'http://<hidden>@other/?token=<hidden>&a=1')
        assert 'plain=1' in variables['QUERY_STRING']
        assert 'plain=1' in report['url']
        for path in server.profile_dir.rglob('*'):
            assert CANARY not in path.name
            if path.is_file():
                assert CANARY.encode() not in path.read_bytes(), path
        ours = [line for line in server.error_lines() if 'LPP' in line]
        assert ours and not any(CANARY in line for line in ours)
        assert all('[client 127.0.0.1:' in line for line in ours
                   if got.oops_id in line)
        for name, value in got.headers.items():
            assert CANARY not in value, name


def test_no_secret_in_the_page(httpd):
    server = httpd(ON + 'LPOopsHide x_hide_this\n')
    got = server.get('/++profile++show/index.html?token=' + CANARY,
                     headers=[*secret_headers(), *URLS,
                              ('Accept', 'text/html')])
    assert 'HTTP_X_API_KEY' in got.text
    assert CANARY not in got.text


def test_a_long_and_odd_value_breaks_nothing(httpd):
    server = httpd(ON + 'LimitRequestFieldSize 20000\n')
    got, report = profiled(server, '/?%0a%0d=%00',
                           headers=[('X-Long', 'v' * 15000),
                                    ('X-Odd', '\xff\xfe\t 1-2@x =')])
    assert got.status == 200
    assert report['req_vars']['HTTP_X_LONG'] == 'v' * 8192
    assert len(report['headers']) == 11


def test_gathering_leaves_the_request_as_it_is(httpd):
    """What a CGI program is given is the same with and without a profile."""
    server = httpd(ON, features=['cgi'])
    ignored = re.compile(r'^(LPPROFILE_URI|REMOTE_PORT|UNIQUE_ID)=', re.M)

    def environment(path):
        lines = server.get(path, headers=[('Cookie', 'a=b')]).text.split('\n')
        return sorted(line for line in lines if not ignored.match(line))

    plain = environment('/cgi/env?a=b')
    assert any('QUERY_STRING' in line for line in plain)
    assert environment('/++profile++callgrind/cgi/env?a=b') == plain


def assert_nowhere(server, got, secret):
    """Neither in names nor files nor our log lines nor the report's pages."""
    pages = [server.report(got.oops_id),
             server.get('/++profile++reports')]
    assert pages[0].status == 200
    for text in (got.text, *[page.text for page in pages]):
        assert secret not in text
    for path in server.profile_dir.rglob('*'):
        assert secret not in path.name
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path
    ours = [line for line in server.error_lines() if 'LPP' in line]
    assert ours and not any(secret in line for line in ours)


def test_path_parameters_of_subrequests_are_hidden(httpd):
    """Regression: the timeline and the exact calls named the path whole."""
    server = httpd(ON, features=['include'])
    (server.site / 'inner.shtml').write_text('<html><body>\n' + ''.join(
        '<!--#include virtual="/%s;jsessionid=%s" -->\n' % (name, CANARY)
        for name in ('part.html', 'nothing')) + '</body></html>\n')
    server.allow_log('AH01110', 'AH01264', 'AH01271', 'unable to include')
    got = server.get('/++profile++show&callgrind/inner.shtml')
    assert 'Profiling Information' in got.text
    report = report_of(server, got)
    spans = [row for row in report['timeline'] if 'subrequest' in str(row)]
    assert spans and all(';jsessionid=<hidden>' in str(row) for row in spans
                         if 'part' in str(row) or 'nothing' in str(row))
    assert any('part.html;' in str(row) for row in spans)
    got.body = got.body.partition(b'Profiling Information')[2]
    assert_nowhere(server, got, CANARY)


def test_values_of_cookie_and_authorization_are_hidden(httpd):
    server = httpd(ON + 'SetEnvIf Cookie "id=([^;]+)" SEEN=$1\n'
                   'SetEnvIf Authorization "(.+)" WHO=$1\n')
    bearer = 'Bearer x-' + CANARY + '.y'
    cookie = 'theme=dark; id=' + CANARY
    got, report = profiled(
        server, '/dir/one.html?ref=%s&page=3' % CANARY,
        headers=[('Cookie', cookie), ('Authorization', bearer),
                 ('X-Copy', cookie), ('X-Upstream', bearer),
                 ('X-Theme', 'dark')])
    variables = report['req_vars']
    for name in ('SEEN', 'WHO', 'HTTP_X_COPY', 'HTTP_X_UPSTREAM'):
        assert variables[name] == '<hidden>', name
    assert variables['HTTP_X_THEME'] == 'dark'
    assert variables['QUERY_STRING'] == 'ref=<hidden>&page=3'
    assert report['url'].endswith('/dir/one.html?ref=<hidden>&page=3')
    assert_nowhere(server, got, CANARY)


@pytest.mark.parametrize('query,shown', [
    ('data={"password":"%s"}&page=3', 'data={"password":"<hidden>"}&page=3'),
    ('data=%%7B%%22password%%22%%3A%%22%s%%22%%7D&page=3',
     'data=%7B%22password%22%3A%22<hidden>%22%7D&page=3'),
    ('state=1&code=%s&codec=3', 'state=1&code=<hidden>&codec=3'),
    ('sig=%s&monkey=3', 'sig=<hidden>&monkey=3'),
    ('pass=%s&passenger=3', 'pass=<hidden>&passenger=3'),
    ('otp=%s&sid=%s&signal=3', 'otp=<hidden>&sid=<hidden>&signal=3'),
])
def test_secrets_of_a_query(httpd, query, shown):
    server = httpd(ON)
    got, report = profiled(server, '/dir/one.html?' + query.replace(
        '%s', CANARY).replace('%%', '%'))
    assert got.status == 200
    assert report['req_vars']['QUERY_STRING'] == shown
    assert report['url'].endswith('/dir/one.html?' + shown)
    assert_nowhere(server, got, CANARY)


def test_third_parties_learn_no_id(httpd):
    """The next proxy is on this machine; what counts is whom it asks for."""
    backend = httpd('', profiler=False, features=['cgi'])
    for name in ('near', 'far'):
        script = backend.site / 'cgi' / name
        script.write_text('#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n'
                          '\\r\\n"\necho "[$HTTP_X_LPPROFILE_PARENT]"\n')
        script.chmod(0o755)
    server = httpd(ON + 'ProxyRequests Off\n' + ''.join(
        'ProxyRemote http://%s http://127.0.0.1:%d\n'
        'ProxyPass /%s/ http://%s/cgi/\n' % (host, backend.port, name, host)
        for name, host in (('near', '10.4.7.11'), ('far', '198.51.100.7'))),
        features=['proxy'])
    forged = [('X-LPProfile-Parent', 'OOPS-' + 32 * 'a')]
    for name in ('near', 'far'):
        got = server.get('/++profile++callgrind/%s/%s' % (name, name),
                         headers=forged)
        assert got.status == 200 and got.oops_id
        assert got.text == '[%s]\n' % (got.oops_id if name == 'near' else '')
