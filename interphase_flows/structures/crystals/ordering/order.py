"""Ordered structures of a crystal with partial occupancies, ranked by electrostatic energy."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from pymatgen.core import Lattice

import interphase_flows
from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.transport.settings import formal_charges
from interphase_flows.exceptions import AnalysisError, OverlappingAtomsError, StructureError
from interphase_flows.schemas.ordering import OrderedSites, OrderingRecord
from interphase_flows.structures.checks import check_no_overlap
from interphase_flows.structures.crystals.cif import CifCrystal, read_cif
from interphase_flows.structures.crystals.library import CIF_SUFFIXES
from interphase_flows.structures.crystals.ordering.energies import option_energies, separated
from interphase_flows.structures.crystals.ordering.search import (
    Arrangement,
    Search,
    SiteChoices,
    chosen_rows,
    lowest_arrangements,
)
from interphase_flows.structures.crystals.ordering.settings import OrderingSettings
from interphase_flows.structures.crystals.ordering.sites import (
    NEUTRAL_E,
    Counts,
    Orbit,
    Repeats,
    counts_in,
    orbits_of,
    primitive_crystal,
    repeated_positions,
    supercells,
)

ROUNDED_CHARGE_E_PER_ATOM = 0.02
"""Largest charge of a composition that is neutral apart from the rounding of its occupancies."""
METHOD_VERSION = 2
"""Increase it when the same input gives other structures."""
MOST_SITES = 4000
SAME_ENERGY_EV = 1e-4
MOST_COMPARED = 20
"""Arrangements of one energy that are compared by their distances."""


@dataclass(frozen=True)
class OrderedCrystal:
    """Ordered structures by increasing electrostatic energy, and the record of how they were found."""

    structures: list[Atoms]
    record: OrderingRecord


def order_crystal(path: str | Path, settings: OrderingSettings = OrderingSettings(), n: int = 1) -> OrderedCrystal:
    """Order the partial occupancies of a CIF in the smallest cell that reproduces them.

    Atoms and vacancies are distributed such that the electrostatic energy of point charges is lowest; no two atoms are
    closer than any bond. Occupancies of 0.995 and more are full.

    Parameters
    ----------
    n
        Largest number of different orderings to return.

    Raises
    ------
    StructureError
        The file is not a CIF or invalid, the charges are unknown, no cell within the limits is neutral and reproduces the
        occupancies, or every ordering has overlapping atoms.
    """
    path = Path(path)
    if path.suffix.lower() not in CIF_SUFFIXES:
        raise StructureError(f"{path}: only CIF files contain occupancies. Hint: give the CIF of the structure")
    if not path.is_file():
        raise StructureError(f"{path}: no such file. Hint: give the path of a CIF file")
    crystal = read_cif(path)
    charges, source_of_charges = _charges(crystal, settings, path)
    basis, orbits, counts = _smallest_cell(crystal, charges, settings, path)
    problem = _Problem(basis.cell, orbits, counts, charges)
    search = lowest_arrangements(problem.choices, problem.energies_eV, n, settings.seed)
    chosen = list(_different(problem, search, n, path))
    size = int(np.prod(counts.repeats))
    record = OrderingRecord(
        source=path.name,
        source_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        package_version=interphase_flows.__version__,
        charges_e=charges,
        source_of_charges=source_of_charges,
        basis="cell of the file" if basis is crystal else "primitive cell",
        supercell=counts.repeats,
        n_atoms=counts.n_atoms,
        composition_of_file={symbol: round(size * number, 6) for symbol, number in basis.composition.items()},
        composition=dict(sum((Counter(each) for each in counts.per_orbit), Counter())),
        largest_occupancy_deviation=counts.largest_deviation,
        sites=[
            OrderedSites(
                n_sites=size * len(orbit.positions),
                position=_in_cell(orbit.positions[0] @ basis.cell, crystal.cell),
                occupancies_of_file=orbit.occupancy,
                n_atoms=each,
            )
            for orbit, each in zip(orbits, counts.per_orbit, strict=True)
            if not orbit.is_ordered
        ],
        method=_method(charges, search),
        n_arrangements=float(search.n_arrangements),
        seed=settings.seed,
        electrostatic_energies_eV=[energy for _, energy, _ in chosen],
        largest_shifts_angstrom=[shift for _, _, shift in chosen],
    )
    return OrderedCrystal([atoms for atoms, _, _ in chosen], record)


def _method(charges: Mapping[str, float], search: Search) -> str:
    if not any(charges.values()):
        return "a random arrangement, as all charges are zero"
    return "comparison of all arrangements" if search.is_complete else "simulated annealing of exchanges"


def _charges(crystal: CifCrystal, settings: OrderingSettings, path: Path) -> tuple[dict[str, float], str]:
    """Return the charge of each element and its source: the settings, the file, or a guess."""
    elements = sorted(crystal.composition)
    if settings.charges:
        if missing := [symbol for symbol in elements if symbol not in settings.charges]:
            raise StructureError(f"{path}: no charge of {', '.join(missing)}. Hint: state those of all elements")
        return {symbol: float(settings.charges[symbol]) for symbol in elements}, "stated"
    amounts = crystal.composition
    n_atoms = sum(amounts.values())
    if set(crystal.charges) >= set(elements):
        charge = sum(crystal.charges[symbol] * amount for symbol, amount in amounts.items())
        if abs(charge) <= ROUNDED_CHARGE_E_PER_ATOM * n_atoms:
            return {symbol: crystal.charges[symbol] for symbol in elements}, "oxidation numbers of the file"
    try:
        charges, source = formal_charges(amounts, tuple(elements), ROUNDED_CHARGE_E_PER_ATOM)
    except AnalysisError as error:
        reason = str(error).partition(" Hint:")[0]
        raise StructureError(
            f"{path}: {reason} Hint: state the charge of every element, such as --charges Li=1,P=5,S=-2, or charges: "
            "{Li: 1, P: 5, S: -2} in a campaign file; for a metal, state 0"
        ) from error
    return charges, source


def _in_cell(position_angstrom: FloatArray, cell: FloatArray) -> tuple[float, float, float]:
    """Return the fractional coordinates of a site."""
    x, y, z = np.round(np.linalg.solve(cell.T, position_angstrom), 9) % 1.0
    return float(x), float(y), float(z)


def _smallest_cell(
    crystal: CifCrystal, charges: Mapping[str, float], settings: OrderingSettings, path: Path
) -> tuple[CifCrystal, list[Orbit], Counts]:
    """Return the smallest neutral supercell with the occupancies of the file: its basis, and atoms on each orbit.

    The basis is the primitive cell if that gives fewer sites, else the cell of the file.
    """
    bases = (
        [crystal] if settings.cell == "file" or (smaller := primitive_crystal(crystal)) is None else [crystal, smaller]
    )
    orbits = [orbits_of(each) for each in bases]
    n_atoms = sum(crystal.composition.values())
    charge = sum(charges[symbol] * number for symbol, number in crystal.composition.items())
    n_charges = sum(len(each.positions) * abs(charges[symbol]) for each in orbits[0] for symbol in each.occupancy)
    stated = ", ".join(f"{symbol}={charges[symbol]:g}" for symbol in sorted(charges))
    if abs(charge) > settings.max_occupancy_deviation * n_charges + NEUTRAL_E:
        raise StructureError(
            f"{path}: the occupancies give a charge of {charge:+.3g} e in the cell of {n_atoms:.4g} atoms with the "
            f"charges {stated}. Hint: state other charges (--charges), or check the occupancies"
        )
    nearest: Counts | None = None
    for k, repeats in _by_size(bases, settings.max_atoms):
        counts = counts_in(orbits[k], repeats, charges)
        if counts is None or counts.n_atoms > settings.max_atoms:
            continue
        if counts.largest_deviation <= settings.max_occupancy_deviation + 1e-9:
            return bases[k], orbits[k], counts
        if nearest is None or counts.largest_deviation < nearest.largest_deviation - 1e-9:
            nearest = counts
    cells = f"no cell of at most {settings.max_atoms} atoms (the cell of the file has {n_atoms:.4g})"
    if nearest is None:
        raise StructureError(
            f"{path}: {cells} is neutral with the charges {stated}. Hint: state other charges (--charges), or raise "
            "max_atoms (--max-atoms)"
        )
    rounded = np.ceil(1e3 * nearest.largest_deviation) / 1e3
    raise StructureError(
        f"{path}: {cells} reproduces the occupancies within {settings.max_occupancy_deviation:g}. Hint: raise "
        "max_atoms (--max-atoms), or allow rounding by max_occupancy_deviation (--max-occupancy-deviation): with "
        f"{rounded:g}, a cell of {nearest.n_atoms} atoms is possible"
    )


def _by_size(bases: Sequence[CifCrystal], max_atoms: int) -> list[tuple[int, Repeats]]:
    """Return the supercells of several cells of a crystal, as index and repeats, by their number of sites."""
    cells = []
    for k, basis in enumerate(bases):
        n_sites, n_atoms = len(basis.sites), sum(basis.composition.values())
        limit = max(1, min(int(max_atoms / n_atoms + 0.05), MOST_SITES // n_sites))
        cells += [(int(np.prod(repeats)) * n_sites, k, repeats) for repeats in supercells(basis.cell, limit)]
    return [(k, repeats) for _, k, repeats in sorted(cells)]


class _Problem:
    """Sites of the supercell, and the energies of the options on its partly occupied sites."""

    def __init__(self, cell: FloatArray, orbits: Sequence[Orbit], counts: Counts, charges: Mapping[str, float]) -> None:
        self.cell = cell * np.array(counts.repeats)[:, None]
        positions = [repeated_positions(orbit.positions, counts.repeats) for orbit in orbits]
        self.scaled = np.concatenate(positions)
        sites: list[int] = []
        symbols: list[str] = []
        fixed: list[int] = []
        pending: list[tuple[range, list[str], list[int]]] = []
        start = 0
        for count, own in zip(counts.per_orbit, positions, strict=True):
            here = range(start, start + len(own))
            start += len(own)
            kinds = [symbol for symbol, number in count.items() if number]
            numbers = [count[symbol] for symbol in kinds]
            if sum(numbers) < len(own):
                kinds, numbers = [*kinds, ""], [*numbers, len(own) - sum(numbers)]
            if kinds == [""]:
                continue
            if len(kinds) == 1:
                fixed += range(len(sites), len(sites) + len(own))
                sites += here
                symbols += kinds * len(own)
            else:
                pending.append((here, kinds, numbers))
        self.n_fixed = len(fixed)
        rows = []
        for here, kinds, _ in pending:
            table = np.full((len(here), len(kinds)), -1, dtype=np.int64)
            for kind, symbol in enumerate(kinds):
                if symbol:
                    table[:, kind] = np.arange(len(sites), len(sites) + len(here))
                    sites += here
                    symbols += [symbol] * len(here)
            rows.append(table)
        self.sites: IntArray = np.array(sites)
        self.symbols = symbols
        energies = option_energies(self.cell, self.scaled, self.sites, symbols, charges)
        n = self.n_fixed
        self.fixed_energy_eV = float(energies[:n, :n].sum())
        free = np.zeros((len(sites) - n + 1,) * 2)
        free[:-1, :-1] = energies[n:, n:]
        free[np.diag_indices(len(free) - 1)] += 2.0 * energies[:n, n:].sum(axis=0)
        self.energies_eV: FloatArray = free
        self.choices = [
            SiteChoices(np.where(table < 0, len(free) - 1, table - n), tuple(numbers))
            for table, (_, _, numbers) in zip(rows, pending, strict=True)
        ]

    def atoms(self, arrangement: Arrangement) -> Atoms:
        """Return the structure of an arrangement, atoms sorted by element."""
        free = chosen_rows(self.choices, arrangement)
        rows = np.concatenate([np.arange(self.n_fixed), self.n_fixed + free[free < len(self.energies_eV) - 1]])
        numbers = np.array([atomic_numbers[self.symbols[row]] for row in rows])
        rows = rows[np.argsort(numbers, kind="stable")]
        return Atoms(
            [self.symbols[row] for row in rows],
            scaled_positions=self.scaled[self.sites[rows]] % 1.0,
            cell=self.cell,
            pbc=True,
        )


def _different(problem: _Problem, search: Search, n: int, path: Path) -> Iterator[tuple[Atoms, float, float]]:
    """Yield up to ``n`` orderings by energy that differ in energy or in distances; each with its energy and shift.

    They have no overlapping atoms.
    """
    found, level, fingerprints, n_compared = 0, -np.inf, set[bytes](), 0
    for arrangement, free_energy in zip(search.arrangements, search.energies_eV, strict=True):
        energy = free_energy + problem.fixed_energy_eV
        if energy > level + SAME_ENERGY_EV:
            level, fingerprints, n_compared = energy, set(), 0
        if n_compared >= MOST_COMPARED:
            continue
        n_compared += 1
        atoms, shift = separated(problem.atoms(arrangement))
        if n > 1:
            fingerprint = _fingerprint(atoms)
            if fingerprint in fingerprints:
                continue
            fingerprints.add(fingerprint)
        try:
            check_no_overlap(atoms, where=f"{path}: ordering {found + 1}")
        except OverlappingAtomsError as error:
            if found == 0:
                reason = str(error).partition(" Hint:")[0]
                raise StructureError(
                    f"{reason} in the ordering of lowest energy. Hint: check the occupancies of these sites, or allow "
                    "more rounding by max_occupancy_deviation (--max-occupancy-deviation)"
                ) from error
            return
        yield atoms, energy, shift
        found += 1
        if found == n:
            return


def _fingerprint(atoms: Atoms) -> bytes:
    """Return a hash of the distances between atoms of each pair of elements, the same for equivalent orderings."""
    distances = Lattice(atoms.cell.array).get_all_distances(*[atoms.get_scaled_positions()] * 2)
    pairs = np.minimum.outer(atoms.numbers, atoms.numbers) * 200 + np.maximum.outer(atoms.numbers, atoms.numbers)
    table = np.stack([pairs.ravel(), np.rint(100.0 * np.asarray(distances).ravel())])
    return hashlib.sha256(table[:, np.lexsort(table[::-1])].astype(np.int64).tobytes()).digest()
