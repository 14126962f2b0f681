"""Probe jobs for a check of a cluster: one of every kind, through an allocation of every worker.

The jobs have separate FireWorks categories, so that no other worker takes them and their workers take no other job.
Their allocations have names that ``interphase launch`` does not count. Everything is removed at the end.
"""

import contextlib
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from interphase_flows.exceptions import SettingsError
from interphase_flows.runners.cluster_settings import launch_folder, mongodb_settings
from interphase_flows.runners.fireworks.launchpad import open_launchpad
from interphase_flows.runners.fireworks.retrying_launchpad import RetryingLaunchPad
from interphase_flows.runners.fireworks.worker import WorkerRun, work, worker_settings
from interphase_flows.runners.site_check.diagnosis import (
    MAX_LINE_CHARACTERS,
    diagnose,
    state_summary,
    without_password,
)
from interphase_flows.runners.site_check.node_probe import (
    CAMPAIGN,
    FAILED_LINES,
    FROM_LOGIN,
    VIEW,
    DftParameters,
    NodeView,
)
from interphase_flows.runners.slurm import (
    cancel_jobs,
    format_walltime,
    job_record,
    queue_adapter,
    submit_script,
)
from interphase_flows.runtime.progress import emit
from interphase_flows.runtime.walltime import MARGIN_S
from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.settings import JobKind, Settings, WorkerSettings
from interphase_flows.storage.workspace import Workspace

STAGE = "cluster check"
POLL_INTERVAL_S = 1.0
MAX_POLL_INTERVAL_S = 10.0
"""Every poll queries Slurm's controller, which also serves other users, once per allocation."""

CANCELLED_WITHIN_S = 60.0
PROBE_TIME_S = 600.0
"""Walltime of the allocations, beyond what is reserved for stopping at checkpoints."""


@dataclass
class Outcome:
    """Outcome of the probe jobs of a worker.

    ``job_id`` is None if Slurm rejected the allocation; ``failed`` has the last lines of tracebacks, and ``problem`` is
    why jobs did not return.
    """

    worker: str
    job_id: str | None = None
    views: dict[JobKind, NodeView] = field(default_factory=dict)
    returned_after_s: float = 0.0
    failed: dict[JobKind, str] = field(default_factory=dict)
    problem: str = ""


def check_category(token: str, worker: str, kind: str) -> str:
    """Return the category of a probe job, which differs between workers that take the same kind."""
    return f"check-{token}-{worker}-{kind}"


def check_folder(settings: Settings, name: str, token: str) -> Path:
    """Return the folder for scripts and logs of a check's allocations, beside that of the worker."""
    return launch_folder(settings, name).parent / f"check-{token}" / name


def work_on_check(settings: Settings, name: str, token: str) -> WorkerRun:
    """Run the probe jobs of a check that are meant for a worker, and no other jobs."""
    worker = worker_settings(settings, name)
    categories = tuple(check_category(token, name, kind) for kind in worker.kinds)
    changed = worker.model_copy(update={"kinds": categories, "wait_for_work_s": 0.0})
    return work(_with_worker(settings, name, changed), name, check_folder(settings, name, token))


def _with_worker(settings: Settings, name: str, worker: WorkerSettings) -> Settings:
    workers = dict(settings.cluster.workers) | {name: worker}
    return settings.model_copy(update={"cluster": settings.cluster.model_copy(update={"workers": workers})})


