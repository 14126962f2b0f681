"""Measure which defects of foreign labels the gates catch, and how many good labels they lose.

Run: ``nice python benchmarks/foreign_labels.py [--seed 1] [--frames FILE.extxyz]``. Good labels are CHGNet's, of crystals
(equations of state, strained and rattled copies, dynamics up to 1500 K), melts of several compositions and an interface:
about 250 frames of 2 to 66 atoms in a few minutes. ``--frames`` reads them if the file exists, else writes it.
"""

import argparse
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import kptdensity2monkhorstpack
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import thermalize_momenta
from ase.optimize import FIRE

from interphase_flows.datasets.foreign_labels import check_foreign_labels
from interphase_flows.datasets.gates import Gates, Rejection
from interphase_flows.reference.chgnet import CHGNetMethod
from interphase_flows.reference.k_points import n_irreducible_k_points
from interphase_flows.reference.labelling import RawLabel, method_identity
from interphase_flows.structures.amorphous.mixtures import mixture_packing
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.perturb import equation_of_state, repeated, strained_and_rattled
from interphase_flows.structures.interfaces.small_interfaces import small_interface

CRYSTALS = ("Li", "Li2S", "Li3P", "LiP", "Li3PS4", "Li7P3S11")
HOT = (("Li", 1500.0), ("Li2S", 1200.0), ("Li3P", 1200.0), ("LiP", 1000.0), ("Li7P3S11", 1000.0))
MELTS = (("Li3PS4", 0.0, 24), ("Li3PS4", 0.33, 24), ("Li3P", 0.33, 24), ("Li2S", 0.0, 24), ("Li7P3S11", 0.0, 42))
"""Electrolyte, fraction of atoms from lithium, atoms."""


KINDS = (
    "energy off by 0.6 to 1.3 eV/atom",
    "energy off by 0.4 to 0.6 eV/atom",
    "energy in Hartree",
    "energy in kcal/mol",
    "energy per atom",
    "energy of another structure",
    "other functional",
    "other cutoff",
    "other code",
    "half the k-point density",
    "last SCF step, no statement of convergence",
    "flagged as unconverged",
    "foreign element",
    "dummy atom",
    "no cell",
    "singular cell",
    "not a number",
    "one force off by 1 eV/Å",
    "forces of opposite sign",
    "forces in Hartree/bohr",
    "forces in kcal/mol/Å",
    "forces in another order",
    "forces of another structure",
    "stress in GPa",
    "stress in kbar",
    "stress of opposite sign",
    "overlapping atoms",
    "all P and S exchanged",
    "one P and one S exchanged",
    "one Li and one S exchanged",
)
STRONG_EV_PER_ANGSTROM, STRONG_STRESS_EV_PER_ATOM = 0.5, 0.5
"""Root mean squares of forces, and of stress times volume, below which their defects are not planted."""

K_POINTS = {"k_density_per_inverse_angstrom": 3.0, "gamma_above_atoms": 200}


def labelled(atoms: Atoms) -> Atoms:
    """Return a copy with the label of CHGNet."""
    raw = CHGNetMethod().label(atoms)
    return with_results(atoms, raw.energy_eV, raw.forces_eV_per_angstrom, raw.stress_eV_per_angstrom3)


def with_results(atoms: Atoms, energy_eV: float, forces: np.ndarray, stress: np.ndarray) -> Atoms:
    """Return a copy with a label."""
    frame = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    frame.calc = SinglePointCalculator(frame, energy=float(energy_eV), forces=np.array(forces), stress=np.array(stress))
    return frame


def good_labels(seed: int, path: Path | None = None) -> list[Atoms]:
    """Return frames with labels, from a file if it exists."""
    if path is not None and path.is_file():
        frames = read(path, ":")
    else:
        frames = [labelled(atoms) for atoms in structures(seed)] + list(dynamics(seed))
        if path is not None:
            write(path, frames)
    limit = Gates().max_force_eV_per_angstrom
    return [atoms for atoms in frames if np.linalg.norm(atoms.get_forces(), axis=1).max() < limit]


def structures(seed: int) -> Iterator[Atoms]:
    """Yield structures to label."""
    for number, name in enumerate(CRYSTALS):
        crystal = load_phase(name)
        yield from equation_of_state(crystal, 5, 0.06)
        for strain, rattle in ((0.03, 0.05), (0.08, 0.02), (0.02, 0.12)):
            yield from strained_and_rattled(crystal, 6, strain, rattle, seed=100 * seed + number, min_atoms=8)
    yield from strained_and_rattled(small_interface().atoms, 3, 0.02, 0.03, seed=seed)
    yield load_phase("Li2S").repeat((2, 1, 1))


