# SPDX-License-Identifier: Apache-2.0
"""The report pages as a person uses them, in Debian's Chromium."""
import re

import pytest

import httpd_env

ON = 'LPProfilingAllowed On\n'
LIST = '/++profile++reports'
REPORT = '/++profile++report:'
# The flame graph with C functions, if there is more than one.
SHOWN = ':is(.of-all, section) > .flame'


@pytest.fixture
def reports(httpd):
    """(server, id of a fast page, of a slow one, of a slower one); a second
    that the machine stands still does not change their order."""
    server = httpd(ON, features=['browser', 'lua'], key='reports')
    if not hasattr(server, 'reports'):
        server.reports = []
        for path in ('/index.html', '/lua/compute.lua?ms=1500',
                     '/lua/compute.lua?ms=4000'):
            got = server.get('/++profile++show' + path)
            server.wait_saved(got.oops_id)
            server.reports.append(got.oops_id)
    return (server, *server.reports)


def find(driver, selector):
    return driver.find_element('css selector', selector)


def find_all(driver, selector):
    return driver.find_elements('css selector', selector)


def see(driver, browser, server, path, name):
    driver.get(server.url(path))
    browser.keep_shot(driver, name)


def see_all_code(driver, server, report_id):
    """A report with the flame graph that has the C functions."""
    driver.get(server.url(REPORT + report_id))
    pick_all_code(driver)


def pick_all_code(driver):
    """On a page with page code, which is shown alone at first."""
    for label in find_all(driver, 'label[for=lpp-part-all]'):
        label.location_once_scrolled_into_view
        label.click()


def fits(driver):
    return driver.execute_script(
        'return document.documentElement.scrollWidth <= innerWidth')


def boxes(driver):
    """[(name, x, width) of each box that is shown], in percent."""
    return driver.execute_script('''
        return Array.from(document.querySelectorAll('.flame > svg'))
            .filter(b => !b.hasAttribute('display')
                    && b.getClientRects().length)
            .map(b => [b.querySelector('title').textContent.split('\\n')[0],
                       parseFloat(b.getAttribute('x')),
                       parseFloat(b.getAttribute('width'))])''')


def box(driver, name):
    return next(b for b in find_all(driver, SHOWN + ' > svg') if
                driver.execute_script('return arguments[0].querySelector('
                                      '"title").textContent', b)
                .startswith(name))


def click(driver, element):
    """At its left end, where its name is; a person's click."""
    driver.execute_script('''
        const box = arguments[0].querySelector('rect').getBoundingClientRect();
        document.elementFromPoint(box.left + 3, box.top + 5).dispatchEvent(
            new MouseEvent('click', {bubbles: true}))''', element)


@pytest.mark.parametrize('width', [1280, 400])
@pytest.mark.parametrize('dark', [False, True])
def test_pages_fit_and_are_quiet(reports, chromium, browser, width, dark):
    server, fast, slow, slower = reports
    driver = chromium(width=width, dark=dark)
    tail = '-%d-%s' % (width, 'dark' if dark else 'light')
    for path, name in ((LIST, 'list'), (REPORT + slow, 'report'),
                       (REPORT + fast, 'report-fast'),
                       (REPORT + slower + '&against:' + slow, 'compare'),
                       ('/++profile++', 'home')):
        see(driver, browser, server, path, name + tail)
        assert fits(driver), path
        assert find(driver, 'h1').is_displayed()
        shades = re.findall(r'\d+', find(driver, 'body')
                            .value_of_css_property('background-color'))
        assert (sum(map(int, shades[:3])) < 200) == dark
        assert browser.console(driver) == [], path


def test_zoom_and_reset(reports, chromium, browser):
    server, _, slow, _ = reports
    driver = chromium()
    see_all_code(driver, server, slow)
    browser.keep_shot(driver, 'zoom-before')
    before = boxes(driver)
    assert before[0][1:] == [0, 100]
    reset = find(driver, '.controls button')
    assert reset.is_displayed() and not reset.is_enabled()
    target = box(driver, 'lua_pcallk')
    width = [w for name, _, w in before if name.startswith('lua_pcallk')][0]
    find(driver, '.graph').location_once_scrolled_into_view
    click(driver, target)
    browser.keep_shot(driver, 'zoom')
    after = boxes(driver)
    assert next(w for name, _, w in after
                if name.startswith('lua_pcallk')) == 100
    assert after[0][1:] == [0, 100]
    assert len(after) < len(before) or width > 99
    assert all(x >= 0 and x + w <= 100.1 for _, x, w in after)
    assert 'lua_pcallk' in find(driver, '.readout').text
    reset.click()
    assert boxes(driver) == before
    assert not reset.is_enabled()
    assert browser.console(driver) == []


def test_click_on_what_is_zoomed_goes_up(reports, chromium):
    server, _, slow, _ = reports
    driver = chromium()
    see_all_code(driver, server, slow)
    find(driver, '.graph').location_once_scrolled_into_view
    click(driver, box(driver, 'ap_run_handler'))
    click(driver, box(driver, 'ap_run_handler'))
    assert next(w for name, _, w in boxes(driver)
                if name.startswith('ap_invoke_handler')) == 100


