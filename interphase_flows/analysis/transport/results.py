"""Onsager coefficients of a window with intervals, and the statistics behind them."""

from dataclasses import dataclass, field

import numpy as np

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.transport.coarse_graining import StepCandidate
from interphase_flows.analysis.transport.covariance_estimator import StepStatistics
from interphase_flows.analysis.transport.reference_frames import ReferenceFrame
from interphase_flows.units import (
    CM2_PER_S_PER_ANGSTROM2_PER_PS,
    KB_EV_PER_K,
    MOL2_PER_J_M_S_PER_EV_ANGSTROM_PS,
    PER_J_M_S_PER_EV_ANGSTROM_PS,
)


@dataclass(frozen=True)
class OnsagerResult:
    """Onsager coefficients of one window: J_i = - sum_j L_ij grad(mu_j), J in particles.

    Matrices have the order of `species`, and the unit 1/(eV Å ps).
    """

    species: tuple[str, ...]
    frame: ReferenceFrame
    at_rest: tuple[str, ...]
    """Species whose mean displacement is zero, in the lattice and the Hittorf frame."""
    directions: str
    """``all``, ``in_plane`` or ``normal``: the axes that are averaged."""
    temperature_K: float
    volume_angstrom3: float
    n_atoms: IntArray
    """(n_species,)."""
    start_ps: float
    end_ps: float
    step_ps: float
    """Coarse-graining step."""
    n_steps: int
    """Steps of that length in the window."""
    confidence: float

    onsager: Estimate
    """L_ij, (n_species, n_species), positive semidefinite; see `smallest_eigenvalue`."""
    smallest_eigenvalue: float
    """Of L as estimated. If it is negative, `onsager.value` is the nearest positive semidefinite matrix."""
    n_independent: FloatArray
    """(n_species,), number n of independent steps with the same relative error of L_ii, sqrt(2 / (d n))."""
    self_part: Estimate
    """N_i D*_i / (kB T V), (n_species,)."""
    distinct_part: Estimate
    """L_ii minus the self part, (n_species,)."""
    beyond_frame: Estimate
    """L_ij minus that of independent atoms in this frame: correlation beyond the momentum constraint."""
    constraint_free: Estimate
    """L_ii with the momentum constraint removed, (n_species,)."""
    short_lag_onsager: FloatArray
    """L_ij from the slope of the mean squared cross-displacement at short lags, (n_species, n_species)."""
    self_diffusion_angstrom2_per_ps: Estimate
    """D*_i about the barycentre, (n_species,)."""
    self_step_ps: float
    """Coarse-graining step of the self-diffusion coefficients: up to four times `step_ps`."""

    advection_angstrom_per_ps: Estimate
    """Mean velocity of each species in the frame, (n_species, n_axes), which is subtracted in L."""
    frame_drift_angstrom_per_ps: FloatArray
    """Mean velocity of the frame in the coordinates of the trajectory, (n_axes,)."""
    axes: FloatArray
    """Unit vectors of the axes, (n_axes, 3)."""
    half_window_z: FloatArray
    """(n_species,), difference of L_ii between the halves of the window in standard errors."""
    stationary: bool
    """Whether the halves of the window agree; otherwise L is an average over different states."""
    plateau: tuple[StepCandidate, ...] = field(repr=False)
    """All candidates for the step."""
    statistics: StepStatistics = field(repr=False)
    """Steps of the collective displacements of `species` in the frame."""

    @property
    def kT_volume_eV_angstrom3(self) -> float:
        """kB T V, eV Å³, the divisor of a rate Lambda that gives L."""
        return KB_EV_PER_K * self.temperature_K * self.volume_angstrom3

    def drawn(self, n_samples: int, seed: int = 0) -> FloatArray:
        """Return random samples of `onsager` with the covariance of its elements, (n_samples, n_species, n_species)."""
        n = len(self.species)
        values, vectors = np.linalg.eigh(self.statistics.covariance.reshape(n * n, n * n))
        root = vectors * np.sqrt(np.maximum(values, 0.0)) / self.kT_volume_eV_angstrom3
        noise = np.random.default_rng(seed).standard_normal((n_samples, n * n)) @ root.T
        noise = noise.reshape(n_samples, n, n)
        return np.asarray(self.onsager.value + 0.5 * (noise + noise.swapaxes(1, 2)))

    @property
    def onsager_per_J_m_s(self) -> Estimate:
        """L_ij in 1/(J m s)."""
        return self.onsager.scaled(PER_J_M_S_PER_EV_ANGSTROM_PS)

    @property
    def onsager_mol2_per_J_m_s(self) -> Estimate:
        """L_ij in mol²/(J m s), for mu per mole."""
        return self.onsager.scaled(MOL2_PER_J_M_S_PER_EV_ANGSTROM_PS)

    @property
    def self_diffusion_cm2_per_s(self) -> Estimate:
        """D*_i in cm²/s."""
        return self.self_diffusion_angstrom2_per_ps.scaled(CM2_PER_S_PER_ANGSTROM2_PER_PS)
