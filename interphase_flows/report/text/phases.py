"""What formed and where in a few lines of words, for a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from interphase_flows.report.figures.phase_kinetics import fitted_shares
from interphase_flows.report.text.numbers import rounded


def phases_in_words(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line or more for every subject of the part ``phases``."""
    anions = found["anions"]
    yield "anions: " + ", ".join(
        f"{label} {rounded(anions['start'][label], 2)} to {rounded(n, 2)}"
        for label, n in anions["end"].items()
    )
    events = {
        role: sum(t["n_events"] for t in each["transitions"])
        for role, each in found["reactions"].items()
        if "refused" not in each
    }
    if events:
        yield "reactions: " + ", ".join(f"{n} of atoms of {role}" for role, n in events.items())
    laws = [
        f"{name} {each['direction']} ({each['decision'].replace('_', ' ')})"
        for _, name, each in fitted_shares(found["kinetics"])
    ]
    if laws:
        yield "laws of shares: " + ", ".join(laws)
    labels = found["labels"]
    if "refused" in labels:
        yield f"phases of atoms: not answered: {labels['refused']}"
    else:
        yield "phases of atoms, whole cell at the end: " + _shares(labels["whole_cell"]["shares"])
        for side, each in _by_side(labels["sides"]):
            yield (
                f"phases of atoms {side}: not answered: {each['refused']}"
                if "refused" in each
                else f"phases of atoms in the interphase {side}: {_shares(each['shares'])}"
            )
    network = found["percolation"]
    for side, each in _by_side(network.get("sides", network)):
        words = (
            f"not answered: {each['refused']}" if "refused" in each else f"{each['state']}: {each['reason']}"
        )
        yield f"networks {side}: {words}"
    if "refused" not in found["domains"]:
        yield "crystalline domains: " + ", ".join(
            f"{name} {each['n_domains']}" for name, each in found["domains"].items()
        )


def _by_side(sides: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if "refused" in sides:
        yield "across the interphase", sides
        return
    yield from sides.items()


def _shares(shares: Mapping[str, Mapping[str, float | None]]) -> str:
    return ", ".join(f"{label} {_percent(x)}" for label, x in shares.items())


def _percent(share: Mapping[str, float | None]) -> str:
    """Return a share with its interval, where there is one."""
    value, lower, upper = (share[name] for name in ("value", "lower", "upper"))
    if value is None:
        return "–"
    if lower is None or upper is None:
        return f"{100 * value:.0f} %"
    return f"{100 * value:.0f} % [{100 * lower:.0f}, {100 * upper:.0f}]"
