# SPDX-License-Identifier: Apache-2.0
"""Readers that insist on what the readers that people use insist on: of
callgrind's format, pstats, profile.proto, collapsed stacks."""
import collections
import gzip
import marshal
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import protobuf  # noqa: E402
from foreign import Totals  # noqa: E402
from protobuf import packed  # noqa: E402


class Callgrind:
    """A strict reader: what KCacheGrind and callgrind_annotate insist on."""

    def __init__(self, path):
        self.head, self.self_cost, self.calls = [], {}, {}
        self.self_lines, self.call_lines = {}, {}  # the same, by line
        self.names = {'ob': {}, 'fl': {}, 'fn': {}}
        self.totals = self.summary = None
        text = path.read_text('utf-8')
        lines = text.split('\n')
        assert lines[0] == '# callgrind format'
        assert lines[-1] == '' and not [x for x in lines if x.endswith(' ')]
        at = lines.index('events: Wall CPU Ready Samples')
        self.head = lines[1:at]
        assert lines[at + 1].startswith('summary: ')
        self.summary = self.cost(lines[at + 1].split(' ', 1)[1])
        self.body(lines[at + 2:-1])

    @staticmethod
    def cost(text):
        assert re.fullmatch(r'\d+ \d+ \d+ \d+', text), text
        return Totals(*map(int, text.split(' ')))

    def name(self, space, text):
        if text == '':
            return ''
        number, name = re.fullmatch(r'\((\d+)\)(?: (.+))?', text).groups()
        known = self.names[space]
        if name is None:
            return known[number]
        assert number not in known, 'defined twice: ' + text
        assert not re.match(r'\(\d', name) and '#' not in name
        known[number] = name
        return name

    def body(self, lines):
        where, callee, pending = {}, {}, None
        for line in lines:
            if line == '':
                continue
            assert self.totals is None, 'something after totals:'
            key, equals, value = line.partition('=')
            if line.startswith('totals: '):
                self.totals = self.cost(line[8:])
            elif equals and key in ('ob', 'fl', 'fn'):
                where[key] = self.name(key, value)
                if key == 'fn':
                    function = (where['ob'], where['fl'], where['fn'])
                    assert function not in self.self_cost
                    self.self_cost[function] = Totals(0, 0, 0, 0)
            elif equals and key in ('cob', 'cfi', 'cfn'):
                space = {'cob': 'ob', 'cfi': 'fl', 'cfn': 'fn'}[key]
                callee[space] = self.name(space, value)
            elif equals and key == 'calls':
                count, _ = value.split(' ')
                assert int(count) >= 1 and len(callee) == 3
                pending = (callee['ob'], callee['fl'], callee['fn'])
                callee = {}
            else:
                at, rest = line.split(' ', 1)
                cost = self.cost(rest)
                if pending is None:
                    if any(cost):  # 0: of a line that only calls
                        self.once(self.self_lines, (function, int(at)), cost)
                    self.add(self.self_cost, function, cost)
                else:
                    self.once(self.call_lines,
                              (function, pending, int(at)), cost)
                    self.add(self.calls, (function, pending), cost)
                    pending = None
        assert pending is None
        # only a script has the costs of more than one line
        functions = [function for function, _ in self.self_lines]
        edges = [key[:2] for key in self.call_lines]
        for function in ([x for x in functions if functions.count(x) > 1]
                         + [x[0] for x in edges if edges.count(x) > 1]):
            assert function[1].endswith('.php'), function

    @staticmethod
    def once(costs, key, cost):
        assert key not in costs
        costs[key] = cost

    @staticmethod
    def add(costs, key, cost):
        costs[key] = Totals(*map(sum, zip(costs.get(key, (0,) * 4), cost)))


def read_pstats(path):
    return marshal.loads(path.read_bytes())


def message(data):
    result = collections.defaultdict(list)
    for number, value in protobuf.fields(data):
        result[number].append(value)
    return result


class Pprof:
    """By the numbers of google/pprof's profile.proto."""

    def __init__(self, path):
        top = message(gzip.decompress(path.read_bytes()))
        self.strings = [x.decode('utf-8') for x in top[6]]
        assert self.strings[0] == ''
        assert len(set(self.strings)) == len(self.strings)
        self.types = [tuple(self.strings[message(x)[n][0]] for n in (1, 2))
                      for x in top[1]]
        self.functions = {}
        for function in map(message, top[5]):
            number, = function[1]
            assert number not in self.functions
            self.functions[number] = (
                self.strings[function[2][0]],
                self.strings[(function[4] or [0])[0]],
                (function[5] or [0])[0])
        self.locations, self.lines = {}, {}
        for location in map(message, top[4]):
            number, = location[1]
            line, = location[4]
            assert 0 < number < 2 ** 32 and number not in self.locations
            self.locations[number] = self.functions[message(line)[1][0]]
            self.lines[number] = (message(line)[2] or [0])[0]
        self.samples, self.stack_lines = [], []
        for sample in map(message, top[2]):
            numbers = packed(sample[1])
            stack = [self.locations[x] for x in numbers]
            self.samples.append((stack, packed(sample[2])))
            self.stack_lines.append([self.lines[x] for x in numbers])
            labels = {self.strings[message(x)[1][0]]:
                      self.strings[message(x)[2][0]] for x in sample[3]}
            assert labels == {
                'oops': 'OOPS-0123456789abcdef0123456789abcdef',
                'page': 'RootObject:index.html',
                'host': 'www.example.org'}
        assert 7 not in top and 8 not in top
        self.time, self.duration = (top[9] or [0])[0], (top[10] or [0])[0]
        self.default = self.strings[top[14][0]]
        self.period = top[12]


def read_collapsed(path):
    stacks = collections.Counter()
    for line in path.read_text('utf-8').splitlines():
        stack, weight = line.rsplit(' ', 1)
        frames = stack.split(';')
        assert all(x and x == x.strip() for x in frames), frames
        assert frames[0] == '[request]'
        stacks[stack] += int(weight)
    assert stacks
    return stacks
