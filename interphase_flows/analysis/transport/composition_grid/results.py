"""Results of the transport grid, as documents store them: of one cell at one temperature, and of all cells together."""

from collections.abc import Iterable

from interphase_flows.analysis.results import Result, Unavailable
from interphase_flows.analysis.statistics.estimate import Array, Estimate


class CommitteeTrust(Result):
    """Evaluations of the committee during runs, and in how many of them its members disagreed."""

    n_evaluations: int
    n_above_select: int
    """Evaluations with a force standard deviation above the committee's selection threshold."""
    n_above_stop: int
    """Evaluations above its stop threshold: configurations outside the potential's domain."""

    def __add__(self, other: "CommitteeTrust") -> "CommitteeTrust":
        return CommitteeTrust(
            n_evaluations=self.n_evaluations + other.n_evaluations,
            n_above_select=self.n_above_select + other.n_above_select,
            n_above_stop=self.n_above_stop + other.n_above_stop,
        )


class CellCoefficients(Result):
    """Onsager coefficients of a cell relative to the species at rest."""

    onsager_per_eV_angstrom_ps: Estimate
    """L_ij, (n_species, n_species)."""
    length_ps: float
    step_ps: float
    n_independent: Array
    """(n_species,), independent steps behind each L_ii."""
    volume_angstrom3: float


class CellTransportResult(Result):
    """Transport in one amorphous cell at one temperature."""

    run_id: str
    cell: str
    """Name of the cell, which its runs at all temperatures share."""
    composition: dict[str, int]
    """Atoms of each element."""
    x_electrode: float
    """Fraction of the atoms that come from the electrode."""
    temperature_K: float
    species: tuple[str, ...]
    at_rest: str
    coefficients: CellCoefficients | None
    rejection: str = ""
    """Why the coefficients are missing or not used; empty if they are used."""
    trust: CommitteeTrust
    """Of the entire run, melt and quench included."""


class ArrheniusLine(Result):
    """Arrhenius fit of one L_ii at one composition."""

    activation_energy_eV: Estimate
    onsager_per_eV_angstrom_ps: Estimate
    """L_ii at the temperature of the grid."""
    warning: str | None
    """Set if that temperature is extrapolated."""
    coldest_K: float
    hottest_K: float
    n_points: int
    error_scale: float
    """Factor on the errors where points scatter by more than these allow; 1 otherwise."""
    notes: tuple[str, ...]


class CompositionFit(Result):
    """Arrhenius fits of all cells of one composition."""

    x_electrode: float
    n_cells: int
    trust: CommitteeTrust
    """Of the runs whose coefficients are used."""
    lines: dict[str, ArrheniusLine | Unavailable]
    """By species."""


class GridInterpolation(Result):
    """Species and compositions between which coefficients are interpolated."""

    species: tuple[str, ...]
    x_electrode: tuple[float, ...]
    warnings: tuple[str, ...]
    """Extrapolations in temperature, one for each line that needs one."""
    notes: tuple[str, ...]


class LocalTransportSummary(Result):
    """Coverage of the slices of an interphase; their coefficients are arrays in the artifact."""

    species: tuple[str, ...]
    profile: str
    n_slices: int
    n_available: int
    reasons: dict[str, int]
    """Number of slices without coefficients, by reason."""


class TransportGridResult(Result):
    """Onsager coefficients of amorphous cells over temperature and composition, and along an interphase."""

    species: tuple[str, ...]
    at_rest: str
    temperature_K: float
    """Temperature at which matrices are evaluated."""
    cells: tuple[CellTransportResult, ...]
    compositions: tuple[CompositionFit, ...]
    grid: GridInterpolation | Unavailable
    local: LocalTransportSummary | Unavailable

    @property
    def trust(self) -> CommitteeTrust:
        """Committee evaluations of all cells."""
        return total_trust(self.cells)

    @property
    def runs_above_stop(self) -> list[str]:
        """Runs with evaluations above the stop threshold; for the report."""
        return sorted({cell.run_id for cell in self.cells if cell.trust.n_above_stop})


def total_trust(cells: Iterable[CellTransportResult]) -> CommitteeTrust:
    """Return the committee evaluations of several runs; those of a melt count for each run that starts from it."""
    none = CommitteeTrust(n_evaluations=0, n_above_select=0, n_above_stop=0)
    return sum((cell.trust for cell in cells), none)
