# SPDX-License-Identifier: Apache-2.0
"""Reads a pprof file into stacks whose page functions have their lines."""
import collections
import gzip
import os

from protobuf import fields, packed

# file: the script's whole path, '' of a function that is written in C. line:
# where the function ran; begin: where it begins. is_page: else a C function.
Frame = collections.namedtuple('Frame', 'name file line begin is_page')
Stack = collections.namedtuple('Stack', 'frames samples wall_us')


class PageStacks:
    """stacks: of each Stack the frames are outermost first. suffix: how the
    names of the language's files end."""

    def __init__(self, path, suffix):
        self._parts = collections.defaultdict(list)
        for number, value in fields(gzip.decompress(path.read_bytes())):
            self._parts[number].append(value)
        self._strings = [text.decode('utf-8') for text in self._parts[6]]
        self._suffix = suffix
        self._functions = dict(map(self._function, self._parts[5]))
        self._locations = dict(map(self._location, self._parts[4]))
        kinds = [self._strings[dict(fields(kind)).get(1, 0)]
                 for kind in self._parts[1]]
        self.stacks = [self._stack(sample, kinds) for sample in self._parts[2]]

    def _function(self, data):
        got = dict(fields(data))
        return got[1], (self._strings[got.get(2, 0)],
                        self._strings[got.get(4, 0)], got.get(5, 0))

    def _location(self, data):
        got = dict(fields(data))
        line = dict(fields(got[4]))
        name, file, begin = self._functions[line[1]]
        # The name of an eval's file: "/site/index.php(12) : eval()'d code".
        of_script = self._suffix in os.path.basename(file)
        is_page = 2 not in got and (of_script or name.endswith('()'))
        at = line.get(2, 0)
        return got[1], Frame(name, file, at if is_page else 0, begin, is_page)

    def _stack(self, data, kinds):
        got = collections.defaultdict(list)
        for number, value in fields(data):
            got[number] += packed([value]) if number in (1, 2) else [value]
        values = dict(zip(kinds, got[2]))
        frames = [self._locations[at] for at in reversed(got[1])]
        return Stack(frames, values['samples'], values['wall'])

    def samples(self, *names):
        """Samples with these functions on the stack, in this order."""
        return sum(stack.samples for stack in self.stacks
                   if self.has(stack.frames, names))

    @staticmethod
    def has(frames, names):
        at = iter(frame.name for frame in frames)
        return all(name in at for name in names)

    def lines(self, name):
        """Counter: samples of each line of the function, where it is the
        innermost page function."""
        found = collections.Counter()
        for stack in self.stacks:
            page = [frame for frame in stack.frames if frame.is_page]
            if page and page[-1].name == name:
                found[page[-1].line] += stack.samples
        return found
