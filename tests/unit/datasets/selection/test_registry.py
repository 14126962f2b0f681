"""Registry of selection strategies, with one from another package."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from interphase_flows.campaign.schema import LearningSpec
from interphase_flows.datasets.selection.registry import (
    BUILT_IN_STRATEGIES,
    ENTRY_POINT_GROUP,
    selection_strategy,
    strategy_names,
)
from interphase_flows.datasets.selection.strategy import CandidatePool
from interphase_flows.exceptions import InputError

PAGE = Path(__file__).parents[4] / "docs" / "add_a_selection_strategy.md"
NEWEST = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Install a package with a strategy ``newest`` in a folder of the path."""
    (folder / "newest_selection.py").write_text(code)
    metadata = folder / "newest_selection-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: newest-selection\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\nnewest = newest_selection:select\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "newest_selection", raising=False)


def pool_of(n: int) -> CandidatePool:
    frames = []
    for index in range(n):
        frame = bulk("Li", cubic=True) * 2
        frame.rattle(0.1, seed=index)
        frame.info["origin"] = "explore/walker-0"
        frames.append(frame)
    return CandidatePool(frames, np.linspace(0.1, 0.2, n), [bulk("Li", cubic=True) * 2], ["Li"], distances_of_atoms)


def distances_of_atoms(frames: Sequence[Atoms]) -> list[np.ndarray]:
    """Return the sorted distances of each atom from its eight neighbours, as features."""
    return [np.sort(frame.get_all_distances(mic=True), axis=1)[:, 1:9] for frame in frames]


def test_default_strategy_selects_at_random():
    assert selection_strategy(LearningSpec().selection.strategy)(pool_of(5), 3, seed=0).notes == [
        "3 of 5 frames, at random"
    ]


def test_uncertainty_diverse_selects_the_most_uncertain_first():
    selection = selection_strategy("uncertainty_diverse")(pool_of(5), 3, seed=0)
    assert selection.indices[0] == 4
    assert len(set(selection.indices)) == 3
    assert selection.notes == ["5 candidates, 4 of them distinct, 3 selected"]


def test_strategy_of_another_package_is_found_by_name(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, NEWEST)
    assert strategy_names() == (*BUILT_IN_STRATEGIES, "newest")
    name = LearningSpec(selection={"strategy": "newest"}).selection.strategy
    assert selection_strategy(name)(pool_of(9), 3, seed=0).indices == [8, 7, 6]


@pytest.mark.parametrize("name", BUILT_IN_STRATEGIES)
@pytest.mark.parametrize("n", [0, 1, 3, 9])
def test_selection_is_repeatable_and_names_each_candidate_once(name, n):
    pool, select = pool_of(5), selection_strategy(name)
    selection = select(pool, n, seed=7)
    assert selection == select(pool, n, seed=7)
    assert len(set(selection.indices)) == len(selection.indices) <= min(n, 5)
    assert set(selection.indices) <= set(range(5))


def test_uncertainty_selects_the_largest_uncertainties():
    assert selection_strategy("uncertainty")(pool_of(9), 3, seed=0).indices == [8, 7, 6]


def test_random_selects_each_candidate_equally_often():
    pool, select = pool_of(5), selection_strategy("random")
    counts = np.bincount(np.ravel([select(pool, 2, seed).indices for seed in range(2000)]), minlength=5)
    assert counts.sum() == 4000
    # standard deviation of a count: sqrt(2000 * 0.4 * 0.6) = 22
    assert np.abs(counts - 800).max() < 5 * 22


def test_farthest_point_ignores_uncertainty_and_near_duplicates():
    pool = pool_of(5)
    frames = [*pool.frames, pool.frames[2].copy()]
    duplicated = CandidatePool(frames, np.array([0.1] * 5 + [9.0]), pool.training_frames, pool.elements)
    indices = selection_strategy("farthest_point")(duplicated, 5, seed=0).indices
    assert sorted(indices) == [0, 1, 2, 3, 4]


def test_unknown_strategy_raises_with_the_choices():
    with pytest.raises(InputError, match="Hint: choose one of random"):
        selection_strategy("greedy")
    with pytest.raises(ValueError, match="Hint: choose one of random"):
        LearningSpec(selection={"strategy": "greedy"})


def test_strategy_that_cannot_be_imported_raises_with_its_entry_point(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "import no_such_module")
    with pytest.raises(InputError, match=r"newest_selection:select.*no_such_module"):
        selection_strategy("newest")
