"""Exploration: segments of walkers, and the succession of packings."""

import json

import pytest
from ase.neighborlist import neighbor_list
from jobflow import Flow, OnMissing, run_locally
from monty.json import MontyDecoder, jsanitize

import loop_documents as documents
from interphase_flows.campaign.schema import Campaign
from interphase_flows.exceptions import InputError, OverlappingAtomsError
from interphase_flows.flows.active_learning import ActiveLearningMaker
from interphase_flows.flows.exploration import ExplorationMaker
from interphase_flows.flows.initial_data import InitialDataMaker
from interphase_flows.jobs.dynamics import segments
from interphase_flows.jobs.dynamics.segments import SegmentMaker
from interphase_flows.jobs.structures import amorphous
from interphase_flows.jobs.structures.amorphous import PackingMaker
from interphase_flows.jobs.structures.initial_structures import place_walkers
from interphase_flows.jobs.structures.structure_sets import load_set
from interphase_flows.schemas.segment import MeltQuenchWalker, Walker
from interphase_flows.schemas.structures import StructureEntry, StructureSetDoc
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, use_workspace

STARTS = StructureSetDoc(
    key="starts",
    name="starts",
    artifact=documents.NO_FILE,
    entries=[StructureEntry(key="start", origin="interface/start-0", formula="Li2S", n_atoms=3)],
)
FRESH = Walker(run_id="interface-0", role="explore", seed=7, index=0)
CONTINUING = Walker(
    run_id="audit-1",
    role="audit",
    seed=8,
    index=0,
    continue_from=documents.NO_FILE,
    continue_state="state",
    last_step=100,
)


@pytest.fixture
def workspace(tmp_path):
    settings = Settings(root=tmp_path / "runs", n_threads=1)
    with Workspace(settings, "unit") as opened, use_workspace(opened):
        yield opened


def campaign(n_walkers: int = 1, **schedule) -> Campaign:
    exploration = {
        "steps_per_iteration": 20,
        "n_melt_quench_walkers": n_walkers,
        "melt_quench": {"melt_steps": 30, "quench_steps": 10} | schedule,
    }
    return Campaign.model_validate({"name": "unit", "exploration": exploration})


def explore(spec: Campaign, *walkers: Walker) -> Flow:
    return ExplorationMaker.from_campaign(spec).make(walkers, STARTS, documents.committee(), 3)


def melt_quench_walker(spec: Campaign, number: int, packing: int = 0) -> MeltQuenchWalker:
    return ExplorationMaker.from_campaign(spec).melt_quench_walker(number, packing)


def segment_of(walker: Walker, last_step: int, **changes) -> list:
    """Return the segment of one walker of an iteration."""
    return [documents.segment(walker.run_id, last_step=last_step, **changes)]


def test_segment_keys_are_pinned(workspace, monkeypatch):
    """A change of these hashes makes finished campaigns repeat their dynamics."""
    monkeypatch.setattr(segments, "cached_exclusive", lambda kind, key, *_: key)
    flow = ActiveLearningMaker.from_campaign(Campaign(name="unit")).next_iteration(
        documents.dataset(), documents.committee(), [FRESH, CONTINUING], STARTS, [], []
    )
    explorations = [job for job, _ in flow.iterflow() if job.name.startswith("explore")]
    keys = {job.name: SegmentMaker.make.original(job.maker, *job.function_args) for job in explorations}
    assert keys == {
        "explore interface-0, iteration 0": "4cbdbde8f8c78ed608cd173f3301cb94",
        "explore audit-1, iteration 0": "0cfc7fddbdd615871560891eae0034ad",
    }
    broken = documents.segment("interface-0", stop_reason="failed")
    production = SegmentMaker(stops_when_uncertain=False)
    key = SegmentMaker.make.original(production, broken, documents.committee(), FRESH)
    assert key == "47c3ac037693f055bd187e77e33f5c43"


def test_segment_key_depends_on_the_current_leg_of_the_schedule(workspace, monkeypatch):
    """Temperature, friction, length of the segment, packing, and runaway limit."""
    monkeypatch.setattr(segments, "cached_exclusive", lambda kind, key, *_: key)

    def key(spec: Campaign, **changes) -> str:
        walker = melt_quench_walker(spec, 0).model_copy(update=changes)
        job = next(job for job in explore(spec, walker).jobs if job.name.startswith("explore"))
        return SegmentMaker.make.original(job.maker, STARTS, documents.committee(), walker)

    checkpoint = {"continue_from": documents.NO_FILE, "continue_state": "state"}
    keys = [
        key(campaign()),
        key(campaign(melt_temperature_K=1200)),
        key(campaign(friction_per_ps=20)),
        key(campaign(melt_steps=15)),
        key(campaign(), seed=1),
        key(campaign(), run_id="melt-quench-0-1"),
        key(campaign(), last_step=20, **checkpoint),
        key(campaign(), last_step=30, **checkpoint),
        key(campaign(melt_temperature_K=1200), last_step=30, **checkpoint),
    ]
    assert len(set(keys)) == len(keys)
    assert key(campaign(quench_steps=99)) == keys[0]  # later stages do not matter yet


