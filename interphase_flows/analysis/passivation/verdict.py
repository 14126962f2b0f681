"""Verdict on the growth of an interphase: growing, passivated, depleted or undecided.

- passivated: an equivalence test (Schuirmann, J. Pharmacokinet. Biopharm. 15, 657 (1987)). In two consecutive windows the
  95 % intervals of dh/dt and of the flux of every species lie within ± epsilon, a hundredth of their initial peak. A rate
  that is "not significantly different from zero" is not sufficient, because with enough noise this holds for every rate.
- growing: one of the rates is beyond epsilon with the same confidence, corrected for their number (Bonferroni).
- depleted: one side is exhausted, independent of the rates.
- undecided: otherwise, with the estimated length of trajectory that would decide.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from interphase_flows.analysis.interfaces.depletion import Depletion
from interphase_flows.analysis.passivation.history import GROWTH, InterphaseHistory, RateHistory
from interphase_flows.analysis.passivation.replica_rate import PEAK_CONFIDENCE, ReplicaRate, replica_rates
from interphase_flows.analysis.statistics.estimate import CONFIDENCE, Estimate, Number
from interphase_flows.analysis.statistics.window_rate import LEAST_FRAMES, NoiseModel, frame_interval_ps
from interphase_flows.exceptions import AnalysisError

EPSILON = 0.01
"""Largest rate that counts as zero, as a fraction of the initial peak."""
WINDOW_SHARE = 0.25
"""Length of each of the last two windows as a fraction of the trajectory."""
PEAKS_PER_WINDOW = 10
"""Number of intervals of the first window among which the initial peak is the largest rate."""

State = Literal["growing", "passivated", "depleted", "undecided"]


@dataclass(frozen=True)
class RateCheck:
    """Rates of one quantity and its epsilon; Å/ps for the thickness, atoms/(nm² ps) for species."""

    initial_peak_per_ps: Estimate
    """Largest rate in the first window. Of a rate that is constant there, the largest of ten is 10 to 20 % too large."""
    epsilon_per_ps: Number
    epsilon_is_of: str
    """Quantity whose initial peak determines epsilon; another one if its own peak is not significant."""
    windows_per_ps: tuple[Estimate, Estimate]
    """Rates in the last two windows."""
    noise: NoiseModel | None = None
    """Noise model of the last two windows: ``bounded`` or ``random_walk``; None in results of earlier versions."""

    @property
    def is_below(self) -> tuple[bool, bool]:
        """Whether the interval of each window is within ± epsilon."""
        first, second = (w.largest_magnitude < self.epsilon_per_ps for w in self.windows_per_ps)
        return first, second


@dataclass(frozen=True)
class Verdict:
    """Verdict on one interphase, with its reason and the underlying rates."""

    state: State
    reason: str
    checks: Mapping[str, RateCheck]
    """By quantity: ``thickness`` and every species."""
    windows_ps: tuple[tuple[float, float], tuple[float, float]] | None
    """Start and end of the last two windows; None if there are too few frames."""
    depletion: Depletion | None
    trajectory_needed_ps: tuple[Number, Number] | None
    """If undecided: estimated length of trajectory that would decide, for bounded noise and for noise that accumulates
    like a random walk; infinite without an initial rate."""
    n_replicas: int
    rates: RateHistory | None = None
    """Rates against time, if there are enough frames."""


def verdict(
    replicas: Sequence[InterphaseHistory],
    *,
    window_ps: float | None = None,
    peak_window_ps: float | None = None,
    epsilon: float = EPSILON,
) -> Verdict:
    """Decide whether an interphase is growing, passivated, depleted or undecided.

    Errors are the spread of three or more replicas, or the noise within fewer.

    Parameters
    ----------
    replicas
        Histories of replicas with the same quantities; cut to the shortest.
    window_ps
        Length of each of the last two windows in ps; a quarter of the trajectory by default.
    peak_window_ps
        Length of the windows of initial rates in ps; by default a tenth of a window and at least ten frames. The peak of
        a decreasing rate depends on it, and so does epsilon.
    epsilon
        Largest rate that counts as zero, as a fraction of the initial peak.

    Raises
    ------
    AnalysisError
        There is no replica, quantities differ, or windows have fewer than ten frames or do not fit.
    """
    if not replicas or len({tuple(sorted(each.quantities)) for each in replicas}) > 1:
        raise AnalysisError(f"{len(replicas)} replicas; one or more with the same species are required")
    end = min(float(each.time_ps[-1]) for each in replicas)
    start = max(float(each.time_ps[0]) for each in replicas)
    # longest duration of ten frames among the replicas
    least = LEAST_FRAMES * max(frame_interval_ps(each.time_ps) for each in replicas)
    window = WINDOW_SHARE * (end - start) if window_ps is None else window_ps
    peak_window = min(window, max(window / PEAKS_PER_WINDOW, least)) if peak_window_ps is None else peak_window_ps
    ran_out = [d for each in replicas if (d := each.depletion()) is not None and d.time_ps <= end]
    depletion = min(ran_out, key=lambda each: each.time_ps, default=None)
    if window_ps is None and window < least and depletion is not None:
        state, reason = _judged({}, {}, {}, depletion, start)
        return Verdict(state, reason, {}, None, depletion, None, len(replicas))
    if window_ps is None and window < least:
        reason = f"{end - start:g} ps contain too few frames for windows of {LEAST_FRAMES}"
        return Verdict("undecided", reason, {}, None, None, (least / WINDOW_SHARE,) * 2, len(replicas))
    if not 0 < 2 * window <= end - start or not 0 < peak_window <= window:
        raise AnalysisError(
            f"two windows of {window:g} ps and peaks of {peak_window:g} ps do not fit into {end - start:g} ps"
        )
    last_two = ((end - 2 * window, end - window), (end - window, end))
    firsts = [
        (start + i * peak_window, start + (i + 1) * peak_window) for i in range(max(1, int(window / peak_window)))
    ]
    # not in gaps
    firsts = [span for span in firsts if all(each.has_frames(*span) for each in replicas)] or firsts[:1]
    edges = [end - i * window for i in (3, 2, 1, 0)]
    if edges[0] < start + window * (1 - 1e-9):
        edges = edges[1:]  # growth in the first window is curved
    names = list(replicas[0].quantities)
    in_windows = {name: replica_rates(replicas, name, edges)[-2:] for name in names}
    peaks = {
        name: max((replica_rates(replicas, name, span)[0] for span in firsts), key=lambda each: abs(each.rate))
        for name in names
    }
    checks = _checks(peaks, in_windows, epsilon)
    state, reason = _judged(checks, peaks, in_windows, depletion, start)
    needed = None
    if state == "undecided":
        factor = max(_longer(in_windows[name], checks[name].epsilon_per_ps) for name in names)
        before, both = end - start - 2 * window, 2 * window
        needed = before + both * factor ** (2 / 3), before + both * factor**2
    return Verdict(state, reason, checks, last_two, depletion, needed, len(replicas))


def _judged(
    checks: Mapping[str, RateCheck],
    peaks: Mapping[str, ReplicaRate],
    in_windows: Mapping[str, list[ReplicaRate]],
    depletion: Depletion | None,
    start_ps: float,
) -> tuple[State, str]:
    if depletion is not None:
        return "depleted", (
            f"{depletion.reservoir} was exhausted at {depletion.time_ps:g} ps, so growth may have stopped for lack of it"
        )
    if unmeasured := [name for name, check in checks.items() if not check.epsilon_per_ps > 0]:
        return "undecided", _without_peak(checks, peaks, unmeasured, start_ps)
    if all(all(check.is_below) for check in checks.values()):
        return (
            "passivated",
            "every rate of the last two windows is within epsilon, and neither side is exhausted",
        )
    shared = 1 - (1 - CONFIDENCE) / len(checks)
    beyond = [
        name
        for name, check in checks.items()
        if (now := in_windows[name][1].interval(shared)).lower > check.epsilon_per_ps
        or (name != GROWTH and now.upper < -check.epsilon_per_ps)
    ]
    if beyond:
        return "growing", f"{', '.join(beyond)}: the rate of the last window is above epsilon"
    open_ = [name for name, check in checks.items() if not all(check.is_below)]
    return "undecided", f"{', '.join(open_)}: neither within epsilon in both windows nor above it in the last"


def _without_peak(
    checks: Mapping[str, RateCheck], peaks: Mapping[str, ReplicaRate], unmeasured: Sequence[str], start_ps: float
) -> str:
    """Return a message about initial peaks that do not differ from zero, with the most significant of them."""
    name = max(unmeasured, key=lambda each: abs(peaks[each].rate) / max(peaks[each].within, 1e-300))
    peak = f"{peaks[name].peak_interval()} {'Å/ps' if name == GROWTH else 'atoms/(nm² ps)'}"
    confidence = f"with {100 * PEAK_CONFIDENCE:g} % confidence, so that epsilon is unknown"
    if unmeasured == [GROWTH]:
        message = f"the initial rate of the thickness, {peak}, does not differ from zero {confidence}"
    else:
        what = "rate" if len(unmeasured) == len(checks) else "flux"
        message = f"no initial {what} differs from zero {confidence}; the most significant is {name}, {peak}"
    at_contact = f", or begin at contact: the series begins {start_ps:g} ps after it" if start_ps > 0 else ""
    return f"{message}. Hint: use more replicas{at_contact}"


def _checks(
    peaks: Mapping[str, ReplicaRate], in_windows: Mapping[str, list[ReplicaRate]], epsilon: float
) -> dict[str, RateCheck]:
    known = {name: abs(peak.rate) for name, peak in peaks.items() if peak.differs_from_zero()}
    largest_flux = max((name for name in known if name != GROWTH), key=lambda name: known[name], default=None)
    checks = {}
    for name, peak in peaks.items():
        # a species without a significant peak is compared with the largest peak of the others
        of = name if name in known or name == GROWTH or largest_flux is None else largest_flux
        checks[name] = RateCheck(
            initial_peak_per_ps=peak.interval(),
            epsilon_per_ps=epsilon * known.get(of, 0.0),
            epsilon_is_of=of,
            windows_per_ps=(in_windows[name][0].interval(), in_windows[name][1].interval()),
            noise=in_windows[name][0].noise,
        )
    return checks


def _longer(windows: Sequence[ReplicaRate], epsilon: float) -> float:
    """Return the factor by which intervals must shrink to separate every rate from epsilon, at least 1.

    Rates that do not differ from zero count as zero, and rates near epsilon as half of epsilon away from it.
    """
    if not epsilon > 0:
        return math.inf
    factor = 1.0
    for window in windows:
        is_significant = abs(window.rate) > window.half()
        distance = max(abs(abs(window.rate) - epsilon), epsilon / 2) if is_significant else epsilon
        factor = max(factor, window.half() / distance)
    return factor
