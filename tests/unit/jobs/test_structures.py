"""Structure sets, and initial structures of walkers."""

import numpy as np
import pytest
from ase.build import bulk

from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.structures import CrystalSpec
from interphase_flows.datasets.splits import split_origins
from interphase_flows.flows.initial_data import InitialDataMaker
from interphase_flows.jobs.structures.amorphous import amorphous_origin
from interphase_flows.jobs.structures.crystals import CrystalsMaker
from interphase_flows.jobs.structures.initial_structures import JoinSetsMaker, StartsMaker, place_walkers
from interphase_flows.jobs.structures.structure_sets import load_set, store_set
from interphase_flows.jobs.thermodynamics import RelaxMaker
from interphase_flows.md.cell_rescaling import check_cell
from interphase_flows.structures.crystals.library import load_phase
from spheres import SpheresSpec


def run(maker, *arguments):
    return type(maker).make.original(maker, *arguments)


def test_crystals_are_perfect_and_strained_with_one_origin_per_phase(workspace):
    spec = CrystalSpec(n_per_phase=2, min_atoms=4)
    crystals = run(CrystalsMaker(spec=spec), ["Li", "Li2S"], 1)
    assert [entry.origin for entry in crystals.entries] == ["crystal/Li"] * 3 + ["crystal/Li2S"] * 3
    assert len({entry.key for entry in crystals.entries}) == 6
    assert run(CrystalsMaker(spec=spec), ["Li", "Li2S"], 1) == crystals
    assert run(CrystalsMaker(spec=spec), ["Li", "Li2S"], 2).key != crystals.key


def test_structure_file_enters_the_key_by_its_structure(workspace, tmp_path):
    """Not by its path: a changed file is another crystal."""
    path = tmp_path / "mine.extxyz"
    keys = []
    for scale in (1.0, 1.01, 1.0):
        atoms = load_phase("Li2S")
        atoms.set_cell(scale * atoms.cell, scale_atoms=True)
        atoms.write(path)
        maker = CrystalsMaker(spec=CrystalSpec(n_per_phase=0), structure_files={"mine": str(path)})
        keys.append(run(maker, ["mine"], 1).key)
    assert keys[0] == keys[2] != keys[1]


def test_join_keeps_the_first_of_equal_structures(workspace, crystals):
    one = store_set("a", "a", crystals[:3], ["x/1"] * 3)
    two = store_set("b", "b", crystals[2:5], ["x/2"] * 3)
    joined = run(JoinSetsMaker(), [one, two], ["one", "two"], one)
    assert [entry.origin for entry in joined.entries] == ["x/1"] * 3 + ["x/2"] * 2


def test_initial_structures_are_interfaces_and_last_frames_of_cells(workspace, crystals):
    """Positions, sides and details are preserved exactly."""
    crystals[0].set_array("side", np.array([0, 1, 1]))
    interfaces = [
        store_set(f"i{n}", "i", [crystals[n]], [f"interface/{n}"], {f"interface/{n}": {"x": n}}) for n in (0, 1)
    ]
    cell = store_set("c", "c", crystals[2:5], ["amorphous x=0.50/1"] * 3)
    starts = run(StartsMaker(), interfaces, [cell])
    frames = load_set(starts)
    assert [frame.info["origin"] for frame in frames][2] == "amorphous x=0.50/1"
    np.testing.assert_array_equal(frames[2].positions, crystals[4].positions)
    np.testing.assert_array_equal(frames[0].arrays["side"], [0, 1, 1])
    assert starts.details == {"interface/0": {"x": 0}, "interface/1": {"x": 1}}


@pytest.mark.parametrize("seed", range(6))
def test_no_walker_starts_from_held_out_cells(seed):
    """Its frames would be correlated with those of the test split."""
    campaign = Campaign.model_validate(
        {
            "name": "unit",
            "seed": seed,
            "structures": {"amorphous": {"electrode_fractions": [0.07, 0.53], "n_per_fraction": 4}},
            "exploration": {"n_amorphous_walkers": 8},
        }
    )
    origins = [amorphous_origin(x, seed + 100 + i) for i, x in enumerate([0.07] * 4 + [0.53] * 4)]
    sides = split_origins(origins, {}, seed, 0.15, 0.15)
    maker = InitialDataMaker.from_campaign(campaign)
    first_cell = (
        len(campaign.structures.interfaces.snapshots.temperatures_K) + maker.n_interface_walkers + maker.n_audit_walkers
    )
    starts = [walker.index - first_cell for walker in maker.walkers() if walker.run_id.startswith("amorphous")]
    assert len(starts) == 4
    assert {sides[origins[index]] for index in starts} == {"train"}
    assert "test" in sides.values()


def test_walkers_on_interfaces_have_distinct_initial_structures():
    """None is shared with a labelled trajectory or another walker."""
    campaign = Campaign(name="unit")
    others = ("amorphous", "crystal")
    walkers = [w for w in InitialDataMaker.from_campaign(campaign).walkers() if not w.run_id.startswith(others)]
    n_snapshots = len(campaign.structures.interfaces.snapshots.temperatures_K)
    assert [walker.index for walker in walkers] == list(range(n_snapshots, n_snapshots + len(walkers)))
    assert len({walker.seed for walker in walkers}) == len(walkers)
    assert sum(walker.role == "audit" for walker in walkers) == campaign.exploration.n_audit_walkers


def test_crystal_walkers_start_from_electrolyte_and_electrode_in_turn(workspace):
    """Also if an amorphous cell could not be made."""
    exploration = {"n_crystal_walkers": 3, "n_amorphous_walkers": 2}
    maker = InitialDataMaker.from_campaign(Campaign(name="unit", exploration=exploration))
    jobs = maker._crystals_of_walkers(("Li", "Li7P3S11"))
    crystals = [run(maker.walker_crystals_maker, *job.function_args) for job in jobs]
    assert [each.entries[0].origin for each in crystals] == ["crystal/Li7P3S11", "crystal/Li"]
    for each in crystals:
        (atoms,) = load_set(each)
        assert len(atoms) >= 40
        np.testing.assert_allclose(atoms.cell[[0, 0, 1], [1, 2, 2]], 0.0)
        check_cell(atoms, "normal")
    made = [None, *["made"] * 3, *crystals]
    n_interfaces = maker._n_snapshots + maker.n_interface_walkers + maker.n_audit_walkers
    assert len(made) == 4 + len(jobs)
    placed = place_walkers.original(maker.walkers(), ["made"] * n_interfaces, made)
    on_crystals = [walker for walker in placed if walker.role == "sample"]
    assert [walker.index - n_interfaces for walker in on_crystals] == [3, 4, 3]
    assert len({walker.seed for walker in placed}) == len(placed)


def test_two_names_of_one_structure_are_two_phases(workspace, spheres, tmp_path):
    path = tmp_path / "twin.extxyz"
    bulk("Li", "fcc", a=3.3).write(path)  # nearly at rest among spheres
    maker = RelaxMaker(reference=SpheresSpec(), structure_files={"one": str(path), "two": str(path)})
    assert [run(maker, name).phase for name in ("one", "two")] == ["one", "two"]
