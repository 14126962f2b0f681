"""How long an atom keeps its anion: the survival of every label, with what was cut off by the ends of the run."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from interphase_flows.analysis.speciation.reaction_graph import debounced
from interphase_flows.analysis.statistics.survival import SurvivalCurve, lifetimes, survival


def label_lifetimes(
    time_ps: ArrayLike, codes: ArrayLike, labels: Sequence[str], *, least_frames: int = 3
) -> dict[str, SurvivalCurve]:
    """Return the survival curve of each label that begins within the run (Kaplan-Meier, by `passivation.survival`).

    A label that was there from the first frame has an unknown age; of labels that only do that, such as the anions of
    the electrolyte, the rates of `reaction_graph` tell the lifetime. One that begins in the last frame alone is left out.

    Parameters
    ----------
    time_ps
        Times in ps, (n_frames,).
    codes
        Position in `labels`, -1 for none, (n_frames, n_atoms).
    labels
        Names.
    least_frames
        Frames in a row that make a label count; as in `reaction_graph`.

    Raises
    ------
    AnalysisError
        Shapes differ, or there are too few frames.
    """
    settled = debounced(codes, least_frames)
    begins = settled[1:][settled[1:] != settled[:-1]]
    lives = {labels[code]: lifetimes(time_ps, settled == code) for code in np.unique(begins[begins >= 0])}
    return {label: survival(each) for label, each in lives.items() if each.duration_ps.max() > 0}
