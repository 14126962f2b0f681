"""Figures and summaries of transport show the numbers that they are given."""

import numpy as np
import pytest

from brownian import Brownian
from interphase_flows.analysis.passivation.rate_history import rate_history
from interphase_flows.analysis.passivation.results import LabelSurvival, LabelTrapping, TrappingResult
from interphase_flows.analysis.passivation.verdict import verdict
from interphase_flows.analysis.pipeline.results import TrajectorySummary
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.transport import onsager_windows
from interphase_flows.analysis.transport.summary import (
    TransportResult,
    TransportSlab,
    TransportSlabs,
    TransportWindow,
    TransportWindows,
    summarise_onsager,
)
from interphase_flows.report.figures.growth import rates_figure
from interphase_flows.report.figures.transport import transport_figures
from interphase_flows.report.figures.trapping import survival_figures
from interphase_flows.report.inputs.interphase import InterfaceResults
from interphase_flows.report.sections.interface_analysis import analyses_section
from interphase_flows.report.text.numbers import interval
from interphase_flows.report.text.transport import transport_summary, trapping_summary
from interphase_histories import history

CHARGES = {"Li": 1.0, "P": 5.0, "S": -2.0}
SHORT = Unavailable(reason="a window of 3 ps supports no transport coefficient")
NAN = float("nan")


@pytest.fixture(scope="module")
def transport() -> TransportResult:
    frames = Brownian(counts=(10, 6, 20)).frames(np.random.default_rng(0), 500)  # neutral with these charges
    windows = onsager_windows(frames, window_ps=150.0, temperature_K=600)
    results = [summarise_onsager(each.result, CHARGES) for each in windows]
    rows = [
        TransportWindow(start_ps=w.start_ps, end_ps=w.end_ps, coefficients=r)
        for w, r in zip(windows, results, strict=True)
    ]
    slabs = [
        TransportSlab(
            name=name,
            start_ps=0.0,
            end_ps=150.0,
            lower_angstrom=0.0,
            upper_angstrom=9.0,
            n_atoms=64,
            fraction_staying=0.9,
            in_plane=in_plane,
            normal=SHORT,
        )
        for name, in_plane in (("electrode", SHORT), ("interphase above", results[1]))
    ]
    return TransportResult(
        frame="barycentric",
        at_rest=(),
        charges_e=CHARGES,
        charges_from="as specified",
        entire_cell=results[0],
        windows=TransportWindows(
            window_ps=150.0,
            chosen="as specified",
            rows=(*rows, TransportWindow(start_ps=450.0, end_ps=600.0, coefficients=SHORT)),
        ),
        slabs=TransportSlabs(
            window_ps=150.0, chosen="as specified", names=("electrode", "interphase above"), rows=tuple(slabs)
        ),
    )


def test_heat_maps_share_one_colour_scale(transport):
    figure, _ = transport_figures(transport)["onsager"]
    left, right = (axes.images[0] for axes in figure.axes[:2])
    cell = transport.entire_cell
    np.testing.assert_allclose(left.get_array(), cell.onsager_per_eV_angstrom_ps.value)
    np.testing.assert_allclose(right.get_array(), cell.beyond_frame_per_eV_angstrom_ps.value)
    assert left.get_clim() == right.get_clim()


def test_trend_has_a_band_for_every_window_and_a_gap_for_unavailable_ones(transport):
    figure, _ = transport_figures(transport)["onsager_trend"]
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "Li–Li",
        "P–P",
        "S–S",
        "Li–P",
        "Li–S",
        "P–S",
    ]
    axes = figure.axes[0]
    assert len(axes.collections) == 6  # three windows, two quantities
    drawn = sorted(line.get_ydata()[0] for line in axes.lines[:6:2])
    rows = transport.windows.rows[:3]
    assert drawn == sorted(row.coefficients.onsager_per_eV_angstrom_ps.value[0][0] for row in rows)
    assert axes.get_xlim() == (0.0, 600.0)


def test_unavailable_slabs_keep_their_place(transport):
    figure, _ = transport_figures(transport)["onsager_slabs"]
    axes = figure.axes[3]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["elec-\ntrode", "inter-\nphase\nabove"]
    value = transport.slabs.rows[1].in_plane.onsager_per_eV_angstrom_ps.value
    points = [line for line in axes.lines if line.get_marker() == "o"]
    assert [line.get_ydata()[0] for line in points] == [value[0][1]]


def test_more_slab_windows_than_colours_are_drawn(transport):
    rows = tuple(
        row.model_copy(update={"start_ps": 5.0 * n, "end_ps": 5.0 * (n + 1)})
        for n in range(12)
        for row in transport.slabs.rows
    )
    slabs = transport.slabs.model_copy(update={"rows": rows})
    figure, _ = transport_figures(transport.model_copy(update={"slabs": slabs}))["onsager_slabs"]
    assert len([line for line in figure.axes[0].lines if line.get_marker() == "o"]) == 12


def test_unavailable_transport_and_trapping_have_no_figure(transport):
    nothing = transport.model_copy(update={"entire_cell": SHORT, "windows": SHORT, "slabs": SHORT})
    assert transport_figures(nothing) == {}
    missing = Unavailable(reason="no label begins")
    trapping = TrappingResult(bonds_angstrom={}, frames_labelled=3, sides={"above": {"Pn": missing}})
    assert survival_figures(trapping) == {}


