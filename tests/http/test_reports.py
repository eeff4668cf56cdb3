# SPDX-License-Identifier: Apache-2.0
"""The pages about saved profiles: who may see which, and that they are true."""
import collections
import gzip
import html
import io
import os
import pstats
import re
import stat
import subprocess

import pytest

ON = 'LPProfilingAllowed On\n'
LIST = '/++profile++reports'
REPORT = '/++profile++report:'
NO_ID = 'OOPS-' + '0' * 32
FORMATS = ('callgrind', 'pstats', 'pprof', 'collapsed')
SUFFIX = {'callgrind': '', 'pstats': '.prof', 'pprof': '.pb.gz',
          'collapsed': '.collapsed.txt'}
COMPUTE = '/lua/compute.lua?ms=150'
TWO = ON + ('<VirtualHost *:${PORT}>\nServerName one\n</VirtualHost>\n'
            '<VirtualHost *:${PORT}>\nServerName two\n</VirtualHost>\n')


def profile(server, path='/++profile++show/index.html', **kwargs):
    got = server.get(path, **kwargs)
    assert got.oops_id, got.headers
    server.wait_saved(got.oops_id)
    return got.oops_id


def ids(text):
    """The ids of a list, in its order."""
    return re.findall(r'name="report" value="(OOPS-[0-9a-f]{32})"', text)


def assert_own_page(got, status=200):
    assert got.status == status
    assert got.header('Content-Type') == 'text/html; charset=utf-8'
    assert_guarded(got)
    assert got.body.isascii()
    policy = got.header('Content-Security-Policy')
    nonce = re.search("style-src 'nonce-([^']+)'", policy).group(1)
    assert got.text.count('<style nonce="%s">' % html.escape(nonce)) or \
        '<style nonce=' in got.text


def assert_guarded(got):
    assert got.header('Cache-Control') == 'no-store'
    assert got.header('X-Content-Type-Options') == 'nosniff'
    assert got.header('Referrer-Policy') == 'no-referrer'
    policy = got.header('Content-Security-Policy')
    assert policy.startswith("default-src 'none'; ")
    assert 'unsafe' not in policy and '*' not in policy
    assert "base-uri 'none'" in policy
    assert "frame-ancestors 'none'" in policy


# -- what is in them

@pytest.mark.mpms('prefork', 'event')
def test_list_report_compare_and_downloads(httpd):
    server = httpd(ON, features=['lua'], fresh=True)
    assert 'No profile of this host yet' in server.get(LIST).text
    first = profile(server, '/++profile++show' + COMPUTE)
    second = profile(server, '/++profile++callgrind&collapsed' + COMPUTE)
    got = server.get(LIST)
    assert_own_page(got)
    assert ids(got.text) == [second, first]
    assert 'lua-script:compute.lua' in got.text
    got = server.get(REPORT + first)
    assert_own_page(got)
    for part in ('Flame graph', 'Top Inline Time', 'Call tree',
                 'Callers and callees', 'Timeline', 'Raw OOPS Information',
                 '<h2>Memory</h2>',
                 first, 'compute.lua?ms=150'):
        assert part in got.text, part
    assert 'provisional' not in got.text.lower()
    got = server.get(REPORT + second + '&against:' + first)
    assert_own_page(got)
    assert 'Differential flame graph' in got.text
    assert first in got.text and second in got.text
    for kind in FORMATS:
        got = server.get(REPORT + second + '&' + kind)
        assert got.status == 200 and got.body
        assert_guarded(got)


def test_every_profile_leaves_a_saved_form(httpd):
    server = httpd(ON, features=['lua'])
    for path in ('/++profile++show/index.html', '/++profile++pprof/index.html',
                 '/++profile++show/nothing', '/++profile++sql/index.html'):
        oops_id = profile(server, path)
        path = server.wait_saved(oops_id)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert server.get(REPORT + oops_id).status == 200


def test_saved_form_with_all_requests(httpd):
    server = httpd(ON + 'LPProfileAllRequests On\n')
    got = server.get('/plain.txt')
    server.wait_saved(got.oops_id)
    assert 'plain.txt' in server.get(REPORT + got.oops_id).text


