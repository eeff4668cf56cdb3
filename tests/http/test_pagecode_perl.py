# SPDX-License-Identifier: Apache-2.0
"""Page functions of Perl in the stacks: mod_perl, scripts of Registry."""
import collections
import os
import re

import pytest

import apxs_env
from httpd_conf import REGISTRY
from page_stacks import PageStacks
from pauses import undisturbed
from stacks import Stacks

pytestmark = [pytest.mark.mpms('prefork'),
              pytest.mark.no_asan('measures shares of time'),
              pytest.mark.no_valgrind("complains of Perl's own reads")]

CONFIG = '''
LPProfilingAllowed On
LPProfileRate 1000
PerlSwitches -I${SITE}
''' + REGISTRY
SECONDS = int(os.environ.get('LPP_STRESS_SECONDS', '4'))
HEAD = 'use strict; use warnings;\n'
TAIL = 'print "Content-Type: text/html\\n\\n<html><body>$x</body></html>";\n'
LOOP = '''sub spin {
    my ($x, $n) = @_;
    for my $i (1 .. $n) { $x = ($x * 1103515245 + $i) & 0x7fffffff; }
    return $x;
}
'''


def start(httpd, script, name, files=(), config=CONFIG, **options):
    """The same server for all: each test has a script, and so a package, of
    its own."""
    server = httpd(config, modules=['perl'], **options)
    for path, text in [(name, script), *files]:
        (server.site / path).write_text(text)
        (server.site / path).chmod(0o755)
    return server


def profile(server, name):
    """Stacks of one request, after one that compiled the script."""
    got = server.get('/' + name)
    assert got.status == 200, got.text
    got = server.get('/++profile++collapsed/' + name, timeout=120)
    assert got.status == 200 and 'profiled' in got.lpprofile
    path, = server.wait_files(got.oops_id)
    return Stacks(path)


def of_page(stacks):
    """Those with page functions: a busy machine delivers some samples too
    late to read them."""
    stacks.lines = [(stack, us) for stack, us in stacks.lines
                    if any('ModPerl::Registry' in name for name in stack)]
    stacks.total = sum(us for _, us in stacks.lines)
    assert stacks.total > 0
    return stacks


@pytest.mark.alone('compares shares of wall time')
def test_shares_are_those_of_the_script(httpd):
    server = start(httpd, HEAD + '''
sub f { my $x = shift;
    for my $i (1 .. 70000) { $x = ($x * 1103515245 + $i) & 0x7fffffff; }
    return $x; }
sub g { my $x = shift;
    for my $i (1 .. 30000) { $x = ($x * 1103515245 + $i) & 0x7fffffff; }
    return $x; }
my $x = 1;
for (1 .. 150) { $x = f($x); $x = g($x); }
''' + TAIL, 'shares.pl')
    stacks = of_page(undisturbed(
        server, lambda: profile(server, 'shares.pl'))[0])
    names = {name for stack, _ in stacks.lines for name in stack}
    f, = [name for name in names if name.endswith('::f')]
    g, = [name for name in names if name.endswith('::g')]
    both = stacks.us(f) + stacks.us(g)
    assert both * 100 >= stacks.total * 95
    assert abs(100 * stacks.us(f) / both - 70) < 3, (stacks.us(f), both)


def order(stacks, *path):
    """Wall time with functions whose names end so, in this order."""
    def has(stack):
        at = iter(stack)
        return all(any(name.endswith(wanted) for name in at)
                   for wanted in path)
    return sum(us for stack, us in stacks.lines if has(stack))


def behind_c(stacks, caller, callee):
    """Wall time of stacks where C functions of libperl stand between caller and
    callee, and no other function. (Perl 5.40 exports few of their names.)"""
    found = 0
    for stack, us in stacks.lines:
        text = ';'.join(re.sub(r'^(Perl_|S_|libperl\.so).*', 'C', name)
                        for name in stack)
        if re.search(r'::%s(;C)+;[^;]*::%s(;|$)' % (caller, callee), text):
            found += us
    return found


