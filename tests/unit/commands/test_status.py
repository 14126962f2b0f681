"""Where a campaign stands."""

import json

import pytest

from interphase_flows.commands.status import PROGRESS_FILE, campaign_status, only_campaign
from interphase_flows.exceptions import InputError


def test_a_campaign_whose_process_is_gone_is_interrupted(settings, started):
    """It said `running`, and nobody holds its lock."""
    assert campaign_status(settings, "unit").status == "running"
    started.close()
    found = campaign_status(settings, "unit")
    assert (found.status, found.running) == ("interrupted", None)


def test_who_runs_it_is_told_while_it_runs(settings, started):
    """Process, host and time."""
    assert "process" in campaign_status(settings, "unit").running


def test_the_learning_curve_is_one_line_per_iteration(settings, started):
    """In order, with labels and errors."""
    lines = campaign_status(settings, "unit").iterations
    assert [(line.index, line.n_labels) for line in lines] == [(0, 10), (1, 11)]
    assert lines[0].force_mae_meV_per_angstrom == 50.0


def test_documents_of_other_campaigns_are_not_counted(settings, started, add):
    """A database is shared; a status is one campaign's."""
    add.foreign("iterations", "theirs", add.make_iteration("theirs", 7))
    found = campaign_status(settings, "unit")
    assert found.documents["iterations"] == 2
    assert [line.index for line in found.iterations] == [0, 1]


def test_progress_is_that_of_the_file(settings, started):
    """Written by the process that runs, read by the one that asks."""
    assert campaign_status(settings, "unit").progress is None
    (started.root / PROGRESS_FILE).write_text(json.dumps({"stage": "labels", "done": 3}))
    assert campaign_status(settings, "unit").progress == {"stage": "labels", "done": 3}


def test_the_status_is_json_for_scripts(settings, started):
    """Every field."""
    assert json.loads(campaign_status(settings, "unit").as_json())["name"] == "unit"


def test_the_only_campaign_needs_no_name_and_two_do(settings, started, tmp_path):
    """Both are named in the message."""
    assert only_campaign(settings) == "unit"
    (settings.root / "second").mkdir()
    (settings.root / "second" / "ledger.sqlite").touch()
    with pytest.raises(InputError, match="second, unit"):
        only_campaign(settings)
