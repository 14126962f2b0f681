"""What formed and where, over replicas: means with intervals between them, and reactions counted together."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from interphase_flows.analysis.growth.phase_kinetics import pooled_share_kinetics
from interphase_flows.analysis.phases.bond_networks import network_in_words
from interphase_flows.analysis.plain import plain
from interphase_flows.analysis.speciation.anion_history import FORMERS, LIGANDS
from interphase_flows.analysis.speciation.reaction_graph import ReactionGraph
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.statistics.replicas import between_replicas
from interphase_flows.exceptions import AnalysisError

CONFIDENCE = 0.95


def pooled_phases(replicas: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Pool the part ``phases`` of surveys.

    Parameters
    ----------
    replicas
        Its plain values, one for each replica; those that were refused are left out, with a note.

    Returns
    -------
    pooled
        In plain numbers, with the same subjects.

    Raises
    ------
    AnalysisError
        Every replica was refused.
    """
    answered = [each for each in replicas if "refused" not in each]
    if not answered:
        raise AnalysisError(
            f"no replica says which phases formed: {replicas[0]['refused'] if replicas else 'none ran'}"
        )
    notes = []
    if len(answered) < len(replicas):
        notes.append(
            f"{len(replicas) - len(answered)} of {len(replicas)} replicas are not in the means; see why below"
        )
    return dict(
        plain(
            {
                "n_replicas": len(answered),
                "notes": notes,
                "anions": {
                    when: _by_name(
                        [each["anions"][when] for each in answered],
                        1.0 if when.startswith("centre") else np.inf,
                    )
                    for when in ("start", "end", "centre_share_start", "centre_share_end")
                },
                "reactions": {
                    role: _reactions([each["reactions"][role] for each in answered])
                    for role in (FORMERS, LIGANDS)
                },
                "kinetics": pooled_share_kinetics([each["kinetics"]["shares"] for each in answered]),
                "labels": _labels([each["labels"] for each in answered]),
                "percolation": _networks([each["percolation"] for each in answered]),
                "domains": _domains([each["domains"] for each in answered]),
                "order": {
                    when: _by_name(
                        [{pair: x[when] for pair, x in each["order"]["pairs"].items()} for each in answered]
                    )
                    for when in ("start", "end")
                },
            }
        )
    )


def _by_name(replicas: Sequence[Mapping[str, float]], highest: float = np.inf) -> dict[str, Any]:
    """Means by name; what a replica does not name it has none of."""
    names = list(dict.fromkeys(name for each in replicas for name in each))
    return {name: _within([each.get(name, 0.0) for each in replicas], highest) for name in names}


def _within(values: Sequence[float], highest: float = np.inf) -> Estimate:
    """Mean over replicas; its interval ends where counts and shares do."""
    found = between_replicas(values)
    # numpy keeps nan: one replica has no interval
    return Estimate(found.value, float(np.maximum(0.0, found.lower)), float(np.minimum(highest, found.upper)))


def _reactions(replicas: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    known = [each for each in replicas if "refused" not in each]
    if not known:
        return {"refused": replicas[0]["refused"]}
    labels = list(
        dict.fromkeys(
            name
            for each in known
            for name in [
                *each["at_risk_atom_ps"],
                *(t[end] for t in each["transitions"] for end in ("before", "after")),
            ]
        )
    )
    events = np.zeros((len(labels), len(labels)), dtype=np.int64)
    squares = np.zeros((len(labels), len(labels)))
    at_risk = np.zeros(len(labels))
    for each in known:
        for name, time in each["at_risk_atom_ps"].items():
            at_risk[labels.index(name)] += time
        for t in each["transitions"]:
            place = labels.index(t["before"]), labels.index(t["after"])
            events[place] += t["n_events"]
            squares[place] += t["n_events"] ** 2 / t["n_independent"]
    worth = np.divide(events**2, squares, out=np.zeros_like(squares), where=squares > 0)
    graph = ReactionGraph(tuple(labels), events, at_risk, CONFIDENCE, worth)
    return {
        "least_frames": known[0]["least_frames"],
        "transitions": graph.transitions(),
        "at_risk_atom_ps": dict(zip(labels, at_risk.tolist(), strict=True)),
    }


def _labels(replicas: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    known = [each for each in replicas if "refused" not in each]
    if not known:
        return {"refused": replicas[0]["refused"]}
    sides: dict[str, Any] = {}
    for name in dict.fromkeys(name for each in known for name in each["sides"] if name != "refused"):
        mine = [each["sides"][name] for each in known if "shares" in each["sides"].get(name, {})]
        sides[name] = (
            {"n_replicas": len(mine), "shares": _shares(mine)}
            if mine
            else {"refused": next(e["sides"][name]["refused"] for e in known if name in e["sides"])}
        )
    if not sides:
        sides = {"refused": known[0]["sides"]["refused"]}
    return {"whole_cell": {"shares": _shares([each["whole_cell"] for each in known])}, "sides": sides}


def _shares(known: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return _by_name([{label: x["value"] for label, x in each["shares"].items()} for each in known], 1.0)


def _networks(replicas: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    known = [each for each in replicas if "refused" not in each]
    if not known:
        return {"refused": replicas[0]["refused"]}
    sides: dict[str, Any] = {}
    for name in dict.fromkeys(name for each in known for name in each["sides"]):
        mine = [each["sides"][name] for each in known if "crossing_share" in each["sides"].get(name, {})]
        if not mine:
            sides[name] = {"refused": next(e["sides"][name]["refused"] for e in known if name in e["sides"])}
            continue
        table = np.array([each["crossing_share"] for each in mine])
        sides[name] = {
            "n_replicas": len(mine),
            "crossing_share": [_within(column.tolist(), 1.0) for column in table.T],
            **network_in_words(
                known[0]["cutoffs_angstrom"], table.mean(axis=0), known[0]["bond_angstrom"], known[0]["pair"]
            ),
        }
    return {**{key: known[0][key] for key in ("pair", "cutoffs_angstrom", "bond_angstrom")}, "sides": sides}


def _domains(replicas: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    known = [each for each in replicas if "refused" not in each]
    if not known:
        return {"refused": replicas[0]["refused"]}
    return {
        name: {
            "n_domains": _within([each[name]["n_domains"] for each in known]),
            "mean_diameter_angstrom": _mean_diameter([each[name] for each in known]),
        }
        for name in known[0]
    }


def _mean_diameter(replicas: Sequence[Mapping[str, Any]]) -> Estimate:
    """Mean over the replicas that have domains: where there are none, there is no size."""
    sizes = [each["mean_diameter_angstrom"] for each in replicas if each["n_domains"]]
    return _within(sizes) if sizes else Estimate(np.nan, np.nan, np.nan)
