"""Results: verdicts on passivation, and kinetic trapping."""

from interphase_flows.analysis.passivation.trapping import TrappingState
from interphase_flows.analysis.passivation.verdict import State, Verdict
from interphase_flows.analysis.results import Result, Unavailable
from interphase_flows.analysis.statistics.estimate import Array, Estimate, Number


class VerdictResult(Result):
    """Verdicts on the interphases of a cell: growing, passivated, depleted or undecided."""

    state: State
    """Verdict of the cell, which one depleted or growing interface determines."""
    sides: dict[str, Verdict | Unavailable]
    """By interface."""


class LabelSurvival(Result):
    """Surviving fraction of a label against its age, and the fraction expected from diffusion without cross terms."""

    age_ps: Array
    surviving_fraction: Estimate
    """(n_ages,)."""
    expected_fraction: Array


class LabelTrapping(Result):
    """Lifetime of one label in one interphase, compared with the escape of its atoms by diffusion alone."""

    state: TrappingState
    reason: str
    observed_ps: Estimate
    expected_ps: Estimate
    ratio: Estimate
    horizon_ps: Number
    """Longest age at which enough labels are still observed; lifetimes are compared up to it."""
    median_ps: Estimate
    n_stretches: int
    n_ended: int
    onsager_per_eV_angstrom_ps: Estimate
    width_angstrom: Number
    survival: LabelSurvival


class TrappingResult(Result):
    """Kinetic trapping of network formers, by interface and label."""

    bonds_angstrom: dict[str, float]
    frames_labelled: int
    sides: dict[str, dict[str, LabelTrapping | Unavailable]]
