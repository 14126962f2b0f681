"""Domains, diffraction and order of known structures."""

import numpy as np
import pytest
from ase.build import bulk

from interphase_flows.analysis.phases.crystalline_domains import domains_of
from interphase_flows.analysis.phases.diffraction import EndPattern
from interphase_flows.analysis.phases.results import ScherrerSize
from interphase_flows.analysis.phases.scherrer import scherrer_of
from interphase_flows.analysis.phases.sublattice import sublattice_of
from interphase_flows.analysis.phases.translational_order import OrderSeries
from interphase_flows.analysis.speciation.element_roles import roles_of
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.exceptions import AnalysisError
from interphase_flows.structures.crystals.library import load_phase
from li_p_s import LI_P_S
from phase_references_of_tests import references

LI2S = load_phase("Li2S")


@pytest.fixture(scope="module")
def model():
    return references().model(LI_P_S, frozenset({"Li"}), 3.3)


def ball(diameter_angstrom: float, turned_deg: float = 0.0):
    crystal = LI2S * (6, 6, 6)
    middle = crystal.positions.mean(axis=0)
    atoms = crystal[np.linalg.norm(crystal.positions - middle, axis=1) < diameter_angstrom / 2]
    atoms.rotate(turned_deg, "x", center="COP")
    atoms.set_cell([50.0] * 3)
    atoms.center()
    return atoms


def found_in(atoms, model):
    codes = np.full(len(atoms), model.labels.index("Li2S"))
    return domains_of(
        atoms.positions,
        atoms.cell[:],
        atoms.numbers,
        codes,
        model,
        {"Li2S": LI2S, "Li3P": load_phase("Li3P")},
    )


def test_link_distance_is_between_the_first_two_shells():
    assert 4.04 < sublattice_of(LI2S, frozenset({"S"})).link_angstrom < 5.71
    li3p = sublattice_of(load_phase("Li3P"), frozenset({"P"}))
    assert 4.6 < li3p.link_angstrom < 6.2
    assert li3p.volume_per_atom_angstrom3 == pytest.approx(60, rel=0.05)


def test_sphere_of_lithium_sulfide_is_one_domain_of_known_size_and_plane(model):
    atoms = ball(25.0, turned_deg=45.0)
    atoms.wrap()
    found = found_in(atoms, model)
    assert found["Li2S"].n_domains == 1
    [domain] = found["Li2S"].domains
    assert domain.diameter_angstrom == pytest.approx(25.0, rel=0.08)
    assert not domain.meets_its_image
    assert domain.orientation.plane == (1, 1, 0)
    assert domain.orientation.off_deg < 3
    scherrer = found["Li2S"].scherrer
    assert scherrer.diameter_angstrom == pytest.approx(scherrer.diameter_by_volume_angstrom, rel=0.12)
    assert found["Li3P"].n_domains == 0


def test_crystal_that_fills_the_cell_has_no_scherrer_size(model):
    found = found_in(LI2S * (3, 3, 3), model)["Li2S"]
    assert "its own periodic image" in found.scherrer.reason
    assert found.domains[0].orientation.plane == (1, 0, 0)
    assert found.domains[0].meets_its_image


def test_lines_of_a_small_domain_overlap(model):
    assert "lines overlap" in found_in(ball(11.0), model)["Li2S"].scherrer.reason


def test_lines_beyond_the_range_count_as_overlapping():
    """LiF: 38.7, 45.0, 65.5 and 78.8 degrees; a domain of 12 Å has lines 9 degrees wide."""
    fluoride = bulk("LiF", "rocksalt", a=4.02, cubic=True)
    lattice = sublattice_of(fluoride, frozenset({"F"}))
    crystal = fluoride * (4, 4, 4)
    atoms = crystal[np.linalg.norm(crystal.positions - crystal.positions.mean(axis=0), axis=1) < 6.0]
    atoms.set_cell([40.0] * 3)
    atoms.center()
    is_fluorine = atoms.numbers == 9
    with pytest.raises(AnalysisError, match="13 degrees apart"):
        scherrer_of(atoms.positions, atoms.cell[:], atoms.numbers, is_fluorine, ~is_fluorine, lattice, 2.6)


