"""Overhead of a job and of a submission, relative to FireWorks without this package.

Run: ``python benchmarks/fireworks_overhead.py [--quick]``, with the address of a MongoDB in ``MONGODB_URI`` or else with
the server of the tests. Four ways of running the same trivial job (one addition), each with a separate LaunchPad on one
database server, alternate in rounds; the results are medians over the rounds per job:

- ours: ``runners.fireworks``. The workflow is made as by a submission (``routed_workflow``), and the jobs are run by
  ``work``, which ``interphase work`` calls: a query for ready jobs, a folder per launch, ``CampaignFiretask`` in the
  campaign's workspace, the identity of the worker in every launch.
- jobflow on FireWorks: ``jobflow.managers.fireworks.flow_to_workflow``, run by FireWorks' own ``rapidfire`` (``rlaunch
  rapidfire``) in this process; the JobStore with maggma's MongoURIStore is that of jobflow's settings, as usual, and
  connected once per process.
- the same with a JobStore in every job, which every job connects to.
- a PyTask of FireWorks, without jobflow and its store of outputs: the lower limit.

The target, 1.3, is for ours relative to jobflow on FireWorks, which resolves the same references and stores the same
outputs. ``FW.json``, which FireWorks writes by default, is switched off in all ways, since it would only slow down the
others. All jobs are ready, so that ``rapidfire`` never sleeps.

The second table is the submission of a flow: ours from the flow to the LaunchPad (conversion by jobflow, routing,
``add_wf``) relative to FireWorks' ``add_wf`` alone, of a workflow that jobflow had made before. The target is 2.

CPU times are those of this process, and of the server if it was started here; they depend less on other work on the
machine than wall times.
"""

import argparse
import json
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mongo import BenchDatabase, bench_database
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
    register,
)

from interphase_flows.runners.fireworks.launchpad import open_launchpad
from interphase_flows.runners.fireworks.submission import routed_workflow
from interphase_flows.runners.fireworks.worker import work
from interphase_flows.settings import Settings, load_settings
from interphase_flows.storage.workspace import Workspace

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # from imports of FireWorks and jobflow
    from fireworks import Firework, LaunchPad, PyTask, Workflow
    from fireworks.core.fworker import FWorker
    from fireworks.core.rocket_launcher import rapidfire
    from jobflow import SETTINGS, Flow, JobStore
    from jobflow.managers.fireworks import flow_to_workflow
    from maggma.stores.mongolike import MongoURIStore
    from trivial_jobs import plus_one

TARGET_PER_JOB, TARGET_SUBMISSION = 1.3, 2.0
OURS, JOBFLOW, OUR_STORE, PYTASK = (
    "ours",
    "jobflow on FireWorks",
    "the same, store in the job",
    "FireWorks' PyTask",
)
WORKERS = '{"all": {"kinds": ["dft", "train", "md", "analysis"], "wait_for_work_s": 0}}'
CAMPAIGN = "bench"
CLOCKS = ("wall", "cpu", "server_cpu", "round_trips")


class RoundTrips(CommandListener):
    """Counts round trips to the database, which do not depend on the load of the machine."""

    n = 0

    def started(self, event: CommandStartedEvent) -> None:
        """Count a round trip."""
        self.n += 1

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Do nothing."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Do nothing."""


ROUND_TRIPS = RoundTrips()
register(ROUND_TRIPS)  # for all clients that are created later


