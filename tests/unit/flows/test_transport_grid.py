"""Jobs of a transport grid: kinds, temperatures and seeds."""

import pytest
from jobflow import OnMissing

import loop_documents as documents
from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.transport_grid import TransportGridSpec
from interphase_flows.exceptions import InputError
from interphase_flows.flows.campaign import CampaignMaker
from interphase_flows.flows.transport_grid import TransportGridMaker
from interphase_flows.jobs.cell_transport import CellTransportMaker
from interphase_flows.jobs.dynamics import segments
from interphase_flows.jobs.dynamics.segments import SegmentMaker
from interphase_flows.runners.fireworks.routing import PRIORITY_OF_PRODUCTION, kind_of, priority_of
from interphase_flows.schemas.structures import StructureEntry, StructureSetDoc
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, use_workspace

SPEC = TransportGridSpec(
    electrode_fractions=[0.07, 0.53],
    n_per_fraction=2,
    n_atoms=45,
    temperatures_K=[700.0, 900.0, 1100.0],
    melt_steps=300,
    quench_steps=200,
    n_segments=2,
)
STARTS = StructureSetDoc(
    key="packing",
    name="packing",
    artifact=documents.NO_FILE,
    entries=[StructureEntry(key="packed", origin="amorphous", formula="Li31P3S11", n_atoms=45)],
)


@pytest.fixture
def workspace(tmp_path):
    settings = Settings(root=tmp_path / "runs", n_threads=1)
    with Workspace(settings, "unit") as opened, use_workspace(opened):
        yield opened


def jobs_of(spec: TransportGridSpec = SPEC, seed: int = 1) -> dict:
    flow = TransportGridMaker(spec, seed=seed).make(documents.committee())
    return {job.name: job for job in flow.jobs}


def walkers(jobs: dict) -> dict:
    return {name: job.function_args[2] for name, job in jobs.items() if isinstance(job.maker, SegmentMaker)}


def test_every_cell_is_melted_quenched_and_run_at_every_temperature():
    """Four cells, three temperatures, two segments."""
    jobs = jobs_of()
    kinds = [name.split()[0] for name in jobs]
    counts = {kind: kinds.count(kind) for kind in sorted(set(kinds))}
    assert counts == {
        "equilibrate": 12,
        "melt": 4,
        "packing": 4,
        "quench": 4,
        "run": 24,
        "transport": 12,
        "transport_grid": 1,
    }
    melt, quench = jobs["melt grid-x0.530-1"].maker, jobs["quench grid-x0.530-1"].maker
    assert (melt.dynamics.temperature_K, melt.n_steps) == (1500.0, 300)
    assert (quench.dynamics.temperature_K, quench.n_steps) == (300.0, 200)
    # a quench starts at the temperature of the melt, so both have the same runaway limit
    assert quench.runaway_temperature_factor * 300.0 == melt.runaway_temperature_factor * 1500.0
    equilibration = jobs["equilibrate grid-x0.530-1-900K"].maker
    assert equilibration.is_new_run
    assert equilibration.dynamics.temperature_K == 900.0
    assert not jobs["run grid-x0.530-1-900K segment 1"].maker.is_new_run


def test_seeds_are_distinct_and_independent_of_other_compositions():
    """Seeds follow from composition, number and temperature, not from their order."""
    walker_of = walkers(jobs_of())
    seeds = {walker.run_id: walker.seed for walker in walker_of.values()}
    assert len(set(seeds.values())) == len(seeds) == 4 + 12
    assert {walker.role for walker in walker_of.values()} == {"transport"}
    more = SPEC.model_copy(update={"electrode_fractions": [0.3, 0.53], "temperatures_K": [900.0, 800.0, 700.0]})
    again = walkers(jobs_of(more))
    name = "run grid-x0.530-1-900K segment 0"
    assert again[name] == walker_of[name]
    assert walkers(jobs_of(seed=2))[name].seed == walker_of[name].seed + 1


def test_transport_job_takes_the_segments_after_equilibration_in_order():
    jobs = jobs_of()
    measure = jobs["transport grid-x0.070-0-700K"]
    assert isinstance(measure.maker, CellTransportMaker)
    names = {job.uuid: name for name, job in jobs.items()}
    *_, before, measured, _ = measure.function_args
    assert [names[each.uuid] for each in before] == [
        "melt grid-x0.070-0",
        "quench grid-x0.070-0",
        "equilibrate grid-x0.070-0-700K",
    ]
    assert [names[each.uuid] for each in measured] == [
        "run grid-x0.070-0-700K segment 0",
        "run grid-x0.070-0-700K segment 1",
    ]


