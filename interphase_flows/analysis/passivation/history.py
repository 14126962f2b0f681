"""History of an interphase: thickness, crossings and reservoirs of one trajectory against time."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.interfaces.depletion import Depletion, find_depletion, require_series
from interphase_flows.analysis.statistics.estimate import Array, Estimate
from interphase_flows.analysis.statistics.window_rate import LEAST_FRAMES, frame_interval_ps
from interphase_flows.exceptions import AnalysisError

GROWTH = "thickness"
"""Name of the thickness among the quantities whose rates are compared."""


@dataclass(frozen=True)
class InterphaseHistory:
    """Time series of one interface that determine whether its interphase grows.

    Parameters
    ----------
    time_ps
        Times in ps since the contact of the two sides, (n_frames,), increasing.
    thickness_angstrom
        Thickness of the interphase in Å, (n_frames,).
    passed_atoms_per_nm2
        Cumulative crossings of a boundary by species in atoms/nm², (n_frames,) each, as returned by
        `CrossingSeries.cumulative_atoms_per_nm2`; their slopes are the fluxes. Several boundaries need different names.
    reservoirs
        Unreacted amount of each side in Å or atoms, (n_frames,) each; a depleted slab otherwise looks passivated.
    area_nm2
        Area of the interface in nm². Without it, the flux in a window without crossings has no uncertainty.

    Raises
    ------
    AnalysisError
        The series differ in length, are not finite or have duplicate names, or a reservoir is missing.
    """

    time_ps: FloatArray
    thickness_angstrom: FloatArray
    passed_atoms_per_nm2: Mapping[str, FloatArray]
    reservoirs: Mapping[str, FloatArray] = field(default_factory=dict)
    area_nm2: float | None = None

    def __post_init__(self) -> None:
        steps = np.diff(self.time_ps)
        if np.ndim(self.time_ps) != 1 or len(steps) < 1 or not (steps > 0).all():
            raise AnalysisError("times must increase, one per frame of one trajectory")
        if GROWTH in self.passed_atoms_per_nm2 or not self.passed_atoms_per_nm2:
            raise AnalysisError(
                f"crossings of at least one species are required, none of them named '{GROWTH}', because a thickness "
                "alone does not show that ions stopped"
            )
        if len(self.reservoirs) < 2:
            raise AnalysisError(
                f"{len(self.reservoirs)} reservoirs; the unreacted amounts of electrode and electrolyte are "
                "required, because a depleted slab looks passivated"
            )
        for name, series in (self.quantities | dict(self.reservoirs)).items():
            require_series(name, self.time_ps, series)

    @property
    def quantities(self) -> dict[str, FloatArray]:
        """Quantities with a rate: the thickness, and the cumulative crossings of each species."""
        return {GROWTH: np.asarray(self.thickness_angstrom, dtype=float)} | {
            name: np.asarray(series, dtype=float) for name, series in self.passed_atoms_per_nm2.items()
        }

    def has_frames(self, begin_ps: float, end_ps: float) -> bool:
        """Return whether a window lies outside gaps of the frames, or contains enough frames beside them."""
        begin, end = np.searchsorted(self.time_ps, (begin_ps, end_ps))
        longest = np.diff(np.clip(self.time_ps, begin_ps, end_ps)).max()
        return bool(end - begin >= LEAST_FRAMES + 2 or longest <= 1.5 * frame_interval_ps(self.time_ps))

    def event_of(self, name: str) -> float:
        """Return the increment of a quantity by one atom: 0 for the thickness, and if the area is unknown."""
        return 0.0 if name == GROWTH or self.area_nm2 is None else 1.0 / self.area_nm2

    def depletion(self) -> Depletion | None:
        """Return the side that is exhausted first, or None."""
        return find_depletion(np.asarray(self.time_ps, dtype=float), self.reservoirs)


@dataclass(frozen=True)
class RateHistory:
    """Growth rate and fluxes in consecutive windows."""

    edges_ps: Array
    """(n_windows + 1,), edges of the windows, ps."""
    rates_per_ps: Mapping[str, Estimate]
    """Rates by quantity, (n_windows,) each; Å/ps for the thickness, atoms/(nm² ps) for species."""