class Ways:
    """The four ways of making, adding and running a workflow of ``n`` trivial jobs.

    Parameters
    ----------
    database
        Database of the benchmark.
    settings
        Settings of this package, for ours.
    folder
        Parent of the folders of launches.
    """

    def __init__(self, database: BenchDatabase, settings: Settings, folder: Path):
        self.settings, self.folder = settings, folder
        self.workspace = Workspace(settings, CAMPAIGN)
        self.launchpads: dict[str, LaunchPad] = {OURS: open_launchpad(settings)}
        for number, name in enumerate((JOBFLOW, OUR_STORE, PYTASK)):
            launchpad = LaunchPad(
                host=database.uri, uri_mode=True, name=f"{database.name}_peer_{number}", strm_lvl="CRITICAL"
            )
            launchpad.reset("", require_password=False)
            self.launchpads[name] = launchpad
        outputs = MongoURIStore(database.uri, "jobs", database=f"{database.name}_peer_jobs")
        SETTINGS.JOB_STORE = JobStore(outputs)

    def workflow(self, way: str, n_jobs: int) -> Workflow:
        """Return the workflow of a way."""
        if way == PYTASK:
            task = PyTask(func="trivial_jobs.add_one", args=[1])
            return Workflow([Firework(task, name="plus_one") for _ in range(n_jobs)], name=CAMPAIGN)
        flow = Flow([plus_one(number) for number in range(n_jobs)])
        if way == OURS:
            return routed_workflow(flow, self.workspace)
        store = self.workspace.job_store() if way == OUR_STORE else None  # None: that of jobflow's settings
        return flow_to_workflow(flow, store, name=CAMPAIGN)

    def run(self, way: str, n_jobs: int) -> None:
        """Run the ready jobs, whose number is given."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            if way == OURS:
                n_run = work(self.settings, "all", Path(folder)).n_jobs
            else:
                rapidfire(
                    self.launchpads[way],
                    FWorker(),
                    m_dir=folder,
                    nlaunches=n_jobs,
                    max_loops=1,
                    strm_lvl="CRITICAL",
                )
                n_run = self.launchpads[way].launches.count_documents({"state": "COMPLETED"})
            os.chdir(self.folder)
        launchpad = self.launchpads[way]
        n_done = launchpad.fireworks.count_documents({"state": "COMPLETED"})
        if not n_run == n_done == n_jobs:
            raise SystemExit(f"{way}: {n_run} jobs ran and {n_done} are done of {n_jobs}: the times are invalid")

    def clear(self, way: str) -> None:
        """Empty the LaunchPad, so that all rounds start equally."""
        for collection in ("fireworks", "workflows", "launches"):
            self.launchpads[way].db[collection].delete_many({})


def costs(action: Callable[[], object], database: BenchDatabase) -> list[float]:
    """Return wall time, CPU time of this process and of the server (s), and round trips to the database."""

    def now() -> list[float]:
        return [time.perf_counter(), time.process_time(), database.server_cpu_s(), float(ROUND_TRIPS.n)]

    before = now()
    action()
    return [after - began for after, began in zip(now(), before, strict=True)]


def time_jobs(ways: Ways, database: BenchDatabase, n_jobs: int, n_rounds: int) -> dict[str, Any]:
    """Print and return the times per job (ms) and their ratios."""
    rounds: list[list[list[float]]] = []
    for _ in range(n_rounds + 1):
        times = []
        for way in ways.launchpads:
            ways.launchpads[way].add_wf(ways.workflow(way, n_jobs))
            times.append(costs(lambda way=way: ways.run(way, n_jobs), database))  # type: ignore[misc]
            ways.clear(way)
        rounds.append(times)
    taken = np.array(rounds[1:]) / n_jobs  # (rounds, ways, clocks); the first round warms up
    taken[:, :, :3] *= 1000.0  # ms
    kept: dict[str, Any] = {"n_jobs": n_jobs, "n_rounds": n_rounds, "ways": {}, "ours_over": {}}
    print(f"a trivial job, of {n_jobs} in a workflow; medians of {n_rounds} alternating rounds (ms)")
    print(f"{'':26}{'wall':>10}{'CPU':>10}{'server CPU':>13}{'round trips':>13}")
    for way, row in zip(ways.launchpads, np.median(taken, axis=0), strict=True):
        kept["ways"][way] = dict(zip(CLOCKS, row.tolist(), strict=True))
        print(f"{way:26}{row[0]:10.1f}{row[1]:10.1f}{row[2]:13.1f}{row[3]:13.1f}")
    for index, way in list(enumerate(ways.launchpads))[1:]:
        ratios = np.median(taken[:, 0] / taken[:, index], axis=0)
        kept["ours_over"][way] = dict(zip(CLOCKS, ratios.tolist(), strict=True))
        goal = f"   target {TARGET_PER_JOB}" if way == JOBFLOW else ""
        print(f"{'ours over ' + way:36}{ratios[0]:7.2f} wall{ratios[1]:7.2f} CPU{ratios[3]:7.2f} round trips{goal}")
    return kept


def time_submissions(ways: Ways, database: BenchDatabase, n_jobs: int, n_rounds: int) -> dict[str, Any]:
    """Print and return the time of a submission (s) and its ratio to ``add_wf``."""
    rounds = []
    for _ in range(n_rounds + 1):
        ready = ways.workflow(JOBFLOW, n_jobs)
        bare = costs(lambda ready=ready: ways.launchpads[JOBFLOW].add_wf(ready), database)  # type: ignore[misc]
        flow = Flow([plus_one(number) for number in range(n_jobs)])

        def ours(flow: Flow = flow) -> None:
            ways.launchpads[OURS].add_wf(routed_workflow(flow, ways.workspace))

        rounds.append((bare, costs(ours, database)))
        ways.clear(JOBFLOW)
        ways.clear(OURS)
    taken_s = np.array(rounds[1:])  # (rounds, bare and ours, clocks)
    print(f"\nsubmission of a flow of {n_jobs} jobs; medians of {n_rounds} alternating rounds (s)")
    kept: dict[str, Any] = {"n_jobs": n_jobs, "n_rounds": n_rounds, "s": {}}
    for name, row in zip(("bare add_wf", "ours, from the flow"), np.median(taken_s, axis=0), strict=True):
        kept["s"][name] = dict(zip(CLOCKS, row.tolist(), strict=True))
        print(f"{name:26}{row[0]:10.2f}{row[1]:10.2f}{row[2]:13.2f}")
    ratios = np.median(taken_s[:, 1] / taken_s[:, 0], axis=0)
    kept["ours_over"] = dict(zip(CLOCKS, ratios.tolist(), strict=True))
    print(f"{'ours over bare':34}{ratios[0]:7.2f} wall{ratios[1]:7.2f} CPU   target {TARGET_SUBMISSION}")
    return kept


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="fewer jobs and rounds")
    parser.add_argument("--keep", type=Path, help="JSON file for the numbers")
    options = parser.parse_args()
    quick = options.quick
    n_jobs, n_submitted, n_rounds = (4, 100, 1) if quick else (25, 1000, 5)
    logging.disable(logging.WARNING)  # jobflow and FireWorks log every job
    warnings.simplefilter("ignore")
    here = Path.cwd()
    with bench_database() as database, tempfile.TemporaryDirectory() as folder:
        os.environ.update(database.variables(Path(folder) / "runs"))
        os.environ["INTERPHASE_CLUSTER__WORKERS"] = WORKERS
        settings = load_settings()
        print(f"MongoDB: {database.server}")
        ways = Ways(database, settings, Path(folder))
        try:
            kept = {
                "server": database.server,
                "jobs": time_jobs(ways, database, n_jobs, n_rounds),
                "submission": time_submissions(ways, database, n_submitted, n_rounds),
            }
        finally:
            os.chdir(here)
            ways.workspace.close()
            for launchpad in ways.launchpads.values():
                launchpad.connection.close()
    if options.keep:
        options.keep.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
