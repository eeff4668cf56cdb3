# SPDX-License-Identifier: Apache-2.0
# /python/NAME?ms=N calls a function of work.py.
import os
import sys
from urllib.parse import parse_qs

sys.path.insert(0, os.path.dirname(__file__))
import work


def application(environ, start_response):
    query = parse_qs(environ.get('QUERY_STRING', ''))
    function = getattr(work, environ['PATH_INFO'].strip('/'))
    told = function(int(query.get('ms', ['300'])[0]) / 1000)
    body = ('<html><body>%s</body></html>' % told).encode()
    start_response('200 OK', [('Content-Type', 'text/html'),
                              ('Content-Length', str(len(body)))])
    return [body]
