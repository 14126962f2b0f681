"""Runs of phases at temperature: which there are, that they are made once, and what happens when one breaks."""

import numpy as np
import pytest
from ase.calculators.calculator import Calculator

from interphase_flows.analysis.speciation.element_roles import roles_of
from interphase_flows.exceptions import AnalysisError
from interphase_flows.md.phase_references.runs import ReferenceSteps, phase_references, planned_runs
from interphase_flows.runtime.progress import listening
from interphase_flows.structures.crystals.library import load_phase
from li_p_s import LI_P_S
from spheres import SpheresCalculator

SHORT = ReferenceSteps(n_settle=2, n_frames=3, steps_between=1, n_melt=2)
ROLES = roles_of(["Li"], ["Li", "P", "S"])


class NoElectrolyte(SpheresCalculator):
    """Breaks where it meets the electrolyte."""

    def calculate(self, atoms=None, *arguments, **keywords):
        if atoms.get_chemical_formula(empirical=True) == "Li7P3S11":
            raise ValueError("its neighbours are nowhere")
        super().calculate(atoms, *arguments, **keywords)


class Untouchable(Calculator):
    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def calculate(self, *args, **kwargs):
        raise AssertionError("a run that was kept is computed again")


def made(calculator, folder, names=("Li2S", "Li7P3S11"), steps=SHORT):
    return phase_references(
        {name: load_phase(name) for name in names},
        load_phase("Li"),
        load_phase("Li7P3S11"),
        ROLES,
        calculator,
        method_key="of a test",
        made_by="a test",
        folder=folder,
        temperature_K=300.0,
        steps=steps,
    )


def test_phases_of_single_anions_teach_and_others_check(tmp_path):
    told = []
    with listening(lambda *each: told.append(each)):
        found = made(SpheresCalculator(), tmp_path)
    # twice the crystal, once with P, and the layer of a slab; twice the melt, and that of the slab
    assert {name: len(runs) for name, runs in found.runs.items()} == {"Li2S": 4, "amorphous": 3}
    assert list(found.by_bonds) == ["Li7P3S11"]
    assert [each[:3] for each in (told[0], told[-1])] == [("runs of phases", 0, 7), ("runs of phases", 7, 7)]
    model = found.model(LI_P_S, ROLES.mobile_cations, 3.3)
    assert {"Li2S", "P dissolved in Li2S", "amorphous"} <= set(model.labels)
    assert sum(found.left_out["Li2S"].values()) == pytest.approx(1.0)
    # the crystal of the slab is held while the rest melts, and no longer
    slab = found.runs["Li2S"][3]
    assert 0 < slab.members.sum() < slab.frames.n_atoms
    moved = slab.frames.all_positions[-1] - slab.frames.all_positions[0]
    assert np.abs(moved[slab.members]).max() > 1e-3


class Counting(SpheresCalculator):
    """Adds up the atoms of all steps."""

    n_atom_steps = 0

    def calculate(self, atoms=None, *arguments, **keywords):
        Counting.n_atom_steps += len(atoms)
        super().calculate(atoms, *arguments, **keywords)


def test_what_is_planned_is_what_is_run(tmp_path):
    """The same runs in the same order; atoms times steps to a few in a hundred, relaxing aside."""
    told, names = [], ("Li2S", "Li3P", "Li7P3S11")
    with listening(lambda *each: told.append(each)):
        made(Counting(), tmp_path, names=names)
    planned = planned_runs(
        {name: load_phase(name) for name in names}, load_phase("Li"), load_phase("Li7P3S11"), ROLES, SHORT
    )
    assert [run.name for run in planned] == [each[3] for each in told[:-1]]
    most = sum(run.n_atoms * run.n_steps for run in planned)
    assert 0.5 * most < Counting.n_atom_steps < 1.3 * most
    with pytest.raises(AnalysisError, match="Li2S or Li3P"):
        planned_runs({"Li": load_phase("Li")}, load_phase("Li"), load_phase("Li7P3S11"), ROLES)


def test_a_run_that_breaks_leaves_its_phase_out_and_says_so(tmp_path):
    found = made(NoElectrolyte(), tmp_path)
    assert "Li7P3S11" not in found.by_bonds
    assert any("Li7P3S11 was not run" in note and "nowhere" in note for note in found.notes)
    assert len(found.runs["Li2S"]) == 4


def test_a_campaign_without_single_anions_is_refused(tmp_path):
    with pytest.raises(AnalysisError, match="Li2S or Li3P"):
        made(Untouchable(), tmp_path, names=("Li", "Li7P3S11"))
