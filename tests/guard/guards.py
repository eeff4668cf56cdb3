# SPDX-License-Identifier: Apache-2.0
"""Rules of the house that a compiler does not check.

Each function takes the project's directory and returns the faults as
sentences. One that cannot find what it looks at raises Missing: a guard
without input is no guard.
"""
import pathlib
import re
import subprocess
import warnings

FILE_LINES = 800
LONG_FILE_LINES = 600  # worth a look for a second noun
FUNCTION_LINES = 60
COLUMNS = 80
HANDLERS = ('lpp_signal.o', 'lpp_crash.o')  # run in a signal's handler

QUOTED = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
ANGLED = re.compile(r'^\s*#\s*include\s+<([^>]+)>', re.M)
DIRECTIVE = re.compile(r'#define\s+LPP_DIR_\w+\s+"(\w+)"')
DIRECTIVE_WORD = re.compile(r'^\s*#?\s*(LP[A-Z]\w+)\b', re.M)
TAG = re.compile(r'^#define\s+(LPP_TAG_\w+)\s+"(LPP\d{3})"$', re.M)
# What a page can change with setlocale(), and a call that does so.
BY_LOCALE = re.compile(
    r'\b(v?(?:f|d|s|sn|as)?printf|v?[fs]?scanf|strto(?:d|f|ld)|atof|strfmon'
    r'|localeconv|nl_langinfo|setlocale'
    r'|(?:apr_)?(?:is(?:alnum|alpha|blank|cntrl|digit|graph|lower|print|punct'
    r'|space|upper|xdigit)|to(?:lower|upper))|isw[a-z]+|tow(?:lower|upper)'
    r'|strn?casecmp|strcasestr|strcoll|strxfrm|regcomp|(?:apr_)?fnmatch'
    r'|apr_strnatcasecmp|ap_str_to(?:lower|upper)|ap_strcasestr'
    r'|ap_strcasecmp_match|(?:apr_)?strftime|strptime|wcsftime'
    r'|strsignal|psignal|perror|(?:apr_)?strerror(?:_r)?'
    r'|mbr?(?:s?r?towcs?|len)|wcs?r?tomb?s?|btowc)\s*\(')
STRING = re.compile(r'"(?:\\.|[^"\\\n])*"')
# Conversions of printf that APR's has not, or has with another meaning.
NOT_APRS = re.compile(r'%[-+#0-9.*]*(?:(?:ll|hh|[zjtL])[diouxX]|[gGeEaA]\b'
                      r'|p(?![pAItTmFSBdD]))')
LOG_CALL = re.compile(r'\b(ap_log_(?:[rspc]|cs)?error|lpp_log)\s*\(')


class Missing(Exception):
    """The guard's input is not where it should be."""


def read(path):
    try:
        return path.read_text('utf-8')
    except OSError as error:
        raise Missing(str(error)) from None


def sources(root):
    found = sorted([*root.glob('mod_lpprofile/*.[ch]'),
                    *root.glob('include/*.h')])
    if not any(path.suffix == '.c' for path in found):
        raise Missing('no sources under %s' % root)
    return found


def rows(path, fields):
    """The lines of a data file, split into fields; # begins a comment."""
    result = []
    for line in read(path).splitlines():
        line = line.partition('#')[0].strip()
        if line:
            result.append(line.split(None, fields - 1))
    return result


def without_comments(text):
    return re.sub(r'/\*.*?\*/', lambda m: '\n' * m.group().count('\n'), text,
                  flags=re.S)


# -- ranks

def read_ranks(root):
    stems = {}
    for rank, names in rows(root / 'tests/guard/ranks.txt', 2):
        room = names.split()[0]
        for stem in names.split():
            stems[stem] = (int(rank), room)
    if not stems:
        raise Missing('tests/guard/ranks.txt names no room')
    return stems


def rank_of(stems, stem):
    """(rank, room) of a file, by the longest name that fits; None: unknown.
    The main file's name fits only itself: every skin room begins with it."""
    name = stem
    while name:
        if name in stems and (name == stem or name != 'mod_lpprofile'):
            return stems[name]
        name = name.rpartition('_')[0]
    return None


def ranks(root):
    stems = read_ranks(root)
    ours = {path.name for path in sources(root)}
    ours |= {path.stem + '.pb-c.h'  # made by protoc-c
             for path in root.glob('mod_lpprofile/*.proto')}
    faults = []
    for path in sources(root):
        mine = rank_of(stems, path.stem)
        where = path.relative_to(root)
        if mine is None:
            faults.append('%s: no room of ranks.txt has it' % where)
            continue
        text = without_comments(read(path))
        faults += ['%s: includes <%s>, ours are quoted' % (where, name)
                   for name in ANGLED.findall(text) if name in ours]
        for name in QUOTED.findall(text):
            other = rank_of(stems, name.partition('.')[0])
            if name not in ours:
                faults.append('%s: includes "%s", which is not ours'
                              % (where, name))
            elif other is None or (other[1] != mine[1]
                                   and other[0] >= mine[0]):
                faults.append('%s (rank %d) includes %s (rank %s)' % (
                    where, mine[0], name, other and other[0]))
    return faults


