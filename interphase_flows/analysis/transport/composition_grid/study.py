"""A composition grid put together: from what each cell gave at each temperature to L_ij of an interphase.

Cells of the same composition are fitted together; what they differ by is in the intervals.
Every part is an answer or says why there is none, because a short run supports nothing and a long one not all.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
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
from interphase_flows.analysis.transport.composition_grid.curves import curve_arrays, line_arrays
from interphase_flows.analysis.transport.composition_grid.interpolation import (
    MIN_COMPOSITIONS,
    CompositionGrid,
    composition_grid,
)
from interphase_flows.analysis.transport.composition_grid.local_composition import (
    CompositionLine,
    onsager_along_normal,
)
from interphase_flows.exceptions import AnalysisError

SAME_X = 1e-6
"""Cells nearer than this on the line are of one composition."""


@dataclass(frozen=True)
class CellMeasurement:
    """What a cell gave at one temperature."""

    run_id: str
    x_electrode: float
    temperature_K: float
    onsager: Estimate | None
    """L_ij, (n_species, n_species), 1/(eV Å ps), relative to the species at rest; None where it is refused."""
    refusal: str
    n_looks: int
    """Times that the whole committee looked at the cell, melt and quench included."""
    n_above_select: int
    n_above_stop: int

    @property
    def cell(self) -> str:
        """Name of the cell, which its runs at all temperatures share."""
        return self.run_id.rsplit("-", 1)[0]


@dataclass(frozen=True)
class ProfileOfInterphase:
    """Number densities along the normal of an interphase."""

    elements: tuple[str, ...]
    bin_edges_angstrom: FloatArray
    density_per_angstrom3: FloatArray
    """(n_elements, n_bins)."""
    density_error: FloatArray | None
    """Standard errors over replicas, of the same shape."""
    told: str
    """Which part of production it is of."""


@dataclass(frozen=True)
class GridStudy:
    """What the grid says: few numbers and words, and arrays for figures."""

    values: Mapping[str, Any]
    arrays: Mapping[str, FloatArray]


def grid_study(
    cells: Sequence[CellMeasurement],
    species: Sequence[str],
    at_rest: str,
    line: CompositionLine,
    temperature_K: float,
    profile: ProfileOfInterphase | None,
) -> GridStudy:
    """Fit every composition, interpolate, and look up the interphase.

    Parameters
    ----------
    cells
        What was measured.
    species
        Names, in the order of the matrices.
    at_rest
        The species that they are relative to.
    line
        Whose x the cells' is.
    temperature_K
        At which matrices are wanted.
    profile
        Of the interphase; None without one.
    """
    compositions, fits = [], []
    for x in _distinct([cell.x_electrode for cell in cells]):
        own = [cell for cell in cells if abs(cell.x_electrode - x) < SAME_X]
        fit = _Composition.of(x, own, species)
        fits.append(fit)
        compositions.append(fit.told(temperature_K))
    arrays: dict[str, FloatArray] = {}
    for fit in fits:
        for symbol, each in fit.lines.items():
            if isinstance(each, ArrheniusFit):
                arrays |= line_arrays(f"line/{fit.x_electrode:.4f}/{symbol}", each, temperature_K)
    grid, told = _grid(fits, species, temperature_K)
    if grid is not None:
        arrays |= curve_arrays(grid, temperature_K)
    local, local_arrays = _local(grid, told, line, at_rest, temperature_K, profile)
    above = sorted({cell.run_id for cell in cells if cell.n_above_stop})
    values = {
        "species": list(species),
        "at_rest": at_rest,
        "temperature_K": temperature_K,
        "n_measured": sum(cell.onsager is not None and not cell.refusal for cell in cells),
        "n_refused": sum(bool(cell.refusal) for cell in cells),
        "cells": [
            {
                "run_id": cell.run_id,
                "x_electrode": cell.x_electrode,
                "temperature_K": cell.temperature_K,
                "onsager_ii": None if cell.onsager is None else _diagonal(cell.onsager, species),
                "refusal": cell.refusal,
                "n_looks": cell.n_looks,
                "n_above_select": cell.n_above_select,
                "n_above_stop": cell.n_above_stop,
            }
            for cell in cells
        ],
        "compositions": compositions,
        "grid": told,
        "local": local,
        "trust": _looks(cells) | {"runs_above_stop": above},
    }
    return GridStudy(values, arrays | local_arrays)


@dataclass(frozen=True)
class _Composition:
    """A composition's lines of L_ii, or why one has none; its matrix is fitted when the species are known."""

    x_electrode: float
    n_cells: int
    looks: Mapping[str, int]
    """Of the committee, in the runs that gave a number."""
    points: Sequence[MeasuredAt]
    species: tuple[str, ...]
    lines: Mapping[str, ArrheniusFit | str]

    @staticmethod
    def of(x: float, cells: Sequence[CellMeasurement], species: Sequence[str]) -> "_Composition":
        points = [
            MeasuredAt(each.temperature_K, None if each.refusal else each.onsager, each.refusal, each.cell)
            for each in cells
        ]
        lines: dict[str, ArrheniusFit | str] = {}
        for i, symbol in enumerate(species):
            try:
                lines[symbol] = arrhenius_fit([element(point, i) for point in points])
            except AnalysisError as error:
                lines[symbol] = str(error)
        n_cells = len({each.cell for each in cells})
        looks = _looks([cell for cell in cells if not cell.refusal])
        return _Composition(x, n_cells, looks, points, tuple(species), lines)

    def matrix(self, species: Sequence[str]) -> ArrheniusMatrix:
        """Fit the matrix of some of the species."""
        rows = [self.species.index(symbol) for symbol in species]
        among = np.ix_(rows, rows)
        points = [replace(p, value=None if p.value is None else p.value[among]) for p in self.points]
        return arrhenius_matrix(species, points)

    def told(self, temperature_K: float) -> dict[str, Any]:
        """Return its lines as plain values."""
        return {
            "x_electrode": self.x_electrode,
            "n_cells": self.n_cells,
            "looks": dict(self.looks),
            "lines": {
                symbol: {"refused": each} if isinstance(each, str) else _told_line(each, temperature_K)
                for symbol, each in self.lines.items()
            },
        }


