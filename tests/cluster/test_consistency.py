"""A worker killed between any two writes of FireWorks leaves no job stuck and loses no result."""

import os
import traceback

import pytest
from jobflow import Flow
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect

from cluster_jobs import more_jobs, plus_one
from fireworks_jobs import add, output_of
from interphase_flows.runners.fireworks import consistency, retrying_launchpad
from interphase_flows.runners.fireworks import launchpad as launchpad_module
from interphase_flows.runners.fireworks.launchpad import open_launchpad
from interphase_flows.runners.fireworks.recovery import recover
from interphase_flows.runners.fireworks.states import cluster_status
from interphase_flows.runners.fireworks.worker import work

pytestmark = pytest.mark.cluster

KILLED = 9
WRITES = ("find_one_and", "update", "insert", "delete", "replace")
MOST_WRITES = 200
STRIDE = 6
"""Test every sixth of about a hundred writes; each takes two seconds."""


def worker_killed_after(settings, tmp_path, n_writes):
    """Fork a worker that exits before one of its writes to FireWorks' database; return whether it got that far."""
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
    original = retrying_launchpad.RetryingCollection.__getattr__
    insert = retrying_launchpad.RetryingCollection._insert

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

    retrying_launchpad.RetryingCollection.__getattr__ = counted
    retrying_launchpad.RetryingCollection._insert = counted_insert


def unlock(settings):
    """Remove all locks, as happens a minute after their owner was killed."""
    launchpad = open_launchpad(settings)
    launchpad.workflows.update_many({}, {"$unset": {"locked": ""}})
    launchpad.connection.close()


def test_kill_before_any_write_gives_the_same_result(settings, tmp_path, monkeypatch):
    """Tested with a flow whose first job is replaced by others."""
    for timeout in ("RESERVED_FOR_AT_MOST_S", "REPORTED_WITHIN_S"):
        monkeypatch.setattr(consistency, timeout, -1.0)
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


def test_lock_of_a_killed_worker_expires(settings, tmp_path, monkeypatch):
    """By default FireWorks would fail."""
    monkeypatch.setattr(launchpad_module, "LOCK_EXPIRES_AFTER_S", 0.5)
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


def test_lock_whose_acquisition_was_not_acknowledged_expires(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(launchpad_module, "LOCK_EXPIRES_AFTER_S", 0.5)
    lost = []

    def find_one_and_update(collection, criteria, update, **options):
        found = update_of_pymongo(collection, criteria, update, **options)
        if collection.name == "workflows" and update == {"$set": {"locked": True}} and not lost:
            lost.append(criteria)
            raise AutoReconnect("the acknowledgement is lost")
        return found

    job = plus_one(1)
    add(settings, Flow([job]), "unacknowledged")
    update_of_pymongo = Collection.find_one_and_update
    monkeypatch.setattr(Collection, "find_one_and_update", find_one_and_update)
    assert work(settings, "all", tmp_path / "launches").n_jobs == 1
    assert lost
    assert output_of(settings, "unacknowledged", job.uuid) == 2
