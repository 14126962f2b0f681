"""The page on plots of your own: its code blocks, run on a finished campaign."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from page_blocks import run_blocks

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "plot_results.md"


@pytest.fixture
def _closed_figures():
    yield
    plt.close("all")


@pytest.mark.usefixtures("_closed_figures")
def test_blocks_of_the_page_draw_its_figures(
    finished_root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("INTERPHASE_ROOT", str(finished_root))
    monkeypatch.setenv("INTERPHASE_CAMPAIGN", "tiny")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(tmp_path)
    assert run_blocks(PAGE) == 6
    text = PAGE.read_text(encoding="utf-8")
    names = re.findall(r'savefig\("(.*?)"', text)
    assert re.findall(r"images/plot_results_(.*?)\)", text) == names
    assert {figure.name for figure in tmp_path.glob("*.png")} == set(names)
    for name in names:
        drawn = plt.imread(tmp_path / name)
        assert len(np.unique(drawn.reshape(-1, drawn.shape[-1]), axis=0)) > 10  # not empty
