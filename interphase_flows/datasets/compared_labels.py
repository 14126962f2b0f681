"""Compare each label of a set with the others: energies of the same composition, forces and stress of similar pairs.

Pair potentials fitted to the set (`pair_model`) predict every label. A set that is too small for them is compared by the
medians of energies of each composition only.
"""

from collections import defaultdict
from collections.abc import Sequence
from math import gcd

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from interphase_flows.datasets.gates import Gates, Rejection
from interphase_flows.datasets.pair_model import N_REWEIGHTINGS, PairModel, fit_pair_model
from interphase_flows.reference.labelling import RawLabel, ReferenceMethod

MIN_LABELS_OF_COMPOSITION = 3
"""Fewest labels of one reduced composition that have a median to compare with."""

SPREADS = 5.0
"""Largest deviation of a good energy from the median of its composition, in standard deviations estimated from the median
absolute deviation."""

ENERGY_FLOOR_EV_PER_ATOM = 0.5
"""Smallest limit for energies about the median of their composition, of which good labels of crystals, melts and strained
cells are 0.1 to 0.4 eV/atom away."""

RESIDUAL_SPREADS, RESIDUAL_FLOOR_EV_PER_ATOM = 8.0, 0.3
"""The same for residuals of the pair potentials, which have longer tails."""

FORCE_RESIDUAL_FLOOR_EV_PER_ANGSTROM = 1.0
"""Smallest limit of the difference between a force and that of a pretrained potential."""

N_FITS = 2

LARGE, TOO_SMALL, TOO_LARGE = 2.5, 3.0, 5.0
"""Forces of pair potentials that are large, in their typical errors, and the largest ratios between them and forces."""

FORCE_FLOOR_EV_PER_ANGSTROM = 0.3
STRESS_FLOOR_EV_PER_ATOM = 0.3
"""Root mean square of forces, and of stress times volume, below which directions are not compared."""

OPPOSITE_FORCES, UNRELATED_FORCES, OPPOSITE_STRESS = 0.0, 0.15, -0.7
"""Smallest cosines between a label and pair potentials; the second for large forces."""

Array = NDArray[np.float64]


def compare_labels(frames: Sequence[Atoms], labels: Sequence[RawLabel], gates: Gates) -> list[Rejection | None]:
    """Return why each label is rejected by comparison with the others, or None.

    Frames have periodic cells, and labels pass the gates of single labels.
    """
    energies = np.array([raw.energy_eV for raw in labels], dtype=float)
    stresses = [raw.stress_eV_per_angstrom3 for raw in labels]
    has_stress = all(stress is not None for stress in stresses)
    found: list[Rejection | None] = [None] * len(frames)
    for _ in range(N_FITS):  # refit without the rejected labels
        rest = [place for place, rejection in enumerate(found) if rejection is None]
        model = fit_pair_model(
            [frames[place] for place in rest],
            energies[rest],
            [np.asarray(labels[place].forces_eV_per_angstrom, dtype=float) for place in rest],
            [np.asarray(stresses[place], dtype=float) for place in rest] if has_stress else None,
        )
        if model is None:
            per_atom = energies / [len(atoms) for atoms in frames]
            found = _by_composition(frames, per_atom, SPREADS, ENERGY_FLOOR_EV_PER_ATOM)
            break
        # a frame with an element that no fitted label has stays rejected
        known = [place for place, atoms in enumerate(frames) if np.isin(atoms.numbers, model.numbers).all()]
        compared = _by_model([frames[p] for p in known], [labels[p] for p in known], energies[known], model)
        for place, rejection in zip(known, compared, strict=True):
            found[place] = rejection
        if sum(rejection is None for rejection in found) in (0, len(rest)):
            break
    rest = [place for place, rejection in enumerate(found) if rejection is None]
    numbers = np.unique(np.concatenate([atoms.numbers for atoms in frames]))
    counts = np.array([(frames[place].numbers[:, None] == numbers).sum(axis=0) for place in rest], dtype=float)
    for part in np.flatnonzero(gates.energy_outliers(counts, energies[rest])) if rest else ():
        found[rest[part]] = Rejection(
            "energy_window",
            f"the energy is over {gates.energy_window_eV_per_atom} eV/atom from the fit of the compositions",
        )
    return found


