"""Covariance estimator of collective diffusion, from steps between block averages.

Equations. X_n is the average of R over the n-th block of k frames, tau = k dt (`step_ps`), D_n = X_n+1 - X_n minus
its mean (the drift). With C_0 = <D_n D_n^T>, C_1 = <D_n D_n+1^T> made symmetric, per axis,

    F = C_0 + 2 C_1,    Lambda_ij = sum over axes F_ij / (2 d tau),    L_ij = Lambda_ij / (kB T V).

Vibration whose memory is shorter than a step adds +2s to C_0 and -s to C_1, hence nothing to F: the estimator is
unbiased under it. What slower vibration adds is subtracted (`SlowVibration`). Diffusion correlates D_n with D_n+1
through their common block and no further, so F is exactly its spectral density at zero frequency. Subtracting the mean
lowers F by a fraction 3/N, which is corrected.

Errors. By Isserlis' theorem, with F(w) = C_0 + 2 C_1 cos w the spectral density of a Gaussian process,

    cov(F_ij, F_kl) = 1/N < (1 + 2 cos w)² [F_ik(w) F_jl(w) + F_il(w) F_jk(w)] >_w,
    < (1 + 2 cos w)² F F > = 3 C_0 C_0 + 4 (C_0 C_1 + C_1 C_0) + 8 C_1 C_1,

summed over all pairs of axes. Rare jumps are not Gaussian: where the scatter of the terms from step to step gives a
larger variance, that one is used.

Vestergaard, Blainey and Flyvbjerg, Phys. Rev. E 89, 022726 (2014), for one particle and one axis without block
averages; these lower the variance (1.23 times without vibration) and keep vibration from growing with 1 / dt.
"""

from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
from numpy.typing import ArrayLike

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.statistics.estimate import Estimate, normal_quantile

SCATTER_LAGS = 2
"""Number of steps over which terms of the sum are correlated."""


@dataclass(frozen=True)
class SlowVibration:
    """What vibration with a memory longer than the step adds to the rates: the sum over modes of m m^T rate."""

    modes: FloatArray
    """(n_species, n_modes), weight of every mode in the sums of the species."""
    rate_angstrom2_per_ps: FloatArray
    """(n_modes,)."""
    variance_angstrom4_per_ps2: FloatArray
    """(n_modes,), of the rate."""

    def combined(self, weights: FloatArray) -> "SlowVibration":
        """Return what is added to weighted sums of species."""
        return replace(self, modes=weights @ self.modes)

    @property
    def added_angstrom2_per_ps(self) -> FloatArray:
        """(n_species, n_species)."""
        return np.asarray((self.modes * self.rate_angstrom2_per_ps) @ self.modes.T)

    @property
    def covariance(self) -> FloatArray:
        """Covariance of what is added, (n_species,) * 4, Å⁴/ps²."""
        pairs = self.modes[:, None] * self.modes[None]
        return np.einsum("ijm,klm,m->ijkl", pairs, pairs, self.variance_angstrom4_per_ps2)


