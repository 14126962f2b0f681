"""An error of the settings in a job pauses its campaign."""

from contextlib import closing

import pytest
from jobflow import Flow

from cluster_jobs import count_present, label_with_command, plus_one
from fireworks_jobs import output_of, submit
from interphase_flows.cli.status import status_parts
from interphase_flows.commands.status import campaign_status
from interphase_flows.runners.fireworks.control import cancel_campaign, release_campaign
from interphase_flows.runners.fireworks.launchpad import hold_of, open_launchpad, pause_because
from interphase_flows.runners.fireworks.states import firework_states
from interphase_flows.runners.fireworks.worker import work

pytestmark = pytest.mark.cluster


def test_error_of_the_settings_in_a_job_pauses_its_campaign_until_the_correction(settings, tmp_path):
    """As on one machine: otherwise all further jobs would fail, one after the other."""
    executable = tmp_path / "vasp_std"
    labels = [label_with_command(str(executable)) for _ in range(3)]
    after = count_present([label.output for label in labels])
    submit(settings, Flow([*labels, after]), "labelling")
    submit(settings, Flow([plus_one(1)]), "unaffected")
    assert work(settings, "all", tmp_path / "launches").n_jobs == 2, "one job fails; the other campaign is not affected"
    with closing(open_launchpad(settings)) as launchpad:
        assert firework_states(launchpad, "unaffected") == {"COMPLETED": 1}
    status = campaign_status(settings, "labelling")
    assert (status.status, status.has_ended) == ("paused", False)
    assert status.cluster.n_failed == 0
    assert "vasp_std is not on this machine" in status.cluster.hold.reason
    printed = "\n".join(map(str, status_parts(status)))
    assert "which further jobs would meet as well: label_with_command: vasp_command" in printed
    assert "continue with: interphase resume labelling" in printed
    release_campaign(settings, "labelling")
    assert work(settings, "all", tmp_path / "launches").n_jobs == 1, "it is paused again before the correction"
    executable.touch()
    release_campaign(settings, "labelling")
    assert work(settings, "all", tmp_path / "launches").n_jobs == 4
    assert output_of(settings, "labelling", after.uuid) == 3


def test_error_of_the_settings_keeps_a_cancellation(settings):
    submit(settings, Flow([plus_one(1)]), "cancelled_before")
    cancel_campaign(settings, "cancelled_before")
    launchpad = open_launchpad(settings)
    with closing(launchpad.connection):
        pause_because(launchpad, "cancelled_before", "no command")
        assert hold_of(launchpad, "cancelled_before").state == "cancelled"
