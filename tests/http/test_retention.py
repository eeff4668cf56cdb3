# SPDX-License-Identifier: Apache-2.0
"""LPProfileKeep, LPOopsFormat, and a disk that fills up."""
import concurrent.futures
import os
import pathlib
import pwd
import subprocess
import sys
import time

import bson
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent
                       / 'readers'))

from httpd_env import USER, wait_for  # noqa: E402
from oops_reader import read_rfc822  # noqa: E402

pytestmark = pytest.mark.long

ON = 'LPProfilingAllowed On\n'
SLACK = 20  # seconds until a pass was made, on a busy machine


def ids_in(server):
    """(ids of profiles, ids of OOPSes) that lie there."""
    files = {p.name[p.name.index('OOPS-'):][:37]
             for p in server.profile_files()}
    oopses = {p.name for p in (server.profile_dir / 'oops').glob('*/OOPS-*')}
    return files, oopses


def settled(server, files, oopses):
    wait_for(lambda: ids_in(server) == (files, oopses), SLACK,
             'what should be left')


def failing(server):
    (server.site / 'lua' / 'fail.lua').write_text(
        'function handle(r) return 503 end')


@pytest.mark.all_mpms
def test_the_newest_are_kept_and_failures_too(httpd):
    server = httpd(ON + 'LPProfileKeep count=4\n', features=['lua'],
                   fresh=True)
    failing(server)
    failed = server.get('/++profile++callgrind/lua/fail.lua')
    assert failed.status == 503
    made = []
    for i in range(12):
        got = server.get('/++profile++callgrind&pstats/index.html')
        server.wait_files(got.oops_id, 2)
        server.wait_oops(got.oops_id)
        made.append(got.oops_id)
    last = set(made[-4:])
    settled(server, last, last | {failed.oops_id})
    for oops_id in last:
        assert len(server.profile_files(oops_id)) >= 2
    done = server.expect_log(r'LPP080: LPProfileKeep: (\d+) profiles')
    assert 1 <= int(done.group(1)) <= 9
    left = {p.name for p in server.profile_dir.iterdir()}
    assert {'.lpp-keep', 'oops'} <= left
    assert not [name for name in left if name.endswith('.tmp')]


def test_what_a_client_alone_caused_is_kept_as_profiles_are(httpd):
    """Regression: each request of an unknown method left a report of a real
    failure, which went by age alone."""
    server = httpd(ON + 'LPProfileAllRequests On\nLPProfileAccess "false"\n'
                   'LPProfileKeep count=5 size=1M failures=3\n',
                   features=['lua'], fresh=True)
    server.allow_log('AH00135')
    failing(server)
    connection = server.connection()
    for i in range(120):
        got = server.get('/x%d' % i, method='FOO', connection=connection)
        assert got.status == 501
    last = got.oops_id
    report = read_rfc822(server.wait_oops(last).read_bytes())
    assert report['informational'] == 'True'
    assert report['type'] == 'ProfilingOops'
    wait_for(lambda: [len(ids) for ids in ids_in(server)] == [5, 5], SLACK,
             'five profiles to be left')
    # Real failures have their own number.
    failed = []
    for i in range(9):
        got = server.get('/lua/fail.lua')
        assert got.status == 503
        failed.append(got.oops_id)
        server.wait_oops(got.oops_id)
    for i in range(6):
        got = server.get('/index.html')
        server.wait_oops(got.oops_id)
    wait_for(lambda: len(ids_in(server)[0]) == 5
             and ids_in(server)[1] == ids_in(server)[0] | set(failed[-3:]),
             SLACK, 'five profiles and three failures')


@pytest.mark.parametrize('value,said', [
    ('failures=0', 'failures must be a whole number from 1 to 1000000000'),
    ('failures=many', 'failures must be a whole number'),
    ('failures=1 failures=2', 'this is given twice'),
    ('count=1 size=1M age=1d failures=1 x=2', 'must be count=NUMBER'),
    ('', 'takes one to four of count=NUMBER'),
])
def test_a_bad_rule_is_refused_with_a_sentence(httpd, value, said):
    code, out = httpd.configtest(ON + 'LPProfileKeep ' + value + '\n')
    assert code != 0 and 'LPProfileKeep' in out and said in out, out