def dynamics(seed: int) -> Iterator[Atoms]:
    """Yield frames of hot crystals and melts, with labels."""
    starts = [(repeated(load_phase(name), 16), temperature_K) for name, temperature_K in HOT]
    for number, (electrolyte, fraction, n_atoms) in enumerate(MELTS):
        packing = mixture_packing(fraction, n_atoms, 10 * seed + number, load_phase("Li"), load_phase(electrolyte))
        starts.append((packing, 1500.0))
    generator = np.random.default_rng(seed)
    for atoms, temperature_K in starts:
        atoms.calc = CHGNetMethod().calculator()
        FIRE(atoms, logfile=None).run(fmax=3.0, steps=60)
        thermalize_momenta(atoms, temperature_K=temperature_K, rng=generator)
        moving = Langevin(
            atoms, 2.0 * units.fs, temperature_K=temperature_K, friction=0.02 / units.fs, rng=generator, fixcm=False
        )
        for _ in range(10):
            moving.run(8)
            yield with_results(atoms, atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress())


DETAILS = {"code": "VASP", "functional": "PBE", "cutoff_eV": 520.0, "max_scf_steps": 60, "n_scf_steps": 20}
METHOD = method_identity("pbe", "VASP", "6", {"functional": "PBE", "cutoff_eV": 520.0, **K_POINTS})


def with_details(atoms: Atoms) -> RawLabel:
    """Return the label of a frame as a reader of VASP's files would."""
    mesh = kptdensity2monkhorstpack(atoms, K_POINTS["k_density_per_inverse_angstrom"], even=False)
    details = {**DETAILS, "n_k_points": n_irreducible_k_points(mesh, atoms)}
    return RawLabel(atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(), None, (), details)


class Planted(NamedTuple):
    """Structure and label with a defect."""

    atoms: Atoms
    raw: RawLabel


