"""Results of the transport analysis of one trajectory, as documents store them."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from interphase_flows.analysis.results import Result, Unavailable
from interphase_flows.analysis.statistics.estimate import Array, Estimate, Number
from interphase_flows.analysis.transport.conduction import IonicConduction, ionic_conduction
from interphase_flows.analysis.transport.reference_frames import ReferenceFrame
from interphase_flows.analysis.transport.results import OnsagerResult
from interphase_flows.exceptions import AnalysisError

LARGEST_NET_CHARGE = 0.05
"""Largest net charge, relative to the sum of absolute charges, at which an ionic conductivity is defined."""


class OnsagerSummary(Result):
    """Onsager coefficients of a window or of a slab in a window; matrices in the order of `species`."""

    species: tuple[str, ...]
    n_atoms: tuple[int, ...]
    onsager_per_eV_angstrom_ps: Estimate
    """L_ij, (n_species, n_species)."""
    beyond_frame_per_eV_angstrom_ps: Estimate
    """L_ij minus that of independent atoms in the same frame, (n_species, n_species)."""
    self_diffusion_cm2_per_s: Estimate
    """(n_species,)."""
    n_independent: Array
    """(n_species,), independent steps behind each L_ii."""
    step_ps: float
    n_steps: int
    advection_angstrom_per_ps: Estimate
    """Mean velocity of each species, (n_species, n_axes)."""
    stationary: bool
    half_window_z: Array
    """(n_species,), difference of L_ii between the halves of the window in standard errors."""
    conduction: IonicConduction | Unavailable | None = None
    """None if the charges are unknown."""


class TransportWindow(Result):
    """Onsager coefficients of the cell in one time window."""

    start_ps: float
    end_ps: float
    coefficients: OnsagerSummary | Unavailable


class TransportWindows(Result):
    """Onsager coefficients against time."""

    window_ps: float
    chosen: str
    """Rule by which the length of the windows was chosen."""
    rows: tuple[TransportWindow, ...]
    change_per_eV_angstrom_ps_ns: Estimate | None = None
    """Slope of L_ij per ns, (n_species, n_species); None with fewer than three windows."""


class TransportSlab(Result):
    """Onsager coefficients of one slab in one window."""

    name: str
    start_ps: float
    end_ps: float
    lower_angstrom: float
    upper_angstrom: float
    n_atoms: int
    fraction_staying: Number
    """Fraction of the atoms that are still in the slab when the window ends."""
    in_plane: OnsagerSummary | Unavailable
    normal: OnsagerSummary | Unavailable


class TransportSlabs(Result):
    """Onsager coefficients by slab: electrode, interphase, electrolyte."""

    window_ps: float
    chosen: str
    names: tuple[str, ...]
    rows: tuple[TransportSlab, ...]


class TransportResult(Result):
    """Onsager transport of one trajectory: entire cell, time windows, slabs."""

    frame: ReferenceFrame
    at_rest: tuple[str, ...]
    charges_e: dict[str, float] | None
    charges_from: str
    """Origin of the charges, or why they are unknown."""
    entire_cell: OnsagerSummary | Unavailable
    windows: TransportWindows | Unavailable
    slabs: TransportSlabs | Unavailable


class TransportAverage(Result):
    """Transport coefficients averaged over replicas, and a test of whether the replicas agree."""

    species: tuple[str, ...]
    n_replicas: int
    """Replicas with coefficients of the entire cell."""
    n_total: int
    error_source: Literal["spread between replicas", "errors within replicas"]
    onsager_per_eV_angstrom_ps: Estimate
    beyond_frame_per_eV_angstrom_ps: Estimate
    self_diffusion_cm2_per_s: Estimate
    conductivity_S_per_m: Estimate | None = None
    nernst_einstein_S_per_m: Estimate | None = None
    haven_ratio: Estimate | None = None
    differing: tuple[str, ...]
    """Quantities in which replicas differ by more than their errors."""
    smallest_p: Number
    n_tests: int


def summarise_onsager(result: OnsagerResult, charges_e: Mapping[str, float] | None) -> OnsagerSummary:
    """Summarise Onsager coefficients and, where charges in units of e are known, ionic conduction.

    Conduction is unavailable unless the charges add up to zero: metal of an electrode is not ionic, and reaction
    products have other charges than the electrolyte.
    """
    return OnsagerSummary(
        species=result.species,
        n_atoms=tuple(result.n_atoms.tolist()),
        onsager_per_eV_angstrom_ps=result.onsager,
        beyond_frame_per_eV_angstrom_ps=result.beyond_frame,
        self_diffusion_cm2_per_s=result.self_diffusion_cm2_per_s,
        n_independent=result.n_independent,
        step_ps=result.step_ps,
        n_steps=result.n_steps,
        advection_angstrom_per_ps=result.advection_angstrom_per_ps,
        stationary=result.stationary,
        half_window_z=result.half_window_z,
        conduction=None if charges_e is None else _conduction(result, charges_e),
    )


def _conduction(result: OnsagerResult, charges_e: Mapping[str, float]) -> IonicConduction | Unavailable:
    net = net_charge(result.species, result.n_atoms.tolist(), charges_e)
    if net is not None:
        return Unavailable(
            reason=f"the net charge is {net:.4g} e, so the conductivity would depend on the reference frame"
        )
    try:
        return ionic_conduction(result, {symbol: charges_e[symbol] for symbol in result.species})
    except AnalysisError as error:  # all species are neutral
        return Unavailable.from_error(error)


def net_charge(species: tuple[str, ...], n_atoms: Sequence[int], charges_e: Mapping[str, float]) -> float | None:
    """Return the net charge in e, or None if it is close enough to zero for an ionic conductivity."""
    charges = np.array(n_atoms) * [charges_e[symbol] for symbol in species]
    is_neutral = abs(charges.sum()) <= LARGEST_NET_CHARGE * np.abs(charges).sum()
    return None if is_neutral else float(charges.sum())
