"""Fixture that runs the code blocks of a page."""

from collections.abc import Callable
from pathlib import Path

import pytest

from page_blocks import run_blocks


@pytest.fixture
def run_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], int]:
    """Return a function that runs the `python` and `shell` blocks of a page in an empty folder and counts them."""
    monkeypatch.chdir(tmp_path)
    return run_blocks
