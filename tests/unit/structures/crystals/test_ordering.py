"""Ordering of partial occupancies: composition, occupancies, distances, reproducibility, lowest energy."""

import json
from collections import Counter
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Structure
from typer.testing import CliRunner

from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.validate import check_campaign
from interphase_flows.cli import app
from interphase_flows.exceptions import CampaignFileError, StructureError
from interphase_flows.structures.checks import check_no_overlap
from interphase_flows.structures.crystals.cif import read_cif
from interphase_flows.structures.crystals.library import load_structure_file
from interphase_flows.structures.crystals.ordering import order, search
from interphase_flows.structures.crystals.ordering.order import order_crystal
from interphase_flows.structures.crystals.ordering.settings import OrderingSettings
from interphase_flows.structures.crystals.ordering.sites import Orbit

CHARGES = {"Li": 1.0, "Na": 1.0, "Mg": 2.0, "S": -2.0, "Cl": -1.0}
HEADER = "data_x\n_space_group_name_H-M_alt '{group}'\n"
COLUMNS = ["label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy"]

Site = tuple[str, float, float, float, float]


def cif(path: Path, cell: list[float], sites: list[Site], group: str = "P 1", more: str = "") -> Path:
    """Write a CIF with occupancies."""
    names = ["length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma"]
    lines = [f"_cell_{name} {value}" for name, value in zip(names, cell, strict=True)]
    lines += ["loop_", *(f"_atom_site_{column}" for column in COLUMNS)]
    lines += [f"{s}{k} {s} {x} {y} {z} {occupancy}" for k, (s, x, y, z, occupancy) in enumerate(sites)]
    path.write_text(HEADER.format(group=group) + more + "\n".join(lines) + "\n")
    return path


def argyrodite(path: Path, li: float = 0.5, mixed: float = 0.5) -> Path:
    """Li6PS5Cl with S and Cl on two sites, and half of the sites of lithium vacant."""
    sites = [
        ("Li", 0.3088, 0.0251, 0.6912, li),
        ("P", 0, 0, 0.5, 1),
        ("S", 0.1194, -0.1194, 0.6194, 1),
        *((symbol, *site, x) for site in ((0.25, 0.25, 0.75), (0, 0, 0)) for symbol, x in (("S", mixed), ("Cl", 0.5))),
    ]
    return cif(path, [9.8598] * 3 + [90] * 3, sites, "F -4 3 m")


def ewald_eV(symbols: list[str], cell: np.ndarray, scaled: np.ndarray) -> float:
    """Return the energy of point charges, from the complete structure."""
    charges = {"charge": [CHARGES[symbol] for symbol in symbols]}
    return float(EwaldSummation(Structure(cell, symbols, scaled, site_properties=charges)).total_energy)


@pytest.fixture(scope="module")
def ordered_argyrodite(tmp_path_factory):
    path = argyrodite(tmp_path_factory.mktemp("argyrodite") / "x.cif")
    return order_crystal(path, OrderingSettings(cell="file"), n=3)


def test_argyrodite_keeps_numbers_on_each_site_and_distances(ordered_argyrodite):
    record = ordered_argyrodite.record
    assert record.supercell == (1, 1, 1)
    assert record.composition == {"Li": 24, "P": 4, "S": 20, "Cl": 4}
    assert record.charges_e == {"Li": 1.0, "P": 5.0, "S": -2.0, "Cl": -1.0}
    assert record.largest_occupancy_deviation == 0.0
    mixed = [each for each in record.sites if "Cl" in each.n_atoms]
    assert [each.n_atoms for each in mixed] == [{"S": 2, "Cl": 2}] * 2
    for atoms in ordered_argyrodite.structures:
        assert Counter(atoms.symbols) == record.composition
        check_no_overlap(atoms)
    assert np.diff(record.electrostatic_energies_eV).min() > 0
    assert len(record.electrostatic_energies_eV) == 3


