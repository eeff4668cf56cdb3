# SPDX-License-Identifier: Apache-2.0
"""How many frames of httpd, APR and modules have names on stock Debian."""
import collections
import re

import pytest

pytestmark = pytest.mark.alone('compares shares of wall time')

PROFILE = ('LPProfilingAllowed On\nLPProfileRate 5000\n'
           'RewriteEngine On\n'
           + ''.join('RewriteRule "^/(x|y)%d/(.*)+z$" "-"\n' % i
                     for i in range(500)))
# Of a stack in one request: one sample. How long the kernel takes for a write,
# or the machine stands still, says nothing about names.
LONGEST_US = 200
# What the share is about: httpd itself, APR, modules.
OURS = re.compile(r'(apache2|httpd|libapr(util)?-1\.so\.0|mod_\w+\.so)$')


def frames(stack):
    """(object, named) of each frame but the root."""
    for frame in stack.split(';')[1:]:
        offset = re.fullmatch(r'(\S+)\+0x[0-9a-f]+', frame)
        registered = re.match(r'(mod_\w+\.so):', frame)
        inside = re.search(r' \[([^\[\]]+)\]$', frame)
        if offset:
            yield offset.group(1), False
        elif registered:
            yield registered.group(1), True
        elif inside:
            yield inside.group(1), True


def test_85_percent_of_frames_have_names(httpd):
    server = httpd(PROFILE, features=['include', 'rewrite', 'autoindex'])
    named = total = 0
    unnamed = collections.Counter()
    for path in ['index.html', 'page.shtml', 'plain.txt', 'dir/'] * 40:
        got = server.get('/++profile++collapsed/' + path)
        assert got.status == 200 and got.oops_id
        file, = [x for x in server.wait_files(got.oops_id)
                 if str(x).endswith('.collapsed.txt')]
        for line in file.read_text('utf-8').splitlines():
            stack, weight = line.rsplit(' ', 1)
            weight = min(int(weight), LONGEST_US)
            for where, has_name in frames(stack):
                if OURS.match(where):
                    total += weight
                    named += has_name * weight
                    if not has_name:
                        unnamed[where] += weight
    assert total > 50000, 'hardly a sample'
    share = 100 * named / total
    print('named: %.1f %% of %d us, the rest in %s' % (
        share, total, dict(unnamed)))
    assert share >= 85