@dataclass(frozen=True)
class StepStatistics:
    """Steps of collective displacements between block averages, and rates with their covariance."""

    steps: FloatArray
    """D_n, (n_steps, n_species, n_axes), Å, drift taken out."""
    drift_angstrom: FloatArray
    """(n_species, n_axes), mean step, Å."""
    block_frames: int
    step_ps: float
    """Time from block to block, ps."""
    vibration: SlowVibration | None = None
    """Estimated slow vibration, which is subtracted from the rates; its error is part of their covariance."""

    @property
    def n_steps(self) -> int:
        """Number of steps."""
        return len(self.steps)

    @property
    def n_axes(self) -> int:
        """Number of axes that are averaged over."""
        return self.steps.shape[2]

    def combined(self, weights: FloatArray) -> "StepStatistics":
        """Return the statistics of weighted sums of species, such as charge; weights (n_new, n_species)."""
        return StepStatistics(
            np.einsum("ij,tjx->tix", weights, self.steps),
            weights @ self.drift_angstrom,
            self.block_frames,
            self.step_ps,
            self.vibration and self.vibration.combined(weights),
        )

    @cached_property
    def _lags(self) -> tuple[FloatArray, FloatArray]:
        """C_0 and C_1 over species and axes, (n_species, n_axes, n_species, n_axes), corrected for the mean."""
        n, n_species, n_axes = self.steps.shape
        flat = self.steps.reshape(n, -1)
        zero_lag = flat.T @ flat / n
        one_lag = flat[:-1].T @ flat[1:] / (n - 1)
        shape = (n_species, n_axes, n_species, n_axes)
        unbias = 1.0 / (1.0 - 3.0 / n)
        return unbias * zero_lag.reshape(shape), unbias * 0.5 * (one_lag + one_lag.T).reshape(shape)

    @cached_property
    def _scale(self) -> float:
        return 1.0 / (2.0 * self.n_axes * self.step_ps)

    @cached_property
    def rate_angstrom2_per_ps(self) -> FloatArray:
        """Lambda, (n_species, n_species), Å²/ps; its diagonal is N_i D_i without correlations."""
        zero_lag, one_lag = self._lags
        rate = self._scale * np.einsum("iaja->ij", zero_lag + 2.0 * one_lag)
        return np.asarray(rate if self.vibration is None else rate - self.vibration.added_angstrom2_per_ps)

    @cached_property
    def covariance(self) -> FloatArray:
        """Covariance of the rates, (n_species,) * 4, Å⁴/ps²: [i, j, k, l] of Lambda_ij and Lambda_kl."""
        shape = self._lags[0].shape
        n_species, n_axes = shape[:2]
        # rows of pairs of species, columns of pairs of axes
        zero, one = (each.swapaxes(1, 2).reshape(n_species**2, n_axes**2) for each in self._lags)
        pairs = zero @ (3.0 * zero + 4.0 * one).T + one @ (4.0 * zero + 8.0 * one).T
        pairs = pairs.reshape((n_species,) * 4)  # [i, k, j, l] of F_ik F_jl
        gauss = pairs.transpose(0, 2, 1, 3) + pairs.transpose(0, 2, 3, 1)
        gauss *= self._scale**2 / self.n_steps
        of_gauss = np.maximum(np.einsum("ijij->ij", gauss), 0.0)
        of_scatter = self._scatter_variance()
        with np.errstate(divide="ignore", invalid="ignore"):
            excess = np.sqrt(np.where(of_gauss > 0, of_scatter / of_gauss, 1.0))
        excess = np.maximum(excess, 1.0)
        of_motion = gauss * excess[:, :, None, None] * excess[None, None]
        return np.asarray(of_motion if self.vibration is None else of_motion + self.vibration.covariance)

    @cached_property
    def standard_error(self) -> FloatArray:
        """Standard error of the rates, (n_species, n_species), Å²/ps."""
        return np.sqrt(np.maximum(np.einsum("ijij->ij", self.covariance), 0.0))

    @cached_property
    def diagonal(self) -> tuple[FloatArray, FloatArray]:
        """Diagonal of the rates, vibration included, and its standard error, (n_species,) each, Å²/ps.

        The rest of the matrices is not computed.
        """
        n = self.n_steps
        unbias = 1.0 / (1.0 - 3.0 / n)
        # axes and species first, so that sums run along time
        steps = np.ascontiguousarray(self.steps.transpose(1, 2, 0))
        zero = unbias / n * (steps @ steps.swapaxes(1, 2))
        one = unbias / (n - 1) * (steps[..., :-1] @ steps[..., 1:].swapaxes(1, 2))
        one = 0.5 * (one + one.swapaxes(1, 2))
        rate = self._scale * np.trace(zero + 2.0 * one, axis1=1, axis2=2)
        of_gauss = self._scale**2 * gaussian_variance(zero, one, n).sum(axis=(1, 2))
        terms = (steps[..., :-1] * (steps[..., :-1] + 2.0 * steps[..., 1:])).sum(axis=1)
        of_scatter = self._scale**2 * _variance_of_sum(terms.T) / (n - 1)
        return rate, np.sqrt(np.maximum(of_gauss, of_scatter))

    @property
    def drift_error_angstrom(self) -> FloatArray:
        """Standard error of the mean step, (n_species, n_axes), Å, from diffusion."""
        zero_lag, one_lag = self._lags
        density = np.einsum("iaia->ia", zero_lag + 2.0 * one_lag)
        return np.sqrt(np.maximum(density, 0.0) / self.n_steps)

    def estimate(self, confidence: float) -> Estimate:
        """Return the rates with intervals, Å²/ps.

        Off the diagonal the interval is symmetric. On the diagonal the error depends on the hypothesised rate, so a
        score interval is used: it contains the rates that the estimate does not contradict. Its lower bound is not
        negative.
        """
        quantile = normal_quantile(confidence)
        symmetric = Estimate.symmetric(self.rate_angstrom2_per_ps, self.standard_error, confidence=confidence)
        lower, upper = symmetric.lower.copy(), symmetric.upper.copy()
        for i in range(len(lower)):
            lower[i, i], upper[i, i] = self._score_interval(i, quantile)
        return replace(symmetric, lower=lower, upper=upper)

    def _scatter_variance(self) -> FloatArray:
        """Variance of the rates from the scatter of their terms over time, (n_species, n_species)."""
        first, second = self.steps[:-1], self.steps[1:]
        lagged = np.einsum("tia,tja->tij", first, second)
        terms = np.einsum("tia,tja->tij", first, first) + lagged + lagged.swapaxes(1, 2)
        return self._scale**2 * _variance_of_sum(terms) / len(terms)

    def _score_interval(self, i: int, quantile: float) -> tuple[float, float]:
        """Solve (estimate - rate)² = z² var(rate), var being a parabola in the rate."""
        rate, error = self.rate_angstrom2_per_ps[i, i], self.standard_error[i, i]
        if error == 0.0:
            return float(rate), float(rate)
        alpha, beta = diffusive_lags(self.block_frames)
        noise = max(beta * rate - self._scale * float(np.trace(self._lags[1][i, :, i, :])), 0.0)

        def parabola(x: float) -> float:
            return float(gaussian_variance(alpha * x + 2.0 * noise, beta * x - noise, 1))

        constant = parabola(0.0)
        square = 0.5 * (parabola(1.0) + parabola(-1.0)) - constant
        linear = 0.5 * (parabola(1.0) - parabola(-1.0))
        weight = (quantile * error) ** 2 / parabola(max(float(rate), 0.0))
        a, b, c = 1.0 - weight * square, 2.0 * rate + weight * linear, rate**2 - weight * constant
        root = np.sqrt(max(b * b - 4.0 * a * c, 0.0))
        if a <= 0.0:
            return max(float(-c / (b + root)) if b + root else 0.0, 0.0), np.inf
        return max(float((b - root) / (2.0 * a)), 0.0), max(float((b + root) / (2.0 * a)), 0.0)


