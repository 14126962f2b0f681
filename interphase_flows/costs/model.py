"""What a label will cost, from atoms, electrons and k-points, learned from the labels that are done.

The time of a label is taken for a product of powers,

    t = C · (n_atoms / 40)^a · (n_electrons / 160)^b · n_k_points^c,

with the number of atoms for the volume, and so for the plane waves of a band; C is the time of a cell of middling
size at one k-point.  In logarithms that is linear:
the coefficients begin at what was measured with the defaults (the prior, with its width) and move to the least
squares of the campaign's own labels, as these come in.  The estimate says how wrong it may be, as a factor.
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
"""Of lithium, its salts and their glasses, within a fifth: for cells of which nothing but the formula is known."""

LEAST_TIME_S = 1e-3
MIDDLING_ATOMS, MIDDLING_ELECTRONS = 40.0, 160.0
PLANE_WAVE_POWER = 1.5
"""Plane waves go as the cut-off to this power, and time with them."""
PRIOR_SCATTER = 0.4
"""Of the logarithm of a time: how hard two cells of a size are to converge differs by about half."""
PRIOR_COUNT = 4.0
"""Labels that the prior's scatter counts for."""
LOAD_SCATTER = 0.15
"""Of the logarithm of a sum: a machine is not as fast on every day, however many labels were measured."""


@dataclass(frozen=True)
class Prior:
    """Coefficients before any label is done, and their widths: seconds on one core and three powers.

    ``cutoff_eV`` is the plane-wave cut-off of what was measured, None for a method without one.
    """

    seconds: float
    powers: tuple[float, float, float]
    power_widths: tuple[float, float, float]
    cutoff_eV: float | None = None
    log_width_of_seconds: float = 0.7  # machines, and settings beside the cut-off, differ by a factor of two


# GPAW: Li3P (8 atoms) 7 s, Li2S (12) 9 s, both with the few k-points that symmetry leaves; Li7P3S11 (42, Gamma) 54 s,
# Li/Li7P3S11 (66, Gamma) 170 s; with meshes at 300 eV on a busy core, Li7P3S11 (42, 8 k-points) 396 s, S (32, 8) 431 s,
# and lithium (2 atoms, 400 eV) 0.16 s a k-point beyond the first hundred.
# CHGNet: 0.04 s for 12 atoms, 0.10 s for 42, 0.19 s for 84; it has no electrons.
# VASP was not at hand: its prior is GPAW's.
CHGNET = Prior(0.10, (0.7, 0.0, 0.0), (0.25, 0.02, 0.02))
GPAW = Prior(48.0, (1.3, 0.8, 0.9), (0.25, 0.2, 0.15), cutoff_eV=350.0)
PRIORS = {"chgnet": CHGNET, "gpaw": GPAW, "vasp": GPAW}


@dataclass(frozen=True)
class LabelSize:
    """What decides the cost of a label: atoms, valence electrons, and k-points that time reversal leaves."""

    n_atoms: int
    n_electrons: float
    n_k_points: int

    @property
    def features(self) -> tuple[float, float, float, float]:
        """One, and the logarithms of atoms, electrons and k-points."""
        return (
            1.0,
            math.log(self.n_atoms / MIDDLING_ATOMS),
            math.log(max(self.n_electrons, 1.0) / MIDDLING_ELECTRONS),
            math.log(self.n_k_points),
        )


def n_valence_electrons(symbol: str) -> int:
    """Return the electrons outside the noble-gas core, without full d and f shells.

    Potentials that take semicore states for valence have more; labels that are done say how many.
    """
    outside = atomic_numbers[symbol] - max(core for core in NOBLE_GASES if core < atomic_numbers[symbol])
    if outside > 26:  # beyond the f and the d block
        return outside - 24
    return outside - 10 if outside > 12 else outside


def n_reduced_k_points(spec: MethodSpec, atoms: Atoms) -> int:
    """Return the k-points of a method in a cell without symmetry, of which time reversal leaves half.

    A point that is its own negative (Gamma, the zone's corners) has no other half.
    """
    if not isinstance(spec, GpawSpec | VaspSpec):
        return 1
    grid = k_points(spec, atoms)
    n_own_negatives = math.prod(2 if n % 2 == 0 else 1 for n in grid)
    return int(math.prod(grid) + n_own_negatives) // 2


