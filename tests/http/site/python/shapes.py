# SPDX-License-Identifier: Apache-2.0
"""Calls check(text) in many ways, with the stack that there must be: a line
with qualified name, file and line of each function, innermost first. check is
C code, which reads the same stack."""
import re
import sys
import threading

check = None
names = []


def stack(frame):
    lines = []
    while frame:
        code = frame.f_code
        lines.append('%s\t%s\t%d\n' % (code.co_qualname, code.co_filename,
                                       frame.f_lineno))
        frame = frame.f_back
    return ''.join(lines).encode()


def probe(*_):
    check(stack(sys._getframe()))
    return 1


def plain():
    probe()


def recursion(n):
    if n:
        return recursion(n - 1)
    probe()


def deep():
    recursion(200)


def deeper():
    recursion(300)


def callbacks():
    sorted([2, 1], key=probe)
    sorted([2, 1], key=lambda n: probe())
    re.sub('a', lambda match: str(probe()), 'banana')
    list(map(probe, (1, 2)))


def callback_in_callback():
    sorted([1], key=lambda n: sorted([2], key=lambda m: max([3], key=probe)))


def generate(n):
    probe()
    yield n
    if n:
        yield from generate(n - 1)


def generators():
    for _ in generate(3):
        probe()
    sum(probe() for _ in range(3))
    next(generate(0))


async def coroutine(n):
    probe()
    if n:
        await coroutine(n - 1)
    async for _ in asynchronous():
        probe()


async def asynchronous():
    probe()
    yield 1


def coroutines():
    try:
        coroutine(3).send(None)
    except StopIteration:
        pass


def raises():
    try:
        probe()
        raise ValueError
    finally:
        probe()


def exceptions():
    try:
        raises()
    except ValueError:
        probe()


class Meta(type):
    def __call__(cls, *args):
        probe()
        return super().__call__(*args)


class Thing(metaclass=Meta):
    def __init__(self):
        probe()

    def __del__(self):
        probe()

    def __getattr__(self, name):
        return probe()

    class Inner:
        def method(self):
            probe()


def objects():
    thing = Thing()
    thing.missing
    Thing.Inner().method()
    del thing


def class_body():
    class Body:
        probe()
        number = probe()


def comprehensions():
    [probe() for _ in range(2)]
    {n: probe() for n in range(2)}


def executes():
    exec('probe()', globals())
    eval('\n\nprobe()', globals())
    exec(compile('\n' * 70000 + 'def far():\n  probe()\nfar()', 'far.py',
                 'exec'), globals())


def blank():
    probe(

        probe(),


        probe()
    )


def non_ascii():
    for name in ('größe', 'łódź', '𝔢rror', 'na' + 'ï' * 150, 'Ω' * 90,
                 '𝔢' * 80):
        text = 'def %s(): probe()\n%s()' % (name, name)
        exec(compile(text, '/tmp/%s/%s.py' % (name, name), 'exec'), globals())


def in_thread():
    thread = threading.Thread(target=probe)
    thread.start()
    thread.join()
    probe()


INNER = '''
import ctypes, sys
check = ctypes.CFUNCTYPE(None, ctypes.c_char_p)(%d)
def stack(frame):
    lines = []
    while frame:
        lines.append('%%s\\t%%s\\t%%d\\n' %% (frame.f_code.co_qualname,
            frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    return ''.join(lines).encode()
def inside(n):
    if n: inside(n - 1)
    else: check(stack(sys._getframe()) + outer)
outer = %r
inside(2)
'''


def interpreters():
    """One interpreter runs below another one's C code."""
    try:
        import _interpreters as module
        other = module.create('legacy')
    except ImportError:
        import _xxsubinterpreters as module
        other = module.create()
    run = module.run_string
    run(other, INNER % (address, stack(sys._getframe())))
    module.destroy(other)
    probe()


ALL = (plain, deep, deeper, callbacks, callback_in_callback, generators,
       coroutines, exceptions, objects, class_body, comprehensions, executes,
       blank, non_ascii, in_thread, interpreters)


def run(at):
    global check, address
    import ctypes
    address = at
    # Without and with Python's lock.
    for kind in (ctypes.CFUNCTYPE, ctypes.PYFUNCTYPE):
        check = kind(None, ctypes.c_char_p)(at)
        for shape in ALL:
            shape()
