"""Does a site have what campaigns need?  The database, the queue, and what a job of every worker sees from inside."""

import math
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interphase_flows import __version__
from interphase_flows.exceptions import InterphaseError, SettingsError
from interphase_flows.reference.spec import VaspSpec
from interphase_flows.runners.fireworks.launchpad import launchpad_database, mongodb_of, open_launchpad
from interphase_flows.runners.site_check.machine_checks import Check
from interphase_flows.runners.site_check.probe_jobs import CheckJobs, Outcome
from interphase_flows.runners.slurm.allocations import allocation_script
from interphase_flows.runners.slurm.commands import run_slurm
from interphase_flows.runtime.walltime import MARGIN_S
from interphase_flows.settings import Settings, WorkerSettings

if TYPE_CHECKING:
    from interphase_flows.campaign.schema import Campaign
    from interphase_flows.runners.site_check.node_probe import NodeView


def check_cluster(
    settings: Settings, timeout_s: float, campaign: "Campaign | None" = None
) -> Iterator[Check]:
    """Yield the checks one by one; nothing is left behind.

    Parameters
    ----------
    settings
        Settings of the login node.
    timeout_s
        Allocations that have not done their job by then are cancelled.
    campaign
        Its reference method is what workers of labels must have; any DFT if None.
    """
    from pymongo.errors import PyMongoError

    try:
        mongodb_of(settings)
    except SettingsError as error:
        yield Check("cluster", False, str(error))
        return
    database = _launchpad(settings)
    yield database
    try:
        version = run_slurm(["sbatch", "--version"]).strip()
    except SettingsError as error:
        yield Check("Slurm", False, str(error))
        return
    yield Check("Slurm", True, version)
    accepted = []
    for name in settings.cluster.workers:
        answer = _accepted(settings, name)
        yield answer
        if answer.is_good:
            accepted.append(name)
    if not database.is_good or not accepted:
        missing = "a worker that Slurm accepts" if database.is_good else "the database"
        yield Check("jobs", False, f"none was sent: they need {missing}")
        return
    try:
        with CheckJobs(settings, accepted, _asked_of_labels(campaign)) as jobs:
            for outcome in jobs.outcomes(timeout_s):
                yield from _judge(outcome, settings.cluster.workers[outcome.worker], jobs, campaign)
    except InterphaseError as error:
        yield Check("jobs", False, str(error))
    except PyMongoError as error:
        # the driver's own text may hold the address with its password
        yield Check(
            "jobs", False, f"MongoDB answered {type(error).__name__} meanwhile; check its log, and again"
        )


def _launchpad(settings: Settings) -> Check:
    """Write to FireWorks' database, read it back and take it away."""
    from pymongo.errors import PyMongoError

    title = "FireWorks' database"
    try:
        launchpad = open_launchpad(settings)
    except InterphaseError as error:
        return Check(title, False, str(error))
    token = secrets.token_hex(8)
    collection = launchpad.db[f"interphase_check_{token}"]
    try:
        collection.insert_one({"word": token})
        found = collection.find_one({"word": token})
        collection.drop()
    except PyMongoError as error:
        # the driver's own text may hold the address with its password
        return Check(
            title,
            False,
            f"{launchpad_database(settings)}: MongoDB answered {type(error).__name__}; may the user write there? Mend "
            "store in the settings, or cluster.launchpad_database",
        )
    finally:
        launchpad.connection.close()
    return Check(title, found is not None, f"{launchpad_database(settings)}: written and read back")


def _accepted(settings: Settings, name: str) -> Check:
    """Ask Slurm whether it would take a worker's script."""
    worker = settings.cluster.workers[name]
    title = f"worker {name}, sbatch"
    kept_s = settings.cluster.signal_before_end_s + MARGIN_S
    if worker.walltime_s <= kept_s:
        return Check(
            title,
            False,
            f"its walltime {worker.walltime} is all kept for putting work down; give it more than {kept_s:.0f} s, or "
            "lower cluster.signal_before_end_s",
        )
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "allocation.sh"
        script.write_text(allocation_script(settings, name), encoding="utf-8")
        try:
            run_slurm(["sbatch", "--test-only", str(script)])
        except SettingsError as error:
            words = str(error).partition(": ")[2]  # without the command
            return Check(
                title,
                False,
                f"Slurm refuses its script: {words}; mend cluster.workers.{name} in the settings",
            )
    return Check(title, True, "Slurm takes its script")


def _asked_of_labels(campaign: "Campaign | None") -> dict[str, Any]:
    if campaign is None or not isinstance(campaign.reference, VaspSpec):
        return {}
    from interphase_flows.runners.site_check.machine_checks import elements_of

    return {"vasp": campaign.reference.model_dump(), "elements": elements_of(campaign)}


