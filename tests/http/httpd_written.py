# SPDX-License-Identifier: Apache-2.0
"""What a test server wrote: its logs, its profiles, its OOPS reports."""
import os
import pathlib
import re

from waits import wait_for

LEVEL = re.compile(r'^\[[^\]]*\] \[[\w.-]*:(\w+)\]')
BAD_LEVELS = {'emerg', 'alert', 'crit', 'error', 'warn'}
CRASH = re.compile(r'exit signal|AH00051|AH00052')
# Of the machine, not of any test: mod_ssl was built with a later OpenSSL than
# the one installed; (nearly) all workers are busy at once, where many ask and
# it is slow; a child takes more than three seconds to end, as the job that it has
# in hand may (one that has to be killed, AH00046, is a fault).
OF_THE_MACHINE = (re.compile('AH01882'),
                  re.compile('AH00045: child process [0-9]+ still did not '
                             'exit, sending a SIGTERM'),
                  re.compile('AH(00484|00286|00287|00161|10159): server '))
if 'LPP_VALGRIND_OPTS' in os.environ:
    # Valgrind's own way to interrupt a call passes no trial of restarts.
    OF_THE_MACHINE += re.compile('LPP067'),


class Written:
    """Reads what the server at self.root wrote."""

    def __init__(self, root):
        self.error_log = root / 'error.log'
        self.access_log = root / 'access.log'
        self.profile_dir = root / 'run' / 'lpprofile'
        self._checked = 0  # of the error log, in characters
        self._allowed = []

    def _log(self):
        try:
            return self.error_log.read_text('utf-8', 'replace')
        except FileNotFoundError:
            return ''

    def error_lines(self):
        """Every line of the error log since the test began to use it."""
        with_start = self._log()[self._checked:]
        return with_start.splitlines()

    def access_lines(self, count=0, timeout=10):
        """Lines of the access log; waits until there are count of them
        (a line is written after the client has its response)."""
        def read():
            lines = self.access_log.read_text('utf-8', 'replace').splitlines()
            return lines if len(lines) >= count else None
        if count:
            return wait_for(read, timeout, '%d access log lines' % count)
        return self.access_log.read_text('utf-8', 'replace').splitlines()

    def allow_log(self, *patterns):
        """Lines that match one of these are no fault in this test."""
        self._allowed += [re.compile(pattern) for pattern in patterns]

    def expect_log(self, pattern, timeout=10):
        """Wait for a line of this test that matches; it is no fault.
        Returns the match."""
        wanted = re.compile(pattern)

        def look():
            for line in self.error_lines():
                match = wanted.search(line)
                if match:
                    return match
            return None
        try:
            match = wait_for(look, timeout, 'a log line like ' + pattern)
        except AssertionError as error:
            raise AssertionError('%s in\n%s' % (
                error, '\n'.join(self.error_lines()))) from None
        self._allowed.append(wanted)
        return match

    def begin_test(self):
        self._allowed = []

    def take_faults(self, allowed=()):
        """Log lines since the last call that no test named: warnings and
        worse, crashes, and text that is not httpd's (a sanitizer's)."""
        text = self._log()
        new = text[self._checked:]
        new = new[:new.rfind('\n') + 1]
        self._checked += len(new)
        patterns = [*OF_THE_MACHINE, *self._allowed,
                    *[re.compile(p) for p in allowed]]
        faults = []
        for line in new.splitlines():
            level = LEVEL.match(line)
            bad = (not level or level.group(1) in BAD_LEVELS
                   or CRASH.search(line))
            if bad and line and not any(p.search(line) for p in patterns):
                faults.append(line)
        return faults

    def profile_files(self, oops_id='', directory=None):
        """Whole profile files, oldest name first (not OOPSes, not .tmp)."""
        where = pathlib.Path(directory or self.profile_dir)
        try:
            return sorted(p for p in where.iterdir() if p.is_file()
                          and oops_id in p.name and is_profile(p.name))
        except FileNotFoundError:
            return []

    def wait_files(self, oops_id, count=1, timeout=10, directory=None):
        """The files of one profile, once there are count of them."""
        def look():
            files = self.profile_files(oops_id, directory)
            return files if len(files) >= count else None
        return wait_for(look, timeout, '%d files of %s' % (count, oops_id))

    def wait_oops(self, oops_id, timeout=10, directory=None):
        """The path of an OOPS report, once it is there."""
        where = pathlib.Path(directory or self.profile_dir / 'oops')

        def look():
            return next(iter(where.glob('*/' + oops_id)), None)
        return wait_for(look, timeout, 'the report ' + oops_id)

    def wait_saved(self, oops_id, timeout=10, directory=None):
        """The path of a saved profile, once it is there: what the report page
        is made of, and written after the files of wait_files."""
        where = pathlib.Path(directory or self.profile_dir)

        def look():
            return next(iter(where.glob('*%s*.lpprofile' % oops_id)), None)
        return wait_for(look, timeout, 'the saved profile ' + oops_id)


def is_profile(name):
    return (name.startswith('callgrind.out.')
            or name.endswith(('.prof', '.pb.gz', '.collapsed.txt')))
