"""Figures and words of transport show the numbers they are given."""

import copy

import numpy as np
import pytest

from brownian import Brownian
from interphase_flows.analysis.passivation.rate_history import rate_history
from interphase_flows.analysis.passivation.verdict import verdict
from interphase_flows.analysis.plain import plain
from interphase_flows.analysis.transport import onsager_windows
from interphase_flows.analysis.transport.summary import summarise_onsager
from interphase_flows.report.figures.growth import rates_figure
from interphase_flows.report.figures.transport import BEYOND, transport_figures
from interphase_flows.report.figures.trapping import survival_figures
from interphase_flows.report.sections.interface_analysis import survey_section
from interphase_flows.report.text.numbers import with_interval
from interphase_flows.report.text.transport import transport_words, trapping_words
from interphase_histories import history

CHARGES = {"Li": 1.0, "P": 5.0, "S": -2.0}


@pytest.fixture(scope="module")
def transport():
    frames = Brownian(counts=(10, 6, 20)).frames(np.random.default_rng(0), 500)  # neutral with these charges
    windows = onsager_windows(frames, window_ps=150.0, temperature_K=600)
    results = [plain(summarise_onsager(each.result, CHARGES)) for each in windows]
    end = {"start_ps": 450.0, "end_ps": 600.0}
    short = {"refused": "a window of 3 ps supports no transport coefficient"}
    rows = [{"start_ps": w.start_ps, "end_ps": w.end_ps} | r for w, r in zip(windows, results, strict=True)]
    slab = {"start_ps": 0.0, "end_ps": 150.0, "lower_angstrom": 0.0, "upper_angstrom": 9.0, "n_atoms": 64,
            "fraction_staying": 0.9, "normal": short}  # fmt: skip
    return plain(
        {
            "frame": "barycentric",
            "at_rest": (),
            "charges_e": CHARGES,
            "charges_from": "as stated",
            "entire_cell": results[0],
            "windows": {"window_ps": 150.0, "chosen": "as stated", "rows": [*rows, end | short]},
            "slabs": {
                "window_ps": 150.0,
                "chosen": "as stated",
                "names": ["electrode", "interphase above"],
                "rows": [
                    {"name": "electrode", "in_plane": short} | slab,
                    {"name": "interphase above", "in_plane": results[1]} | slab,
                ],
            },
        }
    )  # fmt: skip


def test_the_heat_maps_stand_beside_each_other_on_one_scale(transport):
    figure, _ = transport_figures(transport)["onsager"]
    left, right = (axes.images[0] for axes in figure.axes[:2])
    np.testing.assert_allclose(
        left.get_array(), transport["entire_cell"]["onsager_per_eV_angstrom_ps"]["value"]
    )
    np.testing.assert_allclose(
        right.get_array(), transport["entire_cell"]["beyond_frame_per_eV_angstrom_ps"]["value"]
    )
    assert left.get_clim() == right.get_clim()


def test_the_trend_has_a_band_for_every_window_and_a_gap_where_there_is_no_number(transport):
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
    drawn = [line.get_ydata()[0] for line in axes.lines[:3]]
    rows = transport["windows"]["rows"]
    assert drawn == [row["onsager_per_eV_angstrom_ps"]["value"][0][0] for row in rows[:3]]
    assert axes.get_xlim() == (0.0, 600.0)


def test_slabs_without_numbers_keep_their_place(transport):
    figure, _ = transport_figures(transport)["onsager_slabs"]
    axes = figure.axes[3]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["elec-\ntrode", "inter-\nphase\nabove"]
    value = transport["slabs"]["rows"][1]["in_plane"]["onsager_per_eV_angstrom_ps"]["value"]
    points = [line for line in axes.lines if line.get_marker() == "o"]
    assert [line.get_ydata()[0] for line in points] == [value[0][1]]


def test_windows_of_slabs_that_are_stated_may_be_many(transport):
    """More than there are colours."""
    rows = [
        row | {"start_ps": 5.0 * n, "end_ps": 5.0 * (n + 1)}
        for n in range(12)
        for row in transport["slabs"]["rows"]
    ]
    figure, _ = transport_figures(transport | {"slabs": transport["slabs"] | {"rows": rows}})["onsager_slabs"]
    assert len([line for line in figure.axes[0].lines if line.get_marker() == "o"]) == 12


