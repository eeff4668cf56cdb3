# SPDX-License-Identifier: Apache-2.0
"""Reads what a page, its report and its files say of waits."""
import html
import re

from stacks import Stacks


def text_of(markup):
    return re.sub(r'\s+', ' ', html.unescape(re.sub(r'<[^>]+>', ' ', markup))
                  .replace('\xa0', ' '))


def words(page):
    """The headline, as a person reads it."""
    found = re.search(r'<p class="words">(.*?)</p>', page, re.S)
    assert found, page[:2000]
    return text_of(found.group(1)).strip()


def first_sentence(page):
    return words(page).split('. ')[0]


def rows(page):
    """{what: (times, total, calling function)} of the table."""
    table = re.search(r'<table class="top waits">(.*?)</table>', page, re.S)
    assert table, page[:3000]
    found = {}
    for row in re.findall(r'<tr><td class="f">.*?</tr>', table.group(1),
                          re.S):
        cells = [text_of(cell).strip() for cell in
                 re.findall(r'<td[^>]*>(.*?)</td>', row, re.S)]
        found[cells[0]] = (cells[1], cells[2], cells[5])
    return found


def leaves(server, oops_id):
    """{wait frame: us} of the collapsed stacks."""
    path, = server.wait_files(oops_id)
    found = {}
    for stack, us in Stacks(path).lines:
        for frame in stack[:-1]:
            assert not frame.startswith('[waits:'), stack
        if stack[-1].startswith('[waits:'):
            found[stack[-1]] = found.get(stack[-1], 0) + us
    return found


def ms(text):
    value, unit = re.search(r'([\d.]+) (s|ms|μs|µs)', text).groups()
    return float(value) * {'s': 1000, 'ms': 1, 'μs': .001, 'µs': .001}[unit]


def waits_of(server, path, **how):
    """The collapsed leaves and the report of one profiled request."""
    got = server.get('/++profile++collapsed' + path, timeout=60, **how)
    assert got.status == 200, got
    return leaves(server, got.oops_id), server.report(got.oops_id).text


def heaviest(found):
    assert found
    return max(found, key=found.get)