def test_primitive_cell_is_repeated_where_that_gives_fewer_sites(tmp_path, ordered_argyrodite):
    """Two primitive cells of Li6PS5Cl hold half a site of S and Cl each; all atoms are on sites of the file."""
    path = argyrodite(tmp_path / "x.cif")
    found = order_crystal(path)
    (atoms,), record = found.structures, found.record
    assert record.basis == "primitive cell"
    assert record.composition == {"Li": 12, "P": 2, "S": 10, "Cl": 2}
    assert record.largest_occupancy_deviation == 0.0
    assert atoms.cell.handedness == 1
    assert atoms.get_volume() == pytest.approx(9.8598**3 / 2)
    crystal = read_cif(path)
    sites = np.array([site.position for site in crystal.sites])
    scaled = np.linalg.solve(crystal.cell.T, atoms.positions.T).T
    offsets = scaled[:, None] - sites
    distances = np.linalg.norm((offsets - np.rint(offsets)) @ crystal.cell, axis=2)
    assert distances.min(axis=1).max() < 1e-3
    assert all(s in crystal.sites[k].occupancy for s, k in zip(atoms.symbols, distances.argmin(axis=1), strict=True))
    for each in record.sites:
        offset = sites - each.position
        site = crystal.sites[int(np.abs(offset - np.rint(offset)).max(axis=1).argmin())]
        assert site.occupancy == each.occupancies_of_file
    # a larger cell has the same arrangement or one of lower energy
    of_file = ordered_argyrodite.record.electrostatic_energies_eV[0] / 52
    assert of_file <= record.electrostatic_energies_eV[0] / 26 + 1e-6


def test_without_charges_the_arrangement_is_random(tmp_path):
    """Of equal energies, the first of a list would put all atoms of an alloy side by side."""
    path = cif(tmp_path / "x.cif", [3.5] * 3 + [90] * 3, [("Li", 0, 0, 0, 0.5), ("Mg", 0, 0, 0, 0.5)])
    supercell = cif(
        tmp_path / "y.cif",
        [28.0, 3.5, 3.5, 90, 90, 90],
        [(symbol, k / 8, 0, 0, 0.5) for k in range(8) for symbol in ("Li", "Mg")],
    )
    assert order_crystal(path, OrderingSettings(charges={"Li": 0, "Mg": 0})).record.n_atoms == 2
    found = {}
    for seed in range(4):
        settings = OrderingSettings(charges={"Li": 0, "Mg": 0}, seed=seed, cell="file")
        ordered = order_crystal(supercell, settings)
        assert ordered.record.method.startswith("a random arrangement")
        atoms = ordered.structures[0]
        found[seed] = tuple(sorted(np.rint(8 * atoms.get_scaled_positions()[atoms.symbols == "Li", 0]).astype(int)))
    assert len(set(found.values())) == 4


@pytest.mark.parametrize("draw", range(4))
def test_all_arrangements_and_annealing_find_the_lowest_energy(draw, tmp_path, monkeypatch):
    """Compared with the energies of all complete structures."""
    rng = np.random.default_rng(draw)
    n_sites = int(rng.integers(5, 7))
    cell = [*rng.uniform(9.0, 11.0, 3), *rng.uniform(80, 100, 3)]
    corners = np.array(list(product([0.0, 0.5], repeat=3))) + 0.02
    own = corners[rng.permutation(8)[:n_sites]]
    anions = (corners + 0.25)[:n_sites] + rng.uniform(-0.02, 0.02, (n_sites, 3))
    n_anions = n_sites - 2
    sites: list[Site] = [("Li", *site, (n_sites - 2) / n_sites) for site in own]
    sites += [("Cl", *site, 1.0) for site in anions[:n_anions]]
    path = cif(tmp_path / "x.cif", cell, sites)

    def one_orbit(crystal):
        # without symmetry, every site would be a separate orbit
        lithium = [s for s in crystal.sites if "Li" in s.occupancy]
        rest = [Orbit(s.position[None], s.occupancy) for s in crystal.sites if "Cl" in s.occupancy]
        return [Orbit(np.array([s.position for s in lithium]), lithium[0].occupancy), *rest]

    monkeypatch.setattr(order, "orbits_of", one_orbit)
    exact = order_crystal(path, n=2)
    monkeypatch.setattr(search, "MOST_ENUMERATED", 0)
    annealed = order_crystal(path)
    cell_vectors = exact.structures[0].cell.array
    symbols = ["Li"] * n_anions + ["Cl"] * n_anions
    energies = sorted(
        ewald_eV(symbols, cell_vectors, np.concatenate([own[list(chosen)], anions[:n_anions]]))
        for chosen in combinations(range(n_sites), n_anions)
    )
    assert exact.record.electrostatic_energies_eV == pytest.approx(energies[:2], abs=1e-4)
    assert annealed.record.electrostatic_energies_eV == pytest.approx(energies[:1], abs=1e-4)


