"""Anion species of the predicted phases, for comparison with those of a simulation.

A simulation is classified by the bonds of each atom, the hull predicts phases. The same classification of the crystals
of the phases converts one into the other.
"""

from collections.abc import Mapping

from ase import Atoms

from interphase_flows.analysis.speciation.anion_species import AnionChemistry, classify_environments
from interphase_flows.exceptions import AnalysisError


def predicted_environments(
    predicted: Mapping[str, float], crystals: Mapping[str, Atoms], chemistry: AnionChemistry
) -> dict[str, float]:
    """Return the fraction of the centre atoms in each anion species, with the predicted phases as crystals.

    `predicted` is the fraction of the centre atoms in each phase, by formula, with a sum of one; `crystals` are by
    formula.

    Raises
    ------
    AnalysisError
        A predicted phase has no crystal, or its crystal has no centre atom.
    """
    shares = dict.fromkeys(chemistry.labels, 0.0)
    for formula, share in predicted.items():
        if formula not in crystals:
            raise AnalysisError(
                f"no crystal of {formula}. Hint: give one of each of {', '.join(sorted(predicted))}"
            )
        crystal = crystals[formula]
        found = classify_environments(crystal.positions, crystal.cell.array, crystal.numbers, chemistry)
        n_centres = int(found.n_centres.sum())
        if n_centres == 0:
            raise AnalysisError(
                f"the crystal of {formula} contains no {'/'.join(sorted(chemistry.anion_centres))}"
            )
        for label, n in zip(found.labels, found.n_centres, strict=True):
            shares[label] += share * float(n) / n_centres
    return {label: share for label, share in shares.items() if share > 0}
