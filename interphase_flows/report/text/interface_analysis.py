"""Summary of an interface analysis for a terminal."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from interphase_flows.analysis.growth.results import GrowthResult
from interphase_flows.analysis.interfaces.detection import NO_INTERFACE
from interphase_flows.analysis.interfaces.results import BoundariesResult, FluxesResult
from interphase_flows.analysis.passivation.results import VerdictResult
from interphase_flows.analysis.pipeline.parts.structure import ElectrodeOrderResult
from interphase_flows.analysis.pipeline.parts.transport import DisplacementResult
from interphase_flows.analysis.profiles.results import ProfilesResult
from interphase_flows.analysis.results import Result, Unavailable
from interphase_flows.report.text.numbers import percent, rounded
from interphase_flows.report.text.phases import phases_summary
from interphase_flows.report.text.transport import transport_summary, trapping_summary


def analysis_summary(parts: Mapping[str, Result | Unavailable]) -> Iterator[str]:
    """Yield a line or more for every part, or why it is unavailable; parts of other packages have no summary."""
    summaries: dict[str, Callable[[Any], Iterator[str]]] = {
        "boundaries": _boundaries,
        "growth": _growth,
        "fluxes": _fluxes,
        "transport": transport_summary,
        "trapping": trapping_summary,
        "verdict": _verdict,
        "profiles": _profiles,
        "phases": phases_summary,
        "displacement": _displacement,
        "electrode_order": _electrode_order,
    }
    without: list[str] = []
    for name in (*summaries, *(name for name in parts if name not in summaries)):
        result = parts.get(name)
        if result is None:
            continue
        if not isinstance(result, Unavailable):
            yield from summaries[name](result) if name in summaries else (f"{name}: see analysis.json",)
        elif result.reason == NO_INTERFACE:
            without.append(name)
        else:
            yield f"{name}: unavailable: {result}"
    if without:
        yield f"{', '.join(without)}: unavailable: {NO_INTERFACE}"


def _boundaries(found: BoundariesResult) -> Iterator[str]:
    for side, each in found.sides.items():
        yield (
            f"thickness {side}: {rounded(each.thickness_start_angstrom)} Å at the start, "
            f"{rounded(each.thickness_end_angstrom)} Å at the end"
        )
    yield from (f"boundaries: {note}" for note in found.notes)


def _growth(found: GrowthResult) -> Iterator[str]:
    for side, each in found.sides.items():
        if isinstance(each, Unavailable):
            yield f"growth {side}: unavailable: {each}"
        else:
            yield f"growth {side}: {each.decision.replace('_', ' ')}: {each.reason}"


def _fluxes(found: FluxesResult) -> Iterator[str]:
    for side, each in found.crossings.items():
        if isinstance(each, Unavailable):
            yield f"fluxes {side}: unavailable: {each}"
            continue
        passed = ", ".join(
            f"{row.species} {rounded(row.passed_atoms_per_nm2)}"
            for row in each.rows
            if row.boundary == "electrode side"
        )
        yield f"passed {side} from the electrode into the interphase, atoms/nm²: {passed}"


def _profiles(found: ProfilesResult) -> Iterator[str]:
    yield (
        f"profiles: {found.n_slices} slices of {rounded(found.slice_angstrom)} Å in {len(found.blocks)} blocks "
        f"of time; the cell has {rounded(found.mass_density_g_per_cm3)} g/cm³"
    )
    if isinstance(found.coordination, Unavailable):
        yield f"coordination: unavailable: {found.coordination}"
        return
    for each in found.coordination.shells:
        yield (
            f"coordination: {each.name} {rounded(each.start.value)} at the start, {rounded(each.end.value)} at the end"
        )


def _displacement(found: DisplacementResult) -> Iterator[str]:
    end = ", ".join(f"{species} {rounded(each.value)}" for species, each in found.msd_end_angstrom2.items())
    yield f"mean squared displacement at the end, Å²: {end}"


def _electrode_order(found: ElectrodeOrderResult) -> Iterator[str]:
    start, end = percent(found.bcc_fraction_start), percent(found.bcc_fraction_end)
    yield f"bcc fraction of the electrode: {start} at the start, {end} at the end"


def _verdict(found: VerdictResult) -> Iterator[str]:
    yield f"verdict: {found.state}"
    for side, each in found.sides.items():
        if isinstance(each, Unavailable):
            yield f"verdict {side}: unavailable: {each}"
            continue
        needed = each.trajectory_needed_ps
        more = ""
        if needed and math.isfinite(needed[0]):
            length = f"{rounded(needed[0], 2)} ps"
            more = (
                f" (a decision needs about {length} or more)"
                if each.checks
                else f" (a verdict needs at least {length})"
            )
        yield f"verdict {side}: {each.state}: {each.reason}{more}"
