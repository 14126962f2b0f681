"""Results: boundaries of interphases, and fluxes through them."""

from interphase_flows.analysis.results import Result, Unavailable
from interphase_flows.analysis.statistics.estimate import Estimate, Number


class InterfaceGeometry(Result):
    """Thickness of one interphase at both ends of the trajectory, and the uncertainty of its boundaries."""

    thickness_start_angstrom: Number
    """Mean over the first tenth of the frames."""
    thickness_end_angstrom: Number
    """Mean over the last tenth of the frames."""
    spread_over_cuts_angstrom: Number
    """Median standard deviation of the thickness over slab widths and phases."""
    share_of_unsure_frames: float
    """Fraction of the frames in which fewer than half of the slab cuts find bulk electrolyte."""
    atoms_end: dict[str, float]
    """Atoms of each element in the interphase, over the last tenth of the frames."""
    followed_until_ps: float


class BoundariesResult(Result):
    """Boundaries of the interphases of a trajectory."""

    widths_angstrom: list[float]
    """Slab widths with which boundaries were found."""
    tolerances: list[float]
    """By width: tolerance of the composition of bulk electrolyte."""
    notes: list[str]
    sides: dict[str, InterfaceGeometry]
    """By interface: ``above`` and ``below`` the electrode."""


class BoundaryFlux(Result):
    """Mean flux of a species through one boundary, positive towards the electrolyte."""

    species: str
    boundary: str
    """``electrode side`` or ``electrolyte side``."""
    net_atoms_per_nm2_ps: Estimate
    """Net flux by motion of the atoms and of the boundary."""
    by_atoms_per_nm2_ps: Estimate
    """Flux by motion of the atoms alone."""
    passed_atoms_per_nm2: Number
    """Net number of crossings over the trajectory."""


class InterfaceFluxes(Result):
    """Fluxes through both boundaries of an interface."""

    rows: list[BoundaryFlux]


class DrivenFlux(Result):
    """Flux -L grad(mu) of an ideal solution through one boundary, positive towards the electrolyte."""

    species: str
    boundary: str
    driven_atoms_per_nm2_ps: Estimate


class FluxesResult(Result):
    """Counted crossings of the boundaries, and the fluxes that composition gradients would drive."""

    crossings: dict[str, InterfaceFluxes | Unavailable]
    """By interface."""
    gradients: dict[str, list[DrivenFlux]] | Unavailable
    """By interface."""