def test_three_kinds_of_cations_and_vacancies_on_one_orbit(tmp_path):
    """A rock salt whose cation site has a quarter each of Mg, Li, Na and vacancies."""
    sites: list[Site] = [("Mg", 0, 0, 0, 0.25), ("Li", 0, 0, 0, 0.25), ("Na", 0, 0, 0, 0.25), ("Cl", 0.5, 0, 0, 1.0)]
    path = cif(tmp_path / "x.cif", [5.4] * 3 + [90] * 3, sites, "F m -3 m")
    found = order_crystal(path, n=2)
    assert found.record.composition == {"Mg": 1, "Li": 1, "Na": 1, "Cl": 4}
    assert found.record.n_arrangements == 24
    assert found.record.method == "comparison of all arrangements"
    cations = [(0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)]
    anions = [(0.5, 0, 0), (0, 0.5, 0), (0, 0, 0.5), (0.5, 0.5, 0.5)]
    symbols = ["Mg", "Li", "Na", *["Cl"] * 4]
    energies = [ewald_eV(symbols, np.eye(3) * 5.4, np.array([*each, *anions])) for each in combinations(cations, 3)]
    assert found.record.electrostatic_energies_eV[0] == pytest.approx(min(energies), abs=1e-4)
    assert len(found.structures) == 1  # all others are equivalent


def test_same_seed_gives_the_same_structure(tmp_path, ordered_argyrodite):
    again = order_crystal(argyrodite(tmp_path / "x.cif"), OrderingSettings(cell="file"), n=3)
    assert again.record == ordered_argyrodite.record
    for first, second in zip(again.structures, ordered_argyrodite.structures, strict=True):
        assert np.array_equal(first.positions, second.positions)
        assert np.array_equal(first.numbers, second.numbers)


def test_rounding_raises_unless_allowed_and_is_recorded(tmp_path):
    sites: list[Site] = [("Li", 0, 0, 0, 0.3), ("Mg", 0, 0, 0, 0.35), ("Cl", 0.5, 0, 0, 1.0)]
    path = cif(tmp_path / "x.cif", [5.4] * 3 + [90] * 3, sites, "F m -3 m")
    with pytest.raises(
        StructureError, match=r"at most 16 atoms.*max_occupancy_deviation.*with 0\.\d+, a cell of \d+ at"
    ):
        order_crystal(path, OrderingSettings(max_atoms=16))
    rounded = order_crystal(path, OrderingSettings(max_atoms=16, max_occupancy_deviation=0.2)).record
    assert 0.005 < rounded.largest_occupancy_deviation <= 0.2
    assert sum(n * CHARGES[symbol] for symbol, n in rounded.composition.items()) == 0
    exact = order_crystal(path).record
    assert exact.supercell == (1, 1, 5)
    assert exact.composition == {"Li": 6, "Mg": 7, "Cl": 20}


def test_fractional_occupancy_takes_the_smallest_most_compact_supercell(tmp_path):
    path = cif(tmp_path / "x.cif", [4.0, 4.1, 9.0, 90, 90, 90], [("Na", 0, 0, 0, 0.25), ("Li", 0.5, 0, 0, 1)])
    record = order_crystal(path, OrderingSettings(charges={"Li": 0, "Na": 0})).record
    assert record.supercell == (2, 2, 1)
    assert record.composition == {"Li": 4, "Na": 1}
    assert record.electrostatic_energies_eV == [0.0]
    assert record.source_of_charges == "stated"


