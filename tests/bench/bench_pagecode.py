# SPDX-License-Identifier: Apache-2.0
"""What reading page functions costs the profiled thread: a page of each
language whose work is done below 50 functions, at 1 kHz, with
LPProfileInterpreters On and Off in turns."""
import statistics
import time

from served import Single  # finds the next one, too
from httpd_conf import REGISTRY

FRAMES = 50
PAIRS = 5
CONFIG = 'LPProfilingAllowed On\nLPProfileRate 1000\n'
LUA = '''local function down(n, work)
    if n > 0 then
        local sum = down(n - 1, work)
        return sum
    end
    local sum = 0
    for i = 1, work do sum = (sum + i * i) % 1000003 end
    return sum
end

function handle(r)
    local sum = down(CALLS, 30000000)
    r.content_type = "text/plain"
    r:puts(sum)
    return apache2.OK
end
'''
PHP = '''<?php
function down($n, $work)
{
    if ($n > 0) {
        return down($n - 1, $work) + 0;
    }
    for ($i = $sum = 0; $i < $work; $i++) {
        $sum = ($sum + $i * $i) % 1000003;
    }
    return $sum;
}
echo down(CALLS, 20000000);
'''
PYTHON = '''def down(n, work):
    if n:
        return down(n - 1, work)
    count = 0
    for i in range(work):
        count = (count + i * i) % 1000003
    return count


def application(environ, start_response):
    body = str(down(CALLS, 5000000)).encode()
    start_response('200 OK', [('Content-Length', str(len(body)))])
    return [body]
'''
PERL = '''use strict; use warnings;
sub down {
    my ($n, $work) = @_;
    if ($n) { my $sum = down($n - 1, $work); return $sum; }
    my $sum = 0;
    for my $i (1 .. $work) { $sum = ($sum + $i * $i) % 1000003; }
    return $sum;
}
print down(CALLS, 6000000);
'''
# language: (features, modules, configuration, file, its text, in which CALLS
# makes FRAMES functions)
PAGES = {
    'PHP': (['modphp'], [], '', 'deep.php', PHP),
    'Python': ([], ['wsgi'], 'WSGIScriptAlias /deep.wsgi ${SITE}/deep.wsgi\n',
               'deep.wsgi', PYTHON),
    'Lua': (['lua'], [], '', 'deep.lua', LUA),
    'Perl': ([], ['perl'], REGISTRY, 'deep.pl', PERL),
}


def start(language, interpreters):
    features, modules, config, file, text = PAGES[language]
    server = Single('%s%sLPProfileInterpreters %s\n'
                    % (CONFIG, config, interpreters), None, features=features,
                    modules=modules)
    (server.site / file).write_text(text.replace('CALLS', str(FRAMES - 2)))
    (server.site / file).chmod(0o755)
    return server.start()


def cost(server, file):
    """(ms of CPU of a request that is not profiled, what one that is takes of
    it)."""
    took = []
    for segment in ('', '/++profile++collapsed'):
        before = server.cpu_ns()
        got = server.get('%s/%s' % (segment, file), timeout=120)
        assert got.status == 200, got.text
        took.append((server.cpu_ns() - before) / 1e6)
        time.sleep(0.2)  # its files are written
    log, = server.wait_files(got.oops_id)
    return took[0], took[1] / took[0], log.read_text('utf-8').count('deep.')


def pairs(language, count=PAIRS):
    """Medians: ms of CPU that is not profiled; what profiling takes of it
    without and with names of page functions; the pairs' differences. Each
    process is compared with itself, as two of them differ by more."""
    file = PAGES[language][3]
    servers, rows = [], []
    try:
        for interpreters in ('Off', 'On'):
            servers.append(start(language, interpreters))
        for turn in range(count + 1):
            (bare, without, none), (_, names, shown) = [
                cost(server, file) for server in servers]
            assert shown and not none, (shown, none)
            if turn:
                rows.append((bare, without - 1, names - 1, names - without))
    finally:
        for server in servers:
            server.end()
    return tuple(map(statistics.median, zip(*rows)))
