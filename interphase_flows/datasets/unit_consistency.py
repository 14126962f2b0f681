"""Compare the units and signs of energies, forces and stresses of a file with each other.

A file has one convention, so a wrong one is in all its labels, and they agree with each other. Pair potentials are
fitted to the forces alone, and predict how energies change between labels of one composition, and the stresses. In parts
of 40 labels or more from sets of crystals, melts and interfaces of Li, P and S by CHGNet and GPAW, the energies changed
0.4 to 2.7 times as much as predicted; forces in Hartree/bohr would make it 51 times as much.
"""

from collections import defaultdict
from collections.abc import Sequence
from math import log

import numpy as np
from ase import Atoms, units
from numpy.typing import NDArray
from scipy.stats import spearmanr

from interphase_flows.datasets.compared_labels import MIN_LABELS_OF_COMPOSITION, compositions
from interphase_flows.datasets.gates import Rejection
from interphase_flows.datasets.pair_model import fit_pair_model
from interphase_flows.reference.labelling import RawLabel

MIN_COMPARED = 20
"""Fewest labels of a file that are compared."""

MAX_COMPARED = 300
MAX_OF_COMPOSITION = 60

LARGEST_RATIO = 6.0
"""Largest ratio between the changes of energies and their prediction, and its inverse."""

LARGEST_STRESS_RATIO = 20.0
"""Largest ratio between stresses and their prediction. Stresses may be small: the cells may be relaxed."""

MIN_CORRELATION = 0.5
"""Smallest rank correlation, of either sign, at which the ratio and sign of energies mean anything."""

MIN_STRESS_CORRELATION = 0.3

Array = NDArray[np.float64]

CONVENTIONS = {
    "forces are in Hartree/bohr": units.Hartree / units.Bohr,
    "forces are in Rydberg/bohr": units.Rydberg / units.Bohr,
    "forces are in Hartree/Å": units.Hartree,
    "forces are in eV/nm": 0.1,
    "forces are in kcal/(mol Å)": units.kcal / units.mol,
    "forces are in kJ/(mol Å)": units.kJ / units.mol,
    "forces are in kJ/(mol nm)": 0.1 * units.kJ / units.mol,
    "energies are in Hartree": 1.0 / units.Hartree,
    "energies are in Rydberg": 1.0 / units.Rydberg,
    "energies are in kcal/mol": units.mol / units.kcal,
    "energies are in kJ/mol": units.mol / units.kJ,
    "energies are in meV": 1000.0,
}
"""Ratio of energies and their prediction from forces for other units."""

SIMILAR = 3.0
"""Largest ratio of conventions that a hint names, since the prediction is no better."""


def check_units(frames: Sequence[Atoms], labels: Sequence[RawLabel]) -> Rejection | None:
    """Return why all labels of a file are rejected, or None, also if they are too few, or too different for a comparison.

    Frames have periodic cells, and labels pass the gates of single labels.
    """
    groups = _groups(frames)
    if len(compared := [place for group in groups for place in group]) < MIN_COMPARED:
        return None
    forces = {place: np.asarray(labels[place].forces_eV_per_angstrom, dtype=float) for place in compared}
    model = fit_pair_model([frames[place] for place in compared], None, [forces[place] for place in compared])
    if model is None:
        return None
    predictions = {place: model.predict(frames[place]) for place in compared}
    n_atoms = {place: len(frames[place]) for place in compared}
    energies = {place: float(labels[place].energy_eV or 0.0) / n_atoms[place] for place in compared}
    found = _energies(
        _changes(groups, energies),
        _changes(groups, {place: predictions[place][0] / n_atoms[place] for place in compared}),
    )
    stressed = [place for place in compared if labels[place].stress_eV_per_angstrom3 is not None]
    if found or len(stressed) < MIN_COMPARED:
        return found
    volumes = np.array([frames[place].get_volume() / n_atoms[place] for place in stressed])[:, None]
    return _stresses(
        np.array([labels[place].stress_eV_per_angstrom3 for place in stressed], dtype=float) * volumes,
        np.array([predictions[place][2] for place in stressed]) * volumes,
    )


def _groups(frames: Sequence[Atoms]) -> list[list[int]]:
    """Return labels of equal composition, some of each, the most frequent compositions first."""
    found: list[list[int]] = []
    for places in sorted(compositions(frames).values(), key=len, reverse=True):
        if len(places) >= MIN_LABELS_OF_COMPOSITION and sum(map(len, found)) < MAX_COMPARED:
            drawn = np.linspace(0, len(places) - 1, min(len(places), MAX_OF_COMPOSITION)).astype(int)
            found.append([places[number] for number in drawn])
    return found


def _changes(groups: Sequence[Sequence[int]], values: dict[int, float]) -> Array:
    """Return differences from the median of each composition."""
    found = [np.array([values[place] for place in group]) for group in groups]
    return np.concatenate([group - np.median(group) for group in found])


def _energies(changes: Array, predicted: Array) -> Rejection | None:
    ratio, correlation = _ratio(changes, predicted)
    if abs(correlation) < MIN_CORRELATION:
        return None
    if correlation < 0:
        return Rejection(
            "force_sign",
            f"energies of the file fall where its forces say that they rise (rank correlation {correlation:.2f} of "
            f"{len(changes)} labels): are its forces gradients? Hint: write them with the other sign",
        )
    if 1.0 / LARGEST_RATIO <= ratio <= LARGEST_RATIO:
        return None
    named = [name for name, factor in CONVENTIONS.items() if abs(log(ratio / factor)) < log(SIMILAR)]
    return Rejection(
        "force_units",
        f"energies of the file change {ratio:.2g} times as much as its forces say ({len(changes)} labels). Hint: "
        "energies are read in eV and forces in eV/Å; convert the file" + (f" if {' or '.join(named)}" if named else ""),
    )


def _stresses(stresses: Array, predicted: Array) -> Rejection | None:
    """Compare stresses times volume per atom, (n_labels, 6)."""
    ratio, correlation = _ratio(stresses.ravel(), predicted.ravel())
    if abs(correlation) < MIN_STRESS_CORRELATION:
        return None
    if correlation < 0:
        return Rejection(
            "stress_sign",
            f"stresses of the file have the opposite sign of its forces (rank correlation {correlation:.2f} of "
            f"{len(stresses)} labels): are they positive under compression? Hint: --stress-is-positive-under compression",
        )
    if ratio > LARGEST_STRESS_RATIO:
        return Rejection(
            "stress_units",
            f"stresses of the file are {ratio:.2g} times as large as its forces say ({len(stresses)} labels): are they "
            "in GPa or kbar, or a virial? Hint: --stress-unit GPa, or --virial-key",
        )
    return None


def _ratio(values: Array, predicted: Array) -> tuple[float, float]:
    """Return the ratio of median absolute values, which a few wrong labels do not change, and the rank correlation.

    Values that are mostly zero have the correlation 0.
    """
    sizes = float(np.median(np.abs(values))), float(np.median(np.abs(predicted)))
    if 0.0 in sizes:
        return 1.0, 0.0
    return sizes[0] / sizes[1], float(spearmanr(values, predicted).statistic)


def check_units_of_files(
    frames: Sequence[Atoms], labels: Sequence[RawLabel], files: Sequence[str]
) -> list[Rejection | None]:
    """Return for each label why its file is rejected, or None."""
    places = defaultdict(list)
    for place, file in enumerate(files):
        places[file].append(place)
    found: list[Rejection | None] = [None] * len(frames)
    for own in places.values():
        rejection = check_units([frames[place] for place in own], [labels[place] for place in own])
        for place in own:
            found[place] = rejection
    return found
