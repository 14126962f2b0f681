"""The database is killed and comes back while a worker takes, runs and hands in jobs: it waits, and goes on."""

import subprocess
import time

import pytest
from jobflow import Flow

from cluster_jobs import add_up, leave_a_line
from fireworks_jobs import add, output_of, variables_of_workers
from interphase_flows.exceptions import StorageError
from interphase_flows.runners.fireworks.launchpad import open_launchpad
from interphase_flows.runners.fireworks.recovery import recover
from interphase_flows.runners.fireworks.states import cluster_status
from interphase_flows.runners.fireworks.worker import work
from interphase_flows.settings import MongodbSettings
from tiny_campaign import command

pytestmark = pytest.mark.cluster

N_JOBS = 30
AWAY_S = 6.0
ENDS_WITHIN_S = 300.0


@pytest.fixture
def on_own_server(settings, own_server, monkeypatch):
    """Settings of this process, with a server that may be killed."""
    for name in ("URI", "DATABASE"):
        monkeypatch.delenv(f"INTERPHASE_STORE__{name}")
    monkeypatch.setenv("INTERPHASE_STORE__HOST", "localhost")
    monkeypatch.setenv("INTERPHASE_STORE__PORT", str(own_server.port))
    store = MongodbSettings(type="mongodb", host="localhost", port=own_server.port)
    return settings.model_copy(update={"store": store})


def test_a_worker_outlives_it_and_every_job_is_done(on_own_server, own_server, tmp_path):
    """Killed twice; what a lost answer leaves half written is mended."""
    lines = tmp_path / "lines.txt"
    jobs = [leave_a_line(str(lines), number) for number in range(N_JOBS)]
    last = add_up([each.output for each in jobs])
    add(on_own_server, Flow([*jobs, last]), "outage")

    def restart():
        for n_lines in (N_JOBS // 4, N_JOBS // 2):
            while not lines.exists() or len(lines.read_text().splitlines()) < n_lines:
                time.sleep(0.05)
            own_server.kill()
            time.sleep(AWAY_S)
            own_server.start()

    # in a process of its own: a job whose taking was never answered is given to others when its worker is gone
    with (tmp_path / "words.txt").open("w") as words:
        worker = subprocess.Popen(
            command(["work", "all"]),
            env=variables_of_workers(on_own_server, "outage"),
            stdout=words,
            stderr=words,
        )
        try:
            restart()
            assert worker.wait(ENDS_WITHIN_S) == 0, (tmp_path / "words.txt").read_text()
        finally:
            worker.kill()
            worker.wait()
    assert len(lines.read_text().splitlines()) >= N_JOBS - 2
    recover(on_own_server)
    work(on_own_server, "all", tmp_path / "launches")
    assert output_of(on_own_server, "outage", last.uuid) == sum(range(N_JOBS))
    status = cluster_status(on_own_server, "outage")
    assert (status.n_open, status.n_failed, status.jobs["analysis"]["waiting"]) == (0, 0, 0)
    assert len(lines.read_text().splitlines()) == N_JOBS


def test_a_server_that_never_answered_is_not_waited_for(on_own_server, own_server, monkeypatch):
    """It is a mistake in the settings, and is told at once."""
    monkeypatch.setattr("interphase_flows.storage.mongodb._reached_servers", set())
    monkeypatch.setattr("interphase_flows.storage.mongodb.SERVER_SELECTION_TIMEOUT_MS", 200)
    own_server.kill()
    began = time.monotonic()
    with pytest.raises(StorageError, match=rf"no server answers at localhost:{own_server.port}"):
        open_launchpad(on_own_server)
    assert time.monotonic() - began < on_own_server.store.reconnect_timeout_s / 2


def test_a_launchpad_that_is_printed_shows_no_password(settings, needles):
    """FireWorks' own words for one are its address."""
    launchpad = open_launchpad(settings)
    launchpad.connection.close()
    for shown in (repr(launchpad), str(launchpad), f"{launchpad}"):
        assert settings.store.database in shown
        assert not any(needle.decode() in shown for needle in needles)
