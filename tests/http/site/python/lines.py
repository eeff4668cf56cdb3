# SPDX-License-Identifier: Apache-2.0
"""Calls check(first, table, lines) for many functions of Python's own library:
the line that a function begins at, its location table, and the line of each of
its code units, as CPython says; 0: none."""
import array
import types


def codes(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)


def run(at):
    import argparse
    import asyncio.base_events
    import ctypes
    import dataclasses
    import decimal
    import json.decoder
    import typing
    check = ctypes.CFUNCTYPE(None, ctypes.c_uint, ctypes.c_char_p,
                             ctypes.c_size_t, ctypes.c_char_p,
                             ctypes.c_size_t)(at)
    for module in (argparse, asyncio.base_events, dataclasses, json.decoder,
                   typing, decimal, array, types):
        path = getattr(module, '__file__', None)
        if path is None or not path.endswith('.py'):
            continue
        with open(path, encoding='utf-8') as source:
            whole = compile(source.read(), path, 'exec')
        for code in codes(whole):
            lines = array.array('I', [where[0] or 0 for where
                                      in code.co_positions()]).tobytes()
            check(code.co_firstlineno, code.co_linetable,
                  len(code.co_linetable), lines, len(lines) // 4)