@pytest.mark.parametrize(
    ("last_step", "temperature_K", "n_steps", "limit_K"),
    [(0, 1500.0, 20, 4500.0), (13, 1500.0, 17, 4500.0), (20, 1500.0, 10, 4500.0), (30, 300.0, 10, 4500.0)],
)
def test_segment_belongs_to_one_stage_of_the_schedule(last_step, temperature_K, n_steps, limit_K):
    spec = campaign()
    walker = melt_quench_walker(spec, 0).model_copy(update={"last_step": last_step})
    packing, segment = explore(spec, walker).jobs
    assert isinstance(packing.maker, PackingMaker)
    maker = segment.maker
    assert (maker.dynamics.temperature_K, maker.n_steps) == (temperature_K, n_steps)
    assert maker.dynamics.friction_per_ps == 50.0
    assert maker.dynamics.timestep_fs == spec.exploration.dynamics.timestep_fs
    assert maker.runaway_temperature_factor * maker.dynamics.temperature_K == pytest.approx(limit_K)


def test_campaign_without_melt_quench_has_no_such_walkers_or_jobs():
    spec = Campaign(name="unit")
    assert ExplorationMaker.from_campaign(spec).melt_quench_walkers() == []
    names = [job.name for job in explore(spec, FRESH, CONTINUING).jobs]
    assert names == ["explore interface-0, iteration 3", "explore audit-1, iteration 3"]


def test_segments_are_in_the_order_of_the_walkers():
    """A missing segment is identified by its position."""
    spec = campaign()
    flow = explore(spec, melt_quench_walker(spec, 0), FRESH)
    names = {job.uuid: job.name for job in flow.jobs}
    assert [names[output.uuid] for output in flow.output] == [
        "explore melt-quench-0-0, iteration 3",
        "explore interface-0, iteration 3",
    ]


@pytest.mark.parametrize("last_step", [0, 10, 30, 39])
def test_stopped_run_keeps_its_packing(last_step):
    """Uncertain, or broken after a checkpoint: it continues with the next committee."""
    spec = campaign()
    walker = melt_quench_walker(spec, 0)
    for reason in ("uncertain", "close_contact", "finished"):
        (after,) = ExplorationMaker.from_campaign(spec).after(
            [walker], segment_of(walker, last_step, stop_reason=reason)
        )
        assert (after.run_id, after.last_step, after.continue_state) == ("melt-quench-0-0", last_step, "end")


def test_run_that_breaks_at_its_checkpoint_keeps_its_packing(workspace):
    spec = campaign()
    walker = (
        ExplorationMaker.from_campaign(spec)
        .melt_quench_walker(0)
        .model_copy(update={"continue_from": documents.NO_FILE, "continue_state": "end", "last_step": 10})
    )
    (after,) = ExplorationMaker.from_campaign(spec).after([walker], segment_of(walker, 10, stop_reason="close_contact"))
    assert (after.run_id, after.last_step, after.n_restarts) == ("melt-quench-0-0", 10, 1)
    before, now = (explore(spec, each).jobs[0].function_args for each in (walker, after))
    assert before == now


def test_finished_schedule_is_followed_by_another_packing():
    """A new run with another seed and composition."""
    spec = campaign(electrode_fractions=[0.07, 0.53])
    walker = melt_quench_walker(spec, 0)
    (after,) = ExplorationMaker.from_campaign(spec).after([walker], segment_of(walker, 40))
    assert after == melt_quench_walker(spec, 0, 1)
    assert (after.run_id, after.x_electrode) == ("melt-quench-0-1", 0.53)
    assert after.seed != walker.seed
    assert (after.last_step, after.continue_from, after.continue_state) == (0, None, None)


