# SPDX-License-Identifier: Apache-2.0
"""Builds the modules of tests/modules with apxs, once a session."""
import atexit
import functools
import pathlib
import re
import shutil
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
MODULES = HERE.parent / 'modules'
UNIT = HERE.parent / 'unit'


@functools.lru_cache(None)
def _base():
    base = tempfile.mkdtemp(prefix='lpp-modules-')
    pathlib.Path(base).chmod(0o755)
    atexit.register(shutil.rmtree, base, True)
    return pathlib.Path(base)


@functools.lru_cache(None)
def build(name):
    """Path of NAME.so made of tests/modules/NAME.c or .cc, and of the helpers in
    tests/unit whose headers it includes."""
    source = next(MODULES.glob(name + '.c*'))
    made = _base() / (name + '.so')
    includes = ['-I%s' % UNIT,
                '-I%s' % (HERE.parent.parent / 'include')]
    if source.suffix == '.c':
        work = _base() / name
        work.mkdir()
        names = re.findall(r'^#include "(\w+)\.h"', source.read_text(), re.M)
        sources = [source, *filter(pathlib.Path.exists,
                                   [UNIT / (name + '.c') for name in names])]
        for each in sources:
            shutil.copy(each, work)
        _run(['apxs', '-c', '-Wc,-O2 -g', *includes,
              *[each.name for each in sources]], work)
        shutil.copy(work / '.libs' / (name + '.so'), made)
    else:
        dirs = [subprocess.run(['apxs', '-q', name], check=True, text=True,
                               stdout=subprocess.PIPE).stdout.strip()
                for name in ('INCLUDEDIR', 'APR_INCLUDEDIR')]
        _run(['g++', '-O2', '-g', '-fPIC', '-shared', '-pthread',
              *['-I' + d for d in dirs], *includes, '-o', str(made),
              str(source)], _base())
    return made


def _run(command, where):
    done = subprocess.run(command, cwd=where, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    assert done.returncode == 0, done.stdout[:3000]


@functools.lru_cache(None)
def build_plugin(name, *flags):
    """Path of an object made of tests/modules/lpp_plugin.c."""
    return build_object(name, 'lpp_plugin', *flags)


@functools.lru_cache(None)
def build_object(name, source, *flags):
    """Path of an object, no module of httpd's, of tests/modules/SOURCE.c."""
    made = _base() / (name + '.so')
    _run(['gcc', '-O2', '-g', '-fPIC', '-shared', *flags, '-o', str(made),
          str(MODULES / (source + '.c'))], _base())
    return made


def full_rate():
    """The environment of a server that never lowers the rate of samples."""
    return {'LD_PRELOAD': str(build_object('cheap_helper',
                                           'lpp_cheap_helper'))}


def load(name):
    """Configuration that loads tests/modules/mod_NAME."""
    return 'LoadModule %s_module %s\n' % (name, build('mod_' + name))
