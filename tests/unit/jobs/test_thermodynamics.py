"""Energies of phases: a surrogate's at once, another method's through labels that outlive a kill."""

import pytest
from ase.build import bulk

from interphase_flows.campaign.schema import GateSpec, ThermodynamicsSpec
from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import ReferenceMethodError
from interphase_flows.jobs.thermodynamics import ReactionMaker, RelaxMaker
from interphase_flows.schemas.analysis import AnalysisDoc
from interphase_flows.structures.crystals.library import load_structure_file
from interphase_flows.structures.structure_keys import structure_key
from spheres import Spheres, SpheresSpec


def run(maker, *arguments):
    return type(maker).make.original(maker, *arguments)


@pytest.fixture
def file(tmp_path):
    """A crystal a little off its rest among spheres."""
    path = tmp_path / "li.extxyz"
    bulk("Li", "fcc", a=3.34).write(path)
    return {"mine": str(path)}


class NotASurrogate(Spheres):
    """Spheres that must be labelled, like density-functional theory."""

    @property
    def identity(self):
        return super().identity.model_copy(update={"is_surrogate": False})


@pytest.fixture
def dear(spheres, monkeypatch):
    method = NotASurrogate()
    monkeypatch.setattr(SpheresSpec, "shared", method, raising=False)
    return method


REFERENCE = ThermodynamicsSpec(relax_with="reference")


def test_the_key_of_a_surrogates_phase_is_the_one_it_always_had(workspace, spheres, file):
    """Campaigns from before find their results; other choices are other results."""
    document = run(RelaxMaker(reference=SpheresSpec(), structure_files=file), "mine")
    start = structure_key(load_structure_file(file["mine"]))
    assert document.key == content_key(
        "analyses", name="relaxed phase", phase="mine", start=start, method="spheres-1"
    )
    assert document.values["cell"] == "relaxed"
    kept = ThermodynamicsSpec(cell="fixed")
    assert (
        run(RelaxMaker(reference=SpheresSpec(), spec=kept, structure_files=file), "mine").key != document.key
    )
    assert workspace.ledger.count("labels") == 0


def test_a_fixed_cell_keeps_its_volume(workspace, spheres, file):
    """And a relaxed one finds a better one."""
    volumes = {
        cell: run(
            RelaxMaker(reference=SpheresSpec(), spec=ThermodynamicsSpec(cell=cell), structure_files=file),
            "mine",
        ).values
        for cell in ("fixed", "relaxed")
    }
    assert volumes["fixed"]["volume_angstrom3"] == pytest.approx(
        load_structure_file(file["mine"]).get_volume(), abs=1e-9
    )
    assert volumes["relaxed"]["energy_eV"] < volumes["fixed"]["energy_eV"] - 1e-4


def test_every_step_of_a_dear_relaxation_is_a_label(workspace, dear, file):
    """Its energy is that of the label of the relaxed cell, which is on record."""
    document = run(RelaxMaker(reference=SpheresSpec(), spec=REFERENCE, structure_files=file), "mine")
    assert dear.n_labels == workspace.ledger.count("labels") > 3
    label = workspace.ledger.get("labels", document.values["label_key"])
    assert (label["energy_eV"], label["status"]) == (document.values["energy_eV"], "accepted")
    assert label["origin"] == "thermodynamics/mine"


def test_a_killed_relaxation_goes_on_from_its_labels(workspace, dear, file, monkeypatch):
    """What was labelled before the kill is not labelled again, and the end is the same."""
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
    assert dear.n_labels == 3
    document = run(maker, "mine")
    assert dear.n_labels == workspace.ledger.count("labels") == document.values["n_steps"] + 1


def test_a_rejected_label_is_a_missing_phase_with_its_reason(workspace, dear, file):
    """The relaxation ends with the reason, which can be queried, and the hull goes without the phase."""
    strict = RelaxMaker(
        reference=SpheresSpec(),
        spec=REFERENCE,
        structure_files=file,
        gates=GateSpec(min_distance_fraction=0.99),
    )
    with pytest.raises(ReferenceMethodError) as caught:
        run(strict, "mine")
    assert caught.value.reason == "overlapping_atoms"
    assert workspace.ledger.count("failures") == 1
    assert workspace.ledger.count("labels", {"status": "rejected"}) == 1


def test_a_reaction_says_whose_geometries_and_energies_it_rests_on(workspace):
    """Also of documents from before, which do not say."""
    counts = {"A": ({"Li": 2}, -4.0), "B": ({"S": 1}, -4.0), "C": ({"Li": 2, "S": 1}, -12.0)}
    told = {"geometry_method": "chgnet 0.3.0", "energy_method": "gpaw 26.7.0", "cell": "fixed"}
    phases = [
        AnalysisDoc(
            key=name,
            name=name,
            rests_on=[],
            values={"phase": name, "counts": c, "energy_eV": energy, "volume_angstrom3": 20.0, **told},
        )
        for name, (c, energy) in counts.items()
    ]
    said = run(ReactionMaker(), "Li", "S", [*phases, None]).values
    assert said["full_reaction"] == "S + 2 Li → Li2S"
    assert {name: said[name] for name in told} == {name: [value] for name, value in told.items()}
    for each in phases:
        each.key += " of old"
        for name in told:
            del each.values[name]
    assert run(ReactionMaker(), "Li", "S", phases).values["cell"] == []


def answered(error_meV_per_atom=0.0):
    counts = {
        "my metal": ({"Na": 2}, 0.0),
        "sulphur": ({"S": 8}, 0.0),
        "phosphorus": ({"P": 4}, 0.0),
        "sulphide": ({"Na": 8, "S": 4}, -16.0),
        "phosphide": ({"Na": 6, "P": 2}, -6.0),
        "my salt": ({"Na": 6, "P": 2, "S": 8}, -15.0),
    }
    phases = [
        AnalysisDoc(
            key=name,
            name=name,
            rests_on=[],
            values={"phase": name, "counts": c, "energy_eV": energy, "volume_angstrom3": 20.0},
        )
        for name, (c, energy) in counts.items()
    ]
    return run(ReactionMaker(energy_error_meV_per_atom=error_meV_per_atom), "my metal", "my salt", phases)


def test_ends_are_names_of_phases_from_any_file(workspace):
    """What a phase is made of says its cell, not its name."""
    values = answered().values
    assert values["full_reaction"] == "Na3PS4 + 8 Na → 4 Na2S + Na3P"
    assert values["window"]["element"] == "Na"
    assert values["window"]["stages"][0]["taken_up"] == 8.0
    assert values["errors"] is None
    assert values["mixing_line"][-1] == {"x_electrode": 1.0, "atom_shares": {"Na": 1.0}}


def test_an_answer_with_more_in_it_is_another_answer(workspace):
    """Answers from before stay on record and are given anew; phases are not relaxed again for that."""
    names = ["my metal", "my salt", "phosphide", "phosphorus", "sulphide", "sulphur"]
    before = content_key("analyses", name="thermodynamics", ends=["my metal", "my salt"], phases=names)
    with_error = answered(5.0)
    assert len({before, answered().key, with_error.key}) == 3
    kink = with_error.values["errors"]["kinks"][-1]
    assert kink["energy_eV_per_atom"]["lower"] < kink["energy_eV_per_atom"]["value"]
    assert answered(5.0).values == with_error.values
