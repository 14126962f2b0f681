"""Rates against time, in the windows of the verdict and before."""

import numpy as np
import pytest

from interphase_flows.analysis.passivation.history import GROWTH
from interphase_flows.analysis.passivation.rate_history import rate_history
from interphase_flows.analysis.passivation.verdict import verdict
from interphase_flows.exceptions import AnalysisError
from interphase_histories import history


def test_windows_contain_those_of_the_verdict():
    one = history("passivated", 0)
    judged = verdict([one])
    found = rate_history([one], judged)
    (start, middle), (_, end) = judged.windows_ps
    np.testing.assert_allclose(found.edges_ps[-5:], np.linspace(start, end, 5))
    assert found.edges_ps[-3] == pytest.approx(middle)
    assert set(found.rates_per_ps) == set(judged.checks)


def test_intervals_of_rates_cover_the_known_slope():
    """The thickness of the passivating history increases fast, then not at all."""
    one = history("passivated", 0)
    found = rate_history([one], verdict([one]))
    rates = found.rates_per_ps[GROWTH]
    rate, lower, upper = rates.value, rates.lower, rates.upper
    assert abs(rate[0]) > 10 * abs(rate[-1])
    assert (lower <= rate).all()
    assert (rate <= upper).all()
    assert lower[-1] < 0.0 < upper[-1]


def test_interval_of_three_replicas_is_from_their_spread():
    three = [history("passivated", seed) for seed in range(3)]
    judged = verdict(three)
    together = rate_history(three, judged)
    alone = [rate_history([each], verdict([each])) for each in three]
    values = np.array([each.rates_per_ps[GROWTH].value for each in alone])
    np.testing.assert_allclose(together.rates_per_ps[GROWTH].value, values.mean(axis=0))
    np.testing.assert_allclose(together.rates_per_ps[GROWTH].standard_error, values.std(axis=0, ddof=1) / np.sqrt(3))


def test_too_few_frames_have_no_rates():
    one = history("passivated", 0)
    short = type(one)(
        one.time_ps[:15],
        one.thickness_angstrom[:15],
        {name: series[:15] for name, series in one.passed_atoms_per_nm2.items()},
        {name: series[:15] for name, series in one.reservoirs.items()},
    )
    with pytest.raises(AnalysisError, match="no rates against time"):
        rate_history([short], verdict([short]))
