"""Nearest neighbours in periodic cells, compared with a search of all distances."""

from itertools import product

import numpy as np
import pytest

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.geometry.neighbours import PeriodicTree, tree_for_nearest
from interphase_flows.analysis.geometry.parallel import by_frame
from interphase_flows.exceptions import AnalysisError

CELL = np.array([[6.0, 0.0, 0.0], [2.5, 5.0, 0.0], [-2.0, 1.5, 9.0]])


def points(seed, n):
    return np.random.default_rng(seed).uniform(-2.0, 2.0, (n, 3)) @ CELL


def all_distances(around, positions):
    """(n_around, n_positions, n_images)."""
    shifts = np.array(list(product(range(-8, 9), repeat=3))) @ CELL
    return np.linalg.norm(positions[None, :, None] + shifts - around[:, None, None], axis=-1)


@pytest.mark.parametrize("margin_angstrom", [0.1, 4.0, 20.0])
def test_nearest_neighbours_do_not_depend_on_the_initial_margin(margin_angstrom):
    positions = points(0, 7)
    rows = np.array([4, 1, 6])
    found = PeriodicTree(positions, CELL, margin_angstrom).nearest(20, rows)
    expected = np.sort(all_distances(positions[rows], positions).reshape(3, -1), axis=1)[:, 1:21]
    np.testing.assert_allclose(found.distance_angstrom, expected, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(found.vectors_angstrom, axis=-1), expected, atol=1e-9)
    # a vector leads to an image of the neighbour
    apart = positions[rows][:, None] + found.vectors_angstrom - positions[found.neighbour]
    steps = apart @ np.linalg.inv(CELL)
    np.testing.assert_allclose(steps, steps.round(), atol=1e-9)


def test_neighbours_of_a_single_point_are_its_images():
    found = tree_for_nearest(np.zeros((1, 3)), np.eye(3) * 4.0, 6).nearest(6, np.array([0]))
    np.testing.assert_allclose(found.distance_angstrom, 4.0)
    assert (found.neighbour == 0).all()


def test_nearest_points_to_given_positions_are_found():
    positions, places = points(1, 5), points(2, 9)
    found = PeriodicTree(positions, CELL, 1.0).nearest_to(4, places)
    expected = np.sort(all_distances(places, positions).reshape(9, -1), axis=1)[:, :4]
    np.testing.assert_allclose(found.distance_angstrom, expected, atol=1e-9)


@pytest.mark.parametrize("cutoff_angstrom", [2.0, 6.0])
def test_few_within_and_all_within_find_the_same_pairs(cutoff_angstrom):
    """At 6 Å there are more neighbours than the initial number per query."""
    tree = PeriodicTree(points(3, 12), CELL, 0.5)
    few, many = tree.few_within(cutoff_angstrom), tree.all_within(cutoff_angstrom)
    assert len(few.first) > 0
    assert (np.diff(few.first) >= 0).all()
    rows = [
        np.column_stack(found)[np.lexsort((found.distance_angstrom, found.second, found.first))]
        for found in (few, many)
    ]
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-9)


def test_pairs_from_given_positions_include_coincident_points():
    positions = points(4, 6)
    found = PeriodicTree(positions, CELL, 2.0).few_within(2.0, positions[:2])
    assert {(0, 0), (1, 1)} <= set(zip(found.first.tolist(), found.second.tolist(), strict=True))


def test_search_without_points_raises():
    with pytest.raises(AnalysisError, match="there are no points"):
        tree_for_nearest(np.empty((0, 3)), CELL, 3).nearest_to(3, np.zeros((1, 3)))


@pytest.fixture
def frames():
    n_frames = 9
    positions = np.arange(n_frames)[:, None, None] * np.ones((n_frames, 2, 3))
    return ArrayFrames(np.array([3, 3]), np.arange(float(n_frames)), positions, np.eye(3))


@pytest.mark.parametrize("n_threads", [1, 2, 3, None])
def test_results_are_in_the_order_of_the_frames(frames, n_threads):
    chosen = [0, 3, 4, 8]
    found = by_frame(frames, chosen, lambda positions, cell: positions[0, 0] + cell[0, 0], n_threads=n_threads)
    assert list(found) == [1.0, 4.0, 5.0, 9.0]


@pytest.mark.parametrize("n_threads", [1, 2])
def test_error_of_a_frame_is_raised_after_the_results_before_it(frames, n_threads):
    def fail_at_two(positions, cell):
        if positions[0, 0] == 2.0:
            raise AnalysisError("frame 2")
        return positions[0, 0]

    found = by_frame(frames, range(9), fail_at_two, n_threads=n_threads)
    assert [next(found), next(found)] == [0.0, 1.0]
    with pytest.raises(AnalysisError, match="frame 2"):
        next(found)


def test_read_ahead_is_limited_to_two_frames_per_thread(frames):
    read = []

    class Watched:
        n_frames, n_atoms, numbers, time_fs = 9, 2, frames.numbers, frames.time_fs

        def positions(self, frame):
            read.append(frame)
            return frames.positions(frame)

        def cell(self, frame):
            return frames.cell(frame)

    next(by_frame(Watched(), range(9), lambda positions, cell: 0, n_threads=2))
    assert read == [0, 1, 2, 3]
