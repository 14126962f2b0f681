"""Summaries of transport and trapping for a terminal."""

from collections.abc import Iterator, Sequence

import numpy as np

from interphase_flows.analysis.passivation.results import TrappingResult
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.transport.conduction import IonicConduction
from interphase_flows.analysis.transport.summary import (
    OnsagerSummary,
    TransportResult,
    TransportSlabs,
    TransportWindows,
)


def transport_summary(transport: TransportResult) -> Iterator[str]:
    """Yield lines for the coefficients of the cell, conduction, windows and slabs."""
    cell = transport.entire_cell
    if isinstance(cell, Unavailable):
        yield f"transport of the entire cell: unavailable: {cell}"
    else:
        stationary = "" if cell.stationary else "; not stationary"
        yield f"L_ii, 1/(eV Å ps): {_diagonals(cell)}{stationary}"
        beyond = _distinct_from_zero(cell.beyond_frame_per_eV_angstrom_ps, cell.species)
        yield f"correlation beyond the {transport.frame.replace('_', ' ')} frame: {beyond or 'none distinct from zero'}"
        yield f"drift of the species, Å/ps, not part of L: {_drift(cell)}"
        yield _conduction(cell.conduction, transport)
    yield from _windows(transport.windows)
    yield from _slabs(transport.slabs)


def trapping_summary(trapping: TrappingResult) -> Iterator[str]:
    """Yield a line for every label of every interface."""
    for side, labels in trapping.sides.items():
        for label, each in labels.items():
            if isinstance(each, Unavailable):
                yield f"trapping {side}, {label}: unavailable: {each}"
            else:
                yield (
                    f"trapping {side}, {label}: {each.state.replace('_', ' ')}: {each.reason}; lifetime over that "
                    f"of diffusion {_bracketed(each.ratio)}"
                )


def _conduction(found: IonicConduction | Unavailable | None, transport: TransportResult) -> str:
    if found is None:
        return f"conductivity: unavailable: {transport.charges_from}"
    if isinstance(found, Unavailable):
        return f"conductivity: unavailable: {found}"
    charges = ", ".join(
        f"{symbol} {charge:+g}".replace("-", "−") for symbol, charge in (transport.charges_e or {}).items()
    )
    return (
        f"conductivity {_bracketed(found.conductivity_S_per_m)} S/m, Haven ratio {_bracketed(found.haven_ratio)}, "
        f"with charges {charges} ({transport.charges_from})"
    )


def _windows(found: TransportWindows | Unavailable) -> Iterator[str]:
    if isinstance(found, Unavailable):
        yield f"L_ij against time: unavailable: {found}"
        return
    known = [row.coefficients for row in found.rows if isinstance(row.coefficients, OnsagerSummary)]
    yield (
        f"L_ij against time: {len(known)} of {len(found.rows)} windows of {found.window_ps:.4g} ps have coefficients"
    )
    change = found.change_per_eV_angstrom_ps_ns
    if change is not None:
        moving = [
            f"{symbol} {_bracketed(change[i, i])}"
            for i, symbol in enumerate(known[0].species)
            if _is_distinct_from_zero(change[i, i])
        ]
        yield f"change of L_ii, 1/(eV Å ps) per ns: {', '.join(moving) or 'none distinct from zero'}"


def _slabs(found: TransportSlabs | Unavailable) -> Iterator[str]:
    if isinstance(found, Unavailable):
        yield f"L_ij by slab: unavailable: {found}"
        return
    last = max(row.start_ps for row in found.rows)
    for row in found.rows:
        if row.start_ps != last:
            continue
        for result, direction in ((row.in_plane, "in the plane"), (row.normal, "along the normal")):
            if isinstance(result, Unavailable):
                yield f"{row.name}, {direction}: unavailable: {result}"
            else:
                yield f"{row.name}, {direction}, L_ii: {_diagonals(result)}"


def _drift(found: OnsagerSummary) -> str:
    """Return the mean velocities that differ from zero, along the measured axes (the normal last)."""
    velocities = found.advection_angstrom_per_ps
    moving = [
        f"{symbol} {' '.join(_bracketed(velocities[i, axis]) for axis in range(np.shape(velocities.value)[1]))}"
        for i, symbol in enumerate(found.species)
        if any(_is_distinct_from_zero(velocities[i, axis]) for axis in range(np.shape(velocities.value)[1]))
    ]
    return ", ".join(moving) or "none distinct from zero"


def _diagonals(found: OnsagerSummary) -> str:
    matrix = found.onsager_per_eV_angstrom_ps
    return ", ".join(f"{symbol} {_bracketed(matrix[i, i])}" for i, symbol in enumerate(found.species))


def _distinct_from_zero(matrix: Estimate, species: Sequence[str]) -> str:
    """Return the pairs whose interval does not contain zero, with their coefficients."""
    return ", ".join(
        f"{species[i]}-{species[j]} {_bracketed(matrix[i, j])}"
        for i in range(len(species))
        for j in range(i, len(species))
        if _is_distinct_from_zero(matrix[i, j])
    )


def _is_distinct_from_zero(estimate: Estimate) -> bool:
    return bool(estimate.lower > 0 or estimate.upper < 0)


def _bracketed(estimate: Estimate) -> str:
    value, lower, upper = (
        "–" if x != x else f"{x:.3g}" for x in map(float, (estimate.value, estimate.lower, estimate.upper))
    )
    return f"{value} [{lower}, {upper}]"
