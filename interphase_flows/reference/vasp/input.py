"""VASP's inputs for a label: every tag that can change a number is set here, and nowhere else.

atomate2's generator writes the files; its own input set is replaced as a whole, because its defaults (PBEsol, 680 eV,
tetrahedron smearing, two spin channels, Hubbard U for oxides and fluorides) would differ between a metal, a salt and
an oxide of one campaign, and would change with its version.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from interphase_flows.exceptions import SettingsError
from interphase_flows.reference.spec import VaspSpec

Tag = str | int | float | bool

INPUT_FILES = ("INCAR", "KPOINTS", "POSCAR", "POTCAR.spec")
"""What is kept with a label; a POTCAR itself is licensed and stays in the work folder."""

FUNCTIONAL_TAGS: dict[str, dict[str, Tag]] = {
    # set even for PBE, which is what the potentials imply: VASP must not decide
    "PBE": {"GGA": "PE"},
    "PBEsol": {"GGA": "PS"},
    # LMIXTAU: the kinetic-energy density is mixed like the density, else the cycle of a meta-GGA oscillates
    "r2SCAN": {"METAGGA": "R2SCAN", "LMIXTAU": True},
}

INITIAL_MOMENT_BOHR = 0.6
"""Start of every atom's moment in a spin-polarised run (the Materials Project's); the cycle finds its own."""

POTCAR_MEND = (
    "set PMG_VASP_PSP_DIR to the folder of your licensed potentials, in the environment or in ~/.config/.pmgrc.yaml "
    "(`pmg config -p <VASP's potpaw folders> <that folder>` arranges them; see docs/vasp.md)"
)


def incar(spec: VaspSpec) -> dict[str, Tag]:
    """Return the tags that belong to the method: the same for metal, salt and interface."""
    tags: dict[str, Tag] = {
        "ENCUT": spec.cutoff_eV,  # one basis for all cells: energies of different cells can be subtracted
        "PREC": "Accurate",  # grids without wrap-around: forces and stress free of egg-box noise
        "LREAL": "Auto"
        if spec.real_space_projection
        else False,  # False is exact; Auto is quicker, beyond 30 atoms
        "ISMEAR": 0,  # Gaussian: right for a salt, good for a metal; tetrahedra give a metal wrong forces
        "SIGMA": spec.smearing_eV,
        "ISPIN": 2 if spec.spin_polarized else 1,
        "LASPH": True,  # non-spherical terms inside the spheres: needed by a meta-GGA, better for any
        "EDIFF": spec.scf_energy_tolerance_eV,
        "NELM": spec.max_scf_steps,
        "NELMIN": 5,  # forces lag behind the energy: no stop at an accidental crossing
        # blocked Davidson is robust for slabs and metals; a meta-GGA wants the conjugate gradient
        "ALGO": "All" if spec.functional == "r2SCAN" else "Normal",
        "ISYM": 0,  # frames of dynamics have no symmetry; a crystal's vanishing forces are then a test, not imposed
        "NSW": 0,  # nothing moves
        "IBRION": -1,
        "ISIF": 2,  # forces and the whole stress tensor
        "LWAVE": True,  # what a stopped run continues from; the work folder goes once the label is recorded
        "LCHARG": True,
        "LAECHG": False,
        "LVTOT": False,
        "LELF": False,
        "LORBIT": 0,
        **FUNCTIONAL_TAGS[spec.functional],
    }
    return tags


def species_order(atoms: Atoms) -> NDArray[np.intp]:
    """Return the order in which VASP gets the atoms: elements as they first appear, atoms of one as they were.

    ``positions[order]`` goes in; what comes out belongs to ``atoms[order]``.
    """
    _, first, element = np.unique(atoms.numbers, return_index=True, return_inverse=True)
    return np.argsort(first[element], kind="stable")


def grouped(atoms: Atoms) -> Atoms:
    """Return the atoms as VASP gets them: grouped by element, in a right-handed cell.

    VASP refuses a left-handed cell; the lattice is the same with all three vectors turned round.
    """
    ordered = atoms[species_order(atoms)]
    cell = atoms.cell.array
    return Atoms(
        ordered.numbers, ordered.positions, cell=cell if np.linalg.det(cell) > 0 else -cell, pbc=True
    )


def parallel_tags(parallel: Mapping[Any, int], grid: tuple[int, int, int]) -> dict[str, int]:
    """Return KPAR and NCORE; no more groups of k-points than there are, half of a grid by time reversal."""
    n_points = int(np.prod(grid)) // 2 + 1
    return {tag: 1 if tag == "KPAR" and n > n_points else n for tag, n in parallel.items()}


def input_set(
    spec: VaspSpec,
    atoms: Atoms,
    parallel: Mapping[Any, int],
    start: Mapping[str, int] | None = None,
    potcar_spec: bool = False,
) -> Any:
    """Return pymatgen's input set for a label, made by atomate2's generator.

    Parameters
    ----------
    spec
        The level of theory.
    atoms
        As `grouped` returns them.
    parallel
        KPAR and NCORE of this machine; they change no number.
    start
        ISTART and ICHARG; from scratch if None.
    potcar_spec
        Name the potentials (``POTCAR.spec``) instead of reading the licensed files.

    Raises
    ------
    SettingsError
        A potential is not where pymatgen looks for it.
    """
    # seconds to import, and not needed to know what the method is
    from pymatgen.core import Structure
    from pymatgen.io.vasp.inputs import PmgVaspPspDirError

    from interphase_flows.reference.vasp.input_set import label_set_generator

    generator = label_set_generator(spec, parallel, start)
    structure = Structure(atoms.cell.array, list(atoms.symbols), atoms.positions, coords_are_cartesian=True)
    try:
        return generator.get_input_set(structure, potcar_spec=potcar_spec)
    except (PmgVaspPspDirError, FileNotFoundError) as error:
        raise SettingsError(f"VASP's potentials ({spec.potentials}): {error}; {POTCAR_MEND}") from error


def write_inputs(inputs: Any, folder: Path) -> None:
    """Write INCAR, KPOINTS, POSCAR and POTCAR (or POTCAR.spec); the last beside a POTCAR as well, for the record."""
    inputs.write_input(output_dir=folder)
    if not isinstance(inputs.potcar, str):
        (folder / "POTCAR.spec").write_text("\n".join(inputs.potcar.symbols))
