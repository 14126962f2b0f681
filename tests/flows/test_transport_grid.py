"""A transport grid added to a finished campaign: only the grid is computed."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from interphase_flows.results import CampaignResults
from interphase_flows.schemas.transport import TransportGridDoc
from interphase_flows.settings import load_settings
from tiny_campaign import TINY, interphase

pytestmark = pytest.mark.slow

GRID = """
transport_grid:
  electrode_fractions: [0.02, 0.51]
  n_per_fraction: 1
  n_atoms: 43
  temperatures_K: [900, 1100, 1300]
  melt_steps: 6
  quench_steps: 4
  equilibration_steps: 4
  n_segments: 2
  steps_per_segment: 30
  frame_interval_steps: 1
  uncertainty_interval_steps: 5
  checkpoint_interval_steps: 7
"""


def document_counts(root: Path) -> dict[str, int]:
    return json.loads(interphase("status", "--root", str(root), "--json").stdout)["documents"]


@pytest.fixture(scope="module")
def with_grid(finished_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return root and file of the campaign after the run of its grid."""
    root = tmp_path_factory.mktemp("grid") / "root"
    shutil.copytree(finished_root, root)
    file = root.parent / "tiny.yaml"
    file.write_text(TINY + GRID)
    interphase("run", str(file), "--root", str(root), "--accept-changes")
    return root, file


def grid_of(root: Path) -> TransportGridDoc:
    with CampaignResults("tiny", load_settings(root=root)) as results:
        assert results.result is not None
        [grid] = results.transport_grids(key=results.result.analysis_keys["transport_grid"])
        return grid


def test_only_the_grid_is_computed(finished_root: Path, with_grid: tuple[Path, Path]) -> None:
    """Two packings; melt, quench and three runs of three segments each; six measurements and a fit."""
    before, after = document_counts(finished_root), document_counts(with_grid[0])
    changed = {kind: after[kind] - before[kind] for kind in after if after[kind] != before[kind]}
    assert changed == {
        "structure_sets": 2,
        "segments": 2 * (2 + 3 * 3),
        "cell_transport": 6,
        "transport_grids": 1,
    }


def test_runs_at_each_temperature_start_from_the_quenched_cell_with_different_seeds(
    with_grid: tuple[Path, Path],
) -> None:
    with CampaignResults("tiny", load_settings(root=with_grid[0])) as results:
        segments = {(s.run_id, s.first_step, s.temperature_target_K): s for s in results.segments(role="transport")}
        chain = [key for key in segments if key[0] == "grid-x0.510-0-900K"]
        assert sorted(step for _, step, _ in chain) == [0, 4, 34]
        assert sorted(key for key in segments if key[0] == "grid-x0.510-0") == [
            ("grid-x0.510-0", 0, 1500.0),
            ("grid-x0.510-0", 6, 300.0),
        ]
        with results.trajectory("grid-x0.510-0", role="transport", key=[s.key for s in segments.values()]) as run:
            quenched = run.positions(run.n_frames - 1)
        starts = []
        for temperature in (900, 1100):
            with results.trajectory(f"grid-x0.510-0-{temperature}K") as run:
                np.testing.assert_allclose(run.positions(0), quenched, atol=1e-3)
                starts.append(run.positions(1) - run.positions(0))
    # the same random numbers would give displacements that differ by a factor
    together = np.corrcoef(starts[0].ravel(), starts[1].ravel())[0, 1]
    assert abs(together) < 0.5


def test_every_run_has_a_coefficient_or_a_reason(with_grid: tuple[Path, Path]) -> None:
    """A tenth of a picosecond supports no coefficient."""
    result = grid_of(with_grid[0]).result
    assert len(result.cells) == 6
    assert result.at_rest == "S"
    assert result.species == ("Li", "P")
    assert {round(cell.x_electrode, 3) for cell in result.cells} == {0.023, 0.512}
    for cell in result.cells:
        assert cell.coefficients or cell.rejection
        assert cell.trust.n_evaluations >= (6 + 4 + 4 + 60) // 5


def test_report_has_a_section_on_the_grid_only_if_requested(with_grid: tuple[Path, Path], finished_root: Path) -> None:
    page = (with_grid[0] / "tiny" / "report" / "report.html").read_text()
    assert "Transport on a composition grid" in page
    assert "Rejected runs" in page
    assert "transport grid" in page
    assert "Transport on a composition grid" not in (finished_root / "tiny" / "report" / "report.html").read_text()


def test_resume_computes_nothing(with_grid: tuple[Path, Path]) -> None:
    before, documents = grid_of(with_grid[0]), document_counts(with_grid[0])
    interphase("resume", "--root", str(with_grid[0]))
    assert grid_of(with_grid[0]) == before
    assert document_counts(with_grid[0]) == documents
