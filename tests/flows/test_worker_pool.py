"""Jobs in worker processes: the same results as in one process, and what happens when a process dies or is stopped."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from multiprocessing import forkserver
from pathlib import Path

import pytest
from jobflow import Flow, JobStore, run_locally
from maggma.stores import MemoryStore

from interphase_flows.exceptions import StorageError, WalltimeReachedError
from interphase_flows.runners.local import worker_pool
from interphase_flows.runners.local.flow_runner import FlowRunner
from interphase_flows.runners.local.job_graph import PendingJob
from interphase_flows.runners.local.worker_pool import WorkerPool
from interphase_flows.runtime import local_workers
from interphase_flows.runtime.progress import JOB, listening
from interphase_flows.runtime.walltime import request_stop, stop_on_signals
from interphase_flows.settings import Settings
from interphase_flows.storage.leases import process_start
from interphase_flows.storage.workspace import Workspace
from killed_gpaw_process import wait_until
from response_jobs import (
    FLOWS,
    RAN,
    die,
    end_process,
    meet,
    note,
    ran,
    unserialisable,
    wait_for_a_kill,
    work_until_stopped,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:cd is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Some jobs are not connected:UserWarning"),
]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory):
    """Two workers, started once for this file."""
    with (
        Workspace(Settings(root=tmp_path_factory.mktemp("root")), "unit") as workspace,
        WorkerPool(workspace, 2) as pool,
    ):
        yield workspace, pool


def outputs(store: JobStore) -> list[tuple[str, int, object]]:
    """Return names, indices and outputs of all jobs; references are resolved."""
    return sorted((d["name"], d["index"], store.get_output(d["uuid"], d["index"])) for d in store.query())


@pytest.fixture
def run(pool):
    """Run a flow in an empty campaign, and return its responses and outputs."""
    workspace, workers = pool
    workspace.ledger.backend.remove("failures", {})
    for left in (RAN, "attempts"):
        (workspace.root / left).unlink(missing_ok=True)

    def run(flow: Flow):
        with workspace.open_job_store() as store:
            return FlowRunner(workspace, store, workers).run(flow), outputs(store)

    return run


@pytest.mark.parametrize("name", FLOWS)
def test_flow_gives_the_same_outputs_as_with_jobflow(pool, run, tmp_path, name):
    expected_store = JobStore(MemoryStore())
    flow = FLOWS[name]()
    run_locally(flow, store=expected_store, log=False, root_dir=tmp_path)
    expected_jobs = ran(tmp_path)
    responses, found = run(FLOWS[name]())
    jobs = ran(pool[0].root)
    assert sorted(jobs) == sorted(expected_jobs)
    for before, after in (("first", "child"), ("child", "grandchild"), ("second", "child"), ("two", "child")):
        if {before, after} <= set(jobs):
            assert jobs.index(before) < jobs.index(after)
    assert found == outputs(expected_store)
    assert sum(map(len, responses.values())) == len(found)


def test_independent_jobs_run_at_the_same_time_in_different_processes(run):
    events = []
    with listening(events.append):
        responses, _ = run(Flow([one := meet("a", "b"), two := meet("b", "a")]))
    pids = {responses[job.uuid][1].output for job in (one, two)}
    assert len(pids) == 2
    assert os.getpid() not in pids
    assert {(e.stage, e.worker) for e in events if e.stage.startswith("met")} in (
        {("met b", 1), ("met a", 2)},
        {("met b", 2), ("met a", 1)},
    )
    assert [e.detail for e in events if e.stage == JOB] == ["meet", "meet", "", ""]


def test_job_with_the_longest_chain_behind_it_runs_first(tmp_path):
    short = [note(f"short {number}") for number in range(3)]
    first = note("long 0")
    second = note("long 1", first.output)
    with Workspace(Settings(root=tmp_path), "unit") as workspace, workspace.open_job_store() as store:
        executor = FlowRunner(workspace, store).executor
        executor.n_workers = 2  # the order for several workers, on one
        FlowRunner(workspace, store, executor).run(Flow([*short, first, second, note("long 2", second.output)]))
        assert ran(workspace.root)[:3] == ["long 0", "long 1", "short 0"]


def test_workspace_that_a_worker_cannot_open_is_the_error_of_its_job(tmp_path):
    """It is not counted as the death of a process, for which the message would blame the memory."""
    with Workspace(Settings(root=tmp_path), "unit") as workspace, WorkerPool(workspace, 1) as workers:
        usable = workers._workers[0].setup
        workers._workers[0].setup = replace(usable, campaign="no/campaign")
        with workspace.open_job_store() as store:
            FlowRunner(workspace, store, workers).run(Flow([note("first")]))
        (failure,) = workspace.ledger.find("failures")
        assert failure["reason"] == "InputError"
        assert "no/campaign" in failure["details"]["explanation"]


def test_job_of_a_dead_worker_runs_again(pool, run):
    responses, _ = run(Flow([job := die(2)]))
    assert responses[job.uuid][1].output == 3
    assert pool[0].ledger.find("failures") == []


def test_worker_that_dies_between_two_jobs_is_replaced(pool, run):
    for worker in pool[1]._workers:
        worker.forward_events()
        if worker.is_alive:
            worker._process.kill()
            wait_until(lambda pid=worker._process.pid: process_start(pid) is None)
    time.sleep(0.2)  # until the executor has noticed
    responses, _ = run(Flow([one := note("one"), two := note("two", one.output)]))
    assert {one.uuid, two.uuid} == set(responses)
    assert pool[0].ledger.find("failures") == []


def test_worker_is_killed_when_its_fork_server_has_died(pool, run):
    """The parent then takes the worker for dead, and runs its job in another one."""
    root = pool[0].root

    def kill() -> None:
        wait_until(lambda: list(root.glob("waiting-*")))
        os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    responses, _ = run(Flow([job := wait_for_a_kill()]))
    assert pool[0].ledger.find("failures") == []
    assert responses[job.uuid][1].output == 2
    (pid,) = (int(each.name.partition("-")[2]) for each in root.glob("waiting-*"))
    wait_until(lambda: process_start(pid) is None)


def test_job_starts_after_two_failed_connections_to_the_fork_server(pool, run, monkeypatch):
    """As it does between its death and the moment at which the parent can see it."""
    errors, opened = iter([True, True]), worker_pool._Worker.open

    def open_worker(worker):
        if next(errors, False):
            raise ConnectionRefusedError
        return opened(worker)

    monkeypatch.setattr(worker_pool._Worker, "open", open_worker)
    responses, _ = run(Flow([job := note("later")]))
    assert job.uuid in responses
    assert next(errors, None) is None


def test_job_that_ends_its_process_fails(pool, run):
    responses, _ = run(Flow([end_process(), other := note("other")]))
    assert set(responses) == {other.uuid}
    (failure,) = pool[0].ledger.find("failures")
    assert failure["details"]["explanation"] == "the job ended its process (SystemExit(3))"


def test_progress_that_cannot_be_written_ends_no_run(pool, run):
    def write(event) -> None:
        if event.stage == JOB and event.detail == "failing":
            raise StorageError("the disk is full")

    failing = note("failing")
    failing.name = "failing"
    with listening(write):
        responses, _ = run(Flow([failing, other := note("other")]))
    assert set(responses) == {other.uuid}
    assert [failure["reason"] for failure in pool[0].ledger.find("failures")] == ["StorageError"]


def test_job_that_kills_three_workers_fails_with_a_hint(pool, run):
    responses, _ = run(Flow([job := die(9), other := note("other")]))
    assert job.uuid not in responses
    assert other.uuid in responses
    (failure,) = pool[0].ledger.find("failures")
    assert failure["reason"] == "WorkerDiedError"
    assert "Hint: if the kernel killed them for lack of memory" in failure["details"]["explanation"]


def test_response_that_cannot_be_stored_is_a_failure_of_its_job(pool, run):
    responses, _ = run(Flow([job := unserialisable(), other := note("other")]))
    assert job.uuid not in responses
    assert other.uuid in responses
    assert len(pool[0].ledger.find("failures")) == 1


def test_stop_request_stops_all_workers_at_checkpoints(pool, run):
    root = pool[0].root

    def press() -> None:
        wait_until(lambda: len(list(root.glob("working-*"))) == 2)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    with (
        stop_on_signals({signal.SIGINT: "Ctrl-C"}) as received,
        pytest.raises(WalltimeReachedError, match="stopped at a checkpoint"),
    ):
        run(Flow([work_until_stopped(), work_until_stopped(), note("not started")]))
    assert received == [signal.SIGINT]
    assert len(list(root.glob("checkpoint-*"))) == 2
    assert ran(root) == []


def test_stop_request_reaches_a_worker_that_is_starting(tmp_path):
    def stop(event) -> None:
        if event.stage == JOB and event.detail:
            request_stop("the test")

    with (
        Workspace(Settings(root=tmp_path), "unit") as workspace,
        workspace.open_job_store() as store,
        WorkerPool(workspace, 2) as pool,
        stop_on_signals({}),  # which withdraws the request
        listening(stop),
        pytest.raises(WalltimeReachedError, match="stopped at a checkpoint"),
    ):
        FlowRunner(workspace, store, pool).run(Flow([work_until_stopped()]))


def test_worker_that_is_starting_is_killed_by_an_interrupt(tmp_path):
    with Workspace(Settings(root=tmp_path), "unit") as workspace:
        began = time.monotonic()
        with WorkerPool(workspace, 2) as pool:  # left while the job runs, as by an exception
            pool.start(PendingJob(job := work_until_stopped(), []), job)
        assert time.monotonic() - began < 50, "the pool waited for the job"


def test_workers_that_have_just_started_count_with_the_memory_they_will_need(tmp_path, monkeypatch):
    monkeypatch.setattr(worker_pool, "available_memory_gb", lambda: 2.5 * worker_pool.WORKER_MEMORY_GB)
    with Workspace(Settings(root=tmp_path), "unit") as workspace, WorkerPool(workspace, 4) as pool:
        with workspace.open_job_store() as store:
            FlowRunner(workspace, store, pool).run(Flow([note(f"{number}") for number in range(4)]))
        assert sum(worker.is_alive for worker in pool._workers) == 2
        assert sorted(ran(workspace.root)) == ["0", "1", "2", "3"]


def test_stored_results_are_looked_up_without_a_worker(tmp_path, monkeypatch):
    stored, later = note("stored"), note("later")
    monkeypatch.setattr(stored.function, "__module__", "interphase_flows.jobs.unit")
    with (
        Workspace(Settings(root=tmp_path), "unit") as workspace,
        workspace.open_job_store() as store,
        WorkerPool(workspace, 2, starts_early=False) as pool,
    ):
        FlowRunner(workspace, store, pool).run(Flow([stored, later]))
        assert not any(worker.is_alive for worker in pool._workers)
        assert ran(workspace.root) == ["stored", "later"]


def test_no_other_worker_is_started_without_memory(tmp_path, monkeypatch):
    """The limit is above the memory of any machine."""
    monkeypatch.setattr(worker_pool, "WORKER_MEMORY_GB", 1e6)
    with Workspace(Settings(root=tmp_path), "unit") as workspace, WorkerPool(workspace, 4) as pool:
        assert pool.can_start()
        with workspace.open_job_store() as store:
            FlowRunner(workspace, store, pool).run(Flow([note(f"{number}") for number in range(3)]))
        assert sum(worker.is_alive for worker in pool._workers) == 1
        assert sorted(ran(workspace.root)) == ["0", "1", "2"]


def test_available_memory_is_that_of_the_machine_or_its_control_group():
    assert 0.05 < local_workers.available_memory_gb() < 1e5
    assert 1 <= local_workers.usable_cores() <= os.cpu_count()


PARENT = """
import sys
from pathlib import Path
from jobflow import Flow
from interphase_flows.runners.local.campaign import run_jobs
from interphase_flows.exceptions import WalltimeReachedError
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace
from response_jobs import work_until_stopped

