# SPDX-License-Identifier: Apache-2.0
"""What the reader makes of the records of tests/unit/oops_samples.h."""
import datetime
import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from oops_reader import read_rfc822, unescape  # noqa: E402

PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get('LPP_BUILD', PROJECT / 'build'))
ID = 'OOPS-0123456789abcdef0123456789abcdef'


@pytest.fixture(scope='module')
def sample(tmp_path_factory):
    directory = tmp_path_factory.mktemp('oops')
    subprocess.run([str(BUILD / 'test_oops_rfc822')], check=True,
                   env=dict(os.environ, LPP_SAMPLES=str(directory)),
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def read(name):
        report = read_rfc822((directory / (name + '.rfc822')).read_bytes())
        assert report['id'] == ID
        assert report['branch_nick'] == 'mod_lpprofile'
        assert report['revno']
        assert report['lost'] == []
        assert report['defects'] == []
        return report

    return read


def test_plain(sample):
    report = sample('plain')
    assert report['type'] == 'ProfilingOops'
    assert report['value'] == 'Profiled, status 200'
    assert datetime.datetime.fromisoformat(report['time']) == (
        datetime.datetime(2005, 4, 1, tzinfo=datetime.timezone.utc))
    assert report['reporter'] == 'www.example.org'
    assert report['topic'] == 'RootObject:index.html'
    assert report['username'] == 'Sample User'
    assert report['url'] == 'http://localhost:9000/foo?token=<hidden>'
    assert report['duration'] == pytest.approx(0.042188)
    assert report['informational'] == 'True'
    assert report['req_vars'] == {
        'HTTP_COOKIE': '<hidden>', 'HTTP_USER_AGENT': 'Mozilla/5.0',
        'HTTP_REFERER': 'http://localhost:9000/', 'name=foo': 'hello\nworld'}
    assert report['timeline'] == [
        [1, 5, 'phase', 'handler'], [5, 123456, 'SQL-main', 'SELECT 2 = 2']]
    assert report['tb_text'] == ''


def test_nasty(sample):
    report = sample('nasty')
    assert unescape(report['value']) == (
        'two lines \\ \x01 caf\xe9 \u20ac \U0001f600 bad \xff\xc3 '
        '\xed\xa0\x80')
    time = datetime.datetime.fromisoformat(report['time'])
    assert time.microsecond == 42 and not time.utcoffset()
    # a value cannot add a header
    assert report['informational'] == 'False'
    assert len(report['headers']) == len(set(report['headers'])) == 12
    assert unescape(report['username']) == '\xfc'
    variables = {name: unescape(value)
                 for name, value in report['req_vars'].items()}
    assert variables == {
        '00001-00002@x y': 'no row', ' blank ends ': ' v ',
        'Traceback': 'a=b=c', 'EMPTY': '',
        'BYTES': '%41+\xff\xe9\x01\\x;/?:@&+$, ()*!~#'}
    assert report['timeline'] == [
        [0, 0, '-', '-'], [0, 1, 'a_b_c', '-'],
        [2, 3, 'caf__', r'x\\y \xe9 \xff \x1c z']]
    lines = report['tb_text'].split('\n')
    assert lines[0] == 'Traceback (most recent call last):'
    assert lines[1] == r'  File "caf\xe9.so", line 0, in a\\b'
    assert lines[-2:] == ['00001-00002@x not a row', '']


def test_empty(sample):
    report = sample('empty')
    assert report['type'] == report['value'] == report['url'] == ''
    assert report['username'] is None
    assert report['req_vars'] == {} and report['timeline'] == []
    assert report['time'] == '1970-01-01T00:00:00+00:00'
