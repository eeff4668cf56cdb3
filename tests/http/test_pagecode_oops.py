# SPDX-License-Identifier: Apache-2.0
"""A page of PHP that fails: the OOPS has a traceback of its page functions, in
PHP's order, above the stack."""
import re

import pytest

pytestmark = pytest.mark.mpms('prefork')

ON = 'LPProfilingAllowed On\n'
PAGE = '''<?php
function inner($n)
{
    http_response_code(500);
    for ($i = 0; $i < $n; $i++) {
        md5(str_repeat('a', 50000));
    }
    echo 'failed';
    flush();
}

function outer($n)
{
    inner($n);
}

outer(300);
'''


def test_traceback_of_the_page_comes_first(httpd):
    server = httpd(ON, features=['modphp'], key='pagecode-oops')
    page = server.site / 'fails.php'
    page.write_text(PAGE)
    page.chmod(0o644)
    got = server.get('/++profile++callgrind/fails.php')
    assert got.status == 500 and 'failed' in got.text
    text = server.wait_oops(got.oops_id).read_text()
    assert re.search(
        r'\nTraceback of the PHP code:\n'
        r'#0 .*/fails\.php\(9\): flush\(\)\n'
        r'#1 .*/fails\.php\(14\): inner\(\)\n'
        r'#2 .*/fails\.php\(17\): outer\(\)\n'
        r'#3 \{main\}\n'
        r'\n'
        r'Traceback \(most recent call last\):\n', text), text
