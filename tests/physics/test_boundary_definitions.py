"""Tolerance of the bulk, the published definition, and the reasons why there are no boundaries, on planted draws."""

import numpy as np
import pytest

from growing_interphase import growing
from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.interfaces.boundaries import TwoSides, interphase_boundaries
from interphase_flows.analysis.interfaces.detection import find_interfaces
from interphase_flows.analysis.pipeline.interface_analysis import analyse_interface
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings, composition_of
from interphase_flows.exceptions import AnalysisError
from synthetic_boundaries import BULK, METAL, REACTED, layers, planted_cell

SIDES = TwoSides({"Li"}, {"Li": 7, "P": 3, "S": 11})
BULK_FRACTIONS = np.array([7, 3, 11]) / 21
MIDDLE = 13.0
"""Height of the middle of the electrode, which fills 0 to 26 Å."""
SLIGHT = {3: 8, 15: 2, 16: 8}
"""Composition with 0.11 more lithium than the bulk: an outer layer of the interphase."""
WIDTHS_ANGSTROM, N_PHASES = (4.0, 5.0, 6.0, 7.0, 8.0, 9.0), 20
FINE_ANGSTROM = 0.2


def one_frame(planted) -> ArrayFrames:
    numbers, fractions, cell = planted
    return ArrayFrames(numbers, np.zeros(1), (fractions @ cell)[None], cell)


def with_defects(seed: int, thick: float) -> ArrayFrames:
    """Interphases of REACTED and SLIGHT, and a bulk in which a plane in fifty is of other composition."""
    rng = np.random.default_rng(seed)
    bulk = BULK, 52.0 - 2 * thick
    inner = layers((METAL, 26.0), (REACTED, 6.0), (SLIGHT, thick), bulk, (SLIGHT, thick), (REACTED, 6.0))
    odd = set(rng.choice(np.arange(500, 700), 4, replace=False).tolist())

    def at(height: float) -> dict[int, int]:
        is_odd = round(10 * height - 0.5) in odd
        return {3: 40, 15: 3, 16: 11} if is_odd else inner(height)

    return one_frame(planted_cell(at, seed=seed))


@pytest.mark.parametrize("seed", range(100, 106))
def test_odd_planes_of_the_bulk_do_not_end_the_interphase_early(seed):
    """The outer layer is not taken for bulk; slabs that hold less than half of it are."""
    thick = 7.0 + (seed - 100)
    found = interphase_boundaries(with_defects(seed, thick), SIDES)
    end = 26.0 + 6.0 + thick - MIDDLE
    print(f"seed {seed}: end {found.electrolyte_side_angstrom[0, 0]:.2f} Å, planted {end:.2f} Å")
    print(f"tolerances {np.round(found.tolerances, 3)}")
    assert found.electrolyte_side_angstrom[0, 0] == pytest.approx(end, abs=0.5 * 6.5)


def published_boundaries(frames: ArrayFrames) -> np.ndarray:
    """The published definition slab by slab: mean thickness above and below the electrode, Å, (2,)."""
    period = 90.0
    heights = (frames.positions(0) @ np.linalg.inv(frames.cells))[:, 2] % 1.0 * period
    both = []
    for way in (1, -1):
        away = (way * (heights - MIDDLE)) % period
        found = []
        for width in WIDTHS_ANGSTROM:
            for phase in range(N_PHASES):
                edges = np.arange((phase + 0.5) / N_PHASES * width - width, period + width, width)
                counts = np.array([np.histogram(away[frames.numbers == z], edges)[0] for z in (3, 15, 16)])
                total = np.maximum(counts.sum(axis=0), 1)
                first = int(np.flatnonzero(counts[1:].sum(axis=0))[0])
                is_bulk = (np.abs(counts / total - BULK_FRACTIONS[:, None]) <= 0.02).all(axis=0)
                bulk = np.flatnonzero(is_bulk[first:])
                if len(bulk):
                    found.append(max(int(bulk[0]) - 1, 0) * width)
        both.append(np.mean(found))
    return np.array(both)


