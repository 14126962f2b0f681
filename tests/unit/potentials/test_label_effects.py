"""Effect of new labels: errors before and after training, and uncertain environments."""

import numpy as np
import pytest
from ase import Atoms

from interphase_flows.analysis.speciation.anion_species import AnionChemistry
from interphase_flows.potentials.errors import FrameErrors
from interphase_flows.potentials.label_effects import environment_uncertainties, error_changes
from interphase_flows.schemas.origin import Origin
from interphase_flows.structures.crystals.library import load_phase

CHEMISTRY = AnionChemistry(("P",), ("S",), 2.6, 2.6, 2.4)


def errors(atoms: Atoms, error: float, std: np.ndarray | float = 0.0) -> FrameErrors:
    """Return errors with force components of this size on every atom."""
    n = len(atoms)
    std = np.broadcast_to(std, n)
    forces_error = np.full((n, 3), error)
    return FrameErrors(
        Origin("audit/1"), atoms.numbers, -1.0, 0.0, np.zeros((n, 3)), forces_error, np.zeros(6), std, float(std.max())
    )


def test_changes_are_of_the_same_frames_and_by_side_of_the_split():
    atoms = load_phase("Li2S")
    frames = []
    for split in ("train", "test", "test", "test"):
        frames.append(atoms.copy())
        frames[-1].info["split"] = split
    before = [errors(atoms, error) for error in (0.4, 0.10, 0.20, 0.30)]
    after = [errors(atoms, error) for error in (0.1, -0.05, 0.15, 0.25)]
    changes = error_changes(frames, before, after)
    held_out = changes["held_out"]
    assert held_out.n_frames == 3
    assert held_out.before_meV_per_angstrom.value == pytest.approx(200)
    assert held_out.before_meV_per_angstrom.standard_error == pytest.approx(100 / np.sqrt(3))
    assert held_out.change_meV_per_angstrom.value == pytest.approx(-50)
    assert held_out.change_meV_per_angstrom.standard_error == pytest.approx(0, abs=1e-9)
    assert changes["train"].change_meV_per_angstrom.value == pytest.approx(-300)
    assert not changes["train"].change_meV_per_angstrom.is_known


def test_environments_are_named_by_element_and_nearest_anion():
    atoms = load_phase("Li7P3S11")
    std = np.where(atoms.numbers == 15, 0.3, np.where(atoms.numbers == 16, 0.2, 0.1))
    rows = environment_uncertainties([atoms, atoms], [errors(atoms, 0.1, std), errors(atoms, 0.3, std)], CHEMISTRY)
    found = {(row.element, row.anion): row for row in rows}
    assert {("P", "PS4"), ("P", "P2S7"), ("S", "PS4"), ("S", "P2S7")} < set(found)
    assert {element for element, _ in found} == {"Li", "P", "S"}
    assert found["P", "P2S7"].n_atoms == 2 * found["P", "PS4"].n_atoms
    assert sum(row.n_atoms for row in rows) == 2 * len(atoms)
    assert rows[0].element == "P"
    assert rows[-1].element == "Li"
    assert rows[0].force_std_meV_per_angstrom.value == pytest.approx(300)
    assert rows[0].force_error_meV_per_angstrom.value == pytest.approx(200 * np.sqrt(3))


def test_a_metal_has_no_anion_and_other_atoms_have_the_nearest_one():
    lithium = load_phase("Li")
    (row,) = environment_uncertainties([lithium], [errors(lithium, 0.1)], CHEMISTRY)
    assert (row.element, row.anion) == ("Li", None)
    corners = [[1.2, 1.2, 1.2], [-1.2, -1.2, 1.2], [-1.2, 1.2, -1.2], [1.2, -1.2, -1.2]]
    positions = [[20.5, 0, 0], [0, 0, 0], *corners, [18, 0, 0]]
    atoms = Atoms("LiPS4S", positions, cell=[30, 30, 30], pbc=True)
    rows = environment_uncertainties([atoms], [errors(atoms, 0.1)], CHEMISTRY)
    assert {(row.element, row.anion) for row in rows} == {
        ("Li", "isolated S"), ("P", "PS4"), ("S", "PS4"), ("S", "isolated S"),
    }  # fmt: skip
    without = environment_uncertainties([atoms], [errors(atoms, 0.1)], None)
    assert {(row.element, row.anion) for row in without} == {("Li", None), ("P", None), ("S", None)}