def core_knows_no_httpd(root, httpd_include):
    theirs = {path.name for path in pathlib.Path(httpd_include).glob('*.h')}
    if 'httpd.h' not in theirs:
        raise Missing('no httpd.h in %s' % httpd_include)
    faults = []
    for path in sources(root):
        if not path.name.startswith('lpp_'):
            continue
        text = without_comments(read(path))
        for name in ANGLED.findall(text) + QUOTED.findall(text):
            if name in theirs or name.startswith('mod_'):
                faults.append('%s: the core includes %s'
                              % (path.relative_to(root), name))
    return faults


# -- the binary

def symbols(path, *options):
    if not path.is_file():
        raise Missing('%s: not built' % path)
    out = subprocess.run(['nm', *options, str(path)], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return [line.split()[-1].partition('@')[0]
            for line in out.splitlines() if line.strip()]


def called_by(path, function):
    """What one function of an object refers to: relocations, and calls that
    stay within the object."""
    if not path.is_file():
        raise Missing('%s: not built' % path)
    out = subprocess.run(
        ['objdump', '-dr', '--no-show-raw-insn', str(path)], check=True,
        stdout=subprocess.PIPE, text=True).stdout
    body = re.search(r'<%s>:\n(.*?)(\n\n|\Z)' % function, out, re.S)
    if not body:
        raise Missing('%s has no %s' % (path, function))
    names = re.findall(r'R_\S+\s+([A-Za-z_]\w*)', body.group(1))
    names += re.findall(r'\b(?:call|jmp)\s+[0-9a-f]+ <(\w+)>',
                        body.group(1))
    return {name for name in names if name != function}


def signal_symbols(root, build):
    allowed = {row[0]: row[1] for row in
               rows(root / 'tests/guard/signal_symbols.txt', 3)}
    if not allowed:
        raise Missing('signal_symbols.txt is empty')
    faults = ['%s needs %s, which is not in signal_symbols.txt'
              % (handler, name) for handler in HANDLERS
              for name in symbols(build / handler, '-u')
              if name not in allowed]
    for function, owner in allowed.items():
        if owner.endswith('.o'):
            faults += ['%s needs %s, which is not in signal_symbols.txt'
                       % (function, name)
                       for name in sorted(called_by(build / owner, function))
                       if name not in allowed]
    return faults


def exports(build):
    names = symbols(build / 'mod_lpprofile.so', '-D', '--defined-only')
    return [] if names == ['lpprofile_module'] else [
        'mod_lpprofile.so exports %s' % ', '.join(names)]


# -- directives

def directives(root):
    known = set(DIRECTIVE.findall(
        read(root / 'include/mod_lpprofile_config.h')))
    if not known:
        raise Missing('no LPP_DIR_ in mod_lpprofile_config.h')
    table = set(re.findall(r'^\| `(LP\w+)`', read(root / 'README.md'), re.M))
    reference = set(DIRECTIVE_WORD.findall(
        read(root / 'conf.d/lpprofile.conf')))
    development = set(DIRECTIVE_WORD.findall(
        read(root / 'conf.d/lpprofile-dev.conf')))
    faults = []
    for place, names in (("README.md's table", table),
                         ('conf.d/lpprofile.conf', reference)):
        faults += ['%s is not in %s' % (name, place)
                   for name in sorted(known - names)]
    for place, names in (("README.md's table", table),
                         ('conf.d/lpprofile.conf', reference),
                         ('conf.d/lpprofile-dev.conf', development)):
        faults += ['%s has %s, which there is not' % (place, name)
                   for name in sorted(names - known)]
    return faults


# -- log tags

def call_at(text, start):
    """The text of a call from its name to its closing parenthesis."""
    depth = 0
    for at in range(text.index('(', start), len(text)):
        depth += {'(': 1, ')': -1}.get(text[at], 0)
        if depth == 0:
            return text[start:at + 1]
    return text[start:]


def log_tags(root):
    header = root / 'include/lpp_log_tags.h'
    defined = TAG.findall(read(header))
    if not defined:
        raise Missing('no LPP_TAG_ in lpp_log_tags.h')
    faults = []
    names, numbers = zip(*defined)
    faults += ['%s is given out twice' % n
               for n in sorted(set(numbers)) if numbers.count(n) > 1]
    faults += ['%s is defined twice' % n
               for n in sorted(set(names)) if names.count(n) > 1]
    if list(numbers) != sorted(numbers):
        faults.append('lpp_log_tags.h is not in the order of its numbers')
    used = []
    for path in sources(root):
        if path == header:
            continue
        text = without_comments(read(path))
        where = path.relative_to(root)
        used += re.findall(r'\bLPP_TAG_\w+', text)
        if 'APLOGNO' in text:
            faults.append("%s: AH numbers are httpd's" % where)
        if 'ap_log_rerror' in text:
            faults.append('%s: ap_log_rerror adds the Referer unmasked; '
                          'ap_log_cserror does not' % where)
        if path.stem == 'lpp_log':
            continue
        for match in LOG_CALL.finditer(text):
            call = call_at(text, match.start())
            if 'LPP_TAG_' not in call and not takes_tag(call):
                line = text.count('\n', 0, match.start()) + 1
                faults.append('%s:%d: a message without a tag'
                              % (where, line))
    faults += ['%s is used and not defined' % n
               for n in sorted(set(used) - set(names))]
    faults += ['%s is defined and not used' % n
               for n in sorted(set(names) - set(used))]
    faults += ['%s is used by %d messages' % (n, used.count(n))
               for n in sorted(set(names)) if used.count(n) > 1]
    return faults


def takes_tag(call):
    """A helper that logs for its callers is handed the tag or the message."""
    return re.search(r'\b(tag|message)\b', call) is not None


# -- locale

def locale(root):
    """Nothing of ours reads or writes text as the process's locale has it:
    lpp_ascii.h, apr_cstr_casecmp() and APR's printf instead. locale.txt has
    the exceptions, FILE:CALL and the reason."""
    allowed = {row[0]: row[1] for row in
               rows(root / 'tests/guard/locale.txt', 2)}
    faults = []
    seen = set()
    for path in sources(root):
        where = path.relative_to(root)
        text = without_comments(read(path))
        strings = '\n'.join(STRING.findall(text))
        found = [(call, 'follows the locale') for call in
                 BY_LOCALE.findall(STRING.sub('""', text))]
        found += [(form, "is not a conversion of APR's printf")
                  for form in NOT_APRS.findall(strings)]
        seen |= {'%s:%s' % (where, call) for call, _ in found}
        faults += ['%s: %s %s' % (where, call, why) for call, why in found
                   if '%s:%s' % (where, call) not in allowed]
    return faults + ['locale.txt allows %s, which there is not' % key
                     for key in sorted(set(allowed) - seen)]


# -- text

def licence(root):
    paths = [*sources(root)]
    for pattern in ('tests/**/*.py', 'tests/**/*.[ch]', 'tests/**/*.sh',
                    'tests/**/*.lua', 'conf.d/*', 'Makefile.apxs', '.ci/run'):
        found = [p for p in root.glob(pattern) if p.is_file()]
        if not found and '*' not in pattern:
            raise Missing('no ' + pattern)
        paths += found
    return ['%s: no SPDX line' % path.relative_to(root)
            for path in sorted(set(paths)) if path.stat().st_size
            and 'SPDX-License-Identifier: Apache-2.0' not in
            '\n'.join(read(path).splitlines()[:2])]


def functions(text):
    """(name, lines) of each function; its braces stand in column 0."""
    lines = without_comments(text).split('\n')
    begin = None
    for number, line in enumerate(lines):
        if line.rstrip() == '{':
            begin = number
        elif line.rstrip() == '}' and begin is not None:
            head = ''
            for back in range(begin - 1, -1, -1):
                if not lines[back].strip() or lines[back][0] in '#};':
                    break
                head = lines[back] + ' ' + head
            name = re.search(r'(\w+)\s*\(', head.replace('__attribute__', ''))
            yield name.group(1) if name else '?', number - begin + 1
            begin = None


def sizes(root):
    allowed = {name: (int(lines), reason) for name, lines, reason in
               rows(root / 'tests/guard/sizes.txt', 3)}
    faults = []
    seen = 0
    for path in sources(root):
        where = str(path.relative_to(root))
        text = read(path)
        lines = text.count('\n')
        if lines > FILE_LINES:
            faults.append('%s has %d lines' % (where, lines))
        elif lines > LONG_FILE_LINES:
            warnings.warn('%s has %d lines: two nouns?' % (where, lines))
        for name, length in functions(text):
            seen += 1
            most = allowed.get('%s:%s' % (where, name), (FUNCTION_LINES,))[0]
            if length > most:
                faults.append('%s: %s has %d lines' % (where, name, length))
    if not seen:
        raise Missing('no functions found')
    return faults


def layout(root):
    faults = []
    for path in sources(root):
        where = path.relative_to(root)
        for number, line in enumerate(read(path).splitlines(), 1):
            if '\t' in line or line != line.rstrip():
                faults.append('%s:%d: tab or trailing blank'
                              % (where, number))
            if len(line) > COLUMNS:
                faults.append('%s:%d: %d columns'
                              % (where, number, len(line)))
            if re.search(r'(^|[^:])//', re.sub(r'"(\\.|[^"])*"', '""', line)):
                faults.append('%s:%d: // comment' % (where, number))
    return faults
