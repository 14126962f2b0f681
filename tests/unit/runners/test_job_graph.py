"""Which of the ready jobs runs next on several workers."""

from pathlib import Path

from ruamel.yaml import YAML

from interphase_flows.campaign.schema import Campaign
from interphase_flows.flows.campaign import CampaignMaker
from interphase_flows.jobs.compile import CompileMaker
from interphase_flows.runners.local.job_graph import JobGraph

QUICKSTART = Path(__file__).parents[3] / "workflows" / "li_li7p3s11_quickstart.yaml"


def test_compilation_starts_beside_the_initial_structures():
    """Started after them, it would take the worker of a training."""
    flow = CampaignMaker.from_campaign(Campaign(**YAML(typ="safe").load(QUICKSTART))).make()
    graph = JobGraph(flow)
    assert isinstance(graph.next_ready(longest_chain_first=True).job.maker, CompileMaker)
    assert not isinstance(graph.next_ready(longest_chain_first=True).job.maker, CompileMaker)
