# SPDX-License-Identifier: Apache-2.0
"""How long this machine itself stood still while something was measured."""
import threading
import time

NAP_S = 0.01


class Pauses:
    """A sleeper beside what is measured. lost: seconds that its naps were late
    by, which were late for everything else on the machine too."""

    def __init__(self):
        self.lost = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._over.is_set():
            begin = time.monotonic()
            time.sleep(NAP_S)
            self.lost += max(0.0, time.monotonic() - begin - 2 * NAP_S)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
