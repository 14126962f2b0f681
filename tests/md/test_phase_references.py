"""Reference runs of phases: plan, results and failures."""

import pytest
from ase.calculators.calculator import Calculator

from interphase_flows.analysis.speciation.element_roles import roles_of
from interphase_flows.exceptions import AnalysisError
from interphase_flows.md.phase_references.plan import plan_references
from interphase_flows.md.phase_references.runs import phase_references
from interphase_flows.md.phase_references.steps import ReferenceSteps
from interphase_flows.runtime.progress import listening
from interphase_flows.structures.crystals.library import load_phase
from li_p_s import LI_P_S
from spheres import SpheresCalculator

SHORT = ReferenceSteps(n_settle=2, n_frames=3, steps_between=1, n_melt=2)
ROLES = roles_of(["Li"], ["Li", "P", "S"])


class NoElectrolyte(SpheresCalculator):
    """Fail on the electrolyte."""

    def calculate(self, atoms=None, *arguments, **keywords):
        if atoms.get_chemical_formula(empirical=True) == "Li7P3S11":
            raise ValueError("broken neighbour list")
        super().calculate(atoms, *arguments, **keywords)


class NeverCalled(Calculator):
    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def calculate(self, *args, **kwargs):
        raise AssertionError("a stored run is computed again")


def made(calculator, folder, names=("Li2S", "Li7P3S11"), steps=SHORT):
    return phase_references(
        {name: load_phase(name) for name in names},
        load_phase("Li7P3S11"),
        ROLES,
        calculator,
        method_key="of a test",
        made_by="a test",
        folder=folder,
        temperature_K=300.0,
        steps=steps,
    )


def test_references_are_phases_of_single_anions_and_others_are_checks(tmp_path):
    events = []
    with listening(events.append):
        found = made(SpheresCalculator(), tmp_path)
    # two crystals and one with P; two melts
    assert {name: len(runs) for name, runs in found.runs.items()} == {"Li2S": 3, "amorphous": 2}
    assert list(found.by_bonds) == ["Li7P3S11"]
    assert [each[:3] for each in (events[0], events[-1])] == [
        ("runs of phases", 0, 6),
        ("runs of phases", 6, 6),
    ]
    model = found.model(LI_P_S, ROLES.mobile_cations, 3.3)
    assert {"Li2S", "P dissolved in Li2S", "amorphous"} <= set(model.labels)
    assert sum(found.left_out["Li2S"].values()) == pytest.approx(1.0)


class Counting(SpheresCalculator):
    """Count atoms times steps."""

    n_atom_steps = 0

    def calculate(self, atoms=None, *arguments, **keywords):
        Counting.n_atom_steps += len(atoms)
        super().calculate(atoms, *arguments, **keywords)


def test_plan_agrees_with_the_runs(tmp_path):
    """Same runs in the same order; the cost agrees except for the relaxation, which may end early."""
    events, names = [], ("Li2S", "Li3P", "Li7P3S11")
    with listening(events.append):
        made(Counting(), tmp_path, names=names)
    planned = plan_references({name: load_phase(name) for name in names}, load_phase("Li7P3S11"), ROLES, SHORT)
    assert [run.name for run in planned.runs] == [each[3] for each in events[:-1]]
    assert 0.5 * planned.n_atom_steps < Counting.n_atom_steps < 1.3 * planned.n_atom_steps
    with pytest.raises(AnalysisError, match="Li2S or Li3P"):
        plan_references({"Li": load_phase("Li")}, load_phase("Li7P3S11"), ROLES)


def test_failed_run_is_left_out_with_a_note(tmp_path):
    found = made(NoElectrolyte(), tmp_path)
    assert "Li7P3S11" not in found.by_bonds
    assert any("Li7P3S11 was not run" in note and "broken neighbour list" in note for note in found.notes)
    assert len(found.runs["Li2S"]) == 3


def test_phases_without_single_anions_raise(tmp_path):
    with pytest.raises(AnalysisError, match="Li2S or Li3P"):
        made(NeverCalled(), tmp_path, names=("Li", "Li7P3S11"))