class CheckJobs:
    """The probe jobs of a check, as a context manager that removes all traces at its end."""

    def __init__(self, settings: Settings, workers: Sequence[str], dft_parameters: DftParameters):
        self._settings, self._workers, self._dft_parameters = settings, workers, dft_parameters
        self.token = secrets.token_hex(4)
        self.nonce = secrets.token_hex(16)
        self.folder = settings.root / f"interphase-check-{self.token}"
        self._launches = check_folder(settings, "any", self.token).parent
        self._created: list[Path] = []
        self._fw_ids: dict[int, tuple[str, JobKind]] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._launchpad: RetryingLaunchPad | None = None
        self._workspace = Workspace(settings, CAMPAIGN)
        self._artifact: ArtifactRef | None = None

    def __enter__(self) -> Self:
        self._created = [each for each in (self._launches.parent, self._settings.root) if not each.exists()]
        try:
            self._artifact = self._workspace.artifacts.put_bytes(self.nonce.encode(), "checks", ".txt")
            self._launchpad = open_launchpad(self._settings)
            self.folder.mkdir(parents=True)
            (self.folder / FROM_LOGIN).write_text(self.nonce, encoding="utf-8")
            for name in self._workers:
                self._submit(name, self._launchpad, self._artifact)
        except BaseException:
            self.clear()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.clear()

    def _submit(self, name: str, launchpad: RetryingLaunchPad, artifact: ArtifactRef) -> None:
        from fireworks import Firework

        from interphase_flows.runners.site_check.node_probe import ProbeFiretask

        worker = self._settings.cluster.workers[name]
        outcome = self._outcomes[name] = Outcome(name)
        # Bash itself records every line of `before` that fails; `exit` and the like still have their usual effect
        trap = f"""trap 'export {FAILED_LINES}="${{{FAILED_LINES}}}$BASH_COMMAND; "' ERR"""
        traced = worker.model_copy(update={"before": (trap, *worker.before, "trap - ERR")})
        settings = _with_worker(self._settings, name, traced)
        walltime_s = min(worker.walltime_s, self._settings.cluster.signal_before_end_s + MARGIN_S + PROBE_TIME_S)
        for kind in worker.kinds:
            task = ProbeFiretask(
                kind=kind,
                folder=str(self.folder),
                nonce=self.nonce,
                artifact=artifact.model_dump(),
                **(self._dft_parameters if kind == "dft" else {}),
            )
            spec = {"_category": check_category(self.token, name, kind)}
            new = launchpad.add_wf(Firework([task], spec=spec, name=f"check of {kind}"))
            self._fw_ids[next(iter(new.values()))] = (name, kind)
        folder = check_folder(self._settings, name, self.token)
        script = queue_adapter(settings, name, ("--check", self.token)).get_script_str(str(folder))
        # options of the command line override those of the script
        options = [f"--time={format_walltime(walltime_s)}", f"--job-name=if-check-{self.token}-{name}"]
        try:
            outcome.job_id = submit_script(script, folder, options)
        except SettingsError as error:
            outcome.problem = f"Slurm rejects the allocation: {error}"

    def outcomes(self, timeout_s: float) -> Iterator[Outcome]:
        """Yield the outcome of each worker as soon as it is known, and of the remaining ones after the timeout."""
        start = time.monotonic()
        pending = dict(self._outcomes)
        while pending:
            is_over = time.monotonic() - start > timeout_s
            states = []
            for name, outcome in list(pending.items()):
                record = None if outcome.job_id is None else job_record(outcome.job_id)
                # query Slurm first: a job that ended before that is then found done
                is_done = self._collect(outcome)
                outcome.returned_after_s = time.monotonic() - start
                has_ended = record is None or not record.is_alive
                if is_done or has_ended or is_over:
                    if not is_done and not outcome.problem:
                        folder = check_folder(self._settings, name, self.token)
                        store = mongodb_settings(self._settings)
                        outcome.problem = diagnose(name, str(outcome.job_id), record, timeout_s, folder, store)
                    del pending[name]
                    yield outcome
                else:
                    states.append(f"{name}: {state_summary(record)}")
            emit(STAGE, len(self._outcomes) - len(pending), len(self._outcomes), ", ".join(states))
            if pending:
                # a tenth of the time waited so far: no outcome is late by more than that
                waited_s = time.monotonic() - start
                time.sleep(min(max(waited_s / 10.0, POLL_INTERVAL_S), MAX_POLL_INTERVAL_S))

    def _collect(self, outcome: Outcome) -> bool:
        """Store the results of a worker's jobs that have ended; return whether all have."""
        assert self._launchpad is not None
        mine = {fw_id: kind for fw_id, (name, kind) in self._fw_ids.items() if name == outcome.worker}
        of_ended = {"fw_id": {"$in": list(mine)}, "state": {"$in": ["COMPLETED", "FIZZLED"]}}
        ended = self._launchpad.fireworks.find(of_ended, {"fw_id": 1, "state": 1, "launches": 1})
        for firework in ended:
            kind = mine[firework["fw_id"]]
            launch = self._launchpad.launches.find_one({"launch_id": firework["launches"][-1]})
            stored = ((launch or {}).get("action") or {}).get("stored_data") or {}
            if VIEW in stored:
                outcome.views[kind] = NodeView.model_validate(stored[VIEW])
            else:
                trace = str((stored.get("_exception") or {}).get("_stacktrace", ""))
                last = (trace.strip() or "no error output").splitlines()[-1]
                outcome.failed[kind] = without_password(last, mongodb_settings(self._settings))[:MAX_LINE_CHARACTERS]
        return len(ended) == len(mine)

    def clear(self) -> None:
        """Cancel the remaining allocations, wait for their end, and remove jobs, files and folders."""
        # allocations whose jobs have returned end by themselves; one that still waits, as after Ctrl-C, does not
        done = [each.job_id for each in self._outcomes.values() if each.job_id and self._has_returned(each)]
        wait_until_ended(done)
        alive = [each.job_id for each in self._outcomes.values() if each.job_id and _is_alive(each.job_id)]
        if alive:
            with contextlib.suppress(SettingsError):
                cancel_jobs(alive)
        wait_until_ended(alive)
        try:
            self._remove_jobs()
        finally:
            self._remove_files()

    def _has_returned(self, outcome: Outcome) -> bool:
        kinds = self._settings.cluster.workers[outcome.worker].kinds
        return all(kind in outcome.views or kind in outcome.failed for kind in kinds)

    def _remove_jobs(self) -> None:
        if self._launchpad is None:
            return
        ids = {"$in": list(self._fw_ids)}
        self._launchpad.launches.delete_many({"fw_id": ids})
        self._launchpad.fireworks.delete_many({"fw_id": ids})
        self._launchpad.workflows.delete_many({"nodes": ids})
        self._launchpad.close()
        self._launchpad = None

    def _remove_files(self) -> None:
        if self._artifact is not None:
            self._workspace.artifacts.discard(self._artifact)
        self._workspace.close()
        for folder in (self.folder, self._launches):
            shutil.rmtree(folder, ignore_errors=True)
        for folder in self._created:
            with contextlib.suppress(OSError):
                folder.rmdir()


def wait_until_ended(job_ids: Sequence[str]) -> None:
    """Wait until Slurm has ended jobs, for a minute at most."""
    end = time.monotonic() + CANCELLED_WITHIN_S
    while any(_is_alive(job_id) for job_id in job_ids) and time.monotonic() < end:
        time.sleep(POLL_INTERVAL_S)


def _is_alive(job_id: str) -> bool:
    """Return whether a job is still in Slurm; False if Slurm does not respond."""
    try:
        record = job_record(job_id)
    except SettingsError:
        return False
    return record is not None and record.is_alive
