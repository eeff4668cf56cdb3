#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a request costs that is only memory-logged: system calls, and time; and
how long the allocator counts its heap, which is why that is done seldom where
it takes long.

    LPP_MODULE=build/mod_lpprofile.so tests/bench/bench_memory.py

Prints figures, asserts nothing. Needs strace for the first part. The two
servers are asked in turn, so that a busy machine is busy for both.
"""
import collections
import ctypes
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent
                       / 'http'))

import httpd_env  # noqa: E402

ONE = ('LPProfilingAllowed On\nStartServers 1\nMinSpareServers 1\n'
       'MaxSpareServers 1\nServerLimit 1\nMaxRequestWorkers 1\n'
       'MaxKeepAliveRequests 0\nKeepAliveTimeout 60\nLogLevel crit\n')
ROUNDS, REQUESTS = 40, 250


def system_calls(server, requests=100):
    child, = server.children()
    trace = server.root / 'trace'
    strace = subprocess.Popen(['strace', '-f', '-qq', '-o', str(trace), '-p',
                               str(child)], stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    with server.connection() as connection:
        for _ in range(requests):
            server.get('/plain.txt', connection=connection)
    time.sleep(0.3)
    strace.send_signal(signal.SIGINT)
    strace.wait(10)
    names = (line.split(None, 1)[1].partition('(')[0]
             for line in trace.read_text().splitlines())
    return {name: count / requests
            for name, count in collections.Counter(names).items()}


def seconds(server, connection):
    begun = time.perf_counter()
    for _ in range(REQUESTS):
        server.get('/plain.txt', connection=connection)
    return time.perf_counter() - begun


def heap_counting():
    """mallinfo2 over the arenas of so many threads, in this process."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    result = ctypes.create_string_buffer(256)  # of the structure, by address
    libc.mallinfo2.argtypes = [ctypes.c_void_p]
    libc.mallinfo2.restype = None

    def count():
        begun = time.perf_counter()
        libc.mallinfo2(result)
        return 1e6 * (time.perf_counter() - begun)

    def fragment(pieces, made, done):
        # Larger than what a thread keeps for itself, and no two free ones meet.
        pieces = [libc.malloc(1100 + n % 97) for n in range(2 * pieces)]
        for piece in pieces[::2]:
            libc.free(piece)
        made.release()
        done.wait()
        for piece in pieces[1::2]:
            libc.free(piece)

    print('counting the heap (mallinfo2), threads, free pieces of each:')
    for threads in (1, 25):
        for pieces in (10, 100, 10000):
            made, done = threading.Semaphore(0), threading.Event()
            running = [threading.Thread(target=fragment,
                                        args=(pieces, made, done))
                       for _ in range(threads)]
            for thread in running:
                thread.start()
            for _ in running:
                made.acquire()
            took = statistics.median(count() for _ in range(25))
            done.set()
            for thread in running:
                thread.join()
            print('  %2d %6d %10.1f us' % (threads, pieces, took))


def main():
    heap_counting()
    servers = [httpd_env.Httpd(ONE + extra, mpm='prefork').start()
               for extra in ('', 'LPMemoryProfileLog ${ROOT}/memory.log\n')]
    try:
        if os.path.exists('/usr/bin/strace'):
            plain, logged = [system_calls(server) for server in servers]
            print('system calls a request (not logged, logged):')
            for name in sorted(set(plain) | set(logged)):
                if abs(plain.get(name, 0) - logged.get(name, 0)) > 0.05:
                    print('  %-10s %6.2f %6.2f' % (name, plain.get(name, 0),
                                                   logged.get(name, 0)))
        times = [[], []]
        connections = [server.connection() for server in servers]
        for _ in range(ROUNDS):
            for i, server in enumerate(servers):
                times[i].append(seconds(server, connections[i]) / REQUESTS)
        for connection in connections:
            connection.close()
        for name, values in zip(('not logged', 'logged'), times):
            print('%-10s %7.1f us a request (fastest %.1f)' % (
                name, 1e6 * statistics.median(values), 1e6 * min(values)))
        print('difference %7.1f us (fastest %.1f)' % (
            1e6 * (statistics.median(times[1]) - statistics.median(times[0])),
            1e6 * (min(times[1]) - min(times[0]))))
    finally:
        httpd_env.stop_all(servers)
        for server in servers:
            server.remove()


if __name__ == '__main__':
    main()
