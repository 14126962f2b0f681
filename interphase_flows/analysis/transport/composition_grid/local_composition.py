"""Onsager coefficients along the normal of an interphase, by the composition of each slice.

The coefficients of a slice are those of the amorphous mixture with its composition: they do not contain order, strain,
interfaces between phases, and differences in density. Slices are first averaged over a window along the normal, through
the periodic cell: layers of atoms alternate within a few Å, where a composition has no meaning. The composition of
three elements has two independent fractions, the line of the grid one: x is that of the nearest point on the line, and
the distance from the line is returned.

With the gradients of the averaged composition the coefficients give the flux in an ideal solution (`gradient_flux`).
Coefficients are returned in the barycentric frame of each slice, where all species have one: L' = T L T^T of those
relative to the species at rest (Kirkwood et al., J. Chem. Phys. 33, 1505 (1960)).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import atomic_masses
from scipy.ndimage import convolve1d

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.geometry.frames import numbers_of
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.transport.composition_grid.interpolation import CompositionGrid
from interphase_flows.analysis.transport.driven_flux import periodic_gradient_eV_per_angstrom
from interphase_flows.analysis.transport.positive_matrices import estimate_of
from interphase_flows.analysis.transport.reference_frames import frame_matrix
from interphase_flows.exceptions import AnalysisError
from interphase_flows.units import ANGSTROM2_PER_NM2

WINDOW_ANGSTROM = 6.0
"""Averaging window, about the size of an anion with its shell of cations."""
OFF_LINE = 0.1
"""Largest deviation of an atomic fraction from the line at which coefficients of the line are used."""


@dataclass(frozen=True)
class LocalTransport:
    """L_ij of each slice; NaN where it is unavailable."""

    height_angstrom: FloatArray
    """(n_slices,), centres of the slices, Å."""
    x_electrode: FloatArray
    """(n_slices,), NaN for an empty slice."""
    x_error: FloatArray
    """(n_slices,), standard error."""
    off_line: FloatArray
    """(n_slices,), largest deviation of an atomic fraction from that at x."""
    species: tuple[str, ...]
    onsager: Estimate
    """Barycentric L_ij, 1/(eV Å ps), (n_slices, n_species, n_species)."""
    flux_atoms_per_nm2_ps: Estimate
    """J_i = - sum_j L_ij grad(mu_j) of an ideal solution, (n_slices, n_species), upwards positive."""
    reasons: tuple[str | None, ...]
    """(n_slices,), why coefficients are unavailable; None where they are available."""


@dataclass(frozen=True)
class CompositionLine:
    """Line from an electrolyte (x = 0) to an electrode (x = 1), each given by its atoms in any amount of the phase."""

    electrode: Mapping[str, float]
    electrolyte: Mapping[str, float]

    @property
    def elements(self) -> tuple[str, ...]:
        """Symbols, sorted."""
        return tuple(sorted({*self.electrode, *self.electrolyte}))

    def shares(self, x_electrode: float) -> FloatArray:
        """Return the atomic fraction of each element at a point of the line."""
        end, start = (self._shares_of(each) for each in (self.electrode, self.electrolyte))
        return np.asarray(start + x_electrode * (end - start))

    def nearest(self, amount: FloatArray, error: FloatArray) -> tuple[float, float, float]:
        """Return x, its standard error and the distance from the line for amounts of the elements with errors."""
        total, along = amount.sum(), self.shares(1.0) - self.shares(0.0)
        length = along @ along
        if not total > 0 or length == 0:
            return np.nan, np.nan, np.nan
        share = amount / total
        x = (share - self.shares(0.0)) @ along / length
        # rounding may put a slice of pure electrode slightly beyond the end
        x = float(np.clip(x, 0.0, 1.0))
        gradient = (along - share @ along) / (total * length)
        return x, float(np.linalg.norm(gradient * error)), float(np.abs(share - self.shares(x)).max())

    def _shares_of(self, composition: Mapping[str, float]) -> FloatArray:
        amount = np.array([composition.get(symbol, 0.0) for symbol in self.elements])
        return np.asarray(amount / amount.sum())


def onsager_along_normal(
    grid: CompositionGrid,
    line: CompositionLine,
    at_rest: str,
    elements: Sequence[str],
    bin_edges_angstrom: FloatArray,
    density_per_angstrom3: FloatArray,
    temperature_K: float,
    *,
    density_error: FloatArray | None = None,
    window_angstrom: float = WINDOW_ANGSTROM,
) -> LocalTransport:
    """Return L_ij(z) of number densities along the normal.

    Parameters
    ----------
    grid, line, at_rest
        Coefficients of all species of the line but one, relative to that one, which is at rest.
    elements
        Symbols, in the order of the densities.
    bin_edges_angstrom
        (n_slices + 1,), equally spaced through a periodic cell.
    density_per_angstrom3, density_error
        Number densities and their standard errors, (n_elements, n_slices).
    temperature_K
        Temperature of the interphase.
    window_angstrom
        Width of the averaging window along the normal.

    Raises
    ------
    AnalysisError
        The elements of profile, line and grid (with the species at rest) differ.
    """
    species = (*grid.species, at_rest)
    if set(species) != set(line.elements) or set(elements) != set(line.elements):
        raise AnalysisError(
            f"the grid is of {', '.join(grid.species)} relative to {at_rest}, the profile of {', '.join(elements)}, "
            f"the line of {', '.join(line.elements)}: all must be of the same elements"
        )
    order = [list(elements).index(symbol) for symbol in line.elements]
    error = np.zeros_like(density_per_angstrom3) if density_error is None else density_error
    width = float(np.diff(bin_edges_angstrom).mean())
    window = _window(min(window_angstrom / width, density_per_angstrom3.shape[1]))
    amount, amount_error = (
        convolve1d(np.nan_to_num(each[order]), window, axis=1, mode="wrap") for each in (density_per_angstrom3, error)
    )
    rows = [line.nearest(amount[:, k], amount_error[:, k]) for k in range(amount.shape[1])]
    x, x_error, off_line = (np.array(column) for column in zip(*rows, strict=True))
    masses = atomic_masses[numbers_of(species)]
    counts = amount[[line.elements.index(symbol) for symbol in species]]
    gradient = (
        periodic_gradient_eV_per_angstrom(bin_edges_angstrom, counts, temperature_K)
        if len(x) > 1
        else np.full(counts.shape, np.nan)
    )
    nothing = np.full((len(species), len(species)), np.nan)
    coefficients, fluxes, reasons = [], [], []
    for k in range(len(x)):
        absent = [symbol for symbol, n in zip(species, counts[:, k], strict=True) if n <= 0]
        reason = _unavailable_because(grid, x[k], off_line[k], absent)
        reasons.append(reason)
        if reason is not None:
            coefficients.append(Estimate.unknown(nothing))
            fluxes.append(Estimate.unknown(nothing[0]))
            continue
        frame = frame_matrix("barycentric", species, counts[:, k], masses)[:, :-1]
        parts = grid.parts_at(x[k], temperature_K, x_error[k])
        value, drawn = frame @ parts.matrix @ frame.T, parts.drawn(frame)
        coefficients.append(estimate_of(value, drawn, grid.confidence))
        downhill = -ANGSTROM2_PER_NM2 * gradient[:, k]
        fluxes.append(estimate_of(value @ downhill, drawn @ downhill, grid.confidence))
    middles = 0.5 * (bin_edges_angstrom[1:] + bin_edges_angstrom[:-1])
    return LocalTransport(
        middles, x, x_error, off_line, species, _stacked(coefficients), _stacked(fluxes), tuple(reasons)
    )


def _stacked(estimates: Sequence[Estimate]) -> Estimate:
    names = ("value", "lower", "upper", "standard_error")
    stacked = {name: np.stack([getattr(each, name) for each in estimates]) for name in names}
    return Estimate(**stacked, confidence=estimates[0].confidence)


def _window(n_slices: float) -> FloatArray:
    """Return weights of an odd number of slices that add up to 1; the outermost ones count by their part inside."""
    n_slices = max(n_slices, 1.0)
    beside = int(np.ceil(0.5 * (n_slices - 1.0) - 1e-9))
    weights = np.ones(2 * beside + 1)
    if beside:
        weights[[0, -1]] = 0.5 * (n_slices - (2 * beside - 1))
    return weights / n_slices


def _unavailable_because(grid: CompositionGrid, x: float, off_line: float, absent: Sequence[str]) -> str | None:
    """Return why the grid gives no coefficients for a slice, None if it does."""
    first, last = grid.x_electrode[0], grid.x_electrode[-1]
    if not np.isfinite(x):
        return "the slice is empty"
    if off_line > OFF_LINE:
        return (
            f"its composition is not on the line of the grid: a fraction deviates by more than {100 * OFF_LINE:.0f} %"
        )
    if not first <= x <= last:
        return f"its x is outside the grid, {first:.2f} to {last:.2f}"
    if absent:
        return f"the slice has no {', '.join(absent)}, unlike the cells of the grid"
    return None