@pytest.mark.parametrize("seed", range(200, 206))
def test_published_definition_equals_its_plain_implementation(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.uniform(4.0, 14.0, 2).round(1)
    bulk = BULK, 64.0 - first - second
    planted = planted_cell(layers((METAL, 26.0), (REACTED, first), bulk, (REACTED, second)), seed=seed)
    found = interphase_boundaries(one_frame(planted), SIDES, is_calibrated=False)
    expected = published_boundaries(one_frame(planted))
    print(f"seed {seed}: {found.thickness_angstrom[0]}, plain {expected}, planted {first}, {second}")
    np.testing.assert_allclose(found.thickness_angstrom[0], expected, atol=FINE_ANGSTROM)
    np.testing.assert_array_equal(found.tolerances, 0.02)


def settings(**options) -> InterfaceAnalysisSettings:
    return InterfaceAnalysisSettings(
        composition_of("Li"), composition_of("Li7P3S11"), 600.0, ("boundaries", "profiles"), **options
    )


@pytest.mark.parametrize(("normal", "order"), [("a", [2, 0, 1]), ("b", [1, 2, 0])])
def test_interface_along_another_axis_has_the_same_boundaries(normal, order):
    """Cartesian axes and lattice vectors are renamed, so the normal is along x or y."""
    along_c = growing(2.0, n_frames=6, planes_per_angstrom=2)
    cells = np.asarray(along_c.cells)[np.ix_(order, order)]
    turned = ArrayFrames(along_c.numbers, along_c.time_fs, along_c.all_positions[:, :, order], cells)
    expected, found = analyse_interface(along_c, settings()), analyse_interface(turned, settings(normal=normal))
    assert expected.arrays.keys() == found.arrays.keys()
    for name, values in expected.arrays.items():
        np.testing.assert_allclose(found.arrays[name], values, atol=1e-9, err_msg=name)


def squeezed(frames: ArrayFrames, height: float) -> ArrayFrames:
    """Return the frames with heights scaled to another height of the cell."""
    scale = np.array([1.0, 1.0, height / frames.cells[2, 2]])
    return ArrayFrames(frames.numbers, frames.time_fs, frames.all_positions * scale, frames.cells * scale)


def mixed(frames: ArrayFrames) -> ArrayFrames:
    """Return the frames with an electrolyte that has reacted: lithium in every plane."""
    numbers = frames.numbers.copy()
    above = np.flatnonzero(frames.all_positions[0, :, 2] > 30.0)
    numbers[above[::2]] = 3
    return ArrayFrames(numbers, frames.time_fs, frames.all_positions, frames.cells)


def cut(frames: ArrayFrames, low: float, high: float, height: float) -> ArrayFrames:
    """Return the atoms between two heights in a cell of another height."""
    inside = (frames.all_positions[0, :, 2] > low) & (frames.all_positions[0, :, 2] < high)
    cell = frames.cells.copy()
    cell[2, 2] = height
    return ArrayFrames(frames.numbers[inside], frames.time_fs, frames.all_positions[:, inside], cell)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frames: squeezed(frames, 12.0), "the cell is 12.0 Å high along the normal.* need 16 Å"),
        (mixed, "middle of the electrolyte differs from its composition by 0.3.*reacted already"),
        (lambda frames: cut(frames, 30.5, 89.5, 59.0), "no electrode: the largest region without P, S is"),
        (lambda frames: cut(frames, 0.5, 60.0, 90.0), None),
        (lambda frames: cut(frames, 30.5, 89.5, 80.0), "no electrode"),
    ],
    ids=["low cell", "reacted", "bulk electrolyte", "vacuum on one side", "vacuum on both sides"],
)
def test_reason_is_the_cause(change, message):
    frames = change(growing(0.0, n_frames=2, planes_per_angstrom=4))
    if message is None:
        assert find_interfaces(frames, SIDES)[0].sides == ("above",)
        return
    with pytest.raises(AnalysisError, match=message) as error:
        find_interfaces(frames, SIDES)
    assert "36 Å" not in str(error.value)
