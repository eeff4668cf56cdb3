# SPDX-License-Identifier: Apache-2.0
"""Runs all that Python has ways to call a function, and knows which calls are
possible: on each line that calls, the callees are named in the text or after
the sign >. wrong() compares calls that a profile has seen with this text."""
import ast
import functools
import json
import re
import time


def leaf(n):
    total = 0
    for i in range(n):
        total += i * i
    return total


def recurse(n):
    if n == 0:
        return leaf(20)
    return recurse(n - 1) + 1


def even(n):
    return True if n == 0 else odd(n - 1)


def odd(n):
    return False if n == 0 else even(n - 1)


def key(item):
    return leaf(3) - item


def sort():
    return sorted([5, 3, 8, 1], key=key)


def replace(match):
    return str(leaf(len(match.group())))


def substitute():
    return re.sub('[a-c]+', replace, 'abc ab x c')  # > replace sub _compile


def numbers(n):
    for i in range(n):
        yield leaf(i)


def delegate(n):
    yield from numbers(n)
    yield leaf(2)


def generators():
    total = 0
    for number in delegate(5):
        total += number
    return total + sum(numbers(4))


def expressions():
    squares = [leaf(i) for i in range(4)]  # > leaf <listcomp>
    names = {str(i): leaf(i) for i in range(3)}  # > leaf <dictcomp>
    return sum(leaf(i) for i in squares[:2]), names  # > leaf <genexpr>


async def later(n):
    return leaf(n)


async def waits(n):
    total = await later(n)
    async for number in counts(n):
        total += number
    return total


async def counts(n):
    for i in range(n):
        yield await later(i)


def coroutines():
    coroutine = waits(3)
    try:
        coroutine.send(None)  # > waits
    except StopIteration as end:
        return end.value


class Error(Exception):
    def __init__(self, n):
        super().__init__(str(leaf(n)))


def raises(n):
    if n == 0:
        raise Error(2)  # > __init__
    try:
        raises(n - 1)
    finally:
        leaf(2)


def exceptions():
    try:
        raises(4)
    except Error:
        leaf(3)


class Held:
    def __enter__(self):
        leaf(2)
        return self

    def __exit__(self, kind, value, where):
        leaf(2)

    def __del__(self):
        leaf(4)

    def __getattr__(self, name):
        return leaf(3)

    def __call__(self, n):
        return leaf(n)

    def __lt__(self, other):
        return leaf(1) >= 0

    @property
    def value(self):
        return leaf(2)

    @staticmethod
    def static(n):
        return leaf(n)

    @classmethod
    def named(cls, n):
        return cls.static(n)


def objects():
    with Held() as held:  # > __enter__ __exit__
        held.missing  # > __getattr__
        held.value
        held(3)  # > __call__
        Held.named(2)
        min(held, Held())  # > __lt__ __del__
    del held  # > __del__


def evaluates():
    space = {'leaf': leaf}
    exec(CODE, space)  # > <module>
    return eval('leaf(5)', space)  # > <module>


def defines():
    class Inner:  # > Inner
        count = leaf(3)

        def method(self):
            return self.count + leaf(2)
    return Inner().method()  # > method


def wrapped(function):
    @functools.wraps(function)
    def wrapper(*arguments):
        return function(*arguments)  # > decorated
    return wrapper


@wrapped
def decorated(n):
    return leaf(n)


def functional():
    decorated(3)  # > wrapper
    part = functools.partial(leaf, 4)
    part()  # > leaf
    list(map(lambda n: leaf(n), range(3)))  # > <lambda>
    list(filter(leaf, range(3)))
    return functools.reduce(lambda a, b: a + b, range(5))  # > <lambda>


def default(thing):
    return leaf(3)


def from_c():
    text = json.dumps({'a': [object()]}, default=default)  # > dumps
    return json.loads(text, object_hook=hook)  # > loads


def hook(pairs):
    return leaf(2), pairs


CODE = compile('def made(n):\n    return leaf(n)\nmade(3)\n', '<made>', 'exec')


def once():
    leaf(30)
    recurse(40)
    even(20)
    sort()
    substitute()
    generators()
    expressions()
    coroutines()
    exceptions()
    objects()
    evaluates()
    defines()
    functional()
    from_c()


def run(seconds):
    end = time.thread_time() + seconds
    count = 0
    while time.thread_time() < end:
        once()
        count += 1
    return count


def _spans():
    """{qualified name: [(first, last line)]} of the functions of this file."""
    found = {}

    def visit(node, scope):
        for child in ast.iter_child_nodes(node):
            inner = scope
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef,
                                  ast.ClassDef)):
                name = scope + child.name
                found.setdefault(name, []).append(
                    (child.lineno, child.end_lineno))
                inner = name + ('.' if isinstance(child, ast.ClassDef)
                                else '.<locals>.')
            visit(child, inner)
    with open(__file__, encoding='utf-8') as source:
        visit(ast.parse(source.read()), '')
    return found


def wrong(calls):
    """Of calls, [(callee, caller, line of the caller, the caller's file)], the
    ones that this file does not have. Calls of other files are not judged."""
    with open(__file__, encoding='utf-8') as source:
        lines = [''] + source.read().splitlines()
    spans = _spans()
    found = []
    for callee, caller, line, path in calls:
        if path.rpartition('/')[2] != __file__.rpartition('/')[2]:
            continue
        name = callee.rpartition('.')[2]
        within = [span for span in spans.get(caller, [(1, len(lines))])
                  if span[0] <= line <= span[1]]
        words = re.findall(r'<?\w+>?', lines[line] if 0 < line < len(lines)
                           else '')
        if not within or name not in words:
            found.append((callee, caller, line))
    return found