def test_profiles_without_files_count_too(httpd):
    server = httpd(ON + 'LPProfileKeep count=2\n', fresh=True)
    made = []
    for i in range(6):
        got = server.get('/++profile++sql/index.html')
        server.wait_oops(got.oops_id)
        made.append(got.oops_id)
    wait_for(lambda: ids_in(server)[1] == set(made[-2:]), SLACK,
             'two OOPSes alone')


def test_bytes_and_age_count(httpd):
    server = httpd(ON + 'LPProfileKeep age=4s size=1G\n', fresh=True)
    got = server.get('/++profile++callgrind/index.html')
    server.wait_oops(got.oops_id)
    time.sleep(5)
    again = server.get('/++profile++callgrind/index.html')
    server.wait_oops(again.oops_id)
    wait_for(lambda: got.oops_id not in ids_in(server)[0], SLACK,
             'the old one to go')
    server = httpd(ON + 'LPProfileKeep size=1K\n', fresh=True)
    got = server.get('/++profile++callgrind/index.html')
    server.wait_oops(got.oops_id)
    settled(server, set(), set())


def plant(server, count):
    """Old profiles by the hundred, as this module writes them."""
    got = server.get('/++profile++callgrind/index.html')
    text = server.wait_oops(got.oops_id).read_text()
    log, = [p.read_text() for p in server.profile_files(got.oops_id)
            if p.name.startswith('callgrind')]
    user = pwd.getpwnam(USER)
    aside = server.root / 'run' / 'aside'  # a pass may come meanwhile
    date = aside / '2026-01-02'
    date.mkdir(parents=True)
    paths = []
    for i in range(count):
        oops_id = 'OOPS-%032x' % i
        stem = '2026-01-02_03:04:05.678-a:b-%s-1.2' % oops_id
        paths += [aside / ('callgrind.out.' + stem),
                  aside / (stem + '.collapsed.txt'), date / oops_id]
        paths[-3].write_text(log)
        paths[-2].write_text('a 1\n')
        paths[-1].write_text(text.replace(got.oops_id, oops_id))
    for path in [date, *paths]:
        if os.geteuid() == 0:
            os.chown(path, user.pw_uid, user.pw_gid)
        path.chmod(0o700 if path == date else 0o600)
        if path != date:
            os.utime(path, (time.time() - 86400,) * 2)
    date = date.rename(server.profile_dir / 'oops' / date.name)
    for path in paths:
        if path.parent == aside:
            path.rename(server.profile_dir / path.name)
    return date


def test_many_children_many_files_under_load(httpd):
    """Nobody's request fails or is slow for it, and the count is exact when
    all is quiet."""
    server = httpd(ON + 'LPProfileKeep count=30\nStartServers 4\n'
                   'ServerLimit 4\nLPProfileLockTimeout 30s\n',
                   mpm='event', fresh=True)
    date = plant(server, 1500)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        end = time.time() + 8
        slowest, made = 0, []

        def ask(path):
            begin = time.time()
            got = server.get(path)
            assert got.status == 200, got.status
            return time.time() - begin, got.oops_id

        while time.time() < end:
            for took, oops_id in pool.map(
                    ask, ['/++profile++callgrind&collapsed/index.html'] * 24):
                slowest = max(slowest, took)
                assert oops_id
                made.append(oops_id)
    def thirty():
        files, oopses = ids_in(server)
        return len(files) == 30 and files == oopses and files
    files = wait_for(thirty, 2 * SLACK, 'thirty to be left')
    assert files <= set(made)
    wait_for(lambda: not date.exists(), SLACK, 'their day to go')
    passes = [line for line in server.error_lines() if 'LPP080' in line]
    print('%d requests, slowest %.3f s; passes that removed something:'
          % (len(made), slowest))
    for line in passes:
        print('   ', line.partition('LPP080: ')[2])
    pids = {line.partition('[pid ')[2].split(':')[0] for line in passes}
    print('    by', len(pids), 'children')
    assert passes


def test_a_file_that_somebody_downloads_is_read_to_its_end(httpd):
    server = httpd(ON + 'LPProfileKeep count=1\n', fresh=True)
    got = server.get('/++profile++callgrind/index.html')
    path, = [p for p in server.wait_files(got.oops_id)
             if p.name.startswith('callgrind')]
    server.wait_oops(got.oops_id)
    with path.open() as file:
        begin = file.read(100)
        again = server.get('/++profile++callgrind/index.html')
        server.wait_oops(again.oops_id)
        wait_for(lambda: not path.exists(), SLACK, 'it to go')
        assert 'totals:' in begin + file.read()


