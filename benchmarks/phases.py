"""Compare the speed of anion classification and phase labels with freud's neighbour queries and bond order.

Run: ``OMP_NUM_THREADS=1 python benchmarks/phases.py [--frames 12] [--repeats 10]``. The frames have about 20,000 atoms of
lithium, Li2S, Li3P and Li7P3S11 at about 300 K. freud does only a part of the work: bonds within a cutoff for the
anions; for the labels also the 14 and 10 nearest neighbours and both bond orders of the anions, and their cations.
Results are compared first.

On one processor, CPU times are measured. On two, the best wall time of the repeats over all frames is used: the package
runs one frame per thread, freud uses its own threads. The upper bound of two processors, from the CPU time of both
threads, is printed as well, because wall times depend on other load.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import freud
import numpy as np
from interface_cell import interface_cell, moved

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.geometry.neighbours import pairs_within
from interphase_flows.analysis.geometry.parallel import available_processors, by_frame
from interphase_flows.analysis.phases.atom_labels import (
    PhaseModel,
    ThermalReference,
    fit_phase_model,
    label_atoms,
)
from interphase_flows.analysis.speciation.anion_species import classify_environments
from interphase_flows.structures.crystals.library import load_phase

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from freud_descriptors import anion_descriptors, freud_descriptors, freud_pairs
from li_p_s import FIT_ARGUMENTS, LI_P_S

GOAL_PER_S = 60.0
REACH_ANGSTROM = 22.0
"""Smallest width of the cell for freud: twice the distance of the farthest neighbour."""
TOLERANCE = 1e-3
"""Tolerance of descriptors in a tall cell: freud uses single precision."""
LONGEST_BOND_ANGSTROM = 2.6
Step = Callable[[np.ndarray, np.ndarray], object]


def phase_model() -> PhaseModel:
    """Fit a phase model to vibrating crystals."""
    generator = np.random.default_rng(1)

    def run(name: str, repeat: tuple[int, int, int]) -> ThermalReference:
        atoms = load_phase(name) * repeat
        positions = np.array([moved(atoms, generator) for _ in range(4)])
        return ThermalReference(ArrayFrames(atoms.numbers, np.arange(4.0), positions, atoms.cell[:]))

    return fit_phase_model(
        {
            "Li2S": [run("Li2S", (2, 2, 2)) for _ in range(2)],
            "Li3P": [run("Li3P", (3, 3, 2)) for _ in range(2)],
        },
        **FIT_ARGUMENTS,
    )


def on_one(step: Step, frames: ArrayFrames, repeats: int) -> float:
    """Return frames per second of CPU time, of the fastest frame."""
    took = []
    for frame in range(min(repeats, frames.n_frames)):
        start = time.process_time()
        step(frames.positions(frame), frames.cell(frame))
        took.append(time.process_time() - start)
    return 1.0 / min(took)


def on_two(step: Step, frames: ArrayFrames, repeats: int, n_threads: int) -> tuple[float, float]:
    """Return frames per second of wall time and of CPU time of all threads, the best of the repeats."""
    wall_s, cpu_s = [], []
    for _ in range(repeats):
        start = time.perf_counter(), time.process_time()
        for _ in by_frame(frames, range(frames.n_frames), step, n_threads=n_threads):
            pass
        wall_s.append(time.perf_counter() - start[0])
        cpu_s.append(time.process_time() - start[1])
    return frames.n_frames / min(wall_s), frames.n_frames / min(cpu_s)


def main() -> None:
    """Print frames per second, ratios and the goal; fail if results differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=10)
    arguments = parser.parse_args()
    atoms = interface_cell()
    numbers, cell = atoms.numbers, atoms.cell[:]
    generator = np.random.default_rng(0)
    positions = np.array([moved(atoms, generator) for _ in range(arguments.frames)])
    frames = ArrayFrames(numbers, 100.0 * np.arange(arguments.frames), positions, cell)
    few = ArrayFrames(numbers, frames.time_fs[:2], positions[:2], cell)
    anions = numbers != 3
    model = phase_model()

    descriptors = anion_descriptors(positions[0], cell, anions, ~anions)
    np.testing.assert_allclose(
        descriptors, freud_descriptors(positions[0], cell, anions, ~anions, REACH_ANGSTROM), atol=TOLERANCE
    )
    bonds = pairs_within(positions[0][anions], cell, LONGEST_BOND_ANGSTROM)
    if len(bonds.first) != len(freud_pairs(positions[0][anions], cell, LONGEST_BOND_ANGSTROM)):
        raise SystemExit("the bonds of freud differ")
    labels = label_atoms(positions[0], cell, numbers, model)
    shares = np.bincount(labels, minlength=len(model.labels)) / len(labels)
    print(f"{len(atoms)} atoms: " + ", ".join(f"{n} {x:.2f}" for n, x in zip(model.labels, shares, strict=True)))

    def freud_bonds(frame: np.ndarray, cell: np.ndarray) -> None:
        freud_pairs(frame[anions], cell, LONGEST_BOND_ANGSTROM)

    def freud_labels(frame: np.ndarray, cell: np.ndarray) -> None:
        freud_bonds(frame, cell)
        freud_descriptors(frame, cell, anions, ~anions, REACH_ANGSTROM)
        freud_pairs(frame, cell, model.cation_cutoff_angstrom)

    rows: dict[str, tuple[Step, Step]] = {
        "classify_environments": (lambda x, c: classify_environments(x, c, numbers, LI_P_S), freud_bonds),
        "label_atoms": (lambda x, c: label_atoms(x, c, numbers, model), freud_labels),
    }
    n_processors = min(2, available_processors())
    print(f"frames/s; on {n_processors} of {available_processors()} processors, wall time")
    columns = ("package, 1", "freud, 1", "ratio", "package, 2", "bound", "freud, 2", "ratio")
    print(f"{'':22}" + "".join(f"{column:>12}" for column in columns))
    rates = {}
    for name, (package_step, freud_step) in rows.items():
        one = on_one(package_step, frames, frames.n_frames)
        freud.parallel.set_num_threads(1)
        freud_one = on_one(freud_step, few, 2)
        two, cpu_rate = on_two(package_step, frames, arguments.repeats, n_processors)
        freud.parallel.set_num_threads(n_processors)
        freud_two, _ = on_two(freud_step, few, 2, 1)
        bound = n_processors * cpu_rate
        rates[name] = two, bound
        values = (one, freud_one, one / freud_one, two, bound, freud_two, two / freud_two)
        print(f"{name:22}" + "".join(f"{value:12.1f}" for value in values))
    rate, bound = rates["label_atoms"]
    print(
        f"goal: {GOAL_PER_S:g} frames/s of label_atoms on 2 processors; "
        + f"{'met' if rate >= GOAL_PER_S else 'missed'}; the bound from CPU time is "
        + f"{'above' if bound >= GOAL_PER_S else 'below'} it"
    )


if __name__ == "__main__":
    main()
