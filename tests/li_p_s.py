"""Thiophosphates of lithium, as the tests of phases tell them: bonds, what moves, and where its first shell ends."""

from interphase_flows.analysis.speciation.anion_species import AnionChemistry

LI_P_S = AnionChemistry(
    anion_centres=frozenset({"P"}),
    ligands=frozenset({"S"}),
    centre_ligand_angstrom=2.6,
    centre_centre_angstrom=2.6,
    ligand_ligand_angstrom=2.4,
)
TOLD_BY = {"chemistry": LI_P_S, "mobile_cations": frozenset({"Li"}), "cation_cutoff_angstrom": 3.3}
"""What `fit_phase_model` is told beside the references."""
