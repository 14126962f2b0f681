"""Elements and bond lengths of the molecular anions of a campaign: from its file, else from its electrolyte."""

import contextlib
from collections.abc import Sequence

from ase import Atoms
from ase.data import atomic_numbers, covalent_radii

from interphase_flows.analysis.speciation.anion_species import AnionChemistry
from interphase_flows.campaign.schema import AnalysisSpec, Campaign
from interphase_flows.exceptions import AnalysisError
from interphase_flows.structures.anions import anion_labels, is_centre, is_ligand
from interphase_flows.structures.crystals.library import load_crystal

CENTRE_LIGAND_FACTOR = 2.6 / 2.12
CENTRE_CENTRE_FACTOR = 2.6 / 2.14
LIGAND_LIGAND_FACTOR = 2.4 / 2.10
"""Longest bonds at finite temperature over the sums of covalent radii: P-S 2.6 Å, P-P 2.6 Å, S-S 2.4 Å."""
KEYS = {
    "anion_centre_elements",
    "ligand_elements",
    "centre_ligand_cutoff_angstrom",
    "centre_centre_cutoff_angstrom",
}
"""Keys of the block `analysis` that set the chemistry."""


def anion_chemistry(spec: AnalysisSpec, electrolyte: Atoms) -> AnionChemistry:
    """Return centres, ligands and longest bonds, by default derived from the electrolyte.

    By default, centres and ligands are those of the molecular anions in the electrolyte's crystal; monatomic anions,
    such as Cl- in Li6PS5Cl, are neither.

    Raises
    ------
    AnalysisError
        The campaign file defines none, and the electrolyte has no molecular anions.
    """
    centres, ligands = spec.anion_centre_elements, spec.ligand_elements
    if centres is None or ligands is None:
        found_centres, found_ligands = _of_molecules(electrolyte)
        centres = found_centres if centres is None else centres
        ligands = found_ligands if ligands is None else ligands
    if not centres or not ligands:
        formula = electrolyte.get_chemical_formula("metal", empirical=True)
        raise AnalysisError(
            f"{formula} has no molecular anions. Hint: set analysis.anion_centre_elements and analysis.ligand_elements "
            "in the campaign file"
        )

    def longest(factor: float, first: list[str], second: list[str]) -> float:
        radii = (covalent_radii[atomic_numbers[a]] + covalent_radii[atomic_numbers[b]] for a in first for b in second)
        return round(factor * float(max(radii)), 6)

    return AnionChemistry(
        anion_centres=tuple(sorted(centres)),
        ligands=tuple(sorted(ligands)),
        centre_ligand_angstrom=spec.centre_ligand_cutoff_angstrom or longest(CENTRE_LIGAND_FACTOR, centres, ligands),
        centre_centre_angstrom=spec.centre_centre_cutoff_angstrom or longest(CENTRE_CENTRE_FACTOR, centres, centres),
        ligand_ligand_angstrom=longest(LIGAND_LIGAND_FACTOR, ligands, ligands),
    )


def stated_chemistry(campaign: Campaign) -> AnionChemistry | None:
    """Return the anion chemistry set in the campaign file, or None if it is to be measured in the trajectories."""
    stated = campaign.analysis.model_dump(include=KEYS).values()
    if all(value is None for value in stated):
        return None
    return anion_chemistry(campaign.analysis, load_crystal(campaign.electrolyte, campaign.structure_files))


def chemistry_of_frames(spec: AnalysisSpec, frames: Sequence[Atoms]) -> AnionChemistry | None:
    """Return the anion chemistry of the first frame with molecular anions, None if there is none."""
    for frame in frames:
        with contextlib.suppress(AnalysisError):
            return anion_chemistry(spec, frame)
    return None


def _of_molecules(crystal: Atoms) -> tuple[list[str], list[str]]:
    """Return centres and ligands of the connected anions of a crystal."""
    labels, symbols = anion_labels(crystal), crystal.get_chemical_symbols()
    centres = {symbol for symbol in symbols if is_centre(symbol)}
    with_centre = {label for label, symbol in zip(labels, symbols, strict=True) if symbol in centres}
    ligands = {s for label, s in zip(labels, symbols, strict=True) if is_ligand(s) and label in with_centre}
    return sorted(centres), sorted(ligands)
