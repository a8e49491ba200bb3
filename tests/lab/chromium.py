"""A lab and a browser of their own processes, for tests of the page."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

__all__ = ["lab", "launched"]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
START = "from ganforge.cli import main; import sys; sys.argv = ['ganforge', 'lab', '--port', '0', *{}]; main()"


@contextmanager
def launched() -> Iterator[Any]:
    """The system's chromium, headless; without one the tests are skipped, or fail where REQUIRE_BROWSER=1."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        path = None
    if path is None:
        reason = "no browser: install chromium and the dev extra (pip install 'ganforge[dev]')"
        (pytest.fail if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip)(reason)
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=path, args=ARGS)
        yield chromium
        chromium.close()


@contextmanager
def lab(*options: str) -> Iterator[str]:
    """A lab as the command starts it, by its address; it has to end well."""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src"), "OMP_NUM_THREADS": "1"}
    start = START.format(list(options))
    process = subprocess.Popen([sys.executable, "-c", start], stderr=subprocess.PIPE, text=True, env=env)
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("the lab is open at http://127.0.0.1:"), line
    yield line.split()[-1]
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=20)[1]
    assert said.splitlines()[-1] == "closed"
    assert process.returncode == 0
