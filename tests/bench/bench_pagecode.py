# SPDX-License-Identifier: Apache-2.0
"""What reading page functions costs the profiled thread: a page of each
language whose work is done below 50 functions, at 1 kHz, with
LPProfileInterpreters Off and On in turns."""
import time

from served import Single  # finds the next one, too
from httpd_conf import REGISTRY

FRAMES = 50
TURNS = 12
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
    local sum = down(CALLS, 48000000)
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
echo down(CALLS, 60000000);
'''
PYTHON = '''def down(n, work):
    if n:
        return down(n - 1, work)
    count = 0
    for i in range(work):
        count = (count + i * i) % 1000003
    return count


def application(environ, start_response):
    body = str(down(CALLS, 8000000)).encode()
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
print down(CALLS, 15000000);
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
    """(ms of CPU of a request that is not profiled, of one that is, whether
    that shows the page's functions)."""
    took = []
    for segment in ('', '/++profile++collapsed'):
        before = server.cpu_ns()
        got = server.get('%s/%s' % (segment, file), timeout=120)
        assert got.status == 200, got.text
        took.append((server.cpu_ns() - before) / 1e6)
        time.sleep(0.1)  # its files are written
    log, = server.wait_files(got.oops_id)
    return took[0], took[1], 'deep.' in log.read_text('utf-8')


def shares(language):
    """ms of CPU that is not profiled; what profiling takes of it without page
    functions, of another server likewise (which shows the noise), and with
    them. Each is the least of TURNS, as all that disturbs adds to it; each
    process is compared with itself, as two of them differ by more."""
    file = PAGES[language][3]
    servers, best = [], []
    try:
        for interpreters in ('Off', 'Off', 'On'):
            servers.append(start(language, interpreters))
            best.append([float('inf')] * 2)
        for turn in range(TURNS + 1):
            for server, least, named in zip(servers, best, (0, 0, 1)):
                bare, profiled, shown = cost(server, file)
                assert shown == named, shown
                if turn:
                    least[:] = min(least[0], bare), min(least[1], profiled)
    finally:
        for server in servers:
            server.end()
    return best[2][0], *[least[1] / least[0] - 1 for least in best]
