# SPDX-License-Identifier: Apache-2.0
"""The processes of a test server."""
import os
import pathlib


def command_line(pid):
    return pathlib.Path('/proc/%d/cmdline' % pid).read_bytes()


class Processes:
    """What the process self.process started, and what that started."""

    def descendants(self):
        """Process ids of everything the server started, in any depth."""
        parents = {}
        for entry in os.listdir('/proc'):
            if entry.isdigit():
                try:
                    stat = pathlib.Path('/proc', entry, 'stat').read_text()
                except OSError:
                    continue
                parents[int(entry)] = int(stat.rpartition(')')[2].split()[1])
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            children = [p for p, parent in parents.items() if parent == pid]
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
            try:
                stat = pathlib.Path('/proc/%d/stat' % pid).read_text()
                line = command_line(pid)
            except OSError:
                continue
            ppid = int(stat.rpartition(')')[2].split()[1])
            state = stat.rpartition(')')[2].split()[0]
            if (ppid == self.process.pid and state != 'Z'
                    and b'cgid' not in line and not self._runs_scripts(pid)):
                result.append(pid)
        return result