@pytest.mark.parametrize(
    ("occupancy", "n"), [("0.33", 1), ("0.333", 1), ("0.3333", 1), ("0.67", 2), ("0.667", 2), ("0.66667", 2)]
)
def test_rounded_thirds_are_thirds(occupancy, n, tmp_path):
    path = cif(tmp_path / "x.cif", [4.0, 4.1, 9.0, 90, 90, 90], [("Na", 0, 0, 0, occupancy), ("Li", 0.5, 0, 0, 1)])
    record = order_crystal(path, OrderingSettings(charges={"Li": 0, "Na": 0})).record
    assert record.composition == {"Li": 3, "Na": n}


def test_split_sites_are_not_both_occupied(tmp_path):
    """Opposite charges on sites 0.6 Å apart would have a very low energy."""
    sites: list[Site] = [
        ("Mg", 0.0, 0, 0, 0.5),
        ("S", 0.12, 0, 0, 0.5),
        ("Mg", 0.5, 0.5, 0.5, 0.5),
        ("S", 0.5, 0.5, 0, 0.5),
    ]
    ordered = order_crystal(cif(tmp_path / "x.cif", [5, 5.2, 5.4, 90, 90, 90], sites))
    check_no_overlap(ordered.structures[0])
    assert ordered.record.composition == {"Mg": 2, "S": 2}


def test_close_ions_of_equal_sign_are_moved_apart(tmp_path):
    sites: list[Site] = [("Li", 0, 0, 0.1, 0.999), ("Li", 0, 0, 0.353, 0.75), ("Cl", 0.5, 0.5, 0.2, 0.875)]
    cell = [6.0, 6.0, 6.0, 90, 90, 90]
    ordered = order_crystal(cif(tmp_path / "x.cif", cell, [*sites, ("Cl", 0.5, 0.5, 0.7, 0.875)]))
    assert 0 < ordered.record.largest_shifts_angstrom[0] < 0.05
    check_no_overlap(ordered.structures[0])


def test_overlaps_that_occupancies_impose_are_errors(tmp_path):
    sites: list[Site] = [("Li", 0, 0, 0, 1), ("Li", 0, 0, 0.1, 0.5), ("Cl", 0.5, 0.5, 0.5, 1), ("Cl", 0.5, 0.5, 0, 0.5)]
    with pytest.raises(StructureError, match=r"in the ordering of lowest energy\. Hint: check"):
        order_crystal(cif(tmp_path / "x.cif", [6, 6, 6, 90, 90, 90], sites))


def test_charges_come_from_the_settings_the_file_or_a_guess(tmp_path):
    sites: list[Site] = [("Na", 0, 0, 0, 0.5), ("Cl", 0.5, 0.5, 0.5, 0.5)]
    cell = [4, 4, 4, 90, 90, 90]
    guessed = order_crystal(cif(tmp_path / "x.cif", cell, sites)).record
    assert "guessed" in guessed.source_of_charges
    types = "loop_\n_atom_type_symbol\n_atom_type_oxidation_number\nNa+ 1\nCl- -1\n"
    assert order_crystal(cif(tmp_path / "x.cif", cell, sites, more=types)).record.source_of_charges.endswith("the file")
    with pytest.raises(StructureError, match="no charge of Cl"):
        order_crystal(tmp_path / "x.cif", OrderingSettings(charges={"Na": 1}))
    with pytest.raises(StructureError, match=r"charge of -0\.5 e in the cell of 1 atoms with the charges Cl=-2, Na=1"):
        order_crystal(tmp_path / "x.cif", OrderingSettings(charges={"Na": 1, "Cl": -2}))
    metal = cif(tmp_path / "y.cif", cell, [("Na", 0, 0, 0, 0.5), ("Li", 0.5, 0.5, 0.5, 0.5)])
    with pytest.raises(StructureError, match="for a metal, state 0"):
        order_crystal(metal)


def test_ordered_file_stays_as_it_is(tmp_path):
    path = cif(tmp_path / "x.cif", [4, 4, 4, 90, 90, 90], [("Na", 0, 0, 0, 1), ("Cl", 0.5, 0.5, 0.5, 1)])
    ordered = order_crystal(path, n=3)
    assert ordered.record.sites == []
    assert [len(atoms) for atoms in ordered.structures] == [2]


