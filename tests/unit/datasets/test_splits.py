"""Sides of the split."""

import pytest

from interphase_flows.datasets.splits import split_origins

FRACTIONS = (0.15, 0.15)


def test_a_family_of_three_has_one_origin_on_every_side():
    """The smallest family that can be held out gives one origin to each."""
    origins = ["interface/a", "interface/b", "interface/c"]
    assert sorted(split_origins(origins, {}, 1, *FRACTIONS).values()) == ["test", "train", "validation"]


@pytest.mark.parametrize("n", [3, 4, 5, 9])
def test_something_is_left_to_train_on_whatever_the_fractions(n):
    """Even fractions that add up to nearly one leave an origin for training."""
    sides = split_origins([f"interface/{i}" for i in range(n)], {}, 1, 0.49, 0.49).values()
    assert {"train", "validation", "test"} == set(sides)


def test_crystals_and_small_families_are_for_training():
    """Every phase must be trained on; two origins cannot be shared among three sides."""
    origins = ["crystal/Li", "crystal/Li2S", "crystal/Li3P", "crystal/LiP", "pair/a", "pair/b"]
    assert set(split_origins(origins, {}, 1, *FRACTIONS).values()) == {"train"}


def test_the_seed_draws_other_sides():
    """Not always the same trajectory is held out."""
    origins = [f"interface/{i}" for i in range(12)]
    assert split_origins(origins, {}, 1, *FRACTIONS) != split_origins(origins, {}, 2, *FRACTIONS)


def test_fractions_are_of_origins():
    """Of twenty origins, a fifth tests and a tenth validates."""
    sides = list(split_origins([f"interface/{i}" for i in range(20)], {}, 1, 0.1, 0.2).values())
    assert (sides.count("test"), sides.count("validation")) == (4, 2)
