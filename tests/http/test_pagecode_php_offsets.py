# SPDX-License-Identifier: Apache-2.0
"""The rows of lpp_interp_php_find.c, computed again from PHP's own headers, of
each version whose headers are installed (package php-dev)."""
import pathlib
import re
import subprocess

import pytest

INTERP = (pathlib.Path(__file__).resolve().parents[2]
          / 'mod_lpprofile' / 'interp')
INCLUDE = '/usr/include/php'
# What is not the offset of a member.
OTHERS = {'api': 'ZEND_MODULE_API_NO', 'top': 'ZEND_CALL_TOP',
          'generator': 'ZEND_CALL_GENERATOR', 'op_size': 'sizeof(zend_op)',
          'bucket_size': 'sizeof(Bucket)'}


def members():
    """{field of a row: what it is, in C}."""
    text = (INTERP / 'lpp_interp_php_internal.h').read_text()
    fields = re.findall(r'F\((\w+), (\w+), ([\w.]+),\s*\\?\s*([\w.]+)\)', text)
    assert len(fields) > 20
    return {**{field: 'offsetof(%s, %s)' % (structure, member)
               for field, structure, member, _ in fields}, **OTHERS}


def of_all_versions():
    """{what it is, in C: number}, of what no row has."""
    text = (INTERP / 'lpp_interp_php_internal.h').read_text()
    return {'offsetof(zend_module_entry, %s)' % member: int(re.search(
        'LPP_INTERP_PHP_MODULE_%s (\\d+)' % name, text).group(1))
            for name, member in (('API', 'zend_api'), ('VERSION', 'version'))}


def rows():
    """{version: {field: number}}."""
    text = (INTERP / 'lpp_interp_php_find.c').read_text()
    text = text[text.index('lpp_interp_php_rows[] = {'):]
    found = {}
    for version, rest in re.findall(r'\{ \.version = "([\d.]+)",(.*?)\}',
                                    text.partition('};')[0], re.DOTALL):
        found[version] = {name: int(number, 0) for name, number in
                          re.findall(r'\.(\w+) = (\w+)', rest)}
    return found


def test_each_row_has_every_field():
    found = rows()
    assert set(found) == {'8.2', '8.4'}
    for row in found.values():
        assert set(row) == set(members())


def headers():
    """Folders with the headers of a PHP: /usr/include/php/20220829."""
    return sorted(pathlib.Path(INCLUDE).glob('*/main/php.h'))


def test_the_offsets_are_those_of_the_headers(tmp_path):
    if not headers():
        pytest.skip('no headers of PHP: package php-dev')
    known = {row['api']: row for row in rows().values()}
    for header in headers():
        base = header.parent.parent
        same = of_all_versions()
        names = {**members(), **{'same%d' % at: value for at, value
                                 in enumerate(same)}}
        source = tmp_path / 'offsets.c'
        source.write_text('\n'.join([
            '#include "php.h"', '#include "zend_globals.h"',
            '#include "zend_modules.h"',
            '#include <stddef.h>', '#include <stdio.h>', 'int main(void) {',
            *['printf("%s %%ld\\n", (long)%s);' % (name, value)
              for name, value in names.items()],
            'return ZEND_DEBUG || sizeof(ZEND_MODULE_BUILD_ID) == 0; }']))
        subprocess.run(
            ['gcc', '-o', str(tmp_path / 'offsets'), str(source),
             *['-I%s' % (base / part) for part in
               ('', 'main', 'TSRM', 'Zend', 'ext')]], check=True)
        said = subprocess.run([str(tmp_path / 'offsets')], check=True,
                              stdout=subprocess.PIPE, text=True).stdout
        computed = {name: int(number) for name, number in
                    (line.split() for line in said.splitlines())}
        print(base, computed)
        for at, number in enumerate(same.values()):
            assert computed.pop('same%d' % at) == number
        assert computed == known[computed['api']]
