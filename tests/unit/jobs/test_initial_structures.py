"""Joining generated structures, with failed generators, and the generator jobs."""

import pytest

from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.structures import DimerSpec, EquationOfStateSpec, SlabSpec, VacancySpec
from interphase_flows.commands.status import missing_structures
from interphase_flows.datasets.splits import split_origins
from interphase_flows.exceptions import InputError
from interphase_flows.flows.initial_data import AS_BUILT_VARIANT, InitialDataMaker
from interphase_flows.jobs.structures.crystals import (
    EquationsOfStateMaker,
    RattledCrystalsMaker,
    SlabsMaker,
    VacanciesMaker,
)
from interphase_flows.jobs.structures.dimers import DimersMaker
from interphase_flows.jobs.structures.initial_structures import JoinSetsMaker, StartsMaker, place_walkers
from interphase_flows.jobs.structures.structure_sets import load_set, store_set
from interphase_flows.schemas.segment import Walker


def run(maker, *arguments):
    return type(maker).make.original(maker, *arguments)


def walkers(*indices, role="explore"):
    return [Walker(run_id=f"run-{i}", role=role, seed=i, index=i) for i in indices]


def test_missing_set_is_noted_and_recorded(workspace, crystals):
    """The other sets are joined; a complete set has another key; status reports the last failure."""
    one = store_set("a", "a", crystals[:2], ["x/1"] * 2)
    two = store_set("b", "b", crystals[2:4], ["x/2"] * 2)
    incomplete = run(JoinSetsMaker(), [one, None], ["one", "two"], one)
    assert [entry.origin for entry in incomplete.entries] == ["x/1"] * 2
    assert incomplete.notes == ["missing: two"]
    (failure,) = workspace.ledger.find("failures", {"reason": "missing_structures"})
    assert "two" in failure["details"]["explanation"]
    assert missing_structures(workspace) == ["two"]
    complete = run(JoinSetsMaker(), [one, two], ["one", "two"], one)
    assert complete.key != incomplete.key
    assert complete.notes == []


def test_join_raises_without_initial_structures_or_sets(workspace, crystals):
    one = store_set("a", "a", crystals[:2], ["x/1"] * 2)
    for sets, starts in [([one], None), ([None], one)]:
        with pytest.raises(InputError, match="nothing is labelled"):
            run(JoinSetsMaker(), sets, ["one"], starts)


def test_max_structures_keeps_the_most_diverse_and_their_details(workspace, crystals):
    """The limit is part of the key."""
    one = store_set("a", "a", crystals[:3], ["x/1"] * 3)
    keys = [entry.key for entry in one.entries]
    one = one.model_copy(update={"details": {key: {"n": n} for n, key in enumerate(keys)}})
    joined = run(JoinSetsMaker(max_structures=2), [one], ["one"], one)
    assert len(joined.entries) == 2
    assert joined.entries[0].key == keys[0]
    assert joined.details.keys() == {entry.key for entry in joined.entries}
    assert joined.notes == ["the 2 most diverse of 3 structures are labelled"]
    assert run(JoinSetsMaker(max_structures=3), [one], ["one"], one).key != joined.key


def test_initial_structures_skip_missing_sets(workspace, crystals):
    one, two = (store_set(name, name, [crystals[n]], [name]) for n, name in enumerate(("i/0", "i/2")))
    cell = store_set("c", "c", crystals[2:4], ["amorphous/1"] * 2)
    starts = run(StartsMaker(), [one, None, two], [None, cell])
    assert [entry.origin for entry in starts.entries] == ["i/0", "i/2", "amorphous/1"]
    assert starts.notes == ["2 initial structures are missing"]
    with pytest.raises(InputError, match="none of 2 interfaces could be built"):
        run(StartsMaker(), [None, None], [cell])


