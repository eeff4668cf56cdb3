# SPDX-License-Identifier: Apache-2.0
"""The block as a person sees it, in Debian's Chromium."""
import re

import pytest

SHOW = 'LPProfilingAllowed On\n'
SEGMENT = '/++profile++show'
CSP = (SHOW + 'Alias /strict ${SITE}\n<Location /strict>\nHeader set '
       'Content-Security-Policy "default-src \'none\'"\n</Location>\n'
       'AddType application/xhtml+xml .xhtml\n'
       'AddCharset iso-8859-1 .latin1\n')

HOSTILE = '''<!DOCTYPE html><html><head><style>
* { color: red !important; font-size: 40px !important; margin: 9px }
lpp-profile, lpp-profile * { display: none !important; opacity: 0 }
div, table, details, section, svg, h1 { display: none !important }
body { display: flex; text-align: right; direction: rtl }
.lpp, .inside, .head { background: lime !important }
</style></head><body><p id="p">A page that does not want it</p></body></html>
'''
XHTML = '''<?xml version="1.0"?>
<html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head>
<body><p id="p">XHTML &amp; more</p></body></html>
'''
META = '''<!DOCTYPE html><html><head><meta http-equiv="Content-Security-Policy"
content="default-src &#39;self&#39;; script-src 'none'"></head>
<body><p id="p">A page with a policy of its own</p></body></html>
'''
# Of each the last "</body>" is no end tag.
ODD = {
    'string.html': '<!doctype html><title>t</title><body><p>x</p><script>var '
                   "s = '<p></body>'; document.title = s;</script>\n",
    'json.html': '<!doctype html><title>t</title><body><script id=j '
                 'type="application/json">{"h":"<p></body>"}</script><script>'
                 'document.title = JSON.parse(j.textContent).h</script>\n',
    'comment.html': '<!doctype html><title>&lt;p>&lt;/body></title><body>'
                    '<p>x</p></body></html><!-- </body> -->\n',
}
PLAIN = '''<!DOCTYPE html><html><head><style>
h1 { color: rgb(1, 2, 3); font-size: 31px }</style></head>
<body><h1 id="p">Its own heading</h1><table><tr><td>x</td></tr></table>
</body></html>
'''


@pytest.fixture
def server(httpd):
    running = httpd(CSP, features=['browser', 'lua'])
    pages = {'hostile.html': HOSTILE.encode(), 'x.xhtml': XHTML.encode(),
             'own.html': PLAIN.encode(), 'meta.html': META.encode(),
             **{name: text.encode() for name, text in ODD.items()},
             'g.html.latin1': '<p id="p">gr\u00fc\u00df</p>'.encode('latin-1'),
             'large.html': b'<!DOCTYPE html><body><p id="p">'
                           + b'word ' * 500 + b'</p>'
                           + (b'<p>' + b'word ' * 500) * 2000 + b'</body>'}
    for name, content in pages.items():
        path = running.site / name
        if not path.exists():
            path.write_bytes(content)
            path.chmod(0o644)
    return running


def find(root, selector):
    return root.find_element('css selector', selector)


def find_all(root, selector):
    return root.find_elements('css selector', selector)


def assert_readable(driver, root):
    """Heading and figures are on the screen, nothing is wider than it."""
    heading = find(root, 'h1')
    assert heading.text == 'Profiling Information'
    assert heading.is_displayed() and heading.size['height'] > 10
    width = driver.execute_script('return document.documentElement'
                                  '.scrollWidth')
    assert width <= driver.execute_script('return innerWidth')


@pytest.mark.parametrize('width', [1280, 400])
@pytest.mark.parametrize('dark', [False, True])
def test_slow_page(server, chromium, browser, width, dark):
    driver = chromium(width=width, dark=dark)
    root = browser.look(driver, server.url(SEGMENT + '/lua/compute.lua?ms=300'),
                        'slow-%d-%s' % (width, 'dark' if dark else 'light'))
    assert_readable(driver, root)
    background = find(root, '.lpp').value_of_css_property('background-color')
    shades = [int(n) for n in re.findall(r'\d+', background)[:3]]
    assert (sum(shades) < 200) == dark
    assert 'luaV_execute' in find(root, '.words').text \
        or 'lua' in find(root, '.words').text
    frames = find_all(root, '.flame > svg')
    assert len(frames) > 3
    whole = find(root, '.flame').size['width']
    assert frames[0].find_element('css selector', 'rect').size['width'] \
        == pytest.approx(whole, abs=2)
    rows = find_all(root, '.quick table')[0]
    assert find_all(rows, 'tbody tr')[0].is_displayed()
    assert browser.console(driver) == []


