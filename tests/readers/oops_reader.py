# SPDX-License-Identifier: Apache-2.0
"""Reads an OOPS in the rfc822 layout the way oops-datedir-repo's reader takes
it: the headers as an email's, then each line of the rest by its looks. A
timeline row looks like one whatever part it stands in; any other line with a
"=" is a variable; the first other line that begins with "traceback" begins the
traceback, which goes to the end. Lines that look like nothing are lost.

Not that project's code, and stricter: it says what was lost.
"""
import email.parser
import re
import urllib.parse

ROW = re.compile(r'(\d+)-(\d+)(?:@([\w-]+))?\s+(.*)')

HEADERS = {
    'id': 'oops-id', 'type': 'exception-type', 'value': 'exception-value',
    'time': 'date', 'topic': 'page-id', 'branch_nick': 'branch',
    'revno': 'revision', 'username': 'user', 'url': 'url',
    'duration': 'duration', 'informational': 'informational',
    'reporter': 'oops-reporter'}


def read_rfc822(data):
    """A dictionary with python-oops' keys; 'lost' holds unread lines."""
    message = email.parser.BytesHeaderParser().parsebytes(data)
    report = {key: message.get(header) for key, header in HEADERS.items()}
    report['duration'] = float(report['duration'])
    report['headers'] = message.keys()
    report['defects'] = message.defects
    report.update(req_vars={}, timeline=[], tb_text='', lost=[])
    lines = message.get_payload().splitlines(True)
    for number, line in enumerate(lines):
        text = line.strip()
        row = ROW.match(text)
        if row:
            start, end, category, detail = row.groups()
            report['timeline'].append([int(start), int(end), category, detail])
        elif '=' in text:
            name, value = text.split('=', 1)
            report['req_vars'][urllib.parse.unquote(name)] = (
                urllib.parse.unquote(value))
        elif text.lower().startswith('traceback'):
            report['tb_text'] = ''.join(lines[number:])
            break
        elif text:
            report['lost'].append(text)
    return report


def unescape(text):
    r"""What a text was before \x, \u and \U escapes were put in."""
    return text.encode('ascii').decode('unicode_escape')
