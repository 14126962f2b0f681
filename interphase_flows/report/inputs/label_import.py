"""Summary of imported labels, as their page shows it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.formula import Formula

from interphase_flows.datasets.duplicates import neighbour_distances
from interphase_flows.schemas.label import LabelDoc

MOST_EXTREMES = 8
"""Frames in the table of extremes."""


@dataclass(frozen=True)
class LabelledFrame:
    """Numbers of an accepted label."""

    source: str
    composition: str
    n_atoms: int
    energy_eV_per_atom: float
    energy_from_median_eV_per_atom: float
    largest_force_eV_per_angstrom: float
    smallest_distance_angstrom: float


@dataclass(frozen=True)
class CompositionCount:
    """Frames of one reduced composition; accepted ones have an origin, by which they are split."""

    composition: str
    n_accepted: int
    n_rejected: int
    n_origins: int
    median_energy_eV_per_atom: float | None


@dataclass(frozen=True)
class RejectionCount:
    """Frames that were rejected for one reason, with the explanation of the first one."""

    reason: str
    n: int
    example: str


@dataclass(frozen=True)
class ImportSummary:
    """Summary of all labels of an import."""

    n_accepted: int
    n_rejected: int
    n_origins: int
    has_stress: bool
    frames: list[LabelledFrame]
    forces_by_element_eV_per_angstrom: dict[str, np.ndarray]
    compositions: list[CompositionCount]
    rejections: list[RejectionCount]

    @property
    def extremes(self) -> list[LabelledFrame]:
        """Accepted frames farthest from the median energy of their composition, or with the largest forces."""
        by_energy = sorted(self.frames, key=lambda frame: -abs(frame.energy_from_median_eV_per_atom))
        by_force = sorted(self.frames, key=lambda frame: -frame.largest_force_eV_per_angstrom)
        half = MOST_EXTREMES // 2
        return list(dict.fromkeys([*by_energy[:half], *by_force[:half]]))


def summarise(labels: Sequence[LabelDoc]) -> ImportSummary:
    """Return the summary of labels."""
    accepted = [label for label in labels if label.status == "accepted"]
    rejected = [label for label in labels if label.status == "rejected"]
    energies = {label.key: float(label.energy_eV or 0.0) / len(label.numbers) for label in accepted}
    by_composition: dict[str, list[LabelDoc]] = {}
    for label in labels:
        by_composition.setdefault(_composition(label), []).append(label)
    medians = {
        name: float(np.median([energies[label.key] for label in group if label.key in energies]))
        for name, group in by_composition.items()
        if any(label.key in energies for label in group)
    }
    reasons = Counter(str(label.reason) for label in rejected)
    return ImportSummary(
        n_accepted=len(accepted),
        n_rejected=len(rejected),
        n_origins=len({label.origin for label in accepted}),
        has_stress=any(label.stress_eV_per_angstrom3 is not None for label in accepted),
        frames=[_frame(label, energies[label.key], medians[_composition(label)]) for label in accepted],
        forces_by_element_eV_per_angstrom=_forces(accepted),
        compositions=[
            CompositionCount(
                name,
                sum(label.status == "accepted" for label in group),
                sum(label.status == "rejected" for label in group),
                len({label.origin for label in group if label.status == "accepted"}),
                medians.get(name),
            )
            for name, group in sorted(by_composition.items(), key=lambda item: -len(item[1]))
        ],
        rejections=[
            RejectionCount(reason, n, next(str(r.explanation) for r in rejected if str(r.reason) == reason))
            for reason, n in reasons.most_common()
        ],
    )


def _composition(label: LabelDoc) -> str:
    return Formula(label.formula).reduce()[0].format("hill") if label.formula else "no atoms"


def _frame(label: LabelDoc, energy_eV_per_atom: float, median_eV_per_atom: float) -> LabelledFrame:
    atoms = Atoms(numbers=label.numbers, positions=label.positions, cell=label.cell, pbc=True)
    forces = np.linalg.norm(np.asarray(label.forces_eV_per_angstrom), axis=1)
    return LabelledFrame(
        source=str(label.details.get("imported_from", label.origin)),
        composition=_composition(label),
        n_atoms=len(atoms),
        energy_eV_per_atom=energy_eV_per_atom,
        energy_from_median_eV_per_atom=energy_eV_per_atom - median_eV_per_atom,
        largest_force_eV_per_angstrom=float(forces.max()),
        smallest_distance_angstrom=float(neighbour_distances(atoms)[:, 0].min()),
    )


def _forces(labels: Sequence[LabelDoc]) -> dict[str, np.ndarray]:
    """Return the norms of all forces by element."""
    parts: dict[str, list[np.ndarray]] = {}
    for label in labels:
        norms = np.linalg.norm(np.asarray(label.forces_eV_per_angstrom), axis=1)
        symbols = np.array(Atoms(numbers=label.numbers).get_chemical_symbols())
        for symbol in np.unique(symbols):
            parts.setdefault(str(symbol), []).append(norms[symbols == symbol])
    return {symbol: np.concatenate(norms) for symbol, norms in sorted(parts.items())}
