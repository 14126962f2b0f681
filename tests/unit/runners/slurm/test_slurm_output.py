"""Output of Slurm's commands at sites with banners, old versions, errors and other clusters."""

import sys
from types import SimpleNamespace

import pytest

from interphase_flows.exceptions import SettingsError, SlurmNotFoundError
from interphase_flows.runners.fireworks.control import _stop_worker
from interphase_flows.runners.fireworks.recovery import _evidence
from interphase_flows.runners.fireworks.states import _lost_now, jobs_held_by_lpad
from interphase_flows.runners.slurm import (
    JobRecord,
    QueueJob,
    cancel_jobs,
    is_job_id,
    job_record,
    jobs_in_queue,
    local_cluster,
    queue_if_available,
    submit_script,
    submitted_job_id,
)

BANNER = "\n-----\n   Welcome to the machine of 2026\n-----\n\n--> Verifying login node...OK\n"


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Return a function that installs a command of Slurm, written in Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def install(name, code):
        path = folder / name
        path.write_text(f"#!{sys.executable}\nimport os, sys\n{code}\n")
        path.chmod(0o755)

    return install


@pytest.mark.parametrize(
    "output",
    [
        "4711\n",
        "4711;gpu2\n",
        f"{BANNER}4711\n",
        f"{BANNER}4711;gpu2\nGood luck with your job!\n",
        "Submitted batch job 4711\n",
        f"{BANNER}Submitted batch job 4711 on cluster gpu2\n",
        "42\n4711",
    ],
)
def test_job_id_is_found_among_the_lines_of_a_site(output):
    assert submitted_job_id(output) == "4711"


@pytest.mark.parametrize("output", ["", BANNER, "job 4711 accepted", "47 11", "-4711", "4711_1;x y"])
def test_output_without_a_job_id_is_an_error(output):
    with pytest.raises(SettingsError, match="printed no job id"):
        submitted_job_id(output)


def test_submission_ignores_the_banner_and_variables_of_the_shell(slurm, tmp_path, monkeypatch):
    for variable in ("SBATCH_CLUSTERS", "SBATCH_ARRAY_INX", "SLURM_CLUSTERS"):
        monkeypatch.setenv(variable, "other")
    slurm("sbatch", f"print({BANNER!r})\nprint('4711' if not any('other' == v for v in os.environ.values()) else 'x')")
    assert submit_script("#!/bin/bash\n", tmp_path / "launches") == "4711"


OVERRIDES = [
    "SBATCH_JOB_NAME",
    "SBATCH_SIGNAL",
    "SBATCH_TIMELIMIT",
    "SQUEUE_STATES",
    "SQUEUE_PARTITION",
    "SCANCEL_STATE",
]


@pytest.mark.parametrize("command", ["sbatch", "squeue", "scancel"])
def test_variables_that_override_the_script_or_hide_allocations_reach_no_command(command, slurm, tmp_path, monkeypatch):
    """With SBATCH_JOB_NAME, every launch would submit again: its allocations had a foreign name in the queue."""
    for variable in OVERRIDES:
        monkeypatch.setenv(variable, "other")
    monkeypatch.setenv("SBATCH_ACCOUNT", "mine")
    names = f"[name for name in {OVERRIDES} if name in os.environ]"
    slurm(command, f"print(4711, end='') if not {names} and os.environ['SBATCH_ACCOUNT'] == 'mine' else sys.exit('no')")
    calls = {
        "sbatch": lambda: submit_script("#!/bin/bash\n", tmp_path / "launches"),
        "squeue": lambda: jobs_in_queue("if-"),
        "scancel": lambda: cancel_jobs(["4711"]),
    }
    calls[command]()


def test_queue_is_that_of_the_user_of_this_process_and_not_of_the_environment(slurm, monkeypatch):
    """After su, USER and LOGNAME are those of another user, in whose queue no allocation is found."""
    monkeypatch.setenv("USER", "other")
    monkeypatch.setenv("LOGNAME", "other")
    slurm("squeue", "print('7|PENDING|if-x|None|N/A|1:00|') if f'--user={os.getuid()}' in sys.argv else None")
    assert [job.job_id for job in jobs_in_queue("if-")] == ["7"]


def test_queue_is_listed_without_the_option_me(slurm):
    slurm("squeue", "sys.exit('unrecognized option') if '--me' in sys.argv else print('7|PENDING|if-x|None|N/A|1:00|')")
    assert [job.job_id for job in jobs_in_queue("if-")] == ["7"]


def test_error_of_squeue_is_not_a_machine_without_slurm(slurm):
    with pytest.raises(SlurmNotFoundError):
        jobs_in_queue("if-")
    assert queue_if_available("if-") is None
    slurm("squeue", "sys.exit('slurm_load_jobs error: Unable to contact slurm controller')")
    with pytest.raises(SettingsError, match="Unable to contact slurm controller"):
        queue_if_available("if-")


