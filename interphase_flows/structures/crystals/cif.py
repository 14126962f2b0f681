"""Crystals in CIF, as sites with occupancies.

The file is parsed by ASE. Operators in the file take precedence; without them, the setting is determined from the
symbols, the cell, the formula and Z, and rejected if several settings give different crystals. Images of a site that
differ by the rounding of its coordinates, such as 0.333 for 1/3, are averaged.
"""

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase.cell import Cell
from ase.data import atomic_numbers
from ase.io.cif import CIFBlock, parse_cif
from pymatgen.core import Composition

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.exceptions import StructureError
from interphase_flows.structures.crystals.cif_operations import candidate_operations

FULL_OCCUPANCY = 0.995
"""Occupancies from here on are full: 0.998(4)."""
SHARED_SITE_ANGSTROM = 0.05
ROUNDING_FACTOR, LARGEST_ROUNDING_ANGSTROM = 3.0, 0.3
SMALLEST_ROUNDING_ANGSTROM = 2e-3
FORMULA_TOLERANCE = 0.03
MOST_ATOMS = 100_000


@dataclass(frozen=True)
class OccupiedSite:
    """A site in the cell: fractional coordinates, and the occupancy of each element."""

    position: FloatArray
    occupancy: dict[str, float]

    @property
    def is_ordered(self) -> bool:
        """Whether one element occupies the site fully."""
        return len(self.occupancy) == 1 and min(self.occupancy.values()) >= FULL_OCCUPANCY


@dataclass(frozen=True)
class CifCrystal:
    """A crystal with its cell, rows are vectors in Å, and all sites in the cell."""

    cell: FloatArray
    sites: list[OccupiedSite]
    charges: dict[str, float] = field(default_factory=dict)
    """Oxidation number of each element of which the file states one."""

    @property
    def is_ordered(self) -> bool:
        """Whether every site is occupied by one element."""
        return all(site.is_ordered for site in self.sites)

    @property
    def composition(self) -> dict[str, float]:
        """Number of atoms of each element in the cell."""
        counts: Counter[str] = Counter()
        for site in self.sites:
            for symbol, occupancy in site.occupancy.items():
                counts[symbol] += 1.0 if occupancy >= FULL_OCCUPANCY else occupancy  # type: ignore[assignment]
        return {symbol: float(count) for symbol, count in counts.items()}


@dataclass(frozen=True)
class _Listed:
    """A site as it is listed in the file."""

    symbol: str
    position: FloatArray
    occupancy: float
    rounding_angstrom: float


