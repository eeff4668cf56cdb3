# SPDX-License-Identifier: Apache-2.0
"""A page sets the locale of the whole process; what we write and read stays.

de_DE has a decimal comma, which no SVG or CSS number may have. In tr_TR (here
in ISO-8859-9) "I" is the upper case of a letter that is not "i".
"""
import os
import re
import subprocess

import pytest

from httpd_env import wait_for

pytestmark = pytest.mark.long

# One child: the locale that one request sets is the next one's.
ALL = ('LPProfilingAllowed On\nLPMemoryProfileLog ${ROOT}/memory.log\n'
       'StartServers 1\nServerLimit 1\nMaxRequestWorkers 1\n')
LOCALES = {'de_DE.UTF-8': ('de_DE', 'UTF-8'),
           'tr_TR.ISO-8859-9': ('tr_TR', 'ISO-8859-9')}
PAGE = '''function handle(r)
  r.content_type = "text/html"
  r.err_headers_out["Content-Security-Policy"] = "STYLE-SRC 'UNSAFE-INLINE'"
  local set = os.setlocale("%s")
  local sum = 0
  for i = 1, 4000000 do sum = sum + i %% 7 end
  r:puts("<html><body><p>" .. tostring(set) .. (" %%.1f"):format(1.5)
         .. "</p></body></html>\\n")
  return apache2.OK
end
'''
# In an attribute of SVG, or in CSS: 11,04%
COMMA = re.compile(r'(?:x|y|width|height|left|top|r)[=:]"?\d+,\d')
POINT = re.compile(r'(?:x|y|width|height)="\d+\.\d')


@pytest.fixture(scope='module')
def locales(tmp_path_factory):
    """A directory for LOCPATH that every user may read."""
    made = tmp_path_factory.mktemp('locales')
    for name, (source, charset) in LOCALES.items():
        subprocess.run(['localedef', '-i', source, '-f', charset,
                        made / name], stdout=subprocess.DEVNULL,
                       stderr=subprocess.STDOUT, timeout=120)
        assert (made / name / 'LC_NUMERIC').is_file(), 'localedef made none'
    for where, _, files in os.walk(made):
        os.chmod(where, 0o755)
        for name in files:
            os.chmod(os.path.join(where, name), 0o644)
    for parent in made.parents:  # pytest makes them for its user alone
        if str(parent).count('/') > 1:
            parent.chmod(0o755)
    return made


def serve(httpd, locales, name, config=ALL, features=('lua',)):
    server = httpd(config, features=list(features), mpm='prefork', fresh=True,
                   env={'LOCPATH': str(locales)})
    page = server.site / 'lua' / 'locale.lua'
    page.write_text(PAGE % name)
    page.chmod(0o644)
    return server


def assert_points(text, least):
    assert not COMMA.search(text), COMMA.search(text)
    assert len(POINT.findall(text)) > least
    assert not re.search(r'>[^<]{0,9}\d,\d+&#160;(?:ms|s|%|kB|MB)', text)


@pytest.mark.parametrize('oops', ['rfc822', 'bson'])
@pytest.mark.parametrize('name', LOCALES)
def test_numbers_have_a_point(httpd, locales, name, oops):
    server = serve(httpd, locales, name, ALL + 'LPOopsFormat %s\n' % oops)
    got = server.get('/++profile++show&callgrind/lua/locale.lua')
    # The page was served in that locale.
    assert re.search('<p>%s 1,5</p>' % name, got.text), got.text[:200]
    assert_points(got.text, 10)
    assert re.match(r'\S+;dur=\d+\.\d{3}(, |$)', got.header('Server-Timing'))
    log, = server.wait_files(got.oops_id)
    assert re.search(r'desc: Rate: \d+\.\d Hz', log.read_text())
    record = server.wait_oops(got.oops_id)
    assert_points(server.report(got.oops_id).text, 10)
    if oops == 'rfc822':
        assert re.search(r'^Duration: \d+\.\d{6}$', record.read_text(), re.M)
    log = server.root / 'memory.log'
    wait_for(lambda: log.read_text().endswith('\n'), 10, 'a line of memory')
    line = log.read_text().splitlines()[-1]
    assert re.fullmatch(r'\d+\.\d{6}', line.split()[3])


def test_letters_have_no_case_of_their_own(httpd, locales):
    server = serve(httpd, locales, 'tr_TR.ISO-8859-9')
    assert '1,5' in server.get('/lua/locale.lua').text  # one child, from now
    got = server.get('/++profile++SHOW&CALLGRIND&SQLTRACE:INCLUDES%20I'
                     '/lua/locale.lua')
    assert got.lpprofile.startswith('profiled')
    assert 'not understood' not in got.text
    assert '<style>' in got.text  # STYLE-SRC 'UNSAFE-INLINE' is one
    log, = server.wait_files(got.oops_id)
    assert log.name.startswith('callgrind.out.')
    server.wait_saved(got.oops_id)
    report = server.get('/++profile++REPORT:' + got.oops_id.upper())
    assert report.status == 200
