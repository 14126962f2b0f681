"""Replay a campaign of many labels through FireWorks: overhead per job, size of the database, idle workers.

Run: ``python benchmarks/campaign_replay.py [--labels 10000] [--workers 2] [--keep FILE]``, with the address of a MongoDB
in ``MONGODB_URI`` or else with the server of the tests. Flows, routing, packing of labels, ledger and workers
(``interphase work``, each in a separate process) are those of the package; computations are replaced by waiting for their
recorded time divided by ``--scale`` (``replayed_campaign.py``, ``recorded_times.json``).

Results:

- the time of the workers: simulated work; idle time, when fewer jobs were ready or running than there were workers
  (polled every two seconds); the rest is overhead, divided by the number of jobs;
- CPU per job of the workers and of the server, in consecutive parts of the campaign, and the jobs in its workflow;
- documents and bytes by collection, and the largest document;
- for workflows of ``--sizes`` jobs, the cost of a trivial job (``--labels 0`` for this alone).
"""

import argparse
import contextlib
import json
import logging
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from mongo import BenchDatabase, bench_database, cpu_s
from replay_figures import format_results, launches_by_kind, sizes, time_shares

from interphase_flows.campaign.schema import Campaign
from interphase_flows.jobs.labels import MOST_JOBS
from interphase_flows.runners.fireworks.launchpad import open_launchpad
from interphase_flows.runners.fireworks.submission import routed_workflow
from interphase_flows.runners.fireworks.worker import work
from interphase_flows.settings import Settings, load_settings
from interphase_flows.storage.workspace import Workspace

POLL_INTERVAL_S = 2.0
TIMED_JOBS = 5
FIRST_SHARE = 0.2
"""Fraction of the initial labels."""
AUDIT_SHARE = 0.2
"""Fraction of audit labels in an iteration."""


class EnoughError(Exception):
    """Raised after the last timed job."""


def campaign_of(n_labels: int, n_iterations: int, n_walkers: int, n_segments: int) -> tuple[Campaign, int]:
    """Return a campaign with a number of labels, and the number of initial ones."""
    n_first = round(FIRST_SHARE * n_labels)
    per_iteration = (n_labels - n_first) // n_iterations
    n_audit = max(1, round(AUDIT_SHARE * per_iteration))
    spec = {
        "name": "replay",
        "seed": 1,
        "electrode": "Li",
        "electrolyte": "Li7P3S11",
        "phases": ["Li", "Li2S", "Li7P3S11"],
        "committee": {"n_members": 4},
        "exploration": {
            "n_interface_walkers": n_walkers,
            "n_amorphous_walkers": 0,
            "n_crystal_walkers": 0,
            "n_audit_walkers": max(1, n_walkers // 4),
        },
        "learning": {
            "max_iterations": n_iterations,
            "labels_per_iteration": per_iteration - n_audit,
            "audit_labels_per_iteration": n_audit,
            "max_labels": n_labels,
        },
        "production": {"n_replicas": 3, "n_segments": n_segments},
    }
    return Campaign.model_validate(spec), n_first


def replay_campaign(database: BenchDatabase, settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
    """Run a campaign by workers in separate processes, and return times and sizes."""
    from recorded_method import SLEPT, Replay
    from replayed_campaign import replayed_campaign

    campaign, n_first = campaign_of(options.labels, options.iterations, options.walkers, options.segments)
    replay = Replay(scale=options.scale, cores=options.cores, labels_per_job=options.labels_per_job)
    workspace = Workspace(settings, campaign.name)
    launchpad = open_launchpad(settings)
    launchpad.add_wf(routed_workflow(replayed_campaign(campaign, replay, n_first), workspace))
    here = Path(__file__).parent
    command = [sys.executable, "-W", "ignore", "-m", "interphase_flows.cli", "work", "all"]
    path = os.pathsep.join([str(here), str(here.parent), os.environ.get("PYTHONPATH", "")])
    settings.root.mkdir(parents=True, exist_ok=True)
    log = settings.root / "workers.log"
    began = time.monotonic()
    with log.open("wb") as file:
        workers = [
            subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}, stdout=file, stderr=file)
            for _ in range(options.workers)
        ]
        try:
            samples = _samples(launchpad, database, workers, began)
        finally:
            for worker in workers:
                if worker.poll() is None:
                    os.kill(worker.pid, signal.SIGUSR1)  # stop at a checkpoint
            for worker in workers:
                worker.wait()
    states = {
        each["_id"]: each["n"]
        for each in launchpad.db.fireworks.aggregate([{"$group": {"_id": "$state", "n": {"$sum": 1}}}])
    }
    if set(states) != {"COMPLETED"}:
        raise SystemExit(
            f"the campaign did not end: {states}; {log.read_text(errors='replace')[-3000:]}\n{_failure(launchpad)}"
        )
    slept = [float(line) for path in (workspace.root / SLEPT).iterdir() for line in path.read_text().splitlines()]
    n_labels = workspace.ledger.count("labels")
    shares = time_shares(samples, sum(slept), options.workers)
    kinds = launches_by_kind(launchpad)
    workspace.close()
    launchpad.connection.close()
    return {
        "n_labels": n_labels,
        "n_first_labels": n_first,
        **shares,
        "launches": kinds,
        "database": sizes(database),
    }


