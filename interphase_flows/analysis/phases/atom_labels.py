"""Which phase each atom is in.

Atoms of connected anions are labelled by what they are part of: whole anions of the electrolyte, chains of bonded
network formers (LixP), fragments (amorphous). Single anions are labelled by their surroundings
(`anion_descriptors`, `gaussian_classifier`) against thermal references, or as unknown. Cations take the label of most
of the anions around them; those without any are metal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from interphase_flows.analysis.environments import LI_P_S, AnionChemistry, classify_environments
from interphase_flows.analysis.frames import BoolArray, FloatArray, FrameSource, mask_of
from interphase_flows.analysis.neighbours import pairs_within
from interphase_flows.analysis.phases.anion_descriptors import anion_descriptors
from interphase_flows.analysis.phases.gaussian_classifier import UNKNOWN, GaussianClassifier, fit_gaussians
from interphase_flows.exceptions import AnalysisError

AMORPHOUS = "amorphous"
"""Name of the class that is no crystal: every element is at home in it."""
UNKNOWN_LABEL, ELECTROLYTE, CHAINS, METAL = "unknown", "electrolyte", "chains", "metal"
N_WHOLE, CHAIN_CODE, SINGLE_CODES = 4, 5, (6, 7)
"""Codes of `AnionChemistry.labels`: below 4 anions of electrolytes, 5 chains, 6 and 7 single atoms."""


@dataclass(frozen=True)
class ThermalReference:
    """A run at temperature whose phases are known."""

    frames: FrameSource
    members: BoolArray | None = None
    """(n_atoms,): atoms that are of the phase, such as those of one layer of a slab; all if None."""


@dataclass(frozen=True)
class PhaseModel:
    """What atoms are compared with."""

    classifier: GaussianClassifier
    hosts: Mapping[str, frozenset[str]]
    """For each crystal, the elements on its anion sublattice; others are dissolved in it."""
    chemistry: AnionChemistry
    mobile_cations: frozenset[str]
    cation_cutoff_angstrom: float

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label there can be; its position is its code."""
        elements = sorted({*self.chemistry.anion_centres, *self.chemistry.ligands})
        dissolved = [
            f"{e} dissolved in {name}" for name, own in self.hosts.items() for e in elements if e not in own
        ]
        crystals = [name for name in self.classifier.names if name != AMORPHOUS]
        return (UNKNOWN_LABEL, METAL, ELECTROLYTE, CHAINS, AMORPHOUS, *crystals, *dissolved)


def single_anion_descriptors(
    positions: NDArray[np.floating],
    cell: NDArray[np.floating],
    numbers: NDArray[np.integer],
    chemistry: AnionChemistry,
    mobile_cations: frozenset[str],
) -> tuple[NDArray[np.int64], FloatArray, NDArray[np.int8]]:
    """Describe the anions that are single atoms.

    Returns
    -------
    atoms, descriptors, anion_codes
        Indices (n_single,), descriptors (n_single, 9), and the codes of `classify_environments` (n_atoms,).
    """
    codes = classify_environments(positions, cell, numbers, chemistry).atom_codes
    anions = codes >= 0
    single = np.isin(codes, SINGLE_CODES)
    if not single.any():
        return np.empty(0, np.int64), np.empty((0, 9)), codes
    all_of_them = anion_descriptors(positions, cell, anions, mask_of(numbers, mobile_cations))
    return np.flatnonzero(single), all_of_them[single[anions]], codes


def fit_phase_model(
    references: Mapping[str, Sequence[ThermalReference]],
    *,
    chemistry: AnionChemistry = LI_P_S,
    mobile_cations: frozenset[str] = frozenset({"Li"}),
    cation_cutoff_angstrom: float = 3.3,
    rejected_share: float = 0.01,
) -> PhaseModel:
    """Learn the surroundings of single anions in thermal references.

    Parameters
    ----------
    references
        For each phase with single anions its runs at temperature, such as those of `thermal_references`; the name
        ``"amorphous"`` is that of the phase that is no crystal. Runs are left out in turn to calibrate the rejection.
        Of a single run the frames are, and since they resemble one another, more true members than asked become
        unknown. Give a slab among them, or atoms near interfaces will be unknown.
    chemistry
        Bonds, best those of `measured_chemistry`.
    mobile_cations
        Symbols.
    cation_cutoff_angstrom
        Longest distance from a cation to the anions it belongs to, in Å: the first minimum of that pair's g(r).
    rejected_share
        Share of true members that may be called unknown.

    Raises
    ------
    AnalysisError
        A reference has no single anions or too few frames.
    """
    groups: dict[str, list[FloatArray]] = {}
    hosts: dict[str, frozenset[str]] = {}
    for name, runs in references.items():
        by_run, elements = [], []
        for run in runs:
            frames = [_members(run, row, chemistry, mobile_cations) for row in range(run.frames.n_frames)]
            elements += [kinds for kinds, _ in frames]
            by_run.append([found for _, found in frames])
        groups[name] = (
            [np.concatenate(run) for run in by_run] if len(by_run) > 1 else [f for run in by_run for f in run]
        )
        counts = np.bincount(np.concatenate(elements)) if elements else np.zeros(1, int)
        if counts.sum() == 0:
            raise AnalysisError(
                f"reference {name!r} has no anion that is a single atom; its anions are told by their bonds"
            )
        if name != AMORPHOUS:
            hosts[name] = frozenset(chemical_symbols[z] for z in np.flatnonzero(counts > 0.25 * counts.sum()))
    classifier = fit_gaussians(groups, rejected_share=rejected_share)
    return PhaseModel(classifier, hosts, chemistry, mobile_cations, cation_cutoff_angstrom)


