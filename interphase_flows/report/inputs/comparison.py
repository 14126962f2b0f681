"""Results of several campaigns side by side."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from interphase_flows.analysis.phases.results import PhasesAverage
from interphase_flows.analysis.transport.summary import TransportAverage
from interphase_flows.report.inputs.campaign import ReportInputs
from interphase_flows.report.inputs.interphase import InterfaceResults
from interphase_flows.report.text.numbers import duration, interval, percent

MISSING = "–"


@dataclass(frozen=True)
class ComparedCampaign:
    """One campaign of a comparison."""

    name: str
    specification: Mapping[str, Any]
    """Its file with all defaults, as JSON."""
    inputs: ReportInputs
    headline: Sequence[tuple[str, str]]
    """Names and values of the most important numbers of its report."""


@dataclass(frozen=True)
class ComparedRow:
    """One key of the campaign files, or one result, of all campaigns."""

    group: str
    name: str
    values: Sequence[str]
    """One for each campaign; a dash where there is none."""


def differing_keys(campaigns: Sequence[ComparedCampaign]) -> list[ComparedRow]:
    """Return the keys of the campaign files whose values differ, names and descriptions aside."""
    flat = [dict(_flattened(each.specification)) for each in campaigns]
    keys = dict.fromkeys(key for each in flat for key in each)
    rows = [ComparedRow("keys", key, [each.get(key, MISSING) for each in flat]) for key in keys]
    return [row for row in rows if len(set(row.values)) > 1 and row.name not in ("name", "description")]


def _flattened(block: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for key, value in block.items():
        if isinstance(value, Mapping) and value:
            yield from _flattened(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", "empty" if value is None or value in ("", [], {}) else str(value)


def compared_results(campaigns: Sequence[ComparedCampaign]) -> list[tuple[str, list[ComparedRow]]]:
    """Return all results by group, in the order in which the campaigns have them."""
    found = [{(group, name): value for group, name, value in _results(each)} for each in campaigns]
    keys = dict.fromkeys(key for each in found for key in each)
    groups = list(dict.fromkeys(group for group, _ in keys))
    ordered = sorted(keys, key=lambda key: groups.index(key[0]))
    rows = [ComparedRow(group, name, [each.get((group, name), MISSING) for each in found]) for group, name in ordered]
    return [(group, list(of_group)) for group, of_group in groupby(rows, key=lambda row: row.group)]


def _results(campaign: ComparedCampaign) -> Iterator[tuple[str, str, str]]:
    """Yield group, name and value of every result of a campaign."""
    inputs = campaign.inputs
    yield "Outcome", "Campaign", inputs.outcome
    yield "Outcome", "Reference method", inputs.reference.short
    yield "Outcome", "Verdict", inputs.verdict
    for name, value in campaign.headline:
        yield "Numbers of the report", name, value
    if inputs.analyses is not None:
        yield from _analysed(inputs.analyses)
    spending = inputs.spending
    if spending is not None:
        yield "Cost", "Labels accepted", str(spending.labels_accepted)
        yield "Cost", "Labels rejected", str(sum(spending.labels_rejected.values()))
        for stage, seconds in spending.wall_time_s.items():
            yield "Cost", f"Wall time of jobs, {stage}", duration(seconds)
        yield "Cost", "Wall time of jobs, all stages", duration(sum(spending.wall_time_s.values()))
        if spending.atom_steps is not None:
            yield "Cost", "Atoms times steps", f"{spending.atom_steps:.2e}"


def _analysed(analyses: InterfaceResults) -> Iterator[tuple[str, str, str]]:
    phases, transport = analyses.averages.get("phases"), analyses.averages.get("transport")
    if isinstance(phases, PhasesAverage):
        for name, amount in phases.phases.items():
            yield "Phases at the end, fraction of atoms", name, percent(amount.atom_fraction)
    if isinstance(transport, TransportAverage):
        for index, species in enumerate(transport.species):
            value = interval(transport.self_diffusion_cm2_per_s[index])
            yield "Transport", f"Self-diffusion of {species} (cm²/s)", value
        for name, found in (
            ("Conductivity (S/m)", transport.conductivity_S_per_m),
            ("Haven ratio", transport.haven_ratio),
        ):
            if found is not None:
                yield "Transport", name, interval(found)
