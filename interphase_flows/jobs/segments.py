"""The job that advances a molecular-dynamics run by one segment."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ase import Atoms
from jobflow import Maker, job

from interphase_flows.campaign.exploration import DynamicsSpec
from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import DynamicsError, InputError, WalltimeReachedError
from interphase_flows.jobs.caching import cached_exclusive
from interphase_flows.jobs.committee import load_committee
from interphase_flows.jobs.structures.structure_sets import load_set
from interphase_flows.md.candidates import pack_candidates
from interphase_flows.md.checkpoint import Checkpoint, read_checkpoint
from interphase_flows.md.dynamics import LangevinNVT
from interphase_flows.md.segment import run_segment
from interphase_flows.md.uncertainty_monitor import UncertaintyMonitor
from interphase_flows.runtime.progress import emit
from interphase_flows.runtime.walltime import deadline
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.segment import SegmentDoc, Walker
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.storage.workspace import current_workspace

KIND = "segments"
BROKEN = ("close_contact", "runaway_temperature", "not_finite", "failed")
ENDS_WITH_A_BREAK = ("production", "transport")
"""Roles of runs that do not continue after a broken segment."""


@dataclass
class SegmentMaker(Maker):
    """Advance a molecular-dynamics run by one segment.

    A segment ends after ``n_steps``, or when the uncertainty monitor stops it; both leave a checkpoint that resumes the
    run. A broken run (close contact, runaway temperature) is recorded as a document and is not an error.

    Parameters
    ----------
    frame_interval_steps, uncertainty_interval_steps, checkpoint_interval_steps
        Steps between stored frames, between evaluations by all committee members, and between checkpoints.
    stops_when_uncertain
        Whether the ``stop`` level of the committee ends the segment; production only records the uncertainty.
    runaway_temperature_factor, min_distance_fraction
        Limits beyond which a run is broken.
    equilibration_fs
        Time excluded from the mean temperature.
    is_new_run
        Start from the atoms of the previous segment, which belongs to another run, with new momenta and random
        numbers. Runs that continue from the same checkpoint share the random numbers of their thermostats.
    """

    name: str = "MD segment"
    dynamics: DynamicsSpec = field(default_factory=DynamicsSpec)
    n_steps: int = 50_000
    frame_interval_steps: int = 50
    uncertainty_interval_steps: int = 20
    checkpoint_interval_steps: int = 1000
    stops_when_uncertain: bool = True
    runaway_temperature_factor: float = 3.0
    min_distance_fraction: float = 0.5
    equilibration_fs: float = 0.0
    is_new_run: bool = False

    @job(output_schema=SegmentDoc)
    def make(
        self,
        walker: Walker,
        starts: StructureSetDoc | None,
        committee: CommitteeDoc | None,
        previous: SegmentDoc | None = None,
    ) -> SegmentDoc:
        """Advance from a structure of a set, or from the checkpoint of the walker or its previous segment.

        Raises
        ------
        InputError
            The job that should have made the committee, the set or the previous segment failed.
        """
        if committee is None:
            raise InputError(f"{walker.run_id} has no committee: the active-learning loop did not finish")
        if starts is None and previous is None:
            raise InputError(
                f"{walker.run_id} has no initial structure. Hint: interphase query failures "
                "failed_kind=structure_sets, or failed_kind=segments, shows the reason"
            )
        if previous is not None:
            walker = walker.model_copy(
                update={
                    "continue_from": previous.continue_from,
                    "continue_state": previous.continue_state,
                    "last_step": 0 if self.is_new_run else previous.last_step,
                }
            )
        monitor = UncertaintyMonitor(
            interval_steps=self.uncertainty_interval_steps,
            select_force_std_eV_per_angstrom=committee.select_force_std_eV_per_angstrom,
            stop_force_std_eV_per_angstrom=committee.stop_force_std_eV_per_angstrom
            if self.stops_when_uncertain
            else None,
            close_contact_fraction=self.min_distance_fraction,
            max_temperature_factor=self.runaway_temperature_factor,
            candidate_window_steps=self.uncertainty_interval_steps,
        )
        key = content_key(
            KIND,
            start=walker.continue_state or _first_key(walker, starts, previous),
            run_id=walker.run_id,
            seed=walker.seed,
            committee=committee.key,
            dynamics=self.dynamics,
            n_steps=self.n_steps,
            frame_interval_steps=self.frame_interval_steps,
            # a broken run returns to its last checkpoint, so the interval changes the result
            checkpoint_interval_steps=self.checkpoint_interval_steps,
            equilibration_fs=self.equilibration_fs,
            monitor=monitor,
            broken=previous.key if previous is not None and previous.stop_reason in BROKEN else None,
            is_new_run=self.is_new_run,
        )
        return cached_exclusive(
            KIND,
            key,
            SegmentDoc,
            deadline(current_workspace().settings),
            f"a segment of {walker.role} {walker.run_id}",
            lambda folder: self._advance(key, walker, starts, committee, previous, monitor, folder),
        )

    def _advance(
        self,
        key: str,
        walker: Walker,
        starts: StructureSetDoc | None,
        committee: CommitteeDoc,
        previous: SegmentDoc | None,
        monitor: UncertaintyMonitor,
        folder: Path,
    ) -> SegmentDoc:
        workspace = current_workspace()
        document = SegmentDoc(
            key=key,
            run_id=walker.run_id,
            role=walker.role,
            seed=walker.seed,
            committee_key=committee.key,
            stop_reason="failed",
            first_step=walker.last_step,
            last_step=walker.last_step,
            n_atoms=_n_atoms(walker, starts, previous),
            timestep_fs=self.dynamics.timestep_fs,
            temperature_target_K=self.dynamics.temperature_K,
            continue_from=walker.continue_from,
            continue_state=walker.continue_state,
        )
        if walker.role in ENDS_WITH_A_BREAK and previous is not None and previous.stop_reason in BROKEN:
            run = "this run" if previous.run_id == walker.run_id else previous.run_id
            return document.model_copy(
                update={
                    "stop_reason": previous.stop_reason,
                    "explanation": f"not started: segment {previous.key} of {run} ended with {previous.stop_reason}",
                }
            )
        start: Atoms | Checkpoint
        if walker.continue_from is not None:
            checkpoint = read_checkpoint(workspace.artifacts.get(walker.continue_from))
            start = checkpoint.atoms() if self.is_new_run else checkpoint
        elif starts is not None:
            start = load_set(starts)[walker.index]
        else:
            raise InputError(f"{walker.run_id}: segment {document.key} has no checkpoint to continue from")
        label = f"{walker.role} {walker.run_id}"
        end = deadline(workspace.settings)
        try:
            result = run_segment(
                start,
                load_committee(committee.models),
                LangevinNVT(**self.dynamics.model_dump()),
                self.n_steps,
                walker.seed,
                folder,
                monitor,
                self.frame_interval_steps,
                self.checkpoint_interval_steps,
                on_progress=lambda step, n_steps, info: emit(
                    label,
                    step,
                    n_steps,
                    f"{info['temperature_K']:.0f} K, uncertainty {info['uncertainty_eV_per_angstrom']:.2f} eV/Å",
                ),
                stop_requested=lambda: end.is_over,
            )
        except DynamicsError as error:
            workspace.ledger.record_failure(KIND, key, "failed", {"explanation": str(error), "run_id": walker.run_id})
            return document.model_copy(update={"explanation": str(error)})
        if result.stop_reason == "walltime":
            end.check(f"the end of {label}, at step {result.stop_step}")
            raise WalltimeReachedError(
                f"{label} stopped at step {result.stop_step} (walltime). Hint: resume to continue"
            )
        is_equilibrated = result.evaluation_step * self.dynamics.timestep_fs >= self.equilibration_fs
        temperatures_K = result.evaluation_temperature_K[is_equilibrated]
        last = read_checkpoint(result.last_good_checkpoint)  # after a break, the last one before it
        return document.model_copy(
            update={
                "stop_reason": result.stop_reason,
                "explanation": f"at step {result.stop_step}: {result.detail}" if result.detail else "",
                "first_step": result.first_step,
                "last_step": last.step,
                "temperature_mean_K": float(temperatures_K.mean()) if len(temperatures_K) else None,
                "temperature_std_K": float(temperatures_K.std()) if len(temperatures_K) else None,
                "n_temperatures": len(temperatures_K),
                "continue_from": workspace.artifacts.put_file(result.last_good_checkpoint, "checkpoints", ".npz"),
                "continue_state": last.state_sha256(),
                "trajectory": workspace.artifacts.put_file(result.trajectory, "trajectories", ".zarr.zip"),
                "candidates": workspace.artifacts.put_bytes(pack_candidates(result.candidates), "candidates", ".npz")
                if result.candidates
                else None,
                "n_candidates": len(result.candidates),
                "uncertainty_steps": [int(step) for step in result.evaluation_step],
                "uncertainty_eV_per_angstrom": [float(u) for u in result.uncertainty_eV_per_angstrom],
                "wall_time_s": result.wall_time_s,
                "notes": result.notes,
            }
        )


def _first_key(walker: Walker, starts: StructureSetDoc | None, previous: SegmentDoc | None) -> str:
    """Return the key of the start of a run without a checkpoint: a structure, or a segment that broke immediately."""
    if starts is not None:
        return starts.entries[walker.index].key
    return "" if previous is None else previous.key


def _n_atoms(walker: Walker, starts: StructureSetDoc | None, previous: SegmentDoc | None) -> int:
    if previous is not None:
        return previous.n_atoms
    return 0 if starts is None else starts.entries[walker.index].n_atoms


def advance_walkers(walkers: Sequence[Walker], segments: Sequence[SegmentDoc | None]) -> list[Walker]:
    """Return walkers at the end of their segments; a broken run continues from its last good checkpoint.

    A walker that broke before its first checkpoint restarts with another seed.
    """
    result = []
    by_run = {segment.run_id: segment for segment in segments if segment is not None}
    for walker in walkers:
        segment = by_run.get(walker.run_id)
        if segment is None:
            result.append(walker)  # the failed job is recorded; the next committee repeats it
        elif segment.stop_reason in BROKEN and segment.continue_state == walker.continue_state:
            result.append(walker.model_copy(update={"seed": walker.seed + 1, "n_restarts": walker.n_restarts + 1}))
        else:
            result.append(
                walker.model_copy(
                    update={
                        "continue_from": segment.continue_from,
                        "continue_state": segment.continue_state,
                        "last_step": segment.last_step,
                    }
                )
            )
    return result