def read_cif(path: Path) -> CifCrystal:
    """Read the only crystal of a CIF.

    Raises
    ------
    StructureError
        The file has no crystal or several, a value is not a number, the setting is ambiguous, or the cell contradicts the
        formula or Z in the file.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # badly formed numbers and duplicated tags
        blocks = [block for block in parse_cif(str(path)) if block.get("_atom_site_label") is not None
                  or block.get("_atom_site_type_symbol") is not None]  # fmt: skip
    if len(blocks) != 1:
        raise StructureError(
            f"{path}: contains {len(blocks)} structures instead of one. Hint: keep only one in the file"
        )
    block = blocks[0]
    cell = _cell(block, path)
    listed = list(_listed_sites(block, cell, path))
    candidates = list(candidate_operations(block, cell, path))
    charges = _oxidation_numbers(block)
    crystals = [(name, CifCrystal(cell, _expanded(listed, cell, *ops, path), charges)) for name, ops in candidates]
    mismatches = {name: _formula_mismatch(block, crystal) for name, crystal in crystals}
    fitting = [(name, crystal) for name, crystal in crystals if mismatches[name] is None]
    if not fitting:
        raise StructureError(
            f"{path}: {next(iter(mismatches.values()))}. Hint: export the file with its symmetry operators, or correct "
            "the formula, _cell_formula_units_Z, or the missing atoms"
        )
    different = [fitting[0]] + [each for each in fitting[1:] if not _same(each[1], fitting[0][1])]
    if len(different) > 1:
        names = ", ".join(name for name, _ in different)
        raise StructureError(
            f"{path}: has no symmetry operators, and its space group allows the settings {names}, which give different "
            "crystals. Hint: export the file with its symmetry operators (_space_group_symop_operation_xyz), or name the "
            "setting, such as 'F d -3 m :2'"
        )
    return fitting[0][1]


def _cell(block: CIFBlock, path: Path) -> FloatArray:
    try:
        parameters = np.array([float(value) for value in block.get_cellpar() or ()])
        if len(parameters) != 6:
            raise ValueError("parameters are missing")
        cell = np.asarray(Cell.new(parameters).array, dtype=float)
        if not np.isfinite(cell).all() or not abs(np.linalg.det(cell)) > 1e-3:
            raise ValueError(f"{parameters.tolist()} is not a cell")
    except (ValueError, TypeError, AssertionError, ArithmeticError) as error:
        raise StructureError(f"{path}: no valid cell ({error}). Hint: export the structure again") from error
    return cell


def _oxidation_numbers(block: CIFBlock) -> dict[str, float]:
    """Return the oxidation numbers of the list of types, or of symbols such as Li1+; none of elements with several."""
    symbols: Any = block.get("_atom_type_symbol")
    numbers: Any = block.get("_atom_type_oxidation_number")
    states: set[tuple[str, float]] = set()
    if isinstance(symbols, list) and isinstance(numbers, list):
        for text, number in zip(symbols, numbers, strict=False):
            if isinstance(number, int | float) and (element := re.match("[A-Z][a-z]?", str(text))):
                states.add((element.group(), float(number)))
    else:
        types: Any = block.get("_atom_site_type_symbol")
        for text in types if isinstance(types, list) else []:
            if state := re.fullmatch(r"([A-Z][a-z]?)(\d*\.?\d*)([+-])", str(text)):
                states.add((state[1], float(f"{state[3]}{state[2] or 1}")))
    elements = Counter(element for element, _ in states)
    return {element: number for element, number in states if elements[element] == 1}


def _listed_sites(block: CIFBlock, cell: FloatArray, path: Path) -> Iterator[_Listed]:
    columns = [block.get(f"_atom_site_fract_{axis}") for axis in "xyz"]
    cartesian = None in columns
    if cartesian:
        columns = [block.get(f"_atom_site_cartn_{axis}") for axis in "xyz"]
    labels: Any = block.get("_atom_site_type_symbol", block.get("_atom_site_label"))
    occupancies = block.get("_atom_site_occupancy")
    lengths = np.linalg.norm(cell, axis=1)
    if None in columns or not all(isinstance(column, list) for column in (*columns, labels)):
        raise StructureError(f"{path}: no coordinates of atoms. Hint: export the structure again")
    symbols = block.get_symbols()
    for k, symbol in enumerate(symbols):
        if symbol not in atomic_numbers or atomic_numbers[symbol] < 1:
            raise StructureError(f"{path}: site {labels[k]}: {symbol!r} is not a chemical element")
        raw = [column[k] for column in columns]
        try:
            position = np.array([float(value) for value in raw])
        except (TypeError, ValueError):
            raise StructureError(
                f"{path}: site {labels[k]} has the coordinates {', '.join(str(value)[:12] for value in raw)}, which "
                "are not numbers. Hint: remove the site or add its coordinates"
            ) from None
        if not np.isfinite(position).all() or np.abs(position).max() > 1e4:
            raise StructureError(f"{path}: site {labels[k]}: the coordinates {position.tolist()} are not finite")
        decimals = max(len(repr(value).partition(".")[2]) if isinstance(value, float) else 0 for value in raw)
        rounding = ROUNDING_FACTOR * 10.0**-decimals * float(lengths.max())
        if cartesian:
            position = position @ np.linalg.inv(cell)
        occupancy = _occupancy(occupancies[k] if isinstance(occupancies, list) else None, str(labels[k]), path)
        if occupancy > 0:
            yield _Listed(
                symbol,
                position,
                occupancy,
                float(np.clip(rounding, SMALLEST_ROUNDING_ANGSTROM, LARGEST_ROUNDING_ANGSTROM)),
            )


def _occupancy(value: Any, label: str, path: Path) -> float:
    """Return an occupancy; one that is not stated is 1, the default of the CIF dictionary."""
    if value is None or value in {".", "?"}:
        return 1.0
    try:
        occupancy = float(value)
    except (TypeError, ValueError):
        occupancy = float("nan")
    if not 0.0 <= occupancy <= 1.0 + 1e-3:
        raise StructureError(f"{path}: site {label} has the occupancy {str(value)[:20]}, which is not between 0 and 1")
    return occupancy


def _expanded(
    listed: list[_Listed], cell: FloatArray, rotations: IntArray, translations: FloatArray, path: Path
) -> list[OccupiedSite]:
    """Apply all operations to all sites; merge images that differ by rounding, and sites of several elements."""
    if len(listed) * len(rotations) > MOST_ATOMS:
        raise StructureError(f"{path}: {len(listed)} sites times {len(rotations)} operators are too many for a crystal")
    positions: list[FloatArray] = []
    entries: list[_Listed] = []
    for site in listed:
        images = rotations @ site.position + translations
        offsets = images - site.position
        offsets -= np.rint(offsets)
        distances = np.linalg.norm(offsets @ cell, axis=1)
        near = distances <= site.rounding_angstrom
        n_near = len(_distinct(images[near], cell, SMALLEST_ROUNDING_ANGSTROM))
        if site.occupancy * n_near <= 1.0 + 1e-3:
            # a partly occupied site beside its special position, unless nothing but rounding distinguishes them
            near = distances <= min(site.rounding_angstrom, SHARED_SITE_ANGSTROM)
        centre = site.position + (offsets[near].mean(axis=0) if near.any() else 0.0)
        for image in _distinct(rotations @ centre + translations, cell, SMALLEST_ROUNDING_ANGSTROM):
            positions.append(image)
            entries.append(site)
    return _shared(positions, entries, cell, path)


def _distinct(images: FloatArray, cell: FloatArray, tolerance: float) -> FloatArray:
    """Return the images that differ by more than a distance in Å, in [0, 1)."""
    images = np.round(images, 12) % 1.0
    kept: list[FloatArray] = []
    for image in images:
        offsets = np.array(kept).reshape(-1, 3) - image
        offsets -= np.rint(offsets)
        if not (np.linalg.norm(offsets @ cell, axis=1) <= tolerance).any():
            kept.append(image)
    return np.array(kept)


def _shared(positions: list[FloatArray], entries: list[_Listed], cell: FloatArray, path: Path) -> list[OccupiedSite]:
    """Merge entries of the same position into one site with several elements.

    An element may be listed twice at one position, with its valences. Listed at two equivalent positions with the same
    occupancy, it is counted once: some programs write all sites of the cell as well as the operators.
    """
    kept = np.empty((len(positions), 3))
    occupancies: list[dict[str, float]] = []
    first_listed: list[dict[str, _Listed]] = []
    for position, entry in zip(positions, entries, strict=True):
        symbol, occupancy = entry.symbol, entry.occupancy
        n = len(occupancies)
        offsets = kept[:n] - position
        offsets -= np.rint(offsets)
        distances = np.linalg.norm(offsets @ cell, axis=1)
        nearest = int(distances.argmin()) if n else -1
        if n and distances[nearest] <= SHARED_SITE_ANGSTROM:
            site, listed = occupancies[nearest], first_listed[nearest]
            if site == {symbol: occupancy} and occupancy >= FULL_OCCUPANCY:
                continue
            if _is_repeated(entry, listed.get(symbol), cell):
                continue
            if sum(site.values()) + occupancy <= 1.0 + 1e-3:
                site[symbol] = site.get(symbol, 0.0) + occupancy
                listed.setdefault(symbol, entry)
                continue
        kept[n] = position
        occupancies.append({symbol: occupancy})
        first_listed.append({symbol: entry})
    return [OccupiedSite(kept[k].copy(), occupancy) for k, occupancy in enumerate(occupancies)]


def _is_repeated(entry: _Listed, other: _Listed | None, cell: FloatArray) -> bool:
    """Return whether a site is listed again at an equivalent position."""
    if other is None or entry.occupancy != other.occupancy:
        return False
    offset = entry.position - other.position
    return bool(np.linalg.norm((offset - np.rint(offset)) @ cell) > SHARED_SITE_ANGSTROM)


def _formula_mismatch(block: CIFBlock, crystal: CifCrystal) -> str | None:
    """Compare the cell with the formula and Z of the file; return the contradiction, or None."""
    text = block.get("_chemical_formula_sum")
    try:
        stated = {s: n for s, n in Composition(str(text)).get_el_amt_dict().items() if n > 0}
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if text is None or not stated or not set(stated) <= set(atomic_numbers):
        return None
    stated["H"] = stated.get("H", 0.0) + stated.pop("D", 0.0)
    stated = {symbol: count for symbol, count in stated.items() if count > 0}
    found = crystal.composition
    try:
        z = float(block.get("_cell_formula_units_z"))
    except (TypeError, ValueError):
        z = float("nan")
    ratio = sum(found.values()) / sum(stated.values())
    # some programs write the sum of the cell and Z
    allowed = [z, 1.0] if z > 0 else [ratio]
    for units in allowed:
        expected = {symbol: units * count for symbol, count in stated.items()}
        if set(expected) == set(found) and all(
            abs(found[s] - n) <= FORMULA_TOLERANCE * n + 0.02 for s, n in expected.items()
        ):
            return None
    states = f"the file states {str(text)[:60]}" + (f" with Z = {z:g}" if z > 0 else "")
    return f"{states}, the cell holds {''.join(f'{s}{round(n, 3):g}' for s, n in sorted(found.items()))}"


def _same(first: CifCrystal, second: CifCrystal) -> bool:
    """Return whether two crystals in the same cell have the same sites."""
    if len(first.sites) != len(second.sites):
        return False
    positions = np.array([site.position for site in second.sites])
    for site in first.sites:
        offsets = positions - site.position
        offsets -= np.rint(offsets)
        distances = np.linalg.norm(offsets @ first.cell, axis=1)
        nearest = int(distances.argmin())
        if distances[nearest] > SHARED_SITE_ANGSTROM or second.sites[nearest].occupancy != site.occupancy:
            return False
    return True
