"""Uncertainty monitor of a run: committee disagreement, close contacts and temperature.

The uncertainty of an atom is the standard deviation of its force over the committee; that of a frame is the largest of
its atoms:

    σ_i = sqrt( 1/M Σ_k |F_ik - <F_i>|² ),    σ = max_i σ_i

F_ik is the force of member k of M on atom i, σ_i its ``force_std_eV_per_angstrom``. The squares include all three
components, and the mean divides by M, not M - 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.data import covalent_radii
from pydantic import BaseModel, ConfigDict, Field, model_validator

from interphase_flows.analysis.geometry.neighbours import PeriodicTree
from interphase_flows.exceptions import DynamicsError
from interphase_flows.schemas.segment import StopReason


class Committee(Protocol):
    """Potentials that differ by seed; the first one drives the dynamics.

    Exact restarts need forces that depend on the atoms alone and not on earlier calculations. ASE's EMT and
    Lennard-Jones calculators, whose neighbour lists have a skin, do not satisfy this.
    """

    @property
    def dynamics_calculator(self) -> Calculator:
        """Calculator of the first member, which drives the dynamics."""
        ...

    def forces_all(self, atoms: Atoms) -> np.ndarray:
        """Return the forces of all members in eV/Å, (n_members, n_atoms, 3), without constraints."""
        ...


class CalculatorCommittee:
    """A committee of at least one ASE calculator; the first drives the dynamics."""

    evaluation = "eager"
    notes: ClassVar[list[str]] = []

    def __init__(self, members: Sequence[Calculator]) -> None:
        if not members:
            raise DynamicsError("a committee needs at least one calculator")
        self.members = list(members)

    @property
    def dynamics_calculator(self) -> Calculator:
        """Calculator of the first member."""
        return self.members[0]

    def forces_all(self, atoms: Atoms) -> np.ndarray:
        """Return the forces of all members in eV/Å, (n_members, n_atoms, 3); cached forces are reused."""
        return np.stack([member.get_forces(atoms) for member in self.members])


def force_std(forces: np.ndarray) -> np.ndarray:
    """Return σ_i in eV/Å, (n_atoms,), from forces (n_members, n_atoms, 3)."""
    spread = forces - forces.mean(axis=0)
    return np.sqrt(np.einsum("kix,kix->i", spread, spread) / len(forces))


@dataclass(frozen=True)
class CloseContact:
    """Two atoms that are too close: their indices and elements, distance, and smallest allowed distance."""

    pair: tuple[int, int]
    symbols: tuple[str, str]
    distance_angstrom: float
    limit_angstrom: float

    def __str__(self) -> str:
        return (
            f"{self.symbols[0]}{self.pair[0]}-{self.symbols[1]}{self.pair[1]} "
            f"at {self.distance_angstrom:.2f} Å, limit {self.limit_angstrom:.2f} Å"
        )


def closest_contact(atoms: Atoms, covalent_fraction: float) -> CloseContact | None:
    """Return the worst pair below ``covalent_fraction`` times the sum of covalent radii, or None.

    The default of the monitor, 0.55, allows Li-Li 1.41 Å and P-S 1.17 Å.
    """
    limits = covalent_fraction * covalent_radii[atoms.numbers]
    reach = 2.0 * float(limits.max())
    if not atoms.pbc.all():
        atoms = atoms.copy()
        atoms.center(vacuum=reach, axis=np.flatnonzero(~atoms.pbc))  # images out of reach
    pairs = PeriodicTree(atoms.positions, atoms.cell.array, reach).few_within(reach)
    if not len(pairs.first):
        return None
    allowed = limits[pairs.first] + limits[pairs.second]
    worst = int(np.argmin(pairs.distance_angstrom / allowed))
    distance, limit = float(pairs.distance_angstrom[worst]), float(allowed[worst])
    if distance >= limit:
        return None
    i, j = sorted((int(pairs.first[worst]), int(pairs.second[worst])))
    symbols = atoms.symbols[i], atoms.symbols[j]
    return CloseContact((i, j), symbols, distance, limit)


@dataclass
class Observation:
    """Evaluation of one frame."""

    force_std_eV_per_angstrom: np.ndarray
    """(n_atoms,); NaN for a committee of one."""
    uncertainty_eV_per_angstrom: float
    """Largest standard deviation."""
    selected: bool
    """Whether the frame is a candidate for labelling."""
    stop_reason: StopReason | None
    """Reason for which the segment ends here, or None; `detail` gives the numbers."""
    detail: str


class UncertaintyMonitor(BaseModel):
    """Criteria for selecting frames and stopping a segment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interval_steps: int = Field(default=20, ge=1)
    """Steps between evaluations of all members of the committee."""
    select_force_std_eV_per_angstrom: float | None = Field(default=0.1, ge=0)
    """Uncertainty from which a frame is a candidate for labelling; None selects no frame."""
    stop_force_std_eV_per_angstrom: float | None = Field(default=0.3, ge=0)
    """Uncertainty that ends the segment; None never ends it."""
    close_contact_fraction: float = Field(default=0.55, gt=0, lt=1)
    """Smallest allowed distance, as a fraction of the sum of covalent radii."""
    max_temperature_factor: float = Field(default=3.0, gt=1)
    """Largest allowed kinetic temperature, relative to the thermostat."""
    grace_factor: float = Field(default=10.0, gt=1)
    """Larger factor in the first `grace_fs` of a run, while an unrelaxed start releases heat."""
    grace_fs: float = Field(default=200.0, ge=0)
    max_candidates: int = Field(default=50, ge=1)
    """Per segment."""
    candidate_window_steps: int = Field(default=100, ge=1)
    """Steps per window, which keeps at most one candidate, since frames close in time are similar."""

    @model_validator(mode="after")
    def _stop_is_above_select(self) -> "UncertaintyMonitor":
        select, stop = self.select_force_std_eV_per_angstrom, self.stop_force_std_eV_per_angstrom
        if select is not None and stop is not None and stop < select:
            raise ValueError(
                f"stop_force_std_eV_per_angstrom ({stop}) is below "
                f"select_force_std_eV_per_angstrom ({select}), so a segment could stop "
                "without a candidate. Hint: increase it"
            )
        return self

    def temperature_limit_K(self, bath_K: float, time_fs: float) -> float:
        """Return the largest allowed kinetic temperature at ``time_fs``, in K."""
        grace_factor = self.grace_factor if time_fs < self.grace_fs else 0.0
        return bath_K * max(grace_factor, self.max_temperature_factor)

    def observe(self, atoms: Atoms, committee: Committee) -> Observation:
        """Evaluate one frame; failures take precedence over uncertainty."""
        forces = committee.forces_all(atoms)
        if not np.isfinite(forces).all():
            unknown = np.full(len(atoms), np.nan)
            return Observation(unknown, np.nan, False, "not_finite", "forces of a member are not finite")
        per_atom = force_std(forces) if len(forces) > 1 else np.full(len(atoms), np.nan)
        worst = float(per_atom.max())
        contact = closest_contact(atoms, self.close_contact_fraction)
        reason, detail = self._stop_reason(worst, contact)
        # comparisons with NaN are false: a committee of one selects nothing
        select = self.select_force_std_eV_per_angstrom
        return Observation(per_atom, worst, select is not None and worst >= select, reason, detail)

    def _stop_reason(self, worst: float, contact: CloseContact | None) -> tuple[StopReason | None, str]:
        if contact is not None:
            return "close_contact", str(contact)
        stop = self.stop_force_std_eV_per_angstrom
        if stop is not None and worst >= stop:
            return "uncertain", f"force standard deviation {worst:.3f} eV/Å, stop at {stop:.3f} eV/Å"
        return None, ""