def _looks(cells: Sequence[CellMeasurement]) -> dict[str, int]:
    """Add up the looks of the committee; those of a melt and a quench count for every run that came of them."""
    names = ("n_looks", "n_above_select", "n_above_stop")
    return {name: sum(getattr(cell, name) for cell in cells) for name in names}


def _told_line(fit: ArrheniusFit, temperature_K: float) -> dict[str, Any]:
    return {
        "activation_energy_eV": _told(fit.activation_energy_eV),
        "at_temperature": _told(fit.at(temperature_K)),
        "warning": fit.warning_at(temperature_K),
        "coldest_K": fit.coldest_K,
        "hottest_K": fit.hottest_K,
        "n_points": fit.n_points,
        "error_scale": fit.error_scale,
        "notes": list(fit.notes),
    }


def _grid(
    fits: Sequence[_Composition], species: Sequence[str], temperature_K: float
) -> tuple[CompositionGrid | None, dict[str, Any]]:
    """Return the grid of as many species as have lines at two compositions or more, and what to say of it."""
    lined = {
        symbol: [fit.x_electrode for fit in fits if isinstance(fit.lines[symbol], ArrheniusFit)]
        for symbol in species
    }
    kept = [symbol for symbol in species if len(lined[symbol]) >= MIN_COMPOSITIONS]
    left_out = [symbol for symbol in species if symbol not in kept]
    if not kept:
        counts = ", ".join(f"{symbol} {len(lined[symbol])}" for symbol in species)
        return None, {
            "refused": f"compositions with an Arrhenius line: {counts}; {MIN_COMPOSITIONS} or more are needed to "
            "interpolate between"
        }
    matrices, notes = {}, []
    for fit in fits:
        try:
            matrices[fit.x_electrode] = fit.matrix(kept)
        except AnalysisError as error:
            notes.append(f"x = {fit.x_electrode:.2f} left out: {error}")
    if left_out:
        notes.append(
            f"without {', '.join(left_out)}: fewer than {MIN_COMPOSITIONS} compositions have a line of it"
        )
    try:
        grid = composition_grid(matrices)
    except AnalysisError as error:
        return None, {"refused": f"{error}. {' '.join(notes)}".strip()}
    return grid, {
        "species": list(grid.species),
        "x_electrode": grid.x_electrode.tolist(),
        "warnings": grid.warnings_at(temperature_K),
        "notes": notes,
    }


def _local(
    grid: CompositionGrid | None,
    told: Mapping[str, Any],
    line: CompositionLine,
    at_rest: str,
    temperature_K: float,
    profile: ProfileOfInterphase | None,
) -> tuple[dict[str, Any], dict[str, FloatArray]]:
    """Return L_ij along the normal of the interphase, or why not."""
    if profile is None:
        return {"refused": "there is no composition profile of an interphase"}, {}
    if grid is None:
        return {"refused": f"there is no grid: {told['refused']}"}, {}
    try:
        found = onsager_along_normal(
            grid,
            line,
            at_rest,
            profile.elements,
            profile.bin_edges_angstrom,
            profile.density_per_angstrom3,
            temperature_K,
            density_error=profile.density_error,
        )
    except AnalysisError as error:
        return {"refused": str(error)}, {}
    reasons = [reason for reason in found.refusals if reason is not None]
    arrays = {
        "local/height_angstrom": found.height_angstrom,
        "local/x_electrode": found.x_electrode,
        "local/off_line": found.off_line,
        "local/value": found.onsager.value,
        "local/lower": found.onsager.lower,
        "local/upper": found.onsager.upper,
        "local/flux": found.flux_atoms_per_nm2_ps.value,
        "local/flux_lower": found.flux_atoms_per_nm2_ps.lower,
        "local/flux_upper": found.flux_atoms_per_nm2_ps.upper,
    }
    return {
        "species": list(found.species),
        "profile": profile.told,
        "n_slices": len(found.refusals),
        "n_answered": len(found.refusals) - len(reasons),
        "refusals": dict(Counter(reasons)),
    }, arrays


def _distinct(values: Sequence[float]) -> list[float]:
    found: list[float] = []
    for value in sorted(values):
        if not found or value - found[-1] > SAME_X:
            found.append(value)
    return found


def _diagonal(onsager: Estimate, species: Sequence[str]) -> dict[str, dict[str, float]]:
    return {symbol: _told(onsager[i, i]) for i, symbol in enumerate(species)}


def _told(estimate: Estimate) -> dict[str, float]:
    return {name: float(getattr(estimate, name)) for name in ("value", "lower", "upper")}
