"""Checks of a cluster: the database, Slurm, and what a probe job of every worker finds on its node."""

import math
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from pymongo.errors import PyMongoError

from interphase_flows import __version__
from interphase_flows.campaign.methods import elements_of
from interphase_flows.campaign.schema import Campaign
from interphase_flows.exceptions import InterphaseError, SettingsError
from interphase_flows.reference.spec import VaspSpec
from interphase_flows.runners.cluster_settings import launchpad_database, mongodb_settings
from interphase_flows.runners.fireworks.launchpad import open_launchpad
from interphase_flows.runners.site_check.machine_checks import Check, run_check
from interphase_flows.runners.site_check.node_probe import DftParameters, NodeView, from_node, reply_to
from interphase_flows.runners.site_check.probe_jobs import CheckJobs, Outcome
from interphase_flows.runners.slurm import allocation_script, jobs_in_queue, run_slurm
from interphase_flows.runtime.walltime import MARGIN_S
from interphase_flows.settings import Settings, WorkerSettings


def check_cluster(settings: Settings, timeout_s: float, campaign: Campaign | None = None) -> Iterator[Check]:
    """Yield the checks of a cluster; all jobs and files of the check are removed at its end.

    Allocations whose jobs are not done after the timeout are cancelled. Workers of kind ``dft`` are checked for the
    reference method of the campaign; without a campaign, the DFT codes that they have are listed.
    """
    try:
        mongodb_settings(settings)
    except SettingsError as error:
        yield Check("cluster", False, str(error))
        return
    database = run_check("FireWorks' database", _launchpad, settings)
    yield database
    slurm = run_check("Slurm", lambda: run_slurm(["sbatch", "--version"]).strip())
    yield slurm
    if not slurm.passed:
        return
    queue = run_check("Slurm's queue", lambda: f"{len(jobs_in_queue(''))} jobs of this user")
    yield queue
    if not queue.passed:
        return
    accepted = []
    for name in settings.cluster.workers:
        check = run_check(f"worker {name}, sbatch", _accepted, settings, name)
        yield check
        if check.passed:
            accepted.append(name)
    if not database.passed or not accepted:
        missing = "a worker that Slurm accepts" if database.passed else "the database"
        yield Check("jobs", False, f"not submitted: they need {missing}")
        return
    try:
        with CheckJobs(settings, accepted, _dft_parameters(campaign)) as jobs:
            for outcome in jobs.outcomes(timeout_s):
                yield from _worker_checks(outcome, settings.cluster.workers[outcome.worker], jobs, campaign)
    except InterphaseError as error:
        yield Check("jobs", False, str(error))
    except PyMongoError as error:
        # the driver's own text may contain the address with its password
        failed = f"MongoDB failed during the check ({type(error).__name__})"
        yield Check("jobs", False, f"{failed}. Hint: see the log of the server, then repeat")


def _launchpad(settings: Settings) -> str:
    """Write to FireWorks' database, read it back, and remove it."""
    name, token = launchpad_database(settings), secrets.token_hex(8)
    with closing(open_launchpad(settings)) as launchpad:
        collection = launchpad.db[f"interphase_check_{token}"]
        try:
            collection.insert_one({"token": token})
            found = collection.find_one({"token": token})
            collection.drop()
        except PyMongoError as error:
            # the driver's own text may contain the address with its password
            raise SettingsError(
                f"{name}: MongoDB failed ({type(error).__name__}). Hint: check that the user may write there, and "
                "store and cluster.launchpad_database in the settings"
            ) from None
    if found is None:
        raise SettingsError(f"{name}: what was written could not be read back")
    return f"{name}: written and read back"


def _accepted(settings: Settings, name: str) -> str:
    """Check that Slurm would accept a worker's script."""
    worker = settings.cluster.workers[name]
    reserved_s = settings.cluster.signal_before_end_s + MARGIN_S
    if worker.walltime_s <= reserved_s:
        raise SettingsError(
            f"its walltime {worker.walltime} is entirely reserved for stopping at a checkpoint. Hint: request more "
            f"than {reserved_s:.0f} s, or lower cluster.signal_before_end_s"
        )
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "allocation.sh"
        script.write_text(allocation_script(settings, name), encoding="utf-8")
        try:
            run_slurm(["sbatch", "--test-only", str(script)])
        except SettingsError as error:
            reason = str(error).partition(": ")[2]  # without the command
            hint = f"Hint: correct cluster.workers.{name} in the settings"
            raise SettingsError(f"Slurm rejects its script: {reason}. {hint}") from None
    return "Slurm accepts its script"


def _dft_parameters(campaign: Campaign | None) -> DftParameters:
    if campaign is None or not isinstance(campaign.reference, VaspSpec):
        return {}
    return {
        "vasp": campaign.reference.model_dump(),
        "elements": elements_of(campaign, [*campaign.phases, *campaign.hull_phases]),
    }