@pytest.mark.parametrize(("name", "reason"), [("x.extxyz", "only CIF files"), ("none.cif", "no such file")])
def test_other_files_raise(name, reason, tmp_path):
    (tmp_path / "x.extxyz").touch()
    with pytest.raises(StructureError, match=reason):
        order_crystal(tmp_path / name)


def test_command_writes_structures_and_record(tmp_path):
    sites: list[Site] = [("Na", 0, 0, 0, 0.5), ("Cl", 0.5, 0.5, 0.5, 0.5)]
    source = cif(tmp_path / "x.cif", [4, 4.2, 4.4, 90, 90, 90], sites)
    with pytest.raises(StructureError, match="interphase order FILE"):
        load_structure_file(source)
    command = ["order", str(source), "--to", str(tmp_path / "o.vasp"), "--number", "2", "--charges", "Na=1,Cl=-1"]
    run = CliRunner().invoke
    assert "charges: Cl -1, Na +1 (stated)" in run(app, command).output
    record = json.loads((tmp_path / "o.json").read_text())
    assert len(load_structure_file(tmp_path / "o-1.vasp")) == record["n_atoms"]
    assert "exists. Hint" in str(run(app, command).exception)
    assert "unknown extension" in str(run(app, [*command[:3], str(tmp_path / "o.txt")]).exception)
    assert "--max-occupancy-deviation 3.0" in str(run(app, [*command, "--max-occupancy-deviation", "3"]).exception)


def test_campaign_of_python_orders_on_request_and_is_rejected_before(tmp_path):
    source = cif(tmp_path / "a.cif", [4, 4.2, 4.4, 90, 90, 90], [("Na", 0, 0, 0, 0.5), ("Cl", 0.5, 0.5, 0.5, 0.5)])
    campaign = Campaign(
        name="x",
        electrolyte="NaCl",
        phases=["Li", "NaCl"],
        hull_phases=[],
        structure_files={"NaCl": str(source)},
        ordering={"NaCl": {}},
    )
    with pytest.raises(CampaignFileError, match=r"ordering\.NaCl: .*a\.cif is not ordered yet\. Hint: run") as raised:
        check_campaign(campaign)
    assert str(raised.value).count("a.cif") == 1
    ordered = campaign.with_ordered_files(tmp_path)
    assert Path(ordered.structure_files["NaCl"]).parent == tmp_path / "ordered"
    assert ordered.with_ordered_files(tmp_path / "elsewhere") == ordered
    assert ordered.not_yet_ordered() == []


def test_campaign_orders_its_structure_files_once(tmp_path):
    cif(tmp_path / "a.cif", [4, 4.2, 4.4, 90, 90, 90], [("Na", 0, 0, 0, 0.5), ("Cl", 0.5, 0.5, 0.5, 0.5)])
    text = "name: x\nelectrolyte: NaCl\nphases: [Li, NaCl]\nstructure_files: {{NaCl: a.cif}}\nordering: {0}\n"
    (tmp_path / "c.yaml").write_text(text.format("{NaCl: {}}"))
    path = Path(Campaign.from_file(tmp_path / "c.yaml").structure_files["NaCl"])
    assert path.parent == tmp_path / "ordered"
    assert load_structure_file(path).symbols.formula.count() == {"Na": 1, "Cl": 1}
    assert json.loads(path.with_suffix(".json").read_text())["source"] == "a.cif"
    written = path.stat().st_mtime_ns
    Campaign.from_file(tmp_path / "c.yaml")
    assert path.stat().st_mtime_ns == written
    (tmp_path / "c.yaml").write_text(text.format("{NaCl: {max_atoms: 1}}"))
    with pytest.raises(CampaignFileError, match=r"ordering\.NaCl: .*at most 1 atoms"):
        Campaign.from_file(tmp_path / "c.yaml")
    (tmp_path / "c.yaml").write_text(text.format("{NaBr: {}}"))
    with pytest.raises(CampaignFileError, match="NaBr: add the file of this phase"):
        Campaign.from_file(tmp_path / "c.yaml")
