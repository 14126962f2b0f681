"""Cost model of labels: Bayesian regression on numbers of atoms, electrons and k-points.

The time of a label is modelled as a product of powers,

    t = C · (n_atoms / 40)^a · (n_electrons / 160)^b · n_k_points^c,

where the number of atoms stands for the volume, and so for the number of plane waves; C is the time of a medium-sized
cell at one k-point. The logarithm of t is linear in log C, a, b and c. Their prior was measured with the default
settings; finished labels of the campaign update it. An estimate has an uncertainty, expressed as a factor.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.formula import Formula
from numpy.typing import NDArray

from interphase_flows.reference.k_points import k_points
from interphase_flows.reference.spec import GpawSpec, MethodSpec, VaspSpec

NOBLE_GASES = (0, 2, 10, 18, 36, 54, 86)
VOLUME_PER_ATOM_ANGSTROM3 = 18.0
"""Volume of lithium, its salts and their glasses within 20 %, for cells known by their formula only."""

MIN_TIME_S = 1e-3
MEDIUM_ATOMS, MEDIUM_ELECTRONS = 40.0, 160.0
PLANE_WAVE_POWER = 1.5
"""The number of plane waves, and so the time, scales with the cutoff to this power."""
PRIOR_SCATTER = 0.4
"""Scatter of the logarithm of a time: convergence of equally large cells differs by about half."""
PRIOR_COUNT = 4.0
"""Number of labels that the scatter of the prior is worth."""
LOAD_SCATTER = 0.15
"""Scatter of the logarithm of a total: the load of a machine varies from day to day."""


@dataclass(frozen=True)
class Prior:
    """Prior means and widths of the coefficients: seconds on one core and three powers.

    ``cutoff_eV`` is the plane-wave cutoff of the measurement, None for a method without plane waves.
    """

    seconds: float
    powers: tuple[float, float, float]
    power_widths: tuple[float, float, float]
    cutoff_eV: float | None = None
    log_width_of_seconds: float = 0.7  # a factor of two between machines, and between settings other than the cutoff


# GPAW: Li3P (8 atoms) 7 s, Li2S (12) 9 s, both with k-points reduced by symmetry; Li7P3S11 (42, Gamma) 54 s,
# Li/Li7P3S11 (66, Gamma) 170 s; with meshes at 300 eV on a busy core, Li7P3S11 (42, 8 k-points) 396 s, S (32, 8) 431 s,
# and lithium (2 atoms, 400 eV) 0.16 s a k-point beyond the first hundred.
# CHGNet: 0.04 s for 12 atoms, 0.10 s for 42, 0.19 s for 84; it has no electrons.
# VASP was not available: its prior is that of GPAW.
CHGNET = Prior(0.10, (0.7, 0.0, 0.0), (0.25, 0.02, 0.02))
GPAW = Prior(48.0, (1.3, 0.8, 0.9), (0.25, 0.2, 0.15), cutoff_eV=350.0)
PRIORS = {"chgnet": CHGNET, "gpaw": GPAW, "vasp": GPAW}


@dataclass(frozen=True)
class LabelSize:
    """Size of a label: atoms, valence electrons, and k-points reduced by time reversal."""

    n_atoms: int
    n_electrons: float
    n_k_points: int

    @property
    def features(self) -> tuple[float, float, float, float]:
        """Regression features: one, and the logarithms of scaled atoms, electrons and k-points."""
        return (
            1.0,
            math.log(self.n_atoms / MEDIUM_ATOMS),
            math.log(max(self.n_electrons, 1.0) / MEDIUM_ELECTRONS),
            math.log(self.n_k_points),
        )


def n_valence_electrons(symbol: str) -> int:
    """Return the number of electrons outside the noble-gas core, without full d and f shells.

    Potentials with semicore states have more; finished labels store the actual number.
    """
    outside = atomic_numbers[symbol] - max(core for core in NOBLE_GASES if core < atomic_numbers[symbol])
    if outside > 26:  # beyond the f and the d block
        return outside - 24
    return outside - 10 if outside > 12 else outside


def n_reduced_k_points(spec: MethodSpec, atoms: Atoms) -> int:
    """Return the number of k-points of a method in a cell without symmetry, reduced by time reversal.

    Points that are equal to their own negative (Gamma, corners of the zone) have no partner.
    """
    if not isinstance(spec, GpawSpec | VaspSpec):
        return 1
    grid = k_points(spec, atoms)
    n_own_negatives = math.prod(2 if n % 2 == 0 else 1 for n in grid)
    return int(math.prod(grid) + n_own_negatives) // 2


def label_size(spec: MethodSpec, atoms: Atoms) -> LabelSize:
    """Return the size of the label of a structure."""
    n_electrons = sum(n_valence_electrons(symbol) for symbol in atoms.symbols)
    return LabelSize(len(atoms), float(n_electrons), n_reduced_k_points(spec, atoms))


def typical_size(spec: MethodSpec, formula: str, n_atoms: int | None = None) -> LabelSize:
    """Return the size of a label known by its formula only, in a cubic cell of typical density.

    ``formula`` is that of the cell, such as ``Li24S12``, or a composition if ``n_atoms`` is given.
    """
    counts = Formula(formula).count()
    n_formula = sum(counts.values())
    n_atoms = n_formula if n_atoms is None else n_atoms
    edge = (n_atoms * VOLUME_PER_ATOM_ANGSTROM3) ** (1 / 3)
    cube = Atoms(["X"] * n_atoms, positions=np.zeros((n_atoms, 3)), cell=[edge] * 3, pbc=True)
    n_electrons = sum(n_valence_electrons(symbol) * n for symbol, n in counts.items()) * n_atoms / n_formula
    return LabelSize(n_atoms, n_electrons, n_reduced_k_points(spec, cube))


def measured_size(
    numbers: Sequence[int], details: Mapping[str, float | int | str | bool], fallback: LabelSize
) -> LabelSize:
    """Return the size of a finished label, with electrons and k-points from its output where available."""
    n_electrons, n_k_points = details.get("n_electrons"), details.get("n_k_points")
    return LabelSize(
        len(numbers),
        float(n_electrons) if isinstance(n_electrons, int | float) else fallback.n_electrons,
        int(n_k_points) if isinstance(n_k_points, int | float) else fallback.n_k_points,
    )


@dataclass(frozen=True)
class CostEstimate:
    """Cost in seconds, and its uncertainty as a factor (one standard deviation)."""

    cost_s: float
    factor: float


class LabelCostModel:
    """Cost model of one reference method: a prior, updated by finished labels.

    Bayesian linear regression of log seconds with a normal prior of the coefficients; the scatter is that of the
    residuals, combined with the prior's. The plane-wave cutoff is that of the prior if ``cutoff_eV`` is None.
    """

    def __init__(
        self,
        method: str,
        sizes: Sequence[LabelSize] = (),
        times_s: Sequence[float] = (),
        cutoff_eV: float | None = None,
    ) -> None:
        self.n_labels = len(sizes)
        prior = PRIORS.get(method, CHGNET)
        seconds = prior.seconds
        if cutoff_eV is not None and prior.cutoff_eV is not None:
            seconds *= (cutoff_eV / prior.cutoff_eV) ** PLANE_WAVE_POWER
        mean = np.array([math.log(seconds), *prior.powers])
        precision = np.diag(np.array([prior.log_width_of_seconds, *prior.power_widths]) ** -2.0)
        features = np.array([size.features for size in sizes]).reshape(-1, 4)
        logs = np.log(np.maximum(np.asarray(times_s, dtype=float), MIN_TIME_S))
        scatter2 = PRIOR_SCATTER**2
        for _ in range(3):  # scatter and coefficients depend on each other; converges in few iterations
            total = precision + features.T @ features / scatter2
            self._mean = np.linalg.solve(total, precision @ mean + features.T @ logs / scatter2)
            residuals = logs - features @ self._mean
            scatter2 = (PRIOR_COUNT * PRIOR_SCATTER**2 + float(residuals @ residuals)) / (PRIOR_COUNT + self.n_labels)
        self._covariance = np.linalg.inv(precision + features.T @ features / scatter2)
        self._scatter2 = scatter2

    def estimate_s(self, size: LabelSize) -> float:
        """Return the expected seconds of one label."""
        return float(math.exp(np.array(size.features) @ self._mean))

    def estimate(self, sizes: Sequence[LabelSize]) -> CostEstimate:
        """Return the expected total seconds of labels, with its uncertainty.

        The scatter of single labels averages out; the error of the coefficients does not.
        """
        if not sizes:
            return CostEstimate(0.0, 1.0)
        features = np.array([size.features for size in sizes])
        costs = np.exp(features @ self._mean)
        total = float(costs.sum())
        share = costs / total
        weighted: NDArray[np.float64] = share @ features
        variance = float(weighted @ self._covariance @ weighted) + self._scatter2 * float(share @ share)
        variance += LOAD_SCATTER**2
        return CostEstimate(total, float(math.exp(math.sqrt(variance))))


def format_duration(seconds: float) -> str:
    """Return a duration as text with a suitable unit."""
    if seconds < 1.0:
        return "< 1 s"
    for limit, unit_s, unit in ((120.0, 1.0, "s"), (7200.0, 60.0, "min"), (172800.0, 3600.0, "h")):
        if seconds < limit:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds / 86400.0:.0f} days"


def format_size(size_GB: float) -> str:
    """Return a size of files or memory as text with a suitable unit."""
    if size_GB < 1e-3:
        return "< 1 MB"
    for limit, unit_GB, unit in ((1.0, 1e-3, "MB"), (1000.0, 1.0, "GB")):
        if size_GB < limit:
            return f"{size_GB / unit_GB:.3g} {unit}"
    return f"{size_GB / 1000:.3g} TB"


def pack_by_cost(costs_s: Sequence[float], target_s: float, most: int) -> list[list[int]]:
    """Group labels into jobs of similar duration, cheapest labels first; return their indices by job.

    A job costs at most ``target_s`` and has at most ``most`` labels; a label that costs more has a separate job.
    """
    packs: list[list[int]] = []
    filled_s = math.inf
    for index in sorted(range(len(costs_s)), key=lambda i: (costs_s[i], i)):
        if filled_s + costs_s[index] > target_s or len(packs[-1]) >= most:
            packs.append([])
            filled_s = 0.0
        packs[-1].append(index)
        filled_s += costs_s[index]
    return packs
