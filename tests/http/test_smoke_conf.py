# SPDX-License-Identifier: Apache-2.0
"""What conf.d ships is what httpd takes: as it is, and uncommented."""
import pathlib
import re

import pytest

CONF = pathlib.Path(__file__).resolve().parents[2] / 'conf.d'


def here(text, server_root='${ROOT}'):
    """The configuration with its directory below the test's server."""
    text = text.replace('/var/cache/apache2', server_root + '/cache')
    return text.replace('/var/log/apache2', server_root)


def shipped(name):
    return here((CONF / name).read_text('utf-8'))


def examples(name):
    found = re.findall(r'^#(LP\w+ .*)$', shipped(name), re.M)
    assert found
    return found


@pytest.mark.parametrize('name', ['lpprofile.conf', 'lpprofile-dev.conf'])
def test_configuration_is_accepted(httpd, name):
    code, said = httpd.configtest(shipped(name))
    assert code == 0, said
    assert 'Syntax OK' in said


@pytest.mark.parametrize('example', examples('lpprofile.conf')
                         + examples('lpprofile-dev.conf'))
def test_example_is_accepted(httpd, example):
    code, said = httpd.configtest(example)
    assert code == 0, said


def test_all_examples_together(httpd):
    text = re.sub(r'^#(LP\w+ )', r'\1', shipped('lpprofile.conf'), flags=re.M)
    code, said = httpd.configtest(text)
    assert code == 0, said


def test_production_configuration_profiles_nothing(httpd):
    server = httpd(shipped('lpprofile.conf'))
    got = server.get('/++profile++callgrind/index.html')
    assert got.status == 404
    assert not got.oops_id and not got.lpprofile
    assert server.get('/').status == 200


def test_development_configuration_profiles(httpd):
    server = httpd(shipped('lpprofile-dev.conf'))
    got = server.get('/++profile++callgrind/index.html')
    assert got.status == 200 and got.oops_id
    where = server.root / 'cache' / 'lpprofile'
    path, = server.wait_files(got.oops_id, directory=where)
    assert path.name.startswith('callgrind.out.')
    assert server.get('/').oops_id is None
