# SPDX-License-Identifier: Apache-2.0
"""The wall clock is set while a request runs: no duration contains the step,
and the profile is found and read. (tests/modules/lpp_set_clock.c)"""
import pathlib
import re
import shutil
import sys
import tempfile
import time

import pytest

import apxs_env
from httpd_env import wait_for

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent
                       / 'readers'))

from oops_reader import read_rfc822  # noqa: E402

HOUR = 3600
YEAR = 365 * 86400
# The clock is set when the page has begun, and the page goes on for a while.
PAGE = '''
function handle(r)
    local file = io.open("%s", "w")
    file:write("%d")
    file:close()
    -- CPU time of the process, the helper's included: 0.3 s at least pass.
    local t = os.clock()
    while os.clock() - t < 0.4 do end
    r.content_type = "text/html"
    r:puts("<html><body>slow</body></html>")
    return apache2.OK
end
'''


@pytest.fixture
def clock():
    where = pathlib.Path(tempfile.mkdtemp(prefix='lpp-clock-'))
    where.chmod(0o777)
    yield where / 'ahead'
    shutil.rmtree(where)


@pytest.mark.parametrize('step', [-HOUR, HOUR, -60 * YEAR, 200 * YEAR])
def test_no_duration_contains_a_step_of_the_clock(httpd, clock, step):
    """Regression: set back by an hour, the OOPS had Duration -3599 and the
    report page was 404, its file "damaged"."""
    server = httpd('LPProfilingAllowed On\nServerLimit 1\nStartServers 1\n'
                   'ThreadsPerChild 8\nMaxRequestWorkers 8\n'
                   'MinSpareThreads 1\nMaxSpareThreads 8\n'
                   'LPMemoryProfileLog ${ROOT}/memory.log\n',
                   mpm='event', features=['lua', 'status'], fresh=True,
                   env={'LD_PRELOAD': str(apxs_env.build_object(
                       'lpp_set_clock', 'lpp_set_clock')),
                        'LPP_CLOCK_FILE': str(clock)})
    (server.site / 'lua' / 'step.lua').write_text(PAGE % (clock, step))
    begin = time.monotonic()
    got = server.get('/++profile++show&callgrind&pprof/lua/step.lua')
    took = time.monotonic() - begin
    assert got.status == 200 and got.lpprofile.startswith('profiled')
    assert 'Profiling Information' in got.text
    report = read_rfc822(server.wait_oops(got.oops_id).read_bytes())
    assert 0.3 <= float(report['duration']) <= took
    server.wait_files(got.oops_id, 2)
    page = server.report(got.oops_id)
    assert page.status == 200 and got.oops_id in page.text
    # The next one begins when the clock has its new time: the year, and all
    # its files are found by their names.
    after = server.get('/++profile++callgrind/index.html')
    assert after.lpprofile.startswith('profiled')
    report = read_rfc822(server.wait_oops(after.oops_id).read_bytes())
    assert 0 <= float(report['duration']) < 60
    year = time.gmtime(time.time() + step).tm_year
    assert report['time'].startswith('%04d-' % year)
    paths = server.wait_files(after.oops_id, 1)
    assert all('%04d-' % year in path.name for path in paths)
    assert server.report(after.oops_id).status == 200
    listed = server.get('/++profile++reports').text
    assert got.oops_id in listed and after.oops_id in listed
    # A line is written once its response was sent.
    log = server.root / 'memory.log'
    wait_for(lambda: log.read_text().count('\n') >= 5, 10, 'five lines')
    lines = log.read_text().splitlines()
    assert len(lines) >= 5
    assert all(0 <= float(line.split()[3]) < 60 for line in lines), lines
    assert not re.search(r'\d{4}-\d\d-\d\d_\S*-\d', lines[-1].split()[0])
