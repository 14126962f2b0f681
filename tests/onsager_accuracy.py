"""Errors of Onsager coefficients of Brownian motion, against those of an ideal block estimator."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from brownian import Brownian
from interphase_flows.analysis.transport import onsager_matrix
from interphase_flows.analysis.transport.covariance_estimator import block_steps
from interphase_flows.exceptions import UnsupportedWindowError

CELL_ANGSTROM = 200.0 * np.eye(3)
UPPER = np.triu_indices(3)
SMALLEST_WINDOW = 51
UNSUPPORTED = 0
"""Step of a window whose motion is not diffusive."""
MEMORIES_PS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


@dataclass(frozen=True)
class Kind:
    """Kind of trajectory; frames are 1 ps apart."""

    known: Brownian
    n_frames: int


KINDS = {
    "small": Kind(Brownian(counts=(12, 4, 8), vibration_angstrom=0.2, memory_ps=0.5), 400),
    "main": Kind(Brownian(vibration_angstrom=0.2, memory_ps=0.5), 2000),
    "heavy vibration": Kind(Brownian(vibration_angstrom=0.5, memory_ps=2.0), 2000),
    "heavy, uncorrelated": Kind(Brownian(vibration_angstrom=2.0), 2000),
    "no vibration": Kind(Brownian(), 1000),
}
"""Trajectories of the measurements, by name."""


@dataclass(frozen=True)
class Accuracy:
    """Accuracy over draws; errors of L_ij in units of the root of L_ii L_jj."""

    rms: float
    ideal_rms: float
    ideal_step: int
    """Frames of the best step."""
    within_3_sigma: float
    coverage: float
    """Share of 95 % intervals that contain the true value."""
    steps: dict[int, int]
    """Number of draws by frames of the chosen step; 0 for those without a result."""


def accuracy(kind: Kind, seeds: Iterable[int]) -> Accuracy:
    """Measure the coefficients of one trajectory for each seed."""
    known, matrix, truth = kind.known, kind.known.frame(), kind.known.rate()
    scale = np.sqrt(np.outer(truth.diagonal(), truth.diagonal()))
    lengths = [2**i for i in range(20) if kind.n_frames // 2**i >= SMALLEST_WINDOW]
    errors, at_steps, within, covered, steps = [], [], [], [], Counter()
    for seed in seeds:
        frames = known.frames(np.random.default_rng(seed), kind.n_frames, cell=CELL_ANGSTROM)
        try:
            result = onsager_matrix(frames, temperature_K=600.0)
        except UnsupportedWindowError:
            steps[UNSUPPORTED] += 1
            continue
        found = result.onsager.scaled(result.kT_volume_eV_angstrom3)
        errors.append(((found.value - truth) / scale)[UPPER])
        within.append((np.abs(found.value - truth) <= 3.0 * found.standard_error)[UPPER])
        covered.append(((found.lower <= truth) & (truth <= found.upper))[UPPER])
        steps[result.statistics.block_frames] += 1
        moved = frames.all_positions - frames.all_positions[0]
        summed = np.stack([moved[:, known.labels == i].sum(axis=1) for i in range(3)], axis=1)
        summed = np.einsum("ij,tjx->tix", matrix, summed)
        at_steps.append([((block_steps(summed, k, 1.0).rate_angstrom2_per_ps - truth) / scale)[UPPER] for k in lengths])
    rms_at_steps = np.sqrt(np.square(at_steps).mean(axis=(0, 2)))
    best = int(rms_at_steps.argmin())
    return Accuracy(
        rms=float(np.sqrt(np.square(errors).mean())),
        ideal_rms=float(rms_at_steps[best]),
        ideal_step=lengths[best],
        within_3_sigma=float(np.mean(within)),
        coverage=float(np.mean(covered)),
        steps=dict(sorted(steps.items())),
    )


def vibration_bias(memory_ps: float, seeds: Iterable[int], n_frames: int = 1000) -> tuple[np.ndarray, dict[int, int]]:
    """Return the relative bias of L_ii by vibration of 0.5 Å, and the number of draws by frames of the chosen step."""
    quiet = Brownian(counts=(60, 30, 40))
    shaken = Brownian(counts=(60, 30, 40), vibration_angstrom=0.5, memory_ps=memory_ps)
    with_it, without, steps = [], [], Counter()
    for seed in seeds:
        frames = (each.frames(np.random.default_rng(seed), n_frames, cell=CELL_ANGSTROM) for each in (shaken, quiet))
        try:
            first = onsager_matrix(next(frames), temperature_K=600.0)
        except UnsupportedWindowError:
            steps[UNSUPPORTED] += 1
            continue
        k = first.statistics.block_frames
        still = next(frames).all_positions
        summed = np.stack([(still - still[0])[:, quiet.labels == i].sum(axis=1) for i in range(3)], axis=1)
        summed = np.einsum("ij,tjx->tix", quiet.frame(), summed)
        with_it.append(first.statistics.rate_angstrom2_per_ps.diagonal())
        without.append(block_steps(summed, k, 1.0).rate_angstrom2_per_ps.diagonal())
        steps[k] += 1
    bias = np.mean(with_it, axis=0) / np.mean(without, axis=0) - 1.0 if with_it else np.zeros(3)
    return bias, dict(sorted(steps.items()))