def label_size(spec: MethodSpec, atoms: Atoms) -> LabelSize:
    """Return the size of a label."""
    n_electrons = sum(n_valence_electrons(symbol) for symbol in atoms.symbols)
    return LabelSize(len(atoms), float(n_electrons), n_reduced_k_points(spec, atoms))


def typical_size(spec: MethodSpec, formula: str, n_atoms: int | None = None) -> LabelSize:
    """Return the size of a label of which only the formula is known, in a cube of the usual density.

    Parameters
    ----------
    spec
        The reference method's block of a campaign.
    formula
        Whole, as ``Li24S12``, or of a composition.
    n_atoms
        Of the cell, if the formula is but its composition.
    """
    counts = Formula(formula).count()
    whole = sum(counts.values())
    n_atoms = whole if n_atoms is None else n_atoms
    edge = (n_atoms * VOLUME_PER_ATOM_ANGSTROM3) ** (1 / 3)
    cube = Atoms(["X"] * n_atoms, positions=np.zeros((n_atoms, 3)), cell=[edge] * 3, pbc=True)
    n_electrons = sum(n_valence_electrons(symbol) * n for symbol, n in counts.items()) * n_atoms / whole
    return LabelSize(n_atoms, n_electrons, n_reduced_k_points(spec, cube))


def measured_size(
    numbers: Sequence[int], details: Mapping[str, float | int | str | bool], fallback: LabelSize
) -> LabelSize:
    """Return the size of a label that is done: electrons and k-points as its code counted them, if it did."""
    n_electrons, n_k_points = details.get("n_electrons"), details.get("n_k_points")
    return LabelSize(
        len(numbers),
        float(n_electrons) if isinstance(n_electrons, int | float) else fallback.n_electrons,
        int(n_k_points) if isinstance(n_k_points, int | float) else fallback.n_k_points,
    )


@dataclass(frozen=True)
class CostEstimate:
    """Seconds, and the factor by which they may be too many or too few (one standard deviation)."""

    cost_s: float
    factor: float


class LabelCostModel:
    """Costs of labels by one method: a prior, moved by the labels that are done.

    Bayesian linear regression of log seconds with a normal prior of the coefficients; the scatter is that of the
    residuals, with the prior's counting for a few labels.

    Parameters
    ----------
    method
        Name of the reference method, for its prior.
    sizes, times_s
        Labels that are done, and how long each took.
    cutoff_eV
        Plane-wave cut-off; the prior's own if None.
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
        logs = np.log(np.maximum(np.asarray(times_s, dtype=float), LEAST_TIME_S))
        scatter2 = PRIOR_SCATTER**2
        for _ in range(3):  # scatter and coefficients depend on each other; this settles at once
            total = precision + features.T @ features / scatter2
            self._mean = np.linalg.solve(total, precision @ mean + features.T @ logs / scatter2)
            residuals = logs - features @ self._mean
            scatter2 = (PRIOR_COUNT * PRIOR_SCATTER**2 + float(residuals @ residuals)) / (
                PRIOR_COUNT + self.n_labels
            )
        self._covariance = np.linalg.inv(precision + features.T @ features / scatter2)
        self._scatter2 = scatter2

    def estimate_s(self, size: LabelSize) -> float:
        """Return the seconds that one label of a size should take."""
        return float(math.exp(np.array(size.features) @ self._mean))

    def estimate(self, sizes: Sequence[LabelSize]) -> CostEstimate:
        """Return the seconds of many labels together.

        The scatter of single labels averages out over them, an error of the coefficients does not.
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


def told_duration(seconds: float) -> str:
    """Return a duration in words, in the unit that suits it."""
    if seconds < 1.0:
        return "a second"
    for limit, unit_s, unit in ((120.0, 1.0, "s"), (7200.0, 60.0, "min"), (172800.0, 3600.0, "h")):
        if seconds < limit:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds / 86400.0:.0f} days"


def pack_by_cost(costs_s: Sequence[float], target_s: float, most: int) -> list[list[int]]:
    """Return the indices of labels in jobs: cheapest first, together as long as a job should take.

    Parameters
    ----------
    costs_s
        Estimated, one per label.
    target_s
        A job is full when another label would take it beyond this; a label that costs more is alone.
    most
        Largest number of labels in a job.
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
