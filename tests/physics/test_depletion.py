"""A run that uses up its electrolyte: depleted at the known time, the law before it, and the anions after it."""

import numpy as np
import pytest

from depleting_interphase import ELECTROLYTE_ANGSTROM, depleting
from interphase_flows.analysis.growth.phase_kinetics import ShareKinetics
from interphase_flows.analysis.pipeline.interface_analysis import analyse_interface
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings, composition_of
from interphase_flows.report.text.interface_analysis import analysis_summary

PARTS = ("boundaries", "growth", "fluxes", "verdict", "phases")
SETTINGS = InterfaceAnalysisSettings(composition_of("Li"), composition_of("Li7P3S11"), 400.0, PARTS)
NARROWEST_SLAB_ANGSTROM = 4.0
"""Thickness of the electrolyte that cannot be resolved any more."""
N_FRAMES, INTERVAL_PS = 120, 0.2


@pytest.fixture(scope="module", params=[(3.0, 11), (1.7, 12)], ids=["fast", "slow"])
def used_up(request):
    rate, seed = request.param
    frames = depleting(rate, n_frames=N_FRAMES, frame_interval_ps=INTERVAL_PS, seed=seed)
    print(f"seed {seed}, rate {rate} Å/ps")
    return rate, analyse_interface(frames, SETTINGS)


def test_verdict_is_depleted_at_the_known_time(used_up):
    rate, found = used_up
    earliest, latest = (ELECTROLYTE_ANGSTROM - 2 * NARROWEST_SLAB_ANGSTROM) / rate, ELECTROLYTE_ANGSTROM / rate
    judged = found.parts["verdict"]
    assert judged.state == "depleted"
    for side in ("above", "below"):
        depletion = judged.sides[side].depletion
        assert depletion.reservoir == "electrolyte"
        assert earliest <= depletion.time_ps <= latest + INTERVAL_PS
        assert f"the electrolyte was used up at {depletion.time_ps:g} ps" in "; ".join(found.parts["boundaries"].notes)


def test_growth_law_is_that_before_the_depletion(used_up):
    rate, found = used_up
    for side in ("above", "below"):
        law = found.parts["growth"].sides[side]
        assert law.depletion is not None
        assert law.fitted_until_ps < law.depletion.time_ps
        linear = next(each for each in law.candidates if each.law == "linear")
        measured = linear.parameters["rate_angstrom_per_ps"]
        print(f"rate {side}: {measured}, planted {rate}")
        assert measured.value == pytest.approx(rate, rel=0.1)


def test_anions_are_counted_to_the_end(used_up):
    _, found = used_up
    assert found.parts["phases"].anions.n_frames == N_FRAMES
    kinetics = found.parts["phases"].kinetics.shares["network formers"].values()
    assert all(each.depletion is not None for each in kinetics if isinstance(each, ShareKinetics))


def test_series_end_at_the_depletion(used_up):
    rate, found = used_up
    time = found.arrays["above.time_ps"]
    assert time[-1] < 1.2 * ELECTROLYTE_ANGSTROM / rate
    left = found.arrays["above.electrolyte_left_angstrom"]
    assert left[0] == pytest.approx(ELECTROLYTE_ANGSTROM, abs=1.0)
    assert left[-1] == 0.0
    assert np.isfinite(left).all()


def test_summary_names_the_depletion(used_up):
    _, found = used_up
    text = "\n".join(analysis_summary(found.parts))
    assert "verdict: depleted" in text
    assert "growth above: unavailable" not in text
    assert "one per frame" not in text
