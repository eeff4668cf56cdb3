# SPDX-License-Identifier: Apache-2.0
"""The demo: a private httpd with a small site, and a profile of its pages.

demo.py show DIRECTORY   profile four pages, print what was found, keep the
                         files in DIRECTORY, stop
demo.py run [PORT]       serve until Ctrl-C
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import httpd_env
from calls_table import plain

CONFIG = 'LPProfilingAllowed On\n'
FEATURES = ('lua', 'cgi', 'include', 'autoindex')
PAGES = (('a static page', '/index.html'),
         ('a page of mod_include', '/page.shtml'),
         ('a CGI', '/cgi/page'),
         ('a Lua page that computes for a second',
          '/lua/compute.lua?ms=1000'))
TRIGGER = '/++profile++show&callgrind'
ROWS = 12
FIRST = re.compile(r'<span class="first">(.*?)</span>', re.S)
# The page function of the last page, and its line.
PAGE_FUNCTION = 'in handle (compute.lua:'
COST = re.compile(r'^\s*([\d,]+) \(\s*[\d.]+%\)')


class Failed(Exception):
    """What the demo promises did not happen."""


def expect(holds, text):
    if not holds:
        raise Failed(text)


def keep(path, directory):
    target = directory / path.name
    shutil.copy(path, target)
    return target


def profile_page(server, path, directory):
    """Profile one page and check what came; returns its callgrind file and the
    begin of its first sentence."""
    got = server.get(TRIGGER + path)
    print('   status       ', got.status, got.reason)
    for name in ('X-LPProfile', 'X-Lazr-OopsId', 'X-LPProfile-File',
                 'Server-Timing'):
        for value in got.all(name):
            print('   %-14s' % (name if len(name) < 14 else name + ' '),
                  value)
    expect(got.status == 200, 'status %d for %s' % (got.status, path))
    expect(got.oops_id, 'no X-Lazr-OopsId: %s was not profiled' % path)
    expect('Profiling Information' in got.text,
           'the page %s has no profile in it' % path)
    try:
        log, = server.wait_files(got.oops_id)
        oops = server.wait_oops(got.oops_id)
    except AssertionError as error:
        raise Failed('%s: %s' % (path, error)) from None
    said = FIRST.search(got.text)
    text = plain(said.group(1)) if said else ''
    if said:
        print('   the page says ', text)
    page = directory / (got.oops_id + '.html')
    page.write_bytes(got.body)
    kept = keep(log, directory)
    print('   page         ', page)
    print('   callgrind log', kept)
    print('   OOPS report  ', keep(oops, directory))
    return kept, text


def annotate(log, *options, source=()):
    """What callgrind_annotate prints; None: it is not installed."""
    if not shutil.which('callgrind_annotate'):
        print('   (callgrind_annotate is not installed)')
        return None
    done = subprocess.run(['callgrind_annotate', *options, str(log),
                           *map(str, source)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    expect(done.returncode == 0, 'callgrind_annotate cannot read %s:\n%s'
           % (log, done.stdout))
    return done.stdout


def print_top(log, what, *options):
    """The head of one of callgrind_annotate's lists."""
    print('\n%s: wall us, CPU us, samples' % what)
    out = annotate(log, '--auto=no', *options)
    if out is None:
        return
    rows = [line for line in out.splitlines() if COST.match(line)]
    expect(len(rows) > 1, 'callgrind_annotate finds nothing in %s:\n%s'
           % (log, out))
    for line in rows[:ROWS]:
        print('   ' + line)


def print_lines(log, script):
    """The lines of the page's script that have a cost."""
    print('\nLines of %s: wall us, CPU us, samples' % script.name)
    out = annotate(log, '--auto=no', source=[script])
    if out is None:
        return
    source = out.partition('annotated source: ')[2].splitlines()[1:]
    rows = [line for line in source if COST.match(line)
            and not line.endswith('events annotated')]
    expect(rows, 'callgrind_annotate shows no line of %s:\n%s'
           % (script, out))
    for line in rows:
        print('   ' + line)


def show(directory):
    directory = pathlib.Path(directory)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    server = httpd_env.Httpd(CONFIG, features=FEATURES)
    try:
        server.start()
        print('httpd (event) at', server.url('/'))
        for what, path in PAGES:
            print('\n%s: GET %s%s' % (what, TRIGGER, path))
            log, first = profile_page(server, path, directory)
        expect(PAGE_FUNCTION in first, 'the page does not name its function '
               'and line: ' + first)
        print_top(log, 'Top of that page, functions by themselves',
                  '--threshold=99.9')
        print_top(log, 'Functions with all that they call',
                  '--inclusive=yes', '--threshold=100')
        print_lines(log, server.site / 'lua' / 'compute.lua')
        code = server.stop()
        expect(code == 0, 'httpd ended with %s' % code)
        faults = server.take_faults()
        expect(not faults, 'the error log has:\n' + '\n'.join(faults))
    except Exception:
        if server.process is not None:
            server.kill_all()
        print(server._log(), file=sys.stderr)
        raise
    finally:
        server.remove()
    print('\nThe demo worked. Open a log with kcachegrind; try it by hand '
          'with\nmake -f Makefile.apxs run')


def run(port):
    # A test suite's sum, as README.md shows it.
    wanted = 'PROFILE_PAGETESTS_REQUESTS'
    env = {wanted: os.environ[wanted]} if wanted in os.environ else {}
    server = httpd_env.Httpd(CONFIG, features=FEATURES, port=port, env=env)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server.start()
        print('httpd serves until Ctrl-C. Try:')
        for what, path in PAGES:
            print('  %s  (%s)' % (server.url(TRIGGER + path), what))
        print('  %s  (help)' % server.url('/++profile++'))
        print('Profiles and OOPSes: %s\nError log: %s'
              % (server.profile_dir, server.error_log), flush=True)
        while server.running():
            time.sleep(0.2)
        raise Failed('httpd ended by itself:\n' + server._log())
    except KeyboardInterrupt:
        print('\nstopped')
    finally:
        if server.process is not None:
            server.stop()
        if not os.environ.get('LPP_KEEP'):
            server.remove()


def main(arguments):
    try:
        if arguments[:1] == ['show'] and len(arguments) == 2:
            show(arguments[1])
        elif arguments[:1] == ['run'] and len(arguments) < 3:
            run(int(arguments[1]) if len(arguments) == 2 else 0)
        else:
            sys.exit(__doc__)
    except (Failed, httpd_env.HttpdFailed) as failure:
        sys.exit('demo: FAILED: %s' % failure)


if __name__ == '__main__':
    main(sys.argv[1:])
