"""Input of chemiscope: properties of labelled frames, in the format of chemiscope's library."""

import gzip
import json

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator

from interphase_flows.datasets.chemiscope import chemiscope_input, write_chemiscope
from interphase_flows.exceptions import InputError

FORCES = (np.array([[3.0, 4.0, 0.0], [0.0, 0.0, 1.0]]), np.array([[0.0, 0.0, 2.0], [0.0, 0.0, -2.0], [0.0, 0.0, 0.0]]))


def frames() -> list[Atoms]:
    made = [
        Atoms("LiS", [[0, 0, 0], [1.5, 0, 0]], cell=[[4, 0, 0], [0, 4.5, 0], [1, 0, 5]], pbc=True),
        Atoms("Li2S", [[0, 0, 0], [2.4, 0, 0], [0, 2.4, 0]], cell=[6, 6, 6], pbc=True),
    ]
    for number, (atoms, forces) in enumerate(zip(made, FORCES, strict=True)):
        atoms.calc = SinglePointCalculator(atoms, energy=-2.0 * len(atoms), forces=forces)
        atoms.info |= {"origin": ("crystal/Li2S", "audit/0")[number], "split": ("train", "test")[number]}
    return made


SHIFTS = np.array([[0.3, 0, 0], [-0.1, 0, 0]])


class TwoMembers:
    """Forces of the members are the labels plus 0.3 and minus 0.1 eV/Å along x; energies differ by 0.01 eV/atom."""

    def predict_all(self, atoms: Atoms):
        label = FORCES[len(atoms) - 2]
        energies = np.array([-1.99, -2.0]) * len(atoms)
        return energies, np.stack([label + SHIFTS[0], label + SHIFTS[1]]), np.zeros((2, 6))


def test_properties_are_those_of_labels_and_predictions():
    shown = chemiscope_input(frames(), "n", "d", TwoMembers(), iterations=[0, 2], atoms_cutoff_angstrom=4.0)
    values = {name: each.values for name, each in shown.properties.items()}
    assert values["energy"] == [-2.0, -2.0]
    assert values["largest force"] == [5.0, 2.0]
    assert values["energy error"] == pytest.approx([10.0, 10.0])
    assert values["force error"] == pytest.approx([0.3, 0.3])
    assert values["uncertainty"] == pytest.approx([0.2, 0.2])
    assert values["uncertainty of the atom"] == pytest.approx([0.2] * 5)
    assert values["iteration"] == [0, 2]
    assert (values["formula"], values["kind"], values["split"]) == (
        ["LiS", "Li2S"],
        ["crystal", "audit"],
        ["train", "test"],
    )
    assert [(e.structure, e.center) for e in shown.environments] == [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]
    assert {axis.property for axis in shown.settings.map.values()} <= set(values)


def test_written_file_has_no_empty_fields_and_is_reproducible(tmp_path):
    unlabelled = frames()
    del unlabelled[0].info["origin"]
    for name in ("a.json.gz", "b.json.gz", "c.json"):
        write_chemiscope(tmp_path / name, chemiscope_input(unlabelled, "n"))
    assert (tmp_path / "a.json.gz").read_bytes() == (tmp_path / "b.json.gz").read_bytes()
    found = json.loads(gzip.decompress((tmp_path / "a.json.gz").read_bytes()))
    assert found == json.loads((tmp_path / "c.json").read_text())
    assert found.keys() == {"meta", "structures", "properties"}
    assert found["properties"].keys() == {"energy", "largest force", "atoms", "formula", "split"}


def test_no_frames_are_an_error():
    with pytest.raises(InputError, match="no frames"):
        chemiscope_input([], "n")


@pytest.mark.parametrize("atoms", [False, True])
def test_file_is_read_by_chemiscope_and_equals_that_of_its_library(tmp_path, atoms):
    library = pytest.importorskip("chemiscope", reason="chemiscope is not installed")
    shown = chemiscope_input(frames(), "n", "d", TwoMembers(), [0, 2], 4.0 if atoms else None)
    path = tmp_path / "dataset.json.gz"
    write_chemiscope(path, shown)
    properties = {name: each.model_dump(exclude_none=True) for name, each in shown.properties.items()}
    expected = library.create_input(
        frames(),
        metadata={"name": "n", "description": "d"},
        properties=properties,
        environments=library.all_atomic_environments(frames(), cutoff=4.0) if atoms else None,
    )
    found = json.loads(gzip.decompress(path.read_bytes()))
    settings = found.pop("settings")
    assert found == expected
    assert json.loads(library.show_input(str(path)).value)["settings"] == settings


def test_molecule_has_no_cell():
    water = molecule("H2O")
    water.calc = SinglePointCalculator(water, energy=-14.0, forces=np.zeros((3, 3)))
    (structure,) = chemiscope_input([water], "n").structures
    assert structure.cell is None