def test_all_jobs_run_with_missing_inputs():
    """A failed job records its reason, and the grid is fitted without it."""
    assert {job.config.on_missing_references for job in jobs_of().values()} == {OnMissing.NONE}


def test_grid_dynamics_have_kind_md_and_production_priority():
    jobs = jobs_of()
    run = jobs["run grid-x0.070-0-700K segment 0"]
    assert (kind_of(run), priority_of(run)) == ("md", PRIORITY_OF_PRODUCTION)
    assert kind_of(jobs["transport grid-x0.070-0-700K"]) == "analysis"


def test_campaign_has_a_grid_only_on_request():
    campaign = Campaign.model_validate({"name": "unit", "transport_grid": SPEC.model_dump()})
    names = [job.name for job, _ in CampaignMaker.from_campaign(campaign).make().iterflow()]
    assert names.count("transport_grid") == 1
    assert not any(
        "grid" in job.name for job, _ in CampaignMaker.from_campaign(Campaign(name="unit")).make().iterflow()
    )


def test_new_run_from_a_checkpoint_has_another_key_than_its_continuation(workspace, monkeypatch):
    monkeypatch.setattr(segments, "cached_exclusive", lambda kind, key, *_: key)
    jobs, committee = jobs_of(), documents.committee()
    walker = walkers(jobs)["equilibrate grid-x0.530-1-900K"]
    quench = documents.segment("grid-x0.530-1", role="transport")

    def key(maker, previous=quench, walker=walker):
        return SegmentMaker.make.original(maker, previous, committee, walker)

    maker = jobs["equilibrate grid-x0.530-1-900K"].maker
    keys = [
        key(maker),
        key(jobs["run grid-x0.530-1-900K segment 0"].maker),
        key(maker, walker=walker.model_copy(update={"seed": 5})),
        key(maker, documents.segment("grid-x0.530-1", continue_state="other")),
        key(maker, documents.segment("grid-x0.530-1", stop_reason="close_contact", continue_state=None)),
    ]
    assert len(set(keys)) == len(keys)


def test_segments_after_a_broken_melt_are_recorded_and_not_run(workspace):
    """A broken run is not a failure."""
    jobs, committee = jobs_of(), documents.committee()
    walker_of = walkers(jobs)
    melt = documents.segment(
        "grid-x0.530-1",
        role="transport",
        stop_reason="close_contact",
        explanation="at step 3: P-S 0.9 Å",
        n_atoms=45,
        continue_from=None,
        continue_state=None,
    )

    def after(name, previous):
        return SegmentMaker.make.original(jobs[name].maker, previous, committee, walker_of[name])

    quench = after("quench grid-x0.530-1", melt)
    equilibration = after("equilibrate grid-x0.530-1-900K", quench)
    run = after("run grid-x0.530-1-900K segment 0", equilibration)
    assert {quench.stop_reason, equilibration.stop_reason, run.stop_reason} == {"close_contact"}
    assert equilibration.explanation == f"not started: segment {quench.key} of grid-x0.530-1 ended with close_contact"
    assert f"segment {equilibration.key} of this run" in run.explanation
    assert (run.n_atoms, run.n_steps, run.trajectory) == (45, 0, None)
    assert workspace.ledger.count("failures") == 0
    measure = jobs["transport grid-x0.530-1-900K"]
    found = CellTransportMaker.make.original(
        measure.maker, *measure.function_args[:5], [melt, quench, equilibration], [run], committee
    )
    assert found.result.rejection == "the run broke at 300 K (close_contact): at step 3: P-S 0.9 Å"


def test_missing_inputs_of_a_cell_raise(workspace):
    """Without committee, packing or melt."""
    jobs = jobs_of()
    name = "melt grid-x0.530-1"
    with pytest.raises(InputError, match=r"grid-x0.530-1 has no committee"):
        SegmentMaker.make.original(jobs[name].maker, STARTS, None, walkers(jobs)[name])
    measure = jobs["transport grid-x0.530-1-900K"]
    with pytest.raises(InputError, match="the cell was not run"):
        CellTransportMaker.make.original(measure.maker, *measure.function_args[:5], [None], [None], None)
    for name in ("melt grid-x0.530-1", "quench grid-x0.530-1", "equilibrate grid-x0.530-1-900K"):
        with pytest.raises(InputError, match="has no initial structure"):
            SegmentMaker.make.original(jobs[name].maker, None, documents.committee(), walkers(jobs)[name])
