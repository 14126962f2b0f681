"""Energies of phases by a surrogate, and by restartable labels of an expensive method."""

import pytest
from ase.build import bulk

from interphase_flows.campaign.schema import ThermodynamicsSpec
from interphase_flows.datasets.gates import Gates
from interphase_flows.exceptions import ReferenceMethodError
from interphase_flows.jobs.thermodynamics import ReactionMaker, RelaxMaker
from interphase_flows.schemas.thermodynamics import RelaxedPhaseDoc
from interphase_flows.structures.crystals.library import load_structure_file
from spheres import Spheres, SpheresSpec


def run(maker, *arguments):
    return type(maker).make.original(maker, *arguments)


@pytest.fixture
def file(tmp_path):
    """A crystal slightly off its equilibrium."""
    path = tmp_path / "li.extxyz"
    bulk("Li", "fcc", a=3.34).write(path)
    return {"mine": str(path)}


class NotASurrogate(Spheres):
    """Spheres treated as an expensive method, like density-functional theory."""

    @property
    def identity(self):
        return super().identity.model_copy(update={"is_surrogate": False})


@pytest.fixture
def expensive(spheres, monkeypatch):
    method = NotASurrogate()
    monkeypatch.setattr(SpheresSpec, "shared", method, raising=False)
    return method


METHODS = {"geometry_method": "chgnet 0.3.0", "energy_method": "gpaw 26.7.0", "cell": "fixed"}
REFERENCE = ThermodynamicsSpec(relax_with="reference")


def test_key_of_a_relaxed_phase_depends_on_method_and_cell(workspace, spheres, file):
    document = run(RelaxMaker(reference=SpheresSpec(), structure_files=file), "mine")
    assert document.cell == "relaxed"
    kept = ThermodynamicsSpec(cell="fixed")
    assert run(RelaxMaker(reference=SpheresSpec(), spec=kept, structure_files=file), "mine").key != document.key
    assert workspace.ledger.count("labels") == 0


def test_fixed_cell_keeps_its_volume_and_relaxed_cell_lowers_its_energy(workspace, spheres, file):
    volumes = {
        cell: run(
            RelaxMaker(reference=SpheresSpec(), spec=ThermodynamicsSpec(cell=cell), structure_files=file),
            "mine",
        )
        for cell in ("fixed", "relaxed")
    }
    assert volumes["fixed"].volume_angstrom3 == pytest.approx(load_structure_file(file["mine"]).get_volume(), abs=1e-9)
    assert volumes["relaxed"].energy_eV < volumes["fixed"].energy_eV - 1e-4


def test_every_step_of_an_expensive_relaxation_is_a_label(workspace, expensive, file):
    """The energy is that of the recorded label of the relaxed cell."""
    document = run(RelaxMaker(reference=SpheresSpec(), spec=REFERENCE, structure_files=file), "mine")
    assert expensive.n_labels == workspace.ledger.count("labels") > 3
    label = workspace.ledger.get("labels", document.label_key)
    assert (label["energy_eV"], label["status"]) == (document.energy_eV, "accepted")
    assert label["origin"] == "thermodynamics/mine"


def test_killed_relaxation_resumes_from_its_labels(workspace, expensive, file, monkeypatch):
    maker = RelaxMaker(reference=SpheresSpec(), spec=REFERENCE, structure_files=file)
    original = Spheres.label

    def killed_at_the_third(method, atoms, folder=None):
        if method.n_labels == 3:
            raise KeyboardInterrupt
        return original(method, atoms, folder)

    with monkeypatch.context() as patch:
        patch.setattr(Spheres, "label", killed_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            run(maker, "mine")
    assert expensive.n_labels == 3
    document = run(maker, "mine")
    assert expensive.n_labels == workspace.ledger.count("labels") == document.n_steps + 1


def test_rejected_label_raises_and_records_the_reason(workspace, expensive, file):
    strict = RelaxMaker(
        reference=SpheresSpec(),
        spec=REFERENCE,
        structure_files=file,
        gates=Gates(min_distance_fraction=0.99),
    )
    with pytest.raises(ReferenceMethodError) as caught:
        run(strict, "mine")
    assert caught.value.reason == "overlapping_atoms"
    assert workspace.ledger.count("failures") == 1
    assert workspace.ledger.count("labels", {"status": "rejected"}) == 1


def test_reaction_lists_methods_of_geometries_and_energies(workspace):
    counts = {"A": ({"Li": 2}, -4.0), "B": ({"S": 1}, -4.0), "C": ({"Li": 2, "S": 1}, -12.0)}
    phases = [relaxed(name, c, energy) for name, (c, energy) in counts.items()]
    document = run(ReactionMaker(), "Li", "S", [*phases, None])
    assert document.prediction.full_reaction == "S + 2 Li → Li2S"
    assert [document.geometry_methods, document.energy_methods, document.cells] == [
        [METHODS["geometry_method"]],
        [METHODS["energy_method"]],
        [METHODS["cell"]],
    ]


def relaxed(phase, counts, energy_eV):
    return RelaxedPhaseDoc(
        key=phase,
        phase=phase,
        counts=counts,
        energy_eV=energy_eV,
        volume_angstrom3=20.0,
        max_force_eV_per_angstrom=0.0,
        is_converged=True,
        n_steps=1,
        input_keys=[],
        **METHODS,
    )


def predicted(error_meV_per_atom=0.0):
    counts = {
        "my metal": ({"Na": 2}, 0.0),
        "sulfur": ({"S": 8}, 0.0),
        "phosphorus": ({"P": 4}, 0.0),
        "sulfide": ({"Na": 8, "S": 4}, -16.0),
        "phosphide": ({"Na": 6, "P": 2}, -6.0),
        "my salt": ({"Na": 6, "P": 2, "S": 8}, -15.0),
    }
    phases = [relaxed(name, c, energy) for name, (c, energy) in counts.items()]
    return run(ReactionMaker(energy_error_meV_per_atom=error_meV_per_atom), "my metal", "my salt", phases)


def test_composition_follows_from_the_cell_and_not_from_the_name(workspace):
    prediction = predicted().prediction
    assert prediction.full_reaction == "Na3PS4 + 8 Na → 4 Na2S + Na3P"
    assert prediction.window.element == "Na"
    assert prediction.window.stages[0].taken_up == 8.0
    assert prediction.errors is None
    assert prediction.mixing_line[-1].model_dump() == {"x_electrode": 1.0, "atom_shares": {"Na": 1.0}}


def test_energy_error_gives_intervals_and_another_key(workspace):
    with_error = predicted(5.0)
    assert predicted().key != with_error.key
    kink = with_error.prediction.errors.kinks[-1]
    assert kink.energy_eV_per_atom.lower < kink.energy_eV_per_atom.value
    assert predicted(5.0) == with_error