def plant(kind: str, atoms: Atoms, raw: RawLabel, other: RawLabel, rng: np.random.Generator) -> Planted | None:
    """Return a copy with a defect, or None if the label does not allow it or the defect changes nothing."""
    atoms, n = atoms.copy(), len(atoms)
    energy, forces, stress = raw.energy_eV, raw.forces_eV_per_angstrom.copy(), raw.stress_eV_per_angstrom3.copy()
    details, converged = dict(raw.details), None
    sign, atom, axis = rng.choice([-1, 1]), rng.integers(n), rng.integers(3)
    strong = float(np.sqrt(np.mean(forces**2))) > STRONG_EV_PER_ANGSTROM
    match kind:
        case "energy off by 0.6 to 1.3 eV/atom":
            energy += sign * n * rng.uniform(0.6, 1.3)
        case "energy off by 0.4 to 0.6 eV/atom":
            energy += sign * n * rng.uniform(0.4, 0.6)
        case "energy in Hartree":
            energy /= units.Hartree
        case "energy in kcal/mol":
            energy *= units.mol / units.kcal
        case "energy per atom":
            energy /= n
        case "energy of another structure":
            energy = other.energy_eV
            if abs(energy - raw.energy_eV) < 0.4 * n:
                return None
        case "other functional":
            details["functional"] = "PBEsol"
        case "other cutoff":
            details["cutoff_eV"] = 400.0
        case "other code":
            details["code"] = "CHGNet"
        case "half the k-point density":
            mesh = kptdensity2monkhorstpack(atoms, 0.5 * K_POINTS["k_density_per_inverse_angstrom"], even=False)
            details["n_k_points"] = n_irreducible_k_points(mesh, atoms)
            if details["n_k_points"] == raw.details["n_k_points"]:
                return None
        case "last SCF step, no statement of convergence":
            details["n_scf_steps"] = details["max_scf_steps"]
        case "flagged as unconverged":
            converged = False
        case "foreign element":
            atoms.numbers[atom] = 17
        case "dummy atom":
            atoms.numbers[atom] = 0
        case "no cell":
            atoms.cell, atoms.pbc = None, False
        case "singular cell":
            atoms.cell[2] = atoms.cell[0] - 2 * atoms.cell[1]
        case "not a number":
            target = (forces[atom], stress, atoms.positions[atom], atoms.cell.array[axis])[rng.integers(4)]
            target[axis] = rng.choice([np.nan, np.inf])
        case "one force off by 1 eV/Å":
            forces[atom, axis] += sign
        case "forces of opposite sign" if strong:
            forces *= -1
        case "forces in Hartree/bohr" if strong:
            forces /= units.Hartree / units.Bohr
        case "forces in kcal/mol/Å" if strong:
            forces *= units.mol / units.kcal
        case "forces in another order" if strong:
            forces = np.roll(forces, n // 2, axis=0)
        case "forces of another structure" if strong and other.forces_eV_per_angstrom.shape == forces.shape:
            forces = other.forces_eV_per_angstrom
        case "stress in GPa":
            stress /= units.GPa
        case "stress in kbar":
            stress /= 0.1 * units.GPa
        case "stress of opposite sign":
            stress *= -1
            if np.sqrt(np.mean(stress**2)) * atoms.get_volume() / n < STRONG_STRESS_EV_PER_ATOM:
                return None
        case "overlapping atoms":
            atoms.positions[atom] = atoms.positions[atom - 1] + 0.5 * np.eye(3)[axis]
        case "all P and S exchanged" if {"P", "S"} <= set(atoms.symbols):
            atoms.numbers = np.select([atoms.numbers == 15, atoms.numbers == 16], [16, 15], atoms.numbers)
        case "one P and one S exchanged" if {"P", "S"} <= set(atoms.symbols):
            one, two = (rng.choice(np.flatnonzero(atoms.numbers == z)) for z in (15, 16))
            atoms.numbers[[one, two]] = 16, 15
        case "one Li and one S exchanged" if {"Li", "S"} <= set(atoms.symbols):
            one, two = (rng.choice(np.flatnonzero(atoms.numbers == z)) for z in (3, 16))
            atoms.numbers[[one, two]] = 16, 3
        case _:
            return None
    return Planted(atoms, RawLabel(energy, forces, stress, converged, (), details))


def measure(frames: Sequence[Atoms], seed: int, n_rounds: int) -> tuple[Counter[str], Counter[str], list[Rejection]]:
    """Plant defects into a tenth of the labels, several times; return planted, caught, and rejections of good labels."""
    rng = np.random.default_rng(seed)
    labels = [with_details(atoms) for atoms in frames]
    planted, caught, lost = Counter[str](), Counter[str](), []
    for _ in range(n_rounds):
        mixed, raws, kinds = list(frames), list(labels), {}
        order = iter(rng.permutation(len(frames)))
        while len(kinds) < len(frames) // 10:
            index, other = next(order), rng.integers(len(frames))
            kind = min(rng.permutation(KINDS), key=lambda each: planted[each] + list(kinds.values()).count(each))
            if found := plant(kind, frames[index], labels[index], labels[other], rng):
                mixed[index], raws[index] = found
                kinds[index] = str(kind)
        for index, rejection in enumerate(check_foreign_labels(mixed, raws, Gates(), METHOD, ("Li", "P", "S"))):
            if index in kinds:
                planted[kinds[index]] += 1
                caught[kinds[index]] += rejection is not None
            elif rejection is not None:
                lost.append(rejection)
    return planted, caught, lost


def main() -> None:
    """Print the caught defects and the lost good labels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--frames", type=Path)
    parser.add_argument("--rounds", type=int, default=25)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module=r"(torch|chgnet|pymatgen)\..*")
    frames = good_labels(options.seed, options.frames)
    alone = check_foreign_labels(frames, [with_details(atoms) for atoms in frames], Gates(), METHOD, ("Li", "P", "S"))
    print(f"good labels lost without defects: {sum(each is not None for each in alone)} of {len(frames)}")
    for atoms, each in zip(frames, alone, strict=True):
        if each is not None:
            print(f"  {atoms.get_chemical_formula()}: {each.reason}: {each.explanation}")
    planted, caught, lost = measure(frames, options.seed, options.rounds)
    n_good = options.rounds * (len(frames) - len(frames) // 10)
    print(f"good labels lost beside defects: {len(lost)} of {n_good}", *{each.explanation for each in lost}, sep="\n  ")
    for kind in KINDS:
        print(f"{kind:45s} {caught[kind]:3d} of {planted[kind]:3d}")


if __name__ == "__main__":
    main()
