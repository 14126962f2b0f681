"""Lattice matching of two crystal faces: common in-plane cells and the strain of the film.

Algorithm: Zur and McGill, J. Appl. Phys. 55, 378 (1984), as in pymatgen's `ZSLGenerator`.
"""

import functools
import sys
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from scipy.linalg import polar

if TYPE_CHECKING:
    from pymatgen.analysis.interfaces.zsl import ZSLMatch

CACHED_SEARCHES = 16


def in_plane_area_angstrom2(cell: Atoms) -> float:
    """Return the area spanned by the first two vectors of an oriented cell, in Å²."""
    return float(abs(np.linalg.det(cell.cell.array[:2, :2])))


@dataclass(frozen=True)
class LatticeMatch:
    """A common in-plane cell of film and substrate.

    Parameters
    ----------
    film_transformation, substrate_transformation
        Integer 2x2 matrices from the oriented cells' in-plane vectors to the common cell.
    flipped
        Whether the film is rotated by 180° about x before it is placed on the substrate.
    deformation
        Shape (2, 2): film vectors times this are substrate vectors, both as rows.
    """

    film_transformation: np.ndarray
    substrate_transformation: np.ndarray
    flipped: bool
    deformation: np.ndarray

    @property
    def strain(self) -> np.ndarray:
        """In-plane strain of the film in the substrate's axes, shape (2, 2): the polar stretch minus one."""
        return np.asarray(polar(self.deformation)[1]) - np.eye(2)

    @property
    def principal_strain(self) -> float:
        """Principal strain of largest absolute value, signed."""
        values = np.linalg.eigvalsh(self.strain)
        return float(values[np.argmax(np.abs(values))])


def lattice_matches(film: Atoms, substrate: Atoms, max_strain: float, max_area_angstrom2: float) -> list[LatticeMatch]:
    """Find common in-plane cells of two oriented crystals, by increasing strain, then area.

    The absolute principal strain of the film is at most `max_strain`. The results for the last faces are cached, because
    the terminations and shifts of an interface share them.
    """
    faces = (film.cell.array[:2].tobytes(), substrate.cell.array[:2].tobytes())
    return list(_lattice_matches(*faces, max_strain, max_area_angstrom2))


def _zsl_module() -> ModuleType:
    """Import the file of pymatgen's `ZSLGenerator` alone: the other modules of its package take a second to import."""
    name = "pymatgen.analysis.interfaces.zsl"
    if name not in sys.modules:
        package = find_spec("pymatgen.analysis.interfaces")
        spec = PathFinder.find_spec(name, package.submodule_search_locations if package else None)
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(name)
        module = module_from_spec(spec)
        spec.loader.exec_module(sys.modules.setdefault(name, module))
    return sys.modules[name]


@functools.lru_cache(maxsize=CACHED_SEARCHES)
def _lattice_matches(
    film: bytes, substrate: bytes, max_strain: float, max_area_angstrom2: float
) -> tuple[LatticeMatch, ...]:
    """Search for the vectors of two faces, (2, 3) each, as bytes."""
    film_vectors, substrate_vectors = (np.frombuffer(face).reshape(2, 3) for face in (film, substrate))
    # The tolerances are wider than the allowed strain, since strains of lengths and angle can cancel. Matches
    # of too large a principal strain are dropped below.
    generator = _zsl_module().ZSLGenerator(
        max_area_ratio_tol=3 * max_strain,
        max_area=max_area_angstrom2,
        max_length_tol=1.5 * max_strain,
        max_angle_tol=2 * max_strain,
        bidirectional=True,
    )
    matches = [
        _lattice_match(film_vectors[:, :2], substrate_vectors[:, :2], zsl)
        for zsl in generator(film_vectors, substrate_vectors)
    ]
    matches = [match for match in matches if abs(match.principal_strain) <= max_strain]

    def order(match: LatticeMatch) -> tuple[float, float]:
        return round(abs(match.principal_strain), 5), abs(np.linalg.det(match.substrate_transformation))

    return tuple(sorted(matches, key=order))


def _lattice_match(film: np.ndarray, substrate: np.ndarray, zsl: "ZSLMatch") -> LatticeMatch:
    film_cell = np.asarray(zsl.film_sl_vectors)[:, :2]
    substrate_cell = np.asarray(zsl.substrate_sl_vectors)[:, :2]
    if np.linalg.det(substrate_cell) < 0:
        film_cell, substrate_cell = film_cell[::-1], substrate_cell[::-1]
    # ZSL compares lengths and angles only; a left-handed match needs the film turned over.
    flipped = bool(np.linalg.det(film_cell) < 0)
    mirror = np.diag([1.0, -1.0]) if flipped else np.eye(2)
    return LatticeMatch(
        film_transformation=np.rint(film_cell @ np.linalg.inv(film)).astype(int),
        substrate_transformation=np.rint(substrate_cell @ np.linalg.inv(substrate)).astype(int),
        flipped=flipped,
        deformation=np.linalg.solve(film_cell @ mirror, substrate_cell),
    )
