"""The command `status`, printed once or refreshed (`--watch`)."""

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from interphase_flows.cli import app
from interphase_flows.cli import status as command
from interphase_flows.cli.status import WATCH_INTERVAL_S, status_parts, watch_status
from interphase_flows.commands.status import CampaignStatus
from interphase_flows.costs.throughput import Pace
from interphase_flows.exceptions import StorageError
from interphase_flows.runners.fireworks.launchpad import Hold
from interphase_flows.runners.fireworks.states import COLUMNS, ClusterStatus, FailedJob, LostJob
from interphase_flows.runners.slurm import QueueJob

NOTHING = dict.fromkeys(COLUMNS, 0)
CLUSTER = ClusterStatus(
    jobs={"dft": NOTHING | {"running": 2, "done": 5}, "train": NOTHING | {"waiting": 3}},
    iterations={0: {"dft": NOTHING | {"done": 5}}, 1: {"dft": NOTHING | {"running": 2}, "train": NOTHING}},
    failed=["relax Li"],
    hold=None,
    lost=[LostJob(7, "label", "dft", "RUNNING", ["TIMEOUT", "TIMEOUT", "NODE_FAIL"], "allocation 9: NODE_FAIL", 3)],
    needs_attention=[FailedJob(8, "relax Li", "dft", "OUT_OF_MEMORY", "given up", "raise memory_gb", False, 2)],
    will_be_retried=[],
    allocations=[QueueJob("9", "PENDING", "if-x", "Priority", "N/A", "1:00", "")],
)
RUNNING = CampaignStatus(
    name="unit",
    status="running",
    running=None,
    started_at="2026-01-01",
    outcome=None,
    progress=None,
    documents={"labels": 5},
    labels_shared=0,
    labels_rejected=0,
    labels_rejected_by_reason={},
    remaining_labels=None,
    pace=Pace(12.0, 12, 1.0, 6, 1800.0, "6 labels open at 12 per hour"),
    time_left=None,
    missing=[],
    failures=1,
    iterations=[],
    report=None,
    cluster=CLUSTER,
)


def sequence(*results):
    """Return a function that returns or raises the results in turn, and the list of the remaining ones."""
    remaining = list(results)

    def read_status():
        result = remaining.pop(0)
        if isinstance(result, BaseException):
            raise result
        return result

    return read_status, remaining


def test_watch_ends_when_the_campaign_has_ended(capsys):
    finished = replace(RUNNING, status="finished", cluster=None, pace=None)
    read_status, remaining = sequence(RUNNING, finished, RUNNING)
    watch_status(read_status, 0.0)
    assert remaining == [RUNNING]
    assert "unit: finished" in capsys.readouterr().out


def test_paused_campaign_and_failed_campaign_with_running_jobs_have_not_ended():
    hold = Hold("paused", "2026-01-01")
    assert not replace(RUNNING, status="paused", cluster=replace(CLUSTER, hold=hold)).has_ended
    assert not replace(RUNNING, status="cancelled").has_ended
    assert replace(RUNNING, status="failed", cluster=None).has_ended
    job = FailedJob(8, "label", "dft", "OSError", "disk full", "make room", True, 0)
    nothing_runs = replace(CLUSTER, jobs={"dft": NOTHING})
    assert replace(RUNNING, status="failed", cluster=nothing_runs).has_ended
    will_be_retried = replace(nothing_runs, will_be_retried=[job])
    assert not replace(RUNNING, status="failed", cluster=will_be_retried).has_ended


def test_watch_survives_an_unreachable_database_and_ends_by_ctrl_c(capsys):
    read_status, remaining = sequence(RUNNING, StorageError("no server reachable"), RUNNING, KeyboardInterrupt())
    watch_status(read_status, 0.0)
    assert remaining == []
    assert "no server reachable; retrying in 0 s" in capsys.readouterr().out


def test_error_of_the_first_status_is_raised():
    read_status, _ = sequence(StorageError("no such campaign"))
    with pytest.raises(StorageError):
        watch_status(read_status, 0.0)


def test_status_of_a_cluster_lists_jobs_reasons_hints_and_pace(capsys):
    lines = "\n".join(part for part in status_parts(RUNNING) if isinstance(part, str))
    for part in (
        "of these in iteration 1: dft 2 running",
        "relax Li (job 8, dft): OUT_OF_MEMORY: given up; 2 jobs wait for it; raise memory_gb",
        "allocations in Slurm's queue: 1 pending (Priority)",
        "pace: 12 labels per hour (12 in the last 60 min)",
        "next decision of the active-learning loop: in about 30 min (6 labels open at 12 per hour)",
    ):
        assert part in lines
    jobs, lost = (part for part in status_parts(RUNNING) if not isinstance(part, str))
    assert [column.header for column in jobs.columns] == [
        "jobs", "waiting", "ready", "running", "done", "failed"
    ]  # fmt: skip
    assert list(lost.columns[2].cells) == ["TIMEOUT x 2, NODE_FAIL"]
    assert list(lost.columns[1].cells) == ["RUNNING"]


@pytest.mark.parametrize(
    ("arguments", "name", "every_s"),
    [
        (["--watch"], None, WATCH_INTERVAL_S),
        (["unit", "--watch"], "unit", WATCH_INTERVAL_S),
        (["--watch", "unit"], "unit", WATCH_INTERVAL_S),
        (["--watch", "3", "unit"], "unit", 3.0),
        (["--campaign", "unit", "--watch"], "unit", WATCH_INTERVAL_S),
        (["unit", "--watch", "2.5"], "unit", 2.5),
        (["--watch=4"], None, 4.0),
    ],
)
def test_interval_of_watch_is_optional(monkeypatch, arguments, name, every_s):
    received = []
    monkeypatch.setattr(command, "named", lambda name, root, campaign: (None, name or campaign))
    monkeypatch.setattr(command, "watch_status", lambda read_status, every_s: received.append(every_s))
    monkeypatch.setattr(
        "interphase_flows.commands.status.campaign_status", lambda settings, name: received.append(name)
    )
    result = CliRunner().invoke(app, ["status", *arguments])
    assert result.exit_code == 0, result.output
    assert received == [every_s]


def test_watch_and_json_exclude_each_other(monkeypatch):
    monkeypatch.setattr(command, "named", lambda name, root, campaign: (None, name or campaign))
    result = CliRunner().invoke(app, ["status", "--watch", "--json"])
    assert "leave out --watch" in str(result.exception)


def test_interval_of_watch_is_at_least_one_second():
    """Slurm's controller is a shared resource."""
    result = CliRunner().invoke(app, ["status", "--watch", "0.1"])
    assert result.exit_code == 2
    assert "greater than or equal to 1" in result.output
