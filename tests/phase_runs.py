"""Thermal runs with CHGNet that the tests of phase labels read: `python tests/phase_runs.py train` makes them.

They are kept in `tests/physics/data/phases`, because making them takes a quarter of an hour. Training and test runs
share neither velocities, nor the packing of the amorphous cells, nor the sites of dissolved P.
"""

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import make_supercell
from ase.optimize import FIRE

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.md.phase_references.thermal_runs import read_frames, thermal_frames, write_frames
from interphase_flows.reference.chgnet import CHGNetMethod
from interphase_flows.structures.crystals.library import load_phase

FOLDER = Path(__file__).parent / "physics" / "data" / "phases"
SEEDS = {"train": (11, 12), "test": (92,)}
SLAB_SEEDS = {"train": (11, 57), "test": (92, 23)}
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


def make(which: str) -> None:
    """Run everything of one set of seeds and keep it under the phase's name; what is there stays."""
    method = CHGNetMethod()
    scratch = Path(tempfile.gettempdir()) / f"phase_runs_{which}"

    def run(name: str, seed: int, build: Callable[[], Atoms], steps: tuple[int, int, int] = SHORT) -> None:
        target = FOLDER / f"{which}_{name}.npz"
        if target.exists():
            return
        n_settle, n_frames, steps_between = steps
        frames = thermal_frames(
            build(),
            method.calculator(),
            method.identity.key,
            scratch,
            seed=seed,
            n_settle=n_settle,
            n_frames=n_frames,
            steps_between=steps_between,
        )
        write_frames(target, frames)
        print(name, frames.n_atoms, flush=True)

    for copy, seed in enumerate(SEEDS[which], start=1):
        ending = "" if copy == 1 else f"_{copy}"
        if copy == 1:
            run("Li2S", seed, lithium_sulfide, LONG)
        run(f"Li3P{ending}", seed, lambda: load_phase("Li3P") * (2, 2, 1))
        run(
            f"P_in_Li2S{ending}",
            seed,
            partial(with_dissolved_phosphorus, load_phase("Li2S") * (2, 2, 1), seed, 1),
        )
        run(f"amorphous{ending}", seed, partial(glass, method, scratch, seed))
    for copy, seed in enumerate(SLAB_SEEDS[which], start=1):
        run("slab" if copy == 1 else f"slab_{copy}", seed, partial(composite_slab, method, scratch, seed))
    if which == "test":
        run("Li7P3S11", SEEDS[which][0], lambda: load_phase("Li7P3S11"))
        run("LiP", SEEDS[which][0], lambda: load_phase("LiP") * (2, 1, 1))
        run("Li", SEEDS[which][0], lambda: load_phase("Li") * 2)


def frames_of(which: str, name: str) -> ArrayFrames:
    """Read a run that was kept."""
    return read_frames(FOLDER / f"{which}_{name}.npz")


if __name__ == "__main__":
    make(sys.argv[1])
