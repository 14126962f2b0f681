"""Documents of workers are data: no signal is sent to, and no command of Slurm run for, what they might name."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from interphase_flows.runners.fireworks import worker_identity
from interphase_flows.runners.fireworks.worker_identity import request_checkpoint, worker_of
from interphase_flows.runners.fireworks.worker_identity import worker_identity as own_identity
from interphase_flows.storage.leases import is_alive, process_start


@pytest.fixture
def sent(monkeypatch):
    """Record signals instead of sending them."""
    signals = []
    monkeypatch.setattr(worker_identity.os, "kill", lambda pid, number: signals.append((pid, number)))
    return signals


def launch(**changes):
    return {"fworker": {"env": own_identity() | {"slurm_job_id": None} | changes}}


def stop(document):
    worker = worker_of(document)
    return worker is not None and request_checkpoint(worker)


def test_signal_is_sent_to_a_process_of_this_machine_with_the_recorded_start(sent):
    assert stop(launch())
    assert sent == [(os.getpid(), signal.SIGUSR1)]


@pytest.mark.parametrize("pid", [0, 1, -1, "own group", 2**40, True, 1.5, "self", "1/../self", None, [1]])
@pytest.mark.parametrize("started", [None, "0", "same"])
def test_no_signal_is_sent_to_a_group_all_processes_or_init(pid, started, sent):
    pid = -os.getpid() if pid == "own group" else pid
    assert not stop(launch(pid=pid, started=process_start(1) if started == "same" else started))
    assert sent == []


def test_no_signal_is_sent_to_another_process_that_got_the_number(sent):
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        started = process_start(other.pid)
        for wrong in (None, "", "1", started + "0", int(started)):
            assert not stop(launch(pid=other.pid, started=wrong))
        assert not stop(launch(pid=other.pid, started=started, host="elsewhere"))
        assert sent == []
        assert stop(launch(pid=other.pid, started=started))
    finally:
        other.communicate(b"\n")
    assert not stop(launch(pid=other.pid, started=started))


def test_process_that_ends_or_belongs_to_another_user_is_no_error(monkeypatch):
    for error in (ProcessLookupError, PermissionError):

        def fail(pid, number, error=error):
            raise error

        monkeypatch.setattr(worker_identity.os, "kill", fail)
        assert not stop(launch())


@pytest.mark.parametrize(
    "job_id", ["--me", "-u root", "1; rm -rf /", "4711\n4712", "", "all", 4711, ["1"], "4711_[1-3]"]
)
def test_what_is_no_job_id_is_no_worker(job_id):
    assert worker_of(launch(slurm_job_id=job_id)) is None


@pytest.mark.parametrize("env", [None, [], "text", {}, {"pid": 5}, {"host": socket.gethostname()}])
def test_incomplete_identity_is_no_worker(env):
    assert worker_of({"fworker": {"env": env}}) is None


def test_names_with_control_characters_are_no_worker():
    for changes in ({"host": "a\x1b[2J"}, {"slurm_cluster": "x\n"}, {"started": "1\x00"}, {"slurm_restarts": "1"}):
        assert worker_of(launch(**changes)) is None


def test_process_without_a_recorded_start_is_neither_dead_nor_alive():
    assert is_alive({"host": socket.gethostname(), "pid": 2**22 - 1, "started": None}) is None
    assert is_alive({"host": "elsewhere", "pid": 1, "started": "1"}) is None
    assert is_alive(own_identity()) is True
    assert is_alive(own_identity() | {"started": "1"}) is False
