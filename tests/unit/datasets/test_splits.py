"""Split by origin."""

import pytest

from interphase_flows.datasets.splits import split_origins
from interphase_flows.schemas.origin import Origin

FRACTIONS = (0.15, 0.15)


def test_family_of_three_has_one_origin_on_each_side():
    origins = [Origin(f"interface/{name}") for name in "abc"]
    assert sorted(split_origins(origins, {}, 1, *FRACTIONS).values()) == ["test", "train", "validation"]


@pytest.mark.parametrize("n", [3, 4, 5, 9])
def test_training_side_is_never_empty(n):
    """Fractions of held-out origins that add up to nearly one."""
    sides = split_origins([Origin(f"interface/{i}") for i in range(n)], {}, 1, 0.49, 0.49).values()
    assert {"train", "validation", "test"} == set(sides)


def test_crystals_and_small_families_train():
    """Every phase must be in the training set; two origins cannot fill three sides."""
    origins = [Origin(f"crystal/{name}") for name in ("Li", "Li2S", "Li3P", "LiP")]
    origins += [Origin("pair/a"), Origin("pair/b")]
    assert set(split_origins(origins, {}, 1, *FRACTIONS).values()) == {"train"}


def test_split_depends_on_the_seed():
    origins = [Origin(f"interface/{i}") for i in range(12)]
    assert split_origins(origins, {}, 1, *FRACTIONS) != split_origins(origins, {}, 2, *FRACTIONS)


def test_fractions_count_origins():
    """A fifth of twenty origins tests, a tenth validates."""
    sides = list(split_origins([Origin(f"interface/{i}") for i in range(20)], {}, 1, 0.1, 0.2).values())
    assert (sides.count("test"), sides.count("validation")) == (4, 2)


def test_explored_frames_train_and_audit_frames_test():
    origins = [Origin.of(family, str(n)) for family in ("explore", "audit") for n in range(5)]
    sides = split_origins(origins, {}, 1, *FRACTIONS)
    assert all(side == ("train" if origin.family == "explore" else "test") for origin, side in sides.items())


def test_earlier_splits_do_not_change():
    earlier = {Origin("interface/0"): "test", Origin("audit/0"): "validation"}
    sides = split_origins([*earlier, *(Origin(f"interface/{n}") for n in range(9))], earlier, 1, *FRACTIONS)
    assert sides.items() >= earlier.items()
