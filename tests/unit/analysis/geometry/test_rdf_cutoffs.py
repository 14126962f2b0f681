"""Cutoffs of pairs of elements."""

import numpy as np
import pytest

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.geometry.progress_frames import ProgressFrames
from interphase_flows.analysis.geometry.rdf_cutoffs import PairCutoffs, bond_cutoff_angstrom
from interphase_flows.exceptions import AnalysisError
from interphase_flows.structures.crystals.library import load_phase


class Read(ArrayFrames):
    n_read = 0

    def positions(self, frame, /):
        type(self).n_read += 1
        return super().positions(frame)


def test_cutoff_of_a_pair_is_computed_once():
    atoms = load_phase("Li2S") * (2, 2, 2)
    moves = np.random.default_rng(0).normal(0, 0.1, (4, len(atoms), 3))
    frames = Read(atoms.numbers, np.arange(4.0), atoms.positions + moves, atoms.cell[:])
    cutoffs = PairCutoffs(ProgressFrames(frames))
    found = cutoffs("S", "Li")
    assert found == bond_cutoff_angstrom(frames, "S", "Li")
    n_read = Read.n_read
    assert cutoffs("S", "Li") == found
    assert Read.n_read == n_read > 0
    with pytest.raises(AnalysisError):
        cutoffs("P", "Li")


def test_replicas_share_the_cutoff_of_the_first():
    """The second replica alone would have another one."""
    atoms = load_phase("Li2S") * (2, 2, 2)
    moves = np.random.default_rng(0).normal(0, 0.1, (4, len(atoms), 3))
    replicas = [
        ProgressFrames(ArrayFrames(atoms.numbers, np.arange(4.0), size * (atoms.positions + moves), size * atoms.cell))
        for size in (1.0, 1.04)
    ]
    shared: dict[tuple[str, str], float] = {}
    found = [PairCutoffs(each, shared)("S", "Li") for each in replicas]
    assert found[0] == found[1] == shared["S", "Li"]
    assert PairCutoffs(replicas[1])("S", "Li") != found[1]