@pytest.mark.parametrize("is_lost", [True, False])
def test_packing_that_cannot_start_is_followed_by_another(is_lost):
    """Its job failed, or it broke before the first checkpoint; a break counts as a restart."""
    spec = campaign()
    walker = melt_quench_walker(spec, 0)
    broken = segment_of(walker, 0, stop_reason="failed", continue_from=None, continue_state=None)
    (after,) = ExplorationMaker.from_campaign(spec).after([walker], [None] if is_lost else broken)
    assert (after.run_id, after.n_restarts) == ("melt-quench-0-1", 0 if is_lost else 1)


def test_failed_packing_fails_its_segment_and_records_the_reason(workspace, monkeypatch):
    """Jobs that collect segments must not wait for one that never starts."""

    def mixture_packing(*_):
        raise OverlappingAtomsError("planted")

    monkeypatch.setattr(amorphous, "mixture_packing", mixture_packing)
    spec = campaign()
    flow = explore(spec, melt_quench_walker(spec, 0))
    store = workspace.job_store()
    store.connect()
    try:
        done = run_locally(flow, store=store, log=False, root_dir=workspace.root)
        assert not done
        assert store.count() == 0
    finally:
        store.close()
    (failure,) = workspace.ledger.find("failures", {"failed_kind": "structure_sets"})
    assert failure["details"]["explanation"] == "planted"
    with pytest.raises(InputError, match="melt-quench-0-0 has no initial structure"):
        SegmentMaker.make.original(SegmentMaker(), None, documents.committee(), melt_quench_walker(spec, 0))
    assert flow.jobs[1].config.on_missing_references == OnMissing.NONE


def test_other_walkers_keep_their_run():
    (after,) = ExplorationMaker.from_campaign(campaign()).after([FRESH], segment_of(FRESH, 10_000))
    assert (after.run_id, after.last_step) == ("interface-0", 10_000)
    assert ExplorationMaker.from_campaign(campaign()).after([FRESH], [None]) == [FRESH]


def test_packings_cycle_through_compositions():
    spec = campaign(3, electrode_fractions=[0.07, 0.53])
    walkers = [melt_quench_walker(spec, number, packing) for packing in range(2) for number in range(3)]
    assert [walker.x_electrode for walker in walkers] == [0.07, 0.53] * 3
    assert len({walker.run_id for walker in walkers}) == 6


def test_seeds_of_packings_and_amorphous_cells_are_distinct():
    """A thousand packings of ten walkers, a thousand cells of each of two compositions."""
    spec = Campaign.model_validate({"name": "unit", "seed": 5, "structures": {"amorphous": {"n_per_fraction": 1000}}})
    cells = {seed for _, seed in InitialDataMaker.from_campaign(spec)._amorphous_cells()}
    maker = ExplorationMaker.from_campaign(spec)
    packings = [maker.packing_seed(number, packing) for number in range(10) for packing in range(1000)]
    assert len(set(packings)) == len(packings)
    assert not cells & set(packings)


def test_melt_quench_walkers_need_no_initial_structure(workspace):
    spec = campaign(2)
    melting = ExplorationMaker.from_campaign(spec).melt_quench_walkers()
    assert [walker.run_id for walker in melting] == ["melt-quench-0-0", "melt-quench-1-0"]
    walkers = [*InitialDataMaker.from_campaign(spec).walkers(), *melting]
    assert place_walkers.original(walkers, [None] * 6, [None] * 5) == melting


def test_packing_is_reproducible_and_without_overlaps(workspace):
    maker = PackingMaker(n_atoms=45)
    make = PackingMaker.make.original
    packing = make(maker, "Li", "Li7P3S11", 0.53, 100_001)
    assert make(maker, "Li", "Li7P3S11", 0.53, 100_001) == packing
    assert make(maker, "Li", "Li7P3S11", 0.53, 100_002).key != packing.key
    assert [entry.origin for entry in packing.entries] == ["amorphous x=0.53/100001"]
    (atoms,) = load_set(packing)
    assert str(atoms.symbols) == "Li31P3S11"
    assert neighbor_list("d", atoms, 13.0).min() > 1.9


def test_melt_quench_walker_survives_serialization():
    """jobflow stores iterations as JSON."""
    spec = campaign()
    walker = (
        ExplorationMaker.from_campaign(spec)
        .melt_quench_walker(0)
        .model_copy(update={"continue_from": documents.NO_FILE, "continue_state": "end", "last_step": 30})
    )
    (_, segment) = explore(spec, walker).jobs
    stored = json.loads(json.dumps(jsanitize(segment.as_dict(), strict=True, enum_values=True)))
    again = MontyDecoder().process_decoded(stored)
    assert again.maker == segment.maker
    assert again.function_args[2] == walker
    assert isinstance(again.function_args[2], MeltQuenchWalker)
