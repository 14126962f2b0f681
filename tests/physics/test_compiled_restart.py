"""Restarts of runs with compiled potentials: exact, and by the evaluation with which a segment began."""

import shutil
from pathlib import Path

import pytest

from compiled_graph import campaign, committee_of, compile_potentials
from exact_restart import assert_restart_is_exact, small_start
from interphase_flows.campaign.exploration import DynamicsSpec
from interphase_flows.exceptions import WalltimeReachedError
from interphase_flows.jobs.dynamics import segments as segments_job
from interphase_flows.jobs.dynamics.segments import SegmentMaker
from interphase_flows.md.dynamics import LangevinNPT, LangevinNVT
from interphase_flows.potentials.compiled.calculator import load_graph
from interphase_flows.potentials.compiled.committee import CompiledNequIPCommittee
from interphase_flows.potentials.compiled.compiler import cpp_compiler
from interphase_flows.runtime.walltime import Deadline
from interphase_flows.schemas.compiled_potential import CompiledPotentialDoc
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.storage.shared_graphs import FOLDER

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(cpp_compiler() is None, reason="no C++ compiler"),
]


@pytest.mark.parametrize(
    "dynamics",
    [
        LangevinNVT(temperature_K=200.0, timestep_fs=1.0),
        LangevinNPT(temperature_K=200.0, timestep_fs=1.0, pressure_GPa=1.0, barostat_time_fs=100.0),
    ],
    ids=["nvt", "npt"],
)
def test_dynamics_with_a_compiled_committee_restart_exactly(tmp_path, checkpoints, graph, dynamics):
    """17 + 23 steps equal 40 steps, including the cell."""

    def load() -> CompiledNequIPCommittee:
        load_graph.cache_clear()  # as in a new process
        return committee_of(checkpoints[:3], graph)

    assert_restart_is_exact(tmp_path, load, dynamics)


class StopAfter(Deadline):
    """Deadline that passes at the n-th look."""

    def __init__(self, n_looks: int) -> None:
        super().__init__(None, "test")
        object.__setattr__(self, "looks", iter([False] * n_looks))

    @property
    def is_over(self) -> bool:
        return next(self.looks, True)


MAKER = SegmentMaker(
    dynamics=DynamicsSpec(temperature_K=200, timestep_fs=1.0),
    n_steps=30,
    frame_interval_steps=5,
    uncertainty_interval_steps=5,
    checkpoint_interval_steps=10,
    runaway_temperature_factor=50.0,
    min_distance_fraction=0.2,
)


def alone(root: Path, name: str) -> Path:
    """Return a root with the compiled graph, but without campaigns whose results would be copied."""
    target = root / "alone" / name
    if not target.exists():
        shutil.copytree(root / FOLDER, target / FOLDER)
    return target


def segment_of(
    checkpoints: list[Path], compiled: CompiledPotentialDoc | None, start: SegmentDoc | None = None
) -> SegmentDoc:
    paths = [str(path) for path in checkpoints[:2]]
    return SegmentMaker.make.original(MAKER, start or small_start(), paths, compiled=compiled)


def interrupt(monkeypatch, checkpoints: list[Path], compiled: CompiledPotentialDoc | None) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(segments_job, "deadline", lambda settings: StopAfter(3))
        with pytest.raises(WalltimeReachedError):
            segment_of(checkpoints, compiled)


def test_segment_that_began_eagerly_stays_eager(root, checkpoints, monkeypatch):
    """A machine that has the graph resumes what another one has begun; the next segment is compiled."""
    with campaign(alone(root, "eager-throughout"), "eager-throughout"):
        expected = segment_of(checkpoints, None)
    with campaign(alone(root, "compiled-later"), "compiled-later"):
        document = compile_potentials()
    with campaign(alone(root, "compiled-later"), "compiled-later", n_threads=1, compile_potentials="never"):
        interrupt(monkeypatch, checkpoints, document)
    with campaign(alone(root, "compiled-later"), "compiled-later"):
        resumed = segment_of(checkpoints, document)
        following = segment_of(checkpoints, document, resumed)
    assert (expected.evaluation, resumed.evaluation) == ("eager", "eager")
    assert (expected.notes, resumed.notes) == ([], ["potentials are evaluated eagerly: the run began eagerly"])
    assert resumed.continue_state == expected.continue_state
    assert resumed.trajectory == expected.trajectory
    assert following.evaluation.startswith("compiled")


def test_segment_whose_graph_is_lost_restarts(root, checkpoints, monkeypatch):
    """The steps done are discarded, since half a segment of each evaluation could not be reproduced."""
    with campaign(alone(root, "eager"), "eager"):
        expected = segment_of(checkpoints, None)
    with campaign(alone(root, "graph-lost"), "graph-lost") as workspace:
        document = compile_potentials()
        interrupt(monkeypatch, checkpoints, document)
        workspace.artifacts.discard(document.artifact)
        resumed = segment_of(checkpoints, document)
    assert resumed.evaluation == "eager"
    assert resumed.continue_state == expected.continue_state
    assert any("restarted: it began with compiled" in note for note in resumed.notes)
    assert any("evaluated eagerly: the graph is damaged" in note for note in resumed.notes)


def test_interrupted_compiled_segment_equals_an_uninterrupted_one(root, document, checkpoints, monkeypatch):
    with campaign(alone(root, "compiled-at-once"), "compiled-at-once"):
        expected = segment_of(checkpoints, compile_potentials())
    with campaign(alone(root, "compiled-in-two"), "compiled-in-two"):
        compiled = compile_potentials()
        interrupt(monkeypatch, checkpoints, compiled)
        resumed = segment_of(checkpoints, compiled)
    assert resumed.evaluation == expected.evaluation == f"compiled {document.artifact.sha256[:16]}"
    assert resumed.continue_state == expected.continue_state
    assert resumed.trajectory == expected.trajectory