def test_report_tells_status_and_failure(httpd):
    server = httpd(ON)
    oops_id = profile(server, '/++profile++show/nothing')
    assert re.search('Status <b>404</b>', server.get(REPORT + oops_id).text)
    assert '>404<' in server.get(LIST).text


# -- downloads

Figures = collections.namedtuple('Figures', 'wall cpu ready samples')


def summary(body):
    """Wall, CPU and samples of a callgrind file."""
    line = re.search(rb'^summary: (\d+) (\d+) (\d+) (\d+)$', body, re.M)
    return Figures(*map(int, line.groups()))


def test_downloads_are_what_lies_there_or_would(httpd):
    """Made from the saved profile, they are the very bytes that the request
    itself would have written."""
    server = httpd(ON, features=['lua'])
    oops_id = profile(server, '/++profile++%s%s' % ('&'.join(FORMATS),
                                                   COMPUTE))
    assert len(server.profile_files(oops_id)) == 4
    for kind in FORMATS:
        path, = [p for p in server.profile_files(oops_id)
                 if (p.name.startswith('callgrind.out.')
                     if kind == 'callgrind' else
                     p.name.endswith(SUFFIX[kind]))]
        written = path.read_bytes()
        there = server.get(REPORT + oops_id + '&' + kind)
        assert there.header('Content-Disposition') == (
            'attachment; filename="%s"' % path.name)
        assert there.body == written
        path.unlink()
        made = server.get(REPORT + oops_id + '&' + kind)
        assert made.body == written, kind
        assert made.header('Content-Disposition') == there.header(
            'Content-Disposition')
        assert made.header('Content-Length') == str(len(written))
        # it lies there now, like those of a request
        assert path.read_bytes() == written
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        if os.geteuid() == 0:
            assert path.owner() == 'www-data'


@pytest.mark.no_valgrind('too slow to give enough samples')
def test_downloads_open_in_their_readers_and_agree(httpd, tmp_path):
    server = httpd(ON, features=['lua'])
    oops_id = profile(server, '/++profile++show' + COMPUTE)
    body = {kind: server.get(REPORT + oops_id + '&' + kind).body
            for kind in FORMATS}
    figures = summary(body['callgrind'])
    assert figures.samples > 10 and figures.wall > 140000
    folded = sum(int(line.rsplit(b' ', 1)[1])
                 for line in body['collapsed'].splitlines())
    assert folded == figures.wall
    (tmp_path / 'x.prof').write_bytes(body['pstats'])
    stats = pstats.Stats(str(tmp_path / 'x.prof'), stream=io.StringIO())
    assert stats.total_tt == pytest.approx(figures.wall / 1e6, abs=1e-9)
    path = tmp_path / 'callgrind.out.x'
    path.write_bytes(body['callgrind'])
    out = subprocess.run(['callgrind_annotate', str(path)], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    assert '{:,}'.format(figures.wall) in out
    assert gzip.decompress(body['pprof'])
    # the pages say the same
    page = server.get(REPORT + oops_id).text
    assert '<b>%d</b>' % figures.samples in page
    assert '>%d</td>' % figures.samples in server.get(LIST).text


def test_download_of_a_full_disk_is_sent_all_the_same(httpd):
    """A name that is taken by something else is not overwritten."""
    server = httpd(ON)
    oops_id = profile(server)
    stem = server.wait_saved(oops_id).name[:-len('.lpprofile')]
    taken = server.profile_dir / (stem + '.prof')
    taken.mkdir()
    got = server.get(REPORT + oops_id + '&pstats')
    assert got.status == 200 and got.body[:1] == b'{'
    assert taken.is_dir()
    taken.rmdir()
    taken.symlink_to('/etc/passwd')
    got = server.get(REPORT + oops_id + '&pstats')
    assert got.body[:1] == b'{' and b'root:' not in got.body
    taken.unlink()


# -- the list

def test_list_is_sorted_by_links(httpd):
    server = httpd(ON, features=['lua'], fresh=True)
    quick = profile(server)
    slow = profile(server, '/++profile++show/lua/compute.lua?ms=300')
    lost = profile(server, '/++profile++show/nothing')
    # A quick page may stand still: the order is that of what was measured.
    costs = {oops_id: summary(server.get(REPORT + oops_id + '&callgrind').body)
             for oops_id in (quick, slow, lost)}

    def most(key):
        return [max(costs, key=lambda oops_id: getattr(costs[oops_id], key))]
    orders = {'': [lost, slow, quick], '?sort=time': [lost, slow, quick],
              '?sort=-time': [quick, slow, lost],
              '?sort=wall': most('wall'), '?sort=cpu': most('cpu'),
              '?sort=samples': most('samples'),
              '?sort=page': [quick, lost, slow],
              '?sort=-page': [slow, lost, quick],
              '?sort=status': [lost], '?sort=size': [],
              '?sort=waiting': [], '?sort=%00': [lost, slow, quick],
              '?sort=wall%27%3Cscript%3E': [lost, slow, quick],
              '?page=7': [lost, slow, quick], '?page=-1': [lost, slow, quick],
              '?page=99999999999999999999': [lost, slow, quick]}
    for query, order in orders.items():
        got = server.get(LIST + query)
        assert_own_page(got)
        found = ids(got.text)
        assert sorted(found) == sorted([quick, slow, lost])
        assert found[:len(order)] == order, query
        assert '<script>' not in got.text.lower()
    sizes = [sum(path.stat().st_size
                 for path in server.profile_dir.glob('*%s*' % oops_id))
             for oops_id in ids(server.get(LIST + '?sort=size').text)]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) > 1
    text = server.get(LIST + '?sort=wall').text
    assert 'href="/++profile++reports?sort=-wall"' in text
    assert 'aria-sort="descending"' in text


