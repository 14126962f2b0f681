"""Melt-quench dynamics: disorder a packing with a calculator, cool it, and keep frames on the way."""

import logging

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.constraints import FixCom
from ase.data import atomic_numbers
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import thermalize_momenta
from ase.neighborlist import neighbor_list

from interphase_flows.exceptions import DynamicsError, OverlappingAtomsError, StructureError
from interphase_flows.structures.checks import check_no_overlap, pair_distances_angstrom

logger = logging.getLogger(__name__)

LANGEVIN_FRICTION_PER_FS = 0.02
EXPLODED_TEMPERATURE_K = 50_000.0


def soft_push_off(
    atoms: Atoms, fraction: float = 0.95, max_steps: int = 200, tolerance_angstrom: float = 0.02
) -> Atoms:
    """Push close atoms apart geometrically, without a calculator, before dynamics starts.

    In each step the two atoms of a pair closer than `fraction` of the sum of their covalent radii move apart
    by half of what is missing each. Steps end when no pair misses more than `tolerance_angstrom`, or after
    `max_steps`.

    Returns
    -------
    pushed
        A copy; cell and order of atoms are kept.
    """
    pushed = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    wanted = pair_distances_angstrom(set(pushed.get_chemical_symbols()), fraction)
    table = np.zeros((pushed.numbers.max() + 1,) * 2)
    for (first, second), distance in wanted.items():
        a, b = atomic_numbers[first], atomic_numbers[second]
        table[a, b] = table[b, a] = distance
    for _ in range(max_steps):
        i, j, d, vectors = neighbor_list("ijdD", pushed, wanted)
        target = table[pushed.numbers[i], pushed.numbers[j]]
        if len(d) == 0 or (target - d).max() <= tolerance_angstrom:
            break
        # Every pair is listed twice, once from each atom: each listing moves its first atom.
        steps = -0.5 * (target - d)[:, None] * vectors / np.maximum(d, 1e-3)[:, None]
        np.add.at(pushed.positions, i, steps)
    return pushed


def melt_quench(
    atoms: Atoms,
    calculator: Calculator,
    seed: int,
    melt_temperature_K: float = 1500.0,
    quench_temperature_K: float = 300.0,
    melt_steps: int = 30,
    quench_steps: int = 20,
    timestep_fs: float = 1.0,
    snapshot_interval: int = 5,
) -> list[Atoms]:
    """Heat a packing and cool it linearly at constant volume; return frames on the way.

    Langevin dynamics (Vanden-Eijnden and Ciccotti, Chem. Phys. Lett. 429, 310 (2006)) with the centre of
    mass held by a constraint: `fixcm=True` of ASE's integrator does not sample the canonical ensemble. A
    geometric push-off comes first, so that the calculator never sees atoms inside each other.

    Parameters
    ----------
    atoms
        Packing; not changed.
    calculator
        Energies and forces.
    seed
        Of momenta and noise.
    melt_temperature_K, quench_temperature_K
        Held for `melt_steps`, then cooled to over `quench_steps`.
    melt_steps, quench_steps
        Numbers of steps; the demo can afford 50 in all, which is disorder, not a glass.
    timestep_fs
        Time step in fs.
    snapshot_interval
        Steps between frames; the last frame is always included.

    Returns
    -------
    snapshots
        Frames without calculator, constraint or momenta; ``info`` holds ``step`` and ``temperature_K`` (the
        thermostat's). Frames with overlapping atoms are dropped, and their number logged as a warning.

    Raises
    ------
    StructureError
        If a number of steps, the interval, the time step or a temperature is not positive.
    DynamicsError
        If the temperature runs away, or every frame overlaps.
    """
    settings = {
        "melt_temperature_K": melt_temperature_K,
        "quench_temperature_K": quench_temperature_K,
        "melt_steps + quench_steps": melt_steps + quench_steps,
        "timestep_fs": timestep_fs,
        "snapshot_interval": snapshot_interval,
    }
    for key, value in settings.items():
        if not value > 0:
            raise StructureError(f"melt_quench: {key}={value} must be positive")
    rng = np.random.default_rng(seed)
    system = soft_push_off(atoms)
    system.calc = calculator
    system.set_constraint(FixCom())
    thermalize_momenta(system, melt_temperature_K, rng=rng)
    dynamics = Langevin(
        system,
        timestep_fs * units.fs,
        temperature_K=melt_temperature_K,
        friction=LANGEVIN_FRICTION_PER_FS / units.fs,
        fixcm=False,
        rng=rng,
    )
    snapshots, n_dropped = [], 0
    n_steps = melt_steps + quench_steps
    for step in range(1, n_steps + 1):
        cooled = max(0, step - melt_steps) / max(quench_steps, 1)
        target_K = melt_temperature_K + cooled * (quench_temperature_K - melt_temperature_K)
        dynamics.set_temperature(temperature_K=target_K)
        dynamics.run(1)
        actual_K = system.get_temperature()
        if not actual_K < EXPLODED_TEMPERATURE_K:
            raise DynamicsError(
                f"melt_quench: temperature {actual_K:.3g} K at step {step}; "
                f"lower timestep_fs={timestep_fs} or the density"
            )
        if step % snapshot_interval and step != n_steps:
            continue
        frame = Atoms(system.numbers, positions=system.positions, cell=system.cell, pbc=True)
        frame.info.update(step=step, temperature_K=target_K)
        try:
            check_no_overlap(frame, where=f"melt_quench, step {step}")
        except OverlappingAtomsError:
            n_dropped += 1
        else:
            snapshots.append(frame)
    if n_dropped:
        n_frames = n_dropped + len(snapshots)
        logger.warning("melt_quench dropped %d of %d frames: overlapping atoms", n_dropped, n_frames)
    if not snapshots:
        raise DynamicsError(
            f"melt_quench: all {n_dropped} frames overlap; lower melt_temperature_K or the density"
        )
    return snapshots
