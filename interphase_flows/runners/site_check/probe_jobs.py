"""Trivial jobs for a check of a cluster: one of every kind, through an allocation of every worker, and back.

They have categories of their own, so that no other worker takes them and theirs take no others' jobs; their
allocations have names that ``interphase launch`` does not count. All of it is taken away at the end.
"""

import contextlib
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from interphase_flows.exceptions import SettingsError
from interphase_flows.runners.fireworks.launchpad import mongodb_of, open_launchpad
from interphase_flows.runners.fireworks.worker import Shift, work, worker_settings
from interphase_flows.runners.site_check.diagnosis import LONGEST_WORDS, told_state, why_not, without_password
from interphase_flows.runners.slurm.allocations import launch_folder, queue_adapter, submit_script
from interphase_flows.runners.slurm.commands import job_record, run_slurm, told_walltime
from interphase_flows.runtime.progress import emit
from interphase_flows.runtime.walltime import MARGIN_S
from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.settings import JobKind, Settings, WorkerSettings
from interphase_flows.storage.workspace import Workspace

if TYPE_CHECKING:
    from fireworks.core.launchpad import LaunchPad

    from interphase_flows.runners.site_check.node_probe import NodeView

STAGE = "cluster check"
CAMPAIGN = "interphase-check"
FROM_LOGIN = "from-login"
"""File of the login node below the root, which a node must see."""

FAILED_LINES = "INTERPHASE_CHECK_FAILED_LINES"
"""Variable with the lines of ``before`` that failed in an allocation."""

LOOK_INTERVAL_S = 1.0
LONGEST_LOOK_INTERVAL_S = 10.0
"""Slurm's controller is asked for every allocation, and serves others, too."""

ENDS_WITHIN_S = 60.0
NEEDS_S = 600.0
"""Of walltime, after all that is kept for putting work down."""


@dataclass
class Outcome:
    """What became of the jobs of a worker.

    Attributes
    ----------
    worker, job_id
        The worker and its allocation; no ``job_id`` if Slurm refused it.
    views
        What the jobs that came back saw, by kind.
    came_back_after_s
        Seconds from the submission to the last one.
    failed
        Kinds whose job failed, with its last words.
    told
        Why jobs did not come back; empty if they did.
    """

    worker: str
    job_id: str | None = None
    views: "dict[JobKind, NodeView]" = field(default_factory=dict)
    came_back_after_s: float = 0.0
    failed: dict[JobKind, str] = field(default_factory=dict)
    told: str = ""


def check_category(token: str, worker: str, kind: str) -> str:
    """Return the category of a check's job: of two workers that take the same kind, each takes its own."""
    return f"check-{token}-{worker}-{kind}"


def check_folder(settings: Settings, name: str, token: str) -> Path:
    """Return where the allocations of a check have their scripts and logs: beside those of the worker."""
    return launch_folder(settings, name).parent / f"check-{token}" / name


def work_on_check(settings: Settings, name: str, token: str) -> Shift:
    """Run the jobs of a check that are of a worker's kinds: as `work` does, but no others."""
    worker = worker_settings(settings, name)
    categories = tuple(check_category(token, name, kind) for kind in worker.kinds)
    changed = worker.model_copy(update={"kinds": categories, "wait_for_work_s": 0.0})
    return work(_with_worker(settings, name, changed), name, check_folder(settings, name, token))


def _with_worker(settings: Settings, name: str, worker: WorkerSettings) -> Settings:
    workers = dict(settings.cluster.workers) | {name: worker}
    return settings.model_copy(update={"cluster": settings.cluster.model_copy(update={"workers": workers})})


