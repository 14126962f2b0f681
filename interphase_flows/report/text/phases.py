"""Summary of phases for a terminal."""

from collections.abc import Iterator, Mapping

from interphase_flows.analysis.phases.results import PhasesResult
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.report.text.numbers import percent, rounded


def phases_summary(phases: PhasesResult) -> Iterator[str]:
    """Yield a line or more for anions, reactions, laws, labels, networks and domains."""
    anions = phases.anions
    yield "anions: " + ", ".join(
        f"{label} {rounded(anions.start[label], 2)} to {rounded(n, 2)}" for label, n in anions.end.items()
    )
    events = {
        role: sum(t.n_events for t in each.transitions)
        for role, each in phases.reactions.items()
        if not isinstance(each, Unavailable)
    }
    if events:
        yield "reactions: " + ", ".join(f"{n} of atoms of {role}" for role, n in events.items())
    laws = [f"{name} {law.direction} ({law.decision.replace('_', ' ')})" for _, name, law in phases.kinetics.fitted()]
    if laws:
        yield "growth laws of fractions: " + ", ".join(laws)
    labels = phases.labels
    if isinstance(labels, Unavailable):
        yield f"phases of atoms: unavailable: {labels}"
    else:
        yield "phases of atoms, entire cell at the end: " + _shares(labels.entire_cell.shares)
        if isinstance(labels.sides, Unavailable):
            yield f"phases of atoms across the interphase: unavailable: {labels.sides}"
        else:
            for side, each in labels.sides.items():
                yield (
                    f"phases of atoms {side}: unavailable: {each}"
                    if isinstance(each, Unavailable)
                    else f"phases of atoms in the interphase {side}: {_shares(each.shares)}"
                )
    if isinstance(phases.percolation, Unavailable):
        yield f"networks across the interphase: unavailable: {phases.percolation}"
    else:
        for side, network in phases.percolation.sides.items():
            yield (
                f"networks {side}: unavailable: {network}"
                if isinstance(network, Unavailable)
                else f"networks {side}: {network.state}: {network.reason}"
            )
    if not isinstance(phases.domains, Unavailable):
        yield "crystalline domains: " + ", ".join(f"{name} {each.n_domains}" for name, each in phases.domains.items())


def _shares(shares: Mapping[str, Estimate]) -> str:
    return ", ".join(f"{label} {percent(share)}" for label, share in shares.items())
