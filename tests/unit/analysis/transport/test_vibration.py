"""Model of single atoms that diffuse and vibrate."""

import numpy as np
import pytest

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.transport import onsager_matrix
from interphase_flows.analysis.transport.vibration import vibration_lags


def test_lags_of_long_memories_keep_their_digits():
    """Of one frame, C_0 = 2 (1 - rho) and C_1 = -(1 - rho)²."""
    memory_frames = np.array([0.5, 2.0**5, 2.0**14, 2.0**17, 2.0**20])
    left = -np.expm1(-1.0 / memory_frames)
    zero, one = vibration_lags(1, memory_frames)
    np.testing.assert_allclose(zero, 2.0 * left, rtol=1e-3)
    np.testing.assert_allclose(one, -(left**2), atol=1e-3 * left[-1])


@pytest.mark.parametrize("frame", ["barycentric", "as_simulated"])
@pytest.mark.parametrize("motion", ["alternating", "jump in the last frames", "constant velocity"])
def test_motion_without_any_step_between_long_blocks_has_coefficients(motion, frame):
    n_frames = 300
    at = np.arange(n_frames)
    distance = {
        "alternating": at % 2,
        "jump in the last frames": 1.0 * (at >= n_frames - 3),
        "constant velocity": 0.1 * at,
    }[motion]
    positions = np.zeros((n_frames, 12, 3))
    positions[:, :6] = distance[:, None, None]
    positions[:, 6:] = -distance[:, None, None]
    frames = ArrayFrames(np.repeat([3, 16], 6), 1000.0 * at, positions, 50.0 * np.eye(3))
    found = onsager_matrix(frames, temperature_K=600, frame=frame)
    for each in (found.onsager, found.self_diffusion_angstrom2_per_ps):
        assert np.isfinite(each.value).all()
        assert np.isfinite(each.standard_error).all()