class CheckJobs:
    """The jobs of a check; a context manager that leaves nothing behind.

    Parameters
    ----------
    settings
        Settings of the login node.
    workers
        Names of those to send jobs through.
    further
        Further parameters of `ProbeFiretask`: ``vasp``, ``elements``.
    """

    def __init__(self, settings: Settings, workers: Sequence[str], further: dict[str, Any]):
        self._settings, self._workers, self._further = settings, workers, further
        self.token = secrets.token_hex(4)
        self.word = secrets.token_hex(16)
        self.folder = settings.root / f"interphase-check-{self.token}"
        self._launches = check_folder(settings, "any", self.token).parent
        self._made: list[Path] = []
        self._fw_ids: dict[int, tuple[str, JobKind]] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._launchpad: LaunchPad | None = None
        self._workspace = Workspace(settings, CAMPAIGN)
        self._artifact: ArtifactRef | None = None

    def __enter__(self) -> Self:
        self._made = [each for each in (self._launches.parent, self._settings.root) if not each.exists()]
        try:
            self._artifact = self._workspace.artifacts.put_bytes(self.word.encode(), "checks", ".txt")
            self._launchpad = open_launchpad(self._settings)
            self._write_word()
            for name in self._workers:
                self._submit(name)
        except BaseException:
            self.clear()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def _write_word(self) -> None:
        self.folder.mkdir(parents=True)
        (self.folder / FROM_LOGIN).write_text(self.word, encoding="utf-8")

    def _submit(self, name: str) -> None:
        from fireworks import Firework

        from interphase_flows.runners.site_check.node_probe import ProbeFiretask

        assert self._launchpad is not None
        assert self._artifact is not None
        worker = self._settings.cluster.workers[name]
        outcome = self._outcomes[name] = Outcome(name)
        # of every line of `before` that fails, Bash itself tells; `exit` and the like do what they always do
        trap = f"""trap 'export {FAILED_LINES}="${{{FAILED_LINES}}}$BASH_COMMAND; "' ERR"""
        traced = worker.model_copy(update={"before": (trap, *worker.before, "trap - ERR")})
        settings = _with_worker(self._settings, name, traced)
        walltime_s = min(worker.walltime_s, self._settings.cluster.signal_before_end_s + MARGIN_S + NEEDS_S)
        for kind in worker.kinds:
            task = ProbeFiretask(
                kind=kind,
                folder=str(self.folder),
                word=self.word,
                artifact=self._artifact.model_dump(),
                **(self._further if kind == "dft" else {}),
            )
            spec = {"_category": check_category(self.token, name, kind)}
            new = self._launchpad.add_wf(Firework([task], spec=spec, name=f"check of {kind}"))
            self._fw_ids[next(iter(new.values()))] = (name, kind)
        folder = check_folder(self._settings, name, self.token)
        script = queue_adapter(settings, name, ("--check", self.token)).get_script_str(str(folder))
        # what is said here wins over what the script says
        options = [f"--time={told_walltime(walltime_s)}", f"--job-name=if-check-{self.token}-{name}"]
        try:
            outcome.job_id = submit_script(script, folder, options)
        except SettingsError as error:
            outcome.told = f"Slurm refuses the allocation: {error}"

    def outcomes(self, timeout_s: float) -> Iterator[Outcome]:
        """Yield what became of each worker's jobs, as soon as it is known; after the timeout, of those left."""
        began = time.monotonic()
        open_ones = dict(self._outcomes)
        while open_ones:
            is_over = time.monotonic() - began > timeout_s
            states = []
            for name, outcome in list(open_ones.items()):
                record = None if outcome.job_id is None else job_record(outcome.job_id)
                # after the question to Slurm: a job that ended before it is then found done
                is_done = self._look(outcome)
                outcome.came_back_after_s = time.monotonic() - began
                has_ended = record is None or not record.is_alive
                if is_done or has_ended or is_over:
                    if not is_done and not outcome.told:
                        folder = check_folder(self._settings, name, self.token)
                        store = mongodb_of(self._settings)
                        outcome.told = why_not(name, str(outcome.job_id), record, timeout_s, folder, store)
                    del open_ones[name]
                    yield outcome
                else:
                    states.append(f"{name}: {told_state(record)}")
            emit(STAGE, len(self._outcomes) - len(open_ones), len(self._outcomes), ", ".join(states))
            if open_ones:
                # a tenth of what they waited so far: an answer is late by no more than that
                waited_s = time.monotonic() - began
                time.sleep(min(max(waited_s / 10.0, LOOK_INTERVAL_S), LONGEST_LOOK_INTERVAL_S))

    def _look(self, outcome: Outcome) -> bool:
        """Take in the jobs that ended; True if all did."""
        from interphase_flows.runners.site_check.node_probe import VIEW, NodeView

        assert self._launchpad is not None
        mine = {fw_id: kind for fw_id, (name, kind) in self._fw_ids.items() if name == outcome.worker}
        fields = {"fw_id": 1, "state": 1, "launches": 1}
        ended = list(
            self._launchpad.fireworks.find(
                {"fw_id": {"$in": list(mine)}, "state": {"$in": ["COMPLETED", "FIZZLED"]}}, fields
            )
        )
        for firework in ended:
            kind = mine[firework["fw_id"]]
            launch = self._launchpad.launches.find_one({"launch_id": firework["launches"][-1]})
            stored = ((launch or {}).get("action") or {}).get("stored_data") or {}
            if VIEW in stored:
                outcome.views[kind] = NodeView.model_validate(stored[VIEW])
            else:
                trace = str((stored.get("_exception") or {}).get("_stacktrace", ""))
                last = (trace.strip() or "it left no words").splitlines()[-1]
                outcome.failed[kind] = without_password(last, mongodb_of(self._settings))[:LONGEST_WORDS]
        return len(ended) == len(mine)

    def clear(self) -> None:
        """Cancel allocations that are left, wait for their end, and take away jobs, files and folders."""
        # those whose jobs came back end by themselves; one that still waits, as at Ctrl-C, would not
        done = [each.job_id for each in self._outcomes.values() if each.job_id and self._came_back(each)]
        wait_for_the_end(done)
        alive = [each.job_id for each in self._outcomes.values() if each.job_id and _is_alive(each.job_id)]
        if alive:
            with contextlib.suppress(SettingsError):
                run_slurm(["scancel", *alive])
        wait_for_the_end(alive)
        try:
            self._remove_jobs()
        finally:
            self._remove_files()

    def _came_back(self, outcome: Outcome) -> bool:
        kinds = self._settings.cluster.workers[outcome.worker].kinds
        return all(kind in outcome.views or kind in outcome.failed for kind in kinds)

    def _remove_jobs(self) -> None:
        if self._launchpad is None:
            return
        ids = {"$in": list(self._fw_ids)}
        self._launchpad.launches.delete_many({"fw_id": ids})
        self._launchpad.fireworks.delete_many({"fw_id": ids})
        self._launchpad.workflows.delete_many({"nodes": ids})
        self._launchpad.connection.close()
        self._launchpad = None

    def _remove_files(self) -> None:
        if self._artifact is not None:
            self._workspace.artifacts.discard(self._artifact)
        self._workspace.close()
        for folder in (self.folder, self._launches):
            shutil.rmtree(folder, ignore_errors=True)
        for folder in self._made:
            with contextlib.suppress(OSError):
                folder.rmdir()


def wait_for_the_end(job_ids: Sequence[str]) -> None:
    """Return when Slurm has ended jobs, or after a minute."""
    end = time.monotonic() + ENDS_WITHIN_S
    while any(_is_alive(job_id) for job_id in job_ids) and time.monotonic() < end:
        time.sleep(LOOK_INTERVAL_S)


def _is_alive(job_id: str) -> bool:
    """Whether Slurm has it still; False if it does not answer."""
    try:
        record = job_record(job_id)
    except SettingsError:
        return False
    return record is not None and record.is_alive