def test_form_leads_to_the_comparison(httpd):
    server = httpd(ON)
    one, two = profile(server), profile(server)
    got = server.get('%s?report=%s&against=%s' % (LIST, one, two))
    assert got.status == 303
    target = got.header('Location')
    assert target.endswith('/++profile++report:%s&against:%s' % (one, two))
    assert server.get(target[target.index('/++'):]).status == 200
    for bad in ('x', one + '/..', '//evil.example/', one + '%0d%0aX:%20y'):
        got = server.get('%s?report=%s&against=%s' % (LIST, one, bad))
        assert got.status == 200 and got.header('Location') is None


# -- who may see them

def test_unknown_ids_are_not_found(httpd):
    server = httpd(ON)
    oops_id = profile(server)
    for tail in (NO_ID, NO_ID + '&callgrind', oops_id + '&against:' + NO_ID,
                 NO_ID + '&against:' + oops_id, 'x', '',
                 oops_id + '&against:x', oops_id + '&against',
                 '..%2f..%2fetc%2fpasswd', '../../etc/passwd',
                 oops_id + '%2f..%2f' + oops_id, oops_id + '%00',
                 oops_id[:-1], oops_id + '0', '*', oops_id[:-1] + '?',
                 oops_id.replace('OOPS', 'callgrind.out.OOPS')):
        got = server.get(REPORT + tail)
        assert got.status == (400 if tail.startswith('..') and '%' not in tail
                              else 404), tail
        assert 'root:' not in got.text
        if '/' not in tail:
            assert_own_page(got, 404)
    server.allow_log('AH10244')


def test_id_in_another_case_is_the_same_report(httpd):
    server = httpd(ON)
    oops_id = profile(server)
    got = server.get(REPORT + oops_id.lower())
    assert got.status == 200 and oops_id in got.text


def test_removed_report_is_not_found(httpd):
    server = httpd(ON)
    oops_id = profile(server, '/++profile++callgrind/index.html')
    server.wait_saved(oops_id).unlink()
    got = server.get(REPORT + oops_id)
    assert_own_page(got, 404)
    assert oops_id in got.text
    assert oops_id not in ids(server.get(LIST).text)


