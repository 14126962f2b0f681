"""Reference runs of phases with CHGNet for the analysis of files, stored below the root."""

import pytest

from interphase_flows.commands.analysis_input import FOLDER, computed_references
from interphase_flows.exceptions import InputError
from interphase_flows.md.phase_references.steps import ReferenceSteps
from interphase_flows.runtime.progress import listening
from interphase_flows.settings import Settings
from interphase_flows.structures.crystals.library import load_phase

pytestmark = pytest.mark.slow
SHORT = ReferenceSteps(n_settle=2, n_frames=3, steps_between=1, n_melt=2)


def references(phases, root, electrode="Li"):
    return computed_references(
        phases,
        electrode=electrode,
        electrolyte="Li7P3S11",
        temperature_K=300.0,
        settings=Settings(root=root),
        steps=SHORT,
    )


def test_reference_runs_with_chgnet_are_computed_once_per_input(tmp_path):
    progress = []
    with listening(progress.append):
        first = references(["Li2S", "Li7P3S11"], tmp_path)
    assert progress[-1][:3] == ("runs of phases", 6, 6)
    assert {name: len(runs) for name, runs in first.runs.items()} == {"Li2S": 3, "amorphous": 2}
    assert first.made_by == "CHGNet, a surrogate"
    [stored] = (tmp_path / FOLDER).glob("*.npz")
    progress.clear()
    with listening(progress.append):
        again = references(["Li2S", "Li7P3S11"], tmp_path)
    assert progress == []
    assert again.left_out == first.left_out
    assert again.left_out["Li7P3S11"]["electrolyte"] > 0.9
    assert [stored] == list((tmp_path / FOLDER).glob("*.npz"))


def test_phase_may_be_a_file_and_an_unknown_name_is_rejected(tmp_path):
    load_phase("Li7P3S11").write(tmp_path / "mine.cif")
    with pytest.raises(InputError, match="unknown phase 'Na'"):
        references(["Li2S"], tmp_path, electrode="Na")
    with pytest.raises(InputError, match=r"none\.cif"):
        references(["Li2S", "Li3P=none.cif"], tmp_path)
