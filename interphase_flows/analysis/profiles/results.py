"""Results of the profile analysis of one trajectory, as documents store them."""

from interphase_flows.analysis.results import Result, Unavailable
from interphase_flows.analysis.statistics.estimate import Estimate


class ProfileBlock(Result):
    """A time block whose frames are averaged."""

    from_ps: float
    to_ps: float
    n_frames: int


class ShellCoordination(Result):
    """Mean coordination number of one shell over the entire cell."""

    name: str
    centre: str
    cutoffs_angstrom: dict[str, float]
    """By element of the neighbours."""
    start: Estimate
    """In the first time block; `end` in the last one."""
    end: Estimate


class CoordinationSummary(Result):
    """Coordination numbers of all shells."""

    n_frames: int
    """Frames in which neighbours are counted."""
    shells: tuple[ShellCoordination, ...]


class ProfilesResult(Result):
    """Slices, time blocks and cell averages of the profiles; the profiles themselves are arrays in the artifact."""

    elements: tuple[str, ...]
    n_frames: int
    slice_angstrom: float
    n_slices: int
    blocks: tuple[ProfileBlock, ...]
    reference: str
    """Origin of the heights."""
    mass_density_g_per_cm3: float
    coordination: CoordinationSummary | Unavailable
