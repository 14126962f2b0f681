"""Environments of phases as they are at temperature: short dynamics of their own structures, kept by content.

Reference environments from crystals at 0 K fail at 300 K: coordination and bond order are blurred by motion.
The calculator decides what the phases look like: the campaign's reference method or its committee.
"""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator, CalculatorError
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import thermalize_momenta

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import AnalysisError
from interphase_flows.runtime.atomic_files import atomic_path

TIMESTEP_FS = 3.0
"""The fastest vibration of thiophosphates (P-S, 60 fs) takes 20 steps."""
FRICTION_PER_FS = 0.02
"""Strong: a bath in 50 fs, for structures and not for dynamics."""
LOOK_STEPS = 5
LARGEST_TEMPERATURE_FACTOR = 10.0
"""A run this much hotter than asked has broken; a packing that sheds its heat stays below."""


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
    """Run a phase at a temperature in its own cell, or read the run if it was made before.

    Langevin dynamics at constant volume. Velocities start at twice the temperature, which equipartition halves
    when the atoms start at rest.

    Parameters
    ----------
    atoms
        The phase, periodic, best of 50-200 atoms. Not changed; atoms that a `FixAtoms` holds stay where they are.
    calculator
        Gives the forces.
    method_key
        Identity of the calculator; part of the key of the file.
    folder
        Where runs are kept, as ``<content key>.npz``.
    temperature_K
        Temperature in K.
    seed
        Of velocities and bath. References and tests of a classifier need different ones.
    n_settle, n_frames, steps_between
        Steps of 3 fs that are not kept, frames kept, steps between those.

    Raises
    ------
    AnalysisError
        The temperature or a number is not positive, a kept file is damaged, or the run breaks: the calculator does not
        hold the phase together.
    """
    if not temperature_K > 0 or min(n_settle, n_frames, steps_between) < 1:
        raise AnalysisError(
            f"temperature_K = {temperature_K}, n_settle = {n_settle}, n_frames = {n_frames}, steps_between = "
            f"{steps_between}: all of them must be positive"
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
    if path.exists():
        return read_frames(path)
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
    _run_whole(dynamics, n_settle, temperature_K)
    kept = []
    for _ in range(n_frames):
        _run_whole(dynamics, steps_between, temperature_K)
        kept.append(moving.get_positions())
    times_fs = TIMESTEP_FS * (n_settle + steps_between * np.arange(1.0, n_frames + 1))
    write_frames(path, ArrayFrames(atoms.numbers.copy(), times_fs, np.array(kept), atoms.cell[:].copy()))
    return read_frames(path)  # to the bit what the next one reads


def _run_whole(dynamics: Langevin, n_steps: int, temperature_K: float) -> None:
    """Advance, and look every few steps whether the atoms are still together."""
    moving = dynamics.atoms
    where = f"{moving.get_chemical_formula()} at {temperature_K:g} K"
    for done in range(0, n_steps, LOOK_STEPS):
        try:
            dynamics.run(min(LOOK_STEPS, n_steps - done))
            hot_K = moving.get_temperature()
        except (ValueError, ArithmeticError, CalculatorError, RuntimeError) as error:
            raise AnalysisError(f"the run of {where} broke: {error}") from error
        if not hot_K < LARGEST_TEMPERATURE_FACTOR * temperature_K:
            raise AnalysisError(
                f"the run of {where} broke: it reached {hot_K:.0f} K; what computes its forces does not hold this phase "
                "together"
            )


def write_frames(path: Path, frames: ArrayFrames) -> None:
    """Keep frames in a file, in one move."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            numbers=frames.numbers.astype(np.int16),
            time_fs=frames.time_fs,
            positions=frames.all_positions.astype(np.float32),
            cells=frames.cells,
        )


def read_frames(path: Path) -> ArrayFrames:
    """Read frames that were kept.

    Raises
    ------
    AnalysisError
        The file is not there, damaged, or of something else.
    """
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            return ArrayFrames(
                file["numbers"].astype(np.int64),
                file["time_fs"],
                file["positions"].astype(np.float64),
                file["cells"],
            )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise AnalysisError(
            f"{path}: not a readable reference run ({error}); delete it to make it again"
        ) from error
