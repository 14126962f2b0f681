"""Hints of jobs name a command that works where there are several campaigns."""

from interphase_flows.jobs.hints import query_command
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, use_workspace


def test_command_names_the_campaign_of_the_job(tmp_path):
    with use_workspace(Workspace(Settings(root=tmp_path), "second")):
        assert query_command("failures failed_kind=labels") == (
            "interphase query failures failed_kind=labels --campaign second"
        )


def test_command_of_a_job_without_a_campaign_names_none(empty_folder):
    assert query_command("failures") == "interphase query failures"
