"""Label each atom by its phase.

Atoms of connected anions are labelled by their bonds: intact anions of the electrolyte, chains of bonded network formers
(LixP), fragments (amorphous). Single anions are classified by their environment (`anion_descriptors`,
`gaussian_classifier`) with thermal references, or are unknown; anions that continue the lattice of a crystal join it
(`grain_surfaces`). Cations take the label of most of the anions around them;
those without anions are metal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import BoolArray, FloatArray, IntArray
from interphase_flows.analysis.geometry.frames import FrameSource, mask_of
from interphase_flows.analysis.geometry.neighbours import Nearest, Pairs, PeriodicTree, tree_for_nearest
from interphase_flows.analysis.phases.anion_descriptors import N_NEAR_CATIONS, N_SUBLATTICE, describe_anions
from interphase_flows.analysis.phases.gaussian_classifier import GaussianClassifier, fit_gaussians
from interphase_flows.analysis.phases.grain_surfaces import with_surfaces
from interphase_flows.analysis.speciation.anion_species import (
    CHAIN_CODE,
    N_INTACT,
    SINGLE_CODES,
    AnionChemistry,
    environments_in,
)
from interphase_flows.exceptions import AnalysisError

AMORPHOUS = "amorphous"
"""Name of the non-crystalline class, which may contain every element."""
AMORPHOUS_WIDENED = 2.5
"""Factor of the rejection limit of the non-crystalline class, whose environments differ from packing to packing."""
UNKNOWN_LABEL, ELECTROLYTE, CHAINS, METAL = "unknown", "electrolyte", "chains", "metal"


@dataclass(frozen=True)
class ThermalReference:
    """Run at finite temperature whose phase is known."""

    frames: FrameSource
    members: BoolArray | None = None
    """(n_atoms,): atoms of the phase, such as those of one layer of a slab; all if None."""


@dataclass(frozen=True)
class PhaseModel:
    """Fitted classifier of single anions, with the elements of every phase."""

    classifier: GaussianClassifier
    hosts: Mapping[str, frozenset[str]]
    """Elements on the anion sublattice of each crystal; other elements are dissolved in it."""
    chemistry: AnionChemistry
    mobile_cations: frozenset[str]
    cation_cutoff_angstrom: float

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """All labels; the position of a label is its code."""
        elements = sorted({*self.chemistry.anion_centres, *self.chemistry.ligands})
        dissolved = [f"{e} dissolved in {name}" for name, own in self.hosts.items() for e in elements if e not in own]
        crystals = [name for name in self.classifier.names if name != AMORPHOUS]
        return (UNKNOWN_LABEL, METAL, ELECTROLYTE, CHAINS, AMORPHOUS, *crystals, *dissolved)

    @cached_property
    def crystal_classes(self) -> tuple[int, ...]:
        """Positions of the crystals among the classes."""
        return tuple(i for i, name in enumerate(self.classifier.names) if name != AMORPHOUS)

    @cached_property
    def single_codes(self) -> NDArray[np.int8]:
        """Code of a single anion by class (last row: unknown) and atomic number, (n_classes + 1, 119)."""
        table = np.full((len(self.classifier.names) + 1, len(chemical_symbols)), self.labels.index(UNKNOWN_LABEL))
        for kind, name in enumerate(self.classifier.names):
            for element in {*self.chemistry.anion_centres, *self.chemistry.ligands}:
                is_host = name == AMORPHOUS or element in self.hosts[name]
                label = name if is_host else f"{element} dissolved in {name}"
                table[kind, atomic_numbers[element]] = self.labels.index(label)
        return table.astype(np.int8)


class SingleAnions(NamedTuple):
    """Anions of a frame that are single atoms, with their descriptors and neighbour searches."""

    atoms: IntArray
    """Indices, (n_single,)."""
    descriptors: FloatArray
    """(n_single, 9)."""
    anion_codes: NDArray[np.int8]
    """Codes of `classify_environments`, (n_atoms,)."""
    near: Nearest
    """Their nearest cations, (n_single, 12); indices are rows of `cations`."""
    neighbours: Nearest
    """Their nearest anions, (n_single, 12); indices are rows of `anions`."""
    anions: IntArray
    """Indices of all anion-forming and network-forming atoms, (n_anions,)."""
    anion_tree: PeriodicTree
    cations: IntArray
    """Indices of all mobile cations, (n_cations,)."""
    cation_tree: PeriodicTree


def single_anion_descriptors(
    positions: NDArray[np.floating],
    cell: NDArray[np.floating],
    numbers: NDArray[np.integer],
    chemistry: AnionChemistry,
    mobile_cations: frozenset[str],
) -> SingleAnions:
    """Find the anions that are single atoms and compute their descriptors."""
    positions, numbers = np.asarray(positions), np.asarray(numbers)
    anions = np.flatnonzero(mask_of(numbers, {*chemistry.anion_centres, *chemistry.ligands}))
    cations = np.flatnonzero(mask_of(numbers, mobile_cations))
    anion_tree = tree_for_nearest(positions[anions], cell, N_SUBLATTICE + 2)
    cation_tree = tree_for_nearest(positions[cations], cell, N_NEAR_CATIONS)
    codes = environments_in(anion_tree, anions, numbers, chemistry).atom_codes
    of_anions = codes[anions]
    single = np.flatnonzero((of_anions == SINGLE_CODES[0]) | (of_anions == SINGLE_CODES[1]))
    if len(single) and not len(cations):
        raise AnalysisError(
            f"{len(single)} single anions and no {'/'.join(sorted(mobile_cations))}: both are needed to identify phases"
        )
    found = describe_anions(anion_tree, cation_tree, single)
    return SingleAnions(
        anions[single],
        found.descriptors,
        codes,
        found.cations,
        found.anions,
        anions,
        anion_tree,
        cations,
        cation_tree,
    )


def fit_phase_model(
    references: Mapping[str, Sequence[ThermalReference]],
    *,
    chemistry: AnionChemistry,
    mobile_cations: frozenset[str],
    cation_cutoff_angstrom: float,
    rejected_share: float = 0.01,
) -> PhaseModel:
    """Fit the classifier of single anions to thermal references.

    Parameters
    ----------
    references
        Thermal runs of each phase with single anions, and of the non-crystalline phase ``"amorphous"``.
    chemistry
        Elements and bonds, such as those of `measured_chemistry`.
    mobile_cations
        Chemical symbols.
    cation_cutoff_angstrom
        Longest distance from a cation to its anions in Å: the first minimum of g(r).
    rejected_share
        Target fraction of true members that are labelled as unknown.

    Raises
    ------
    AnalysisError
        A reference has no single anions or too few frames.
    """
    members: dict[str, FloatArray] = {}
    hosts: dict[str, frozenset[str]] = {}
    for name, runs in references.items():
        frames = [_members(run, row, chemistry, mobile_cations) for run in runs for row in range(run.frames.n_frames)]
        counts = np.bincount(np.concatenate([kinds for kinds, _ in frames])) if frames else np.zeros(1, int)
        if counts.sum() == 0:
            raise AnalysisError(
                f"reference {name!r} has no single-atom anion; its anions are recognised by their bonds"
            )
        members[name] = np.concatenate([found for _, found in frames])
        if name != AMORPHOUS:
            hosts[name] = frozenset(chemical_symbols[z] for z in np.flatnonzero(counts > 0.25 * counts.sum()))
    classifier = fit_gaussians(members, rejected_share=rejected_share, widened={AMORPHOUS: AMORPHOUS_WIDENED})
    return PhaseModel(classifier, hosts, chemistry, mobile_cations, cation_cutoff_angstrom)


def _members(
    run: ThermalReference, row: int, chemistry: AnionChemistry, mobile_cations: frozenset[str]
) -> tuple[NDArray[np.integer], FloatArray]:
    """Return atomic numbers and descriptors of the single anions of a reference in one frame."""
    numbers = np.asarray(run.frames.numbers)
    found = single_anion_descriptors(
        run.frames.positions(row), run.frames.cell(row), numbers, chemistry, mobile_cations
    )
    kept = slice(None) if run.members is None else np.asarray(run.members, dtype=bool)[found.atoms]
    return numbers[found.atoms[kept]], found.descriptors[kept]


def label_atoms(
    positions: NDArray[np.floating],
    cell: NDArray[np.floating],
    numbers: NDArray[np.integer],
    model: PhaseModel,
) -> NDArray[np.int8]:
    """Label every atom of one frame.

    Parameters
    ----------
    positions, cell
        Atoms (n_atoms, 3), wrapped or not, and lattice vectors as rows (3, 3) in Å.
    numbers
        Atomic numbers, (n_atoms,).
    model
        Fitted model.

    Returns
    -------
    codes
        Position in ``model.labels``, (n_atoms,); elements without a role are unknown.
    """
    numbers = np.asarray(numbers)
    unknown, metal, electrolyte, chains, amorphous = (
        model.labels.index(name) for name in (UNKNOWN_LABEL, METAL, ELECTROLYTE, CHAINS, AMORPHOUS)
    )
    codes = np.full(len(numbers), unknown, dtype=np.int8)
    found = single_anion_descriptors(positions, cell, numbers, model.chemistry, model.mobile_cations)
    anion_codes = found.anion_codes
    codes[(anion_codes >= 0) & (anion_codes < N_INTACT)] = electrolyte
    codes[anion_codes == CHAIN_CODE] = chains
    codes[(anion_codes == N_INTACT) | (anion_codes > max(SINGLE_CODES))] = amorphous
    row_of = np.full(len(found.anions), -1)
    row_of[np.searchsorted(found.anions, found.atoms)] = np.arange(len(found.atoms))
    kinds = with_surfaces(model.classifier.classify(found.descriptors), model.crystal_classes, found.neighbours, row_of)
    codes[found.atoms] = model.single_codes[kinds, numbers[found.atoms]]
    pairs = _bound_pairs(found, model.cation_cutoff_angstrom)
    # every anion has one vote; slightly more for near anions breaks ties
    weights = 1.0 + 1e-3 * (1.0 - pairs.distance_angstrom / model.cation_cutoff_angstrom)
    n_cations, n_labels = len(found.cations), len(model.labels)
    vote = pairs.second * n_labels + codes[found.anions[pairs.first]]
    votes = np.bincount(vote, weights, n_cations * n_labels).reshape(n_cations, n_labels)
    most = votes.argmax(axis=1)
    codes[found.cations] = np.where(votes[np.arange(n_cations), most] > 0, most, metal)
    return codes


def _bound_pairs(found: SingleAnions, cutoff_angstrom: float) -> Pairs:
    """Return pairs of an anion and a cation within a cutoff, reusing the neighbours of single anions."""
    distances = found.near.distance_angstrom
    known = distances[:, -1] > cutoff_angstrom
    single = np.searchsorted(found.anions, found.atoms)
    row, column = np.nonzero((distances <= cutoff_angstrom) & known[:, None])
    is_open = np.ones(len(found.anions), dtype=bool)
    is_open[single[known]] = False
    others = np.flatnonzero(is_open)
    pairs = found.cation_tree.few_within(cutoff_angstrom, found.anion_tree.positions[others])
    return Pairs(
        np.concatenate([single[row], others[pairs.first]]),
        np.concatenate([found.near.neighbour[row, column], pairs.second]),
        np.concatenate([distances[row, column], pairs.distance_angstrom]),
    )
