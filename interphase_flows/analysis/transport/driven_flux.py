"""Fluxes driven by gradients of the chemical potential, J_i = - sum over j of L_ij grad(mu_j), with intervals.

mu is that of an ideal solution: grad(mu_j) = kB T grad(ln x_j), with x_j the atomic fraction of species j in a slab. The
model contains neither enthalpies of reaction nor an electric field, which drive ions in an interphase at least as much;
its sign can be wrong where a compound forms. Therefore it is reported beside the model-free flux
(`interphase_flows.analysis.interfaces.plane_flux`). Intervals are by Monte Carlo over complete matrices: the errors of
L_ij are correlated, in the barycentric frame by sum_i m_i L_ij = 0, and independent ones would be too narrow.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.geometry.drift import WithoutDrift
from interphase_flows.analysis.geometry.frames import FrameSource
from interphase_flows.analysis.geometry.slices import periods_angstrom
from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.analysis.interfaces.fluxes import BEGIN, END, towards_electrolyte
from interphase_flows.analysis.interfaces.results import DrivenFlux
from interphase_flows.analysis.profiles.composition import composition_profile
from interphase_flows.analysis.statistics.estimate import CONFIDENCE, Estimate
from interphase_flows.analysis.transport.positive_matrices import N_SAMPLES, estimate_of
from interphase_flows.analysis.transport.results import OnsagerResult
from interphase_flows.exceptions import AnalysisError
from interphase_flows.units import ANGSTROM2_PER_NM2, KB_EV_PER_K

SLAB_ANGSTROM = 3.0
"""Bin width of the composition profile whose gradient is taken."""
SYMMETRY = 1e-6
"""Largest difference of L_ij and L_ji, relative to the largest element."""


def ideal_gradient_eV_per_angstrom(
    height_angstrom: ArrayLike, density_per_angstrom3: ArrayLike, temperature_K: float
) -> FloatArray:
    """Return grad(mu) of an ideal solution, (n_species, n_slabs), eV/Å.

    Central differences between the centres of the slabs, (n_slabs,), of the number densities of all species,
    (n_species, n_slabs); NaN in and beside slabs without a species, where ln x is undefined. Raises AnalysisError if
    the shapes do not match, heights do not rise, or a density is negative.
    """
    height, density = np.asarray(height_angstrom, dtype=float), np.asarray(density_per_angstrom3, dtype=float)
    if density.ndim != 2 or density.shape[1:] != height.shape or len(height) < 2 or (density < 0).any():
        raise AnalysisError(
            f"densities of shape {density.shape} for {height.shape} heights; they must be (n_species, n_slabs) and not "
            "negative"
        )
    if not (np.diff(height) > 0).all() or not temperature_K > 0:
        raise AnalysisError(f"heights must rise, and the temperature of {temperature_K} K be positive")
    with np.errstate(divide="ignore", invalid="ignore"):
        log_share = np.log(density / density.sum(axis=0))
    log_share[~np.isfinite(log_share)] = np.nan
    gradient = KB_EV_PER_K * temperature_K * np.gradient(log_share, height, axis=1)
    # a central difference ignores the slab itself
    return np.where(np.isnan(log_share), np.nan, gradient)


def periodic_gradient_eV_per_angstrom(
    bin_edges_angstrom: ArrayLike, density_per_angstrom3: ArrayLike, temperature_K: float
) -> FloatArray:
    """Return grad(mu) as `ideal_gradient_eV_per_angstrom` does, of slabs that tile a periodic cell.

    The edges, (n_slabs + 1,), run from the lower face of the cell to the upper one: the first slab follows the last one.
    """
    edges, density = (
        np.asarray(bin_edges_angstrom, dtype=float),
        np.asarray(density_per_angstrom3, dtype=float),
    )
    middle, period = 0.5 * (edges[1:] + edges[:-1]), edges[-1] - edges[0]
    around = np.concatenate([middle[-1:] - period, middle, middle[:1] + period])
    wrapped = np.concatenate([density[:, -1:], density, density[:, :1]], axis=1)
    return ideal_gradient_eV_per_angstrom(around, wrapped, temperature_K)[:, 1:-1]


def gradient_flux(
    gradient_eV_per_angstrom: ArrayLike, onsager_per_eV_angstrom_ps: ArrayLike, onsager_drawn: ArrayLike
) -> Estimate:
    """Return the fluxes driven by gradients of mu, upwards positive, (n_species, n_slabs), atoms/(nm² ps).

    Parameters
    ----------
    gradient_eV_per_angstrom
        grad(mu), (n_species, n_slabs).
    onsager_per_eV_angstrom_ps
        L_ij: (n_species, n_species), or one matrix per slab, (n_slabs, n_species, n_species).
    onsager_drawn
        Random samples of the matrices, samples along the first axis: `OnsagerResult.drawn`.

    Raises
    ------
    AnalysisError
        The shapes do not match, or L is not symmetric.
    """
    gradient = np.asarray(gradient_eV_per_angstrom, dtype=float)
    n_species, n_slabs = gradient.shape
    shape = (n_slabs, n_species, n_species)
    value, drawn = (np.asarray(each, dtype=float) for each in (onsager_per_eV_angstrom_ps, onsager_drawn))
    if value.shape not in {shape, shape[1:]} or drawn.ndim < 2 or drawn.shape[1:] != value.shape:
        raise AnalysisError(
            f"coefficients {value.shape}, drawn {drawn.shape}, do not match gradients of {n_species} species in "
            f"{n_slabs} slabs; shapes must be {shape[1:]} or {shape}, samples with one more axis"
        )
    if (np.abs(value - value.swapaxes(-1, -2)) > SYMMETRY * np.nanmax(np.abs(value), initial=0.0)).any():
        raise AnalysisError("L_ij differs from L_ji; the matrix must be symmetric")
    of_slabs = "zij" if value.ndim == 3 else "ij"
    flux = -ANGSTROM2_PER_NM2 * np.einsum(f"{of_slabs},jz->iz", value, gradient)
    sampled = -ANGSTROM2_PER_NM2 * np.einsum(f"s{of_slabs},jz->siz", drawn, gradient)
    return estimate_of(flux, sampled, CONFIDENCE)


def driven_by_gradients(
    frames: FrameSource,
    onsager: OnsagerResult,
    interfaces: Sequence[Interface],
    temperature_K: float,
) -> dict[str, list[DrivenFlux]]:
    """Return the fluxes of -L grad(mu) through each boundary at its mean height, towards the electrolyte."""
    profile = composition_profile(WithoutDrift(frames), bin_width_angstrom=SLAB_ANGSTROM)
    edges = profile.bin_edges_angstrom
    # slices are fractions of the cell, so heights are those in the first frame, and gradients those in the mean cell
    stretch = periods_angstrom(frames)
    stretch /= stretch[0]
    density = profile.mean_over(slice(None))[[profile.elements.index(each) for each in onsager.species]]
    gradient = periodic_gradient_eV_per_angstrom(edges * stretch.mean(), density, temperature_K)
    fluxes = gradient_flux(gradient, onsager.onsager.value, onsager.drawn(N_SAMPLES))
    answer = {}
    for interface in interfaces:
        sign = towards_electrolyte(interface)
        rows = []
        for plane, height in (
            (BEGIN, interface.electrode_side_angstrom),
            (END, interface.electrolyte_side_angstrom),
        ):
            now = slice(interface.first_frame, interface.first_frame + len(height))
            slab = int(np.searchsorted(edges, float((height / stretch[now]).mean()) % edges[-1], side="right")) - 1
            for row, species in enumerate(onsager.species):
                flux = fluxes[row, slab]
                ends = sorted((sign * float(flux.lower), sign * float(flux.upper)))
                driven = Estimate(sign * float(flux.value), *ends)
                rows.append(DrivenFlux(species=species, boundary=plane, driven_atoms_per_nm2_ps=driven))
        answer[interface.name] = rows
    return answer
