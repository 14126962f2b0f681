"""By which law shares of anions and of phases change: the kinetics of `analysis.kinetics`, of every share.

What is fitted is the change of a share since the first frame, gained or consumed. A share that rises and falls again is
that of an intermediate, which no law of growth describes. Frames after one side has run out are left out.

Frames tell how surely a curve follows a series, not how surely a few atoms tell of a phase: a handful of anions that
happen to react early or late make another curve. So no law is chosen where few atoms changed, whatever frames say.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.ndimage import median_filter

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.growth.kinetics import SMALLEST_FRACTION_CHANGE, UNDECIDED, fraction_kinetics
from interphase_flows.analysis.growth.laws.constant import Constant
from interphase_flows.analysis.growth.replicas import pooled_kinetics
from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.analysis.plain import kinetics_of, plain
from interphase_flows.exceptions import AnalysisError

GAINED, CONSUMED = "gained", "consumed"
TURNS_BACK = 0.25
"""Of its largest change: a share that loses more of it again by the end is that of an intermediate."""
SHARE_OF_THE_MEDIAN = 0.05
LEAST_CHANGED = 20.0
"""Atoms that must have changed before a law is chosen; the count of fewer is uncertain by a quarter and more."""


class Supply:
    """What is left of both sides, as far as it is known.

    Parameters
    ----------
    interfaces
        Interphases that are followed.
    time_ps
        Time of every frame, (n_frames,), ps since the first.
    whole_anions
        Share of the network formers in anions such as the electrolyte's, (n_frames,): what is left of it where no
        interphase is followed.
    """

    def __init__(
        self, interfaces: Sequence[Interface], time_ps: FloatArray, whole_anions: FloatArray
    ) -> None:
        self._first, self._last = float(time_ps[0]), float(time_ps[-1])
        if interfaces:
            self._first = max(float(each.time_ps[0]) for each in interfaces)
            self._last = min(float(each.time_ps[-1]) for each in interfaces)
            self._time, self._left = interfaces[0].time_ps, dict(interfaces[0].reservoirs)
            self.rests_on = f"electrode and electrolyte left beside the interphase {interfaces[0].name}"
        elif whole_anions[0] > 0:
            self._time, self._left = time_ps, {"electrolyte": whole_anions}
            self.rests_on = "network formers left in whole anions, because no interphase is followed"
        else:
            self._time, self._left = time_ps, {}
            self.rests_on = "nothing: neither is an interphase followed nor are there whole anions to run out"

    def at(self, time_ps: FloatArray) -> tuple[np.ndarray, dict[str, FloatArray]]:
        """Return which of some frames can be fitted, (n,), and what is left in those, by side."""
        usable = (time_ps >= self._first) & (time_ps <= self._last)
        return usable, {
            name: np.interp(time_ps[usable], self._time, left) for name, left in self._left.items()
        }


def share_kinetics(
    time_ps: FloatArray, shares: Mapping[str, FloatArray], n_atoms: int, supply: Supply
) -> dict[str, dict[str, Any]]:
    """Find the law of every share that ever holds a fiftieth.

    Parameters
    ----------
    time_ps
        ps since the first frame, (n_frames,).
    shares
        0 to 1 by name, (n_frames,) each.
    n_atoms
        What they are shares of.
    supply
        What may run out.

    Returns
    -------
    found
        By name: ``direction``, ``start_share``, ``n_changed`` (atoms) and what `GrowthKinetics` says, in plain
        numbers; or ``refused``.
    """
    found: dict[str, dict[str, Any]] = {}
    usable, left = supply.at(time_ps)
    for name, share in shares.items():
        if share.max() < SMALLEST_FRACTION_CHANGE:
            continue
        try:
            direction = _direction(time_ps, share)
            change = share - share[0] if direction == GAINED else share[0] - share
            kinetics = fraction_kinetics(time_ps[usable], change[usable], reservoirs=left)
        except AnalysisError as error:
            found[name] = {"refused": str(error)}
            continue
        n_changed = n_atoms * float(np.ptp(median_filter(change[usable], 3, mode="nearest")))
        found[name] = {
            "direction": direction,
            "start_share": float(share[0]),
            "n_changed": n_changed,
            **_unless_few(n_changed, plain(kinetics)),
        }
    return found


def _direction(time_ps: FloatArray, share: FloatArray) -> str:
    """Return whether a share rises or falls.

    Raises
    ------
    AnalysisError
        It does one and then the other.
    """
    width = max(3, round(SHARE_OF_THE_MEDIAN * len(share))) | 1
    change = median_filter(share, width, mode="nearest") - share[0]
    furthest = int(np.abs(change).argmax())
    end = float(change[-max(1, len(change) // 10) :].mean())
    lost = abs(change[furthest]) - abs(end) * (np.sign(end) == np.sign(change[furthest]))
    if lost > SMALLEST_FRACTION_CHANGE and lost > TURNS_BACK * abs(change[furthest]):
        way, back = ("rises", "falls") if change[furthest] > 0 else ("falls", "rises")
        raise AnalysisError(
            f"an intermediate: its share {way} from {share[0]:.2g} to {share[0] + change[furthest]:.2g} at "
            f"{time_ps[furthest]:.3g} ps and {back} again to {share[0] + end:.2g}, which no law of growth describes"
        )
    return CONSUMED if end < 0 else GAINED


def pooled_share_kinetics(replicas: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Pool what replicas say of their shares, by what they are shares of and by name.

    Parameters
    ----------
    replicas
        Answers of `share_kinetics` by what they are shares of, one for each replica.

    Returns
    -------
    pooled
        ``direction`` and what `PooledKinetics` says, in plain numbers; or ``refused``.
    """
    pooled: dict[str, dict[str, Any]] = {}
    for group in dict.fromkeys(group for each in replicas for group in each):
        of_group = [each.get(group, {}) for each in replicas]
        pooled[group] = {}
        for name in dict.fromkeys(name for each in of_group for name in each):
            try:
                pooled[group][name] = _pooled(
                    [each[name] for each in of_group if name in each], len(replicas)
                )
            except AnalysisError as error:
                pooled[group][name] = {"refused": str(error)}
    return pooled


def _pooled(answers: Sequence[Mapping[str, Any]], n_replicas: int) -> dict[str, Any]:
    fitted = [each for each in answers if "refused" not in each]
    if len(fitted) < n_replicas:
        reasons = [each["refused"] for each in answers if "refused" in each]
        why = reasons[0] if reasons else f"it never holds {SMALLEST_FRACTION_CHANGE:.0%} in the others"
        raise AnalysisError(f"{len(fitted)} of {n_replicas} replicas have a law of it: {why}")
    directions = {each["direction"] for each in fitted}
    if len(directions) > 1:
        raise AnalysisError(f"some replicas say {GAINED} and others {CONSUMED}; see them one by one")
    n_changed = sum(float(each["n_changed"]) for each in fitted)
    pooled = plain(pooled_kinetics([kinetics_of(each) for each in fitted]))
    return {"direction": directions.pop(), "n_changed": n_changed, **_unless_few(n_changed, pooled)}


def _unless_few(n_changed: float, kinetics: dict[str, Any]) -> dict[str, Any]:
    if n_changed >= LEAST_CHANGED or kinetics["decision"] in (UNDECIDED, Constant.name):
        return kinetics
    reason = f"{n_changed:.0f} atoms changed, and {LEAST_CHANGED:.0f} are needed to choose a law"
    return {**kinetics, "decision": UNDECIDED, "reason": reason}
