"""Reactions of a table of labels: by `ReactionCounter`, and by an independent implementation."""

import numpy as np

from interphase_flows.analysis.speciation.reaction_counter import ReactionCounter
from interphase_flows.analysis.speciation.reaction_graph import debounced
from interphase_flows.analysis.statistics.survival import SurvivalCurve, lifetimes, survival


def counted(times, codes, labels, least_frames) -> ReactionCounter:
    """Count the reactions of a table, (n_frames, n_atoms)."""
    counter = ReactionCounter(labels, codes.shape[1], least_frames)
    for time, row in zip(times, codes, strict=True):
        counter.add(time, row)
    return counter


def events_of_table(times, codes, n_labels: int, least_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Return events by label before and after, (n_labels, n_labels), and the time at risk, (n_labels,)."""
    settled = debounced(codes, least_frames)
    before, after = settled[:-1], settled[1:]
    events, at_risk = np.zeros((n_labels, n_labels), dtype=int), np.zeros(n_labels)
    changed = (before != after) & (before >= 0) & (after >= 0)
    np.add.at(events, (before[changed], after[changed]), 1)
    steps = np.broadcast_to(np.diff(times)[:, None], before.shape)
    np.add.at(at_risk, before[before >= 0], steps[before >= 0])
    return events, at_risk


def lifetimes_of_table(times, codes, labels, least_frames: int) -> dict[str, SurvivalCurve]:
    """Return the survival curve of each label that begins after the first frame."""
    settled = debounced(codes, least_frames)
    begins = settled[1:][settled[1:] != settled[:-1]]
    lives = {labels[code]: lifetimes(times, settled == code) for code in np.unique(begins[begins >= 0])}
    return {label: survival(each) for label, each in lives.items() if each.duration_ps.max() > 0}
