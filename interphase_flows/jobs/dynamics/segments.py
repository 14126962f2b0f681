"""The job that advances a molecular-dynamics run by one segment."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ase import Atoms

from interphase_flows.campaign.exploration import DynamicsSpec
from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import DynamicsError, InputError, WalltimeReachedError
from interphase_flows.jobs.caching import cached_exclusive
from interphase_flows.jobs.dynamics.segment_observables import observables
from interphase_flows.jobs.dynamics.walkers import at_end_of
from interphase_flows.jobs.hints import query_command
from interphase_flows.jobs.inputs import JobMaker, as_atoms, open_job
from interphase_flows.jobs.potentials import Potential, load_potential, potential_key
from interphase_flows.jobs.structures.structure_sets import load_set
from interphase_flows.md.candidates import pack_candidates
from interphase_flows.md.checkpoint import read_checkpoint
from interphase_flows.md.run_limits import RunLimits
from interphase_flows.md.segment import recorded_evaluation, run_segment
from interphase_flows.md.start_relaxation import StartRelaxation
from interphase_flows.md.uncertainty_monitor import UncertaintyMonitor
from interphase_flows.runtime.progress import emit
from interphase_flows.runtime.walltime import deadline
from interphase_flows.schemas.compiled_potential import CompiledPotentialDoc
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.segment import BROKEN, Role, SegmentDoc, Walker
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.storage.workspace import current_workspace
from interphase_flows.structures.structure_keys import structure_key

if TYPE_CHECKING:
    from pymatgen.core import Structure

KIND = "segments"
ENDS_WITH_A_BREAK = ("production", "transport")
"""Roles of runs that do not continue after a broken segment."""


@dataclass
class SegmentMaker(JobMaker):
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
    relaxation
        Limits of the relaxation of a new run before its first step; None for none.
    limits
        Limits that end a broken run, such as voids; None for none.
    equilibration_fs
        Time excluded from the mean temperature.
    is_new_run
        Start from the atoms of the previous segment, which belongs to another run, with new momenta and random
        numbers. Runs that continue from the same checkpoint share the random numbers of their thermostats.
    role, run_id, seed, index
        Purpose, name and seed of the run, and its initial structure in a set, where there is no walker.
    select_force_std_eV_per_angstrom, stop_force_std_eV_per_angstrom
        Standard deviation of a force from which a frame is a candidate for labelling, and from which the segment ends;
        by default those of a `CommitteeDoc`, else none. One potential alone has no uncertainty.
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
    relaxation: StartRelaxation | None = None
    limits: RunLimits | None = None
    equilibration_fs: float = 0.0
    is_new_run: bool = False
    role: Role = "explore"
    run_id: str = "run"
    seed: int = 1
    index: int = 0
    select_force_std_eV_per_angstrom: float | None = None
    stop_force_std_eV_per_angstrom: float | None = None

    @open_job(output_schema=SegmentDoc)
    def make(
        self,
        start: "Atoms | Structure | StructureSetDoc | SegmentDoc | None",
        potential: Potential | None,
        walker: Walker | None = None,
        compiled: CompiledPotentialDoc | None = None,
    ) -> SegmentDoc:
        """Advance from a structure, from the end of an earlier segment, or from the checkpoint of a walker.

        Parameters
        ----------
        start
            A structure, a set of structures, or the segment that this one continues.
        potential
            A committee, trained models, paths of NequIP files, or calculators; the first of several drives the
            dynamics, their standard deviation is the uncertainty.
        walker
            A run of the active-learning loop, instead of ``role``, ``run_id``, ``seed`` and ``index``.
        compiled
            Compiled graph of trained potentials, by default that of a committee; it is not in the content key.

        Raises
        ------
        InputError
            There is no start or potential, because its job failed; or they do not fit each other.
        """
        previous = start if isinstance(start, SegmentDoc) else None
        walker = walker or self._walker(previous)
        if potential is None:
            raise InputError(f"{walker.run_id} has no committee: the active-learning loop did not finish")
        if start is None:
            raise InputError(
                f"{walker.run_id} has no initial structure. Hint: "
                f"{query_command('failures failed_kind=structure_sets')}, or failed_kind=segments, shows the reason"
            )
        if previous is not None:
            walker = at_end_of(walker, previous)
            if self.is_new_run:
                walker = walker.model_copy(update={"last_step": 0})
        dynamics = self.dynamics
        if walker.temperature_K is not None:
            dynamics = dynamics.model_copy(update={"temperature_K": walker.temperature_K})
        is_start = self.is_new_run or (previous is None and walker.continue_from is None)
        relaxation = self.relaxation if is_start else None
        monitor = self._monitor(potential)
        key = content_key(
            KIND,
            start=walker.continue_state or _key_and_size(start, walker)[0],
            run_id=walker.run_id,
            seed=walker.seed,
            committee=potential_key(potential),
            dynamics=dynamics,
            n_steps=self.n_steps,
            frame_interval_steps=self.frame_interval_steps,
            # a broken run returns to its last checkpoint, so the interval changes the result
            checkpoint_interval_steps=self.checkpoint_interval_steps,
            equilibration_fs=self.equilibration_fs,
            monitor=monitor,
            broken=previous.key if previous is not None and previous.stop_reason in BROKEN else None,
            is_new_run=self.is_new_run,
            **({} if relaxation is None else {"relaxation": relaxation}),
            **({} if self.limits is None else {"limits": self.limits}),
        )
        return cached_exclusive(
            KIND,
            key,
            SegmentDoc,
            deadline(current_workspace().settings),
            f"a segment of {walker.role} {walker.run_id}",
            lambda folder: self._advance(
                key, start, potential, walker, dynamics, monitor, relaxation, folder, compiled
            ),
        )

    def _walker(self, previous: SegmentDoc | None) -> Walker:
        """Return the walker of a run that is not part of a loop; a continued run keeps its identity."""
        run = self if previous is None or self.is_new_run else previous
        return Walker(run_id=run.run_id, role=run.role, seed=run.seed, index=self.index)

    def _monitor(self, potential: Potential) -> UncertaintyMonitor:
        select, stop = self.select_force_std_eV_per_angstrom, self.stop_force_std_eV_per_angstrom
        if isinstance(potential, CommitteeDoc):
            select = potential.select_force_std_eV_per_angstrom if select is None else select
            stop = potential.stop_force_std_eV_per_angstrom if stop is None else stop
        return UncertaintyMonitor(
            interval_steps=self.uncertainty_interval_steps,
            select_force_std_eV_per_angstrom=select,
            stop_force_std_eV_per_angstrom=stop if self.stops_when_uncertain else None,
            close_contact_fraction=self.min_distance_fraction,
            max_temperature_factor=self.runaway_temperature_factor,
            candidate_window_steps=self.uncertainty_interval_steps,
        )

    def _advance(
        self,
        key: str,
        start: "Atoms | Structure | StructureSetDoc | SegmentDoc",
        potential: Potential,
        walker: Walker,
        spec: DynamicsSpec,
        monitor: UncertaintyMonitor,
        relaxation: StartRelaxation | None,
        folder: Path,
        compiled: CompiledPotentialDoc | None,
    ) -> SegmentDoc:
        workspace = current_workspace()
        previous = start if isinstance(start, SegmentDoc) else None
        document = SegmentDoc(
            key=key,
            run_id=walker.run_id,
            role=walker.role,
            seed=walker.seed,
            committee_key=potential_key(potential),
            stop_reason="failed",
            first_step=walker.last_step,
            last_step=walker.last_step,
            n_atoms=_key_and_size(start, walker)[1],
            timestep_fs=spec.timestep_fs,
            temperature_target_K=spec.temperature_K,
            pressure_target_GPa=spec.pressure_GPa if spec.ensemble == "npt" else None,
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
        if walker.continue_from is not None:
            checkpoint = read_checkpoint(workspace.artifacts.get(walker.continue_from))
            state, atoms = checkpoint, checkpoint.atoms()
        elif previous is None:
            state = atoms = load_set(start)[walker.index] if isinstance(start, StructureSetDoc) else as_atoms(start)
        else:
            raise InputError(f"{walker.run_id}: segment {previous.key} has no checkpoint to continue from")
        label = f"{walker.role} {walker.run_id}"
        dynamics = spec.langevin()
        end = deadline(workspace.settings)
        try:
            committee = load_potential(potential, atoms, recorded_evaluation(folder), compiled)
            result = run_segment(
                atoms if self.is_new_run else state,
                committee,
                dynamics,
                self.n_steps,
                walker.seed,
                folder,
                monitor,
                self.frame_interval_steps,
                self.checkpoint_interval_steps,
                on_progress=lambda step, n_steps, info: emit(label, step, n_steps, _progress(info)),
                relaxation=relaxation,
                limits=self.limits,
                equilibration_fs=self.equilibration_fs,
                stop_requested=lambda: end.is_over,
                evaluation=committee.evaluation,
            )
        except DynamicsError as error:
            workspace.ledger.record_failure(KIND, key, "failed", {"explanation": str(error), "run_id": walker.run_id})
            return document.model_copy(update={"explanation": str(error)})
        if result.stop_reason == "walltime":
            end.check(f"the end of {label}, at step {result.stop_step}")
            raise WalltimeReachedError(
                f"{label} stopped at step {result.stop_step} (walltime). Hint: resume to continue"
            )
        last = read_checkpoint(result.last_good_checkpoint)  # after a break, the last one before it
        return document.model_copy(
            update={
                "stop_reason": result.stop_reason,
                "explanation": f"at step {result.stop_step}: {result.detail}" if result.detail else "",
                "first_step": result.first_step,
                "last_step": last.step,
                "temperature_target_K": dynamics.bath_K(last.time_fs),
                **observables(result, self.equilibration_fs / spec.timestep_fs),
                "continue_from": workspace.artifacts.put_file(result.last_good_checkpoint, "checkpoints", ".npz"),
                "continue_state": last.state_sha256(),
                "trajectory": workspace.artifacts.put_file(result.trajectory, "trajectories", ".zarr.zip"),
                "candidates": workspace.artifacts.put_bytes(pack_candidates(result.candidates), "candidates", ".npz")
                if result.candidates
                else None,
                "n_candidates": len(result.candidates),
                "start_relaxation": result.start_relaxation,
                "wall_time_s": result.wall_time_s,
                "evaluation": result.evaluation,
                "notes": [*result.notes, *committee.notes],
            }
        )


def _key_and_size(start: "Atoms | Structure | StructureSetDoc | SegmentDoc", walker: Walker) -> tuple[str, int]:
    """Return the content key of a start and its number of atoms."""
    if isinstance(start, SegmentDoc):
        return start.key, start.n_atoms
    if not isinstance(start, StructureSetDoc):
        atoms = as_atoms(start)
        return structure_key(atoms), len(atoms)
    try:
        entry = start.entries[walker.index]
    except IndexError:
        raise InputError(
            f"{walker.run_id}: the set {start.name!r} has {len(start.entries)} structures, so none of index "
            f"{walker.index}"
        ) from None
    return entry.key, entry.n_atoms


def _progress(info: Mapping[str, float]) -> str:
    uncertainty = info["uncertainty_eV_per_angstrom"]
    known = "" if math.isnan(uncertainty) else f", uncertainty {uncertainty:.2f} eV/Å"
    return f"{info['temperature_K']:.0f} K{known}"
