"""Lattice constants from labels at several volumes."""

import pytest
from ase.build import bulk
from ase.calculators.calculator import kptdensity2monkhorstpack
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS

from interphase_flows.flows.lattice_constants import with_mesh_of_unstrained_cell
from interphase_flows.jobs.labels import LabelMaker
from interphase_flows.jobs.lattice_constants import LatticeConstantsMaker, ScaledCrystalsMaker
from interphase_flows.reference.spec import GpawSpec
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.perturb import equation_of_state, linear_strains
from interphase_flows.structures.crystals.symmetry import primitive_cell
from spheres import SpheresCalculator, SpheresSpec


def run(maker, *arguments):
    return type(maker).make.original(maker, *arguments)


@pytest.fixture
def files(tmp_path):
    """A crystal near its equilibrium volume, and one far from it."""
    paths = {}
    for name, a in {"near": 3.30, "far": 3.9}.items():
        paths[name] = str(tmp_path / f"{name}.extxyz")
        bulk("Li", "fcc", a=a).write(paths[name])
    return paths


def equilibrium_angstrom():
    atoms = bulk("Li", "fcc", a=3.3)
    atoms.calc = SpheresCalculator()
    BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-4, steps=50)
    return float(4 * atoms.get_volume()) ** (1 / 3)


def fitted(files, names):
    maker = ScaledCrystalsMaker(n_volumes=7, max_strain=0.03, structure_files=files)
    scaled = run(maker, names)
    labels = run(LabelMaker(reference=SpheresSpec()), scaled, list(range(len(scaled.entries))))
    return run(LatticeConstantsMaker(), labels)


def test_fitted_lattice_constant_is_that_of_the_relaxed_crystal(workspace, spheres, files):
    phase = fitted(files, ["near"]).phases["near"].model_dump()
    assert phase["a_angstrom"] == pytest.approx(equilibrium_angstrom(), rel=1e-3)
    assert phase["c_angstrom"] is None
    assert phase["n_points"] == workspace.ledger.count("labels") == 7
    assert phase["stress_anisotropy_GPa"] == pytest.approx(0.0, abs=1e-6)
    assert phase["rms_residual_meV_per_atom"] < 1.0


def test_phase_without_minimum_gives_a_note(workspace, spheres, files):
    document = fitted(files, ["near", "far"])
    assert list(document.phases) == ["near"]
    assert len(document.notes) == 1
    assert document.notes[0].startswith("far: equation of state")


@pytest.mark.parametrize("name", ["Li", "Li3P", "Li3PS4", "Li2S", "LiP"])
@pytest.mark.parametrize("density", [3.0, 4.0])
def test_all_volumes_of_a_curve_have_the_same_mesh(name, density):
    """At constant density the mesh of Li3P loses points from 2 % strain on, and the energy jumps."""
    crystal, spec = primitive_cell(load_phase(name)), GpawSpec(k_density_per_inverse_angstrom=density)
    meshes = {
        tuple(
            kptdensity2monkhorstpack(
                cell, with_mesh_of_unstrained_cell(spec, strain).k_density_per_inverse_angstrom, False
            )
        )
        for strain, cell in zip(linear_strains(7, 0.03), equation_of_state(crystal, 7, 0.03), strict=True)
    }
    assert len(meshes) == 1
