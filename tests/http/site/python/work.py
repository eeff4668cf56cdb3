# SPDX-License-Identifier: Apache-2.0
"""Pages for the tests of page code: each function runs for so many seconds;
what it returns is in the answer."""
import faulthandler
import hashlib
import json
import re
import threading
import time
import zlib

import stress as all_ways


def spin(seconds):
    end = time.thread_time() + seconds
    count = 0
    while time.thread_time() < end:
        for i in range(200):
            count += i
    return count


def seventy(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        for _ in range(200):
            pass


def thirty(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        for _ in range(200):
            pass


def split(seconds):
    """Returns the share that seventy took, by this thread's CPU clock."""
    took = [0, 0]
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        begin = time.thread_time()
        seventy(0.007)
        middle = time.thread_time()
        thirty(0.003)
        took[0] += middle - begin
        took[1] += time.thread_time() - middle
    return 'share %.2f' % (100 * took[0] / sum(took))


def lines(seconds):
    """Two lines of one function, three to one."""
    took = [0, 0]
    end = time.thread_time() + seconds
    text = b'x' * 4000
    while time.thread_time() < end:
        begin = time.thread_time()
        for _ in range(300): hashlib.sha256(text).digest()  # three
        middle = time.thread_time()
        for _ in range(100): hashlib.sha256(text).digest()  # one
        took[0] += middle - begin
        took[1] += time.thread_time() - middle
    return 'share %.2f' % (100 * took[0] / sum(took))


def key(item):
    return spin(0.004) * 0 + item


def sort(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sorted([3, 1, 2], key=key)


def replace(match):
    spin(0.004)
    return 'b'


def substitute(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        re.sub('a', replace, 'banana')


def compress(seconds):
    end = time.thread_time() + seconds
    text = bytes(range(256)) * 1000
    while time.thread_time() < end:
        zlib.compress(text, 9)


def digest(seconds):
    end = time.thread_time() + seconds
    text = b'x' * 1000000
    while time.thread_time() < end:
        hashlib.md5(text).digest()


def dump(seconds):
    end = time.thread_time() + seconds
    thing = [list(range(2000))] * 20
    while time.thread_time() < end:
        json.dumps(thing)


def blocked(seconds):
    time.sleep(seconds)


def number(n, seconds):
    spin(seconds)
    yield n
    if n:
        yield from number(n - 1, seconds)


def generators(seconds):
    for _ in number(4, seconds / 5):
        pass


async def inner(seconds):
    spin(seconds)


async def outer(seconds):
    await inner(seconds)


def coroutines(seconds):
    try:
        outer(seconds).send(None)
    except StopIteration:
        pass


def größe(seconds):
    spin(seconds)


def łódź(seconds):
    größe(seconds)


def deep(n, seconds):
    return deep(n - 1, seconds) if n else spin(seconds)


def recursion(seconds):
    deep(300, seconds)


def non_ascii(seconds):
    space = {'łódź': łódź}
    exec('def 𐎠𐎡(seconds): łódź(seconds)', space)
    space['𐎠𐎡'](seconds)


class Deleted:
    def __init__(self, seconds):
        self.seconds = seconds

    def __del__(self):
        spin(self.seconds)


def objects(seconds):
    thing = Deleted(seconds / 2)
    del thing
    class Body:
        spin(seconds / 2)


def elsewhere(seconds):
    spin(seconds)


def threads(seconds):
    """Only the request's own thread is profiled."""
    other = threading.Thread(target=elsewhere, args=(seconds,))
    other.start()
    spin(seconds)
    other.join()


def faults(seconds):
    """Python takes SIGSEGV: page functions are no longer read."""
    spin(seconds / 2)
    with open('/dev/null', 'w') as nowhere:
        faulthandler.enable(nowhere)
        spin(seconds / 2)
        faulthandler.disable()
    return 'served'


def stress(seconds):
    return all_ways.run(seconds)