def test_c_code_stands_below_its_caller(httpd):
    server = start(httpd, HEAD + '''
sub search { my $text = shift; my $n = 0;
    $n++ while $text =~ /(\\d+),(\\d*)7/g;
    return $n; }
my $list = join ",", map { $_ * 7 } 1 .. 2000;
my $x = 0;
for (1 .. 400) { $x += search($list); }
''' + TAIL, 'search.pl')
    stacks = of_page(profile(server, 'search.pl'))
    below = order(stacks, '::search', 'Perl_regexec_flags')
    assert below * 2 > order(stacks, '::search')
    # Never above it.
    assert order(stacks, 'Perl_regexec_flags', '::search') == 0


def test_callbacks_from_c_stand_below_the_c_code(httpd):
    server = start(httpd, HEAD + LOOP + '''
sub by_work { spin($a, 60) <=> spin($b, 60) }
my @list = map { ($_ * 7919) % 1000 } 1 .. 1000;
my $x = 0;
for (1 .. 6) { my @s = sort by_work @list; $x += $s[0]; }
''' + TAIL, 'callback.pl')
    stacks = of_page(profile(server, 'callback.pl'))
    spun = order(stacks, '::spin')
    assert spun * 2 > stacks.total
    assert behind_c(stacks, 'handler', 'by_work') * 100 > spun * 98


def test_a_block_of_sort_is_its_subroutine_again(httpd):
    server = start(httpd, HEAD + LOOP + '''
sub sorted { return sort { spin($a, 60) <=> spin($b, 60) } @_; }
my @list = map { ($_ * 7919) % 1000 } 1 .. 1000;
my $x = 0;
for (1 .. 6) { my @s = sorted(@list); $x += $s[0]; }
''' + TAIL, 'block.pl')
    stacks = of_page(profile(server, 'block.pl'))
    spun = order(stacks, '::spin')
    assert spun * 2 > stacks.total
    assert behind_c(stacks, 'sorted', 'sorted') * 100 > spun * 98


def test_evals_and_required_files_have_frames(httpd):
    server = start(httpd, HEAD + LOOP + '''
my $x = 0;
for (1 .. 100) { $x = eval 'spin($x, 3000) + spin($x, 3000)'; die $@ if $@; }
delete $INC{"lpp_slow.pm"};
require lpp_slow;
''' + TAIL, 'evals.pl', files=[('lpp_slow.pm', 'package lpp_slow;\nmy $x = 0;\n'
                   'for my $i (1 .. 2000000) { $x += $i % 7; }\n1;\n')])
    stacks = of_page(profile(server, 'evals.pl'))
    assert order(stacks, '(eval)', '::spin') * 100 \
        > order(stacks, '::spin') * 95
    main = {name for stack, _ in stacks.lines for name in stack
            if name == '{main}'}
    assert main and order(stacks, '::handler', '{main}') * 10 > stacks.total


EDGES = HEAD + r'''
our ($fuel, $x) = (0, 1);
sub burn { my $n = shift;
    for my $i (1 .. $n) { $x = ($x * 1103515245 + $i) & 0x7fffffff; } }
sub leaf { burn(40); }
sub deep { my $n = shift; burn(10);
    return $n ? deep($n - 1) : leaf(); }
sub thrower { burn(20); die "thrown\n"; }
sub catcher { eval { thrower(); }; burn(10); }
sub DESTROY { burn(30); }
sub objects { my $object = bless []; burn(10); undef $object; }
sub compare { burn(5); return $_[0] <=> $_[1]; }
sub sorter { my @s = sort { compare($a, $b) } 9, 3, 7, 1; burn(10); }
sub replacer { my $t = "abcabc"; $t =~ s/b/leaf(); "x"/ge; burn(10); }
sub closures { my $f = sub { leaf(); }; $f->(); burn(10); }
sub run {
    my $end = time() + $fuel;
    while (time() < $end) {
        deep(12); catcher(); objects(); sorter(); replacer(); closures();
    }
}
$fuel = $ENV{QUERY_STRING};
run();
''' + TAIL
MAY_CALL = {
    'run': {'deep', 'catcher', 'objects', 'sorter', 'replacer', 'closures'},
    'deep': {'deep', 'leaf', 'burn'}, 'leaf': {'burn'},
    'catcher': {'thrower', 'burn'}, 'thrower': {'burn'},
    'objects': {'DESTROY', 'burn'}, 'DESTROY': {'burn'},
    'sorter': {'sorter', 'compare', 'burn'}, 'compare': {'burn'},
    'replacer': {'leaf', 'burn'}, 'closures': {'__ANON__', 'burn'},
    '__ANON__': {'leaf'}, 'handler': {'run'}, 'burn': set(),
}
# How a line calls these, without their names.
CALLED_BY = {'DESTROY': 'undef', '__ANON__': '->()', 'sorter': 'sort {'}


