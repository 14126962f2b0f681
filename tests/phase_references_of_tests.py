"""References that the command makes, as kept with the tests of phase labels (`phase_runs.py`)."""

from dataclasses import replace

from interphase_flows.analysis.phases.phase_references import PhaseReferences, unpacked_references
from interphase_flows.structures.crystals.library import load_phase
from phase_runs import FOLDER, frames_of


def references(temperature_K: int = 300) -> PhaseReferences:
    """References of Li2S and Li3P at 300 or 500 K; Li7P3S11 and LiP as checks."""
    made = unpacked_references(FOLDER / f"references_{temperature_K}.npz")
    return replace(
        made,
        crystals={name: load_phase(name) for name in ("Li", "Li2S", "Li3P", "LiP", "Li7P3S11")},
        by_bonds={name: frames_of(name) for name in ("Li7P3S11", "LiP")},
    )
