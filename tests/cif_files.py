"""CIF files without symmetry operators, in any setting of any space group, with their true atoms."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import spglib
from ase.cell import Cell

TAGS = """data_x
{symmetry}_chemical_formula_sum '{formula}'
_cell_formula_units_Z {z}
_cell_length_a {a:.6f}
_cell_length_b {b:.6f}
_cell_length_c {c:.6f}
_cell_angle_alpha {alpha:.6f}
_cell_angle_beta {beta:.6f}
_cell_angle_gamma {gamma:.6f}
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
"""


@dataclass(frozen=True)
class Setting:
    """A setting of a space group, with its operations."""

    number: int
    name: str
    short: str
    choice: str
    rotations: np.ndarray
    translations: np.ndarray

    @classmethod
    def of(cls, hall_number: int) -> "Setting":
        """Return one of the 530 settings."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            group = spglib.get_spacegroup_type(hall_number)
            found = spglib.get_symmetry_from_database(hall_number)
        name = group.international.split("=")[-1].strip().replace("_", "")
        short = group.international_short.replace("_", "")
        return cls(group.number, name, short, group.choice, found["rotations"], found["translations"])

    def cell(self, rng: np.random.Generator) -> Cell:
        """Return a random cell with this symmetry and a volume of about 1000 Å³."""
        start = Cell.new([*rng.uniform(8, 13, 3), *rng.uniform(75, 105, 3)]).array
        metric = start @ start.T
        metric = np.einsum("nki,kl,nlj->ij", self.rotations, metric, self.rotations) / len(self.rotations)
        cell = Cell(np.linalg.cholesky(metric))
        return Cell(cell.array * (1000.0 / abs(cell.volume)) ** (1 / 3))

    def images(self, position: np.ndarray) -> np.ndarray:
        """Return the distinct images of a position in the cell."""
        images = np.round((self.rotations @ position + self.translations) % 1.0, 6) % 1.0
        return np.unique(images, axis=0)


def write_cif(
    path: Path, cell: Cell, sites: dict[str, np.ndarray], symmetry: dict[str, str], formula: str, z: int
) -> Path:
    """Write the listed sites with the given symmetry tags."""
    a, b, c, alpha, beta, gamma = cell.cellpar()
    tags = "".join(f"{tag} '{value}'\n" for tag, value in symmetry.items())
    text = TAGS.format(symmetry=tags, formula=formula, z=z, a=a, b=b, c=c, alpha=alpha, beta=beta, gamma=gamma)
    rows = [f"{symbol}1 {symbol} {' '.join(f'{x:.6f}' for x in position)}\n" for symbol, position in sites.items()]
    path.write_text(text + "".join(rows))
    return path
