"""Interphase boundaries in cells with known boundaries."""

import numpy as np
import pytest

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.interfaces.boundaries import TwoSides, interphase_boundaries
from interphase_flows.exceptions import AnalysisError
from synthetic_boundaries import BULK, METAL, NOTHING, REACTED, layers, planted_cell

SIDES = TwoSides({"Li"}, {"Li": 7, "P": 3, "S": 11})
MIDDLE = 13.0  # of the electrode, which fills 0 to 26 Å
ROUNDING_ANGSTROM = 0.2  # planes 0.1 Å apart in slices of 0.05 Å, one cut of 120 over to the next slab


def trajectory(*frames):
    """Return frames of one and the same atoms: numbers, fractions and cell are of the first."""
    numbers, _, cell = frames[0]
    positions = np.array([fractions @ cell for _, fractions, _ in frames])
    return ArrayFrames(numbers, 1000.0 * np.arange(len(frames)), positions, cell)


def asymmetric(above=10.0, below=5.0, seed=0):
    """Electrode from 0 to 26 Å, `above` of interphase on it, `below` under it across the period."""
    return planted_cell(
        layers((METAL, 26.0), (REACTED, above), (BULK, 64.0 - above - below), (REACTED, below)), seed=seed
    )


@pytest.mark.parametrize("width", [2.0, 4.0, 7.0])
def test_boundaries_are_found_within_half_a_slab(width):
    found = interphase_boundaries(trajectory(asymmetric()), SIDES, widths_angstrom=[width])
    assert found.sides == ("above", "below")
    for column, (begin, end) in enumerate([(26 - MIDDLE, 36 - MIDDLE), (-MIDDLE, -5 - MIDDLE)]):
        assert found.electrode_side_angstrom[0, column] == pytest.approx(begin, abs=width / 2)
        assert found.electrolyte_side_angstrom[0, column] == pytest.approx(end, abs=width / 2)
    np.testing.assert_allclose(found.thickness_angstrom[0], [10.0, 5.0], atol=width / 2)
    np.testing.assert_array_equal(found.found_share, 1.0)


def test_mean_over_cuts_is_accurate_to_a_fraction_of_a_slab():
    found = interphase_boundaries(trajectory(asymmetric()), SIDES)
    np.testing.assert_allclose(found.thickness_angstrom[0], [10.0, 5.0], atol=0.5)
    np.testing.assert_allclose(found.electrode_side_angstrom[0], [26 - MIDDLE, -MIDDLE], atol=0.25)
    assert 0.5 < found.thickness_spread_angstrom.max() < 4.0
    np.testing.assert_array_equal(found.tolerances, 0.02)


def test_population_is_counted_between_the_boundaries():
    """Per Å of interphase there are ten planes of REACTED."""
    found = interphase_boundaries(trajectory(asymmetric(above=14.0)), SIDES)
    assert found.elements == ("Li", "P", "S")
    planted = 10 * 14.0 * np.array([REACTED[number] for number in (3, 15, 16)])
    np.testing.assert_allclose(found.population[0, 0], planted, rtol=0.05)
    assert (found.population_spread[0, 0] < 0.25 * planted).all()


def test_boundaries_are_invariant_under_shifts_and_wrapping():
    """All atoms are shifted by different amounts in each frame, and are in any periodic image."""
    numbers, fractions, cell = asymmetric()
    rng = np.random.default_rng(3)
    shifts = np.cumsum(rng.uniform(-0.4, 0.4, (12, 3)), axis=0)
    frames = trajectory(*((numbers, fractions + shift, cell) for shift in [np.zeros(3), *shifts]))
    found = interphase_boundaries(frames, SIDES)
    for values in (found.thickness_angstrom, found.electrode_side_angstrom, found.electrolyte_side_angstrom):
        np.testing.assert_allclose(values, values[:1].repeat(13, axis=0), atol=ROUNDING_ANGSTROM)
    np.testing.assert_allclose(found.population, found.population[:1].repeat(13, axis=0), rtol=0.02)


