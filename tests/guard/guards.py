# SPDX-License-Identifier: Apache-2.0
"""Rules of the house that a compiler does not check.

Each function takes the project's directory and returns the faults as
sentences. One that cannot find what it looks at raises Missing: a guard
without input is no guard.
"""
import pathlib
import re
import warnings

FILE_LINES = 800
LONG_FILE_LINES = 600  # worth a look for a second noun
FUNCTION_LINES = 60
COLUMNS = 80

# All that runs in signal handlers: these files ...
HANDLERS = ('sampling/lpp_signal*.c', 'sampling/lpp_crash*.c',
            'interp/lpp_interp_walk.c', 'interp/lpp_interp_seen.c',
            'interp/lpp_interp_php.c', 'interp/lpp_interp_python.c',
            'interp/lpp_interp_lua.c', 'interp/lpp_interp_perl.c',
            'interp/lpp_interp_perl_rows.c', 'interp/lpp_peek.c')
# ... less those that match and do not, each with where it runs instead.
NOT_IN_HANDLERS = {
    'sampling/lpp_signal_arm.c': 'takes the signal, arms a thread: in threads',
    'sampling/lpp_signal_trial.c': 'in a scratch process',
    'sampling/lpp_signal_trial_calls.c': 'in a scratch process',
    'sampling/lpp_crash_arm.c': 'installs the handlers: in threads',
}

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
TEST_IMPORT = re.compile(r'^(?:from|import)\s+(test_\w+)', re.M)


class Missing(Exception):
    """The guard's input is not where it should be."""


def read(path):
    try:
        return path.read_text('utf-8')
    except OSError as error:
        raise Missing(str(error)) from None


def sources(root):
    found = sorted([*root.glob('mod_lpprofile/*.[ch]'),
                    *root.glob('mod_lpprofile/*/*.[ch]'),
                    *root.glob('include/*.h')])
    if not any(path.suffix == '.c' for path in found):
        raise Missing('no sources under %s' % root)
    return found


def test_files(root):
    found = sorted(path for path in root.glob('tests/*/*')
                   if path.suffix in ('.c', '.h', '.py'))
    if not found:
        raise Missing('no tests under %s' % root)
    return found


def test_imports(root):
    """No test imports a test: what two need is a module of its own."""
    return ['%s imports %s' % (path.relative_to(root), name)
            for path in test_files(root) if path.suffix == '.py'
            for name in TEST_IMPORT.findall(read(path))]


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


# -- rooms

PUBLIC = 'lpprofile.h'  # the one header in include/


def read_ranks(root):
    ranks = {name: int(rank)
             for rank, name in rows(root / 'tests/guard/ranks.txt', 2)}
    if not ranks:
        raise Missing('tests/guard/ranks.txt names no folder')
    return ranks


def room_of(root, path):
    """The folder below mod_lpprofile/ that a file lies in, "." for itself;
    None: it lies elsewhere."""
    where = path.relative_to(root)
    if where.parts[0] != 'mod_lpprofile':
        return None
    return where.parts[1] if len(where.parts) == 3 else '.'


def included(path):
    """(room, name) of each quoted include; room None: not as "room/name"."""
    for name in QUOTED.findall(without_comments(read(path))):
        room, slash, base = name.rpartition('/')
        yield (room if slash else None), base


def ranks(root):
    known = read_ranks(root)
    ours = {path.name: room_of(root, path) for path in sources(root)}
    made = {path.stem + '.pb-c.h'  # by protoc-c
            for path in root.glob('mod_lpprofile/*/*.proto')}
    faults = []
    for path in sources(root):
        mine = room_of(root, path)
        where = path.relative_to(root)
        if mine is None:
            if path.name != PUBLIC:
                faults.append('%s: include/ holds %s alone' % (where, PUBLIC))
            continue
        if mine not in known:
            faults.append('%s: ranks.txt has no %s' % (where, mine))
            continue
        faults += ['%s: includes <%s>, ours are quoted' % (where, name)
                   for name in ANGLED.findall(without_comments(read(path)))
                   if name.rpartition('/')[2] in ours]
        for room, name in included(path):
            if name in made or name == PUBLIC:
                continue
            if name not in ours:
                faults.append('%s: includes "%s", which is not ours'
                              % (where, name))
            elif (room or '.') != ours[name]:
                faults.append('%s: includes "%s" not by its folder, %s'
                              % (where, name, ours[name]))
            elif ours[name] != mine and (
                    known.get(ours[name], 1000) >= known[mine]):
                faults.append('%s (rank %d) includes %s/%s (rank %s)' % (
                    where, known[mine], ours[name], name,
                    known.get(ours[name])))
    return faults