@pytest.mark.stress
@pytest.mark.mpms('prefork', 'worker')
def test_every_edge_is_one_of_the_script(httpd):
    """At the highest rate; LPP_STRESS_SECONDS makes it minutes."""
    server = start(httpd, EDGES, 'edges.pl',
                   config=CONFIG + 'LPProfileRate 10000\n'
                   'LPProfileMaxTime 600\n', env=apxs_env.full_rate())
    assert server.get('/edges.pl?0').status == 200
    got = server.get('/++profile++pprof/edges.pl?%d' % SECONDS,
                     timeout=SECONDS + 240)
    assert got.status == 200 and 'profiled' in got.lpprofile, got
    path, = server.wait_files(got.oops_id)
    package, lines = 'ModPerl::ROOT::ModPerl::Registry::', EDGES.splitlines()
    samples = edges = cut = 0
    wrong, seen = collections.Counter(), set()
    for stack in PageStacks(path, '').stacks:
        page = [frame for frame in stack.frames
                if frame.is_page and frame.name[0] != '[']
        own = [frame for frame in page if frame.name.startswith(package)]
        if not own or own[0].name.endswith('::BEGIN'):
            continue  # it is compiled
        samples += stack.samples
        cut += stack.samples * (page[0].name != 'ModPerl::Registry::handler'
                                or not own[0].name.endswith('::handler'))
        for caller, callee in zip(own, own[1:]):
            edges += stack.samples
            called = callee.name.rpartition('::')[2]
            calling = caller.name.rpartition('::')[2]
            seen |= {called, calling}
            text = lines[caller.line - 1]
            if called not in MAY_CALL[calling] or not (
                    called in text or CALLED_BY.get(called, called) in text):
                wrong[calling, caller.line, called] += stack.samples
    print('%d calls in %d samples, %d cut, wrong: %s'
          % (edges, samples, cut, wrong))
    assert sum(wrong.values()) <= 1e-4 * edges, wrong
    assert cut <= max(3, 1e-3 * samples)
    assert {'deep', 'leaf', 'catcher', 'sorter', 'burn'} <= seen, seen


def test_a_deep_recursion_keeps_its_inner_end(httpd):
    server = start(httpd, HEAD + 'no warnings "recursion";\n' + LOOP + '''
my $x = 0;
sub down { my $n = shift; return $n ? down($n - 1) : spin(1, 400000); }
for (1 .. 10) { $x = down(400); }
''' + TAIL, 'deep.pl')
    stacks = profile(server, 'deep.pl')
    deep = [stack for stack, _ in stacks.lines
            if stack.count(stack[-1]) and any(
                name.endswith('::spin') for name in stack)]
    assert deep
    assert max(sum(name.endswith('::down') for name in stack)
               for stack in deep) > 200


def lines_of(text, name):
    """{line: CPU time, with that of C code called there} of the function of a
    callgrind file whose name ends so."""
    number = re.search(r'fn=(\(\d+\)) [^\n]*%s\n' % name, text).group(1)
    costs = {}
    for part in re.findall(r'^fn=%s[^\n]*\n(.*?)(?=^fn=|\Z)'
                           % re.escape(number), text, re.M | re.S):
        for line, cost in re.findall(r'^(\d+) \d+ (\d+)', part, re.M):
            costs[int(line)] = costs.get(int(line), 0) + int(cost)
    return costs


@pytest.mark.alone('compares shares of time')
def test_the_line_is_the_one_that_runs(httpd):
    server = start(httpd, HEAD + '''
our $x = 1;
sub both {
    for my $i (1 .. 75000) { $x = ($x * 1103515245 + $i) & 0x7fffffff; }
    for my $i (1 .. 25000) { $x = ($x * 1103515245 + $i) & 0x7fffffff; }
}
both() for 1 .. 100;
''' + TAIL, 'line.pl')
    server.get('/line.pl')
    got = server.get('/++profile++callgrind/line.pl', timeout=120)
    log, = server.wait_files(got.oops_id)
    costs = lines_of(log.read_text(), '::both')
    first, second = costs.get(5, 0), costs.get(6, 0)
    assert abs(100 * first / (first + second) - 75) < 5, costs
