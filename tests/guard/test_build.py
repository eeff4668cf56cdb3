# SPDX-License-Identifier: Apache-2.0
"""What make says where something is missing, and what install leaves."""
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def make(*words):
    done = subprocess.run(['make', '-s', '-f', 'Makefile.apxs', *words],
                          cwd=ROOT, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def install(target):
    return subprocess.run(
        ['conf.d/install.sh', '/opt/modules', '/etc/apache2'], cwd=ROOT,
        env={'DESTDIR': str(target), 'PATH': '/usr/bin:/bin'}, check=True,
        text=True, stdout=subprocess.PIPE).stdout


def test_what_the_build_lacks_is_a_sentence(tmp_path):
    code, said = make('BUILD=%s' % tmp_path, 'CC=no-such-compiler')
    assert code != 0
    first = said.splitlines()[0]
    assert 'not installed: no-such-compiler' in first
    assert first.endswith('make -f Makefile.apxs deps-build')
    assert 'command not found' not in said


def test_the_build_lacks_nothing_here(tmp_path):
    code, said = make('BUILD=%s' % tmp_path, '%s/can-build' % tmp_path)
    assert (code, said) == (0, '')


def test_install_lays_both_configurations_side_by_side(tmp_path):
    install(tmp_path)
    available = tmp_path / 'etc/apache2/mods-available'
    assert sorted(p.name for p in available.iterdir()) == [
        'lpprofile-dev.conf', 'lpprofile.conf', 'lpprofile.load']
    assert '/opt/modules/' in (available / 'lpprofile.load').read_text()


def test_install_leaves_what_was_edited(tmp_path):
    install(tmp_path)
    available = tmp_path / 'etc/apache2/mods-available'
    for name in ('lpprofile.conf', 'lpprofile-dev.conf'):
        (available / name).write_text('# mine\n')
        said = install(tmp_path)
        assert '%s was edited: it stays' % (available / name) in said
        assert (available / name).read_text() == '# mine\n'
        assert (available / (name + '.new')).read_text() == (
            ROOT / 'conf.d' / name).read_text()
