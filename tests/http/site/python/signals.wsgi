# SPDX-License-Identifier: Apache-2.0
# /signals?DO computes, does it (take: handlers for SIGSEGV and others, as an
# application's debug mode has them; leave: none), and computes again.
import faulthandler
import time

NOWHERE = open('/dev/null', 'w')


def compute(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(100))


def application(environ, start_response):
    compute(0.15)
    if environ['QUERY_STRING'] == 'take':
        faulthandler.enable(NOWHERE)
    elif environ['QUERY_STRING'] == 'leave':
        faulthandler.disable()
    compute(0.15)
    start_response('200 OK', [('Content-Type', 'text/html')])
    return [b'<html><body>done</body></html>']
