# SPDX-License-Identifier: Apache-2.0
"""Page functions as a person sees them, in Debian's Chromium: the first
sentence, the flame graph's switch, with and without script."""
import re

import pytest

import httpd_env

ON = 'LPProfilingAllowed On\n'
SHOW = '/++profile++show'
PAGE = '/shop.php'
SHOP = '''<!DOCTYPE html><html><body><h1>Shop</h1><?php
class Renderer
{
    static function page($n)
    {
        for ($i = 0; $i < $n; $i++) {
            $sum = md5(str_repeat('a', 50000));
        }
        return Renderer::price($n);
    }

    static function price($n)
    {
        for ($x = 1, $i = 0; $i < $n * 100; $i++) {
            $x = ($x * 31 + $i) % 1000003;
        }
        return $x;
    }
}

echo Renderer::page(3000);
?></body></html>
'''
LINE = 7  # of md5
PARTS = ('page', 'all', 'c')

pytestmark = pytest.mark.mpms('prefork')


@pytest.fixture
def php(httpd):
    """(server, id of a report of a page of PHP)."""
    server = httpd(ON, features=['browser', 'modphp'], key='pagecode')
    page = server.site / 'shop.php'
    if not page.exists():
        page.write_text(SHOP)
        page.chmod(0o644)
    if not hasattr(server, 'report_id'):
        got = server.get(SHOW + PAGE)
        httpd_env.wait_for(
            lambda: server.get('/++profile++report:' + got.oops_id).status
            == 200, 20, 'the report')
        server.report_id = got.oops_id
    return server, '/++profile++report:' + server.report_id


def shown(root):
    """{part: whether its graph is on the screen}"""
    return {part: root.find_element('css selector', '.of-%s svg.flame' % part)
            .is_displayed() for part in PARTS}


def names(root, part):
    found = root.find_elements('css selector', '.of-%s .flame > svg > title'
                               % part)
    return [title.get_attribute('textContent').split('\n')[0]
            for title in found]


def pick(driver, root, part):
    label = root.find_element('css selector', 'label[for=lpp-part-%s]' % part)
    driver.execute_script('arguments[0].scrollIntoView()', label)
    label.click()


def only(part):
    return {other: other == part for other in PARTS}


@pytest.mark.parametrize('width', [1280, 400])
@pytest.mark.parametrize('dark', [False, True])
def test_first_sentence_and_graph_name_the_function(php, chromium, browser,
                                                    width, dark):
    server, report = php
    driver = chromium(width=width, dark=dark)
    tail = '-%d-%s' % (width, 'dark' if dark else 'light')
    root = browser.look(driver, server.url(SHOW + PAGE), 'page' + tail)
    for _ in range(2):
        words = root.find_element('css selector', '.words').text
        # what comes after it says whether the machine was busy
        assert re.match(r'\d+ %% in Renderer::page \(shop\.php:%d\)[.;] '
                        % LINE, words), words
        assert shown(root) == only('page')
        assert any(name.startswith('Renderer::page (PHP ')
                   for name in names(root, 'page'))
        assert driver.execute_script(
            'return document.documentElement.scrollWidth <= innerWidth')
        driver.get(server.url(report))
        browser.keep_shot(driver, 'page-report' + tail)
        root = driver
    assert browser.console(driver) == []


def test_switch_works_without_script(php, chromium, browser):
    server, report = php
    driver = chromium(script=False)
    root = browser.look(driver, server.url(SHOW + PAGE))
    for place in (root, driver):
        if place is driver:
            driver.get(server.url(report))
        assert shown(place) == only('page')
        for part in ('all', 'c', 'page'):
            pick(driver, place, part)
            assert shown(place) == only(part)
        every = names(place, 'all')
        c_names = names(place, 'c')
        assert any(name.startswith('ap_') for name in every)
        assert any('shop.php' in name for name in every)
        assert any(name.startswith('ap_') for name in c_names)
        assert not any('shop.php' in name for name in c_names)
        assert not any(name.startswith('ap_') for name in names(place, 'page'))
    assert browser.console(driver) == []


def test_search_and_keys_follow_the_switch(php, chromium, browser):
    from selenium.webdriver.common.keys import Keys
    server, report = php
    driver = chromium()
    driver.get(server.url(report))
    said = driver.find_element('css selector', '.controls output')
    driver.find_element('css selector', '.controls input').send_keys('ap_')
    assert said.text.startswith('0 functions')
    # the switch by keys alone
    button = driver.find_element('css selector', '#lpp-part-page')
    driver.execute_script('arguments[0].focus()', button)
    button.send_keys(Keys.ARROW_RIGHT)
    assert shown(driver) == only('all')
    assert re.match(r'[1-9]\d* functions', said.text)
    browser.keep_shot(driver, 'page-report-all')
    graph = driver.find_element('css selector', '.of-all .flame')
    driver.execute_script('arguments[0].focus()', graph)
    keys = driver.switch_to.active_element
    for key in (Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER):
        keys.send_keys(key)
    readout = driver.find_element('css selector', '.readout')
    assert not readout.text.startswith('Click')
    at = driver.find_element('css selector', '.of-all .flame > svg.at')
    assert at.get_attribute('width') == '100.000%'
    assert not driver.find_elements('css selector', '.of-page svg.at')
    pick(driver, driver, 'page')
    assert shown(driver) == only('page')
    assert readout.text.startswith('Click')
    assert said.text.startswith('0 functions')
    assert browser.console(driver) == []


def test_page_functions_are_told_not_by_colour_alone(php, chromium):
    server, report = php
    driver = chromium()
    driver.get(server.url(report))
    pick(driver, driver, 'all')
    page = driver.find_element('css selector', '.of-all rect.page')
    other = driver.find_element('css selector', '.of-all rect:not(.page)')
    assert page.value_of_css_property('stroke') != 'none'
    assert other.value_of_css_property('stroke') == 'none'
    legend = driver.find_element('css selector', '.of-all .keys').text
    assert 'shop.php (PHP)' in legend
    row = driver.find_element('css selector', '.quick tbody tr').text
    assert 'Renderer::page' in row and 'shop.php (PHP)' in row


def test_comparison_has_the_switch(php, chromium, browser):
    server, report = php
    driver = chromium()
    got = server.get(SHOW + PAGE)
    server.wait_saved(got.oops_id)
    driver.get(server.url('%s&against:%s' % (report, got.oops_id)))
    browser.keep_shot(driver, 'page-compare')
    assert shown(driver) == only('page')
    assert any(name.startswith('Renderer::page')
               for name in names(driver, 'page'))
    for part in ('all', 'c', 'page'):
        pick(driver, driver, part)
        assert shown(driver) == only(part)
    assert not any(name.startswith('Renderer::page')
                   for name in names(driver, 'c'))
    assert browser.console(driver) == []
