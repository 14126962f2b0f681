"""The batch script of a worker."""

import sys

import pytest

from interphase_flows.exceptions import SettingsError
from interphase_flows.runners.fireworks.states import told_allocations
from interphase_flows.runners.slurm.allocations import allocation_script, ask_for_workers, in_turns
from interphase_flows.runners.slurm.commands import QueueJob, jobs_in_queue
from interphase_flows.settings import ClusterSettings, MongodbSettings, Settings, WorkerSettings

PASSWORD = "planted-password"


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("INTERPHASE_MONGODB_PASSWORD", PASSWORD)
    gpu = WorkerSettings(
        kinds=("train", "md"),
        partition="gpu",
        account="ab 12",
        walltime="1-00:00:00",
        cores=8,
        gpus=1,
        memory_gb=24,
        before=("module load cuda",),
        sbatch={"constraint": "a100"},
        environment={"INTERPHASE_DEVICE": "cuda"},
    )
    cpu = WorkerSettings(kinds=("dft", "analysis"))
    store = MongodbSettings(type="mongodb", database="ours", username="alice", password=PASSWORD)
    return Settings(
        root=tmp_path / "runs", store=store, cluster=ClusterSettings(workers={"gpu": gpu, "cpu": cpu})
    )


def test_a_script_asks_for_what_the_settings_say(settings, tmp_path):
    """Options of Slurm before the first command, and the worker in the shell's place."""
    lines = allocation_script(settings, "gpu").splitlines()
    for option in (
        "--partition=gpu",
        "--account=ab 12",
        "--time=1-00:00:00",
        "--cpus-per-task=8",
        "--gpus-per-node=1",
        "--mem=24000M",
        "--signal=B:USR1@120",
        "--constraint=a100",
        "--job-name=if-ours_fireworks-gpu",
    ):
        assert f"#SBATCH {option}" in lines, option
    first_command = next(i for i, line in enumerate(lines) if line and not line.startswith("#"))
    assert not any(line.startswith("#SBATCH") for line in lines[first_command:])
    assert "module load cuda" in lines
    assert "export INTERPHASE_DEVICE=cuda" in lines
    assert f"export INTERPHASE_ROOT={tmp_path / 'runs'}" in lines
    assert "trap '' USR1" in lines
    assert f"exec {sys.executable} -m interphase_flows.cli work gpu" in lines


def test_a_script_holds_no_password(settings):
    """A worker finds it where the settings say."""
    assert PASSWORD not in allocation_script(settings, "gpu") + allocation_script(settings, "cpu")


def test_what_is_not_asked_for_is_left_to_slurm(settings):
    """No partition, no account, no memory."""
    script = allocation_script(settings, "cpu")
    for option in ("partition", "account", "qos", "mem=", "gpus"):
        assert f"--{option}" not in script


def test_without_slurm_it_says_where_to_go(settings, monkeypatch):
    """Rather than a traceback of a missing file."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        SettingsError, match="squeue: no such command on this machine; run this where Slurm is"
    ):
        jobs_in_queue("if-")
    with pytest.raises(SettingsError, match="squeue"):
        ask_for_workers(settings)


def test_allocations_are_told_with_slurms_reasons():
    """A person sees why nothing happens."""

    def job(state, reason):
        return QueueJob("1", state, "if-x", reason, "N/A", "1:00", "")

    told = told_allocations([job("PENDING", "Priority"), job("PENDING", "Priority"), job("RUNNING", "None")])
    assert told == "2 pending (Priority), 1 running"
    assert told_allocations([]) == "none"


@pytest.mark.parametrize(
    ("wanted", "room", "granted"),
    [
        ({"dft": 5, "train": 1, "md": 2}, 4, {"dft": 2, "train": 1, "md": 1}),
        ({"train": 1, "dft": 5}, 1, {"train": 1, "dft": 0}),
        ({"dft": 2, "train": 1}, 10, {"dft": 2, "train": 1}),
        ({"dft": -3, "train": 2}, 1, {"dft": 0, "train": 1}),
        ({"dft": 2}, 0, {"dft": 0}),
        ({"dft": 2}, -1, {"dft": 0}),
    ],
)
def test_where_there_is_no_room_for_all_they_take_turns(wanted, room, granted):
    """Labels by the hundred leave room for the training that the loop waits for."""
    assert in_turns(wanted, room) == granted
