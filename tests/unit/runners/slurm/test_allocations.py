"""Batch scripts of workers, requests for allocations, and the queue."""

import sys

import pytest

from interphase_flows.exceptions import SettingsError
from interphase_flows.runners.fireworks.states import summarise_allocations
from interphase_flows.runners.fireworks.worker_requests import request_workers, round_robin
from interphase_flows.runners.slurm import QueueJob, allocation_script, jobs_in_queue
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
    return Settings(root=tmp_path / "runs", store=store, cluster=ClusterSettings(workers={"gpu": gpu, "cpu": cpu}))


def test_script_has_the_options_of_the_settings_and_executes_the_worker(settings, tmp_path):
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
    assert f"exec {sys.executable} -P -m interphase_flows.cli work gpu" in lines


def test_script_contains_no_password(settings):
    assert PASSWORD not in allocation_script(settings, "gpu") + allocation_script(settings, "cpu")


def test_options_without_a_setting_are_left_to_slurm(settings):
    script = allocation_script(settings, "cpu")
    for option in ("partition", "account", "qos", "mem=", "gpus"):
        assert f"--{option}" not in script


def test_missing_slurm_raises_with_a_hint(settings, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        SettingsError,
        match=r"squeue: no such command on this machine\. Hint: run this on a machine with Slurm",
    ):
        jobs_in_queue("if-")
    with pytest.raises(SettingsError, match="squeue"):
        request_workers(settings)


def test_summary_of_allocations_has_slurms_reasons():

    def job(state, reason):
        return QueueJob("1", state, "if-x", reason, "N/A", "1:00", "")

    summary = summarise_allocations([job("PENDING", "Priority"), job("PENDING", "Priority"), job("RUNNING", "None")])
    assert summary == "2 pending (Priority), 1 running"
    assert summarise_allocations([]) == "none"


@pytest.mark.parametrize(
    ("wanted", "available", "granted"),
    [
        ({"dft": 5, "train": 1, "md": 2}, 4, {"dft": 2, "train": 1, "md": 1}),
        ({"train": 1, "dft": 5}, 1, {"train": 1, "dft": 0}),
        ({"dft": 2, "train": 1}, 10, {"dft": 2, "train": 1}),
        ({"dft": -3, "train": 2}, 1, {"dft": 0, "train": 1}),
        ({"dft": 2}, 0, {"dft": 0}),
        ({"dft": 2}, -1, {"dft": 0}),
    ],
)
def test_short_supply_is_distributed_round_robin(wanted, available, granted):
    assert round_robin(wanted, available) == granted
