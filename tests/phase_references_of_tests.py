"""References from the thermal runs with CHGNet that are kept with the tests of phase labels."""

import numpy as np

from interphase_flows.analysis.phases.atom_labels import ThermalReference
from interphase_flows.analysis.phases.phase_references import PhaseReferences
from interphase_flows.structures.crystals.library import load_phase
from phase_runs import frames_of

N_METAL, N_CRYSTAL = 40, 48
"""Atoms of the slab: metal first, then what was molten, then the crystal."""


def references() -> PhaseReferences:
    """Li2S, Li3P and their melt, of the training seeds; Li7P3S11 and LiP as checks."""

    def train(*names):
        return [ThermalReference(frames_of("train", name)) for name in names]

    slab = frames_of("train", "slab")
    index = np.arange(slab.n_atoms)
    crystal = index >= slab.n_atoms - N_CRYSTAL
    return PhaseReferences(
        temperature_K=300.0,
        made_by="CHGNet, a surrogate",
        crystals={name: load_phase(name) for name in ("Li", "Li2S", "Li3P", "LiP", "Li7P3S11")},
        runs={
            "Li2S": [*train("Li2S", "P_in_Li2S", "P_in_Li2S_2"), ThermalReference(slab, crystal)],
            "Li3P": train("Li3P", "Li3P_2"),
            "amorphous": [
                *train("amorphous", "amorphous_2"),
                ThermalReference(slab, (index >= N_METAL) & ~crystal),
            ],
        },
        by_bonds={name: frames_of("test", name) for name in ("Li7P3S11", "LiP")},
    )
