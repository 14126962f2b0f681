"""Where the pages are, and how the blocks in them are run."""

from collections.abc import Callable
from pathlib import Path

import pytest

from page_blocks import run_blocks


@pytest.fixture
def run_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], int]:
    """Run every `python` and `shell` block of a page in an empty folder; return how many there were."""
    monkeypatch.chdir(tmp_path)
    return run_blocks
