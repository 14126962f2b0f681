"""Accuracy of labels at 300 K, in CHGNet runs other than the training runs (`phase_runs.py`).

Training and test runs differ in velocities, packings and sites. The slab of seed 92 showed that slabs must be among the
references; `slab_2` was evaluated once, after all choices were made.
"""

import numpy as np
import pytest
from ase import Atoms

from interphase_flows.analysis.phases.atom_labels import ThermalReference, fit_phase_model, label_atoms
from li_p_s import FIT_ARGUMENTS
from phase_runs import frames_of

LEAST_ACCURACY = 0.95
LARGEST_FALSE_SHARE = 0.001


N_METAL, N_CRYSTAL = 40, 48
"""Numbers of atoms of the slab in the order metal, melt, crystal."""


def train(*names):
    return [ThermalReference(frames_of("train", name)) for name in names]


def slab_part(run, part):
    index = np.arange(run.n_atoms)
    crystal = index >= run.n_atoms - N_CRYSTAL
    return {"metal": index < N_METAL, "crystal": crystal, "molten": (index >= N_METAL) & ~crystal}[part]


@pytest.fixture(scope="module")
def model():
    def parts(part):
        slabs = [frames_of("train", name) for name in ("slab", "slab_2")]
        return [ThermalReference(slab, slab_part(slab, part)) for slab in slabs]

    return fit_phase_model(
        {
            "Li2S": [*train("Li2S", "P_in_Li2S", "P_in_Li2S_2"), *parts("crystal")],
            "Li3P": train("Li3P", "Li3P_2"),
            "amorphous": [*train("amorphous", "amorphous_2"), *parts("molten")],
        },
        **FIT_ARGUMENTS,
    )


def labels_of(run, model):
    """(n_frames, n_atoms) of names."""
    codes = [label_atoms(run.positions(i), run.cell(i), run.numbers, model) for i in range(run.n_frames)]
    return np.array(model.labels)[np.array(codes)]


def summary(labels):
    names, counts = np.unique(labels, return_counts=True)
    return ", ".join(f"{name} {count / labels.size:.4f}" for name, count in zip(names, counts, strict=True))


EXPECTED = {
    "Li2S": {16: "Li2S", 3: "Li2S"},
    "Li3P": {15: "Li3P", 3: "Li3P"},
    "P_in_Li2S": {16: "Li2S", 15: "P dissolved in Li2S", 3: "Li2S"},
    "amorphous": {16: "amorphous", 15: "amorphous", 3: "amorphous"},
    "Li7P3S11": {16: "electrolyte", 15: "electrolyte", 3: "electrolyte"},
    "LiP": {15: "chains", 3: "chains"},
    "Li": {3: "metal"},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_labels_of_thermal_runs(name, model):
    run = frames_of("test", name)
    labels = labels_of(run, model)
    right = labels == np.array([EXPECTED[name][z] for z in run.numbers])
    print(f"{name}: accuracy {right.mean():.4f}; all: {summary(labels)}")
    for z in EXPECTED[name]:
        print(f"  Z = {z}: {summary(labels[:, run.numbers == z])}")
    assert right.mean() >= LEAST_ACCURACY


@pytest.mark.parametrize("name", ["slab", "slab_2"])
def test_labels_of_the_layers_of_a_slab(name, model):
    """Lithium, molten Li2S with Li3P, crystalline Li2S; cations at the boundaries are ambiguous."""
    run = frames_of("test", name)
    labels = labels_of(run, model)
    expected = np.empty(run.n_atoms, dtype=object)
    for part, label in (("metal", "metal"), ("molten", "amorphous"), ("crystal", "Li2S")):
        inside = slab_part(run, part)
        expected[inside] = label
        print(f"{name} {part}: {summary(labels[:, inside])}")
    right = labels == expected
    anions = run.numbers != 3
    print(f"{name}: accuracy {right.mean():.4f}, of anions {right[:, anions].mean():.4f}")
    assert right.mean() >= LEAST_ACCURACY
    assert right[:, anions].mean() >= LEAST_ACCURACY


@pytest.mark.parametrize(("name", "element"), [("Li2S", 16), ("Li3P", 15), ("P_in_Li2S", 16), ("amorphous", 16)])
def test_few_true_members_are_unknown(name, element, model):
    """1 % was requested; few runs calibrate it to some per cent."""
    run = frames_of("test", name)
    assert (labels_of(run, model)[:, run.numbers == element] == "unknown").mean() <= 0.10


def test_no_lithium_sulfide_in_the_electrolyte(model):
    labels = labels_of(frames_of("test", "Li7P3S11"), model)
    assert np.isin(labels, ["Li2S", "P dissolved in Li2S"]).mean() <= LARGEST_FALSE_SHARE


def test_atoms_of_unknown_lattices_are_not_labelled_as_crystals(model):
    """S in simple cubic and rock-salt lattices of Li, which are not among the references."""
    for basis, length in ((np.full((1, 3), 0.5), 3.2), (np.array([[0.5, 0, 0]]), 5.2)):
        crystal = Atoms("S", cell=np.eye(3) * length, pbc=True) + Atoms("Li", positions=basis * length)
        crystal = crystal * (4, 4, 4)
        crystal.rattle(0.1, seed=3)
        codes = label_atoms(crystal.positions, crystal.cell[:], crystal.numbers, model)
        labels = np.array(model.labels)[codes[crystal.numbers == 16]]
        print(f"foreign lattice: {summary(labels)}")
        assert not np.isin(labels, ["Li2S", "S dissolved in Li3P"]).any()
