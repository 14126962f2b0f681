"""Registry of selection strategies, with one from another package."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from interphase_flows.campaign.schema import LearningSpec
from interphase_flows.datasets.selection.registry import (
    ENTRY_POINT_GROUP,
    selection_strategy,
    strategy_names,
)
from interphase_flows.datasets.selection.strategy import CandidatePool
from interphase_flows.exceptions import InputError

PAGE = Path(__file__).parents[4] / "docs" / "add_a_selection_strategy.md"
RANDOM = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Install a package with a strategy ``random`` in a folder of the path."""
    (folder / "random_selection.py").write_text(code)
    metadata = folder / "random_selection-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: random-selection\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\nrandom = random_selection:select\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "random_selection", raising=False)


def pool_of(n: int) -> CandidatePool:
    frames = []
    for index in range(n):
        frame = bulk("Li", cubic=True) * 2
        frame.rattle(0.1, seed=index)
        frame.info["origin"] = "explore/walker-0"
        frames.append(frame)
    return CandidatePool(frames, np.linspace(0.1, 0.2, n), [bulk("Li", cubic=True) * 2], ["Li"])


def test_default_strategy_selects_the_most_uncertain_first():
    selection = selection_strategy(LearningSpec().selection_strategy)(pool_of(5), 3, seed=0)
    assert selection.indices[0] == 4
    assert len(set(selection.indices)) == 3
    assert selection.notes == ["5 candidates, 4 of them distinct, 3 selected"]


def test_strategy_of_another_package_is_found_by_name(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, RANDOM)
    assert strategy_names() == ("uncertainty_diverse", "random")
    name = LearningSpec(selection_strategy="random").selection_strategy
    selections = [selection_strategy(name)(pool_of(9), 3, seed).indices for seed in (1, 1, 2)]
    assert selections[0] == selections[1] != selections[2]


def test_unknown_strategy_raises_with_the_choices():
    with pytest.raises(InputError, match="Hint: choose one of uncertainty_diverse"):
        selection_strategy("greedy")
    with pytest.raises(ValueError, match="Hint: choose one of uncertainty_diverse"):
        LearningSpec(selection_strategy="greedy")


def test_strategy_that_cannot_be_imported_raises_with_its_entry_point(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "import no_such_module")
    with pytest.raises(InputError, match=r"random_selection:select.*no_such_module"):
        selection_strategy("random")
