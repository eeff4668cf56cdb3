# SPDX-License-Identifier: Apache-2.0
"""What a process owns, as the kernel tells it: to compare before and after."""
import collections
import os
import pathlib
import re


def _signals(text):
    return {name: int(bits, 16) for name, bits in re.findall(
        r'^(SigBlk|SigIgn|SigCgt):\s*(\w+)', text, re.M)}


class State(collections.namedtuple('State', 'fds threads timers signals')):
    """fds: {what: count}; threads: {(name, mask): count}; timers: count;
    signals: those ignored and caught."""

    def differs(self, other):
        """What is different, in words; empty where nothing is."""
        return '; '.join(
            '%s: %r, not %r' % (name, mine, theirs)
            for name, mine, theirs in zip(self._fields, self, other)
            if mine != theirs)


def of(pid):
    """State of a process, None if it went meanwhile."""
    root = pathlib.Path('/proc/%d' % pid)
    try:
        fds = collections.Counter()
        for fd in (root / 'fd').iterdir():
            try:
                fds[re.sub(r'\[\d+\]$|(?<=^/proc/)\d+', '',
                           os.readlink(fd))] += 1
            except FileNotFoundError:
                pass  # closed meanwhile
        threads = collections.Counter()
        for task in (root / 'task').iterdir():
            try:
                mask = _signals((task / 'status').read_text())['SigBlk']
                threads[(task / 'comm').read_text().strip(),
                        '%x' % mask] += 1
            except (FileNotFoundError, ProcessLookupError):
                pass
        timers = (root / 'timers').read_text().count('ID:')
        process = _signals((root / 'status').read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None
    return State(dict(fds), dict(threads), timers,
                 {name: '%x' % process[name] for name in ('SigIgn', 'SigCgt')})


def has_profiled(state):
    """Whether the process has the module's helper thread."""
    return state is not None and any(name.startswith('lpp-')
                                     for name, _ in state.threads)


def leftovers(server):
    """Temporary files below what the server may write."""
    return [path for path in (server.root / 'run').rglob('*')
            if path.name.endswith('.tmp')]
