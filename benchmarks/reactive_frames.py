"""Frames of reacting interfaces, labelled by CHGNet, to test potentials on what they were not trained on.

Run: ``python benchmarks/reactive_frames.py FILE.extxyz --facets 100/011 111/001 [--temperatures 300 500 800]``. Dynamics
of CHGNet runs in one cell for each pair of faces and temperature; the file is written when all have run.
"""

import argparse
import tempfile
import warnings
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from interphase_flows.datasets.frames import read_extxyz
from interphase_flows.md.dynamics import LangevinNVT
from interphase_flows.md.reference_dynamics import reference_snapshots
from interphase_flows.reference.registry import reference_method
from interphase_flows.reference.spec import ChgnetSpec
from interphase_flows.runtime.atomic_files import atomic_path
from interphase_flows.structures.interfaces.oriented_cells import parse_facet
from interphase_flows.structures.interfaces.production_cells import ProductionCellSpec, build_production_cell

N_STEPS, INTERVAL_STEPS = 240, 40
FIRST_SEED = 500

Miller = tuple[int, int, int]


def interface_starts(
    facets: Sequence[tuple[Miller, Miller]], temperatures_K: Sequence[float]
) -> list[tuple[Atoms, float]]:
    """Return one interface with its temperature for each pair of faces (electrode, electrolyte) and temperature."""
    starts = []
    for (electrode, electrolyte), temperature_K in product(facets, temperatures_K):
        spec = ProductionCellSpec(
            electrode_miller=electrode,
            electrolyte_miller=electrolyte,
            electrode_angstrom=12.0,
            electrolyte_angstrom=12.0,
            lateral_angstrom=8.0,
            max_strain=0.05,
        )
        starts.append((build_production_cell(spec).atoms, temperature_K))
    return starts


def chgnet_frames(path: Path, starts: Sequence[tuple[Atoms, float]]) -> list[Atoms]:
    """Return labelled frames of dynamics by CHGNet, which are written to ``path`` in the first call."""
    if not path.is_file():
        calculator = reference_method(ChgnetSpec()).calculator()
        frames: list[Atoms] = []
        for seed, (start, temperature_K) in enumerate(starts, FIRST_SEED):
            dynamics = LangevinNVT(temperature_K=temperature_K, timestep_fs=2.0, friction_per_ps=20.0)
            with tempfile.TemporaryDirectory() as scratch:
                frames += reference_snapshots(start, calculator, dynamics, N_STEPS, INTERVAL_STEPS, seed, Path(scratch))
        with atomic_path(path) as temporary:
            write(temporary, [labelled(frame, calculator) for frame in frames], format="extxyz")
        print(f"{path.name}: {len(frames)} frames, {sum(map(len, frames))} atoms", flush=True)
    return read_extxyz(path)


def labelled(frame: Atoms, calculator: Calculator) -> Atoms:
    """Return a copy with energy, forces and stress."""
    found = frame.copy()
    names = ("energy", "forces", "stress")
    found.calc = SinglePointCalculator(found, **{name: calculator.get_property(name, frame) for name in names})
    return found


def main() -> None:
    """Write the frames."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--facets", nargs="+", required=True, help="faces of electrode and electrolyte, such as 100/011"
    )
    parser.add_argument("--temperatures", type=float, nargs="+", default=[300.0, 500.0, 800.0], help="in K")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module=r"(torch|chgnet|pymatgen)\..*")
    chgnet_frames(options.file, interface_starts([parse_facet(each) for each in options.facets], options.temperatures))


if __name__ == "__main__":
    main()