def test_what_others_put_there_stays(httpd):
    server = httpd(ON + 'LPProfileKeep count=1 age=1s\n', fresh=True)
    got = server.get('/++profile++callgrind/index.html')
    server.wait_oops(got.oops_id)
    foreign = [server.profile_dir / 'notes.txt',
               server.profile_dir / 'my.prof',
               server.profile_dir / 'oops' / '2020-01-01' / 'README']
    foreign[-1].parent.mkdir()
    for path in foreign:
        path.write_text('mine')
        os.utime(path, (0, 0))
    wait_for(lambda: not server.profile_files(got.oops_id), SLACK,
             'the old one to go')
    assert all(path.exists() for path in foreign)


HOSTS = ON + '''LPProfileKeep count=10
<VirtualHost 127.0.0.1:${PORT}>
ServerName one
%s
</VirtualHost>
<VirtualHost 127.0.0.1:${PORT}>
ServerName two
%s
</VirtualHost>
'''


@pytest.mark.parametrize('one,two,fine', [
    ('', '', True),
    ('LPProfileKeep count=10', 'LPProfileKeep count=10 size=65536K', True),
    ('LPProfileKeep count=11', '', False),
    ('LPProfileKeep count=10 failures=9', '', False),
    ('LPProfileKeep count=10 failures=200', '', True),
    ('', 'LPProfileKeep count=10 age=8d', False),
    ('LPProfileKeep count=11\nLPProfileDir ${ROOT}/run/own', '', True),
    ('LPProfileKeep count=11\nLPProfileDir ${ROOT}/run/own',
     'LPProfileKeep count=11\nLPProfileDir ${ROOT}/run/x/..//own', True),
    ('LPProfileKeep count=11\nLPProfileDir ${ROOT}/run/own',
     'LPProfileKeep count=12\nLPProfileDir ${ROOT}/run/x/..//own', False),
    # they share their OOPSes alone
    ('LPProfileKeep count=11\nLPProfileDir ${ROOT}/run/own\n'
     'LPOopsDir ${ROOT}/run/oopses', 'LPProfileDir ${ROOT}/run/other\n'
     'LPOopsDir ${ROOT}/run/oopses', False),
    ('LPProfileKeep count=11\nLPProfilingAllowed Off', '', True),
])
def test_hosts_that_share_a_directory_share_one_rule(httpd, one, two, fine):
    code, out = httpd.configtest(HOSTS % (one, two))
    assert (code == 0) == fine, out
    assert ('LPP045: LPProfileKeep count=1' in out) == (not fine), out
    if not fine:
        assert 'since they share a directory' in out


def test_hosts_that_share_a_directory_by_a_link(httpd, tmp_path):
    (tmp_path / 'real').mkdir()
    (tmp_path / 'link').symlink_to(tmp_path / 'real')
    code, out = httpd.configtest(HOSTS % (
        'LPProfileDir %s/real\n' % tmp_path,
        'LPProfileKeep count=3\nLPProfileDir %s/link\n' % tmp_path))
    assert code != 0 and 'LPP045' in out


def test_hosts_with_their_own_directories_have_their_own_rule(httpd):
    server = httpd(HOSTS % (
        'DocumentRoot ${SITE}\nLPProfileKeep count=1\n'
        'LPOopsDir ${ROOT}/run/both\nLPProfileDir ${ROOT}/run/own',
        'DocumentRoot ${SITE}\nLPOopsDir ${ROOT}/run/both\n'
        'LPProfileDir ${ROOT}/run/own2\nLPProfileKeep count=1'), fresh=True)
    own = [server.root / 'run' / name for name in ('own', 'own2')]

    def look():
        return [p.name for where in own
                for p in server.profile_files(directory=where)
                if p.name.startswith('callgrind')]

    # One and two are one group: the younger of the two stays. Files are
    # written after their responses, and on a busy machine long after.
    for host in ('one', 'two', 'one', 'two'):
        made = server.get('/++profile++callgrind/index.html',
                          host=host).oops_id
        wait_for(lambda: any(made in name for name in look()), SLACK,
                 'the file of ' + host)
        time.sleep(0.1)
    wait_for(lambda: len(look()) == 1, SLACK, 'one to be left')
    assert made in look()[0]


