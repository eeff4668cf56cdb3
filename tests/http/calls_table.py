# SPDX-License-Identifier: Apache-2.0
"""The table "By module and phase" of a report page, as data."""
import collections
import html
import re

Call = collections.namedtuple(
    'Call',
    'scope phase module calls total self cpu ready blocked answer')

UNITS = {'ns': 1e-3, '\u00b5s': 1.0, 'ms': 1e3, 's': 1e6}
TABLE = re.compile(r'<table class="top calls">(.*?)</table>', re.S)
ROW = re.compile(r'<tr( class="(\w+)")?>(.*?)</tr>', re.S)
CELL = re.compile(r'<t[dh][^>]*>(.*?)</t[dh]>', re.S)


def plain(markup):
    text = html.unescape(re.sub(r'<[^>]*>', '', markup))
    return text.replace('\u00a0', ' ').strip()


def microseconds(text):
    if text == '0':
        return 0.0
    number, unit = text.split()
    return float(number) * UNITS[unit]


def parse(page):
    """Every Call of the page (times in microseconds), in its order, the
    requests as (depth, text), and what else the table says, by first cell."""
    found = TABLE.search(page)
    assert found, page[:2000]
    calls, scopes, others = [], [], {}
    scope = 'Request'
    for _, kind, row in ROW.findall(found.group(1)):
        cells = [plain(cell) for cell in CELL.findall(row)]
        if kind == 'scope':
            scope = cells[0].lstrip('\u21b3 ')
            scopes.append((cells[0].count('\u21b3'), scope))
        elif len(cells) == 10 and cells[2].isdigit():
            calls.append(Call(scope, cells[0], cells[1], int(cells[2]),
                              microseconds(cells[3]), microseconds(cells[4]),
                              microseconds(cells[6]), microseconds(cells[7]),
                              microseconds(cells[8]), cells[9]))
        elif kind != 'sampled':
            others[cells[0]] = cells[1:]
    return calls, scopes, others


def report(server, got):
    """The final page of a profiled response."""
    assert got.oops_id, (got.status, got.headers)
    page = server.report(got.oops_id)
    assert page.status == 200
    return page.text


def calls_of(server, got):
    return parse(report(server, got))[0]


def one(calls, phase, module, scope=None):
    """The call of that phase and module that did not decline, or else the one
    that took longest: some modules have several hooks in a phase, of which all
    but one decline."""
    found = [call for call in calls
             if call.phase == phase and call.module == module + '.c'
             and (scope is None or call.scope.startswith(scope))]
    assert found, (phase, module, scope, calls)
    return max(found, key=lambda call: (call.answer != 'declined', call.total))
