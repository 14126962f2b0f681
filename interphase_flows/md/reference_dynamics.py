"""Short dynamics with the reference method, for initial reactive structures of a campaign."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from interphase_flows.analysis.io.zarr_trajectory import Trajectory
from interphase_flows.exceptions import DynamicsError, WalltimeReachedError
from interphase_flows.md.checkpoint import Checkpoint, read_latest_checkpoint
from interphase_flows.md.dynamics import LangevinDynamics
from interphase_flows.md.segment import Progress, run_segment
from interphase_flows.md.uncertainty_monitor import CalculatorCommittee, UncertaintyMonitor


def reference_snapshots(
    start: Atoms | None,
    calculator: Calculator,
    dynamics: LangevinDynamics,
    n_steps: int,
    snapshot_interval_steps: int,
    seed: int,
    folder: Path,
    previous: Path | None = None,
    checkpoint_interval_steps: int = 10,
    on_progress: Progress | None = None,
    stop_requested: Callable[[], bool] | None = None,
) -> list[Atoms]:
    """Run a segment of dynamics with one calculator and return snapshots; resumable like any segment.

    The start is a structure, or None to continue the segment in the work folder ``previous``. Snapshots exclude the start
    and have ``side`` if it has it. If the run fails (close contact, runaway temperature), they are those before the
    failure.

    Raises
    ------
    DynamicsError
        Neither ``start`` nor ``previous`` is given, or the start is not valid.
    WalltimeReachedError
        A stop was requested; a call in the same folder continues.
    """
    monitor = UncertaintyMonitor(
        interval_steps=snapshot_interval_steps,
        select_force_std_eV_per_angstrom=None,
        stop_force_std_eV_per_angstrom=None,
        # packings release much heat; the gates reject bad frames, so only an explosion ends the run
        max_temperature_factor=20.0,
        grace_factor=50.0,
        close_contact_fraction=0.4,
    )
    begin: Atoms | Checkpoint
    if start is not None:
        begin = start
    else:
        latest = read_latest_checkpoint(previous) if previous is not None else None
        if latest is None:
            raise DynamicsError("reference_snapshots needs a start, or the folder of a previous segment")
        begin = latest[0]
    result = run_segment(
        begin,
        CalculatorCommittee([calculator]),
        dynamics,
        n_steps,
        seed,
        folder,
        monitor,
        snapshot_interval_steps,
        checkpoint_interval_steps,
        on_progress,
        stop_requested=stop_requested,
    )
    if result.stop_reason == "walltime":
        raise WalltimeReachedError(f"walltime reached at step {result.stop_step} of {folder}; a resume continues")
    with Trajectory(result.trajectory) as trajectory:
        after_start = np.flatnonzero(trajectory.step > result.first_step)
        return [trajectory.atoms(int(index)) for index in after_start]
