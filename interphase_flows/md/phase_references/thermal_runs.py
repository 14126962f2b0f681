"""Short Langevin runs of phases at a temperature, stored under a content key.

Reference environments of crystals at 0 K fail at 300 K, because thermal motion changes coordination and bond order. The
calculator is that of the trajectories to be analysed: the reference method of the campaign or its committee.
"""

from contextlib import suppress
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator, CalculatorError
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import thermalize_momenta

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import AnalysisError, CorruptArtifactError
from interphase_flows.md.checkpoint import read_arrays
from interphase_flows.runtime.atomic_files import atomic_path

TIMESTEP_FS = 3.0
"""A period of the fastest vibration of thiophosphates (P-S, 60 fs) has 20 steps."""
FRICTION_PER_FS = 0.02
"""Strong coupling (50 fs): the runs sample structures, not dynamics."""
CHECK_INTERVAL_STEPS = 5
MAX_TEMPERATURE_FACTOR = 10.0
"""Hotter runs have failed; the heat released by a packing stays below."""


def thermal_frames(
    atoms: Atoms,
    calculator: Calculator,
    method_key: str,
    folder: Path,
    *,
    temperature_K: float = 300.0,
    seed: int = 0,
    n_settle: int = 60,
    n_frames: int = 4,
    steps_between: int = 15,
) -> ArrayFrames:
    """Run a phase at constant volume and temperature, or read the run stored in `folder` as ``<content key>.npz``.

    Initial velocities have twice the temperature, half of which becomes potential energy of a crystal at rest. The
    cell has best 50-200 atoms and is not changed; atoms of a `FixAtoms` do not move. `method_key`, the identity of
    the calculator, is part of the content key. Training and test runs of a classifier need different seeds. Steps are
    of 3 fs. A damaged file is made again. Raises AnalysisError if the temperature or a number is not positive, or the
    run fails because the calculator does not hold the phase together.
    """
    if not temperature_K > 0 or min(n_settle, n_frames, steps_between) < 1:
        raise AnalysisError(
            f"temperature_K = {temperature_K}, n_settle = {n_settle}, n_frames = {n_frames}, steps_between = "
            f"{steps_between}: all must be positive"
        )
    held = sorted({int(i) for each in atoms.constraints for i in each.get_indices()})
    key = content_key(
        "phase_reference",
        **({"held": held} if held else {}),
        method=method_key,
        numbers=atoms.numbers,
        positions=atoms.positions.round(6),
        cell=atoms.cell[:].round(6),
        temperature_K=temperature_K,
        seed=seed,
        steps=[n_settle, n_frames, steps_between],
        timestep_fs=TIMESTEP_FS,
        friction_per_fs=FRICTION_PER_FS,
    )
    path = Path(folder) / f"{key}.npz"
    with suppress(AnalysisError):  # a missing or damaged file is made again
        return read_frames(path, key)
    moving = atoms.copy()
    moving.calc = calculator
    rng = np.random.default_rng(seed)
    thermalize_momenta(moving, temperature_K=2 * temperature_K, rng=rng)
    dynamics = Langevin(
        moving,
        TIMESTEP_FS * units.fs,
        temperature_K=temperature_K,
        friction=FRICTION_PER_FS / units.fs,
        fixcm=False,
        rng=rng,
    )
    _advance(dynamics, n_settle, temperature_K)
    positions = []
    for _ in range(n_frames):
        _advance(dynamics, steps_between, temperature_K)
        positions.append(moving.get_positions())
    times_fs = TIMESTEP_FS * (n_settle + steps_between * np.arange(1.0, n_frames + 1))
    write_frames(path, ArrayFrames(atoms.numbers.copy(), times_fs, np.array(positions), atoms.cell[:].copy()), key)
    return read_frames(path, key)  # identical to what later calls read


def _advance(dynamics: Langevin, n_steps: int, temperature_K: float) -> None:
    """Advance, and check the temperature every few steps."""
    moving = dynamics.atoms
    where = f"{moving.get_chemical_formula()} at {temperature_K:g} K"
    for done in range(0, n_steps, CHECK_INTERVAL_STEPS):
        try:
            dynamics.run(min(CHECK_INTERVAL_STEPS, n_steps - done))
            hot_K = moving.get_temperature()
        except (ValueError, ArithmeticError, CalculatorError, RuntimeError) as error:
            raise AnalysisError(f"the run of {where} failed: {error}") from error
        if not hot_K < MAX_TEMPERATURE_FACTOR * temperature_K:
            raise AnalysisError(
                f"the run of {where} failed: it reached {hot_K:.0f} K, so the calculator does not hold this "
                "phase together"
            )


def write_frames(path: Path, frames: ArrayFrames, key: str = "") -> None:
    """Write frames and their content key to a file, atomically."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            key=np.array(key),
            numbers=frames.numbers.astype(np.int16),
            time_fs=frames.time_fs,
            positions=frames.all_positions.astype(np.float32),
            cells=frames.cells,
        )


def read_frames(path: Path, key: str | None = None) -> ArrayFrames:
    """Read frames from a file; raise AnalysisError if it is missing, damaged, or has another content key."""
    try:
        file = read_arrays(path)
        if key is not None and str(file["key"]) != key:
            raise ValueError("it has another content key")
        return ArrayFrames(
            file["numbers"].astype(np.int64),
            file["time_fs"],
            file["positions"].astype(np.float64),
            file["cells"],
        )
    except (OSError, ValueError, KeyError, CorruptArtifactError) as error:
        raise AnalysisError(
            f"{path}: not a readable reference run ({error}). Hint: delete it, and it is made again"
        ) from error
