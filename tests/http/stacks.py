# SPDX-License-Identifier: Apache-2.0
"""Reads folded stacks (*.collapsed.txt) into shares of wall time."""


class Stacks:
    """lines: [(functions outermost first, without their objects, us)]."""

    def __init__(self, path):
        self.lines = []
        for line in path.read_text('utf-8').splitlines():
            stack, _, weight = line.rpartition(' ')
            # Without the object, and without the place of a function of which
            # the profile has several.
            self.lines.append(([frame.partition(' [')[0].partition(' (0x')[0]
                                for frame in stack.split(';')], int(weight)))
        self.total = sum(weight for _, weight in self.lines)

    def us(self, *path):
        """Wall time with the functions of path on the stack, in this order
        (others may stand between)."""
        return sum(weight for stack, weight in self.lines
                   if self._has(stack, path))

    def own(self, function):
        return sum(weight for stack, weight in self.lines
                   if stack[-1] == function)

    def share(self, *path, of=None):
        """Per cent of the whole, or of what ran below a function."""
        whole = self.us(of) if of else self.total
        return 100.0 * self.us(*path) / max(1, whole)

    def depth(self, function):
        """The most often that function stands on one stack."""
        return max(stack.count(function) for stack, _ in self.lines)

    @staticmethod
    def _has(stack, path):
        at = iter(stack)
        return all(name in at for name in path)