def test_sharp_interface_has_no_interphase():
    cell = planted_cell(layers((METAL, 26.0), (BULK, 64.0)))
    found = interphase_boundaries(trajectory(cell), SIDES)
    np.testing.assert_array_equal(found.thickness_angstrom, 0.0)
    np.testing.assert_array_equal(found.population, 0.0)
    np.testing.assert_allclose(found.electrode_side_angstrom[0], [13.0, -13.0], atol=0.25)


def test_gradual_profile_ends_at_the_tolerance():
    """Li falls linearly from 26 to 40 Å; 0.06 above the bulk's fraction it still has 9 % of the way to go."""
    bulk = 7 / 21

    def at(height):
        if height < 26.0:
            return METAL
        x = max(bulk, 1.0 + (bulk - 1.0) * (height - 26.0) / 14.0)
        n_anions = round(300 * (1 - x))
        return {3: 300 - n_anions, 15: round(n_anions * 3 / 14), 16: n_anions - round(n_anions * 3 / 14)}

    found = interphase_boundaries(trajectory(planted_cell(at)), SIDES, widths_angstrom=[1.0, 1.5, 2.0], tolerance=0.06)
    end = 40.0 - 14.0 * 0.06 / (1.0 - bulk)
    assert found.electrolyte_side_angstrom[0, 0] == pytest.approx(end - MIDDLE, abs=1.0)
    assert found.electrode_side_angstrom[0, 0] == pytest.approx(13.0, abs=1.0)


@pytest.mark.parametrize("above", [5.0, 8.0, 11.0, 14.0])
def test_interphases_grow_independently(above):
    found = interphase_boundaries(trajectory(asymmetric(above=above)), SIDES)
    np.testing.assert_allclose(found.thickness_angstrom[0], [above, 5.0], atol=0.5)


def test_growth_is_tracked_against_time():
    """Every plane of electrolyte that reacts takes 24 lithium from the electrode, which has 20 per plane."""
    frames = []
    for grown in (0.0, 2.0, 4.0):
        consumed = 1.2 * grown
        at = layers(
            (METAL, 26.0 - consumed),
            (NOTHING, consumed),
            (REACTED, 10.0 + grown),
            (BULK, 49.0 - grown),
            (REACTED, 5.0),
        )
        numbers, fractions, cell = planted_cell(at)
        by_element = np.argsort(numbers, kind="stable")
        frames.append((numbers[by_element], fractions[by_element], cell))
    np.testing.assert_array_equal(frames[0][0], frames[2][0])
    found = interphase_boundaries(trajectory(*frames), SIDES)
    np.testing.assert_allclose(found.thickness_angstrom, [[10.0, 5.0], [12.0, 5.0], [14.0, 5.0]], atol=0.5)
    np.testing.assert_allclose(found.electrode_left_angstrom, 26.1, atol=0.1)


def test_heights_are_relative_to_the_reference():
    """Lithium moves by 2 Å relative to the electrolyte, and all atoms drift."""
    numbers, fractions, cell = asymmetric()
    height = 90.0 * fractions[:, 2]
    moved = fractions.copy()
    moved[height < 24.0, 2] += 2.0 / 90.0
    moved += [0.0, 0.0, 0.31]
    frames = trajectory((numbers, fractions, cell), (numbers, moved, cell))
    found = interphase_boundaries(frames, SIDES, reference=(height > 45.0) & (height < 75.0))
    np.testing.assert_allclose(found.time_ps, [0.0, 1.0])
    for values in (found.electrode_side_angstrom, found.electrolyte_side_angstrom):
        np.testing.assert_allclose(values[1], values[0], atol=0.3)


def test_surface_to_vacuum_is_no_interface():
    one = planted_cell(layers((METAL, 26.0), (REACTED, 10.0), (BULK, 40.0), (NOTHING, 14.0)))
    found = interphase_boundaries(trajectory(one), SIDES)
    assert found.sides == ("above",)
    assert found.thickness_angstrom[0, 0] == pytest.approx(10.0, abs=0.5)
    upside_down = one[0], -one[1], one[2]
    assert interphase_boundaries(trajectory(upside_down), SIDES).sides == ("below",)


