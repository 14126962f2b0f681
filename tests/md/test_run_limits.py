"""Limits that end a broken run: voids, volume, normal stress, anions; exact restarts."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.neighborlist import neighbor_list

from interphase_flows.exceptions import DynamicsError
from interphase_flows.md.checkpoint import read_checkpoint
from interphase_flows.md.dynamics import LangevinNPT
from interphase_flows.md.run_limits import STRESS_WINDOW, THERMAL_FACTOR, RunLimits, largest_void, n_anion_bonds
from interphase_flows.structures.anions import anion_bonds_angstrom
from interphase_flows.structures.crystals.library import load_phase, phase_names

NO_STRESS: list[float] = []


def violation(limits: RunLimits, start: Atoms, now: Atoms, stresses_GPa=NO_STRESS, pressure_GPa: float = 0.0):
    return limits.violation(now, limits.reference(start), stresses_GPa, pressure_GPa)


@pytest.mark.parametrize("phase", phase_names())
def test_crystals_have_no_void(phase):
    assert largest_void(load_phase(phase), 4.0)[0] < 2.7


def test_radius_and_centre_of_a_void_are_found_across_the_boundary():
    crystal = bulk("Li", cubic=True) * (6, 6, 6)
    centre = np.array([1.0, 20.0, 10.0])
    hole = crystal.cell.array.T @ (np.linalg.solve(crystal.cell.array.T, centre) % 1.0)
    vectors = crystal.positions - hole
    vectors -= np.round(vectors / crystal.cell.lengths()) * crystal.cell.lengths()
    porous = crystal[np.linalg.norm(vectors, axis=1) > 6.0]
    radius, found = largest_void(porous, 4.0)
    assert radius == pytest.approx(6.3, abs=0.7)
    distance = found - hole
    distance -= np.round(distance / crystal.cell.lengths()) * crystal.cell.lengths()
    assert np.linalg.norm(distance) < 1.5


def test_empty_slab_in_a_tilted_cell_is_a_void():
    tilted = make_supercell(bulk("Li", cubic=True), [[4, 0, 0], [1, 4, 0], [1, 1, 4]])
    gapped = tilted.copy()
    gapped.cell[2, 2] += 10.0
    reason, detail = violation(RunLimits(max_volume_change=None), tilted, gapped)
    assert reason == "void"
    assert "limit 4 Å" in detail
    assert violation(RunLimits(max_volume_change=None), gapped, gapped) is None


def test_void_of_the_start_counts_once_it_has_closed():
    compact = bulk("Li", cubic=True) * (4, 4, 4)
    gapped, narrow, limits = compact.copy(), compact.copy(), RunLimits(max_volume_change=None)
    gapped.cell[2, 2] += 10.0
    narrow.cell[2, 2] += 5.2  # a sphere of 3.5 Å, below the limit, but not closed
    reference = limits.followed(narrow, limits.reference(gapped))
    assert limits.violation(gap_of(8.0), reference, NO_STRESS, 0.0) is None
    reference = limits.followed(compact, reference)
    assert limits.violation(compact, reference, NO_STRESS, 0.0) is None
    assert limits.violation(gapped, limits.followed(gapped, reference), NO_STRESS, 0.0)[0] == "void"


def gap_of(width_angstrom):
    gapped = bulk("Li", cubic=True) * (4, 4, 4)
    gapped.cell[2, 2] += width_angstrom
    return gapped


def test_void_of_the_start_that_grows_without_closing_ends_the_run():
    """The radius in a gap is about half its width; the limit of growth is 2 Å of it, from the smallest until now."""
    limits = RunLimits(max_volume_change=None)
    reference = limits.reference(gap_of(10.0))
    assert limits.violation(gap_of(11.0), reference, NO_STRESS, 0.0) is None
    reason, detail = limits.violation(gap_of(18.0), reference, NO_STRESS, 0.0)
    assert reason == "void"
    assert "a void of the start grew from" in detail
    for width in (10.5, 8.0, 6.5):
        reference = limits.followed(gap_of(width), reference)
        assert limits.violation(gap_of(width), reference, NO_STRESS, 0.0) is None
    assert limits.violation(gap_of(13.0), limits.followed(gap_of(13.0), reference), NO_STRESS, 0.0)[0] == "void"


def test_void_that_closed_counts_in_later_segments(go, tmp_path):
    limits = RunLimits(max_volume_change=None)
    start = read_checkpoint(go(tmp_path / "first", limits=limits).last_good_checkpoint)
    start.metadata["reference"]["open_void_radius_angstrom"] = 5.0
    second = go(tmp_path / "second", start=start, seed=None, limits=limits)
    assert read_checkpoint(second.last_good_checkpoint).metadata["reference"]["open_void_radius_angstrom"] is None


def test_drift_of_the_volume():
    start = load_phase("Li2S")
    limits = RunLimits(max_volume_change=0.3)
    for factor, expected in ((0.9, None), (0.6, "volume_drift"), (1.25, None), (1.4, "volume_drift")):
        now = start.copy()
        now.cell[2] *= factor
        found = violation(limits, start, now)
        assert (found and found[0]) == expected


def test_normal_stress_counts_as_a_mean_over_the_window():
    start = load_phase("Li")
    limits = RunLimits(max_normal_stress_GPa=1.0)
    assert violation(limits, start, start, [5.0] * (STRESS_WINDOW - 1)) is None
    assert violation(limits, start, start, [5.0] * STRESS_WINDOW)[0] == "stress_drift"
    assert violation(limits, start, start, [5.0] * STRESS_WINDOW + [0.0] * STRESS_WINDOW) is None
    fluctuating = [2.5, -2.5] * STRESS_WINDOW
    assert violation(limits, start, start, fluctuating) is None
    assert violation(limits, start, start, [-2.0] * STRESS_WINDOW, pressure_GPa=2.0) is None
    assert violation(limits, start, start, [2.0] * STRESS_WINDOW, pressure_GPa=2.0)[0] == "stress_drift"


def test_lost_anions():
    start = load_phase("Li7P3S11")
    assert n_anion_bonds(start) == 2 * 4 + 2 * 8  # two PS4 and two P2S7
    assert n_anion_bonds(load_phase("Li2S")) == 0
    molten = start.copy()
    is_phosphorus = molten.numbers == 15
    molten.numbers[is_phosphorus] = 3
    assert violation(RunLimits(), start, molten)[0] == "anions_lost"
    assert violation(RunLimits(min_anion_bond_fraction=None), start, molten) is None


def test_bonds_of_anions_are_those_of_a_neighbour_list():
    """Disordered, in a skewed cell, with positions far outside it."""
    atoms = load_phase("Li7P3S11") * (2, 1, 1)
    atoms.rattle(0.15, seed=1)
    atoms.positions += np.random.default_rng(1).integers(-3, 4, (len(atoms), 3)) @ atoms.cell.array
    bonds = {("P", "S"): THERMAL_FACTOR * anion_bonds_angstrom(["P", "S"])["P", "S"]}
    assert n_anion_bonds(atoms) == len(neighbor_list("i", atoms, bonds)) // 2 > 0


def test_start_without_a_cell_is_an_error():
    with pytest.raises(DynamicsError, match=r"need a periodic cell.* Hint: use no limits"):
        RunLimits().reference(Atoms("PS", [(0, 0, 0), (0, 0, 2)]))


EXPANDING = {
    "dynamics": LangevinNPT(
        temperature_K=40.0, timestep_fs=2.0, barostat_time_fs=100.0, bulk_modulus_GPa=1.0, pressure_GPa=-0.5
    ),
    "limits": RunLimits(max_volume_change=0.08, max_void_radius_angstrom=None),
    "frame_interval_steps": 5,
}


def test_run_that_violates_a_limit_ends_with_reason_and_frames(go, tmp_path):
    result = go(tmp_path, n_steps=200, **EXPANDING)
    assert result.stop_reason == "volume_drift"
    assert "limit 8 %" in result.detail
    assert result.stop_step < 200
    assert read_checkpoint(result.last_good_checkpoint).step == result.stop_step
    assert result.n_frames == 1 + result.stop_step // 5


def test_reference_of_a_run_is_its_start_also_in_later_segments(go, tmp_path):
    """The volume is compared with the start of the run, not with that of the segment, and the end is the same."""
    uninterrupted = go(tmp_path / "uninterrupted", n_steps=200, **EXPANDING)
    first = go(tmp_path / "first", n_steps=uninterrupted.stop_step - 5, **EXPANDING)
    assert first.stop_reason == "finished"
    middle = read_checkpoint(first.last_good_checkpoint)
    second = go(tmp_path / "second", n_steps=200, start=middle, seed=None, **EXPANDING)
    assert (second.stop_reason, second.stop_step) == (uninterrupted.stop_reason, uninterrupted.stop_step)
    assert second.detail == uninterrupted.detail


def test_stress_is_averaged_over_segments(go, tmp_path):
    """Segments of 16 evaluations: a window of 30 is in two of them, and the run ends where it would without a break."""
    strained = {
        "dynamics": LangevinNPT(temperature_K=40.0, timestep_fs=2.0, bulk_modulus_GPa=1000.0, pressure_GPa=-0.5),
        "limits": RunLimits(
            max_volume_change=None,
            max_void_radius_angstrom=None,
            max_normal_stress_GPa=0.1,
            min_anion_bond_fraction=None,
        ),
        "frame_interval_steps": 5,
        "equilibration_fs": 20.0,
    }
    uninterrupted = go(tmp_path / "uninterrupted", n_steps=300, **strained)
    assert (uninterrupted.stop_reason, uninterrupted.stop_step) == ("stress_drift", 10 + 5 * (STRESS_WINDOW - 1))
    start, folders = {}, iter("abc")
    while (segment := go(tmp_path / next(folders), n_steps=75, **strained | start)).stop_reason == "finished":
        start = {"start": read_checkpoint(segment.last_good_checkpoint), "seed": None}
    assert (segment.stop_step, segment.detail) == (uninterrupted.stop_step, uninterrupted.detail)


def test_limits_do_not_change_a_run_that_keeps_them(go, tmp_path):
    without = go(tmp_path / "without")
    checked = go(tmp_path / "checked", limits=RunLimits())
    states = [read_checkpoint(result.last_good_checkpoint).state_sha256() for result in (without, checked)]
    assert states[0] == states[1]