def make_flow():
    (workspace.root / "building").touch()
    return Flow([work_until_stopped(1.0), work_until_stopped(1.0)])

if __name__ == "__main__":
    with Workspace(Settings(root=Path(sys.argv[1])), "unit") as workspace:
        try:
            run_jobs(workspace, make_flow, n_workers=2)
        except WalltimeReachedError:
            sys.exit(3)
        except KeyboardInterrupt:
            sys.exit(4)
"""


@pytest.fixture
def parent(tmp_path):
    """A process with two workers, the leader of a process group, which is stopped at the end."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "queue.py").write_text("raise SystemExit('a script with the name of a standard module')")
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path}
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)], env=environment, cwd=tmp_path / "work", start_new_session=True
    ) as process:
        yield process
        process.kill()


def test_signal_to_all_processes_stops_workers_at_checkpoints(parent, tmp_path):
    """As Slurm sends it at the walltime; modules of the working directory are not imported."""
    folder = tmp_path / "unit"
    wait_until(lambda: len(list(folder.glob("working-*"))) == 2, alive=lambda: parent.poll() is None)
    os.killpg(parent.pid, signal.SIGTERM)
    assert parent.wait(60) == 3
    assert len(list(folder.glob("checkpoint-*"))) == 2


def test_interrupt_while_packages_are_imported_stops_the_run(parent, tmp_path):
    wait_until((tmp_path / "unit" / "building").exists, alive=lambda: parent.poll() is None)
    os.killpg(parent.pid, signal.SIGINT)  # Ctrl-C in a terminal
    assert parent.wait(60) == 4
    assert list((tmp_path / "unit").glob("working-*")) == []


def test_no_worker_survives_its_parent(parent, tmp_path):
    folder = tmp_path / "unit"
    wait_until(lambda: len(list(folder.glob("working-*"))) == 2, alive=lambda: parent.poll() is None)
    pids = [int(each.name.partition("-")[2]) for each in folder.glob("working-*")]
    parent.kill()
    parent.wait()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))  # or the timeout of the test ends it
    assert list(folder.glob("checkpoint-*")) == []
