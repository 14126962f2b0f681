"""Thermal runs are made once, kept whole, and never confused."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT

from interphase_flows.exceptions import AnalysisError
from interphase_flows.md.phase_references.thermal_runs import read_frames, thermal_frames

SHORT = {"n_settle": 5, "n_frames": 5, "steps_between": 2}


class Untouchable(Calculator):
    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def calculate(self, *args, **kwargs):
        raise AssertionError("a run that was kept is computed again")


def copper():
    return bulk("Cu", cubic=True) * 2


def test_a_run_is_made_once_and_read_after_that(tmp_path):
    made = thermal_frames(copper(), EMT(), "emt", tmp_path, **SHORT)
    assert len(list(tmp_path.iterdir())) == 1
    again = thermal_frames(copper(), Untouchable(), "emt", tmp_path, **SHORT)
    np.testing.assert_array_equal(again.all_positions, made.all_positions)
    np.testing.assert_array_equal(again.time_fs, 3.0 * np.array([7, 9, 11, 13, 15]))
    assert made.n_frames == 5


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"temperature_K": 600.0}, {"n_frames": 4}, {"method_key": "other"}]
)
def test_whatever_changes_the_run_makes_another(tmp_path, change):
    first = thermal_frames(copper(), EMT(), "emt", tmp_path, **SHORT)
    arguments = {"method_key": "emt", **SHORT, **change}
    second = thermal_frames(copper(), EMT(), folder=tmp_path, **arguments)
    assert len(list(tmp_path.iterdir())) == 2
    if "method_key" not in change and "n_frames" not in change:
        assert np.abs(first.all_positions - second.all_positions).max() > 0.01


def test_atoms_move_as_much_as_the_temperature_says(tmp_path):
    """Debye-Waller of copper: 0.08 Å per direction at 300 K, and it grows with temperature."""
    still = copper()
    spread = {}
    for temperature_K in (100.0, 400.0):
        frames = thermal_frames(
            still,
            EMT(),
            "emt",
            tmp_path,
            temperature_K=temperature_K,
            n_frames=10,
            n_settle=50,
            steps_between=8,
        )
        moved = frames.all_positions - still.positions
        spread[temperature_K] = (moved - moved.mean(axis=1, keepdims=True)).std()
    assert 0.02 < spread[100.0] < 0.07
    assert 1.4 < spread[400.0] / spread[100.0] < 2.8  # sqrt(T) for harmonic atoms: 2


def test_a_damaged_run_says_what_to_do(tmp_path):
    thermal_frames(copper(), EMT(), "emt", tmp_path, **SHORT)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(AnalysisError, match="delete it"):
        thermal_frames(copper(), EMT(), "emt", tmp_path, **SHORT)
    with pytest.raises(AnalysisError, match=r"no\.npz"):
        read_frames(tmp_path / "no.npz")
    with pytest.raises(AnalysisError, match="positive"):
        thermal_frames(copper(), EMT(), "emt", tmp_path, temperature_K=0.0)
