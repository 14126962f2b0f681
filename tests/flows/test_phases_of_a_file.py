"""Phases of atoms for a file: runs with CHGNet, made once and kept under the root."""

import pytest

from interphase_flows.commands.phase_references import FOLDER, computed_references
from interphase_flows.exceptions import InputError
from interphase_flows.md.phase_reference_runs import ReferenceSteps
from interphase_flows.runtime.progress import listening
from interphase_flows.settings import Settings
from interphase_flows.structures.crystals.library import load_phase

pytestmark = pytest.mark.slow
SHORT = ReferenceSteps(n_settle=2, n_frames=3, steps_between=1, n_melt=2)


def made(phases, root, electrode="Li"):
    return computed_references(
        phases,
        electrode=electrode,
        electrolyte="Li7P3S11",
        temperature_K=300.0,
        settings=Settings(root=root),
        steps=SHORT,
    )


def test_runs_with_chgnet_are_made_once_and_kept_by_content(tmp_path):
    """The second time nothing runs; a phase more is another file, which uses the runs that there are."""
    told = []
    with listening(lambda *each: told.append(each)):
        first = made(["Li2S", "Li7P3S11"], tmp_path)
    assert told[-1][:3] == ("runs of phases", 7, 7)
    assert {name: len(runs) for name, runs in first.runs.items()} == {"Li2S": 4, "amorphous": 3}
    assert first.made_by == "CHGNet, a surrogate"
    [kept] = (tmp_path / FOLDER).glob("*.npz")
    told.clear()
    with listening(lambda *each: told.append(each)):
        again = made(["Li2S", "Li7P3S11"], tmp_path)
    assert told == []
    assert again.left_out == first.left_out
    assert again.left_out["Li7P3S11"]["electrolyte"] > 0.9
    assert [kept] == list((tmp_path / FOLDER).glob("*.npz"))


def test_a_phase_may_come_from_a_file_and_a_wrong_name_is_a_sentence(tmp_path):
    load_phase("Li7P3S11").write(tmp_path / "mine.cif")
    with pytest.raises(InputError, match="no phase is called 'Na'"):
        made(["Li2S"], tmp_path, electrode="Na")
    with pytest.raises(InputError, match=r"none\.cif"):
        made(["Li2S", "Li3P=none.cif"], tmp_path)