def test_damaged_report_is_said_to_be(httpd):
    server = httpd(ON)
    oops_id = profile(server)
    path = server.wait_saved(oops_id)
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    got = server.get(REPORT + oops_id)
    assert_own_page(got, 404)
    assert 'damaged' in got.text
    server.expect_log('LPP101.*' + oops_id)
    # a link, and a fifo, in its place
    path.unlink()
    path.symlink_to('/etc/passwd')
    assert server.get(REPORT + oops_id).status == 404
    path.unlink()
    os.mkfifo(path)
    assert server.get(REPORT + oops_id).status == 404
    path.unlink()


def test_another_profile_under_an_id_is_not_shown(httpd):
    server = httpd(ON)
    one, two = profile(server), profile(server)
    path = server.wait_saved(two)
    path.write_bytes(server.wait_saved(one).read_bytes())
    assert server.get(REPORT + two).status == 404
    path.unlink()


def test_hosts_do_not_see_each_other(httpd):
    server = httpd(TWO)
    mine = profile(server, host='one')
    yours = profile(server, host='two')
    assert server.get(REPORT + mine, host='one').status == 200
    assert server.get(REPORT + yours, host='two').status == 200
    for host, foreign in (('one', yours), ('two', mine)):
        got = server.get(REPORT + foreign, host=host)
        unknown = server.get(REPORT + NO_ID, host=host)
        assert got.status == unknown.status == 404
        strip = re.compile(r'OOPS-\w+|nonce="[^"]*"')
        assert strip.sub('', got.text) == strip.sub('', unknown.text)
        for tail in ('&callgrind', '&against:' + foreign):
            assert server.get(REPORT + foreign + tail,
                              host=host).status == 404
        assert foreign not in server.get(LIST, host=host).text
        assert foreign not in server.get('/++profile++', host=host).text
    assert server.get(REPORT + mine + '&against:' + yours,
                      host='one').status == 404
    assert mine in server.get(LIST, host='one').text
    assert mine in server.get('/++profile++', host='one').text


ALIASES = ON + (
    '<VirtualHost *:${PORT}>\nServerAlias a.test\n</VirtualHost>\n'
    '<VirtualHost *:${PORT}>\nServerAlias b.test\n</VirtualHost>\n'
    '<VirtualHost *:${PORT}>\nServerAlias *.b.test\n</VirtualHost>\n'
    '<VirtualHost *:${PORT}>\nServerName a.test\nServerAlias %s.test\n'
    '</VirtualHost>\n' % ('long' * 300 + ' ' + 'x' * 200))


def is_shown(server, oops_id, host):
    got = server.get(REPORT + oops_id, host=host)
    assert got.status in (200, 404)
    for page in (LIST, '/++profile++'):
        assert (oops_id in server.get(page, host=host).text) == (
            got.status == 200)
    return got.status == 200


def test_hosts_that_only_aliases_tell_apart(httpd):
    """The name that httpd gives to a host without ServerName is no host's."""
    server = httpd(ALIASES)
    hosts = ('a.test', 'b.test', 'c.b.test', 'x' * 200 + '.test')
    for mine in hosts:
        oops_id = profile(server, host=mine)
        assert [host for host in hosts if is_shown(server, oops_id, host)] \
            == [mine]


def test_a_report_outlives_restarts_and_moved_lines(httpd):
    host = '<VirtualHost *:${PORT}>\nServerAlias %s\n</VirtualHost>\n'
    server = httpd(ON + host % 'a.test', fresh=True)
    oops_id = profile(server, host='a.test')
    server.restart(alone=True)
    assert is_shown(server, oops_id, 'a.test')
    server.reconfigure('# moved\n' + ON + host % 'b.test' + host % 'a.test')
    assert is_shown(server, oops_id, 'a.test')
    assert not is_shown(server, oops_id, 'b.test')
    # Who is left in its place is another host.
    server.reconfigure(ON + host % 'b.test')
    assert not is_shown(server, oops_id, 'b.test')


def test_equal_hosts_are_told_apart_by_their_place(httpd):
    host = '<VirtualHost *:${PORT}>\nServerName a.test\n</VirtualHost>\n'
    server = httpd(ON + host + host, fresh=True)
    oops_id = profile(server, host='a.test')
    server.restart(alone=True)
    assert is_shown(server, oops_id, 'a.test')
    server.reconfigure(ON + '\n\n\n' + host + host)
    assert not is_shown(server, oops_id, 'a.test')


