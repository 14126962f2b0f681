"""A worker killed between any two of FireWorks' writes leaves no job stuck, and none done without effect."""

import os
import traceback

import pytest
from jobflow import Flow

from cluster_jobs import more_jobs, plus_one
from fireworks_jobs import add, output_of
from interphase_flows.runners.fireworks import consistency as bookkeeping
from interphase_flows.runners.fireworks import retrying_launchpad as patient_launchpad
from interphase_flows.runners.fireworks.launchpad import open_launchpad
from interphase_flows.runners.fireworks.recovery import recover
from interphase_flows.runners.fireworks.states import cluster_status
from interphase_flows.runners.fireworks.worker import work

pytestmark = pytest.mark.cluster

KILLED = 9
WRITES = ("find_one_and", "update", "insert", "delete", "replace")
MOST_WRITES = 200
STRIDE = 6
"""Of a hundred writes every sixth: by itself each takes two seconds."""


def worker_killed_after(settings, tmp_path, n_writes):
    """Fork a worker that ends outright before one of its writes to FireWorks' database; True if it came so far."""
    child = os.fork()
    if child == 0:
        try:
            _kill_after(n_writes)
            work(settings, "all", tmp_path / "launches")
            os._exit(0)
        finally:
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, KILLED)
    return code == KILLED


def _kill_after(n_writes):
    left = n_writes
    original = patient_launchpad.PatientCollection.__getattr__
    insert = patient_launchpad.PatientCollection._insert

    def count():
        nonlocal left
        if left == 0:
            os._exit(KILLED)
        left -= 1

    def counted(self, name):
        attribute = original(self, name)
        if not name.startswith(WRITES):
            return attribute

        def write(*args, **kwargs):
            count()
            return attribute(*args, **kwargs)

        return write

    def counted_insert(self, documents, again):
        count()
        return insert(self, documents, again)

    patient_launchpad.PatientCollection.__getattr__ = counted
    patient_launchpad.PatientCollection._insert = counted_insert


def unlock(settings):
    """As FireWorks does by itself, a minute after the owner of a lock is gone."""
    launchpad = open_launchpad(settings)
    launchpad.workflows.update_many({}, {"$unset": {"locked": ""}})
    launchpad.connection.close()


def test_whichever_write_a_kill_comes_before_the_flow_ends_in_the_same_result(
    settings, tmp_path, monkeypatch
):
    """The writes of a flow with a job that is replaced by others, one after the other."""
    for patience in ("RESERVED_FOR_S", "TOLD_WITHIN_S"):
        monkeypatch.setattr(bookkeeping, patience, -1.0)
    n_writes = 0
    while n_writes < MOST_WRITES:
        campaign = f"kill{n_writes}"
        lines = tmp_path / f"{campaign}.txt"
        many = more_jobs(2, str(lines))
        last = plus_one(many.output)
        add(settings, Flow([many, last]), campaign)
        was_killed = worker_killed_after(settings, tmp_path, n_writes)
        unlock(settings)
        recover(settings)
        work(settings, "all", tmp_path / "launches")
        recover(settings)
        work(settings, "all", tmp_path / "launches")
        assert output_of(settings, campaign, last.uuid) == 2, n_writes
        status = cluster_status(settings, campaign)
        assert (status.n_open, status.n_failed) == (0, 0), (n_writes, status)
        assert sum(row["waiting"] for row in status.jobs.values()) == 0, n_writes
        assert recover(settings) == [], n_writes
        if not was_killed:
            break
        n_writes += STRIDE
    assert n_writes < MOST_WRITES


def test_a_lock_whose_owner_was_killed_is_taken_after_a_while(settings, tmp_path, monkeypatch):
    """FireWorks by itself would give the job up."""
    monkeypatch.setattr(patient_launchpad, "LOCK_EXPIRES_AFTER_S", 0.5)
    job = plus_one(1)
    add(settings, Flow([job]), "locked")
    launchpad = open_launchpad(settings)
    of_campaign = {"metadata.campaign": "locked"}
    launchpad.workflows.update_many(of_campaign, {"$set": {"locked": True}})
    assert work(settings, "all", tmp_path / "launches").n_jobs == 1
    assert output_of(settings, "locked", job.uuid) == 2
    n_locked = launchpad.workflows.count_documents(of_campaign | {"locked": True})
    launchpad.connection.close()
    assert n_locked == 0
