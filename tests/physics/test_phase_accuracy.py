"""Accuracy of labels with the references that the command makes, in CHGNet runs of other velocities, packings and sites.

Grains are spheres of several sizes, turned at random, in molten Li2S with Li3P; the references contain no surface.
"""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from grains import composite
from interphase_flows.analysis.phases.atom_labels import label_atoms
from interphase_flows.analysis.phases.crystalline_domains import domains_of
from li_p_s import LI_P_S
from phase_references_of_tests import references
from phase_runs import frames_of

LEAST_ACCURACY = 0.95
LARGEST_FALSE_SHARE = 0.001
LEAST_RECALL, LEAST_PRECISION = 0.85, 0.9
LARGEST_DIAMETER_ERROR, LARGEST_CRYSTALLINE_GLASS = 0.1, 0.03

N_METAL, N_CRYSTAL = 40, 48
"""Numbers of atoms of the slab in the order metal, melt, crystal."""


def slab_part(run, part):
    index = np.arange(run.n_atoms)
    crystal = index >= run.n_atoms - N_CRYSTAL
    return {"metal": index < N_METAL, "crystal": crystal, "molten": (index >= N_METAL) & ~crystal}[part]


def model_of(temperature_K):
    return references(temperature_K).model(LI_P_S, frozenset({"Li"}), 3.3)


@pytest.fixture(scope="module")
def model():
    return model_of(300)


@pytest.fixture(scope="module", params=[300, 500])
def hot(request):
    """Temperature, crystals and model."""
    return request.param, references(request.param).crystals, model_of(request.param)


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
    run = frames_of(name)
    labels = labels_of(run, model)
    right = labels == np.array([EXPECTED[name][z] for z in run.numbers])
    print(f"{name}: accuracy {right.mean():.4f}; all: {summary(labels)}")
    for z in EXPECTED[name]:
        print(f"  Z = {z}: {summary(labels[:, run.numbers == z])}")
    assert right.mean() >= LEAST_ACCURACY


@pytest.mark.parametrize("name", ["slab", "slab_2"])
def test_labels_of_the_layers_of_a_slab(name, model):
    """Lithium, 9 Å of molten Li2S with Li3P, crystalline Li2S: the melt touches both, so most of it is unknown."""
    run = frames_of(name)
    labels = labels_of(run, model)
    anions = run.numbers != 3
    for part in ("metal", "molten", "crystal"):
        print(f"{name} {part}: {summary(labels[:, slab_part(run, part)])}")
    assert (labels[:, slab_part(run, "metal")] == "metal").mean() >= LEAST_ACCURACY
    assert (labels[:, slab_part(run, "crystal") & anions] == "Li2S").mean() >= 0.93
    molten = labels[:, slab_part(run, "molten") & anions]
    assert np.isin(molten, ["amorphous", "unknown"]).mean() >= 0.9  # one of the eight anions touches the crystal


@pytest.mark.parametrize(("name", "element"), [("Li2S", 16), ("Li3P", 15), ("P_in_Li2S", 16), ("amorphous", 16)])
def test_few_true_members_are_unknown(name, element, model):
    """1 % was requested; few runs calibrate it to some per cent."""
    run = frames_of(name)
    assert (labels_of(run, model)[:, run.numbers == element] == "unknown").mean() <= 0.10


def test_no_lithium_sulfide_in_the_electrolyte(model):
    labels = labels_of(frames_of("Li7P3S11"), model)
    assert np.isin(labels, ["Li2S", "P dissolved in Li2S"]).mean() <= LARGEST_FALSE_SHARE


def test_atoms_of_unknown_lattices_are_not_labelled_as_crystals(hot):
    """S in simple cubic and rock-salt lattices of Li, which are not among the references."""
    temperature_K, _, model = hot
    simple = Atoms("S", cell=np.eye(3) * 3.2, pbc=True) + Atoms("Li", positions=np.full((1, 3), 1.6))
    for crystal in (simple * (4, 4, 4), bulk("LiS", "rocksalt", a=5.2, cubic=True) * (4, 4, 4)):
        crystal.rattle(0.1 * np.sqrt(temperature_K / 300), seed=3)
        codes = label_atoms(crystal.positions, crystal.cell[:], crystal.numbers, model)
        labels = np.array(model.labels)[codes[crystal.numbers == 16]]
        print(f"foreign lattice at {temperature_K} K: {summary(labels)}")
        assert (labels == "unknown").all()


@pytest.mark.parametrize("diameter", [18.0, 21.0, 26.0])
@pytest.mark.parametrize(
    ("name", "phase", "host"), [("Li2S", "Li2S", 16), ("P_in_Li2S", "Li2S", 16), ("Li3P", "Li3P", 15)]
)
def test_grains_are_found_with_their_surface(hot, name, phase, host, diameter):
    temperature_K, crystals, model = hot
    crystal, glass = frames_of(name, temperature_K), frames_of("amorphous", temperature_K)
    figures = []
    for seed in (int(10 * diameter), int(10 * diameter) + 1):
        made = composite(crystal, glass, diameter, seed)
        codes = label_atoms(made.positions, made.cell, made.numbers, model)
        labels = np.array(model.labels)[codes]
        anions, own = made.numbers != 3, made.numbers == host
        found = own & (labels == phase)
        is_crystal = np.array(["Li2S" in label or "Li3P" in label for label in labels])
        size = domains_of(made.positions, made.cell, made.numbers, codes, model, crystals)[phase].domains[0]
        figures.append(
            (
                found[own & made.is_grain].mean(),
                made.is_grain[found].mean(),
                size.diameter_angstrom / diameter - 1,
                is_crystal[anions & ~made.is_grain].mean(),
            )
        )
        if name == "P_in_Li2S":
            dissolved = labels[made.is_grain & (made.numbers == 15)]
            assert (dissolved == "P dissolved in Li2S").mean() > LEAST_RECALL
        found_as = ", ".join(f"{figure:.3f}" for figure in figures[-1])
        print(f"{name} {diameter} Å, {temperature_K} K, seed {seed}: recall, precision, diameter, glass {found_as}")
    recall, precision, error, crystalline = np.transpose(figures)
    assert recall.min() >= LEAST_RECALL
    assert precision.min() >= LEAST_PRECISION
    assert np.abs(error).max() <= LARGEST_DIAMETER_ERROR
    assert crystalline.max() <= LARGEST_CRYSTALLINE_GLASS


def test_glass_is_not_crystalline(hot):
    temperature_K, _, model = hot
    run = frames_of("amorphous", temperature_K)
    labels = labels_of(run, model)[:, run.numbers != 3]
    assert np.isin(labels, ["amorphous", "unknown"]).mean() > 1 - LARGEST_CRYSTALLINE_GLASS