def test_oops_format(httpd):
    server = httpd(ON + 'LPOopsFormat bson\nDocumentRoot ${SITE}\n'
                   '<VirtualHost 127.0.0.1:${PORT}>\nServerName inherits\n'
                   'DocumentRoot ${SITE}\n</VirtualHost>\n'
                   '<VirtualHost 127.0.0.1:${PORT}>\nServerName text\n'
                   'DocumentRoot ${SITE}\nLPOopsFormat rfc822\n'
                   '</VirtualHost>\n', features=['lua'])
    failing(server)
    for path, status in (('/index.html', 200), ('/lua/fail.lua', 503)):
        got = server.get('/++profile++callgrind%s?token=s3cr3t' % path,
                         host='inherits')
        assert got.status == status
        where = server.wait_oops(got.oops_id)
        assert where.name == got.oops_id
        report = bson.BSON(where.read_bytes()).decode()
        assert report['id'] == got.oops_id
        assert report['time'].strftime('%Y-%m-%d') == where.parent.name
        assert report['informational'] is (status == 200)
        assert report['branch_nick'] == 'mod_lpprofile'
        assert report['req_vars']['REQUEST_METHOD'] == 'GET'
        assert report['url'].endswith('?token=<hidden>')
        assert report['timeline'] and report['duration'] > 0
        assert b's3cr3t' not in where.read_bytes()
        got = server.get('/++profile++callgrind' + path, host='text')
        where = server.wait_oops(got.oops_id)
        report = read_rfc822(where.read_bytes())
        assert report['id'] == got.oops_id and not report['lost']
        assert report['informational'] == str(status == 200)


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / 'disk'
    disk.mkdir()
    if os.geteuid() != 0 or subprocess.run(
            ['mount', '-t', 'tmpfs', '-o', 'size=2m,mode=755', 'tmpfs',
             str(disk)], stderr=subprocess.DEVNULL).returncode:
        pytest.skip('no tmpfs can be mounted here')
    yield disk
    subprocess.run(['umount', '-l', str(disk)], check=True)


# The disk first: it goes when the server has stopped.
def test_a_full_disk_is_told_once_and_harms_nobody(small_disk, httpd):
    server = httpd(ON + 'LPProfileDir %s/profiles\n' % small_disk
                   + 'StartServers 1\nServerLimit 1\nThreadsPerChild 8\n'
                   'MaxRequestWorkers 8\n'
                   '<VirtualHost 127.0.0.1:${PORT}>\nServerName full\n'
                   '</VirtualHost>\n'
                   '<VirtualHost 127.0.0.1:${PORT}>\nServerName empty\n'
                   'LPProfileDir ${ROOT}/run/empty\n</VirtualHost>\n',
                   mpm='event', fresh=True)
    server.allow_log('LPP064', 'LPP065')
    where = small_disk / 'profiles'
    got = server.get('/++profile++callgrind/index.html')
    server.wait_files(got.oops_id, directory=where)
    server.wait_oops(got.oops_id, directory=where / 'oops')
    before = set(where.rglob('*'))
    hog = small_disk / 'hog'
    disk = os.statvfs(small_disk)
    hog.write_bytes(b'x' * disk.f_frsize
                    * (disk.f_bavail - disk.f_blocks * 4 // 100))
    disk = os.statvfs(small_disk)
    assert 0 < disk.f_bavail < disk.f_blocks / 20
    for i in range(10):
        got = server.get('/++profile++callgrind&show/index.html')
        assert got.status == 200 and got.lpprofile.startswith('profiled')
        assert 'Profiling Information' in got.text
    server.expect_log('No space left on device: LPP064: ')
    server.expect_log('No space left on device: LPP065: ')
    # One child writes in the order of its requests.
    got = server.get('/++profile++callgrind/index.html', host='empty')
    server.wait_oops(got.oops_id, SLACK, server.root / 'run/empty/oops')
    lines = server.error_lines()
    for tag in ('LPP064', 'LPP065'):
        assert len([line for line in lines if tag in line]) == 1
    assert set(where.rglob('*')) == before
    hog.unlink()
    got = server.get('/++profile++callgrind/index.html')
    server.wait_files(got.oops_id, directory=where)
