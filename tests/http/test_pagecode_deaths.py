# SPDX-License-Identifier: Apache-2.0
"""A process that ends while it runs a page: its OOPS has a traceback of the
page functions of the last sample, above the stack of the crash."""
import http.client
import re

import pytest

from waits import wait_for

pytestmark = [pytest.mark.no_asan('counts samples'),
              pytest.mark.no_valgrind('children die on purpose')]

CONFIG = '''LPProfilingAllowed On
WSGIScriptAlias /dies ${SITE}/dies.wsgi
WSGIDestroyInterpreter Off
'''
PAGE = '''import os
import signal
import time


def work(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        for i in range(1000): pass


def application(environ, start_response):
    work(0.4)
    os.kill(os.getpid(), int(environ['QUERY_STRING']))
    work(5)
'''
HOLDER = r'LPP062: profiling this request as (OOPS-\w+)'


@pytest.mark.log_allows(r'AH0005[12]', 'wsgi:')
@pytest.mark.parametrize('number, kind', [(11, 'SIGSEGV'), (9, 'ChildDied')])
def test_page_functions_of_the_last_sample(httpd, number, kind):
    server = httpd(CONFIG, modules=['wsgi'])
    page = server.site / 'dies.wsgi'
    page.write_text(PAGE)
    page.chmod(0o644)
    before = len(re.findall(HOLDER, '\n'.join(server.error_lines())))
    with pytest.raises((http.client.HTTPException, OSError)):
        server.get('/++profile++callgrind/dies?%d' % number)
    oops_id = wait_for(lambda: re.findall(HOLDER, '\n'.join(
        server.error_lines()))[before:], 10, 'the profile')[0]
    text = server.wait_oops(oops_id).read_text()
    assert 'Exception-Type: ' + kind in text
    assert re.search(
        r"\nTraceback at the page's last sample:\n"
        r'Traceback of the Python code \(most recent call last\):\n'
        r'  File ".*/dies\.wsgi", line 1[345], in application\n'
        r'(  File ".*/dies\.wsgi", line \d+, in work\n)?\n', text), text
    assert (kind == 'SIGSEGV') == bool(re.search(
        r'\n\nTraceback \(most recent call last\):\n', text)), text
    server.expect_log(r'LPP171')
