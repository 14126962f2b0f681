"""What the surveys of replicas say together."""

from collections.abc import Sequence
from typing import Any

from interphase_flows.analysis.growth.replicas import pooled_kinetics
from interphase_flows.analysis.pipeline.interface_analysis import (
    InterfaceAnalysis,
    judged_with_rates,
    overall,
)
from interphase_flows.analysis.plain import plain
from interphase_flows.analysis.statistics.replicas import LEAST_REPLICAS
from interphase_flows.analysis.transport.replica_average import average_transport
from interphase_flows.exceptions import AnalysisError


def pooled(surveys: Sequence[InterfaceAnalysis]) -> dict[str, Any]:
    """Judge each interface over all replicas that can be followed.

    Returns
    -------
    pooled
        In plain numbers: ``kinetics`` and ``verdict`` by interface, the cell's ``state``, ``notes``, and
        ``transport`` where it was asked for.
    """
    notes: list[str] = []
    kinetics: dict[str, Any] = {}
    verdicts: dict[str, Any] = {}
    for side in ("above", "below"):
        fitted = [each.kinetics[side] for each in surveys if side in each.kinetics]
        histories = [each.histories[side] for each in surveys if side in each.histories]
        if not histories:
            continue
        if len(histories) < len(surveys):
            notes.append(
                f"{side}: {len(histories)} of {len(surveys)} replicas can be followed and are judged; see why below"
            )
        if len(fitted) >= LEAST_REPLICAS:
            kinetics[side] = _answered(lambda fitted=fitted: pooled_kinetics(fitted))
        else:
            notes.append(
                f"{side}: {len(fitted)} replicas have fits of a law; {LEAST_REPLICAS} are needed for a law of all"
            )
        verdicts[side] = _answered(lambda histories=histories: judged_with_rates(histories))
    if not verdicts:
        notes.append("no replica has an interface whose boundaries can be followed; see why below")
    state = overall([each.get("state", "undecided") for each in verdicts.values()])
    for each in kinetics.values():
        each.pop("scores", None)
    found = {"kinetics": kinetics, "verdict": verdicts, "state": state, "notes": notes}
    if any("transport" in each.values for each in surveys):
        found["transport"] = _answered(lambda: average_transport([each.transport for each in surveys]))
    return found


def _answered(answer: Any) -> dict[str, Any]:
    try:
        return dict(plain(answer()))
    except AnalysisError as error:
        return {"refused": str(error)}