def test_folds_and_unfolds_without_script(server, chromium, browser):
    driver = chromium(script=False)
    root = browser.look(driver, server.url(SEGMENT + '/own.html'))
    inside = find(root, '.inside')
    assert inside.is_displayed()
    find(root, 'summary.head').click()
    assert not inside.is_displayed()
    assert find(root, 'h1').is_displayed()
    find(root, 'summary.head').click()
    assert inside.is_displayed()


def test_page_and_block_do_not_restyle_each_other(server, chromium, browser):
    driver = chromium()
    wanted = ('color', 'font-size', 'font-family', 'display', 'margin-top')
    driver.get(server.url('/own.html'))
    before = [driver.find_element('id', 'p').value_of_css_property(name)
              for name in wanted]
    root = browser.look(driver, server.url(SEGMENT + '/own.html'))
    after = [driver.find_element('id', 'p').value_of_css_property(name)
             for name in wanted]
    assert before == after
    own = find(root, 'h1')
    assert own.value_of_css_property('font-size') == '17px'
    assert own.value_of_css_property('color') != 'rgba(1, 2, 3, 1)'


def test_page_with_hostile_style(server, chromium, browser):
    driver = chromium()
    root = browser.look(driver, server.url(SEGMENT + '/hostile.html'),
                        'hostile')
    assert_readable(driver, root)
    heading = find(root, 'h1')
    assert heading.value_of_css_property('font-size') == '17px'
    assert heading.value_of_css_property('color') != 'rgba(255, 0, 0, 1)'
    assert find(root, '.lpp').value_of_css_property('direction') == 'ltr'
    assert find(root, '.lpp').size['width'] > 600


def test_strict_policy(server, chromium, browser):
    driver = chromium()
    root = browser.look(driver,
                        server.url('/strict' + SEGMENT + '/index.html'),
                        'strict')
    assert_readable(driver, root)
    assert find_all(root, 'style') == []
    assert [line for line in browser.console(driver)
            if 'Content Security' in line] == []


def test_policy_in_the_page(server, chromium, browser):
    driver = chromium()
    root = browser.look(driver, server.url(SEGMENT + '/meta.html'), 'meta')
    assert_readable(driver, root)
    assert find_all(root, 'style') == []
    assert browser.console(driver) == []


@pytest.mark.parametrize('name', ODD)
def test_page_that_has_an_end_tag_in_its_text(server, chromium, browser, name):
    driver = chromium()
    root = browser.look(driver, server.url(SEGMENT + '/' + name))
    assert_readable(driver, root)
    assert driver.title == '<p></body>'  # its script ran, and saw its text
    assert driver.execute_script("return document.querySelector("
                                 "'lpp-profile').parentNode.localName") \
        == 'body'
    assert browser.console(driver) == []


@pytest.mark.parametrize('name', ['large.html', 'g.html.latin1'])
def test_large_and_latin1_pages(server, chromium, browser, name):
    driver = chromium()
    root = browser.look(driver, server.url(SEGMENT + '/' + name))
    assert_readable(driver, root)
    text = driver.execute_script(
        "return document.getElementById('p').textContent.slice(0, 99)")
    assert text.startswith('word' if name == 'large.html' else 'gr\u00fc\u00df')
    assert browser.console(driver) == []


def test_xhtml_page(server, chromium, browser):
    driver = chromium()
    driver.get(server.url(SEGMENT + '/x.xhtml'))
    browser.keep_shot(driver, 'xhtml')
    assert driver.find_element('id', 'p').text == 'XHTML & more'
    heading = driver.find_element('css selector', '.lpp h1')
    assert heading.is_displayed()
    assert heading.value_of_css_property('font-size') == '17px'
    assert driver.find_elements('css selector', 'parsererror') == []
    assert browser.console(driver) == []


def test_links_lead_on(server, chromium, browser):
    driver = chromium()
    root = browser.look(driver, server.url(SEGMENT + '/own.html'))
    link = next(a for a in find_all(root, '.next a')
                if a.text.endswith('help/own.html'))
    link.click()
    browser.arrive(driver, '/++profile++help/own.html')
    root = browser.shadow(driver)
    assert find(root, '.help h2').text == 'Help'


@pytest.mark.parametrize('width', [1280, 400])
def test_page_of_its_own(server, chromium, browser, width):
    driver = chromium(width=width)
    server.wait_oops(server.get('/++profile++callgrind/index.html').oops_id)
    driver.get(server.url('/++profile++'))
    browser.keep_shot(driver, 'home-%d' % width)
    heading = driver.find_element('css selector', 'h1')
    assert heading.value_of_css_property('font-size') == '17px'
    assert 'LPProfileDir' in driver.find_element('css selector', 'main').text
    assert 'OOPS-' in driver.find_element('css selector', 'main').text
    assert driver.execute_script('return document.documentElement.scrollWidth'
                                 ' <= innerWidth')
    assert browser.console(driver) == []
