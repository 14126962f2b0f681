"""Headline numbers of a report, each with its error, sample size and source."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.report.collect.thermodynamics_inputs import ReactionKink
from interphase_flows.report.inputs import ProvenanceRow, ReportInputs, SeriesBand
from interphase_flows.report.text.numbers import minus, rounded, with_error

PUBLISHED_GROWTH_NS = (0.1, 10.0)
"""Times over which published simulations of Li/Li7P3S11 and similar interfaces report growth, ns."""


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
    return max((replica.time_ps for replica in inputs.replicas), default=0.0)


def verdict_text(inputs: ReportInputs) -> str:
    """Return what the runs decide about passivation, and what limits them."""
    if inputs.verdict_reason:
        return inputs.verdict_reason
    longest = longest_time_ps(inputs)
    if not longest:
        return "No production run has finished, so growth and passivation are unknown."
    low, high = PUBLISHED_GROWTH_NS
    if inputs.verdict == "undecided":
        return (
            f"The longest run lasted {longest:.3g} ps; published interphases of this kind grow over "
            f"{low:g}–{high:g} ns. "
            "These runs show the first contact. They cannot decide whether the interphase continues to grow, passivates, "
            "or ran out of electrode or electrolyte."
        )
    return f"Judged from runs of up to {longest:.3g} ps."


def headline_rows(inputs: ReportInputs) -> list[HeadlineRow]:
    """Return the available headline numbers."""
    reference = inputs.reference.short
    rows = []
    if inputs.iterations:
        last = inputs.iterations[-1]
        frames = f" (n = {last.n_test} held-out frames)" if last.n_test else ""
        rows += [
            HeadlineRow(
                "Force error of the last potential",
                f"{rounded(last.force_mae_meV_per_angstrom)} meV/Å{frames}, no interval",
                f"mean absolute error against {reference} labels, held-out interface frames",
                "learning",
            ),
            HeadlineRow(
                "Energy error of the last potential",
                f"{rounded(last.energy_mae_meV_per_atom)} meV/atom{frames}, no interval",
                f"mean absolute error against {reference} labels",
                "learning",
            ),
        ]
    if inputs.replicas:
        n, alive = len(inputs.replicas), sum(r.survived for r in inputs.replicas)
        rows.append(
            HeadlineRow(
                "Production runs that survived",
                f"{alive} of {n}",
                f"up to {longest_time_ps(inputs):.3g} ps each; a survivor reached its last step",
                "production",
            )
        )
    rows += [
        HeadlineRow(
            f"{what} error in production",
            with_error(found.value, found.standard_error, found.n_independent, unit),
            f"mean absolute error of the released potential on random production frames, labelled by {reference} "
            "afterwards",
            "production audit",
        )
        for what, unit, found in (
            ("Force", "meV/Å", inputs.production_force_mae_meV_per_angstrom),
            ("Energy", "meV/atom", inputs.production_energy_mae_meV_per_atom),
        )
        if found is not None
    ]
    if inputs.environments is not None and len(inputs.environments.time_ps):
        rows += _anion_rows(inputs.environments)
    if inputs.displacement is not None and len(inputs.displacement.time_ps):
        band = inputs.displacement
        rows += [
            HeadlineRow(
                f"Squared displacement of {name} at the end",
                with_error(float(band.mean[-1, i]), band.error_of(-1, i), band.n_replicas, "Å²"),
                f"from the first frame, after {band.time_ps[-1]:.3g} ps, common drift removed",
                "displacement",
            )
            for i, name in enumerate(band.names)
        ]
    rows += _crystal_rows(inputs.bcc_start, inputs.bcc_end)
    if inputs.thermodynamics is not None and inputs.thermodynamics.kinks:
        kink = min(inputs.thermodynamics.kinks, key=lambda k: k.energy_eV_per_atom)
        rows.append(
            HeadlineRow(
                "Driving force",
                f"{minus(f'{kink.energy_eV_per_atom:.3f}')} eV/atom ({_interval_of(kink)})",
                f"{kink.reaction}; {reference}, 0 K, per atom of mixture",
                "thermodynamics",
            )
        )
    return rows


def _interval_of(kink: ReactionKink) -> str:
    if kink.interval_eV_per_atom is None:
        return "one method, no interval"
    low, high = (f"{x:.3f}" for x in (kink.interval_eV_per_atom.lower, kink.interval_eV_per_atom.upper))
    return f"95 %: {minus(low)} to {minus(high)}"


def _anion_rows(band: SeriesBand) -> list[HeadlineRow]:
    rows = []
    for i, name in enumerate(band.names):
        if np.max(band.mean[:, i]) < 0.01:
            continue
        error = band.error_of(-1, i)
        rows.append(
            HeadlineRow(
                f"Centres in {name} at the end",
                with_error(
                    100 * float(band.mean[-1, i]),
                    None if error is None else 100 * error,
                    band.n_replicas,
                    "%",
                ),
                f"{rounded(100 * float(band.mean[0, i]))} % in the first frame",
                "phases",
            )
        )
    return rows


def _crystal_rows(start: Estimate | None, end: Estimate | None) -> list[HeadlineRow]:
    rows = []
    for when, estimate in (("first", start), ("last", end)):
        if estimate is not None:
            share = estimate.scaled(100.0)
            rows.append(
                HeadlineRow(
                    f"bcc share of the electrode, {when} frame",
                    with_error(share.value, share.standard_error, share.n_independent, "%"),
                    "atoms with a crystalline (bcc-like) environment",
                    "electrode_order",
                )
            )
    return rows
