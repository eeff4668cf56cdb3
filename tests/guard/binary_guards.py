# SPDX-License-Identifier: Apache-2.0
"""Rules of the house about what was built: objects and the module itself.

As in guards.py, each function returns the faults as sentences.
"""
import pathlib
import re
import subprocess

from guards import (HANDLERS, NOT_IN_HANDLERS, Missing, read, rows,
                    sources)


def symbols(paths, *options):
    """[(path, symbol)] of what nm prints of these."""
    for path in paths:
        if not path.is_file():
            raise Missing('%s: not built' % path)
    out = subprocess.run(['nm', '-A', *options, *map(str, paths)], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return [(pathlib.Path(line.partition(':')[0]),
             line.split()[-1].partition('@')[0])
            for line in out.splitlines() if line.strip()]


def called_by(path, function):
    """What one function of an object refers to: relocations, and calls that
    stay within the object."""
    if not path.is_file():
        raise Missing('%s: not built' % path)
    out = subprocess.run(
        ['objdump', '-dr', '--no-show-raw-insn', str(path)], check=True,
        stdout=subprocess.PIPE, text=True).stdout
    body = re.search(r'<%s>:\n(.*?)(\n\n|\Z)' % function, out, re.S)
    if not body:
        raise Missing('%s has no %s' % (path, function))
    names = re.findall(r'R_\S+\s+([A-Za-z_]\w*)', body.group(1))
    names += re.findall(r'\b(?:call|jmp)\s+[0-9a-f]+ <(\w+)>',
                        body.group(1))
    return {name for name in names if name != function}


def handler_objects(root, build):
    """The objects of HANDLERS, which may call each other."""
    found = []
    for pattern in HANDLERS:
        paths = sorted((root / 'mod_lpprofile').glob(pattern))
        if not paths:
            raise Missing('mod_lpprofile/ has no %s' % pattern)
        found += [str(path.relative_to(root / 'mod_lpprofile'))
                  for path in paths]
    gone = sorted(NOT_IN_HANDLERS.keys() - found)
    if gone:
        raise Missing('mod_lpprofile/ has no %s' % gone[0])
    return [build / pathlib.Path(name).with_suffix('.o')
            for name in found if name not in NOT_IN_HANDLERS]


def signal_symbols(root, build):
    allowed = {row[0]: row[1] for row in
               rows(root / 'tests/guard/signal_symbols.txt', 3)}
    if not allowed:
        raise Missing('signal_symbols.txt is empty')
    handlers = handler_objects(root, build)
    own = {name for _, name in symbols(handlers, '-g', '--defined-only')}
    faults = ['%s needs %s, which is not in signal_symbols.txt'
              % (path.relative_to(build), name)
              for path, name in symbols(handlers, '-u')
              if name not in allowed and name not in own]
    faults += ['signal_symbols.txt has %s, which is in a handler\'s file'
               % name for name in allowed if name in own]
    for function, owner in allowed.items():
        if owner.endswith('.o'):
            faults += ['%s needs %s, which is not in signal_symbols.txt'
                       % (function, name)
                       for name in sorted(called_by(build / owner, function))
                       if name not in allowed]
    return faults


def needs_and_owners(build, objects):
    """(object -> symbols it needs, symbol -> object that defines it)."""
    needs = {str(path.relative_to(build)): set() for path in objects}
    owners = {}
    out = subprocess.run(['nm', '-A', *needs], check=True, text=True,
                         cwd=build, stdout=subprocess.PIPE).stdout
    for line in out.splitlines():
        name, _, rest = line.partition(':')
        words = rest.split()
        if len(words) == 2 and words[0] == 'U':
            needs[name].add(words[1])
        elif len(words) == 3 and words[1] in 'TDBRVW':
            owners[words[2]] = name
    return needs, owners


def strong_components(graph):
    """Tarjan's, without recursion: the sets of nodes that reach each other."""
    number, low, stack, found = {}, {}, [], []
    for start in graph:
        if start in number:
            continue
        number[start] = low[start] = len(number)
        stack.append(start)
        work = [(start, iter(sorted(graph[start])))]
        while work:
            node, edges = work[-1]
            for other in edges:
                if other not in number:
                    number[other] = low[other] = len(number)
                    stack.append(other)
                    work.append((other, iter(sorted(graph[other]))))
                    break
                if other in stack:
                    low[node] = min(low[node], number[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == number[node]:
                    at = stack.index(node)
                    found.append(set(stack[at:]))
                    del stack[at:]
    return found


def all_objects(root, build):
    objects = [build / path.relative_to(root / 'mod_lpprofile')
               .with_suffix('.o') for path in sources(root)
               if path.suffix == '.c']
    missing = [path for path in objects if not path.is_file()]
    if missing:
        raise Missing('%s: not built' % missing[0])
    return objects


# What only assembler of its own file refers to cannot be static.
FROM_ASSEMBLER = {'lpp_signal_capture_stack'}


def unused_api(root, build):
    """A function or variable that no other file uses is static, unless a unit
    test or fuzz target uses it."""
    needs, owners = needs_and_owners(build, all_objects(root, build))
    used = set().union(*needs.values())
    for path in root.glob('tests/*/*.[ch]'):
        used.update(re.findall(r'\blpp_\w+', read(path)))
    return ['%s defines %s, which no other file uses: it is static'
            % (owner, name) for name, owner in sorted(owners.items())
            if name.startswith('lpp_')
            and name not in used | FROM_ASSEMBLER]


def circles(root, build):
    """Files that call each other in a circle. The module record, which most
    of httpd's macros refer to, calls nobody."""
    needs, owners = needs_and_owners(build, all_objects(root, build))
    owners.pop('lpprofile_module', None)
    calls = {name: {owners[s] for s in symbols_ if s in owners} - {name}
             for name, symbols_ in needs.items()}
    return ['a circle of calls: ' + ', '.join(
        '%s > %s (%s)' % (a, b, min(s for s in needs[a]
                                    if owners.get(s) == b))
        for a in sorted(circle) for b in sorted(calls[a] & circle))
        for circle in strong_components(calls) if len(circle) > 1]


def exports(build):
    names = [name for _, name in symbols([build / 'mod_lpprofile.so'], '-D',
                                         '--defined-only')]
    return [] if names == ['lpprofile_module'] else [
        'mod_lpprofile.so exports %s' % ', '.join(names)]
