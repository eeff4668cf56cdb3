# SPDX-License-Identifier: Apache-2.0
"""What pages, headers and reports say of a request's SQL."""
import html
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent
                       / 'readers'))

from oops_reader import read_rfc822  # noqa: E402

ON = 'LPProfilingAllowed On\n'
SECRET = 's3cretword'


def oops_of(server, got):
    report = read_rfc822(server.wait_oops(got.oops_id).read_bytes())
    assert report['lost'] == []
    return report


def rows_of(report):
    """The statements in a timeline: (start, end, category, text)."""
    return [row for row in report['timeline'] if row[2].startswith('SQL-')]


def section(got):
    """The SQL section of a page, as text."""
    found = re.search(r'<section class="sql">(.*?)</section>', got.text, re.S)
    assert found, got.text[:500]
    return found.group(1)


def words(markup):
    return html.unescape(re.sub(r'<[^>]*>', '', markup))


def figures(got):
    found = re.search(r';sql=(\d+)/(\d+)ms', got.lpprofile)
    assert found, got.lpprofile
    return int(found.group(1)), int(found.group(2))
