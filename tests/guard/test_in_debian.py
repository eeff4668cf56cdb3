# SPDX-License-Identifier: Apache-2.0
"""tests/in_debian.sh, over a small root in place of what debootstrap makes."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = 'tests/in_debian.sh'

# What debootstrap is here: called with options, suite, directory and mirror.
DEBOOTSTRAP = '''#!/bin/sh
set -eu
while test "${1#--}" != "$1"; do shift; done
echo "$1" >>"$0.suites"
test "$1" != no-such-suite || { echo "E: No such script: $1"; exit 1; }
mkdir -p "$2/etc/apt/apt.conf.d" "$2/etc/apt/auth.conf.d" "$2/usr/sbin" \\
    "$2/etc/apt/trusted.gpg.d" "$2/etc/apt/keyrings" "$2/root" "$2/proc" \\
    "$2/sys" "$2/dev" "$2/bin" "$2/tmp" "$2/usr/local/share/ca-certificates"
for program in sh env cat ls sleep; do
    real=$(readlink -f "$(command -v $program)")
    cp "$real" "$2/bin/$program"
    ldd "$real" | grep -o '/[^ ]*' | while read -r library; do
        mkdir -p "$2$(dirname "$library")"
        cp -n "$library" "$2$library"
    done
done
cp -a /usr/local/share/ca-certificates/. "$2/usr/local/share/ca-certificates"
echo test >"$2/etc/debian_version"
'''

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason='only root chroots')


class World:
    """A checkout of one script, a debootstrap, and where the root goes."""

    def __init__(self, base, roots):
        self.checkout = base / 'checkout'
        self.root = roots / 'test'
        self.programs = base / 'programs'
        (self.checkout / 'tests').mkdir(parents=True)
        shutil.copy(ROOT / SCRIPT, self.checkout / SCRIPT)
        self.programs.mkdir()
        (self.programs / 'debootstrap').write_text(DEBOOTSTRAP)
        (self.programs / 'debootstrap').chmod(0o755)

    def start(self, *command, suite='test', **more):
        return subprocess.Popen(
            [self.checkout / SCRIPT, suite, self.root, *command],
            cwd=self.checkout, stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more,
            env={'PATH': '%s:/usr/sbin:/usr/bin:/sbin:/bin' % self.programs})

    def run(self, *command, **more):
        process = self.start(*command, **more)
        said, complained = process.communicate(timeout=300)
        return process.returncode, said, complained

    def suites(self):
        return (self.programs / 'debootstrap.suites').read_text().split()


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    """For those that do not mind who made the root."""
    return tmp_path_factory.mktemp('roots')


@pytest.fixture
def world(tmp_path, roots):
    made = World(tmp_path, roots)
    yield made
    assert str(made.root) not in pathlib.Path('/proc/mounts').read_text()


def test_what_it_needs_is_a_sentence(world):
    done = subprocess.run(
        [world.checkout / SCRIPT, 'test', world.root, 'true'], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={'PATH': '/usr/bin:/bin'}, **(
            {} if os.geteuid() else dict(user=65534, group=65534,
                                         extra_groups=[])))
    assert done.returncode == 1
    assert re.fullmatch(r'in-debian: only root can chroot: .*\n', done.stderr)


@needs_root
def test_debootstrap_is_asked_for(world, tmp_path):
    world.root = tmp_path / 'none'
    tools = world.programs / 'few'
    tools.mkdir()
    for name in ('sh', 'id', 'dirname', 'basename'):
        (tools / name).symlink_to(shutil.which(name))
    done = subprocess.run(
        [world.checkout / SCRIPT, 'test', world.root, 'true'], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={'PATH': str(tools)})
    assert done.returncode == 1
    assert done.stderr.endswith('apt-get install debootstrap\n')
    assert not world.root.exists()


@needs_root
def test_the_copy_has_what_the_checkout_has(world):
    (world.checkout / 'a file').write_text('one')
    (world.checkout / 'old').write_text('')
    (world.checkout / 'build').mkdir()
    (world.checkout / 'build' / 'ours').write_text('')
    code, said, complained = world.run(
        'sh', '-c', 'cat "a file"; : >made; : >build-of-ours; ls')
    assert (code, said) == (0, 'onea file\nbuild-of-ours\nmade\nold\ntests\n')
    os.unlink(world.checkout / 'old')
    (world.checkout / 'a file').write_text('two')
    code, said, _ = world.run('sh', '-c', 'cat "a file"; ls; exit 7')
    assert (code, said) == (7, 'twoa file\ntests\n')
    assert sorted(p.name for p in world.checkout.iterdir()) == [
        'a file', 'build', 'tests']


@needs_root
def test_it_is_a_machine_of_its_own(world):
    code, said, _ = world.run(
        'sh', '-c', 'for p in /proc/[0-9]*; do cat $p/comm; done;'
        ' : >/dev/null; : >/dev/shm/lpp-in-debian; (: >/sys/lpp) 2>&1')
    *processes, last = said.splitlines()
    assert last.endswith('Read-only file system')
    assert set(processes) <= {'in_debian.sh', 'sh', 'cat'}
    assert not os.path.exists('/dev/shm/lpp-in-debian')


@needs_root
def test_a_second_run_waits_for_the_first(world):
    first = world.start('sh', '-c', 'echo there; sleep 2; : >mine; ls mine')
    assert first.stdout.readline() == 'there\n'
    code, said, complained = world.run('ls')
    assert (code, said) == (0, 'tests\n')
    assert 'waiting for another run of this checkout' in complained
    assert first.communicate(timeout=60)[0] == 'mine\n'


def running(argument):
    found = []
    for entry in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
        try:
            found += [entry for word in entry.read_bytes().split(b'\0')
                      if word == argument]
        except OSError:
            pass
    return found


@needs_root
@pytest.mark.parametrize('number, status', [(signal.SIGTERM, 143),
                                            (signal.SIGINT, 130),
                                            (signal.SIGKILL, -9)])
def test_nothing_outlives_it(world, number, status):
    nap = '86399.%d' % os.getpid()  # told from those of other runs
    # A shell cannot trap what it was started with ignored.
    process = world.start(
        'sh', '-c', 'sleep %s & echo there; sleep %s' % (nap, nap),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    assert process.stdout.readline() == 'there\n'
    assert running(nap.encode())
    process.send_signal(number)
    assert process.wait(60) == status
    deadline = time.monotonic() + 60
    while running(nap.encode()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running(nap.encode())


@needs_root
def test_what_debootstrap_refuses_leaves_no_root(world, tmp_path):
    world.root = tmp_path / 'test'
    code, said, complained = world.run('true', suite='no-such-suite')
    assert code != 0
    assert 'E: No such script: no-such-suite' in said + complained
    assert not world.root.exists()
    # Half of one, that a run before left, is no root either.
    half = world.root.with_name('test.new')
    (half / 'etc' / 'debian_version').write_text('')
    assert world.run('sh', '-c', 'echo done')[:2] == (0, 'done\n')
    assert world.run('sh', '-c', 'exit 7')[0] == 7
    assert world.suites() == ['no-such-suite', 'test']  # made once
