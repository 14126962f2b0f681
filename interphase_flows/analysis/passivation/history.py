"""What a verdict is asked about: thickness, crossings and reservoirs of one trajectory against time."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.growth.depletion import Depletion, find_depletion
from interphase_flows.analysis.statistics.estimate import Array, Estimate
from interphase_flows.exceptions import AnalysisError

GROWTH = "thickness"
"""Name of the thickness among the quantities whose rates are compared."""


@dataclass(frozen=True)
class InterphaseHistory:
    """One trajectory, reduced to what decides whether the interphase still grows.

    Parameters
    ----------
    time_ps
        Times in ps since the two sides touched, (n_frames,), evenly spaced.
    thickness_angstrom
        Of the interphase, Å, (n_frames,).
    passed_atoms_per_nm2
        What has passed a boundary since the start, by species, atoms/nm², (n_frames,) each: their slopes are
        the fluxes. `CrossingSeries.cumulative_atoms_per_nm2` gives them. Several boundaries are several names.
    reservoirs
        What is left of each side, unreacted, in Å or atoms, (n_frames,) each. Without it nothing can be
        called passivated, because a slab that ran out looks the same.
    area_nm2
        Of the interface: an atom adds its inverse to a crossing. Without it a window in which nothing passed is
        taken for one in which nothing can.

    Raises
    ------
    AnalysisError
        The series do not belong together, are not finite, are named twice, or a reservoir is missing.
    """

    time_ps: FloatArray
    thickness_angstrom: FloatArray
    passed_atoms_per_nm2: Mapping[str, FloatArray]
    reservoirs: Mapping[str, FloatArray] = field(default_factory=dict)
    area_nm2: float | None = None

    def __post_init__(self) -> None:
        steps = np.diff(self.time_ps)
        if np.ndim(self.time_ps) != 1 or len(steps) < 1 or not (steps > 0).all():
            raise AnalysisError("times must rise, one per frame; give the history of one trajectory")
        if GROWTH in self.passed_atoms_per_nm2 or not self.passed_atoms_per_nm2:
            raise AnalysisError(
                f"give the crossings of at least one species, none of them called '{GROWTH}': a thickness "
                "alone does not show that ions stopped"
            )
        if len(self.reservoirs) < 2:
            raise AnalysisError(
                f"{len(self.reservoirs)} reservoirs; give what is left of the electrode and of the electrolyte: "
                "a slab that ran out looks passivated"
            )
        for name, series in (self.quantities | dict(self.reservoirs)).items():
            if np.shape(series) != np.shape(self.time_ps) or not np.isfinite(series).all():
                raise AnalysisError(
                    f"{name}: {np.shape(series)} values, {np.shape(self.time_ps)} times; give one finite number "
                    "per frame"
                )

    @property
    def quantities(self) -> dict[str, FloatArray]:
        """What has a rate: the thickness, and what each species has passed."""
        return {GROWTH: np.asarray(self.thickness_angstrom, dtype=float)} | {
            name: np.asarray(series, dtype=float) for name, series in self.passed_atoms_per_nm2.items()
        }

    def event_of(self, name: str) -> float:
        """Return what one atom adds to a quantity: 0 for the thickness, and where the area is not known."""
        return 0.0 if name == GROWTH or self.area_nm2 is None else 1.0 / self.area_nm2

    def depletion(self) -> Depletion | None:
        """Return which side ran out first, or None."""
        return find_depletion(np.asarray(self.time_ps, dtype=float), self.reservoirs)


@dataclass(frozen=True)
class RateHistory:
    """Growth rate and fluxes in consecutive windows."""

    edges_ps: Array
    """(n_windows + 1,), edges of the windows, ps."""
    rates_per_ps: Mapping[str, Estimate]
    """By quantity, (n_windows,) each; Å/ps for the thickness, atoms/(nm² ps) for species."""
