"""Analysis of trajectory files in a flow without a campaign."""

from pathlib import Path

import numpy as np
import pytest
from jobflow import Flow, run_locally

from growing_interphase import growing
from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.interfaces.results import BoundariesResult
from interphase_flows.analysis.pipeline.interface_analysis import analyse_interface
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings, composition_of
from interphase_flows.exceptions import AnalysisError
from interphase_flows.jobs.interface_analysis import InterfaceAnalysisMaker
from interphase_flows.jobs.interface_parts import load_parts
from trajectory_files import extxyz, lammps

pytestmark = [
    pytest.mark.usefixtures("empty_folder"),
    pytest.mark.filterwarnings("ignore:cd is deprecated:FutureWarning"),  # jobflow 0.4 still calls it
]


def interphase(n_frames: int) -> ArrayFrames:
    frames = growing(1.0, n_frames=n_frames, planes_per_angstrom=2)
    cells = np.repeat(frames.cell(0)[None], n_frames, axis=0)
    return ArrayFrames(frames.numbers, frames.time_fs, frames.all_positions, cells)


def test_lammps_dumps_are_replicas_of_one_analysis(empty_folder):
    """Results are those of the function, and readable from the folder of another job."""
    frames = interphase(11)
    for name in ("first.dump", "second.dump"):
        dump = lammps(empty_folder / name, frames, "xu")
    maker = InterfaceAnalysisMaker(
        temperature_K=600.0,
        parts=("boundaries", "displacement"),
        time_step_fs=dump.arguments["time_step_fs"],
        elements=["Li", "P", "S"],
    )
    job = maker.make([Path("first.dump"), Path("second.dump")])
    analysis = run_locally(Flow([job]), create_folders=True, ensure_success=True, log=False)[job.uuid][1].output
    assert list(analysis.trajectories) == ["first.dump", "second.dump"]
    parts = load_parts(analysis)
    assert set(parts) == {"boundaries", "displacement"}
    settings = InterfaceAnalysisSettings(
        composition_of("Li"), composition_of("Li7P3S11"), temperature_K=600, parts=("boundaries",)
    )
    direct = analyse_interface(frames, settings).result("boundaries", BoundariesResult)
    found = parts["boundaries"].replicas["second.dump"]
    for side, expected in direct.sides.items():
        assert found.sides[side].thickness_end_angstrom == pytest.approx(expected.thickness_end_angstrom, abs=0.5)


def test_function_opens_a_trajectory_file(empty_folder):
    path = extxyz(empty_folder / "run.extxyz", interphase(3)).path
    settings = InterfaceAnalysisSettings(
        composition_of("Li"), composition_of("Li7P3S11"), temperature_K=600, parts=("displacement",)
    )
    found = analyse_interface(str(path), settings)
    assert found.trajectory.n_frames == 3
    assert np.isfinite(found.trajectory.length_ps)


def test_missing_file_raises_with_a_hint():
    with pytest.raises(AnalysisError, match=r"run.dump: no such trajectory file. Hint"):
        InterfaceAnalysisMaker.make.original(InterfaceAnalysisMaker(), "run.dump")
