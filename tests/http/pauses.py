# SPDX-License-Identifier: Apache-2.0
"""How long the machine kept something from running while it was measured, so
that a measurement which the machine spoiled can be taken again."""
import pathlib
import threading
import time

NAP_S = 0.01


def waited_s(pids):
    """Seconds that the threads of these processes were ready to run, but had no
    processor."""
    total = 0
    for pid in pids:
        for path in pathlib.Path('/proc/%d/task' % pid).glob('*/schedstat'):
            try:
                total += int(path.read_text().split()[1])
            except OSError:
                pass  # it ended meanwhile
    return total / 1e9


class Pauses:
    """A sleeper beside what is measured. lost: seconds that its naps were late
    by, which were late for everything else on the machine too; and those that
    the processes pids had to wait for a processor."""

    def __init__(self, pids=()):
        self.lost = 0.0
        self._pids = list(pids)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._over.is_set():
            begin = time.monotonic()
            time.sleep(NAP_S)
            self.lost += max(0.0, time.monotonic() - begin - 2 * NAP_S)

    def __enter__(self):
        self._before = waited_s(self._pids)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        self.lost += max(0.0, waited_s(self._pids) - self._before)


def undisturbed(server, measure, share=0.02, most=8):
    """(what measure() returned, the share of its time that was lost): the first
    measurement that lost less than share; of most of them, the one that lost
    least."""
    best, least = None, None
    for _ in range(most):
        begin = time.monotonic()
        with Pauses(server.children()) as pauses:
            found = measure()
        lost = min(1.0, pauses.lost / (time.monotonic() - begin))
        if least is None or lost < least:
            best, least = found, lost
        if least < share:
            break
    print('%.1f %% of the time was lost' % (100 * least))
    return best, least