@pytest.mark.parametrize("text", ["4711", "4711_2", "4711+1"])
def test_job_ids_have_a_pattern(text):
    assert is_job_id(text)


@pytest.mark.parametrize(
    "text", ["", "-1", "--signal=KILL", "4711 4712", "all", "4711;x", "１２", None, 4711, "9" * 200_000], ids=range(10)
)
def test_other_texts_reach_no_command(text, slurm):
    slurm("scancel", "raise SystemExit('called')")
    slurm("scontrol", "raise SystemExit('called')")
    assert not is_job_id(text)
    for call in (lambda: cancel_jobs([text]), lambda: job_record(text)):
        with pytest.raises(SettingsError, match="is not a job id"):
            call()


WORKER = {"host": "elsewhere", "pid": 17, "started": 1.0, "slurm_job_id": "4711", "slurm_restarts": 0}
CONFIG = "print('ClusterName             = cpu1') if 'config' in sys.argv else sys.exit('Invalid job id specified')"


def test_allocation_on_another_cluster_is_left_alone(slurm):
    slurm("scontrol", CONFIG)
    assert local_cluster() == "cpu1"
    assert _evidence(WORKER | {"slurm_cluster": "gpu2"}, {}, "cpu1") is None
    reason, message = _evidence(WORKER | {"slurm_cluster": "cpu1"}, {}, "cpu1")
    assert (reason, message) == ("gone", "allocation 4711 is unknown to Slurm")
    assert _evidence(WORKER | {"slurm_job_id": "--all", "slurm_cluster": None}, {}, "cpu1") is None


def test_job_of_this_cluster_with_the_id_of_an_allocation_on_another_one_is_left_alone(slurm):
    """Job ids of clusters are independent: 4711 waits here, and runs a job of the campaign there."""
    slurm("scontrol", CONFIG)
    slurm("scancel", "sys.exit('called')")
    there = WORKER | {"slurm_cluster": "gpu2"}
    queue = {"4711": QueueJob("4711", "PENDING", "if-x", "Priority", "N/A", "1:00", "")}
    assert _evidence(there, queue, "cpu1") is None
    assert _evidence(WORKER | {"slurm_cluster": "cpu1"}, queue, "cpu1") is not None
    launch = {"fw_id": 1, "fworker": {"env": there | {"started": "1"}}, "state": "RUNNING"}
    launchpad = SimpleNamespace(launches=SimpleNamespace(find=lambda *_: [launch]))
    job = {"fw_id": 1, "state": "RUNNING", "launches": [1]}
    assert _lost_now(launchpad, [job], set()) == {}
    monitor = SimpleNamespace(
        launches=SimpleNamespace(find=lambda *_: []), fireworks=SimpleNamespace(count_documents=lambda *_: 0)
    )
    is_ended, message = _stop_worker(monitor, "campaign", there)
    assert not is_ended
    assert "on the cluster gpu2: cancel it there" in message


def test_allocation_in_the_queue_needs_no_cluster(slurm):
    slurm("scontrol", "print('JobState=RUNNING Restarts=0')")
    queue = {"4711": QueueJob("4711", "RUNNING", "if-x", "None", "N/A", "1:00", "n1")}
    assert local_cluster() is None
    assert _evidence(WORKER | {"slurm_cluster": "gpu2"}, queue, None) is None


def test_jobs_that_lpad_holds_are_listed_with_their_release():
    jobs = [
        {"fw_id": 3, "name": "train", "state": "PAUSED"},
        {"fw_id": 1, "name": "label", "state": "DEFUSED"},
        {"fw_id": 2, "name": "select", "state": "WAITING"},
        {"fw_id": 12, "name": "train", "state": "PAUSED"},
    ]
    held = {each.state: each for each in jobs_held_by_lpad(jobs, None)}
    assert held["paused"].release == "lpad resume_fws -i 3,12"  # lpad takes one argument
    assert held["defused"].release == "lpad reignite_fws -i 1"
    assert held["defused"].jobs == ["label (job 1)"]
    assert jobs_held_by_lpad([job | {"state": "DEFUSED"} for job in jobs], None) == []


def test_end_of_a_killed_job_is_its_signal():
    """Slurm's reason for a batch script that was killed is JobLaunchFailure."""
    assert JobRecord("FAILED", "JobLaunchFailure", "0:9", 0).end == "killed (signal 9)"
    assert JobRecord("FAILED", "NonZeroExitCode", "3:0", 0).end == "NonZeroExitCode, exit code 3:0"
