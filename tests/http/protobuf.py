# SPDX-License-Identifier: Apache-2.0
"""Reads a message of protobuf without its description."""


def _number(data, at):
    """(the number at that place, the place after it)."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data):
    """(number, value) of each field of a protobuf message."""
    at = 0
    while at < len(data):
        tag, at = _number(data, at)
        value, at = _number(data, at)
        if tag & 7 != 0:
            assert tag & 7 == 2, tag
            value, at = data[at:at + value], at + value
        yield tag >> 3, value


def packed(values):
    """The numbers of a repeated field, whose values are packed or not."""
    result = []
    for value in values:
        if isinstance(value, int):
            result.append(value)
            continue
        at = 0
        while at < len(value):
            number, at = _number(value, at)
            result.append(number)
    return result