def _failure(launchpad: Any) -> str:
    failed = launchpad.db.launches.find_one({"state": "FIZZLED"}, {"action.stored_data._exception": 1})
    return str((((failed or {}).get("action") or {}).get("stored_data") or {}).get("_exception", ""))[-3000:]


def _samples(
    launchpad: Any, database: BenchDatabase, workers: Sequence[subprocess.Popen[bytes]], began: float
) -> list[dict[str, float]]:
    """Return samples of jobs by state and of CPU times until all jobs are done."""
    samples: list[dict[str, float]] = []
    fireworks = launchpad.db.fireworks
    is_interactive = sys.stderr.isatty()
    while True:
        cpu_workers_s = sum(cpu_s(worker.pid) for worker in workers if worker.poll() is None)
        n_ready = fireworks.count_documents({"state": "READY"})
        n_running = fireworks.count_documents({"state": {"$in": ["RESERVED", "RUNNING"]}})
        samples.append(
            {
                "t_s": time.monotonic() - began,
                "n_ready": n_ready,
                "n_running": n_running,
                "n_done": fireworks.count_documents({"state": "COMPLETED"}),
                "n_nodes": fireworks.estimated_document_count(),
                "cpu_workers_s": cpu_workers_s,
                "cpu_server_s": database.server_cpu_s(),
            }
        )
        last = samples[-1]
        if is_interactive:
            print(f"\r{last['n_done']:.0f} of {last['n_nodes']:.0f} jobs so far", end="", file=sys.stderr)
        if last["n_done"] == last["n_nodes"] or any(worker.poll() is not None for worker in workers):
            return samples
        # between two states of a job none may be ready or running: only if that persists has the campaign ended
        if len(samples) > 60 and all(each["n_ready"] + each["n_running"] == 0 for each in samples[-60:]):
            return samples
        time.sleep(POLL_INTERVAL_S)


def bend(database: BenchDatabase, settings: Settings, n_nodes: int) -> dict[str, float]:
    """Return the cost of a trivial job in a workflow of many, whose outputs further jobs collect."""
    from jobflow import Flow
    from trivial_jobs import add_up, plus_one

    workspace = Workspace(settings, "bend")
    launchpad = open_launchpad(settings)
    jobs = [plus_one(number) for number in range(n_nodes)]
    began = time.perf_counter()
    gathers = [
        add_up([each.output for each in jobs[start : start + MOST_JOBS]]) for start in range(0, n_nodes, MOST_JOBS)
    ]
    workflow = routed_workflow(Flow([*jobs, *gathers]), workspace)
    launchpad.add_wf(workflow)
    added_s = time.perf_counter() - began
    times: list[tuple[float, float, float]] = []

    def timed() -> None:
        times.append((time.perf_counter(), time.process_time(), database.server_cpu_s()))
        if len(times) > TIMED_JOBS:
            raise EnoughError

    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(EnoughError):
        work(settings, "all", Path(folder), timed)
    document = launchpad.db.get_collection(
        "workflows", codec_options=CodecOptions(document_class=RawBSONDocument)
    ).find_one({})
    n_bytes = len(document.raw)
    for collection in ("fireworks", "workflows", "launches"):
        launchpad.db[collection].delete_many({})
    launchpad.connection.close()
    workspace.close()
    wall_s, cpu_worker_s, cpu_server_s = np.median(np.diff(np.array(times), axis=0), axis=0)
    return {
        "n_nodes": n_nodes,
        "submission_s": added_s,
        "wall_s": float(wall_s),
        "cpu_worker_s": float(cpu_worker_s),
        "cpu_server_s": float(cpu_server_s),
        "workflow_bytes": n_bytes,
    }


def main() -> None:
    """Replay a campaign and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--labels", type=int, default=10_000, help="of the campaign; 0 replays none")
    parser.add_argument("--labels-per-job", type=int, default=25)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--walkers", type=int, default=4, help="on interfaces; a quarter as many for the audit")
    parser.add_argument("--segments", type=int, default=10, help="of each of three replicas")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--scale", type=float, default=500.0, help="recorded seconds per second of waiting")
    parser.add_argument("--cores", type=int, default=32, help="by which a recorded label is divided")
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=[100, 1000, 10_000], help="jobs in a workflow of trivial ones"
    )
    parser.add_argument("--keep", type=Path, help="JSON file for the numbers")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    with bench_database() as database, tempfile.TemporaryDirectory() as folder:
        os.environ.update(database.variables(Path(folder) / "runs"))
        # workers of the replay wait for further jobs; those of the trivial jobs do not
        kinds = '{"all": {"kinds": ["dft", "train", "md", "analysis"], "wait_for_work_s": %d}}'
        kept: dict[str, Any] = {
            "server": database.server,
            "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
            "n_workers": options.workers,
            "options": {key: value for key, value in vars(options).items() if key != "keep"},
        }
        os.environ["INTERPHASE_CLUSTER__WORKERS"] = kinds % 3600
        if options.labels:
            kept["campaign"] = replay_campaign(database, load_settings(), options)
        os.environ["INTERPHASE_CLUSTER__WORKERS"] = kinds % 0
        os.environ["INTERPHASE_STORE__DATABASE"] = f"{database.name}_bend"
        kept["bend"] = [bend(database, load_settings(), n_nodes) for n_nodes in options.sizes]
    print(format_results(kept))
    if options.keep:
        options.keep.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
