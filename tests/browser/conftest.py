# SPDX-License-Identifier: Apache-2.0
"""Debian's Chromium, headless, for what a person sees.

chromium(width=1280, height=900, dark=False, script=True) -> the selenium driver
of this session, made so: another call makes the same one otherwise. With
script=False no page runs any. look(driver, url, name) loads a page and gives
the block's tree; with LPP_SHOTS=directory it keeps a picture there.
console(driver): what the console got since last asked.
"""
import base64
import os
import pathlib
import shutil
import tempfile
import types

import pytest

import httpd_env

FLAGS = ('--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic',
         '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-sync',
         '--disable-dev-shm-usage', '--hide-scrollbars',
         # One process draws all pages: to start one takes longer than a page.
         '--renderer-process-limit=1', '--disable-site-isolation-trials',
         '--disable-features=BackForwardCache,SpareRendererForSitePerProcess')


def shadow(driver):
    """The tree that holds the block of the page shown."""
    return driver.find_element('css selector', 'lpp-profile').shadow_root


def look(driver, url, name=None):
    driver.get(url)
    if name:
        keep_shot(driver, name)
    return shadow(driver)


def arrive(driver, ending):
    """Wait for the page a click leads to; a form's is not waited for."""
    httpd_env.wait_for(
        lambda: driver.current_url.endswith(ending)
        and driver.execute_cdp_cmd('Runtime.evaluate', {
            'expression': 'document.readyState'
        })['result']['value'] == 'complete', 20, 'the page ' + ending)


def console(driver):
    return [entry['message'] for entry in driver.get_log('browser')
            if 'favicon.ico' not in entry['message']]


def keep_shot(driver, name):
    """Keep the whole page as a picture, where a person asked for it."""
    directory = os.environ.get('LPP_SHOTS')
    if not directory:
        return
    whole = driver.execute_cdp_cmd('Page.captureScreenshot', {
        'captureBeyondViewport': True, 'format': 'png'})
    path = pathlib.Path(directory) / (name + '.png')
    path.write_bytes(base64.b64decode(whole['data']))


@pytest.fixture
def browser():
    """The calls above, for tests that cannot import this file."""
    return types.SimpleNamespace(shadow=shadow, console=console, look=look,
                                 arrive=arrive, keep_shot=keep_shot)


def start_chromium(directory):
    from selenium import webdriver
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which('chromium')
    for flag in FLAGS:
        options.add_argument(flag)
    options.add_argument('--user-data-dir=' + directory)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    for last in (False, False, True):
        try:
            return webdriver.Chrome(
                options=options,
                service=Service(shutil.which('chromedriver')))
        except WebDriverException:
            # Its port was taken since it was found free, or Chromium did
            # not come up in time.
            if last:
                raise


@pytest.fixture(scope='session')
def driver():
    directory = tempfile.mkdtemp(prefix='lpp-chromium-')
    driver = start_chromium(directory)
    yield driver
    driver.quit()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def chromium(driver):
    def shaped(width=1280, height=900, dark=False, script=True):
        console(driver)
        # A window cannot be that narrow; a device can.
        driver.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', {
            'width': width, 'height': height, 'deviceScaleFactor': 1,
            'mobile': False})
        driver.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': [
            {'name': 'prefers-color-scheme',
             'value': 'dark' if dark else 'light'}]})
        driver.execute_cdp_cmd('Emulation.setScriptExecutionDisabled',
                               {'value': not script})
        return driver

    yield shaped
    # A page that stays open is drawn on and on, at the cost of other tests.
    driver.get('about:blank')
