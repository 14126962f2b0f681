"""Sodium and cubic Na3PS4 as POSCAR files, a pair that is not in the library."""

from pathlib import Path

from ase import Atoms
from ase.build import bulk


def sodium() -> Atoms:
    """Return body-centred cubic sodium (4.29 Å)."""
    return bulk("Na", "bcc", a=4.291, cubic=True)


def sodium_thiophosphate() -> Atoms:
    """Return Na3PS4 (I-43m, 7.00 Å; Jansen and Henseler, J. Solid State Chem. 99, 110 (1992)): P 2a, Na 6b, S 8c."""
    x = 0.168
    sulfur = [(x, x, x), (-x, -x, x), (-x, x, -x), (x, -x, -x)]
    motif = [(0.0, 0.0, 0.0), (0.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0), *sulfur]
    centred = [*motif, *((a + 0.5, b + 0.5, c + 0.5) for a, b, c in motif)]
    atoms = Atoms("PNa3S4PNa3S4", scaled_positions=centred, cell=[7.0] * 3, pbc=True)
    atoms.wrap()
    return atoms[atoms.numbers.argsort()]


def write_pair(folder: Path) -> dict[str, str]:
    """Write both crystals; return their paths as for ``structure_files``."""
    paths = {"Na": folder / "POSCAR_electrode", "Na3PS4": folder / "POSCAR_electrolyte"}
    for path, atoms in zip(paths.values(), (sodium(), sodium_thiophosphate()), strict=True):
        atoms.write(path, format="vasp")
    return {name: str(path) for name, path in paths.items()}
