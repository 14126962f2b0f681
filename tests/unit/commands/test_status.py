"""Status of a campaign."""

import json

import pytest

import loop_documents as documents
from interphase_flows.cli.status import status_parts
from interphase_flows.commands.status import (
    HELD_BY_LPAD,
    PROGRESS_FILE,
    _status_by_jobs,
    campaign_status,
)
from interphase_flows.exceptions import InputError
from interphase_flows.runners.fireworks.states import COLUMNS, ClusterStatus, JobsHeldByLpad
from interphase_flows.storage.campaign_choice import only_campaign


def test_running_campaign_without_a_lock_holder_is_interrupted(settings, started):
    assert campaign_status(settings, "unit").status == "running"
    started.close()
    found = campaign_status(settings, "unit")
    assert (found.status, found.running) == ("interrupted", None)


def test_status_names_the_running_process(settings, started):
    assert "process" in campaign_status(settings, "unit").running


def test_learning_curve_has_one_line_per_iteration(settings, started):
    lines = campaign_status(settings, "unit").iterations
    assert [(line.index, line.n_labels) for line in lines] == [(0, 10), (1, 11)]
    assert lines[0].force_mae_meV_per_angstrom == 50.0


def test_documents_of_other_campaigns_are_not_counted(settings, started, add):
    add.foreign("iterations", "theirs", add.make_iteration("theirs", 7))
    found = campaign_status(settings, "unit")
    assert found.documents["iterations"] == 2
    assert [line.index for line in found.iterations] == [0, 1]


def test_progress_is_read_from_the_progress_file(settings, started):
    assert campaign_status(settings, "unit").progress is None
    progress = {"stage": "labels", "done": 3, "total": 5, "detail": "", "jobs": 1, "at": "", "workers": {}}
    (started.root / PROGRESS_FILE).write_text(json.dumps(progress))
    assert campaign_status(settings, "unit").progress == progress


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"[1]", b'{"stage": "labels"}', b'{"workers": {"1": []}}'])
def test_damaged_progress_file_counts_as_missing(settings, started, content):
    (started.root / PROGRESS_FILE).write_bytes(content)
    assert campaign_status(settings, "unit").progress is None


def test_status_is_available_as_json(settings, started):
    assert json.loads(campaign_status(settings, "unit").as_json())["name"] == "unit"


def test_name_is_optional_for_a_single_campaign_only(settings, started, tmp_path):
    assert only_campaign(settings) == "unit"
    (settings.root / "second").mkdir()
    (settings.root / "second" / "ledger.sqlite").touch()
    with pytest.raises(InputError, match="second, unit"):
        only_campaign(settings)


def test_notes_are_those_of_the_newest_committee(settings, started):
    note = "potentials are evaluated eagerly: no C++ compiler"
    started.ledger.put("committees", "first", documents.committee("first"))
    started.ledger.put("committees", "last", documents.committee("last").model_copy(update={"notes": [note]}))
    status = campaign_status(settings, "unit")
    assert status.notes == [note]
    assert f"note: {note}" in list(status_parts(status))


@pytest.mark.parametrize(
    ("rows", "held", "status"),
    [
        ({"waiting": 5}, True, HELD_BY_LPAD),
        ({"waiting": 5}, False, "failed"),
        ({"waiting": 5, "failed": 1}, True, "failed"),
        ({"waiting": 5, "ready": 1}, True, "submitted"),
    ],
)
def test_campaign_that_only_lpad_holds_has_not_failed(rows, held, status):
    jobs = {"dft": dict.fromkeys(COLUMNS, 0) | rows}
    by_lpad = [JobsHeldByLpad("paused", ["label (job 3)"], "lpad resume_fws -i 3")] if held else []
    cluster = ClusterStatus(
        jobs=jobs,
        iterations={},
        failed=[],
        hold=None,
        lost=[],
        needs_attention=[],
        will_be_retried=[],
        allocations=None,
        held_by_lpad=by_lpad,
    )
    assert _status_by_jobs(cluster, {}) == status
