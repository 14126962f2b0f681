"""Which anion environments the predicted phases would show, so that they can be set beside those that were found.

A simulation is classified atom by atom, by bonds; the hull speaks of phases. The same classification of the phases'
crystals translates one into the other, whatever the elements.
"""

from collections.abc import Mapping

from ase import Atoms

from interphase_flows.analysis.speciation.anion_species import AnionChemistry, classify_environments
from interphase_flows.exceptions import AnalysisError


def predicted_environments(
    predicted: Mapping[str, float], crystals: Mapping[str, Atoms], chemistry: AnionChemistry
) -> dict[str, float]:
    """Return the share of the centre atoms in each kind of anion if the predicted phases were there as crystals.

    Parameters
    ----------
    predicted
        Formula of a phase -> its share of the centre atoms; sums to one.
    crystals
        Formula -> crystal of that phase.
    chemistry
        Elements and bonds, as for the trajectories that the result is compared with.

    Raises
    ------
    AnalysisError
        A predicted phase has no crystal, or its crystal no centre atom.
    """
    shares = dict.fromkeys(chemistry.labels, 0.0)
    for formula, share in predicted.items():
        if formula not in crystals:
            raise AnalysisError(f"no crystal of {formula}: give one of {', '.join(sorted(predicted))} each")
        crystal = crystals[formula]
        found = classify_environments(crystal.positions, crystal.cell.array, crystal.numbers, chemistry)
        n_centres = int(found.n_centres.sum())
        if n_centres == 0:
            raise AnalysisError(
                f"the crystal of {formula} holds no {'/'.join(sorted(chemistry.anion_centres))}, of which it has a share"
            )
        for label, n in zip(found.labels, found.n_centres, strict=True):
            shares[label] += share * float(n) / n_centres
    return {label: share for label, share in shares.items() if share > 0}
