# SPDX-License-Identifier: Apache-2.0
"""Reads a callgrind file into numbers, as far as this module writes them."""
import collections
import re

FN = re.compile(r'^(c?fn)=(?:\((\d+)\) ?)?(.*)$')


class Callgrind:
    """events: names; own[function], edges[caller, callee]: lists of costs in
    the order of events; total: the summary line."""

    def __init__(self, path):
        self.events, self.total = [], []
        self.own = collections.defaultdict(list)
        self.edges = collections.defaultdict(list)
        self._names = {}
        function = callee = None
        after_calls = False
        for line in path.read_text('utf-8').splitlines():
            match = FN.match(line)
            if match:
                name = self._name(match.group(2), match.group(3))
                if match.group(1) == 'fn':
                    function = name
                else:
                    callee = name
            elif line.startswith('events:'):
                self.events = line.split()[1:]
            elif line.startswith(('summary:', 'totals:')):
                self.total = [int(n) for n in line.split()[1:]]
            elif line.startswith('calls='):
                after_calls = True
            elif re.match(r'^[+\-*\d]', line):
                costs = [int(n) for n in line.split()[1:]]
                if after_calls:
                    self._add(self.edges[function, callee], costs)
                else:
                    self._add(self.own[function], costs)
                after_calls = False

    def _name(self, number, name):
        if number and name:
            self._names[number] = name
        return self._names[number] if number else name

    @staticmethod
    def _add(into, costs):
        into.extend([0] * (len(costs) - len(into)))
        for at, cost in enumerate(costs):
            into[at] += cost

    def top(self, event='Wall'):
        """Functions by their own cost, largest first."""
        at = self.events.index(event)
        return sorted(self.own, key=lambda f: -(self.own[f] + [0] * 9)[at])

    def inclusive(self, function, event='Wall'):
        """Own cost and that of all calls (of one that does not recurse).
        Namesakes, told apart by " (0x...)", count together."""
        at = self.events.index(event)

        def meant(name):
            return name == function or name.startswith(function + ' (0x')
        return sum((costs + [0] * 9)[at] for costs in
                   [*[cost for name, cost in self.own.items() if meant(name)],
                    *[cost for (caller, _), cost in self.edges.items()
                      if meant(caller)]])

    def share(self, function, event='Wall'):
        return self.inclusive(function, event) / max(
            1, self.total[self.events.index(event)])

    def called_below(self, function):
        """Every function that function calls, in any depth."""
        found, todo = set(), [function]
        while todo:
            name = todo.pop()
            for caller, callee in self.edges:
                if caller == name and callee not in found:
                    found.add(callee)
                    todo.append(callee)
        return found
