"""Most important numbers of a report, each with its error, sample size and source."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interphase_flows.analysis.pipeline.parts.structure import ElectrodeOrderResult
from interphase_flows.report.inputs.campaign import ProvenanceRow, ReportInputs
from interphase_flows.report.inputs.interphase import SeriesBand
from interphase_flows.report.text.numbers import minus, rounded, with_error
from interphase_flows.thermodynamics.results import KinkUncertainty

PUBLISHED_GROWTH_NS = (0.1, 10.0)
"""Length of published simulations in which interphases of Li/Li7P3S11 and similar interfaces grow, ns."""


@dataclass(frozen=True)
class HeadlineRow:
    """One number of the table at the top."""

    name: str
    value: str
    meaning: str
    subject: str
    """Subject of the provenance rows that support it."""


def source_anchor(provenance: Sequence[ProvenanceRow], subject: str) -> str | None:
    """Return the anchor of the first provenance row on a subject, None when there is none."""
    for number, row in enumerate(provenance, start=1):
        if row.subject == subject:
            return f"source-{number}"
    return None


def longest_time_ps(inputs: ReportInputs) -> float:
    """Return the time of the longest production run in ps, 0 without one."""
    return max((run.time_ps for run in inputs.production), default=0.0)


def verdict_text(inputs: ReportInputs) -> str:
    """Return the reason of the verdict, and the limits of the runs."""
    if inputs.verdict_reason:
        return inputs.verdict_reason
    longest = longest_time_ps(inputs)
    if not longest:
        return "No production run has finished."
    low, high = PUBLISHED_GROWTH_NS
    if inputs.verdict == "undecided":
        return (
            f"The longest run lasted {longest:.3g} ps; published interphases of this kind grow over "
            f"{low:g}–{high:g} ns. "
            "Runs of this length do not decide whether the interphase continues to grow, passivates or consumes its "
            "electrode or electrolyte."
        )
    return f"Based on runs of up to {longest:.3g} ps."


def headline_rows(inputs: ReportInputs) -> list[HeadlineRow]:
    """Return the available numbers."""
    reference = inputs.reference.short
    rows = []
    if inputs.iterations:
        last = inputs.iterations[-1].errors
        frames = f" (n = {last.n_frames} held-out frames)"
        rows += [
            HeadlineRow(
                "Force error of the last potential",
                f"{rounded(last.forces_mae_meV_per_angstrom)} meV/Å{frames}, no interval",
                f"mean absolute error against {reference} labels of held-out interface frames",
                "learning",
            ),
            HeadlineRow(
                "Energy error of the last potential",
                f"{rounded(last.energy_mae_meV_per_atom)} meV/atom{frames}, no interval",
                f"mean absolute error against {reference} labels of held-out interface frames",
                "learning",
            ),
        ]
    if inputs.production:
        n_complete = sum(run.is_complete for run in inputs.production)
        rows.append(
            HeadlineRow(
                "Complete production runs",
                f"{n_complete} of {max(inputs.n_production_runs, len(inputs.production))}",
                f"runs that reached their last step; the longest lasted {longest_time_ps(inputs):.3g} ps",
                "production",
            )
        )
    if (audit := inputs.production_audit) is not None:
        rows += [
            HeadlineRow(
                f"{quantity} error in production",
                with_error(found.value, found.standard_error, found.n_independent, unit),
                f"mean absolute error against {reference} labels of random production frames",
                "production audit",
            )
            for quantity, unit, found in (
                ("Force", "meV/Å", audit.forces_mae_meV_per_angstrom),
                ("Energy", "meV/atom", audit.energy_mae_meV_per_atom),
            )
        ]
    rows += _thickness_rows(inputs)
    if inputs.environments is not None and len(inputs.environments.time_ps):
        rows += _anion_rows(inputs.environments)
    if inputs.displacement is not None and len(inputs.displacement.time_ps):
        band = inputs.displacement
        last_values, last_errors = band.curves.value[-1], band.curves.standard_error[-1]
        rows += [
            HeadlineRow(
                f"Mean squared displacement of {name}, last frame",
                with_error(last_values[i], last_errors[i], band.n_replicas, "Å²"),
                f"relative to the first frame, after {band.time_ps[-1]:.3g} ps, without drift of the centre of mass",
                "displacement",
            )
            for i, name in enumerate(band.names)
        ]
    rows += _electrode_rows(inputs.electrode_order)
    if inputs.thermodynamics is not None and inputs.thermodynamics.kinks:
        kink, error = min(inputs.thermodynamics.kinks, key=lambda each: each[0].energy_eV_per_atom)
        rows.append(
            HeadlineRow(
                "Driving force",
                f"{minus(f'{kink.energy_eV_per_atom:.3f}')} eV/atom ({_interval_of(error)})",
                f"energy of {kink.reaction} per atom of the mixture; {reference}, 0 K",
                "thermodynamics",
            )
        )
    return rows


def _interval_of(error: KinkUncertainty | None) -> str:
    if error is None:
        return "one calculation per phase, no interval"
    low, high = (f"{x:.3f}" for x in (error.energy_eV_per_atom.lower, error.energy_eV_per_atom.upper))
    return f"95 %: {minus(low)} to {minus(high)}"


def _thickness_rows(inputs: ReportInputs) -> list[HeadlineRow]:
    rows = []
    for side, band in inputs.thickness.items():
        errors = band.curves.standard_error
        error = None if errors is None else errors[-1, 0]
        text = with_error(band.curves.value[-1, 0], error, band.n_replicas, "Å")
        meaning = f"of the interphase {side} the electrode, after {band.time_ps[-1]:.3g} ps"
        rows.append(HeadlineRow(f"Thickness {side}, last frame", text, meaning, "boundaries"))
    for side, laws in ({} if inputs.analyses is None else inputs.analyses.growth_laws()).items():
        texts = [f"{law} ({n} of {laws.total()})" for law, n in laws.most_common()]
        meaning = "law of the thickness, and the replicas that have it"
        rows.append(HeadlineRow(f"Growth law {side}", ", ".join(texts), meaning, "growth"))
    return rows


def _anion_rows(band: SeriesBand) -> list[HeadlineRow]:
    rows = []
    percent = band.curves.scaled(100.0)
    for i, name in enumerate(band.names):
        if np.max(percent.value[:, i]) < 1.0:
            continue
        rows.append(
            HeadlineRow(
                f"Anion centres in {name}, last frame",
                with_error(percent.value[-1, i], percent.standard_error[-1, i], band.n_replicas, "%"),
                f"{rounded(percent.value[0, i])} % in the first frame",
                "phases",
            )
        )
    return rows


def _electrode_rows(order: ElectrodeOrderResult | None) -> list[HeadlineRow]:
    if order is None:
        return []
    return [
        HeadlineRow(
            f"bcc fraction of the electrode, {frame} frame",
            with_error(share.value, share.standard_error, share.n_independent, "%"),
            "inner electrode atoms with a bcc-like environment",
            "electrode_order",
        )
        for frame, share in (
            ("first", order.bcc_fraction_start.scaled(100.0)),
            ("last", order.bcc_fraction_end.scaled(100.0)),
        )
    ]