def block_steps(displacement_angstrom: FloatArray, block_frames: int, interval_ps: float) -> StepStatistics:
    """Average summed displacements, (n_frames, n_species, n_axes), over blocks of frames and take the steps between them.

    An incomplete block at the end is left out.
    """
    n_blocks = len(displacement_angstrom) // block_frames
    complete = displacement_angstrom[: n_blocks * block_frames]
    blocks = complete.reshape(n_blocks, block_frames, *displacement_angstrom.shape[1:]).mean(axis=1)
    steps = np.diff(blocks, axis=0)
    drift = steps.mean(axis=0)
    return StepStatistics(steps - drift, drift, block_frames, block_frames * interval_ps)


def _variance_of_sum(terms: FloatArray) -> FloatArray:
    """Return the variance of the sum of correlated terms, (n, ...), per term."""
    apart = terms - terms.mean(axis=0)
    total = (apart * apart).mean(axis=0)
    for lag in range(1, SCATTER_LAGS + 1):
        total = total + 2.0 * (apart[lag:] * apart[:-lag]).mean(axis=0)
    return np.maximum(total, 0.0)


def gaussian_variance(zero_lag: ArrayLike, one_lag: ArrayLike, n: int | FloatArray) -> FloatArray:
    """Return the variance of F = C_0 + 2 C_1 of one component from n Gaussian steps."""
    zero, one = np.asarray(zero_lag), np.asarray(one_lag)
    return np.asarray(2.0 * (3.0 * zero**2 + 8.0 * zero * one + 8.0 * one**2) / n)


@cache
def diffusive_lags(block_frames: int) -> tuple[float, float]:
    """Return C_0 and C_1 of pure diffusion per F: (2/3, 1/6) for long blocks, (1, 0) without any.

    A step between averages of k frames is a sum of 2k - 1 displacements with weights 1/k, ..., 1, ..., 1/k.
    """
    k = block_frames
    weights = np.concatenate([np.arange(1, k + 1), np.arange(k - 1, 0, -1)]) / k
    return float(weights @ weights) / k, float(weights[k:] @ weights[: k - 1]) / k