def test_summary_of_transport(transport):
    lines = list(transport_summary(transport))
    assert lines[0].startswith("L_ii, 1/(eV Å ps): Li ")
    assert any("with charges Li +1, P +5, S −2 (as specified)" in line for line in lines)
    assert "L_ij against time: 3 of 4 windows of 150 ps have coefficients" in lines
    assert any(line.startswith("interphase above, in the plane, L_ii: Li ") for line in lines)
    assert any("electrode, along the normal: unavailable: a window of 3 ps" in line for line in lines)


def test_interval_without_an_upper_end_is_not_distinct_from_zero(transport):
    """Rare jumps may leave a coefficient without an upper end."""
    cell = transport.entire_cell
    beyond = cell.beyond_frame_per_eV_angstrom_ps
    lower, upper = beyond.lower.copy(), beyond.upper.copy()
    lower[0, 0], upper[0, 0] = -1.0, NAN
    changed = cell.model_copy(update={"beyond_frame_per_eV_angstrom_ps": Estimate(beyond.value, lower, upper)})
    lines = list(transport_summary(transport.model_copy(update={"entire_cell": changed})))
    (summary,) = (line for line in lines if line.startswith("correlation beyond"))
    assert "Li-Li" not in summary


def test_change_is_shown_though_the_first_window_is_unavailable(transport):
    first = TransportWindow(start_ps=0.0, end_ps=1.0, coefficients=SHORT)
    matrix = np.zeros((3, 3))
    windows = transport.windows.model_copy(
        update={
            "rows": (first, *transport.windows.rows),
            "change_per_eV_angstrom_ps_ns": Estimate(matrix, matrix - 1, matrix + 1),
        }
    )
    results = InterfaceResults(
        {"": {"transport": transport.model_copy(update={"windows": windows})}},
        {},
        {},
        {"": TrajectorySummary(n_frames=500, n_atoms=36, elements=["Li", "P", "S"], length_ps=499.0)},
        600.0,
    )
    section = analyses_section(results, {})
    assert "Change per ns, 1/(eV Å ps): L<sub>LiLi</sub> 0 [−1.0, 1.0], L<sub>PP</sub>" in section


def test_survival_is_drawn_with_the_expected_curve():
    age = np.linspace(0, 10, 5)
    number = Estimate(0.5, 0.4, 0.6)
    found = LabelTrapping(
        state="not_trapped",
        reason="labels end sooner",
        observed_ps=number,
        expected_ps=number,
        ratio=number,
        horizon_ps=10.0,
        median_ps=number,
        n_stretches=5,
        n_ended=4,
        onsager_per_eV_angstrom_ps=number,
        width_angstrom=10.0,
        survival=LabelSurvival(
            age_ps=age,
            surviving_fraction=Estimate(np.exp(-age), np.exp(-age) / 2, np.exp(-age / 2)),
            expected_fraction=np.exp(-age / 5),
        ),
    )
    sides = {"above": {"Pn": found, "isolated P": Unavailable(reason="no label begins")}}
    trapping = TrappingResult(bonds_angstrom={}, frames_labelled=5, sides=sides)
    figure, _ = survival_figures(trapping)["survival_above"]
    (axes,) = figure.axes
    assert axes.get_title(loc="left") == "Pn: not trapped"
    np.testing.assert_allclose(axes.lines[1].get_ydata(), np.exp(-age / 5))
    lines = list(trapping_summary(trapping))
    assert lines[0].endswith("lifetime over that of diffusion 0.5 [0.4, 0.6]")
    assert "unavailable" in lines[1]


def test_rates_are_drawn_with_their_bound_and_epsilon():
    one = history("passivated", 0)
    judged = verdict([one])
    rates = rate_history([one], judged)
    figure = rates_figure(judged, rates)
    check = judged.checks["thickness"]
    axes = figure.axes[0]
    thickness = rates.rates_per_ps["thickness"]
    bound = np.maximum(np.abs(thickness.lower), np.abs(thickness.upper))
    np.testing.assert_allclose(axes.patches[0].get_data().values, bound)
    assert check.epsilon_per_ps in [line.get_ydata()[0] for line in axes.lines]
    titles = {axes.get_title(loc="left").partition("\n")[0] for axes in figure.axes}
    assert {"|dh/dt|, Å/ps", "|J|, Li", "|J|, P", "|J|, S"} <= titles


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((0.129, 0.107, 0.162), "0.129 [0.107, 0.162]"),
        ((9.26e-6, 7.38e-6, 1.11e-5), "9.26 [7.38, 11.1] × 10⁻⁶"),
        ((-6.16e-4, -1.04e-3, -1.89e-4), "−6.16 [−10.4, −1.89] × 10⁻⁴"),
        ((2.5e6, 1e6, 4e6), "2.50 [1.00, 4.00] × 10⁶"),
        ((0.0, 0.0, 2e-5), "0 [0, 2.00] × 10⁻⁵"),
        ((0.0078, -0.345, 0.36), "0.008 [−0.345, 0.360]"),
        ((-7.6e-4, -0.4, 0.3985), "−0.001 [−0.400, 0.399]"),
        ((1e-5, -345.0, 360.0), "0 [−345, 360]"),
        ((1.7, -0.19, 3.5), "1.70 [−0.19, 3.50]"),
        ((1e-7, -2e-5, 3e-5), "0.01 [−2.00, 3.00] × 10⁻⁵"),
        ((3.0, NAN, NAN), "3.00 (no interval)"),
        ((NAN, 1.0, NAN), "–"),
    ],
)
def test_interval_shares_one_power_of_ten(numbers, text):
    assert interval(Estimate(*numbers)) == text
