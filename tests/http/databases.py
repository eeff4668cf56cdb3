# SPDX-License-Identifier: Apache-2.0
"""Databases for tests: a file of SQLite, a cluster of PostgreSQL.

The cluster is private: made with initdb in a directory of its own, by the
server's unprivileged user where the tests run as root, reached by a Unix
socket there and by nothing else, ended by its process id.
"""
import contextlib
import ctypes
import os
import pathlib
import pwd
import shutil
import signal
import sqlite3
import subprocess
import tempfile

import httpd_env

PERSONS = 60
SCHEMA = '''
CREATE TABLE person (id integer primary key, name text, city text);
CREATE TABLE login (name text, password text, role text);
CREATE TABLE session (key text, value text, expiry bigint);
CREATE TABLE target (name text, url text);
INSERT INTO login VALUES ('ann', '{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=', 'boss');
INSERT INTO target VALUES ('plain', '/plain.txt');
''' + ''.join("INSERT INTO person VALUES (%d, 'Name %d', 'City');\n" % (n, n)
              for n in range(PERSONS))


@contextlib.contextmanager
def sqlite_file(directory):
    """The path of a database that every user may write to."""
    path = pathlib.Path(directory) / 'shop.db'
    path.touch()
    path.chmod(0o666)
    path.parent.chmod(0o777)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        # apr_dbd does not wait for a lock, so a child of httpd fails where it
        # finds one. WAL: writers lock no readers out. The first connection to
        # a file in that mode and the last one do, so this one stays open.
        connection.executescript('PRAGMA journal_mode=WAL;'
                                 'PRAGMA synchronous=OFF;' + SCHEMA)
        yield path


class Postgres:
    """One cluster with one database, "shop"."""

    def __init__(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix='lpp-pg-'))
        self.user = {}
        if os.geteuid() == 0:
            owner = pwd.getpwnam(httpd_env.USER)
            os.chown(self.root, owner.pw_uid, owner.pw_gid)
            self.user = dict(user=owner.pw_uid, group=owner.pw_gid,
                             extra_groups=[])
        self.root.chmod(0o755)
        self.process = None

    def start(self):
        self._run('initdb', '-D', str(self.root / 'data'), '-U', 'lpp',
                  '--no-sync', '-A', 'trust', '-E', 'UTF8',
                  '--no-instructions', '--locale=C')
        # No shared log file: what it says goes where the tests' output goes.
        self.process = subprocess.Popen(
            [self._program('postgres'), '-D', str(self.root / 'data'), '-k',
             str(self.root), '-c', 'listen_addresses=', '-c', 'fsync=off',
             '-c', 'max_connections=60', '-c', 'shared_buffers=16MB',
             '-c', 'log_min_messages=fatal'],
            cwd=self.root, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=_die_with_parent, **self.user)
        httpd_env.wait_for(lambda: self._ask('postgres', 'SELECT 1'), 30,
                           'PostgreSQL to start')
        self._run('psql', '-h', str(self.root), '-U', 'lpp', '-q', '-c',
                  'CREATE DATABASE shop', 'postgres')
        self._run('psql', '-h', str(self.root), '-U', 'lpp', '-q', 'shop',
                  input=SCHEMA.encode())
        return self

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(20)
        shutil.rmtree(self.root, ignore_errors=True)

    @property
    def params(self):
        return 'host=%s dbname=shop user=lpp password=s3cretword' % self.root

    def _program(self, name):
        found = sorted(pathlib.Path('/usr/lib/postgresql').glob(
            '*/bin/' + name))
        path = str(found[-1]) if found else shutil.which(name)
        assert path, 'PostgreSQL has no %s here: see tests/deps.sh' % name
        return path

    def _run(self, name, *args, input=b''):
        done = subprocess.run([self._program(name), *args], input=input,
                              stdout=subprocess.PIPE, cwd=self.root,
                              stderr=subprocess.STDOUT, **self.user)
        assert done.returncode == 0, done.stdout.decode()

    def _ask(self, database, statement):
        return subprocess.run(
            [self._program('psql'), '-h', str(self.root), '-U', 'lpp', '-c',
             statement, database], stdin=subprocess.DEVNULL, cwd=self.root,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            **self.user).returncode == 0


def _die_with_parent():
    # A test run that is killed leaves no server behind.
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
