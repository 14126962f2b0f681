"""The watch: what a committee of potentials, distances and temperature say about the frame at hand.

The uncertainty of an atom is the committee's standard deviation of its force, a frame's its largest atom's:

    σ_i = sqrt( 1/M Σ_k |F_ik - <F_i>|² ),    σ = max_i σ_i

====  ===================================  =====
M     ``n_members``
F_ik  ``forces[k, i]``                     eV/Å
σ_i   ``force_std_eV_per_angstrom[i]``     eV/Å
====  ===================================  =====

The sum runs over the three components: σ_i is the length of a vector's spread, and divides by M, not M - 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from pydantic import BaseModel, ConfigDict, Field, model_validator

from interphase_flows.exceptions import DynamicsError
from interphase_flows.md.contacts import CloseContact, closest_contact

StopReason = Literal[
    "finished", "uncertain", "close_contact", "runaway_temperature", "not_finite", "walltime"
]


class Committee(Protocol):
    """Potentials that differ by seed; the first one drives the dynamics.

    For a restart to be exact, forces must depend on the atoms alone, not on what was calculated before: ASE's own
    EMT and Lennard-Jones, whose neighbour lists have a skin, differ in the last bit by their past.
    """

    @property
    def n_members(self) -> int:
        """Number of potentials."""
        ...

    @property
    def dynamics_calculator(self) -> Calculator:
        """Calculator of the first member, for the atoms that move."""
        ...

    def forces_all(self, atoms: Atoms) -> np.ndarray:
        """Return every member's forces in eV/Å, (n_members, n_atoms, 3), without constraints applied."""
        ...


class CalculatorCommittee:
    """A committee of ordinary ASE calculators.

    Parameters
    ----------
    members
        At least one calculator; the first drives the dynamics.
    """

    def __init__(self, members: Sequence[Calculator]) -> None:
        if not members:
            raise DynamicsError("A committee needs at least one calculator.")
        self.members = list(members)

    @property
    def n_members(self) -> int:
        """Number of potentials."""
        return len(self.members)

    @property
    def dynamics_calculator(self) -> Calculator:
        """Calculator of the first member."""
        return self.members[0]

    def forces_all(self, atoms: Atoms) -> np.ndarray:
        """Return every member's forces in eV/Å, (n_members, n_atoms, 3); cached ones are reused."""
        return np.stack([member.get_forces(atoms) for member in self.members])


def force_std(forces: np.ndarray) -> np.ndarray:
    """Return σ_i, (n_atoms,), in eV/Å, of forces (n_members, n_atoms, 3)."""
    spread = forces - forces.mean(axis=0)
    return np.sqrt(np.einsum("kix,kix->i", spread, spread) / len(forces))


@dataclass
class Observation:
    """What the watch saw in one frame.

    Parameters
    ----------
    force_std_eV_per_angstrom
        (n_atoms,); NaN for a committee of one, which cannot disagree.
    uncertainty_eV_per_angstrom
        Its largest value.
    selected
        Whether the frame is worth a label.
    stop_reason
        Why the segment must end here, if it must.
    detail
        The reason with its numbers.
    """

    force_std_eV_per_angstrom: np.ndarray
    uncertainty_eV_per_angstrom: float
    selected: bool
    stop_reason: StopReason | None
    detail: str


class CommitteeWatch(BaseModel):
    """When to look at a run, which frames to keep, and when to stop.

    Parameters
    ----------
    interval_steps
        Steps between evaluations of the whole committee.
    select_force_std_eV_per_angstrom
        Uncertainty from which a frame is kept as a candidate for labelling, in eV/Å; None keeps none.
    stop_force_std_eV_per_angstrom
        Uncertainty that ends the segment, in eV/Å; None never does.
    close_contact_fraction
        Smallest distance allowed, as a fraction of the sum of covalent radii.
    max_temperature_factor
        Largest kinetic temperature allowed, in units of the bath's.
    grace_factor, grace_fs
        Factor allowed in the first ``grace_fs`` of a run, if larger, while an unrelaxed start sheds its heat.
    max_candidates
        Candidates kept per segment: the most uncertain.
    candidate_window_steps
        At most one candidate per window of this many steps, since neighbours in time are alike.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    interval_steps: int = Field(default=20, ge=1)
    select_force_std_eV_per_angstrom: float | None = Field(default=0.1, ge=0)
    stop_force_std_eV_per_angstrom: float | None = Field(default=0.3, ge=0)
    close_contact_fraction: float = Field(default=0.55, gt=0, lt=1)
    max_temperature_factor: float = Field(default=3.0, gt=1)
    grace_factor: float = Field(default=10.0, gt=1)
    grace_fs: float = Field(default=200.0, ge=0)
    max_candidates: int = Field(default=50, ge=1)
    candidate_window_steps: int = Field(default=100, ge=1)

    @model_validator(mode="after")
    def _stop_is_above_select(self) -> "CommitteeWatch":
        select, stop = self.select_force_std_eV_per_angstrom, self.stop_force_std_eV_per_angstrom
        if select is not None and stop is not None and stop < select:
            raise ValueError(
                f"stop_force_std_eV_per_angstrom ({stop}) is below "
                f"select_force_std_eV_per_angstrom ({select}): a segment would stop "
                "at frames not worth a label; raise it"
            )
        return self

    def temperature_limit_K(self, bath_K: float, time_fs: float) -> float:
        """Return the kinetic temperature, in K, above which a run at ``time_fs`` has run away."""
        grace_factor = self.grace_factor if time_fs < self.grace_fs else 0.0
        return bath_K * max(grace_factor, self.max_temperature_factor)

    def observe(self, atoms: Atoms, committee: Committee) -> Observation:
        """Look at one frame; a broken frame outranks an uncertain one: nothing continues from it."""
        forces = committee.forces_all(atoms)
        if not np.isfinite(forces).all():
            nothing = np.full(len(atoms), np.nan)
            return Observation(nothing, np.nan, False, "not_finite", "a member's forces are not finite")
        per_atom = force_std(forces) if len(forces) > 1 else np.full(len(atoms), np.nan)
        worst = float(per_atom.max())
        contact = closest_contact(atoms, self.close_contact_fraction)
        reason, detail = self._judge(worst, contact)
        # A comparison with NaN is false: a committee of one selects nothing.
        select = self.select_force_std_eV_per_angstrom
        return Observation(per_atom, worst, select is not None and worst >= select, reason, detail)

    def _judge(self, worst: float, contact: CloseContact | None) -> tuple[StopReason | None, str]:
        if contact is not None:
            return "close_contact", str(contact)
        stop = self.stop_force_std_eV_per_angstrom
        if stop is not None and worst >= stop:
            return "uncertain", f"force standard deviation {worst:.3f} eV/Å, stop at {stop:.3f} eV/Å"
        return None, ""
