"""Average anions and phases over replicas: means with intervals between replicas, and reactions of all replicas."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from interphase_flows.analysis.growth.phase_kinetics import average_share_kinetics
from interphase_flows.analysis.phases.percolation import conduction_by_network
from interphase_flows.analysis.phases.phases import amounts
from interphase_flows.analysis.phases.results import (
    AverageCrossing,
    AverageDomains,
    AverageLabels,
    AverageOrder,
    AveragePercolation,
    AverageShares,
    LabelShares,
    LabelsResult,
    NetworkCrossing,
    PercolationResult,
    PhaseDomains,
    PhasesAverage,
    PhasesResult,
)
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.speciation.anion_history import FORMERS, LIGANDS
from interphase_flows.analysis.speciation.reaction_graph import ReactionGraph
from interphase_flows.analysis.speciation.results import AnionsAverage, ReactionsResult
from interphase_flows.analysis.statistics.estimate import CONFIDENCE, Estimate
from interphase_flows.analysis.statistics.replicas import between_replicas
from interphase_flows.exceptions import AnalysisError

T = TypeVar("T")


def average_phases(replicas: Sequence[PhasesResult | Unavailable]) -> PhasesAverage:
    """Average the phases of replicas.

    Parameters
    ----------
    replicas
        Results of the replicas; unavailable ones are left out, with a note.

    Raises
    ------
    AnalysisError
        Every replica is unavailable.
    """
    known, why = _available(replicas)
    if not known:
        raise AnalysisError(f"phases are unavailable in all replicas: {why}")
    notes = []
    if len(known) < len(replicas):
        notes.append(
            f"{len(replicas) - len(known)} of {len(replicas)} replicas are not in the means; reasons are listed below"
        )
    labels = _labels([each.labels for each in known])
    return PhasesAverage(
        phases={} if isinstance(labels, Unavailable) else amounts(labels),
        n_replicas=len(known),
        notes=notes,
        anions=AnionsAverage(
            start=_by_name([each.anions.start for each in known]),
            end=_by_name([each.anions.end for each in known]),
            centre_share_start=_by_name([each.anions.centre_share_start for each in known], 1.0),
            centre_share_end=_by_name([each.anions.centre_share_end for each in known], 1.0),
        ),
        reactions={role: _reactions([each.reactions[role] for each in known]) for role in (FORMERS, LIGANDS)},
        kinetics=average_share_kinetics([each.kinetics.shares for each in known]),
        labels=labels,
        percolation=_networks([each.percolation for each in known]),
        domains=_domains([each.domains for each in known]),
        order=AverageOrder(
            start=_by_name([{pair: x.start for pair, x in each.order.pairs.items()} for each in known]),
            end=_by_name([{pair: x.end for pair, x in each.order.pairs.items()} for each in known]),
        ),
    )


def _available(replicas: Sequence[T | Unavailable]) -> tuple[list[T], Unavailable]:
    """Return the available results, and why the first other one is unavailable."""
    known = [each for each in replicas if not isinstance(each, Unavailable)]
    why = next((each for each in replicas if isinstance(each, Unavailable)), Unavailable(reason="no replica"))
    return known, why


def _by_name(replicas: Sequence[Mapping[str, float]], highest: float = np.inf) -> dict[str, Estimate]:
    """Return means by name; names that a replica lacks count as zero."""
    names = list(dict.fromkeys(name for each in replicas for name in each))
    return {name: _within([each.get(name, 0.0) for each in replicas], highest) for name in names}


def _within(values: Sequence[float], highest: float = np.inf) -> Estimate:
    """Return the mean over replicas, with an interval within the limits of counts and shares."""
    return between_replicas(values).clipped(0.0, highest)


def _reactions(replicas: Sequence[ReactionsResult | Unavailable]) -> ReactionsResult | Unavailable:
    known, why = _available(replicas)
    if not known:
        return why
    labels = list(
        dict.fromkeys(
            name
            for each in known
            for name in [
                *each.at_risk_atom_ps,
                *(end for t in each.transitions for end in (t.before, t.after)),
            ]
        )
    )
    events = np.zeros((len(labels), len(labels)), dtype=np.int64)
    squares = np.zeros((len(labels), len(labels)))
    at_risk = np.zeros(len(labels))
    for each in known:
        for name, time in each.at_risk_atom_ps.items():
            at_risk[labels.index(name)] += time
        for t in each.transitions:
            place = labels.index(t.before), labels.index(t.after)
            events[place] += t.n_events
            squares[place] += t.n_events**2 / t.rate_per_ps.n_independent
    n_independent = np.divide(events**2, squares, out=np.zeros_like(squares), where=squares > 0)
    graph = ReactionGraph(tuple(labels), events, at_risk, CONFIDENCE, n_independent)
    return ReactionsResult(
        least_frames=known[0].least_frames,
        transitions=graph.transitions(),
        at_risk_atom_ps=dict(zip(labels, at_risk.tolist(), strict=True)),
    )


def _labels(replicas: Sequence[LabelsResult | Unavailable]) -> AverageLabels | Unavailable:
    known, why = _available(replicas)
    if not known:
        return why
    with_sides, no_sides = _available([each.sides for each in known])
    sides: dict[str, AverageShares | Unavailable] = {}
    for name in dict.fromkeys(name for each in with_sides for name in each):
        mine, missing = _available([each[name] for each in with_sides if name in each])
        sides[name] = _shares(mine) if mine else missing
    return AverageLabels(
        entire_cell=_shares([each.entire_cell for each in known]),
        sides=sides or no_sides,
    )


def _shares(known: Sequence[LabelShares]) -> AverageShares:
    means = _by_name([{label: x.value for label, x in each.shares.items()} for each in known], 1.0)
    return AverageShares(n_replicas=len(known), shares=means)


def _networks(replicas: Sequence[PercolationResult | Unavailable]) -> AveragePercolation | Unavailable:
    known, why = _available(replicas)
    if not known:
        return why
    first = known[0]
    sides: dict[str, AverageCrossing | Unavailable] = {}
    for name in dict.fromkeys(name for each in known for name in each.sides):
        mine: list[NetworkCrossing]
        mine, missing = _available([each.sides[name] for each in known if name in each.sides])
        if not mine:
            sides[name] = missing
            continue
        table = np.array([each.crossing_share for each in mine])
        onset, state, reason = conduction_by_network(
            first.cutoffs_angstrom, table.mean(axis=0), first.bond_angstrom, first.pair
        )
        sides[name] = AverageCrossing(
            n_replicas=len(mine),
            crossing_share=[_within(column.tolist(), 1.0) for column in table.T],
            onset_angstrom=onset,
            state=state,
            reason=reason,
        )
    return AveragePercolation(
        pair=first.pair,
        cutoffs_angstrom=first.cutoffs_angstrom,
        bond_angstrom=first.bond_angstrom,
        sides=sides,
    )


def _domains(
    replicas: Sequence[dict[str, PhaseDomains] | Unavailable],
) -> dict[str, AverageDomains] | Unavailable:
    known, why = _available(replicas)
    if not known:
        return why
    return {
        name: AverageDomains(
            n_domains=_within([each[name].n_domains for each in known]),
            mean_diameter_angstrom=_mean_diameter([each[name] for each in known]),
        )
        for name in known[0]
    }


def _mean_diameter(replicas: Sequence[PhaseDomains]) -> Estimate:
    """Return the mean over the replicas with domains."""
    sizes = [each.mean_diameter_angstrom for each in replicas if each.n_domains]
    return _within(sizes) if sizes else Estimate.unknown(np.nan)
