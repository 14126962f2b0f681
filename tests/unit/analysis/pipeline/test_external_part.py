"""An analysis part of another distribution, found through its entry point."""

import numpy as np
import pytest

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.pipeline.interface_analysis import analyse_interface
from interphase_flows.analysis.pipeline.registered_parts import ENTRY_POINT_GROUP
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings, composition_of
from interphase_flows.report.text.interface_analysis import analysis_summary

MODULE = """
from interphase_flows.analysis.results import Result


class AtomsResult(Result):
    n_atoms: int


class AtomsPart:
    version = 1
    result = AtomsResult
    average_result = None

    def analyse(self, context):
        return AtomsResult(n_atoms=context.frames.n_atoms)
"""


@pytest.fixture
def installed_part(tmp_path, monkeypatch):
    """Install a distribution with a part."""
    metadata = tmp_path / "atoms_part-1.0.dist-info"
    metadata.mkdir()
    (tmp_path / "atoms_part.py").write_text(MODULE)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: atoms-part\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\natoms = atoms_part:AtomsPart\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("installed_part")
def test_part_of_another_distribution_is_run():
    numbers = np.array([3, 15, 16, 3])
    positions = np.random.default_rng(0).random((2, 4, 3))
    frames = ArrayFrames(numbers, np.arange(2.0), positions, 10.0 * np.eye(3))
    settings = InterfaceAnalysisSettings(
        composition_of("Li"), composition_of("Li7P3S11"), temperature_K=300, parts=("atoms",)
    )
    parts = analyse_interface(frames, settings).parts
    assert parts["atoms"].n_atoms == 4
    assert list(analysis_summary(parts))[-1] == "atoms: see analysis.json"
