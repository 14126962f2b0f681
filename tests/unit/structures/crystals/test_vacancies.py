"""Supercells with one vacancy."""

import numpy as np
import pytest

from interphase_flows.exceptions import StructureError
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.vacancies import distinct_sites, vacancies
from interphase_flows.structures.structure_keys import structure_key


def test_distinct_sites_of_li3p():
    """Space group P6_3/mmc has lithium on 2b and 4f, phosphorus on 2c."""
    crystal = load_phase("Li3P")
    sites = distinct_sites(crystal)
    assert [crystal.symbols[site] for site in sites] == ["Li", "P", "Li"]


def test_every_element_comes_before_a_second_site_of_one():
    defects = vacancies(load_phase("Li3PS4"), 4, 32, 0.05, seed=1)
    assert [defect.info["removed"] for defect in defects] == ["Li", "P", "S", "Li"]
    assert defects[0].info["site"] != defects[3].info["site"]


def test_vacancy_removes_one_atom_and_rattles_the_rest():
    crystal = load_phase("Li2S")
    (defect,) = vacancies(crystal, 1, 48, 0.0, seed=1)
    assert len(defect) == 47
    assert defect.info["vacancy_fraction"] == pytest.approx(1 / 32)
    assert np.isin(np.round(defect.positions, 6), np.round(crystal.repeat((2, 2, 1)).positions, 6)).all()


def test_sites_repeat_with_different_displacements():
    crystal = load_phase("Li")
    three = vacancies(crystal, 3, 16, 0.05, seed=7)
    assert len({structure_key(defect) for defect in three}) == 3
    again = vacancies(crystal, 2, 16, 0.05, seed=7)
    assert [structure_key(d) for d in again] == [structure_key(d) for d in three[:2]]


def test_parameters_out_of_range_raise():
    with pytest.raises(StructureError, match="min_atoms=2"):
        vacancies(load_phase("Li"), 1, 2, 0.05, seed=1)
