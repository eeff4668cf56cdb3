# SPDX-License-Identifier: Apache-2.0
"""speedscope, its own npm package, opens our files and finds their totals.

What it read is asked of itself: its page is opened from disk in Chromium, gets
a file as its command line tool hands one over, and exports what it made of it.
"""
import base64
import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / 'readers'))

import foreign  # noqa: E402

CATCH = '''
    window.exported = null;
    const make = URL.createObjectURL;
    URL.createObjectURL = blob => {
        window.asked = true;
        blob.text().then(text => { window.exported = text; });
        return make.call(URL, blob);
    };'''
# Does nothing before the file was read.
EXPORT = '''
    if (!window.asked) {
        window.dispatchEvent(new KeyboardEvent('keydown',
            {key: 's', code: 'KeyS', ctrlKey: true, bubbles: true}));
    }
    return window.exported'''
# Its picture, drawn without a graphics card, takes most of the time.
UNDRAWN = 'window.requestAnimationFrame = () => 0'


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    directory = tmp_path_factory.mktemp('speedscope')
    return directory, foreign.made(directory)


@pytest.fixture
def imports(chromium, tmp_path):
    """imports(name, bytes) -> speedscope's own export of that file."""
    from selenium.webdriver.support.ui import WebDriverWait

    page = foreign.speedscope().as_uri()
    driver = chromium()
    undrawn = driver.execute_cdp_cmd('Page.addScriptToEvaluateOnNewDocument',
                                     {'source': UNDRAWN})

    def read(name, data):
        script = tmp_path / 'profile.js'
        script.write_text('speedscope.loadFileFromBase64(%s, %s)' % (
            json.dumps(name), json.dumps(base64.b64encode(data).decode())))
        driver.get('about:blank')
        driver.get('%s#localProfilePath=%s' % (page, script))
        driver.execute_script(CATCH)
        wait = WebDriverWait(driver, 30, 0.05)
        return json.loads(wait.until(lambda d: d.execute_script(EXPORT)))

    yield read
    driver.execute_cdp_cmd('Page.removeScriptToEvaluateOnNewDocument', undrawn)


def totals(exported):
    """{name of the profile: its length}, in the unit it was read with."""
    found = {}
    for profile in exported['profiles']:
        assert profile['type'] == 'evented' and profile['startValue'] == 0
        open_frames, at = [], 0
        for event in profile['events']:
            assert event['at'] >= at
            at = event['at']
            if event['type'] == 'O':
                open_frames.append(event['frame'])
            else:
                assert open_frames.pop() == event['frame']
        assert not open_frames
        found[profile['name']] = profile['endValue']
    return found


def assert_totals(imports, directory, stem, wanted):
    """The same file in all three formats that speedscope knows."""
    got = totals(imports('callgrind.out.1',
                         (directory / (stem + '.callgrind')).read_bytes()))
    assert got == {'callgrind.out.1 -- Wall': wanted.wall,
                   'callgrind.out.1 -- CPU': wanted.cpu,
                   'callgrind.out.1 -- Ready': wanted.ready,
                   'callgrind.out.1 -- Samples': wanted.samples}
    for action, name in (('pprof', '1.pb.gz'),
                         ('collapsed', '1.collapsed.txt')):
        exported = imports(name, (directory / ('%s.%s' % (stem, action)))
                           .read_bytes())
        assert totals(exported) == {name: wanted.wall}
        names = {frame['name'] for frame in exported['shared']['frames']}
        assert '[request]' in names
        assert exported['profiles'][0]['unit'] == {
            'pprof': 'microseconds', 'collapsed': 'none'}[action]


@pytest.mark.parametrize('case', ['empty', 'deep', 'odd', 'huge', 'wild'])
def test_speedscope_finds_the_totals(made, imports, case):
    directory, wanted = made
    assert_totals(imports, directory, case, wanted[case])


def test_speedscope_opens_a_page_that_was_served(httpd, imports, tmp_path):
    server = httpd('LPProfilingAllowed On\n', features=['lua'])
    got = server.get('/++profile++callgrind&pprof&collapsed'
                     '/lua/compute.lua?ms=300')
    files = server.wait_files(got.oops_id, 3)
    assert len(files) == 3
    for path in files:
        kind = ('callgrind' if path.name.startswith('callgrind.out.')
                else 'pprof' if path.name.endswith('.pb.gz') else 'collapsed')
        (tmp_path / ('page.' + kind)).write_bytes(path.read_bytes())
    text = (tmp_path / 'page.callgrind').read_text()
    summary = next(line for line in text.splitlines()
                   if line.startswith('summary: '))
    wanted = foreign.Totals(*map(int, summary.split()[1:]))
    assert wanted.wall > 290000 and wanted.samples > 10
    assert_totals(imports, tmp_path, 'page', wanted)
