"""Temperatures that walkers and replicas take in turn."""

import pytest

import loop_documents as documents
from interphase_flows.campaign.schema import Campaign
from interphase_flows.flows.exploration import ExplorationMaker
from interphase_flows.flows.initial_data import InitialDataMaker
from interphase_flows.flows.production import ProductionMaker
from interphase_flows.jobs.dynamics import segments
from interphase_flows.jobs.dynamics.segments import SegmentMaker
from interphase_flows.schemas.segment import Walker

LADDER_K = [300.0, 500.0, 700.0]


def test_walkers_of_each_kind_take_the_temperatures_in_turn():
    exploration = {"temperatures_K": LADDER_K, "n_interface_walkers": 4, "n_audit_walkers": 1, "n_amorphous_walkers": 1}
    walkers = InitialDataMaker.from_campaign(Campaign(name="unit", exploration=exploration)).walkers()
    assert {walker.run_id: walker.temperature_K for walker in walkers} == {
        "interface-0": 300.0,
        "interface-1": 500.0,
        "interface-2": 700.0,
        "interface-3": 300.0,
        "audit-4": 500.0,
        "amorphous-0": 300.0,
        "crystal-0": 300.0,
    }


def test_replicas_of_every_interface_take_the_temperatures_in_turn():
    production = {"temperatures_K": LADDER_K[:2], "n_replicas": 3, "interface": {"n_shifts": 2}}
    replicas = ProductionMaker.from_campaign(Campaign(name="unit", production=production)).replicas()
    assert [replica.temperature_K for replica in replicas] == 2 * [300.0, 500.0, 300.0]


def test_without_a_ladder_all_have_the_temperature_of_the_dynamics():
    campaign = Campaign(name="unit")
    walkers = [*InitialDataMaker.from_campaign(campaign).walkers(), *ProductionMaker.from_campaign(campaign).replicas()]
    assert {walker.temperature_K for walker in walkers} == {None}


def test_melt_quench_walkers_follow_their_schedule_and_no_ramp():
    exploration = {"n_melt_quench_walkers": 1, "dynamics": {"ramp_to_temperature_K": 900.0}}
    maker = ExplorationMaker.from_campaign(Campaign(name="unit", exploration=exploration))
    segment = maker.make(maker.melt_quench_walkers(), None, documents.committee()).jobs[-1]
    assert segment.maker.dynamics.temperature_K == maker.melt_quench.melt_temperature_K
    assert segment.maker.dynamics.ramp_to_temperature_K is None


def test_temperature_of_a_walker_is_part_of_the_key(workspace, monkeypatch):
    """A walker with the temperature of the dynamics has the key of one without a temperature."""
    monkeypatch.setattr(segments, "cached_exclusive", lambda kind, key, *_: key)

    def key(temperature_K: float | None) -> str:
        walker = Walker(run_id="interface-0", role="explore", seed=7, index=0, temperature_K=temperature_K)
        start = documents.segment("interface-0")
        return SegmentMaker.make.original(SegmentMaker(), start, documents.committee(), walker)

    assert key(None) == key(300.0) != key(500.0)


@pytest.mark.parametrize("temperatures_K", [[0.0], [-300.0], [6000.0]])
def test_temperatures_out_of_range_are_rejected(temperatures_K):
    with pytest.raises(ValueError, match="temperatures_K"):
        Campaign(name="unit", production={"temperatures_K": temperatures_K})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"production": {"temperatures_K": LADDER_K, "n_replicas": 2}}, "3 temperatures for 2 runs.*raise n_replicas"),
        ({"exploration": {"temperatures_K": LADDER_K}}, "3 temperatures for 2 runs.*raise n_interface_walkers"),
        ({"production": {"dynamics": {"ramp_time_fs": 5000.0}}}, "ramp_time_fs: without effect.*ramp_to_temperature_K"),
    ],
)
def test_settings_without_effect_are_rejected(changes, message):
    with pytest.raises(ValueError, match=message):
        Campaign(name="unit", **changes)
