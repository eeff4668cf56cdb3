# SPDX-License-Identifier: Apache-2.0
"""Apache's request phases in the OOPS timeline and in Server-Timing."""
import re
import threading
import time

import pytest

from httpd_env import wait_for

ON = 'LPProfilingAllowed On\n'
# What a plain file goes through, in this order: the phases that a module has a
# hook in.
PLAIN = ['read_request', 'post_read_request', 'translate_name',
         'map_to_storage', 'header_parser', 'access_checker',
         'type_checker', 'fixups', 'insert_filter', 'handler',
         'log_transaction']
# rfc822: start-end@category detail, in ms
ROW = re.compile(r'^(\d+)-(\d+)@(\S+) (.*)$', re.M)


def rows(server, got):
    """(start, end, detail) of each phase, in ms, in the OOPS's order."""
    text = server.wait_oops(got.oops_id).read_text()
    found = [(int(start), int(end), detail)
             for start, end, category, detail in ROW.findall(text)
             if category.startswith('phase')]
    assert found, text
    return found


def own(phases):
    """The names of the request's own phases, less those of a subrequest."""
    return [detail for _, _, detail in phases if '(' not in detail]


def phases_of_a_file(server):
    got = server.get('/++profile++callgrind/plain.txt')
    return [name for name in own(rows(server, got)) if name != 'send']


@pytest.mark.all_mpms
@pytest.mark.parametrize('hooks', ['On', 'Off'])
def test_a_file_goes_through_all_phases_in_order(httpd, hooks):
    server = httpd(ON + 'LPProfileHooks %s\n' % hooks)
    assert phases_of_a_file(server) == PLAIN


def test_a_phase_is_there_where_a_module_hooks_it(httpd):
    server = httpd(ON, features=['proxy'])
    assert phases_of_a_file(server) == [
        *PLAIN[:2], 'pre_translate_name', *PLAIN[2:]]


def test_phases_follow_one_another_without_overlap(httpd):
    server = httpd(ON, features=['lua'])
    begin = time.monotonic()
    got = server.get('/++profile++callgrind/lua/compute.lua?ms=300')
    took = time.monotonic() - begin
    phases = rows(server, got)
    before = 0
    for start, end, name in phases:
        assert before <= start <= end, phases
        before = end
    handler, = [p for p in phases if p[2] == 'handler']
    assert 290 <= handler[1] - handler[0] <= took * 1000 + 1


def test_password_phases_are_there_where_they_run(httpd):
    server = httpd(ON + 'LPProfileAccess "true"\n'
                   '<Location /plain.txt>\nAuthType Basic\nAuthName x\n'
                   'AuthBasicProvider anon\nAnonymous *\n'
                   'Require valid-user\n</Location>\n',
                   modules=['auth_basic', 'authn_core', 'authn_anon',
                            'authz_user'])
    allowed = server.get('/++profile++callgrind/plain.txt',
                         headers=[('Authorization', 'Basic YTpi')])
    assert allowed.status == 200
    names = own(rows(server, allowed))
    assert names.index('access_checker') < names.index('check_user_id') \
        < names.index('auth_checker') < names.index('type_checker')
    refused = server.get('/++profile++callgrind/plain.txt')
    assert refused.status == 401
    names = own(rows(server, refused))
    assert 'check_user_id' in names
    assert 'handler' not in names and 'fixups' not in names


def test_subrequests_lie_within_the_phase_that_made_them(httpd):
    server = httpd(ON, features=['include'])
    got = server.get('/++profile++callgrind/page.shtml')
    assert 'The included part' in got.text
    phases = rows(server, got)
    inner = [p for p in phases
             if p[2].endswith('(subrequest /part.html)')]
    assert {'map_to_storage (subrequest /part.html)',
            'fixups (subrequest /part.html)',
            'handler (subrequest /part.html)'} <= {p[2] for p in inner}
    outer, = [p for p in phases if p[2] == 'handler']
    for start, end, _ in inner:
        assert outer[0] <= start <= end <= outer[1]


def test_an_internal_redirect_goes_on_where_the_request_stopped(httpd):
    server = httpd(ON + 'ErrorDocument 404 /plain.txt\n', key='redirect')
    got = server.get('/++profile++callgrind/nothing-here')
    assert got.status == 404
    phases = rows(server, got)
    first, = [p for p in phases if p[2] == 'handler']
    second, = [p for p in phases
               if p[2] == 'handler (redirect /plain.txt)']
    assert first[1] <= second[0]
    assert phases[-1][2] == 'log_transaction'
    assert second[1] <= phases[-1][0]


def test_no_query_in_a_detail(httpd):
    server = httpd(ON + 'ErrorDocument 404 /plain.txt?token=sesame\n',
                   key='query')
    got = server.get('/++profile++callgrind/nothing-here')
    assert not [p for p in rows(server, got)
                if 'sesame' in p[2] or '?' in p[2]]


def test_server_timing_names_what_is_known_by_then(httpd):
    server = httpd(ON)
    got = server.get('/++profile++callgrind/plain.txt')
    metrics = [re.fullmatch(r'([a-z_]+);dur=(\d+\.\d+)', part)
               for part in got.header('Server-Timing').split(', ')]
    assert all(metrics), got.header('Server-Timing')
    names = [metric.group(1) for metric in metrics]
    assert names == PLAIN[:-1]
    assert all(float(metric.group(2)) < 5000 for metric in metrics)


def test_waiting_for_the_gate_is_in_no_phase(httpd):
    server = httpd(ON, features=['lua'])
    slow = threading.Thread(target=server.get, args=(
        '/++profile++callgrind/lua/compute.lua?ms=2000',))
    slow.start()
    server.expect_log('LPP062')
    got = server.get('/++profile++callgrind/plain.txt')
    slow.join()
    text = server.wait_oops(got.oops_id).read_text()
    gate, = [row for row in ROW.findall(text) if row[2].startswith('gate')]
    begin, end = int(gate[0]), int(gate[1])
    assert end - begin >= 400
    phases = rows(server, got)
    print(gate, phases)
    assert all(stop <= begin + 1 or start >= end - 1
               for start, stop, _ in phases)


def test_others_pay_and_see_nothing(httpd):
    server = httpd(ON)
    got = server.get('/plain.txt')
    assert got.header('Server-Timing') is None
    assert got.oops_id is None


AUTHZ = re.compile(r'AH01626|AH01627|AH01628')


def test_subrequests_are_authorized_as_often_as_without_us(httpd):
    # httpd skips authorization for a subrequest of the same configuration,
    # unless some module's hook did not say that it goes by configuration.
    counts = []
    for profiler in (False, True):
        server = httpd((ON if profiler else '')
                       + '<Directory ${SITE}>\nRequire all granted\n'
                       '</Directory>\n'
                       'LogLevel authz_core:debug\n',
                       profiler=profiler, features=['include'], fresh=True)
        segment = '/++profile++callgrind' if profiler else ''
        assert server.get(segment + '/page.shtml').status == 200
        wait_for(lambda: server.access_lines(1), 5)
        counts.append(len(AUTHZ.findall(server.error_log.read_text())))
    assert counts[0] == counts[1], counts
    assert counts[0] > 0
