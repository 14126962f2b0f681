"""Networks across an interphase: lattices of Li and P with and without a gap."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms

from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.analysis.interfaces.layers import layer_of
from interphase_flows.analysis.phases.percolation import NetworkSweep
from interphase_flows.analysis.speciation.anion_species import classify_environments
from interphase_flows.analysis.speciation.element_roles import roles_of
from li_p_s import LI_P_S

ROLES = roles_of(["Li"], ["Li", "P", "S"])
SPACING_ANGSTROM, N_PLANES, HEIGHT_ANGSTROM = 2.5, 10, 60.0
BEGIN_ANGSTROM = 10.0
LAYER_BEGIN_ANGSTROM, LAYER_ANGSTROM = 11.5, 20.0
"""The interphase: one plane of the lattice is below it, and one above."""


def interphase(thickness_angstrom: float, n: int = 1, begin_angstrom: float = LAYER_BEGIN_ANGSTROM) -> Interface:
    ones = np.ones(n)
    return Interface(
        name="above",
        first_frame=0,
        is_found=ones.astype(bool),
        time_ps=np.arange(float(n)),
        thickness_angstrom=thickness_angstrom * ones,
        electrode_side_angstrom=begin_angstrom * ones,
        electrolyte_side_angstrom=(begin_angstrom + thickness_angstrom) * ones,
        reservoirs={},
    )


def lattice(*missing: int) -> Atoms:
    """Li and P in turns on a square lattice, planes 2.5 Å apart from 10 Å on; some planes are left out."""
    symbols, places = [], []
    for plane in range(N_PLANES):
        if plane in missing:
            continue
        for i in range(4):
            for j in range(4):
                symbols.append("Li" if (plane + i + j) % 2 else "P")
                places.append(
                    [
                        SPACING_ANGSTROM * i,
                        SPACING_ANGSTROM * j,
                        BEGIN_ANGSTROM + 0.2 + SPACING_ANGSTROM * plane,
                    ]
                )
    cell = [4 * SPACING_ANGSTROM, 4 * SPACING_ANGSTROM, HEIGHT_ANGSTROM]
    return Atoms(symbols, positions=places, cell=cell, pbc=True)


def swept(atoms: Atoms, interface: Interface):
    sweep = NetworkSweep(atoms.numbers, ROLES, [interface])
    codes = classify_environments(atoms.positions, atoms.cell[:], atoms.numbers, LI_P_S).atom_codes
    sweep.add(0, atoms.positions, atoms.cell[:], codes, HEIGHT_ANGSTROM, 0.0)
    return sweep.values().sides["above"]


def test_unbroken_lattice_of_li_and_p_is_mixed_conducting():
    found = swept(lattice(), interphase(LAYER_ANGSTROM))
    assert found.state == "mixed-conducting"
    assert found.onset_angstrom == pytest.approx(2.58, abs=0.02)
    assert set(found.crossing_share) == {1.0}


def test_largest_share_is_of_the_atoms_of_the_interphase():
    """Atoms of the electrode beside the interphase do not count."""
    atoms = lattice()
    metal = Atoms("Li200", positions=np.random.default_rng(0).random((200, 3)) * [10, 10, 8] + [0, 0, 45])
    for each in (atoms, atoms + metal):
        found = swept(each, interphase(LAYER_ANGSTROM))
        assert found.largest_share[-1] == pytest.approx(1.0)


def test_single_phosphorus_with_its_lithium_does_not_cross():
    """Li-P-Li, 5 Å long, comes within a bond of both sides of 10 Å, and not of both of 13 Å."""
    atoms = Atoms(
        ["Li", "P", "Li", "Li", "Li"],
        positions=[[5, 5, z] for z in (12.5, 15.0, 17.5, 8.0, 22.0)],
        cell=[10, 10, HEIGHT_ANGSTROM],
        pbc=True,
    )
    assert "one atom with its neighbours" in swept(atoms, interphase(10.0, begin_angstrom=10.0)).reason
    found = swept(atoms, interphase(13.0, begin_angstrom=8.5))
    assert found.state == "ionic"
    assert found.largest_share[-1] == pytest.approx(1.0)


def test_network_with_a_gap_is_ionic():
    found = swept(lattice(5), interphase(LAYER_ANGSTROM))
    assert found.state == "ionic"
    assert found.onset_angstrom is None
    assert not np.any(found.crossing_share)


def test_network_of_distances_longer_than_bonds_is_undecided():
    atoms = lattice()
    atoms.set_cell(atoms.cell[:] * [1.2, 1.2, 1.0])
    atoms.positions *= [1.2, 1.2, 1.2]
    found = swept(atoms, interphase(24.0, begin_angstrom=13.8))
    assert found.state == "undecided"
    assert "longer than a bond" in found.reason


def test_layer_thinner_than_four_bonds_is_unavailable():
    assert "5.0 Å thick; below 12.8 Å" in swept(lattice(), interphase(5.0)).reason


def test_layer_too_thin_in_most_frames_is_unavailable():
    """One thick frame of three is not half of the frames."""
    atoms = lattice()
    each = replace(
        interphase(LAYER_ANGSTROM, n=3),
        electrolyte_side_angstrom=LAYER_BEGIN_ANGSTROM + np.array([5.0, 5.2, LAYER_ANGSTROM]),
    )
    sweep = NetworkSweep(atoms.numbers, ROLES, [each])
    codes = classify_environments(atoms.positions, atoms.cell[:], atoms.numbers, LI_P_S).atom_codes
    for frame in range(3):
        sweep.add(frame, atoms.positions, atoms.cell[:], codes, HEIGHT_ANGSTROM, 0.0)
    assert "5.2 Å thick" in sweep.values().sides["above"].reason


def test_phosphorus_of_intact_anions_is_excluded():
    """The same lattice with four S around every P."""
    atoms = lattice()
    is_p = atoms.numbers == 15
    around = 1.2 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
    ligands = (atoms.positions[is_p][:, None] + around).reshape(-1, 3)
    both = atoms + Atoms("S" * len(ligands), positions=ligands)
    codes = np.full(len(both), -1)
    codes[np.flatnonzero(both.numbers == 15)] = 0
    codes[both.numbers == 16] = 0
    sweep = NetworkSweep(both.numbers, ROLES, [interphase(LAYER_ANGSTROM)])
    sweep.add(0, both.positions, both.cell[:], codes, HEIGHT_ANGSTROM, 0.0)
    assert sweep.values().sides["above"].state == "ionic"


def test_layer_across_the_periodic_boundary():
    low, high = layer_of(interphase(20.0, begin_angstrom=50.0), 0, HEIGHT_ANGSTROM, 0.0)
    assert (low, high) == pytest.approx((50 / 60, 70 / 60))
    assert layer_of(interphase(20.0, begin_angstrom=40.0), 0, HEIGHT_ANGSTROM, 10 / 60)[0] == pytest.approx(low)
    assert layer_of(interphase(20.0), 5, HEIGHT_ANGSTROM, 0.0) is None


def test_interphase_without_boundaries_is_unavailable():
    sweep = NetworkSweep(lattice().numbers, ROLES, [interphase(20.0)])
    assert "no frame" in sweep.values().sides["above"].reason
