"""Pages of `interphase serve` of a finished campaign, in Chromium."""

import re
import signal
import subprocess
import sys

import pytest

from chromium import CHROMIUM, NO_CHROMIUM, dom_of

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)]


def test_pages_of_a_finished_campaign_open_in_a_browser(finished_root, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in finished_root.rglob("*")}
    command = [sys.executable, "-m", "interphase_flows.cli", "serve", "--root", str(finished_root), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        address = server.stdout.readline().split()[0]
        overview = dom_of(address, tmp_path / "profile")
        link = re.search('href="(campaigns/tiny/)"', overview)[1]
        page = dom_of(address + link, tmp_path / "profile")
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
        server.stdout.close()
    assert server.returncode == 0
    assert "finished" in overview
    assert "jobs done" in page
    for figure in ("learning_curve", "training", "uncertainty"):
        assert f'id="figure-{figure}" src="data:image/svg+xml' in page
    assert "budget exhausted" in page
    after = {path: path.stat().st_mtime_ns for path in finished_root.rglob("*") if path.is_file()}
    assert after == {path: before[path] for path in after}  # nothing is written
