"""Independence of growth kinetics from units."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interphase_flows.analysis.growth.kinetics import thickness_kinetics

few = settings(max_examples=12, deadline=None, derandomize=True)


@few
@given(
    seed=st.integers(0, 2**32 - 1),
    longer=st.floats(1e-2, 1e3),
    thicker=st.floats(1e-1, 1e2),
    exponent=st.sampled_from([0.5, 1.0, 1.5]),
)
def test_units_of_time_and_thickness_scale_results_and_keep_the_law(seed, longer, thicker, exponent):
    rng = np.random.default_rng(seed)
    time = np.linspace(0.0, 50.0, 120)
    thickness = 1.0 + (time / 10.0) ** exponent + rng.normal(0, 0.05, len(time))
    one = thickness_kinetics(time, thickness, n_resamples=5, smallest_change_angstrom=1.0)
    other = thickness_kinetics(time * longer, thickness * thicker, n_resamples=5, smallest_change_angstrom=thicker)
    assert other.decision == one.decision
    assert [law.law for law in other.candidates] == [law.law for law in one.candidates]
    assert other.n_independent == pytest.approx(one.n_independent, rel=1e-3)
    for ours, theirs in zip(one.candidates, other.candidates, strict=True):
        for name, number in ours.parameters.items():
            scale = 1.0
            scale *= thicker if "angstrom" in name else 1.0
            scale *= thicker if "angstrom2" in name else 1.0
            scale *= longer if name in {"crossover_ps", "time_scale_ps"} else 1.0
            scale /= longer if name.endswith("per_ps") else 1.0
            assert theirs.parameters[name].value == pytest.approx(scale * number.value, rel=1e-2, abs=1e-3 * scale)
