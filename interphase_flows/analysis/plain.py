"""Results as plain numbers, lists and names, which JSON and a document can hold, and back for figures."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel

from interphase_flows.analysis.growth.depletion import Depletion
from interphase_flows.analysis.growth.kinetics import GrowthKinetics, LawEstimate
from interphase_flows.analysis.growth.model_selection import LawScore
from interphase_flows.analysis.passivation.verdict import RateCheck, Verdict
from interphase_flows.analysis.pipeline.results import InterfaceAnalysis
from interphase_flows.analysis.results import Result, Unavailable
from interphase_flows.analysis.statistics.estimate import Estimate


def plain(value: Any) -> Any:
    """Return dataclasses as mappings, arrays and tuples as lists, and numbers that are not finite as None."""
    if isinstance(value, Unavailable):
        return {"refused": str(value)}
    if isinstance(value, BaseModel):
        return {name: plain(getattr(value, name)) for name in type(value).model_fields}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value


def interval_of(values: Mapping[str, Any]) -> Estimate:
    """Return an interval from its plain form; None is nan."""
    return Estimate(
        *(np.nan if values[name] is None else values[name] for name in ("value", "lower", "upper"))
    )


def kinetics_of(values: Mapping[str, Any]) -> GrowthKinetics:
    """Return growth kinetics from their plain form; scores may be left out of it."""
    return GrowthKinetics(
        decision=values["decision"],
        reason=values["reason"],
        candidates=tuple(
            LawEstimate(
                each["law"],
                each["equation"],
                {name: interval_of(number) for name, number in each["parameters"].items()},
                each["block_frames"],
            )
            for each in values["candidates"]
        ),
        scores=tuple(LawScore(**each) for each in values.get("scores", ()) if each["bic"] is not None),
        n_frames=values["n_frames"],
        n_independent=values["n_independent"],
        fitted_until_ps=values["fitted_until_ps"],
        depletion=None if values["depletion"] is None else Depletion(**values["depletion"]),
    )


def verdict_of(values: Mapping[str, Any]) -> Verdict:
    """Return a verdict from its plain form."""
    needed, windows = values["trajectory_needed_ps"], values["windows_ps"]
    return Verdict(
        state=values["state"],
        reason=values["reason"],
        checks={
            name: RateCheck(
                initial_peak_per_ps=interval_of(check["initial_peak_per_ps"]),
                epsilon_per_ps=check["epsilon_per_ps"],
                epsilon_is_of=check["epsilon_is_of"],
                windows_per_ps=(
                    interval_of(check["windows_per_ps"][0]),
                    interval_of(check["windows_per_ps"][1]),
                ),
            )
            for name, check in values["checks"].items()
        },
        windows_ps=None if windows is None else (tuple(windows[0]), tuple(windows[1])),
        depletion=None if values["depletion"] is None else Depletion(**values["depletion"]),
        trajectory_needed_ps=None
        if needed is None
        else (
            np.inf if needed[0] is None else needed[0],
            np.inf if needed[1] is None else needed[1],
        ),
        n_replicas=values["n_replicas"],
    )


def values_of(analysis: InterfaceAnalysis) -> dict[str, Any]:
    """Return the results of an analysis as nested mappings."""
    return {
        "trajectory": plain(analysis.trajectory),
        "question": plain(analysis.settings),
        **parts_as_values(analysis.parts),
    }


def parts_as_values(parts: Mapping[str, Result | Unavailable]) -> dict[str, Any]:
    """Return the results of parts as nested mappings."""
    found = {name: plain(result) for name, result in parts.items()}
    if "growth" in found:
        growth = found.pop("growth")
        found["kinetics"] = growth.get("sides", growth)
    return found
