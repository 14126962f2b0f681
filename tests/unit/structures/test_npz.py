"""Archives of structures."""

import numpy as np

from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.npz import pack_structures, unpack_structures


def test_round_trip_is_exact():
    """Species, positions, cells and sides of structures of different sizes."""
    frames = [load_phase("Li2S"), load_phase("Li7P3S11"), load_phase("Li")]
    frames[1].rattle(0.1, seed=1)
    frames[1].set_array("side", np.arange(len(frames[1])) % 2)
    back = unpack_structures(pack_structures(frames))
    for one, two in zip(frames, back, strict=True):
        np.testing.assert_array_equal(one.numbers, two.numbers)
        np.testing.assert_array_equal(one.positions, two.positions)
        np.testing.assert_array_equal(one.cell.array, two.cell.array)
        assert two.pbc.all()
    assert "side" not in back[0].arrays
    np.testing.assert_array_equal(back[1].arrays["side"], frames[1].arrays["side"])


def test_equal_structures_give_equal_bytes():
    assert pack_structures([load_phase("Li2S")]) == pack_structures([load_phase("Li2S")])
    assert pack_structures([load_phase("Li2S")]) != pack_structures([load_phase("Li")])


def test_empty_set_round_trip():
    assert unpack_structures(pack_structures([])) == []