def _members(
    run: ThermalReference, row: int, chemistry: AnionChemistry, mobile_cations: frozenset[str]
) -> tuple[NDArray[np.integer], FloatArray]:
    """Atomic numbers and descriptors of the single anions of a reference in one frame."""
    numbers = np.asarray(run.frames.numbers)
    atoms, found, _ = single_anion_descriptors(
        run.frames.positions(row), run.frames.cell(row), numbers, chemistry, mobile_cations
    )
    kept = slice(None) if run.members is None else np.asarray(run.members, dtype=bool)[atoms]
    return numbers[atoms[kept]], found[kept]


def label_atoms(
    positions: NDArray[np.floating],
    cell: NDArray[np.floating],
    numbers: NDArray[np.integer],
    model: PhaseModel,
) -> NDArray[np.int8]:
    """Label every atom of one frame.

    Parameters
    ----------
    positions
        Positions in Å, wrapped or not, (n_atoms, 3).
    cell
        Lattice vectors in Å as rows, (3, 3).
    numbers
        Atomic numbers, (n_atoms,).
    model
        What to compare with.

    Returns
    -------
    codes
        Position in ``model.labels``, (n_atoms,); elements without a role are unknown.
    """
    numbers = np.asarray(numbers)
    cations = mask_of(numbers, model.mobile_cations)
    codes = np.full(len(numbers), model.labels.index(UNKNOWN_LABEL), dtype=np.int8)
    singles, descriptors, anion_codes = single_anion_descriptors(
        positions, cell, numbers, model.chemistry, model.mobile_cations
    )
    codes[(anion_codes >= 0) & (anion_codes < N_WHOLE)] = model.labels.index(ELECTROLYTE)
    codes[anion_codes == CHAIN_CODE] = model.labels.index(CHAINS)
    codes[(anion_codes == N_WHOLE) | (anion_codes > max(SINGLE_CODES))] = model.labels.index(AMORPHOUS)
    found = model.classifier.classify(descriptors) if len(singles) else np.empty(0, np.int64)
    for atom, kind in zip(singles, found, strict=True):
        codes[atom] = model.labels.index(_name(model, int(kind), chemical_symbols[numbers[atom]]))
    if cations.any():
        codes[cations] = _cation_codes(positions, cell, cations, anion_codes >= 0, codes, model)
    return codes


def _name(model: PhaseModel, kind: int, element: str) -> str:
    if kind == UNKNOWN:
        return UNKNOWN_LABEL
    name = model.classifier.names[kind]
    at_home = name == AMORPHOUS or element in model.hosts[name]
    return name if at_home else f"{element} dissolved in {name}"


def _cation_codes(
    positions: NDArray[np.floating],
    cell: NDArray[np.floating],
    cations: BoolArray,
    anions: BoolArray,
    codes: NDArray[np.int8],
    model: PhaseModel,
) -> NDArray[np.int8]:
    """Label of most of the anions around each cation; between equals, that of the nearest."""
    pairs = pairs_within(positions, cell, model.cation_cutoff_angstrom)
    bound = cations[pairs.first] & anions[pairs.second]
    first, second, distance = pairs.first[bound], pairs.second[bound], pairs.distance_angstrom[bound]
    votes = np.zeros((len(codes), len(model.labels)))
    # a vote, and a hair more for the near: breaks ties only
    np.add.at(votes, (first, codes[second]), 1.0 + 1e-3 * (1.0 - distance / model.cation_cutoff_angstrom))
    metal = model.labels.index(METAL)
    return np.where(votes.sum(axis=1) > 0, votes.argmax(axis=1), metal)[cations].astype(np.int8)
