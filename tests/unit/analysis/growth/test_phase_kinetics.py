"""Kinetics of fractions: known laws, intermediates and depletion."""

import numpy as np
import pytest

from interphase_flows.analysis.growth.phase_kinetics import Supply, average_share_kinetics, share_kinetics
from interphase_flows.analysis.interfaces.detection import Interface

TIME_PS = np.linspace(0.0, 50.0, 501)
ENDLESS = Supply([], TIME_PS, np.zeros(len(TIME_PS)))


def noisy(share, seed=0, spread=0.01):
    return share + spread * np.random.default_rng(seed).standard_normal(len(share)) * (TIME_PS > 0)


def avrami(end, rate_per_ps, exponent):
    return end * -np.expm1(-((rate_per_ps * TIME_PS) ** exponent))


def interface(n_frames, electrolyte_left):
    one = np.ones(n_frames)
    return Interface(
        "above", 0, one.astype(bool), TIME_PS[:n_frames], 5 * one, one, 6 * one,
        {"electrode": 20 * one, "electrolyte": electrolyte_left},
    )  # fmt: skip


def test_product_and_reactant_have_the_known_law():
    formed = avrami(0.6, 0.1, 2.0)
    found = share_kinetics(TIME_PS, {"product": noisy(formed), "reactant": 0.7 - noisy(formed, seed=1)}, 1000, ENDLESS)
    assert {name: each.direction for name, each in found.items()} == {
        "product": "gained",
        "reactant": "consumed",
    }
    for each in found.values():
        assert each.decision == "avrami"
        [law] = each.candidates
        for name, truth in (("plateau_fraction", 0.6), ("avrami_rate_per_ps", 0.1), ("avrami_exponent", 2.0)):
            assert law.parameters[name].value == pytest.approx(truth, rel=0.05)
            assert law.parameters[name].lower < law.parameters[name].upper
    assert found["reactant"].start_share == pytest.approx(0.7)


def test_intermediate_has_no_law_but_a_peak():
    peak = 0.5 * np.exp(-(((TIME_PS - 20.0) / 6.0) ** 2))
    [found] = share_kinetics(TIME_PS, {"PSx": noisy(peak)}, 1000, ENDLESS).values()
    assert "an intermediate" in found.reason
    assert "rises from" in found.reason
    assert float(found.reason.partition(" at ")[2].split()[0]) == pytest.approx(20.0, abs=2.0)


def test_trace_shares_are_left_out():
    assert share_kinetics(TIME_PS, {"trace": np.full(len(TIME_PS), 0.01)}, 1000, ENDLESS) == {}


def test_frames_after_depletion_are_excluded():
    left = np.maximum(10.0 - 0.4 * TIME_PS, 0.0)  # a tenth is left at 22.5 ps
    formed = noisy(0.02 * np.minimum(TIME_PS, 25.0))
    beside = Supply([interface(len(TIME_PS), left)], TIME_PS, np.ones(len(TIME_PS)))
    [found] = share_kinetics(TIME_PS, {"product": formed}, 1000, beside).values()
    assert found.decision == "linear"
    assert found.depletion.reservoir == "electrolyte"
    assert found.fitted_until_ps == pytest.approx(22.5, abs=0.5)
    assert found.candidates[0].parameters["rate_fraction_per_ps"].value == pytest.approx(0.02, rel=0.02)


def test_intact_anions_measure_depletion_without_an_interphase():
    supply = Supply([], TIME_PS, np.maximum(1.0 - 0.05 * TIME_PS, 0.0))
    [found] = share_kinetics(TIME_PS, {"product": noisy(avrami(0.5, 0.1, 1.5))}, 1000, supply).values()
    assert "intact anions" in supply.depletion_measure
    assert found.depletion.reservoir == "electrolyte"
    assert found.fitted_until_ps < 19.0


def test_frames_without_boundaries_are_excluded():
    beside = Supply([interface(300, np.full(300, 10.0))], TIME_PS, np.ones(len(TIME_PS)))
    [found] = share_kinetics(TIME_PS, {"product": noisy(0.01 * TIME_PS)}, 1000, beside).values()
    assert found.n_frames == 300


def test_replicas_are_averaged_if_all_have_a_law():
    runs = [
        {
            "atoms": share_kinetics(
                TIME_PS,
                {
                    "Li2S": noisy(0.005 * rate * TIME_PS, seed=rate),
                    "turned": noisy((0.3 + way * 0.005 * TIME_PS), seed=rate),
                },
                1000,
                ENDLESS,
            )
        }
        for rate, way in ((3, 1), (4, 1), (5, -1))
    ]
    runs[0]["atoms"]["Li3P"] = runs[0]["atoms"]["Li2S"]
    average = average_share_kinetics(runs)["atoms"]
    assert (average["Li2S"].direction, average["Li2S"].decision) == ("gained", "linear")
    rate = average["Li2S"].parameters["linear"]["rate_fraction_per_ps"]
    assert rate.value == pytest.approx(0.02, rel=0.02)
    assert rate.lower < 0.015 < 0.025 < rate.upper
    assert "gained in some replicas and consumed in others" in average["turned"].reason
    assert "1 of 3 replicas" in average["Li3P"].reason


def test_replicas_that_are_each_undecided_have_no_law_together():
    """Ten atoms changed in each of three replicas, which are enough atoms together, but no replica has a law."""
    runs = [
        {"network formers": share_kinetics(TIME_PS, {"PS4": 1.0 - noisy(avrami(0.8, 0.1, 2.0), seed)}, 12, ENDLESS)}
        for seed in range(3)
    ]
    alone = runs[0]["network formers"]["PS4"]
    assert alone.decision == "undecided"
    assert alone.n_changed == pytest.approx(0.8 * 12, rel=0.1)
    assert alone.reason == "10 atoms changed; choosing a law needs 20"
    together = average_share_kinetics(runs)["network formers"]["PS4"]
    assert together.decision == "undecided"
    assert "no replica alone has a law" in together.reason
    assert together.n_changed > 20


@pytest.mark.parametrize("spread", [0.02, 0.05])
def test_noise_does_not_make_an_intermediate(spread):
    """A fraction that rises to 0.1 and stays there, in few atoms: its largest median is above its end by chance."""
    for seed in range(40):
        [found] = share_kinetics(TIME_PS, {"PSx": noisy(avrami(0.1, 0.2, 2.0), seed, spread)}, 1000, ENDLESS).values()
        assert "intermediate" not in found.reason, seed


def test_small_loss_of_a_quiet_fraction_makes_an_intermediate():
    [found] = share_kinetics(
        TIME_PS, {"PSx": noisy(avrami(0.1, 0.2, 2.0) - 0.001 * TIME_PS, 3, 0.005)}, 1000, ENDLESS
    ).values()
    assert "an intermediate" in found.reason
