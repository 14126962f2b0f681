"""Thermal runs with CHGNet that the tests of phase labels read: `python tests/phase_runs.py 300` (or 500) makes them.

The references are those of `interphase analyse --phases`. They and the other runs are kept in
`tests/physics/data/phases`, because making them takes a quarter of an hour. References and the other runs share neither
velocities, nor the packing of the amorphous cells, nor the sites of dissolved P.
"""

import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import make_supercell
from ase.optimize import FIRE

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.phases.phase_references import packed_references
from interphase_flows.commands.analysis_input import computed_references
from interphase_flows.md.phase_references.thermal_runs import read_frames, thermal_frames, write_frames
from interphase_flows.reference.chgnet import CHGNetMethod
from interphase_flows.settings import Settings
from interphase_flows.structures.crystals.library import load_phase

FOLDER = Path(__file__).parent / "physics" / "data" / "phases"
SEED, SLAB_SEEDS = 92, (92, 23)
GLASS, GLASS_ANGSTROM = "Li31S11P3", 9.2
SHORT, LONG = (25, 3, 8), (40, 4, 10)
"""Steps to settle, frames, steps between them."""


def random_packing(formula: str, cell: np.ndarray, seed: int, least_angstrom: float = 2.0) -> Atoms:
    """Atoms at random, none too close: what an amorphous cell is molten from."""
    symbols = Atoms(formula).get_chemical_symbols()
    rng = np.random.default_rng(seed)
    atoms = Atoms(cell=cell, pbc=True)
    while symbols:
        trial = atoms + Atoms(symbols[-1:], positions=rng.random((1, 3)) @ np.asarray(cell))
        if len(atoms) == 0 or trial.get_distances(-1, range(len(atoms)), mic=True).min() > least_angstrom:
            atoms, symbols = trial, symbols[:-1]
    return atoms


def molten(atoms: Atoms, method: CHGNetMethod, folder: Path, seed: int) -> Atoms:
    """Relax a packing, melt it at 1000 K, and leave it where it is."""
    atoms = atoms.copy()
    atoms.calc = method.calculator()
    FIRE(atoms, logfile=None).run(fmax=1.0, steps=25)
    hot = thermal_frames(
        atoms,
        atoms.calc,
        method.identity.key,
        folder,
        temperature_K=1000.0,
        seed=seed,
        n_settle=30,
        n_frames=1,
        steps_between=10,
    )
    atoms = Atoms(hot.numbers, positions=hot.all_positions[-1], cell=hot.cells, pbc=True)
    atoms.wrap()
    return atoms


def lithium_sulfide() -> Atoms:
    """81 atoms of antifluorite: the primitive cell, three times in each direction."""
    half = 0.5 * load_phase("Li2S").cell[0, 0]
    cell = half * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    return Atoms("SLi2", scaled_positions=[[0, 0, 0], [0.25] * 3, [0.75] * 3], cell=cell, pbc=True) * 3


def with_dissolved_phosphorus(atoms: Atoms, seed: int, n_phosphorus: int = 2) -> Atoms:
    """P in the place of some S, and for each one Li more in the octahedral hole beside it."""
    atoms = atoms.copy()
    hole = 0.5 * load_phase("Li2S").cell[0, 0] * np.array([1.0, 0.0, 0.0])
    for site in np.random.default_rng(seed).choice(np.flatnonzero(atoms.numbers == 16), n_phosphorus, replace=False):
        atoms.numbers[site] = 15
        atoms += Atoms("Li", positions=[atoms.positions[site] + hole])
    return atoms


def glass(method: CHGNetMethod, folder: Path, seed: int) -> Atoms:
    """Li2S and Li3P, 11 : 3, as the full reaction makes them, molten."""
    return molten(random_packing(GLASS, GLASS_ANGSTROM * np.eye(3), seed), method, folder, seed)


def composite_slab(method: CHGNetMethod, folder: Path, seed: int) -> Atoms:
    """Lithium | molten Li2S and Li3P | crystalline Li2S, in one square cell, periodic along z."""
    crystal = load_phase("Li2S")
    turned = make_supercell(crystal, [[1, 1, 0], [-1, 1, 0], [0, 0, 2]], wrap=True)
    turned.set_cell(np.diag(turned.cell.lengths()), scale_atoms=True)
    metal = make_supercell(load_phase("Li"), [[2, 1, 0], [-1, 2, 0], [0, 0, 4]], wrap=True)
    side = turned.cell[0, 0]
    metal.set_cell(np.diag([side, side, metal.cell.lengths()[2]]), scale_atoms=True)
    product = molten(random_packing("Li17S7P", np.diag([side, side, 9.0]), seed), method, folder, seed)
    gap, z = 2.2, 0.0
    parts = []
    for part in (metal, product, turned):
        part = part.copy()
        part.wrap()
        part.positions[:, 2] += z - part.positions[:, 2].min()
        z = part.positions[:, 2].max() + gap
        parts.append(part)
    slab = parts[0] + parts[1] + parts[2]
    slab.set_cell(np.diag([side, side, z]))
    return slab


def make(temperature_K: int) -> None:
    """Make the references of a temperature and the runs that are compared with them; existing files are kept."""
    method = CHGNetMethod()
    scratch = Path(tempfile.gettempdir()) / f"phase_runs_{temperature_K}"
    end = "" if temperature_K == 300 else f"_{temperature_K}K"
    references = FOLDER / f"references_{temperature_K}.npz"
    if not references.exists():
        made = computed_references(
            ["Li2S", "Li3P", "LiP"],
            electrode="Li",
            electrolyte="Li7P3S11",
            temperature_K=float(temperature_K),
            settings=Settings(root=scratch),
        )
        references.write_bytes(packed_references(made))
    builds = {
        "Li2S": lithium_sulfide,
        "Li3P": lambda: load_phase("Li3P") * (2, 2, 1),
        "P_in_Li2S": partial(with_dissolved_phosphorus, load_phase("Li2S") * (2, 2, 1), SEED, 1),
        "amorphous": partial(glass, method, scratch, SEED),
    }
    if temperature_K == 300:
        for number, seed in enumerate(SLAB_SEEDS, start=1):
            builds["slab" if number == 1 else f"slab_{number}"] = partial(composite_slab, method, scratch, seed)
        builds["Li7P3S11"] = partial(load_phase, "Li7P3S11")
        builds["LiP"] = lambda: load_phase("LiP") * (2, 1, 1)
        builds["Li"] = lambda: load_phase("Li") * 2
    for name, build in builds.items():
        target = FOLDER / f"test_{name}{end}.npz"
        if target.exists():
            continue
        n_settle, n_frames, steps_between = LONG if (name, temperature_K) == ("Li2S", 300) else SHORT
        frames = thermal_frames(
            build(),
            method.calculator(),
            method.identity.key,
            scratch,
            temperature_K=float(temperature_K),
            seed=SEED,
            n_settle=n_settle,
            n_frames=n_frames,
            steps_between=steps_between,
        )
        write_frames(target, frames)
        print(name, frames.n_atoms, flush=True)


def frames_of(name: str, temperature_K: int = 300) -> ArrayFrames:
    """Read a run that was kept."""
    return read_frames(FOLDER / f"test_{name}{'' if temperature_K == 300 else f'_{temperature_K}K'}.npz")


if __name__ == "__main__":
    make(int(sys.argv[1]))