def test_search(reports, chromium, browser):
    server, _, slow, _ = reports
    driver = chromium()
    see_all_code(driver, server, slow)
    field = find(driver, '.controls input')
    field.send_keys('LUA')
    browser.keep_shot(driver, 'search')
    hits = find_all(driver, SHOWN + ' > svg.hit')
    assert hits
    said = find(driver, '.controls output').text
    share = float(re.search(r'([\d.]+) % of the width', said).group(1))
    assert 50 < share <= 100
    assert float(box(driver, '[request]')
                 .value_of_css_property('opacity')) < 0.5
    field.send_keys('nothing of that name')
    assert '0 functions' in find(driver, '.controls output').text
    find(driver, '.controls button').click()
    assert not find_all(driver, SHOWN + ' > svg.hit')
    assert find(driver, '.controls output').text == ''
    assert browser.console(driver) == []


def test_keyboard(reports, chromium):
    server, _, slow, _ = reports
    driver = chromium()
    see_all_code(driver, server, slow)
    from selenium.webdriver.common.keys import Keys
    graph = find(driver, SHOWN)
    driver.execute_script('arguments[0].focus()', graph)
    keys = driver.switch_to.active_element
    for _ in range(3):
        keys.send_keys(Keys.ARROW_DOWN)
    third = find(driver, '.readout').text.split(' ')[0]
    assert third not in ('', 'Click', '[request]')
    keys.send_keys(Keys.ARROW_UP)
    assert find(driver, '.readout').text.split(' ')[0] != third
    keys.send_keys(Keys.ENTER)
    keys.send_keys(Keys.ESCAPE)
    assert boxes(driver)[0][1:] == [0, 100]
    assert find(driver, '.readout').text.startswith('Click')


def test_without_script(reports, chromium, browser):
    server, _, slow, _ = reports
    driver = chromium(script=False)
    driver.get(server.url(REPORT + slow))
    assert not find(driver, '.controls').is_displayed()
    assert not find(driver, '.readout').is_displayed()
    assert len(find_all(driver, '.flame > svg')) > 3
    # folds of the tree
    line = find(driver, '.tree summary')
    below = find(driver, '.tree ul')
    assert below.is_displayed()
    find(driver, '.tree summary .pc').click()
    assert not below.is_displayed()
    find(driver, '.tree summary .pc').click()
    assert below.is_displayed() and line.is_displayed()
    # a function is chosen by its link
    link = next(a for a in find_all(driver, '.tree a')
                if a.text == 'ap_invoke_handler')
    link.click()
    browser.arrive(driver, '#function')
    assert find(driver, '#function .words code').text == 'ap_invoke_handler'
    assert 'ap_run_handler' in find(driver, '#function .two').text
    assert browser.console(driver) == []


def test_list_sorts_and_compares_without_script(reports, chromium, browser):
    server, fast, slow, slower = reports
    driver = chromium(script=False)
    driver.get(server.url(LIST))

    def order():
        return [i.get_attribute('value')
                for i in find_all(driver, 'input[name=report]')]
    assert order() == [slower, slow, fast]
    next(a for a in find_all(driver, 'th a') if a.text == 'Wall').click()
    browser.arrive(driver, '?sort=wall')
    assert order()[0] == slower and order()[-1] == fast
    next(a for a in find_all(driver, 'th a')
         if a.text.startswith('Wall')).click()
    browser.arrive(driver, '?sort=-wall')
    assert order() == [fast, slow, slower]
    find(driver, 'input[name=report][value=%s]' % slower).click()
    find(driver, 'input[name=against][value=%s]' % slow).click()
    find(driver, 'form button').click()
    browser.arrive(driver, 'report:%s&against:%s' % (slower, slow))
    assert 'Differential flame graph' in find(driver, 'main').text
    assert browser.console(driver) == []


def test_comparison_tells_growth_not_by_colour_alone(reports, chromium,
                                                     browser):
    server, fast, slow, slower = reports
    driver = chromium()
    see(driver, browser, server, REPORT + slower + '&against:' + slow,
        'compare')
    first = find(driver, '.flame > svg')
    assert first.find_element('css selector', 'text').text.startswith(
        '\u25b2')
    assert find(driver, '.changes tbody td').text.startswith('+')
    assert find_all(driver, '.flame .grown')
    pick_all_code(driver)
    click(driver, box(driver, 'lua_pcallk'))
    assert next(w for name, _, w in boxes(driver)
                if name.startswith('lua_pcallk')) == 100
    see(driver, browser, server, REPORT + fast + '&against:' + slow, 'less')
    assert find_all(driver, '.flame .shrunk')
    assert '\u25bc' in find(driver, '.flame text').text
    assert 'only before' in find(driver, '.quick').text
    assert browser.console(driver) == []


def test_download_by_its_link(reports, chromium):
    server, _, slow, _ = reports
    driver = chromium()
    driver.get(server.url(REPORT + slow))
    links = {a.text: a.get_attribute('href')
             for a in find_all(driver, 'a[download]')}
    assert sorted(links) == ['callgrind', 'collapsed', 'pprof', 'pstats']
    for href in links.values():
        assert server.get(href[href.index('/++'):]).status == 200


def test_block_leads_to_the_report(reports, chromium, browser):
    server = reports[0]
    driver = chromium()
    root = browser.look(driver, server.url('/++profile++show/index.html'))
    link = next(a for a in root.find_elements('css selector', 'a')
                if a.text == 'the report')
    href = link.get_attribute('href')
    httpd_env.wait_for(
        lambda: server.get(href[href.index('/++'):]).status == 200, 10,
        'the report')
    driver.get(href)
    assert find(driver, 'h1').text == 'Profile of RootObject:index.html'
