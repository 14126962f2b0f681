"""Thermal runs of phases: caching, statistics and damaged files."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT

from damage import DAMAGES
from interphase_flows.exceptions import AnalysisError
from interphase_flows.md.phase_references.thermal_runs import read_frames, thermal_frames

SHORT = {"n_settle": 5, "n_frames": 5, "steps_between": 2}


class NeverCalled(Calculator):
    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def calculate(self, *args, **kwargs):
        raise AssertionError("a stored run is computed again")


def copper():
    return bulk("Cu", cubic=True) * 2


def test_stored_run_is_read_again(tmp_path):
    made = thermal_frames(copper(), EMT(), "emt", tmp_path, **SHORT)
    assert len(list(tmp_path.iterdir())) == 1
    again = thermal_frames(copper(), NeverCalled(), "emt", tmp_path, **SHORT)
    np.testing.assert_array_equal(again.all_positions, made.all_positions)
    np.testing.assert_array_equal(again.time_fs, 3.0 * np.array([7, 9, 11, 13, 15]))
    assert made.n_frames == 5


@pytest.mark.parametrize("change", [{"seed": 1}, {"temperature_K": 600.0}, {"n_frames": 4}, {"method_key": "other"}])
def test_changed_settings_make_another_run(tmp_path, change):
    first = thermal_frames(copper(), EMT(), "emt", tmp_path, **SHORT)
    arguments = {"method_key": "emt", **SHORT, **change}
    second = thermal_frames(copper(), EMT(), folder=tmp_path, **arguments)
    assert len(list(tmp_path.iterdir())) == 2
    if "method_key" not in change and "n_frames" not in change:
        assert np.abs(first.all_positions - second.all_positions).max() > 0.01


def test_displacements_agree_with_the_debye_waller_factor(tmp_path):
    """Copper: 0.08 Å per direction at 300 K, proportional to the square root of the temperature."""
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


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_run_is_made_again(tmp_path, damage):
    made = thermal_frames(copper(), EMT(), "emt", tmp_path, **SHORT)
    (path,) = tmp_path.iterdir()
    DAMAGES[damage](path)
    again = thermal_frames(copper(), EMT(), "emt", tmp_path, **SHORT)
    np.testing.assert_array_equal(again.all_positions, made.all_positions)


def test_run_of_another_phase_in_its_place_is_made_again(tmp_path):
    made = thermal_frames(copper(), EMT(), "emt", tmp_path, **SHORT)
    (path,) = tmp_path.iterdir()
    thermal_frames(copper(), EMT(), "emt", tmp_path / "other", seed=5, **SHORT)
    (other,) = (tmp_path / "other").iterdir()
    other.replace(path)
    again = thermal_frames(copper(), EMT(), "emt", tmp_path, **SHORT)
    np.testing.assert_array_equal(again.all_positions, made.all_positions)


def test_damaged_file_raises_with_a_hint(tmp_path):
    thermal_frames(copper(), EMT(), "emt", tmp_path, **SHORT)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(AnalysisError, match="delete it"):
        read_frames(path)
    with pytest.raises(AnalysisError, match=r"no\.npz"):
        read_frames(tmp_path / "no.npz")
    with pytest.raises(AnalysisError, match="positive"):
        thermal_frames(copper(), EMT(), "emt", tmp_path, temperature_K=0.0)
