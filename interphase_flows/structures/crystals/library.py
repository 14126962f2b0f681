"""Library of phases of the Li-P-S system, and a reader of the user's structure files."""

import difflib
import json
import warnings
from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

from ase import Atoms
from ase.io import read
from ase.io.formats import UnknownFileTypeError

from interphase_flows.exceptions import StructureError
from interphase_flows.structures.checks import check_finite, check_has_cell, check_no_overlap
from interphase_flows.structures.crystals.cif import read_cif

Geometry = Literal["experimental", "settled", "relaxed"]

_KEY_OF_PHASE = {
    "Li": "Li_bcc",
    "Li_fcc": "Li_fcc",
    "P": "P_black",
    "S": "S8_alpha",
    "Li2S": "Li2S",
    "Li3P": "Li3P",
    "LiP": "LiP_LiAs-type",
    "Li3PS4": "gamma-Li3PS4",
    "Li7P3S11": "Li7P3S11_OBELiX",
    "LiPS3": "Li2P2S6_OBELiX",
    "Li2PS3": "Li4P2S6_OBELiX",
}

CIF_SUFFIXES = (".cif", ".mcif")
PARTLY_OCCUPIED_HINT = (
    "Hint: order them by `interphase order FILE.cif --to ordered.cif`, or by the key `ordering` of a campaign file"
)

# The published coordinates of Li7P3S11 have errors of 0.01 (fractional): 1.99 Å between Li and S.
_DEFAULT_GEOMETRY: dict[str, Geometry] = {"Li7P3S11": "settled"}


@cache
def _read_data(filename: str) -> dict[str, Any]:
    text = (resources.files("interphase_flows.structures") / "data" / filename).read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)["phases"]
    return data


def phase_names() -> tuple[str, ...]:
    """Return the names of the phases of the library; a formula if one polymorph is stored."""
    return tuple(_KEY_OF_PHASE)


def _key(name: str) -> str:
    try:
        return _KEY_OF_PHASE[name]
    except KeyError:
        raise StructureError(
            f"unknown phase {name[:60]!r}. Hint: {_nearest_phase(name)}choose one of {', '.join(phase_names())}, or "
            "give a structure file (CIF, POSCAR, extxyz)"
        ) from None


def _nearest_phase(name: str) -> str:
    """Return a question for the phase with the most similar name, empty if none is similar."""
    by_lower = {each.lower(): each for each in phase_names()}
    nearest = difflib.get_close_matches(name.strip().lower()[:60], by_lower, n=1, cutoff=0.75)
    return f"did you mean {by_lower[nearest[0]]!r}? " if nearest else ""


def phase_source(name: str) -> str:
    """Return the source of the geometry of a phase as a sentence; an unknown phase raises `StructureError`."""
    entry = _read_data("li_p_s_structures.json")[_key(name)]
    return f"{entry['source']} {entry['note']}".strip()


def load_phase(name: str, geometry: Geometry | None = None) -> Atoms:
    """Load a crystal of the library, periodic in three directions.

    ``info`` has the keys ``phase`` and ``geometry``.

    Parameters
    ----------
    geometry
        ``"experimental"``: cell and positions as published, or of the prototype. ``"settled"``: experimental
        cell, positions relaxed with CHGNet (stored for Li7P3S11, Li3PS4, LiP). ``"relaxed"``: cell and
        positions relaxed with CHGNet, which overshoots the volume of Li7P3S11 by 6.8 %. By default
        experimental, and settled for Li7P3S11, whose published coordinates have large errors.

    Raises
    ------
    StructureError
        If the phase or the geometry is unknown, or the geometry is not stored for this phase.
    """
    key = _key(name)
    entry = _read_data("li_p_s_structures.json")[key]
    geometry = geometry or _DEFAULT_GEOMETRY.get(name, "experimental")
    if geometry not in get_args(Geometry):
        raise StructureError(f"geometry={geometry!r} of {name}: must be one of {', '.join(get_args(Geometry))}")
    if geometry == "settled":
        settled = _read_data("settled_chgnet.json")
        if key not in settled:
            known = [phase for phase, its_key in _KEY_OF_PHASE.items() if its_key in settled]
            raise StructureError(
                f"geometry='settled' is not stored for {name}, only for {', '.join(known)}. Hint: use 'experimental'"
            )
        cell, record = entry["raw"]["matrix"], settled[key]
    else:
        record = entry["raw" if geometry == "experimental" else "relaxed_chgnet"]
        cell = record["matrix"]
    atoms = Atoms(record["species"], cell=cell, scaled_positions=record["frac"], pbc=True)
    atoms.wrap(eps=1e-9)
    atoms.info.update(phase=name, geometry=geometry)
    return atoms


