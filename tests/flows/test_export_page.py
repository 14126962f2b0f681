"""The page on exports: its code blocks, run on a finished campaign."""

from pathlib import Path

import pytest

from page_blocks import run_blocks

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "use_results_elsewhere.md"


def test_code_blocks_of_the_page_run(finished_root: Path, empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERPHASE_ROOT", str(finished_root))
    monkeypatch.setenv("INTERPHASE_CAMPAIGN", "tiny")
    assert run_blocks(PAGE) == 4
