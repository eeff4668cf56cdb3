# SPDX-License-Identifier: Apache-2.0
"""Builds the modules of tests/modules, each once a session."""
import atexit
import fcntl
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
MODULES = HERE.parent / 'modules'
UNIT = HERE.parent / 'unit'
BASE = 'LPP_TEST_MODULES'  # a folder that all processes of a session share


def make_base():
    """Have this process and its children build in one folder."""
    os.environ[BASE] = tempfile.mkdtemp(prefix='lpp-modules-')
    pathlib.Path(os.environ[BASE]).chmod(0o755)


def remove_base():
    shutil.rmtree(os.environ.pop(BASE, ''), True)


@functools.lru_cache(None)
def _base():
    if BASE not in os.environ:
        make_base()
        atexit.register(remove_base)
    return pathlib.Path(os.environ[BASE])


@functools.lru_cache(None)
def _apxs(name):
    return subprocess.run(['apxs', '-q', name], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


@functools.lru_cache(None)
def build(name):
    """Path of NAME.so made of tests/modules/NAME.c or .cc, and of the helpers in
    tests/unit whose headers it includes."""
    source = next(MODULES.glob(name + '.c*'))
    names = re.findall(r'^#include "(\w+)\.h"', source.read_text(), re.M)
    helpers = filter(pathlib.Path.exists,
                     [UNIT / (name + '.c') for name in names])
    return _build(name, 'gcc' if source.suffix == '.c' else 'g++', '-pthread',
                  '-D_GNU_SOURCE', '-I' + _apxs('INCLUDEDIR'),
                  '-I' + _apxs('APR_INCLUDEDIR'), '-I%s' % UNIT,
                  '-I%s' % (HERE.parent.parent / 'include'), source, *helpers)


def _build(name, compiler, *arguments):
    made = _base() / (name + '.so')
    with open(_base() / (name + '.lock'), 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            done = subprocess.run(
                [compiler, '-O2', '-g', '-fPIC', '-shared', *map(str, arguments),
                 '-o', str(made)], stdin=subprocess.DEVNULL, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            assert done.returncode == 0, done.stdout[:3000]
    return made


@functools.lru_cache(None)
def build_plugin(name, *flags):
    """Path of an object made of tests/modules/lpp_plugin.c."""
    return build_object(name, 'lpp_plugin', *flags)


@functools.lru_cache(None)
def build_object(name, source, *flags):
    """Path of an object, no module of httpd's, of tests/modules/SOURCE.c. One
    name stands for one source with the same flags."""
    return _build(name, 'gcc', *flags, MODULES / (source + '.c'))


def full_rate():
    """The environment of a server that never lowers the rate of samples."""
    return {'LD_PRELOAD': str(build_object('cheap_helper',
                                           'lpp_cheap_helper'))}


def load(name):
    """Configuration that loads tests/modules/mod_NAME."""
    return 'LoadModule %s_module %s\n' % (name, build('mod_' + name))