def test_walkers_keep_their_initial_structures_if_others_are_missing(workspace, crystals):
    """Indices count the available structures; a walker without one is left out."""
    some = store_set("a", "a", crystals[:1], ["x/1"])
    placed = place_walkers.original(walkers(1, 2, 4), [some, None, some], [None, some])
    assert [(w.run_id, w.index) for w in placed] == [("run-2", 1), ("run-4", 2)]
    with pytest.raises(InputError, match="none of 1 walkers"):
        place_walkers.original(walkers(0, role="explore"), [None, some], [])


def test_details_of_every_generator_are_by_structure(workspace):
    """Strain, removed atom, Miller index, distance."""
    phases = ["Li", "Li2S"]
    made = [
        run(EquationsOfStateMaker(spec=EquationOfStateSpec(n_volumes=2)), phases),
        run(VacanciesMaker(spec=VacancySpec(n_per_phase=2)), phases, 1),
        run(SlabsMaker(spec=SlabSpec(n_per_phase=1)), phases),
        run(DimersMaker(spec=DimerSpec(n_distances=2)), phases),
    ]
    names = ("linear_strain", "removed", "miller", "distance_angstrom")
    for document, name in zip(made, names, strict=True):
        assert document.details.keys() == {entry.key for entry in document.entries}
        assert all(name in details for details in document.details.values())
        assert len(load_set(document)) == len(document.entries) > 0
    assert [entry.formula for entry in made[1].entries] == ["Li35", "Li35", "Li31S16", "Li32S15"]


def test_phase_without_slabs_is_noted(workspace):
    made = run(SlabsMaker(spec=SlabSpec(n_per_phase=1, max_atoms=4)), ["Li", "Li2S"])
    assert [entry.origin for entry in made.entries] == ["slab/Li"]
    assert made.notes[0].startswith("Li2S: 0 of 1 slabs")


def test_dimers_scaled_cells_and_vacancies_only_train(workspace):
    """Their families are that of the crystals, or too small to be split."""
    made = [
        run(DimersMaker(spec=DimerSpec(n_distances=1, isolated_atoms=True)), ["Li2S", "Li3P"]),
        run(EquationsOfStateMaker(spec=EquationOfStateSpec(n_volumes=1)), ["Li", "Li2S", "Li3P"]),
        run(RattledCrystalsMaker(spec=EquationOfStateSpec(n_volumes=2)), ["Li", "Li2S"], 1),
        run(VacanciesMaker(spec=VacancySpec(n_per_phase=1)), ["Li", "Li2S", "Li3P"], 1),
    ]
    origins = {entry.origin for document in made for entry in document.entries}
    assert len(origins) == 2 + 3 + 2 + 3
    assert set(split_origins(origins, {}, 1, 0.4, 0.4).values()) == {"train"}


def test_trajectories_and_walkers_cycle_through_facets_and_gaps():
    """Interfaces labelled as built have separate in-plane shifts, which no walker starts from."""
    campaign = Campaign.model_validate(
        {
            "name": "unit",
            "structures": {
                "interfaces": {"facets": ["110/001", "110/011"], "gaps_angstrom": [2.0, 2.4], "n_as_built": 1}
            },
        }
    )
    jobs = [job for job, _ in InitialDataMaker.from_campaign(campaign).make().iterflow()]
    arguments = {job.name: job.function_args[2:] for job in jobs if job.name.startswith("interface ")}
    assert [arguments[f"interface {n}"] for n in range(5)] == [
        (0, "110/001", 2.0),
        (1, "110/011", 2.0),
        (2, "110/001", 2.4),
        (3, "110/011", 2.4),
        (4, "110/001", 2.0),
    ]
    as_built = [arguments[f"interface as built {n}"] for n in range(4)]
    assert [variant for variant, _, _ in as_built] == list(range(AS_BUILT_VARIANT, AS_BUILT_VARIANT + 4))
    assert {(facet, gap) for _, facet, gap in as_built} == {(f, g) for f in ("110/001", "110/011") for g in (2.0, 2.4)}
