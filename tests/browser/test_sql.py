# SPDX-License-Identifier: Apache-2.0
"""The SQL section as a person sees and uses it, in Debian's Chromium."""
import xml.etree.ElementTree

import pytest

import apxs_env

CONFIG = ('LPProfilingAllowed On\n%s<LocationMatch ^/(strict/)?tell>\n'
          'SetHandler lpp-tell\n</LocationMatch>\n<Location /strict>\n'
          'Header set Content-Security-Policy "default-src \'none\'"\n'
          '</Location>\n<Location /strict/tellx>\nForceType '
          'application/xhtml+xml\n</Location>\n')
SLOW = '/++profile++sqltrace/tell?5,150'
MANY = '/++profile++sqltrace/tell?60'


@pytest.fixture
def server(httpd):
    return httpd(CONFIG % apxs_env.load('lpp_tell'), features=['browser'])


def find(root, selector):
    return root.find_element('css selector', selector)


def milliseconds(text):
    number, unit = text.split()[:2]
    return float(number) * {'\xb5s': 0.001, 'ms': 1, 's': 1000}[unit]


def shown(driver, root, selector):
    """In one call: to ask for each of hundreds takes a minute."""
    return driver.execute_script(
        'return [...arguments[0].getRootNode().querySelectorAll(arguments[1])]'
        '.filter(e => e.checkVisibility())', find(root, '.lpp'), selector)


@pytest.mark.parametrize('width, dark', [(1280, False), (360, True)])
def test_colours_of_slow_statements(server, chromium, browser, width, dark):
    driver = chromium(width=width, dark=dark)
    root = browser.look(driver, server.url(SLOW),
                        'sql-slow-%d%s' % (width, '-dark' if dark else ''))

    def colours(kind):
        return {e.value_of_css_property('background-color')
                for e in shown(driver, root, '.qhead .took' + kind)}
    yellow, red = colours('.slow'), colours('.very')
    assert len(yellow) == 1 and len(red) == 1 and yellow != red
    # Of 0, 150, 300, 450 and 600 ms, and what a busy machine adds to them.
    took = [(milliseconds(e.text), e.get_attribute('class').split()[1:])
            for e in shown(driver, root, '.qhead .took')]
    assert len(took) == 5
    assert all(ms >= i * 150 for i, (ms, _) in enumerate(took))
    for ms, marks in took:
        if min(abs(ms - 100), abs(ms - 500)) > 0.5:  # as it is rounded
            assert marks == (['very'] if ms > 500 else
                             ['slow'] if ms > 100 else []), took
    assert milliseconds(find(root, '.sqltop .very').text) == max(took)[0]
    wide = driver.execute_script(
        'return document.documentElement.scrollWidth')
    assert wide <= width
    assert not browser.console(driver)


@pytest.mark.parametrize('script', [True, False])
def test_all_tracebacks_are_shown_and_hidden_without_script(
        server, chromium, browser, script):
    driver = chromium(script=script)
    root = browser.look(driver, server.url(MANY))
    assert shown(driver, root, '.caller') == []
    button = find(root, '.showall')
    assert find(root, '.sqlall').accessible_name == 'Show all tracebacks'
    button.click()
    assert len(shown(driver, root, '.caller')) == 60
    assert 'mod_lpp_tell' in shown(driver, root, '.caller')[0].text
    button.click()
    assert shown(driver, root, '.caller') == []
    head = find(root, '.qhead[for=lpp-sql-3]')
    head.click()
    assert len(shown(driver, root, '.caller')) == 1
    head.click()
    assert shown(driver, root, '.caller') == []


def test_a_number_leads_to_its_statement(server, chromium, browser):
    driver = chromium()
    root = browser.look(driver, server.url(MANY))
    link = root.find_elements('css selector', '.links .go')[11]
    number = int(link.text)
    line = find(root, '.qhead[for=lpp-sql-%d]' % number)
    # From where the line is not to be seen.
    driver.execute_script('window.scrollTo(0, 0)')
    link.click()
    box = driver.execute_script(
        'const r = arguments[0].getBoundingClientRect();'
        'return [r.top, r.bottom, window.innerHeight]', line)
    assert 0 <= box[0] and box[1] <= box[2], box
    assert len(shown(driver, root, '.caller')) == 1


def test_where_style_is_forbidden_it_is_plain_and_whole(server, chromium,
                                                        browser):
    driver = chromium()
    root = browser.look(driver, server.url(
        '/++profile++sqltrace/strict/tell?3'), 'sql-plain')
    assert len(shown(driver, root, '.sqllist > li')) == 3
    find(root, '.sqllist details summary').click()
    assert len(shown(driver, root, '.caller')) == 1
    assert not [line for line in browser.console(driver)
                if 'Content Security Policy' in line]


def test_xhtml_stays_well_formed(server):
    for action in ('sql', 'sqltrace:includes%20x|bad%20%3Ci%3E'):
        got = server.get('/++profile++%s/strict/tellx?3' % action)
        assert got.header('Content-Type').startswith('application/xhtml+xml')
        xml.etree.ElementTree.fromstring(got.body)
        assert 'SQL trace' in got.text
