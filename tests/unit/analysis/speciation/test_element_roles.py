"""Roles from crystals, bonds from radial distributions, for any elements."""

import ast
from pathlib import Path

import numpy as np
import pytest
from ase.data import chemical_symbols

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.speciation import anion_species as environments
from interphase_flows.analysis.speciation.anion_species import classify_environments
from interphase_flows.analysis.speciation.element_roles import Roles, measured_chemistry, roles_of
from interphase_flows.exceptions import AnalysisError
from interphase_flows.structures.crystals.library import load_phase
from sodium import sodium_thiophosphate


def thermal(atoms, seeds=3, stdev=0.08):
    frames = [atoms.positions + np.random.default_rng(s).normal(0, stdev, (len(atoms), 3)) for s in range(seeds)]
    return ArrayFrames(atoms.numbers, np.arange(float(seeds)), np.array(frames), atoms.cell[:])


def test_roles_follow_from_the_crystals():
    assert roles_of(["Li"], ["Li", "P", "S"]) == Roles(frozenset({"Li"}), frozenset({"P"}), frozenset({"S"}))
    assert roles_of(["Na"], ["Na", "Sb", "Se"]) == Roles(frozenset({"Na"}), frozenset({"Sb"}), frozenset({"Se"}))
    argyrodite = roles_of(["Li"], ["Li", "P", "S", "Cl"])
    assert argyrodite.anion_formers == {"S", "Cl"}
    assert roles_of(["Li", "In"], ["Li", "P", "S"]).mobile_cations == {"Li"}
    binary = roles_of(["Li"], ["Li", "S"])
    assert (binary.network_formers, binary.anion_formers) == (frozenset(), {"S"})
    for electrode, electrolyte in ((["K"], ["Li", "P", "S"]), (["Li"], ["Li"])):
        with pytest.raises(AnalysisError, match="do not determine which element"):
            roles_of(electrode, electrolyte)


@pytest.mark.parametrize(
    ("phase", "anions"),
    [
        ("Li7P3S11", {"PS4": 16, "P2S7": 16}),
        ("Li3PS4", {"PS4": 16}),
        ("Li2PS3", {"P2S6": 8}),
        ("LiPS3", {"P2S6 edge-sharing": 16}),
    ],
)
def test_measured_bonds_name_the_anions_of_thermal_crystals(phase, anions):
    frames = thermal(load_phase(phase) * (2, 2, 2))
    chemistry = measured_chemistry(frames, roles_of(["Li"], ["Li", "P", "S"]))
    assert 2.2 < chemistry.centre_ligand_angstrom < 3.2
    assert 2.35 < chemistry.centre_centre_angstrom < 3.2
    assert 2.3 < chemistry.ligand_ligand_angstrom < 3.2
    for row in range(frames.n_frames):
        found = classify_environments(frames.positions(row), frames.cell(row), frames.numbers, chemistry)
        assert found.counts() == anions


def test_another_chemistry_needs_no_numbers():
    atoms = sodium_thiophosphate() * (2, 2, 2)
    frames = thermal(atoms)
    chemistry = measured_chemistry(frames, roles_of(["Na"], ["Na", "P", "S"]))
    assert classify_environments(atoms.positions, atoms.cell[:], atoms.numbers, chemistry).counts() == {"PS4": 16}


def test_trajectory_without_formers_has_only_single_atom_anions():
    crystal = load_phase("Li2S") * (2, 2, 2)
    chemistry = measured_chemistry(thermal(crystal), roles_of(["Li"], ["Li", "P", "S"]))
    found = classify_environments(crystal.positions, crystal.cell[:], crystal.numbers, chemistry)
    assert found.counts() == {"isolated S": 32}


def test_no_analysis_of_phases_names_an_element():
    """Neither in a condition nor as a default: the caller gives the roles of elements."""
    folder = Path(environments.__file__).parent
    files = [
        path
        for name in ("speciation", "phases", "growth", "pipeline/parts")
        for path in (folder.parent / name).glob("*.py")
    ]
    named = [
        (path.name, node.value)
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in chemical_symbols[1:]
    ]
    assert len(files) > 30
    assert named == []
