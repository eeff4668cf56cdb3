# SPDX-License-Identifier: Apache-2.0
"""The processes of a test server."""
import os
import pathlib


def command_line(pid):
    return pathlib.Path('/proc/%d/cmdline' % pid).read_bytes()


def _stat(pid):
    """(state, parent's process id) of a process; (None, 0): it has gone."""
    try:
        # Read for each process there is, many times a test.
        with open('/proc/%s/stat' % pid, 'rb') as file:
            state, parent = file.read().rpartition(b')')[2].split()[:2]
    except OSError:
        return None, 0
    return state, int(parent)


class Processes:
    """What the process self.process started, and what that started."""

    def descendants(self):
        """Process ids of everything the server started, in any depth."""
        below = {}
        for entry in os.listdir('/proc'):
            if entry.isdigit():
                parent = _stat(entry)[1]
                below.setdefault(parent, []).append(int(entry))
        found, todo = [], [self.process.pid]
        while todo:
            children = below.get(todo.pop(), [])
            found += children
            todo += children
        return found

    def _runs_scripts(self, pid):
        """Whether it is mod_cgid's daemon: a fork of httpd, named like it, that
        listens at a socket in a file."""
        own = {'socket:[%s]' % line.split()[6] for line in
               pathlib.Path('/proc/net/unix').read_text().splitlines()
               if line.endswith('cgisock.%d' % self.process.pid)}
        try:
            return any(os.readlink('/proc/%d/fd/%s' % (pid, fd)) in own
                       for fd in os.listdir('/proc/%d/fd' % pid))
        except OSError:
            return False  # it ended meanwhile

    def children(self):
        """Process ids of the children that serve (mod_cgid's is left out)."""
        result = []
        for pid in self.descendants():
            state, ppid = _stat(pid)
            try:
                line = command_line(pid)
            except OSError:
                continue
            if (ppid == self.process.pid and state != b'Z'
                    and b'cgid' not in line and not self._runs_scripts(pid)):
                result.append(pid)
        return result
