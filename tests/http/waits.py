# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition: the one way that tests wait."""
import time


def wait_for(probe, timeout=10.0, what=None):
    """Call probe() until it returns something true, and return that."""
    deadline = time.monotonic() + timeout
    while True:
        # Asked before: a machine that stood still is looked at once more.
        late = time.monotonic() > deadline
        value = probe()
        if value:
            return value
        if late:
            raise AssertionError('waited %.1f s in vain for %s'
                                 % (timeout, what or probe))
        time.sleep(0.01)
