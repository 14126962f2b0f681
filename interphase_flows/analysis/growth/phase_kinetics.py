"""Kinetics of the fractions of anions and phases.

Growth laws are fitted to the change of a fraction since the first frame. An intermediate, whose fraction rises and
falls again, has no law. Frames after the depletion of a side are excluded.

The intervals of a fit include the noise of a series, but not the statistical uncertainty of the few atoms that react.
No law is selected if few atoms changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from scipy.ndimage import median_filter

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.growth.kinetics import (
    SMALLEST_FRACTION_CHANGE,
    UNDECIDED,
    GrowthKinetics,
    fraction_kinetics,
)
from interphase_flows.analysis.growth.laws.constant import Constant
from interphase_flows.analysis.growth.replicas import AverageKinetics, average_kinetics
from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.statistics.autocorrelation import statistical_inefficiency
from interphase_flows.exceptions import AnalysisError

GAINED, CONSUMED = "gained", "consumed"
TURNS_BACK = 0.25
"""Fraction of the largest change that an intermediate loses again by the end."""
TURNS_BACK_ERRORS = 4.0
"""Standard errors by which the loss of an intermediate exceeds noise; the largest of many values is high by chance."""
SHARE_OF_THE_MEDIAN = 0.05
LEAST_CHANGED = 20.0
"""Minimum number of changed atoms for a law; a smaller count is uncertain by a quarter or more."""


@dataclass(frozen=True)
class ShareKinetics(GrowthKinetics):
    """Kinetics of the change of one fraction."""

    direction: str
    """``gained`` or ``consumed``."""
    start_share: float
    n_changed: float
    """Number of atoms that changed."""


@dataclass(frozen=True)
class AverageShareKinetics(AverageKinetics):
    """Kinetics of the change of one fraction, over replicas."""

    direction: str
    n_changed: float
    """Number of atoms that changed in all replicas."""


ShareLaw = TypeVar("ShareLaw", ShareKinetics, AverageShareKinetics)


class Supply:
    """Remaining amount of electrode and electrolyte.

    Parameters
    ----------
    interfaces
        Tracked interphases.
    time_ps
        Time of every frame since the first in ps, (n_frames,).
    intact_anions
        Fraction of the network formers in anions of the electrolyte, (n_frames,), used if no interphase is tracked.
    """

    def __init__(self, interfaces: Sequence[Interface], time_ps: FloatArray, intact_anions: FloatArray) -> None:
        self._first, self._last = float(time_ps[0]), float(time_ps[-1])
        if interfaces:
            self._first = max(float(each.time_ps[0]) for each in interfaces)
            self._last = min(float(each.time_ps[-1]) for each in interfaces)
            self._time, self._left = interfaces[0].time_ps, dict(interfaces[0].reservoirs)
            self.depletion_measure = f"electrode and electrolyte left beside the interphase {interfaces[0].name}"
        elif intact_anions[0] > 0:
            self._time, self._left = time_ps, {"electrolyte": intact_anions}
            self.depletion_measure = "network formers left in intact anions, because no interphase is tracked"
        else:
            self._time, self._left = time_ps, {}
            self.depletion_measure = "nothing, because no interphase is tracked and there are no intact anions"

    def at(self, time_ps: FloatArray) -> tuple[np.ndarray, dict[str, FloatArray]]:
        """Return which frames can be fitted, (n,), and the remaining amounts in those by side."""
        usable = (time_ps >= self._first) & (time_ps <= self._last)
        return usable, {name: np.interp(time_ps[usable], self._time, left) for name, left in self._left.items()}


def share_kinetics(
    time_ps: FloatArray, shares: Mapping[str, FloatArray], n_atoms: int, supply: Supply
) -> dict[str, ShareKinetics | Unavailable]:
    """Find the growth law of each fraction that exceeds 0.02 in any frame.

    Parameters
    ----------
    time_ps
        Times since the first frame in ps, (n_frames,).
    shares
        Fractions from 0 to 1 by name, (n_frames,) each.
    n_atoms
        Number of atoms that they are fractions of.
    supply
        Remaining amounts of the two sides.
    """
    found: dict[str, ShareKinetics | Unavailable] = {}
    usable, left = supply.at(time_ps)
    for name, share in shares.items():
        if share.max() < SMALLEST_FRACTION_CHANGE:
            continue
        try:
            direction = _direction(time_ps, share)
            change = share - share[0] if direction == GAINED else share[0] - share
            kinetics = fraction_kinetics(time_ps[usable], change[usable], reservoirs=left)
        except AnalysisError as error:
            found[name] = Unavailable.from_error(error)
            continue
        n_changed = n_atoms * float(np.ptp(median_filter(change[usable], 3, mode="mirror")))
        found[name] = _unless_few(
            ShareKinetics(**vars(kinetics), direction=direction, start_share=float(share[0]), n_changed=n_changed)
        )
    return found


def _direction(time_ps: FloatArray, share: FloatArray) -> str:
    """Return whether a fraction rises or falls.

    Raises
    ------
    AnalysisError
        It rises and falls, or falls and rises, beyond its noise.
    """
    width = max(3, round(SHARE_OF_THE_MEDIAN * len(share))) | 1
    smooth = median_filter(share, width, mode="nearest")
    furthest = int(np.abs(smooth - share[0]).argmax())
    n_end = max(1, len(share) // 10)
    end = float(share[-n_end:].mean() - share[0])
    top = float(share[max(0, furthest - width // 2) : furthest + width // 2 + 1].mean() - share[0])
    lost = abs(top) - abs(end) * (np.sign(end) == np.sign(top))
    noise = share - smooth
    error = float(noise.std()) * np.sqrt(statistical_inefficiency(noise) * (1 / width + 1 / n_end))
    if lost > max(SMALLEST_FRACTION_CHANGE, TURNS_BACK * abs(top), TURNS_BACK_ERRORS * error):
        way, back = ("rises", "falls") if top > 0 else ("falls", "rises")
        raise AnalysisError(
            f"an intermediate: its fraction {way} from {share[0]:.2g} to {share[0] + top:.2g} at "
            f"{time_ps[furthest]:.3g} ps and {back} again to {share[0] + end:.2g}, which no growth law describes"
        )
    return CONSUMED if end < 0 else GAINED


def average_share_kinetics(
    replicas: Sequence[Mapping[str, Mapping[str, ShareKinetics | Unavailable]]],
) -> dict[str, dict[str, AverageShareKinetics | Unavailable]]:
    """Select the growth law of each fraction over replicas.

    Parameters
    ----------
    replicas
        Results of `share_kinetics` by group of atoms, for each replica.
    """
    average: dict[str, dict[str, AverageShareKinetics | Unavailable]] = {}
    for group in dict.fromkeys(group for each in replicas for group in each):
        of_group = [each.get(group, {}) for each in replicas]
        average[group] = {}
        for name in dict.fromkeys(name for each in of_group for name in each):
            try:
                average[group][name] = _average([each[name] for each in of_group if name in each], len(replicas))
            except AnalysisError as error:
                average[group][name] = Unavailable.from_error(error)
    return average


def _average(results: Sequence[ShareKinetics | Unavailable], n_replicas: int) -> AverageShareKinetics:
    fitted = [each for each in results if isinstance(each, ShareKinetics)]
    if len(fitted) < n_replicas:
        reasons = [each.reason for each in results if isinstance(each, Unavailable)]
        why = reasons[0] if reasons else f"the fraction never exceeds {SMALLEST_FRACTION_CHANGE:.0%} in the others"
        raise AnalysisError(f"{len(fitted)} of {n_replicas} replicas have a law: {why}")
    directions = {each.direction for each in fitted}
    if len(directions) > 1:
        raise AnalysisError(f"the fraction is {GAINED} in some replicas and {CONSUMED} in others")
    return _unless_few(
        AverageShareKinetics(
            **vars(average_kinetics(fitted)),
            direction=directions.pop(),
            n_changed=sum(each.n_changed for each in fitted),
        )
    )


def _unless_few(kinetics: ShareLaw) -> ShareLaw:
    """Return kinetics without a decision if too few atoms changed to choose a law."""
    if kinetics.n_changed >= LEAST_CHANGED or kinetics.decision in (UNDECIDED, Constant.name):
        return kinetics
    reason = f"{kinetics.n_changed:.0f} atoms changed; choosing a law needs {LEAST_CHANGED:.0f}"
    return replace(kinetics, decision=UNDECIDED, reason=reason)