def test_void_wider_than_the_electrode_is_no_electrode():
    cell = planted_cell(
        layers((METAL, 12.0), (REACTED, 6.0), (BULK, 28.0), (NOTHING, 16.0), (BULK, 24.0), (REACTED, 4.0))
    )
    found = interphase_boundaries(trajectory(cell), SIDES, widths_angstrom=[3.0, 4.0, 5.0])
    np.testing.assert_allclose(found.thickness_angstrom[0], [6.0, 4.0], atol=0.5)
    assert found.electrode_left_angstrom[0] == pytest.approx(12.1, abs=0.1)


def test_consumed_electrolyte_has_no_boundary():
    numbers, fractions, cell = asymmetric()
    rng = np.random.default_rng(0)
    mixed = fractions.copy()
    inside = fractions[:, 2] > 20.0 / 90.0
    mixed[inside, 2] = rng.uniform(20.0 / 90.0, 1.0, inside.sum())
    found = interphase_boundaries(trajectory((numbers, fractions, cell), (numbers, mixed, cell)), SIDES)
    np.testing.assert_array_equal(found.found_share, [[1.0, 1.0], [0.0, 0.0]])
    assert np.isnan(found.thickness_angstrom[1]).all()
    assert found.electrode_left_angstrom[1] == pytest.approx(20.0, abs=0.5)


def test_consumed_electrode_has_no_boundary():
    numbers, fractions, cell = asymmetric()
    mixed = fractions.copy()
    mixed[:, 2] = np.random.default_rng(0).random(len(numbers))
    found = interphase_boundaries(trajectory((numbers, fractions, cell), (numbers, mixed, cell)), SIDES)
    assert np.isnan(found.thickness_angstrom[1]).all()
    assert found.electrode_left_angstrom[1] < 1.0
    np.testing.assert_array_equal(found.found_share[1], 0.0)


def test_population_has_the_elements_of_both_sides():
    numbers, fractions, cell = asymmetric()
    others = np.select([numbers == 3, numbers == 15, numbers == 16], [11, 33, 34])
    found = interphase_boundaries(trajectory((others, fractions, cell)), TwoSides({"Na"}, {"Na": 7, "As": 3, "Se": 11}))
    np.testing.assert_allclose(found.thickness_angstrom[0], [10.0, 5.0], atol=0.5)


@pytest.mark.parametrize(
    ("sides", "options", "match"),
    [
        (TwoSides({"Na"}, {"Na": 3, "P": 1, "S": 4}), {}, "contains Li, P, S"),
        (TwoSides({"Li"}, {"Li": 3, "P": 1, "S": 4}), {"tolerance": 0.001}, None),
        (SIDES, {"widths_angstrom": [40.0]}, "a quarter of the cell"),
        (SIDES, {"widths_angstrom": []}, "at least one slab width"),
        (SIDES, {"tolerance": 0.0}, "must be positive"),
        (SIDES, {"reference": np.zeros(1, dtype=bool)}, "selects no atom"),
        (TwoSides({"Li", "P"}, {"Li": 1, "S": 11}), {}, "differs from its composition"),
    ],
)
def test_invalid_options_raise(sides, options, match):
    frames = trajectory(asymmetric())
    if match is None:  # near enough: the bulk's own difference becomes the tolerance
        assert np.nanmin(interphase_boundaries(frames, sides, **options).tolerances) > 0.03
        return
    with pytest.raises(AnalysisError, match=match):
        interphase_boundaries(frames, sides, **options)


def test_cell_without_electrode_raises():
    frames = trajectory(planted_cell(layers((BULK, 90.0))))
    with pytest.raises(AnalysisError, match="no electrode: "):
        interphase_boundaries(frames, SIDES)


def test_electrolyte_without_anions_raises():
    with pytest.raises(AnalysisError, match="an element that the electrode lacks"):
        TwoSides({"Li"}, {"Li": 1})
