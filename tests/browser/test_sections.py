# SPDX-License-Identifier: Apache-2.0
"""The sections of block and report that not every page has (exact calls with
redirects and subrequests, filters, SQL, regions, memory), in Chromium: at two
widths, dark and light, on paper, and in a comparison."""
import re

import pytest

import apxs_env

CONFIG = ('LPProfilingAllowed On\n'
          '<LocationMatch ^/(strict/)?tell>\nSetHandler lpp-tell\n'
          '</LocationMatch>\n'
          'Alias /strict ${SITE}\n<Location /strict>\nHeader set '
          'Content-Security-Policy "default-src \'none\'"\n</Location>\n')
REGIONS = '''
function handle(r)
    r.content_type = 'text/html'
    local function spin(ms)
        local till = r:clock() + ms * 1000
        while r:clock() < till do end
    end
    lpprofile.region(r, "parse <the> input", spin, 200)
    for i = 1, 3 do
        lpprofile.region(r, "render", spin, tonumber(r.args) or 20)
    end
    r:puts('<p id="p">done</p>')
    return apache2.OK
end
'''
PAGES = {'subrequests': '/++profile++show/page.shtml',
         'regions': '/++profile++show/lua/regions.lua',
         'sql': '/++profile++show&sqltrace/tell?40,2'}


@pytest.fixture
def server(httpd):
    running = httpd(CONFIG + apxs_env.load('lpp_tell'),
                    features=['browser', 'lua', 'include'])
    page = running.site / 'lua' / 'regions.lua'
    if not page.exists():
        page.write_text(REGIONS)
        page.chmod(0o644)
    return running


def find_all(root, selector):
    return root.find_elements('css selector', selector)


def table(root, selector):
    """The rows of a table that is shown, as lists of the cells' texts. In one
    call: to ask for each of hundreds takes a second."""
    found, = find_all(root, selector)
    assert found.is_displayed()
    return found.parent.execute_script(
        "return [...arguments[0].querySelectorAll('tbody tr')].map(row => "
        "[...row.querySelectorAll('td, th')].map(cell => "
        "cell.innerText.trim().replace(/\\s+/g, ' ')))", found)


def saved(server, got):
    server.wait_saved(got)
    return '/++profile++report:' + got


def id_of(root):
    return re.search(r'OOPS-[0-9a-f]{32}', root.find_element(
        'css selector', '.log').text).group()


def assert_fits(driver):
    """Nothing sticks out of the page, nor out of a cell that is shown."""
    assert driver.execute_script(
        'return document.documentElement.scrollWidth <= innerWidth')


@pytest.mark.parametrize('width, dark', [(1280, False), (400, True)])
@pytest.mark.parametrize('name', sorted(PAGES))
def test_sections_fit_in_block_and_report(server, chromium, browser, name,
                                          width, dark):
    driver = chromium(width=width, dark=dark)
    tail = '-%d-%s' % (width, 'dark' if dark else 'light')
    root = browser.look(driver, server.url(PAGES[name]),
                        'block-%s%s' % (name, tail))
    assert_fits(driver)
    assert browser.console(driver) == []
    calls = table(root, '.top.calls')
    assert any('handler' in row for row in calls)
    memory = table(root, '.memory table')
    assert [row[0] for row in memory] == ['Address space', 'Resident',
                                          'Heap in use']
    driver.get(server.url(saved(server, id_of(root))))
    browser.keep_shot(driver, 'report-%s%s' % (name, tail))
    assert_fits(driver)
    assert browser.console(driver) == []
    assert find_all(driver, '.top.calls') and find_all(driver, '.memory')


def test_subrequests_stand_below_their_makers(server, chromium, browser):
    root = browser.look(chromium(), server.url(PAGES['subrequests']))
    text = root.find_element('css selector', '.top.calls').text
    assert 'Subrequest /part.html' in text
    # Ten milliseconds: on a busy machine too short for a sample.
    assert re.search(r'the request took ', root.find_element(
        'css selector', '.words').text)


def test_regions_have_their_table_and_their_bars(server, chromium, browser):
    root = browser.look(chromium(), server.url(PAGES['regions']))
    rows = table(root, '.inline table')
    assert [row[0] for row in rows] == ['parse <the> input', 'render']
    assert rows[1][1] == '3'
    bars = find_all(root, '.waterfall .other')
    assert len(bars) >= 4
    assert bars[0].size['width'] > max(50, bars[1].size['width'])


def test_headline_has_sql_and_figures(server, chromium, browser):
    root = browser.look(chromium(), server.url(PAGES['sql']))
    head = root.find_element('css selector', 'summary.head').text
    assert re.search(r'SQL 40 in \d', head) and 'CPU' in head
    assert '40 SQL statements took' in root.find_element(
        'css selector', '.words').text


def test_comparison_tells_sql_regions_and_memory(server, chromium, browser):
    driver = chromium()
    two = [saved(server, server.get('/++profile++show&sql/tell?%d,2' % n)
                 .oops_id) for n in (5, 40)]  # 20 ms and 1.6 s
    driver.get(server.url(two[1] + '&against:' + two[0].rpartition(':')[2]))
    browser.keep_shot(driver, 'compare-sql')
    row = table(driver, '.bysql .changes')[0]
    assert row[0].startswith('+') and row[4] == '40 times, were 5'
    assert '?' in row[5] and 's3cret' not in driver.page_source
    assert any('mod_lpp_tell.c' in row
               for row in table(driver, '.bycalls .changes'))
    assert len(table(driver, '.memory .delta')) == 3
    two = [saved(server, server.get('/++profile++show/lua/regions.lua?%d' % n)
                 .oops_id) for n in (5, 40)]
    for width in (1280, 400):
        driver = chromium(width=width)
        driver.get(server.url(two[1] + '&against:'
                              + two[0].rpartition(':')[2]))
        browser.keep_shot(driver, 'compare-regions-%d' % width)
        assert_fits(driver)
        assert re.match(r'After took \d+', driver.find_element(
            'css selector', '.words').text)
    row, = [row for row in table(driver, '.byregion .changes')
            if row[5] == 'render']
    assert row[0].startswith('+')
    assert browser.console(driver) == []


def test_paper_has_all_of_it_and_no_controls(server, chromium, browser):
    driver = chromium(dark=True)
    root = browser.look(driver, server.url(PAGES['sql']))
    report = saved(server, id_of(root))
    driver.execute_cdp_cmd('Emulation.setEmulatedMedia', {'media': 'print'})
    try:
        driver.get(server.url(report))
        browser.keep_shot(driver, 'print')
        body = driver.find_element('css selector', 'body')
        shades = re.findall(r'\d+', body.value_of_css_property(
            'background-color'))
        assert shades[:3] == ['255', '255', '255']
        assert not any(x.is_displayed() for x in find_all(
            driver, '.controls, .actions, nav, .readout'))
        assert find_all(driver, '.flame')[0].is_displayed()
        assert driver.find_element('css selector', 'h1').is_displayed()
    finally:
        driver.execute_cdp_cmd('Emulation.setEmulatedMedia', {
            'media': '', 'features': [{'name': 'prefers-color-scheme',
                                       'value': 'dark'}]})


def test_strict_policy_at_phone_width(server, chromium, browser):
    driver = chromium(width=400, script=False)
    root = browser.look(driver,
                        server.url('/strict/++profile++show/index.html'),
                        'strict-400')
    assert root.find_element('css selector', 'h1').is_displayed()
    assert find_all(root, '.waterfall rect')
    assert not [line for line in browser.console(driver)
                if 'Content Security' in line]