def _by_model(
    frames: Sequence[Atoms], labels: Sequence[RawLabel], energies: Array, model: PairModel
) -> list[Rejection | None]:
    """Reject labels whose energy, forces or stress are far from those of pair potentials."""
    predictions = [model.predict(atoms) for atoms in frames]
    residuals = np.array(
        [(energy - own[0]) / len(atoms) for energy, own, atoms in zip(energies, predictions, frames, strict=True)]
    )
    found = _by_composition(frames, residuals, RESIDUAL_SPREADS, RESIDUAL_FLOOR_EV_PER_ATOM, has_model=True)
    forces = [np.asarray(raw.forces_eV_per_angstrom, dtype=float) for raw in labels]
    errors = [_rms(each - own) for each, (_, own, _) in zip(forces, predictions, strict=True)]
    scales = typical_errors(frames, errors)
    for place, (atoms, (_, predicted, stress)) in enumerate(zip(frames, predictions, strict=True)):
        found[place] = found[place] or _compare_forces(forces[place], predicted, scales[place])
        own = labels[place].stress_eV_per_angstrom3
        if own is not None:
            found[place] = found[place] or _compare_stress(np.asarray(own, dtype=float), stress, atoms)
    return found


def typical_errors(frames: Sequence[Atoms], errors: Sequence[float]) -> Array:
    """Return the median error of all labels or of a label's composition, whichever is larger.

    Pair potentials describe molecules of P and S, for example, much worse than ionic crystals.
    """
    found = np.full(len(frames), np.median(errors))
    for places in compositions(frames).values():
        if len(places) >= MIN_LABELS_OF_COMPOSITION:
            found[places] = max(found[places[0]], np.median([errors[place] for place in places]))
    return found


def compare_with_method(
    frames: Sequence[Atoms], labels: Sequence[RawLabel], method: ReferenceMethod
) -> list[Rejection | None]:
    """Reject labels far from those of a pretrained potential, such as CHGNet, in comparison with the other labels.

    This finds atoms with exchanged elements. Energies of two methods differ by a constant of each element, which are
    fitted. A structure that the method does not support passes.
    """
    found: list[Rejection | None] = [None] * len(frames)
    places = [place for place, atoms in enumerate(frames) if method.supports(atoms) is None]
    if len(places) < MIN_LABELS_OF_COMPOSITION:
        return found
    chosen, own = [frames[place] for place in places], [labels[place] for place in places]
    others = [method.label(atoms) for atoms in chosen]
    numbers = np.unique(np.concatenate([atoms.numbers for atoms in chosen]))
    fractions = np.array([(atoms.numbers[:, None] == numbers).mean(axis=0) for atoms in chosen])
    difference = np.array(
        [(raw.energy_eV or 0.0) - (other.energy_eV or 0.0) for raw, other in zip(own, others, strict=True)]
    ) / [len(atoms) for atoms in chosen]
    residuals, weights = difference, np.ones(len(chosen))
    for _ in range(N_REWEIGHTINGS):
        shifts = np.linalg.lstsq(fractions * weights[:, None] ** 0.5, difference * weights**0.5, rcond=None)[0]
        residuals = difference - fractions @ shifts
        weights = 1.0 / np.maximum(np.abs(residuals), 1e-3)
    largest = np.array(
        [
            np.linalg.norm(np.subtract(raw.forces_eV_per_angstrom, other.forces_eV_per_angstrom), axis=1).max()
            for raw, other in zip(own, others, strict=True)
        ]
    )
    limits = (
        max(RESIDUAL_FLOOR_EV_PER_ATOM, RESIDUAL_SPREADS * _spread(residuals)),
        max(FORCE_RESIDUAL_FLOOR_EV_PER_ANGSTROM, RESIDUAL_SPREADS * float(np.median(largest))),
    )
    for place, energy, force in zip(places, np.abs(residuals), largest, strict=True):
        if energy > limits[0] or force > limits[1]:
            found[place] = Rejection(
                "pretrained_model",
                f"the energy is {energy:.2f} eV/atom and a force {force:.2f} eV/Å from {method.identity.code}, over "
                f"{limits[0]:.2f} eV/atom or {limits[1]:.2f} eV/Å: does each atom have the right element?",
            )
    return found


