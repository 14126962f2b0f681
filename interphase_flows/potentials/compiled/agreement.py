"""Comparison of compiled potentials with eager ones."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from nequip.integrations.ase import NequIPCalculator

from interphase_flows.exceptions import CompilationError
from interphase_flows.schemas.compiled_potential import GraphErrors

FORCE_TOLERANCE_EV_PER_ANGSTROM = 1e-4
"""Largest allowed difference of a force component in single precision, if no force exceeds `LARGE_FORCE`."""
ENERGY_TOLERANCE_EV_PER_ATOM = 1e-5
STRESS_TOLERANCE_EV_PER_ANGSTROM3 = 1e-5
LARGE_FORCE_EV_PER_ANGSTROM = 10.0
"""Force above which tolerances grow in proportion to the largest force, as the rounding of single precision does."""
MAX_CHECKED_ATOMS = 2000
"""Larger frames are not compared, because the eager model needs too much memory for them."""


def check_agreement(compiled: NequIPCalculator, eager: NequIPCalculator, frames: Sequence[Atoms]) -> GraphErrors:
    """Compare energies, forces and stresses of a compiled potential with those of the eager one.

    Returns
    -------
    GraphErrors
        The largest differences over the frames of at most `MAX_CHECKED_ATOMS` atoms.

    Raises
    ------
    CompilationError
        A difference is larger than its tolerance, or the graph cannot be evaluated.
    """
    checked = [frame for frame in frames if len(frame) <= MAX_CHECKED_ATOMS]
    largest = np.zeros(3)
    for frame in checked:
        expected = _predictions(eager, frame)
        try:
            found = _predictions(compiled, frame)
        except (RuntimeError, ValueError, KeyError) as error:
            raise CompilationError(f"the graph cannot be evaluated: {error}", "disagrees_with_eager") from error
        forces = expected[1]
        scale = max(1.0, float(np.abs(forces).max(initial=0.0)) / LARGE_FORCE_EV_PER_ANGSTROM)
        differences = np.array([np.abs(a - b).max() for a, b in zip(found, expected, strict=True)])
        tolerances = np.array(
            [ENERGY_TOLERANCE_EV_PER_ATOM, FORCE_TOLERANCE_EV_PER_ANGSTROM, STRESS_TOLERANCE_EV_PER_ANGSTROM3]
        )
        # the comparison with NaN is false
        if not (differences <= scale * tolerances).all():
            raise CompilationError(
                f"compiled and eager predictions of {frame.get_chemical_formula()} differ by {differences[0]:.1e} "
                f"eV/atom, {differences[1]:.1e} eV/Å and {differences[2]:.1e} eV/Å³",
                "disagrees_with_eager",
            )
        largest = np.maximum(largest, differences)
    return GraphErrors(
        n_frames=len(checked),
        energy_eV_per_atom=float(largest[0]),
        force_eV_per_angstrom=float(largest[1]),
        stress_eV_per_angstrom3=float(largest[2]),
    )


def _predictions(calculator: NequIPCalculator, frame: Atoms) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the energy per atom, forces and stress of a frame."""
    calculator.calculate(frame)
    results = calculator.results
    return np.array([results["energy"] / len(frame)]), results["forces"], results["stress"]