def load_crystal(name: str, structure_files: Mapping[str, str]) -> Atoms:
    """Load a phase from the user's file of that name if there is one, else from the library; raises as these two."""
    return load_structure_file(structure_files[name]) if name in structure_files else load_phase(name)


def composition_of_phase(name: str, structure_files: Mapping[str, str]) -> dict[str, float]:
    """Return the number of atoms of each element in a cell of `load_crystal`."""
    counts = Counter(load_crystal(name, structure_files).symbols)
    return {symbol: float(count) for symbol, count in sorted(counts.items())}


def load_structure_file(path: str | Path) -> Atoms:
    """Read a file with exactly one structure, periodic in three directions, in any format of ASE (CIF, POSCAR, extxyz).

    Raises
    ------
    StructureError
        The file is missing, empty, unreadable or contains several structures or partly occupied sites, or the structure
        has no atoms, no cell or coordinates that are not finite.
    OverlappingAtomsError
        Two atoms are closer than any bond.
    """
    path = Path(path)
    try:
        exists = path.is_file()
    except OSError as error:  # such as a name that is too long
        raise StructureError(f"{str(path)[:60]!r}...: cannot be read ({error.strerror})") from error
    if not exists:
        raise StructureError(f"{str(path)[:300]}: no such file. Hint: give the path of a CIF, POSCAR or extxyz file")
    if path.stat().st_size == 0:
        raise StructureError(f"{path}: the file is empty. Hint: export the structure again")
    try:
        atoms = _ordered_cif(path) if path.suffix.lower() in CIF_SUFFIXES else _read_with_ase(path)
    except UnknownFileTypeError as error:
        raise StructureError(
            f"{path}: format not recognised ({error}). Hint: name the file *.cif, *.vasp, POSCAR or *.extxyz"
        ) from error
    except StructureError:
        raise
    except Exception as error:  # ASE's parsers raise any exception, without the file's name
        reason = f"{type(error).__name__}: {str(error)[:200]}" if str(error) else type(error).__name__
        raise StructureError(
            f"{path}: cannot be read ({reason}). Hint: open it in a viewer and export it again"
        ) from error
    where = str(path)
    check_finite(atoms, where)
    check_has_cell(atoms, where)
    if atoms.cell.handedness < 0:
        # the same lattice with right-handed vectors; atoms stay where they are
        atoms.set_cell(-atoms.cell.array, scale_atoms=False)
    dummies = [index for index, number in enumerate(atoms.numbers) if number < 1]
    if dummies:
        raise StructureError(f"{path}: atom {dummies[0]} is a dummy atom (X). Hint: remove dummy atoms from the file")
    atoms.calc = None
    atoms.pbc = True
    check_no_overlap(atoms, where=where)
    return atoms


def _read_with_ase(path: Path) -> Atoms:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frames = read(path, index=":")
    if len(frames) != 1:
        raise StructureError(
            f"{path}: contains {len(frames)} structures instead of one. Hint: keep only one in the file"
        )
    atoms: Atoms = frames[0]
    occupancy = atoms.info.get("occupancy") or {}
    if any(abs(sum(site.values()) - 1.0) > 1e-6 or len(site) > 1 for site in occupancy.values()):
        raise StructureError(f"{path}: has partly occupied sites. {PARTLY_OCCUPIED_HINT}")
    return atoms


def _ordered_cif(path: Path) -> Atoms:
    crystal = read_cif(path)
    if partial := [site for site in crystal.sites if not site.is_ordered]:
        example = ", ".join(f"{symbol} {occupancy:g}" for symbol, occupancy in partial[0].occupancy.items())
        raise StructureError(
            f"{path}: has partly occupied sites: {len(partial)} of {len(crystal.sites)}, such as {example} at "
            f"{[round(float(x), 4) for x in partial[0].position]}. {PARTLY_OCCUPIED_HINT}"
        )
    symbols = [next(iter(site.occupancy)) for site in crystal.sites]
    scaled = [site.position for site in crystal.sites]
    return Atoms(symbols, cell=crystal.cell, scaled_positions=scaled, pbc=True)