def _by_composition(
    frames: Sequence[Atoms], values: Array, spreads: float, floor: float, has_model: bool = False
) -> list[Rejection | None]:
    """Reject energies, or their residuals, that are far from the median of their composition (eV/atom)."""
    found: list[Rejection | None] = [None] * len(frames)
    overall = max(floor, spreads * _spread(values))
    for composition, places in compositions(frames).items():
        formula = "".join(f"{chemical_symbols[z]}{n if n > 1 else ''}" for z, n in composition)
        if len(places) >= MIN_LABELS_OF_COMPOSITION:
            deviations = values[places] - np.median(values[places])
            limit = max(floor, spreads * _spread(deviations))
            against = f"the median of {len(places)} labels of {formula}"
            if has_model:  # wrong labels may be the majority of a composition
                deviations = np.where(np.abs(values[places]) < np.abs(deviations), values[places], deviations)
        elif has_model:
            deviations, limit, against = values[places], overall, "that of pair potentials fitted to the set"
        else:
            continue
        for place, deviation in zip(places, deviations, strict=True):
            if abs(deviation) > limit:
                found[place] = Rejection(
                    "energy_outlier",
                    f"the energy is {deviation:+.2f} eV/atom from {against}, over {limit:.2f} eV/atom",
                )
    return found


def compositions(frames: Sequence[Atoms]) -> dict[tuple[tuple[int, int], ...], list[int]]:
    """Return the frames of each reduced composition."""
    found = defaultdict(list)
    for place, atoms in enumerate(frames):
        found[_reduced_composition(atoms)].append(place)
    return found


def _reduced_composition(atoms: Atoms) -> tuple[tuple[int, int], ...]:
    numbers, counts = np.unique(atoms.numbers, return_counts=True)
    divisor = gcd(*counts.tolist())
    return tuple(zip(numbers.tolist(), (counts // divisor).tolist(), strict=True))


def _compare_forces(forces: Array, predicted: Array, scale: float) -> Rejection | None:
    """Compare size and direction of forces with those of pair potentials, whose typical error is ``scale``."""
    size, expected = _rms(forces), _rms(predicted)
    large = LARGE * scale
    if (expected > max(large, TOO_SMALL * size)) or (size > max(large, TOO_LARGE * expected)):
        return Rejection(
            "force_outlier",
            f"the forces are {size:.3g} eV/Å (rms), those of pair potentials fitted to the set {expected:.3g} eV/Å: is "
            "their unit right?",
        )
    cosine, both = _cosine(forces, predicted), min(size, expected)
    smallest = UNRELATED_FORCES if both > large else OPPOSITE_FORCES
    if both > max(scale, FORCE_FLOOR_EV_PER_ANGSTROM) and cosine < smallest:
        return Rejection(
            "force_outlier",
            f"the cosine between the forces and those of pair potentials fitted to the set is {cosine:.2f}: do they have "
            "the wrong sign, or another order of atoms?",
        )
    return None


def _compare_stress(stress: Array, predicted: Array, atoms: Atoms) -> Rejection | None:
    size, expected = (_rms(part) * atoms.get_volume() / len(atoms) for part in (stress, predicted))
    cosine = _cosine(stress, predicted)
    if min(size, expected) > STRESS_FLOOR_EV_PER_ATOM and cosine < OPPOSITE_STRESS:
        return Rejection(
            "stress_sign",
            f"the cosine between the stress and that of pair potentials fitted to the set is {cosine:.2f}; tension is "
            "positive in eV/Å³",
        )
    return None


def _spread(values: Array) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _rms(values: Array) -> float:
    return max(float(np.sqrt(np.mean(values**2))), 1e-12)


def _cosine(one: Array, other: Array) -> float:
    return float(np.vdot(one, other)) / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-12)