def header_classes(root):
    """A header for its own folder alone ends in _internal.h, no other does."""
    users = {}
    for path in sources(root):
        for room, name in included(path):
            users.setdefault(name, set()).add(room_of(root, path))
    faults = []
    for path in sources(root):
        room = room_of(root, path)
        if path.suffix != '.h' or room in (None, '.'):
            continue
        others = users.get(path.name, set()) - {room}
        where = path.relative_to(root)
        if path.stem.endswith('_internal'):
            faults += ['%s: %s includes it' % (where, other)
                       for other in sorted(others)]
        elif not others:
            faults.append('%s: no other folder includes it, so its name ends '
                          'in _internal.h' % where)
    return faults


PICTURE = re.compile(r'^\| (\d+) \| `(\w+)/` \|', re.M)


def picture(root):
    """The table of rooms in mod_lpprofile/README.md is that of ranks.txt."""
    drawn = {name: int(rank) for rank, name in
             PICTURE.findall(read(root / 'mod_lpprofile/README.md'))}
    if not drawn:
        raise Missing('mod_lpprofile/README.md has no table of rooms')
    known = {name: rank for name, rank in read_ranks(root).items()
             if name != '.'}
    return ['%s: %s in README.md, %s in ranks.txt'
            % (name, drawn.get(name, 'not'), known.get(name, 'not'))
            for name in sorted(drawn.keys() | known.keys())
            if drawn.get(name) != known.get(name)]


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
            base = name.rpartition('/')[2]
            if base in theirs or base.startswith('mod_'):
                faults.append('%s: the core includes %s'
                              % (path.relative_to(root), name))
    return faults


# -- directives

def directives(root):
    known = set(DIRECTIVE.findall(
        read(root / 'mod_lpprofile/server/mod_lpprofile_config.h')))
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
    header = root / 'mod_lpprofile/base/lpp_log_tags.h'
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
    levels = {}
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
            for name in re.findall(r'\bLPP_TAG_\w+', call):
                levels[name] = LOG_LEVEL.findall(call)
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
    return faults + tag_table(root, dict(defined), levels)


# A level that a variable holds is not compared.
LOG_LEVEL = re.compile(
    r'\b(?:AP|LPP_)LOG_(EMERG|ALERT|CRIT|ERR(?:OR)?|WARNING|NOTICE|INFO|DEBUG)\b')
TAG_ROW = re.compile(r'^\| (LPP\d+) \| ([^|]+) \| [^|]+\. \| [^|]+\. \|$', re.M)


def tag_table(root, defined, levels):
    """conf.d/LOG-TAGS.md has a row a tag, with the level of its message."""
    where = 'conf.d/LOG-TAGS.md'
    text = read(root / where)
    rows = TAG_ROW.findall(text)
    if not rows:
        raise Missing('no rows in ' + where)
    numbers = [number for number, _ in rows]
    said = dict(rows)
    faults = ['%s: a row that has not its four cells, in sentences: %s'
              % (where, line) for line in text.splitlines()
              if line.startswith('| LPP') and not TAG_ROW.match(line)]
    if numbers != sorted(set(numbers)):
        faults.append('%s is not in the order of its numbers' % where)
    faults += ['%s is not in %s' % (number, where)
               for number in sorted(set(defined.values()) - set(numbers))]
    faults += ['%s has %s, which there is not' % (where, number)
               for number in sorted(set(numbers) - set(defined.values()))]
    for name, number in defined.items():
        level = [x.lower().replace('error', 'err') for x in levels.get(name, [])]
        if level and number in said and level != [
                said[number].replace('error', 'err')]:
            faults.append('%s: %s is of level %s'
                          % (where, number, ' or '.join(level)))
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
                    'tests/**/*.js', 'mod_lpprofile/report/assets/*',
                    'tests/**/*.lua', 'conf.d/*', 'Makefile.apxs', '.ci/run'):
        found = [p for p in root.glob(pattern)
                 if p.is_file() and p.suffix != '.md']
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
    for path in [*sources(root), *test_files(root)]:
        where = str(path.relative_to(root))
        lines = read(path).count('\n')
        if lines > FILE_LINES:
            faults.append('%s has %d lines' % (where, lines))
        elif lines > LONG_FILE_LINES:
            warnings.warn('%s has %d lines: two nouns?' % (where, lines))
    for path in sources(root):
        where = str(path.relative_to(root))
        for name, length in functions(read(path)):
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
