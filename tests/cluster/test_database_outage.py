"""Database outages: a worker retries while the server restarts."""

import subprocess
import time

import pytest
from jobflow import Flow

from cluster_jobs import add_up, append_line
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
    """Settings of this process with a server that may be killed."""
    for name in ("URI", "DATABASE"):
        monkeypatch.delenv(f"INTERPHASE_STORE__{name}")
    monkeypatch.setenv("INTERPHASE_STORE__HOST", "localhost")
    monkeypatch.setenv("INTERPHASE_STORE__PORT", str(own_server.port))
    store = MongodbSettings(type="mongodb", host="localhost", port=own_server.port)
    return settings.model_copy(update={"store": store})


def test_worker_survives_two_outages_and_finishes_every_job(on_own_server, own_server, tmp_path):
    """What lost acknowledgements leave half written is repaired."""
    lines = tmp_path / "lines.txt"
    jobs = [append_line(str(lines), number) for number in range(N_JOBS)]
    last = add_up([each.output for each in jobs])
    add(on_own_server, Flow([*jobs, last]), "outage")

    def restart():
        for n_lines in (N_JOBS // 4, N_JOBS // 2):
            while not lines.exists() or len(lines.read_text().splitlines()) < n_lines:
                time.sleep(0.05)
            own_server.kill()
            time.sleep(AWAY_S)
            own_server.start()

    # in a separate process: a reservation without acknowledgement is reset only after its worker has ended
    with (tmp_path / "worker.txt").open("w") as output:
        worker = subprocess.Popen(
            command(["work", "all"]),
            env=variables_of_workers(on_own_server, "outage"),
            stdout=output,
            stderr=output,
        )
        try:
            restart()
            assert worker.wait(ENDS_WITHIN_S) == 0, (tmp_path / "worker.txt").read_text()
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


def test_server_that_never_responded_raises_at_once(on_own_server, own_server, monkeypatch):
    monkeypatch.setattr("interphase_flows.storage.mongodb._reached_servers", set())
    monkeypatch.setattr("interphase_flows.storage.mongodb.SERVER_SELECTION_TIMEOUT_MS", 200)
    own_server.kill()
    began = time.monotonic()
    with pytest.raises(StorageError, match=rf"no server reachable at localhost:{own_server.port}"):
        open_launchpad(on_own_server)
    assert time.monotonic() - began < on_own_server.store.reconnect_timeout_s / 2


def test_representation_of_the_launchpad_has_no_password(settings, needles):
    """FireWorks' own representation is its address."""
    launchpad = open_launchpad(settings)
    launchpad.connection.close()
    for shown in (repr(launchpad), str(launchpad), f"{launchpad}"):
        assert settings.store.database in shown
        assert not any(needle.decode() in shown for needle in needles)
