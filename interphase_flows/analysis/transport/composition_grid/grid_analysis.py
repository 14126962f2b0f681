"""Analysis of a transport grid: Arrhenius fits of each composition, interpolation, and coefficients of an interphase.

Cells of the same composition are fitted together, and the intervals contain the scatter between them. Every part records
why it is unavailable instead of failing the others, because short runs support only some of them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.results import Unavailable, without_hint
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.transport.composition_grid.arrhenius import (
    ArrheniusFit,
    MeasuredAt,
    arrhenius_fit,
)
from interphase_flows.analysis.transport.composition_grid.arrhenius_matrix import (
    ArrheniusMatrix,
    arrhenius_matrix,
    element,
)
from interphase_flows.analysis.transport.composition_grid.interpolation import (
    MIN_COMPOSITIONS,
    CompositionGrid,
    composition_grid,
)
from interphase_flows.analysis.transport.composition_grid.local_composition import (
    CompositionLine,
    onsager_along_normal,
)
from interphase_flows.analysis.transport.composition_grid.results import (
    ArrheniusLine,
    CellTransportResult,
    CompositionFit,
    GridInterpolation,
    LocalTransportSummary,
    TransportGridResult,
    total_trust,
)
from interphase_flows.exceptions import AnalysisError

SAME_X = 1e-6
"""Cells whose x differs by less have the same composition."""
CURVE_POINTS = 41
BEYOND_HOTTEST = 0.05
"""Fraction of the range in 1/T by which lines extend beyond the hottest temperature."""
NO_PROFILE = "there is no composition profile of an interphase"


@dataclass(frozen=True)
class InterphaseProfile:
    """Number densities along the normal of an interphase."""

    elements: tuple[str, ...]
    bin_edges_angstrom: FloatArray
    density_per_angstrom3: FloatArray
    """(n_elements, n_bins)."""
    density_error: FloatArray | None
    """Standard errors over replicas, (n_elements, n_bins)."""
    description: str
    """Part of production that is averaged."""


def analyse_transport_grid(
    cells: Sequence[CellTransportResult],
    line: CompositionLine,
    temperature_K: float,
    profile: InterphaseProfile | None,
) -> tuple[TransportGridResult, dict[str, FloatArray]]:
    """Fit every composition against temperature, interpolate in composition, and evaluate along an interphase.

    The cells are on one composition line, and all of the same species relative to the same species at rest. Matrices are
    evaluated at `temperature_K`; without a profile there is no interphase.

    Returns
    -------
    result, arrays
        Summary, and lines and bands for figures.
    """
    species, at_rest = cells[0].species, cells[0].at_rest
    fits = [
        _Composition.of(x, [cell for cell in cells if abs(cell.x_electrode - x) < SAME_X], species)
        for x in _distinct([cell.x_electrode for cell in cells])
    ]
    arrays: dict[str, FloatArray] = {}
    for fit in fits:
        for symbol, each in fit.lines.items():
            if isinstance(each, ArrheniusFit):
                arrays |= _line_arrays(f"line/{fit.x_electrode:.4f}/{symbol}", each, temperature_K)
    interpolation: GridInterpolation | Unavailable
    local: LocalTransportSummary | Unavailable
    try:
        grid, notes = _grid(fits, species)
    except AnalysisError as error:
        interpolation = Unavailable.from_error(error)
        local = Unavailable(reason=NO_PROFILE if profile is None else f"there is no grid: {without_hint(error)}")
    else:
        arrays |= _curve_arrays(grid, temperature_K)
        interpolation = GridInterpolation(
            species=grid.species,
            x_electrode=tuple(grid.x_electrode.tolist()),
            warnings=tuple(grid.warnings_at(temperature_K)),
            notes=tuple(notes),
        )
        try:
            local, local_arrays = _local(grid, line, at_rest, temperature_K, profile)
            arrays |= local_arrays
        except AnalysisError as error:
            local = Unavailable.from_error(error)
    result = TransportGridResult(
        species=species,
        at_rest=at_rest,
        temperature_K=temperature_K,
        cells=tuple(cells),
        compositions=tuple(fit.summary(temperature_K) for fit in fits),
        grid=interpolation,
        local=local,
    )
    return result, arrays


@dataclass(frozen=True)
class _Composition:
    """Arrhenius fits of the diagonal at one composition; its matrix is fitted when the species are known."""

    x_electrode: float
    cells: Sequence[CellTransportResult]
    points: Sequence[MeasuredAt]
    lines: Mapping[str, ArrheniusFit | Unavailable]
    """By species, in the order of the matrices."""

    @staticmethod
    def of(x: float, cells: Sequence[CellTransportResult], species: Sequence[str]) -> "_Composition":
        points = [MeasuredAt(each.temperature_K, _accepted(each), each.rejection, each.cell) for each in cells]
        lines: dict[str, ArrheniusFit | Unavailable] = {}
        for i, symbol in enumerate(species):
            try:
                lines[symbol] = arrhenius_fit([element(point, i) for point in points])
            except AnalysisError as error:
                lines[symbol] = Unavailable.from_error(error)
        return _Composition(x, cells, points, lines)

    def matrix(self, species: Sequence[str]) -> ArrheniusMatrix:
        """Fit the matrix of some of the species."""
        rows = [list(self.lines).index(symbol) for symbol in species]
        among = np.ix_(rows, rows)
        points = [replace(p, value=None if p.value is None else p.value[among]) for p in self.points]
        return arrhenius_matrix(species, points)

    def summary(self, temperature_K: float) -> CompositionFit:
        """Return the fits with their values at a temperature."""
        return CompositionFit(
            x_electrode=self.x_electrode,
            n_cells=len({each.cell for each in self.cells}),
            trust=total_trust(cell for cell in self.cells if not cell.rejection),
            lines={
                symbol: each if isinstance(each, Unavailable) else _line(each, temperature_K)
                for symbol, each in self.lines.items()
            },
        )


def _accepted(cell: CellTransportResult) -> Estimate | None:
    """Return L_ij of a run, None if it is rejected; upper bounds that documents store as null are infinite."""
    if cell.rejection or cell.coefficients is None:
        return None
    onsager = cell.coefficients.onsager_per_eV_angstrom_ps
    upper = np.where(np.isnan(onsager.upper) & np.isfinite(onsager.lower), np.inf, onsager.upper)
    return replace(onsager, upper=upper)


def _line(fit: ArrheniusFit, temperature_K: float) -> ArrheniusLine:
    return ArrheniusLine(
        activation_energy_eV=fit.activation_energy_eV,
        onsager_per_eV_angstrom_ps=fit.at(temperature_K),
        warning=fit.warning_at(temperature_K),
        coldest_K=fit.coldest_K,
        hottest_K=fit.hottest_K,
        n_points=fit.n_points,
        error_scale=fit.error_scale,
        notes=fit.notes,
    )


def _grid(fits: Sequence[_Composition], species: Sequence[str]) -> tuple[CompositionGrid, list[str]]:
    """Return the grid of the species with lines at two compositions or more, and notes on what it leaves out."""
    n_lines = {symbol: sum(isinstance(fit.lines[symbol], ArrheniusFit) for fit in fits) for symbol in species}
    kept = [symbol for symbol in species if n_lines[symbol] >= MIN_COMPOSITIONS]
    left_out = [symbol for symbol in species if symbol not in kept]
    if not kept:
        counts = ", ".join(f"{symbol} {n}" for symbol, n in n_lines.items())
        raise AnalysisError(
            f"compositions with an Arrhenius line: {counts}; interpolation needs {MIN_COMPOSITIONS} or more"
        )
    matrices, notes = {}, []
    for fit in fits:
        try:
            matrices[fit.x_electrode] = fit.matrix(kept)
        except AnalysisError as error:
            notes.append(f"x = {fit.x_electrode:.2f} left out: {without_hint(error)}")
    if left_out:
        notes.append(
            f"without {', '.join(left_out)}: fewer than {MIN_COMPOSITIONS} compositions have an Arrhenius line of it"
        )
    try:
        return composition_grid(matrices), notes
    except AnalysisError as error:
        raise AnalysisError(f"{error}. {' '.join(notes)}".strip()) from error


def _local(
    grid: CompositionGrid,
    line: CompositionLine,
    at_rest: str,
    temperature_K: float,
    profile: InterphaseProfile | None,
) -> tuple[LocalTransportSummary, dict[str, FloatArray]]:
    """Return L_ij and fluxes along the normal of the interphase."""
    if profile is None:
        raise AnalysisError(NO_PROFILE)
    local = onsager_along_normal(
        grid,
        line,
        at_rest,
        profile.elements,
        profile.bin_edges_angstrom,
        profile.density_per_angstrom3,
        temperature_K,
        density_error=profile.density_error,
    )
    reasons = Counter(reason for reason in local.reasons if reason is not None)
    arrays = {
        "local/height_angstrom": local.height_angstrom,
        "local/x_electrode": local.x_electrode,
        "local/off_line": local.off_line,
        "local/value": local.onsager.value,
        "local/lower": local.onsager.lower,
        "local/upper": local.onsager.upper,
        "local/flux": local.flux_atoms_per_nm2_ps.value,
        "local/flux_lower": local.flux_atoms_per_nm2_ps.lower,
        "local/flux_upper": local.flux_atoms_per_nm2_ps.upper,
    }
    summary = LocalTransportSummary(
        species=local.species,
        profile=profile.description,
        n_slices=len(local.reasons),
        n_available=len(local.reasons) - reasons.total(),
        reasons=dict(reasons),
    )
    return summary, arrays


def _distinct(values: Sequence[float]) -> list[float]:
    distinct: list[float] = []
    for value in sorted(values):
        if not distinct or value - distinct[-1] > SAME_X:
            distinct.append(value)
    return distinct


def _line_arrays(name: str, fit: ArrheniusFit, temperature_K: float) -> dict[str, FloatArray]:
    """Return a line and its band from the coldest temperature of interest to a little beyond the hottest."""
    coldest, hottest = 1.0 / min(fit.coldest_K, temperature_K), 1.0 / max(fit.hottest_K, temperature_K)
    inverse = np.linspace(max(hottest - BEYOND_HOTTEST * (coldest - hottest), 1e-6), coldest, CURVE_POINTS)
    at = [fit.at(1.0 / each) for each in inverse]
    return {f"{name}/temperature_K": 1.0 / inverse} | _band_arrays(name, at)


def _curve_arrays(grid: CompositionGrid, temperature_K: float) -> dict[str, FloatArray]:
    """Return L_ij against composition, with its band."""
    first, last = grid.x_electrode[0], grid.x_electrode[-1]
    x = np.unique(np.concatenate([np.linspace(first, last, CURVE_POINTS), grid.x_electrode]))
    at = [grid.at(each, temperature_K) for each in x]
    return {"curve/x_electrode": x} | _band_arrays("curve", at)


def _band_arrays(name: str, estimates: Sequence[Estimate]) -> dict[str, FloatArray]:
    return {
        f"{name}/{part}": np.array([getattr(each, part) for each in estimates]) for part in ("value", "lower", "upper")
    }