def test_nothing_answered_has_no_figure():
    assert transport_figures({"refused": "too short"}) == {}
    assert survival_figures({"sides": {"above": {"Pn": {"refused": "no label begins"}}}}) == {}


def test_words_of_transport(transport):
    lines = list(transport_words(transport))
    assert lines[0].startswith("L_ii, 1/(eV Å ps): Li ")
    assert any("with charges Li +1, P +5, S −2 (as stated)" in line for line in lines)
    assert "L_ij against time: 3 of 4 windows of 150 ps support numbers" in lines
    assert any(line.startswith("interphase above, in the plane, L_ii: Li ") for line in lines)
    assert any("electrode, along the normal: not answered: a window of 3 ps" in line for line in lines)


def test_an_interval_without_an_end_is_told_without_one(transport):
    """Rare jumps may leave a coefficient without an upper end; it is then no finding."""
    beyond = copy.deepcopy(transport["entire_cell"][BEYOND])
    beyond["lower"][0][0], beyond["upper"][0][0] = -1.0, None
    lines = list(transport_words(transport | {"entire_cell": transport["entire_cell"] | {BEYOND: beyond}}))
    (told,) = (line for line in lines if line.startswith("correlation beyond"))
    assert "Li-Li" not in told


def test_the_change_is_told_though_the_first_window_has_no_number(transport):
    windows = transport["windows"]
    rows = [{"start_ps": 0.0, "end_ps": 1.0, "refused": "too short"}, *windows["rows"]]
    matrix = np.zeros((3, 3))
    change = plain({"value": matrix, "lower": matrix - 1, "upper": matrix + 1})
    found = transport | {"windows": windows | {"rows": rows, "change_per_eV_angstrom_ps_ns": change}}
    trajectory = {"n_frames": 500, "n_atoms": 36, "length_ps": 499.0}
    survey = {"trajectory": trajectory, "question": {"temperature_K": 600.0}, "transport": found}
    section = survey_section({"": survey}, {})
    assert "Change per ns, 1/(eV Å ps): L<sub>LiLi</sub> 0 [−1.0, 1.0], L<sub>PP</sub>" in section


def test_survival_is_drawn_beside_what_is_expected():
    age = np.linspace(0, 10, 5)
    found = {
        "state": "not_trapped",
        "reason": "labels end sooner",
        "ratio": {"value": 0.5, "lower": 0.4, "upper": 0.6},
        "survival": {
            "age_ps": age, "surviving_share": np.exp(-age), "lower": np.exp(-age) / 2, "upper": np.exp(-age / 2),
            "expected_share": np.exp(-age / 5),
        },
    }  # fmt: skip
    sides = {"sides": {"above": {"Pn": found, "isolated P": {"refused": "no label begins"}}}}
    figure, _ = survival_figures(sides)["survival_above"]
    (axes,) = figure.axes
    assert axes.get_title(loc="left") == "Pn: not trapped"
    np.testing.assert_allclose(axes.lines[1].get_ydata(), np.exp(-age / 5))
    words = list(trapping_words(sides))
    assert words[0].endswith("lifetime over that of diffusion 0.5 [0.4, 0.6]")
    assert "not answered" in words[1]


def test_rates_are_drawn_with_their_bound_and_epsilon():
    one = history("passivated", 0)
    judged = verdict([one])
    rates = plain(rate_history([one], judged))
    figure = rates_figure(judged, rates)
    check = judged.checks["thickness"]
    axes = figure.axes[0]
    bound = np.maximum(np.abs(rates["lower_per_ps"]["thickness"]), np.abs(rates["upper_per_ps"]["thickness"]))
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
        ((3.0, None, None), "3.00 (no interval)"),
        ((None, 1.0, None), "–"),
    ],
)
def test_numbers_with_intervals_share_one_power_of_ten(numbers, text):
    assert with_interval(*numbers) == text
