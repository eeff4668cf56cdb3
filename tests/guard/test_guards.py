# SPDX-License-Identifier: Apache-2.0
"""The guards on this tree; and each of them on a tree with the fault."""
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import binary_guards  # noqa: E402
import guards  # noqa: E402

ROOT = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get('LPP_BUILD', ROOT / 'build'))


def httpd_include():
    return subprocess.run(['apxs', '-q', 'INCLUDEDIR'], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


CHECKS = {
    'ranks': lambda root: guards.ranks(root),
    'header classes': lambda root: guards.header_classes(root),
    'picture': lambda root: guards.picture(root),
    'core knows no httpd': lambda root: guards.core_knows_no_httpd(
        root, httpd_include()),
    'directives': lambda root: guards.directives(root),
    'log tags': lambda root: guards.log_tags(root),
    'locale': lambda root: guards.locale(root),
    'licence': lambda root: guards.licence(root),
    'sizes': lambda root: guards.sizes(root),
    'test imports': lambda root: guards.test_imports(root),
    'layout': lambda root: guards.layout(root),
}


@pytest.mark.parametrize('name', CHECKS)
def test_this_tree(name):
    faults = CHECKS[name](ROOT)
    assert not faults, '\n' + '\n'.join(faults)


def test_signal_room_needs_only_what_is_listed():
    faults = binary_guards.signal_symbols(ROOT, BUILD)
    assert not faults, '\n' + '\n'.join(faults)


def test_no_files_call_each_other_in_a_circle():
    faults = binary_guards.circles(ROOT, BUILD)
    assert not faults, '\n' + '\n'.join(faults)


def test_what_one_file_uses_is_static():
    assert binary_guards.unused_api(ROOT, BUILD) == []


def test_only_the_module_record_is_exported():
    assert binary_guards.exports(BUILD) == []


GOOD = {
    'tests/guard/ranks.txt': '0 base\n10 low\n20 high\n60 server\n90 .\n',
    'tests/guard/sizes.txt': '',
    'tests/http/test_a.py': 'import helper\n',
    'tests/guard/locale.txt': '',
    'mod_lpprofile/README.md': '| 0 | `base/` |\n| 10 | `low/` | x |\n'
                               '| 20 | `high/` | x |\n| 60 | `server/` |\n',
    'include/lpprofile.h': '',
    'mod_lpprofile/base/lpp_base.h': '',
    'mod_lpprofile/base/lpp_log_tags.h': '#define LPP_TAG_A "LPP001"\n'
                                         '#define LPP_TAG_B "LPP002"\n',
    'mod_lpprofile/low/lpp_low.h': '#include "base/lpp_base.h"\n',
    'mod_lpprofile/high/lpp_top_internal.h': '#include "low/lpp_low.h"\n',
    'mod_lpprofile/high/lpp_top.c':
        '#include "high/lpp_top_internal.h"\nint f(void)\n{\n}\n',
    'mod_lpprofile/server/mod_lpprofile_config.h':
        '#include "base/lpp_log_tags.h"\n#define LPP_DIR_X "LPProfileX"\n',
    'mod_lpprofile/mod_lpprofile.c':
        '#include "lpprofile.h"\n#include "server/mod_lpprofile_config.h"\n'
        'void f(void)\n{\n    lpp_log(E, 0, LPP_TAG_A, "a");\n'
        '    ap_log_error(M, APLOG_ERR, 0, s,\n                 LPP_TAG_B ": (b)");\n'
        '}\n',
    'conf.d/LOG-TAGS.md': '| LPP001 | error | A. | Do. |\n'
                          '| LPP002 | error | B. | Do. |\n',
    'conf.d/lpprofile.conf': '# LPProfileX On\n',
    'conf.d/lpprofile-dev.conf': 'LPProfileX On\n',
    'README.md': '| `LPProfileX` | x |\n',
    'Makefile.apxs': '', '.ci/run': '',
}
SPDX = '/* SPDX-License-Identifier: Apache-2.0 */\n'


def make_tree(base, changes):
    files = {**GOOD, **changes}
    for name, text in files.items():
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        comment = SPDX if name.endswith(('.c', '.h')) else (
            '# ' + SPDX.strip('/* \n') + '\n')
        if not name.endswith('.md') and 'NOSPDX' not in text:
            text = comment + text
        path.write_text(text)
    return base


@pytest.mark.parametrize('name', CHECKS)
def test_good_tree_has_no_fault(tmp_path, name):
    assert CHECKS[name](make_tree(tmp_path, {})) == []


@pytest.mark.parametrize('name, path, text, said', [
    ('ranks', 'mod_lpprofile/low/lpp_low.h',
     '#include "high/lpp_top_internal.h"\n', 'rank 20'),
    ('ranks', 'mod_lpprofile/low/lpp_low.h', '#include "lpp_base.h"\n',
     'not by its folder'),
    ('ranks', 'mod_lpprofile/low/lpp_low.h', '#include <base/lpp_base.h>\n',
     'quoted'),
    ('ranks', 'mod_lpprofile/low/lpp_low.h', '#include "else.h"\n',
     'not ours'),
    ('ranks', 'include/lpp_odd.h', '', 'lpprofile.h alone'),
    ('ranks', 'mod_lpprofile/odd/lpp_odd.c', '', 'ranks.txt has no odd'),
    ('header classes', 'mod_lpprofile/high/lpp_odd.h', '', '_internal.h'),
    ('header classes', 'mod_lpprofile/server/mod_lpprofile_x.c',
     '#include "high/lpp_top_internal.h"\n', 'server includes it'),
    ('picture', 'mod_lpprofile/README.md', '| 5 | `base/` |\n', '5 in README'),
    ('core knows no httpd', 'mod_lpprofile/low/lpp_low.h',
     '#include <httpd.h>\n', 'httpd.h'),
    ('core knows no httpd', 'mod_lpprofile/high/lpp_top.c',
     '#include "server/mod_lpprofile_config.h"\n', 'the core includes'),
    ('directives', 'README.md', '', 'not in README'),
    ('directives', 'conf.d/lpprofile.conf', '', 'not in conf.d'),
    ('directives', 'conf.d/lpprofile-dev.conf', 'LPProfileY On\n', 'there'),
    ('log tags', 'mod_lpprofile/base/lpp_log_tags.h',
     '#define LPP_TAG_A "LPP001"\n#define LPP_TAG_B "LPP001"\n', 'twice'),
    ('log tags', 'mod_lpprofile/base/lpp_log_tags.h',
     '#define LPP_TAG_A "LPP002"\n#define LPP_TAG_B "LPP001"\n', 'order'),
    ('log tags', 'mod_lpprofile/base/lpp_log_tags.h', '#define LPP_TAG_A "LPP001"\n',
     'LPP_TAG_B is used and not defined'),
    ('log tags', 'mod_lpprofile/high/lpp_top.c', 'int x = LPP_TAG_A;\n',
     '2 messages'),
    ('log tags', 'mod_lpprofile/high/lpp_top.c', 'lpp_log(E, 0, "x", "y");\n',
     'without a tag'),
    ('log tags', 'conf.d/LOG-TAGS.md', '| LPP001 | error | A. | Do. |\n',
     'LPP002 is not in conf.d/LOG-TAGS.md'),
    ('log tags', 'conf.d/LOG-TAGS.md',
     GOOD['conf.d/LOG-TAGS.md'] + '| LPP003 | error | C. | Do. |\n',
     'LPP003, which there is not'),
    ('log tags', 'conf.d/LOG-TAGS.md',
     GOOD['conf.d/LOG-TAGS.md'] + '| LPP004 | error | C |\n', 'four cells'),
    ('log tags', 'conf.d/LOG-TAGS.md',
     '| LPP001 | error | A. | Do. |\n| LPP002 | info | B. | Do. |\n',
     'LPP002 is of level err'),
    ('locale', 'mod_lpprofile/high/lpp_top.c',
     'int x = apr_isspace(c);\n', 'apr_isspace follows'),
    ('locale', 'mod_lpprofile/high/lpp_top.c',
     'int x = strncasecmp (a, b, 1);\n', 'strncasecmp follows'),
    ('locale', 'mod_lpprofile/low/lpp_low.h', 'int x = f(vsnprintf(a, 1, b, c));\n',
     'vsnprintf follows'),
    ('locale', 'mod_lpprofile/high/lpp_top.c', 'x = strtod(a, &b);\n', 'strtod'),
    ('locale', 'mod_lpprofile/high/lpp_top.c', 'addf(b, "a %5.2g", 1.0);\n',
     "%5.2g is not a conversion"),
    ('locale', 'mod_lpprofile/high/lpp_top.c', 'addf(b, "%zu", sizeof(x));\n',
     "%zu is not a conversion"),
    ('locale', 'tests/guard/locale.txt',
     'mod_lpprofile/high/lpp_top.c:sscanf a reason\n', 'which there is not'),
    ('licence', 'mod_lpprofile/high/lpp_top.c', 'int NOSPDX;\n', 'no SPDX'),
    ('sizes', 'mod_lpprofile/high/lpp_top.c',
     'int f(void)\n{\n' + 'x;\n' * 60 + '}\n', 'f has 62 lines'),
    ('sizes', 'mod_lpprofile/high/lpp_top.c', 'int x;\n' * 810, 'has 811 lines'),
    ('sizes', 'tests/http/test_a.py', 'x = 1\n' * 810, 'has 811 lines'),
    ('test imports', 'tests/http/test_a.py', 'from test_b import c\n',
     'imports test_b'),
    ('layout', 'mod_lpprofile/high/lpp_top.c', '\tint x;\n', 'tab'),
    ('layout', 'mod_lpprofile/high/lpp_top.c', 'int x; // y\n', 'comment'),
    ('layout', 'mod_lpprofile/high/lpp_top.c', 'int ' + 'x' * 80 + ';\n',
     'columns'),
])
def test_fault_is_seen(tmp_path, name, path, text, said):
    faults = CHECKS[name](make_tree(tmp_path, {path: text}))
    assert any(said in fault for fault in faults), faults


def test_only_calls_follow_the_locale(tmp_path):
    text = ('__attribute__((format(printf, 1, 2)))\n/* sprintf(x) */\n'
            'x = apr_snprintf(a, 1, "isspace(%%) 5 % of %pp %lx");\n'
            'y = lpp_is_space(c) + apr_cstr_casecmp(a, b) + "%2B";\n')
    assert guards.locale(make_tree(
        tmp_path, {'mod_lpprofile/high/lpp_top.c': text})) == []


@pytest.mark.parametrize('name', CHECKS)
def test_guard_without_input_fails(tmp_path, name):
    with pytest.raises(guards.Missing):
        CHECKS[name](tmp_path)


def test_binary_guards_without_input_fail(tmp_path):
    with pytest.raises(guards.Missing):
        binary_guards.exports(tmp_path)
    (tmp_path / 'tests/guard').mkdir(parents=True)
    shutil.copy(HERE / 'signal_symbols.txt', tmp_path / 'tests/guard')
    with pytest.raises(guards.Missing, match='no sampling/lpp_signal'):
        binary_guards.signal_symbols(tmp_path, tmp_path)
    with pytest.raises(guards.Missing, match='not built'):
        binary_guards.signal_symbols(ROOT, tmp_path)


# A signal room: its files may call each other and what is listed.
HANDLERS = {
    'sampling/lpp_signal.c': 'void *ring(void); void *code(void);\n'
                             'void *f(void) { return ring() ? code() : 0; }\n',
    'sampling/lpp_signal_code.c': 'void *g(void); void *code(void)'
                                  '{ return g(); }\n',
    'sampling/lpp_crash.c': 'void *g(void) { return 0; }\n',
    'sampling/lpp_ring.c': 'void *ring(void) { return 0; }\n',
} | {
    name: 'void *g(void); static void *x(void) { return g(); }\n'
    for name in guards.HANDLERS if '*' not in name
} | dict.fromkeys(guards.NOT_IN_HANDLERS, 'void *malloc(unsigned long);'
                  'static void *x(void) { return malloc(1); }\n')


def test_the_signal_room_is_a_set_of_objects(tmp_path):
    (tmp_path / 'tests/guard').mkdir(parents=True)
    listed = tmp_path / 'tests/guard/signal_symbols.txt'
    listed.write_text('_GLOBAL_OFFSET_TABLE_ libc x\n'
                      'ring sampling/lpp_ring.o x\n')
    build_in(tmp_path, HANDLERS)
    build = tmp_path / 'build'
    assert binary_guards.signal_symbols(tmp_path, build) == []
    build_in(tmp_path, {
        'sampling/lpp_signal_code.c': 'void *malloc(unsigned long);\n'
        'void *code(void) { return malloc(1); }\n',
        'sampling/lpp_crash.c': 'char *getenv(char *);\n'
        'void *g(void) { return getenv("x"); }\n',
        'sampling/lpp_ring.c': 'void *calloc(long, long); int *other(void);\n'
        'void *ring(void) { return calloc(*other(), 1); }\n'})
    faults = binary_guards.signal_symbols(tmp_path, build)
    assert [f.split()[0:3:2] for f in faults] == [
        ['sampling/lpp_signal_code.o', 'malloc,'],
        ['sampling/lpp_crash.o', 'getenv,'],
        ['ring', 'calloc,'], ['ring', 'other,']]
    listed.write_text(listed.read_text() + 'g sampling/lpp_crash.o x\n')
    assert 'signal_symbols.txt has g, which is in a handler\'s file' in (
        binary_guards.signal_symbols(tmp_path, build))


def test_a_file_that_is_no_handler_must_exist(tmp_path):
    build_in(tmp_path, HANDLERS)
    build = tmp_path / 'build'
    assert len(binary_guards.handler_objects(tmp_path, build)) == 3 + len(
        [name for name in guards.HANDLERS if '*' not in name])
    gone = sorted(guards.NOT_IN_HANDLERS)[0]
    (tmp_path / 'mod_lpprofile' / gone).unlink()
    with pytest.raises(guards.Missing, match=gone):
        binary_guards.handler_objects(tmp_path, build)


def test_a_second_exported_symbol_is_seen(tmp_path):
    build_in(tmp_path, {'lpp_a.c': 'int f(void) { return 1; }\n'})
    subprocess.run(['gcc', '-shared', '-o', tmp_path / 'mod_lpprofile.so',
                    tmp_path / 'build/lpp_a.o'], check=True)
    assert binary_guards.exports(tmp_path) == ['mod_lpprofile.so exports f']


def build_in(base, sources):
    made = {}  # many are the same
    for name, text in sources.items():
        path = base / 'mod_lpprofile' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        target = (base / 'build' / name).with_suffix('.o')
        target.parent.mkdir(parents=True, exist_ok=True)
        if text in made:
            shutil.copy(made[text], target)
            continue
        subprocess.run(['gcc', '-O2', '-fPIC', '-w', '-c', '-o', target, path],
                       check=True)
        made[text] = target


def test_a_circle_of_calls_is_seen(tmp_path):
    build_in(tmp_path, {'a/lpp_a.c': 'void b(void); void a(void) { b(); }',
                        'b/lpp_b.c': 'void c(void); void b(void) { c(); }',
                        'b/lpp_c.c': 'int c(void) { return 1; }'})
    assert binary_guards.circles(tmp_path, tmp_path / 'build') == []
    build_in(tmp_path, {'b/lpp_c.c': 'void a(void); void c(void) { a(); }'})
    fault, = binary_guards.circles(tmp_path, tmp_path / 'build')
    assert 'a/lpp_a.o > b/lpp_b.o (b)' in fault
    assert 'b/lpp_c.o > a/lpp_a.o (a)' in fault


def test_a_function_that_no_other_file_uses_is_seen(tmp_path):
    build_in(tmp_path, {
        'a/lpp_a.c': 'void lpp_b(void); static void x(void) { lpp_b(); }\n'
                     'void (*lpp_tested)(void) = x;',
        'b/lpp_b.c': 'void lpp_c(void) {} void lpp_b(void) { lpp_c(); }'})
    test = tmp_path / 'tests/unit/test_a.c'
    test.parent.mkdir(parents=True)
    test.write_text('extern void (*lpp_tested)(void);\n')
    fault, = binary_guards.unused_api(tmp_path, tmp_path / 'build')
    assert fault.startswith('b/lpp_b.o defines lpp_c,')
    with pytest.raises(guards.Missing):
        binary_guards.unused_api(ROOT, tmp_path)


def test_circles_without_objects_fail(tmp_path):
    with pytest.raises(guards.Missing):
        binary_guards.circles(ROOT, tmp_path)


def test_no_path_of_a_machine_is_committed():
    """Paths of the place where this was written mean nothing elsewhere."""
    if not (ROOT / '.git').exists():
        pytest.skip('no git checkout')
    found = subprocess.run(
        ['git', '-c', 'safe.directory=*', 'grep', '-nE', '/work' + '/(main|shared)'],
        cwd=ROOT, text=True, stdout=subprocess.PIPE).stdout
    assert found == ''
