# SPDX-License-Identifier: Apache-2.0
"""Style sheets and scripts of the pages: their linters, the script's tests."""
import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import foreign  # noqa: E402

HERE = foreign.HERE
ASSETS = foreign.ROOT / 'mod_lpprofile' / 'report' / 'assets'
# The way to the program, and the options: each finds its faults in FAULTY.
LINTERS = {
    'css': ['stylelint/bin/stylelint.mjs',
            '--config', HERE / 'stylelint.config.json'],
    'js': ['eslint/bin/eslint.js', '--config', HERE / 'eslint.config.js',
           '--max-warnings', '0'],
}
FAULTY = {'css': '.lpp { colour: red; }\n',
          'js': "function f() {\n    'use strict';\n    nobody();\n}\n"}


def run(*arguments, text=None, **environment):
    return subprocess.run([*map(str, arguments)], cwd=foreign.ROOT, text=True,
                          input=text,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, **environment}, timeout=120)


def lint(kind, *files, text=None):
    modules = foreign.linters()
    program, *options = LINTERS[kind]
    if kind == 'css':
        options += ['--config-basedir', modules]
    return run('node', modules / program, *options, *files, text=text,
               NODE_PATH=str(modules))


@pytest.mark.parametrize('kind', LINTERS)
def test_linters_find_nothing(kind):
    files = sorted(ASSETS.glob('*.' + kind))
    assert files
    done = lint(kind, *files)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize('kind', LINTERS)
def test_linters_find_a_fault(kind):
    """As in a file beside ours, since eslint's rules go by the place; but not
    in one, which a build beside this test would take for one of ours."""
    path = ASSETS / ('faulty.' + kind)
    done = lint(kind, '--stdin', '--stdin-filename', path, text=FAULTY[kind])
    assert done.returncode not in (0, 1 if kind == 'css' else 2), done.stdout
    assert path.name in done.stdout


def test_flame_graph_computes():
    done = run('node', '--test', HERE / 'flame_model_test.js')
    assert done.returncode == 0, done.stdout


def embed(path):
    return run('awk', '-f', ASSETS / 'embed.awk', path)


@pytest.mark.parametrize('name,text,said', [
    ('a.css', '.lpp {\n    color: "<";\n}\n', 'style sheet'),
    ('a.css', '.lpp {\n    content: "\u00e9";\n}\n', 'not ASCII'),
    ('a.js', 'f("</script>");\n', 'ends a script'),
])
def test_what_must_not_stand_in_a_page_is_refused(tmp_path, name, text, said):
    path = tmp_path / name
    path.write_text(text, encoding='utf-8')
    done = embed(path)
    assert done.returncode == 1
    assert said in done.stdout and '%s:%d' % (name, text.count('\n', 0, -1)
                                              or 1) in done.stdout


def test_what_is_left_out_has_no_meaning(tmp_path):
    path = tmp_path / 'a.css'
    path.write_text('/* one\n * two */\n.lpp a,\n.lpp b {\n    color: "\\";\n'
                    '    margin: 0\n        1px;\n}\n\n@media print {\n'
                    '    .lpp {\n        --x: 1;\n    }\n}\n')
    text = ''.join(line.strip()[1:-1] for line in
                   embed(path).stdout.splitlines() if line[4:5] == '"')
    assert text == (r'.lpp a,.lpp b{color:\"\\\";margin:0 1px}\n'
                    r'@media print{.lpp{--x:1}}\n')
