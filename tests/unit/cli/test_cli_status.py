"""A status that is shown again and again."""

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from interphase_flows.cli import app
from interphase_flows.cli import status as command
from interphase_flows.cli.status import WATCH_INTERVAL_S, told_status, watch_status
from interphase_flows.commands.status import CampaignStatus
from interphase_flows.costs.throughput import Pace
from interphase_flows.exceptions import StorageError
from interphase_flows.runners.fireworks.job_errors import FailedJob, LostJob
from interphase_flows.runners.fireworks.pause import Hold
from interphase_flows.runners.fireworks.states import COLUMNS, ClusterStatus
from interphase_flows.runners.slurm.commands import QueueJob

NOTHING = dict.fromkeys(COLUMNS, 0)
CLUSTER = ClusterStatus(
    jobs={"dft": NOTHING | {"running": 2, "done": 5}, "train": NOTHING | {"waiting": 3}},
    iterations={0: {"dft": NOTHING | {"done": 5}}, 1: {"dft": NOTHING | {"running": 2}, "train": NOTHING}},
    failed=["relax Li"],
    hold=None,
    lost=[
        LostJob(
            7, "label", "dft", "RUNNING", ["TIMEOUT", "TIMEOUT", "NODE_FAIL"], "allocation 9: NODE_FAIL", 3
        )
    ],
    needs_person=[FailedJob(8, "relax Li", "dft", "OUT_OF_MEMORY", "given up", "raise memory_gb", False, 2)],
    tried_again=[],
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
    labels_rejected=0,
    labels_rejected_by_reason={},
    labels_to_come=None,
    pace=Pace(12.0, 12, 1.0, 6, 1800.0, "6 labels open at 12 per hour"),
    missing=[],
    failures=1,
    iterations=[],
    report=None,
    cluster=CLUSTER,
)


def looks(*answers):
    """What a look answers, one after the other; an error is raised."""
    left = list(answers)

    def look():
        answer = left.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return look, left


def test_a_watch_ends_by_itself_when_the_campaign_has_ended(capsys):
    """Having shown its end."""
    finished = replace(RUNNING, status="finished", cluster=None, pace=None)
    look, left = looks(RUNNING, finished, RUNNING)
    watch_status(look, 0.0)
    assert left == [RUNNING]
    assert "unit: finished" in capsys.readouterr().out


def test_a_paused_campaign_has_not_ended_and_a_failed_one_whose_jobs_still_run_has_not():
    """A person may let it go on; what runs may still be something to see."""
    hold = Hold("paused", "2026-01-01")
    assert not replace(RUNNING, status="paused", cluster=replace(CLUSTER, hold=hold)).has_ended
    assert not replace(RUNNING, status="cancelled").has_ended
    assert replace(RUNNING, status="failed", cluster=None).has_ended
    job = FailedJob(8, "label", "dft", "OSError", "disk full", "make room", True, 0)
    nothing_runs = replace(CLUSTER, jobs={"dft": NOTHING})
    assert replace(RUNNING, status="failed", cluster=nothing_runs).has_ended
    tried_again = replace(nothing_runs, tried_again=[job])
    assert not replace(RUNNING, status="failed", cluster=tried_again).has_ended


def test_a_watch_outlives_a_database_that_is_away_and_ends_by_ctrl_c(capsys):
    """The reason is told beside the last status; Ctrl-C is how a watch ends."""
    look, left = looks(RUNNING, StorageError("no server answers"), RUNNING, KeyboardInterrupt())
    watch_status(look, 0.0)
    assert left == []
    assert "no server answers; looking again in 0 s" in capsys.readouterr().out


def test_a_first_look_that_fails_is_an_error():
    """Of the settings, or the name."""
    look, _ = looks(StorageError("no such campaign"))
    with pytest.raises(StorageError):
        watch_status(look, 0.0)


def test_what_is_told_of_a_cluster(capsys):
    """Kinds, the iteration at hand, Slurm's reasons, what needs a person, and the pace."""
    told = "\n".join(part for part in told_status(RUNNING) if isinstance(part, str))
    for words in (
        "of these in iteration 1: dft 2 running",
        "relax Li (job 8, dft): OUT_OF_MEMORY: given up; 2 jobs wait for it; raise memory_gb",
        "allocations in Slurm's queue: 1 pending (Priority)",
        "pace: 12 labels per hour (12 in the last 60 min)",
        "next decision of the loop: in about 30 min (6 labels open at 12 per hour)",
    ):
        assert words in told
    jobs, lost = (part for part in told_status(RUNNING) if not isinstance(part, str))
    assert [column.header for column in jobs.columns] == [
        "jobs", "waiting", "ready", "running", "done", "failed"
    ]  # fmt: skip
    assert list(lost.columns[2].cells) == ["TIMEOUT x 2, NODE_FAIL"]
    assert list(lost.columns[1].cells) == ["RUNNING"]


@pytest.mark.parametrize(
    ("words", "name", "every_s"),
    [
        (["--watch"], None, WATCH_INTERVAL_S),
        (["unit", "--watch"], "unit", WATCH_INTERVAL_S),
        (["--watch", "unit"], "unit", WATCH_INTERVAL_S),
        (["--watch", "3", "unit"], "unit", 3.0),
        (["unit", "--watch", "2.5"], "unit", 2.5),
        (["--watch=4"], None, 4.0),
    ],
)
def test_a_watch_may_stand_without_its_seconds(monkeypatch, words, name, every_s):
    """Whatever stands after it."""
    seen = []
    monkeypatch.setattr(command, "named", lambda name, root: (None, name))
    monkeypatch.setattr(command, "watch_status", lambda look, every_s: seen.append(every_s))
    monkeypatch.setattr(
        "interphase_flows.commands.status.campaign_status", lambda settings, name: seen.append(name)
    )
    result = CliRunner().invoke(app, ["status", *words])
    assert result.exit_code == 0, result.output
    assert seen == [every_s]


def test_a_watch_is_for_a_person_and_json_for_a_script(monkeypatch):
    """Both at a time are refused in words."""
    monkeypatch.setattr(command, "named", lambda name, root: (None, name))
    result = CliRunner().invoke(app, ["status", "--watch", "--json"])
    assert "leave out --watch" in str(result.exception)


def test_a_watch_asks_no_more_often_than_once_a_second():
    """Slurm's controller is everybody's."""
    result = CliRunner().invoke(app, ["status", "--watch", "0.1"])
    assert result.exit_code == 2
    assert "greater than or equal to 1" in result.output