def _worker_checks(
    outcome: Outcome, worker: WorkerSettings, jobs: CheckJobs, campaign: Campaign | None
) -> Iterator[Check]:
    """Yield the checks of a worker from the results of its probe jobs."""
    title = f"worker {outcome.worker}"
    if outcome.problem:
        yield Check(f"{title}, jobs", False, outcome.problem)
    for kind, message in outcome.failed.items():
        yield Check(f"{title}, {kind} job", False, f"failed: {message}")
    for kind, view in outcome.views.items():
        returned = f"returned from {view.node} (allocation {outcome.job_id})"
        yield Check(f"{title}, {kind} job", True, f"{returned} after {outcome.returned_after_s:.0f} s")
    if not outcome.views:
        return
    kind, view = next(iter(outcome.views.items()))
    checks = [*node_checks(view, worker), root_check(view, jobs, kind)]
    if "dft" in outcome.views:
        method = None if campaign is None else campaign.reference.method
        checks.append(dft_check(outcome.views["dft"], method))
    with_gpus = next((each for each in outcome.views.values() if each.gpus is not None), None)
    if with_gpus is not None:
        checks.append(gpu_check(with_gpus, worker))
    for check in checks:
        yield Check(f"{title}, {check.name}", check.passed, check.message)


def node_checks(view: NodeView, worker: WorkerSettings) -> Iterator[Check]:
    """Yield the checks that concern jobs of every kind."""
    message = f"{view.python}, interphase {view.package_version}, {view.n_cores} cores"
    is_same = view.package_version == __version__
    hint = f"; on the login node it is {__version__}. Hint: install the same version on both"
    yield Check("Python", is_same, message if is_same else message + hint)
    if view.failed_lines:
        lines = view.failed_lines.rstrip("; ")
        yield Check("before", False, f"failed on {view.node}: {lines}. Hint: correct before of the worker")
    elif worker.before:
        yield Check("before", True, f"none of its {len(worker.before)} lines failed")
    yield Check("database", view.results.is_available, f"{view.results.message}, seen from {view.node}")
    files = view.files.message
    if not view.files.is_available:
        files += (
            f": {view.node} does not see what the login node stored there. Hint: artifacts_url (or root) must be the "
            "same place on both"
        )
    yield Check("files", view.files.is_available, files)
    if view.remaining_s is None:
        time = (
            "a job does not know when Slurm ends it (no SLURM_JOB_END_TIME, and squeue does not respond on the node). "
            "Hint: set INTERPHASE_WALLTIME_S in the worker's environment"
        )
    else:
        minutes = math.floor(view.remaining_s / 60.0)
        time = f"stops at a checkpoint after {minutes} min, by {view.limit_source}"
    yield Check("time", view.remaining_s is not None, time)


def root_check(view: NodeView, jobs: CheckJobs, kind: str) -> Check:
    """Check that login node and node each see what the other wrote below the root."""
    hint = "Hint: root must be a folder that the login node and all nodes share"
    if not view.root.is_available:
        return Check("root", False, f"{view.root.message}. {hint}")
    path = jobs.folder / from_node(kind)
    try:
        is_same = path.read_text(encoding="utf-8") == reply_to(jobs.nonce)
    except OSError as error:
        reason = f"{path}: written by {view.node}, but not readable here ({error.strerror})"
        return Check("root", False, f"{reason}. {hint}")
    if not is_same:
        return Check("root", False, f"{path}: not the file that {view.node} wrote. {hint}")
    return Check("root", True, f"{view.root.message}, read and written from both sides")


def dft_check(view: NodeView, method: str | None) -> Check:
    """Check that the reference method of a campaign is available; without a campaign, list the DFT codes."""
    assert view.vasp is not None
    assert view.gpaw is not None
    codes = {"vasp": view.vasp, "gpaw": view.gpaw}
    if method is not None and method not in codes:
        return Check("DFT", True, f"not needed: labels are computed by {method}")
    if method is not None:
        return Check("DFT", codes[method].is_available, codes[method].message)
    available = "; ".join(each.message for each in codes.values() if each.is_available)
    if available:
        return Check("DFT", True, available)
    messages = "; ".join(each.message for each in codes.values())
    hint = "needed only by campaigns with DFT labels, which interphase check FILE --cluster checks"
    return Check("DFT", True, f"none ({messages}): {hint}")


def gpu_check(view: NodeView, worker: WorkerSettings) -> Check:
    """Check that the requested GPUs are available and used."""
    gpus = view.gpus or ()
    if worker.gpus == 0 and view.device == "cpu":
        return Check("GPU", True, "none requested; potentials run on cores")
    names = ", ".join(gpus)
    if len(gpus) < max(worker.gpus, 1):
        message = (
            f"{worker.gpus} requested, torch {view.torch_version} can use {len(gpus)} ({view.nvidia_smi}). Hint: check "
            "gpus and partition of the worker, and whether torch on the node is built for CUDA"
        )
    elif view.device == "cpu":
        message = f"{names}, but not used. Hint: environment: {{INTERPHASE_DEVICE: cuda}}"
    else:
        return Check("GPU", True, f"{names} by torch {view.torch_version}")
    return Check("GPU", False, message)
