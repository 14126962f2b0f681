"""Molecules in boxes are isolated; crystals, slabs, wires and molecular crystals are not."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.calculators.emt import EMT

from interphase_flows.datasets.foreign_labels import check_foreign_labels
from interphase_flows.datasets.gates import Gates
from interphase_flows.datasets.isolated import is_isolated
from interphase_flows.reference.labelling import RawLabel


def emt_label(atoms: Atoms) -> RawLabel:
    atoms = atoms.copy()
    atoms.calc = EMT()
    return RawLabel(atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress())


def in_box(atoms: Atoms, edge_angstrom: float, shift_angstrom: float = 0.0) -> Atoms:
    atoms = atoms.copy()
    atoms.set_cell([edge_angstrom] * 3)
    atoms.pbc = True
    atoms.positions += shift_angstrom
    atoms.wrap()
    return atoms


@pytest.mark.parametrize("shift_angstrom", [0.0, 3.7])
@pytest.mark.parametrize("name", ["S2", "H2O", "C6H6", "P2", "SO2"])
def test_molecules_are_isolated_also_across_faces_of_the_box(name, shift_angstrom):
    atoms = molecule(name)
    edge_angstrom = float(np.ptp(atoms.positions, axis=0).max()) + 6.0
    assert is_isolated(in_box(atoms, edge_angstrom, shift_angstrom))
    assert not is_isolated(in_box(atoms, edge_angstrom - 2.5, shift_angstrom))


@pytest.mark.parametrize("symbol", ["Li", "Na", "K", "Cs"])
def test_atoms_of_a_metal_are_not_isolated(symbol):
    assert not is_isolated(bulk(symbol))
    assert is_isolated(Atoms(symbol, cell=[14.0] * 3, pbc=True))


def test_slabs_and_wires_are_not_isolated():
    slab = fcc111("Cu", (2, 2, 1), vacuum=8.0)
    slab.pbc = True
    assert not is_isolated(slab)
    assert not is_isolated(Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.5]], cell=[8, 8, 5.0], pbc=True))
    # linked to its image along one vector only, through another atom
    assert not is_isolated(Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 4.0]], cell=[6.5, 6.5, 8.0], pbc=True))


def test_flat_and_broken_cells_are_not_isolated():
    assert not is_isolated(Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.5]]))
    assert not is_isolated(Atoms("Cu", cell=[1e3, 1e3, 1e-4], pbc=True))
    assert not is_isolated(Atoms("Cu", positions=[[np.nan, 0, 0]], cell=[5, 5, 5], pbc=True))
    assert not is_isolated(Atoms())


def test_labels_of_dimers_clusters_and_surfaces_among_crystals_pass():
    """None of them is an outlier; a cluster in a box of 8 Å has 128 Å³ per atom."""
    rng = np.random.default_rng(1)
    frames = []
    for number in range(24):
        frames.append(bulk("Cu", a=3.65, cubic=True).repeat((2, 1, 1)))
        frames[-1].set_cell(frames[-1].cell.array * (1.0 + 0.01 * (number % 5 - 2)), scale_atoms=True)
        frames[-1].rattle(rng.uniform(0.02, 0.2), rng=rng)
    for edge_angstrom in (8.0, 9.0, 12.0):
        frames.append(in_box(Atoms("Cu"), edge_angstrom))
        frames += [in_box(Atoms("Cu2", [[0, 0, 0], [0, 0, d]]), edge_angstrom) for d in (2.0, 2.3, 2.6)]
        corners = 2.5 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
        frames.append(in_box(Atoms("Cu4", corners), edge_angstrom))
    for vacuum in (5.0, 10.0):
        frames.append(fcc111("Cu", (2, 2, 4), vacuum=vacuum))
        frames[-1].pbc = True
        frames[-1].rattle(0.05, rng=rng)
    found = check_foreign_labels(frames, [emt_label(atoms) for atoms in frames], Gates())
    assert [each for each in found if each is not None] == []