def _judge(
    outcome: Outcome, worker: WorkerSettings, jobs: CheckJobs, campaign: "Campaign | None"
) -> Iterator[Check]:
    """Yield the checks of a worker, by what its jobs saw."""
    title = f"worker {outcome.worker}"
    if outcome.told:
        yield Check(f"{title}, jobs", False, outcome.told)
    for kind, words in outcome.failed.items():
        yield Check(f"{title}, {kind} job", False, f"failed: {words}")
    for kind, view in outcome.views.items():
        yield Check(
            f"{title}, {kind} job",
            True,
            f"back from {view.node} (allocation {outcome.job_id}) after {outcome.came_back_after_s:.0f} s",
        )
    if not outcome.views:
        return
    kind, view = next(iter(outcome.views.items()))
    for check in (*judge_node(view, worker), root_check(view, jobs, kind)):
        yield Check(f"{title}, {check.name}", check.is_good, check.told)
    if "dft" in outcome.views:
        wanted = None if campaign is None else campaign.reference.method
        check = judge_labels(outcome.views["dft"], wanted)
        yield Check(f"{title}, {check.name}", check.is_good, check.told)
    asked = next((each for each in outcome.views.values() if each.gpus is not None), None)
    if asked is not None:
        check = judge_gpus(asked, worker)
        yield Check(f"{title}, {check.name}", check.is_good, check.told)


def judge_node(view: "NodeView", worker: WorkerSettings) -> Iterator[Check]:
    """Yield what any job needs."""
    told = f"{view.python}, interphase {view.package_version}, {view.n_cores} cores"
    is_same = view.package_version == __version__
    mend = f"; here it is {__version__}: install the same on both"
    yield Check("Python", is_same, told if is_same else told + mend)
    if view.failed_lines:
        lines = view.failed_lines.rstrip("; ")
        yield Check("before", False, f"failed on {view.node}: {lines}; mend before of the worker")
    elif worker.before:
        yield Check("before", True, f"none of its {len(worker.before)} lines failed")
    yield Check("database", view.results.is_there, f"{view.results.told}, as {view.node} sees it")
    lost = f": what was stored there from here is not seen by {view.node}; artifacts_url (or root) must be one place"
    yield Check("files", view.files.is_there, view.files.told + ("" if view.files.is_there else lost))
    if view.remaining_s is None:
        yield Check(
            "time",
            False,
            "a job does not know when Slurm ends it (no SLURM_JOB_END_TIME, and squeue does not answer there); set "
            "INTERPHASE_WALLTIME_S in the worker's environment",
        )
    else:
        minutes = math.floor(view.remaining_s / 60.0)
        yield Check("time", True, f"puts work down after {minutes} min, by {view.told_by}")


def root_check(view: "NodeView", jobs: CheckJobs, kind: str) -> Check:
    """Return whether both sides see what the other wrote below the root."""
    from interphase_flows.runners.site_check.node_probe import answer

    mend = "; root must be a folder that the login node and all nodes see"
    if not view.root.is_there:
        return Check("root", False, f"{view.root.told}{mend}")
    path = jobs.folder / f"from-{kind}"
    try:
        is_same = path.read_text(encoding="utf-8") == answer(jobs.word)
    except OSError as error:
        return Check("root", False, f"{path}: {view.node} wrote it, here it is not ({error.strerror}){mend}")
    return Check("root", is_same, f"{view.root.told}, seen and written from both sides" if is_same else mend)


def judge_labels(view: "NodeView", method: str | None) -> Check:
    """Return whether the reference method is there: that of a campaign, or any DFT."""
    assert view.vasp is not None
    assert view.gpaw is not None
    seen = {"vasp": view.vasp, "gpaw": view.gpaw}
    if method is not None and method not in seen:
        return Check("DFT", True, f"not needed: labels are by {method}")
    if method is not None:
        return Check("DFT", seen[method].is_there, seen[method].told)
    found = [each.told for each in seen.values() if each.is_there]
    if found:
        return Check("DFT", True, "; ".join(found))
    told = "; ".join(each.told for each in seen.values())
    return Check(
        "DFT", False, f"{told}. For a campaign that needs neither: interphase check campaign.yaml --cluster"
    )


def judge_gpus(view: "NodeView", worker: WorkerSettings) -> Check:
    """Return whether the GPUs that are asked for are seen, and used."""
    gpus = view.gpus or ()
    if worker.gpus == 0 and view.device == "cpu":
        return Check("GPU", True, "none is asked for; potentials run on cores")
    if len(gpus) < max(worker.gpus, 1):
        return Check(
            "GPU",
            False,
            f"{worker.gpus} asked for, torch {view.torch_version} can use {len(gpus)} ({view.nvidia_smi}); see gpus and "
            "partition of the worker, and whether torch there is built for CUDA",
        )
    if view.device == "cpu":
        return Check(
            "GPU", False, f"{', '.join(gpus)}, but not used: environment: {{INTERPHASE_DEVICE: cuda}}"
        )
    return Check("GPU", True, f"{', '.join(gpus)} by torch {view.torch_version}")