@pytest.mark.parametrize(("diameter_angstrom", "is_known"), [(20.0, False), (23.0, True)])
def test_scherrer_size_is_available_from_the_documented_diameter(model, diameter_angstrom, is_known):
    found = found_in(ball(diameter_angstrom), model)["Li2S"].scherrer
    assert isinstance(found, ScherrerSize) is is_known
    if is_known:
        assert 1.0 < found.diameter_angstrom / found.diameter_by_volume_angstrom < 1.17


def test_pattern_of_a_crystal_has_its_lines_and_reports_the_period():
    atoms = LI2S * (2, 2, 2)
    pattern = EndPattern(atoms.numbers)
    pattern.add(atoms.positions, atoms.cell[:])
    series, result = pattern.arrays(), pattern.values({"Li2S": LI2S})
    angles, intensity = series["phases.two_theta_deg"], series["phases.diffraction"]
    assert angles[intensity.argmax()] == pytest.approx(27.05, abs=0.4)
    assert "the cell repeats after 11 Å" in result.limit
    assert result.lines["Li2S"][0][0] == pytest.approx(27.05, abs=0.1)


def test_spheres_cover_all_heights_of_a_tall_cell():
    """A crystal below a gas of the same atoms has half of the line of the crystal alone."""
    crystal = LI2S * (5, 5, 5)
    gas = crystal.copy()
    gas.positions = np.random.default_rng(0).random((len(gas), 3)) @ gas.cell[:]
    gas.positions[:, 2] += crystal.cell[2, 2]
    tall = crystal + gas
    tall.set_cell(crystal.cell[:] * [[1], [1], [2]])
    twice = crystal * (1, 1, 2)
    highest = {}
    for name, atoms in (("tall", tall), ("twice", twice)):
        pattern = EndPattern(atoms.numbers)
        pattern.add(atoms.positions, atoms.cell[:])
        assert pattern.values({}).n_spheres == 2
        highest[name] = pattern.arrays()["phases.diffraction"].max()
    assert 0.4 < highest["tall"] / highest["twice"] < 0.7


def test_order_of_a_melting_crystal_decreases():
    roles = roles_of(["Li"], ["Li", "P", "S"])
    atoms = LI2S * (2, 2, 2)
    series = OrderSeries(atoms.numbers, roles, 24)
    rng = np.random.default_rng(0)
    for frame in range(24):
        spread = 0.1 + 0.03 * frame
        series.add(float(frame), atoms.positions + rng.normal(0, spread, (len(atoms), 3)), atoms.cell[:])
    tau = series.arrays()["phases.order Li-S"]
    assert len(tau) == 12
    assert tau[0] > 1.5 * tau[-1]
    [(name, found)] = series.values().pairs.items()
    assert (name, found.start, found.end) == ("Li-S", pytest.approx(tau[0]), pytest.approx(tau[-1]))
    assert np.isnan(found.change.lower)  # two frames in a window


def test_interval_of_the_change_of_order_covers_zero_at_equilibrium():
    roles = roles_of(["Li"], ["Li", "P", "S"])
    atoms, rng, n_frames = LI2S * (2, 2, 2), np.random.default_rng(4), 60

    def change(last_spread_angstrom: float) -> Estimate:
        series = OrderSeries(atoms.numbers, roles, n_frames)
        for frame, spread in enumerate(np.linspace(0.2, last_spread_angstrom, n_frames)):
            moved = atoms.positions + rng.normal(0, spread, (len(atoms), 3))
            series.add(float(frame), moved, atoms.cell[:])
        return series.values().pairs["Li-S"].change

    still = [change(0.2) for _ in range(12)]
    assert sum(each.lower <= 0 <= each.upper for each in still) >= 10
    assert change(0.3).upper < 0
