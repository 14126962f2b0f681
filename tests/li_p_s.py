"""Lithium thiophosphates for tests of phases: bonds, mobile cations, and their first shell."""

from interphase_flows.analysis.speciation.anion_species import AnionChemistry

LI_P_S = AnionChemistry(
    anion_centres=frozenset({"P"}),
    ligands=frozenset({"S"}),
    centre_ligand_angstrom=2.6,
    centre_centre_angstrom=2.6,
    ligand_ligand_angstrom=2.4,
)
FIT_ARGUMENTS = {"chemistry": LI_P_S, "mobile_cations": frozenset({"Li"}), "cation_cutoff_angstrom": 3.3}
"""Arguments of `fit_phase_model` beside the references."""