@pytest.mark.parametrize('guard, status', [
    ('LPProfileAccess false\n', 404),
    ('LPProfileRequireUser "%{REMOTE_USER} == \'me\'"\n', 403),
    ('<LocationMatch "^/\\+\\+profile\\+\\+report">\nRequire all denied\n'
     '</LocationMatch>\n', 403),
    ('<Location "/++profile++*">\nRequire all denied\n</Location>\n', 403)])
def test_who_may_not_sees_nothing(httpd, guard, status):
    """Pairs: one host keeps the profiles, the guard stands in the other."""
    server = httpd(ON, fresh=True)
    oops_id = profile(server)
    assert server.get(LIST).status == 200
    server.reconfigure(ON + guard)
    server.allow_log('AH01630')
    for path in (LIST, REPORT + oops_id, REPORT + oops_id + '&callgrind',
                 REPORT + oops_id + '&against:' + oops_id,
                 '/++profile++report:' + oops_id.lower(),
                 '/%2b%2bprofile%2b%2breports',
                 '/++profile++REPORTS'):
        got = server.get(path)
        assert got.status in (status, 404), path
        assert 'index.html' not in got.text
    assert not list(server.profile_dir.glob('callgrind*'))


def test_methods(httpd):
    server = httpd(ON)
    oops_id = profile(server)
    for path in (LIST, REPORT + oops_id, REPORT + NO_ID,
                 REPORT + oops_id + '&pprof'):
        get, head = server.get(path), server.get(path, method='HEAD')
        assert head.status == get.status and head.body == b''
        for name in ('Content-Type', 'Content-Disposition', 'Cache-Control'):
            assert head.header(name) == get.header(name)
        assert abs(int(head.header('Content-Length'))
                   - len(get.body)) <= (0 if 'pprof' in path else 400)
        for method in ('POST', 'PUT', 'DELETE'):
            got = server.get(path, method=method, body=b'x')
            assert got.status == 405
            assert oops_id not in got.text


def test_pages_are_not_profiled_themselves(httpd):
    server = httpd(ON + 'LPProfileAllRequests On\n', key='own')
    before = len(list(server.profile_dir.glob('*')))
    got = server.get(LIST)
    assert got.oops_id is None
    assert len(list(server.profile_dir.glob('*'))) == before


def test_text_of_a_request_is_no_markup(httpd):
    server = httpd(ON)
    oops_id = profile(server, '/++profile++show/index.html?q=%3Cscript%3E'
                      '"><script>alert(1)</script>')
    for path in (REPORT + oops_id, LIST,
                 REPORT + oops_id + '&against:' + oops_id):
        text = server.get(path).text
        assert 'alert(1)' in text or 'against' in path
        assert '<script>' not in text


def test_secrets_are_not_in_saved_files(httpd):
    server = httpd(ON)
    oops_id = profile(server, '/++profile++show/index.html?token=verysecret1',
                      headers=[('Cookie', 'a=verysecret2'),
                               ('Authorization', 'Basic verysecret3')])
    text = server.get(REPORT + oops_id).text
    assert 'verysecret' not in text and '&#60;hidden&#62;' in text


def test_choosing_a_function(httpd):
    server = httpd(ON, features=['lua'])
    oops_id = profile(server, '/++profile++show' + COMPUTE)
    text = server.get(REPORT + oops_id).text
    numbers = re.findall(r'href="\?function=(\d+)#function"><code>([^<]+)',
                         text)
    number, name = next(pair for pair in numbers
                        if pair[1] == 'ap_invoke_handler')
    text = server.get('%s%s?function=%s' % (REPORT, oops_id, number)).text
    around = text[text.index('id="function"'):]
    around = around[:around.index('</section>')]
    assert '<p class="words"><code>%s</code>' % name in around
    assert 'ap_run_handler' in around
    for odd in ('-1', '99999', '4294967297', 'x', '', '1;2', '%00'):
        got = server.get('%s%s?function=%s' % (REPORT, oops_id, odd))
        assert got.status == 200
