"""Makers of flows: their fields survive serialisation, as jobs of a loop take their Maker along."""

import json
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from jobflow import Maker
from monty.json import MontyDecoder, MontyEncoder
from ruamel.yaml import YAML

from interphase_flows import (
    ActiveLearningMaker,
    CampaignMaker,
    ExplorationMaker,
    InitialDataMaker,
    ProductionMaker,
    TransportGridMaker,
)
from interphase_flows.campaign.schema import Campaign
from interphase_flows.flows.convergence_study import ConvergenceStudyMaker
from interphase_flows.flows.pretraining import PretrainingMaker
from own_steps import MostUncertainMaker, OwnLabelMaker, OwnTrainMaker
from tiny_campaign import TINY

FLOW_MAKERS = [
    InitialDataMaker,
    ExplorationMaker,
    ActiveLearningMaker,
    ProductionMaker,
    TransportGridMaker,
    ConvergenceStudyMaker,
    CampaignMaker,
]
EVERYTHING = {
    "structures": {
        "dynamics_method": "reference",
        "equations_of_state": {"n_volumes": 3},
        "vacancies": {"n_per_phase": 1},
        "slabs": {"n_per_phase": 1},
        "dimers": {"n_distances": 2},
        "interfaces": {"facets": ["110/001"], "n_as_built": 1},
    },
    "reference": {"method": "gpaw", "cutoff_eV": 300},
    "transport_grid": {"n_per_fraction": 1},
    "analysis": {"anion_centre_elements": ["P"]},
    "structure_files": {"X": "x.cif"},
    "committee": {"pretraining": {"n_labels": 30}},
}
"""Blocks that fill every optional field."""


@pytest.fixture(params=["tiny", "everything"])
def campaign(request) -> Campaign:
    return Campaign(**YAML(typ="safe").load(TINY) | (EVERYTHING if request.param == "everything" else {}))


def again(maker):
    """Return a Maker after a round trip through JSON, which turns tuples into lists."""
    stored = json.dumps(maker, cls=MontyEncoder)
    copied = json.loads(stored, cls=MontyDecoder)
    assert json.dumps(copied, cls=MontyEncoder) == stored
    return copied


@pytest.mark.parametrize("flow_maker", FLOW_MAKERS)
def test_maker_of_a_campaign_survives_serialisation(flow_maker, campaign):
    copied = again(flow_maker.from_campaign(campaign))
    assert type(copied) is flow_maker
    nested = [getattr(copied, entry.name) for entry in fields(copied) if entry.name.endswith("_maker")]
    assert nested
    assert all(each is None or isinstance(each, Maker) for each in nested)


@pytest.mark.parametrize("flow_maker", [*FLOW_MAKERS, PretrainingMaker])
def test_default_maker_survives_serialisation(flow_maker):
    assert type(again(flow_maker())) is flow_maker


def test_replaced_steps_survive_serialisation(campaign):
    maker = CampaignMaker.from_campaign(campaign)
    learning = maker.active_learning_maker
    learning.train_maker = OwnTrainMaker(spec=campaign.committee, first_seed=7)
    learning.select_maker = MostUncertainMaker()
    learning.label_set_maker.label_maker = OwnLabelMaker()
    assert again(maker).active_learning_maker == learning
    assert type(again(maker).active_learning_maker.train_maker) is OwnTrainMaker


def test_defaults_are_those_of_a_campaign():
    made = CampaignMaker.from_campaign(Campaign(name="campaign"))
    default = CampaignMaker()
    assert replace(made, analysis_maker=default.analysis_maker) == default
    assert list(default.analysis_maker.parts) == made.analysis_maker.parts


@pytest.mark.parametrize("kind", ["snapshots", "amorphous", "crystals"])
def test_initial_data_without_a_kind_of_structures_has_no_jobs_of_it(kind):
    maker = replace(InitialDataMaker(), **{f"{kind}_maker": None})
    names = [job.name for job, _ in maker.make("Li", "Li7P3S11").iterflow()]
    assert not any(kind in name for name in names)
    assert sum(any(each in name for each in ("snapshots", "amorphous", "crystals")) for name in names) > 0
    n_interfaces = sum(name.startswith("interface ") and "snapshots" not in name for name in names)
    n_crystals = sum(name.startswith("crystal of walkers") for name in names)
    assert n_crystals == maker.n_crystal_walkers
    assert {walker.index for walker in maker.walkers()} <= set(range(n_interfaces + 4 + n_crystals))


@pytest.mark.parametrize("flow_maker", [*FLOW_MAKERS, PretrainingMaker])
def test_docs_list_the_steps_of_a_flow(flow_maker):
    page = (Path(__file__).parents[3] / "docs" / "use_one_part.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| `{flow_maker.__name__}` \| (.*) \|$", page, re.MULTILINE)
    if row is None:
        assert flow_maker is ConvergenceStudyMaker  # no part of a campaign
        return
    steps = [entry.name for entry in fields(flow_maker) if entry.name.endswith("_maker")]
    assert re.findall(r"`(\w+)`", row[1]) == steps
