# SPDX-License-Identifier: Apache-2.0
"""python3-bson, which oops-datedir-repo reads with, on the records of
tests/unit/oops_samples.h."""
import datetime
import os
import pathlib
import subprocess

import bson
import pytest

PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get('LPP_BUILD', PROJECT / 'build'))
UTC = datetime.timezone.utc


@pytest.fixture(scope='module')
def sample(tmp_path_factory):
    directory = tmp_path_factory.mktemp('oops')
    subprocess.run([str(BUILD / 'test_oops_bson')], check=True,
                   env=dict(os.environ, LPP_SAMPLES=str(directory)),
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def read(name):
        data = (directory / (name + '.bson')).read_bytes()
        return bson.BSON(data).decode(
            bson.codec_options.CodecOptions(tz_aware=True))

    return read


def test_plain(sample):
    report = sample('plain')
    assert report.pop('revno')
    assert report == {
        'id': 'OOPS-0123456789abcdef0123456789abcdef',
        'type': 'ProfilingOops', 'value': 'Profiled, status 200',
        'time': datetime.datetime(2005, 4, 1, tzinfo=UTC),
        'reporter': 'www.example.org', 'topic': 'RootObject:index.html',
        'branch_nick': 'mod_lpprofile', 'tb_text': '',
        'username': 'Sample User',
        'url': 'http://localhost:9000/foo?token=<hidden>',
        'req_vars': {'HTTP_COOKIE': '<hidden>',
                     'HTTP_USER_AGENT': 'Mozilla/5.0',
                     'HTTP_REFERER': 'http://localhost:9000/',
                     'name=foo': 'hello\nworld'},
        'timeline': [[1, 5, 'phase', 'handler'],
                     [5, 123456, 'SQL-main', 'SELECT\n  2 = 2']],
        'duration': 0.0421875, 'informational': True}


def test_nasty(sample):
    report = sample('nasty')
    assert report['value'] == (
        ' two\r\n lines\t\\ \x01 caf\xe9 \u20ac \U0001f600 bad '
        '\\xff\\xc3 \\xed\\xa0\\x80 ')
    assert report['informational'] is False
    assert report['req_vars'][' blank ends '] == ' v '
    assert report['req_vars']['00001-00002@x y'] == 'no row'
    assert report['timeline'][1] == [0, 1, 'a b/c', ' \n ']
    assert report['tb_text'].startswith('Traceback')


def test_empty(sample):
    report = sample('empty')
    assert report['timeline'] == [] and report['req_vars'] == {}
    assert 'username' not in report
