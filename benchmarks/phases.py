"""Speed of naming anions and labelling atoms, beside freud's own neighbour queries and bond order; ratios are printed.

Run: ``OMP_NUM_THREADS=1 python benchmarks/phases.py [--frames 12] [--repeats 10]``. About 20,000 atoms of lithium,
Li2S, Li3P and Li7P3S11 at about 300 K. What freud does is only the part of the same work that it has functions for:
bonds within a cut-off for the anions; for the labels also the 14 and 10 nearest neighbours and both bond orders of the
anions, and cations near them. Both are compared first.

On one processor, times are those of this process, so that others on the machine do not count. On two, they are those of
the clock over all frames, the best of the repeats: ours with threads over frames, freud with threads of its own. Beside
it stands what two processors would do at most, from the processor time of both threads: on a busy machine the clock tells
of the others.
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
from interphase_flows.analysis.phases.anion_descriptors import anion_descriptors
from interphase_flows.analysis.phases.atom_labels import (
    PhaseModel,
    ThermalReference,
    fit_phase_model,
    label_atoms,
)
from interphase_flows.analysis.speciation.anion_species import classify_environments
from interphase_flows.structures.crystals.library import load_phase

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from freud_descriptors import freud_descriptors, freud_pairs
from li_p_s import LI_P_S, TOLD_BY

GOAL_PER_S = 60.0
REACH_ANGSTROM = 22.0
"""Least width of the cell that freud is given: twice the distance of the farthest neighbour."""
TOLERANCE = 1e-3
"""Of descriptors in a tall cell: freud keeps positions in single precision."""
LONGEST_BOND_ANGSTROM = 2.6
Step = Callable[[np.ndarray, np.ndarray], object]


def phase_model() -> PhaseModel:
    """Fit to crystals that move as the cell does."""
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
        **TOLD_BY,
    )


def on_one(step: Step, frames: ArrayFrames, repeats: int) -> float:
    """Return frames per second of processor time, of the fastest frame."""
    took = []
    for frame in range(min(repeats, frames.n_frames)):
        began = time.process_time()
        step(frames.positions(frame), frames.cell(frame))
        took.append(time.process_time() - began)
    return 1.0 / min(took)


def on_two(step: Step, frames: ArrayFrames, repeats: int, n_threads: int) -> tuple[float, float]:
    """Return frames per second by the clock, the best of the repeats, and of the processor time of all threads."""
    clock, own = [], []
    for _ in range(repeats):
        began = time.perf_counter(), time.process_time()
        for _ in by_frame(frames, range(frames.n_frames), step, n_threads=n_threads):
            pass
        clock.append(time.perf_counter() - began[0])
        own.append(time.process_time() - began[1])
    return frames.n_frames / min(clock), frames.n_frames / min(own)


def main() -> None:
    """Print frames per second and ratios; say whether the goal is met; fail if answers differ."""
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

    own = anion_descriptors(positions[0], cell, anions, ~anions)
    np.testing.assert_allclose(
        own, freud_descriptors(positions[0], cell, anions, ~anions, REACH_ANGSTROM), atol=TOLERANCE
    )
    bonds = pairs_within(positions[0][anions], cell, LONGEST_BOND_ANGSTROM)
    if len(bonds.first) != len(freud_pairs(positions[0][anions], cell, LONGEST_BOND_ANGSTROM)):
        raise SystemExit("freud finds other bonds")
    labels = label_atoms(positions[0], cell, numbers, model)
    shares = np.bincount(labels, minlength=len(model.labels)) / len(labels)
    print(
        f"{len(atoms)} atoms: " + ", ".join(f"{n} {x:.2f}" for n, x in zip(model.labels, shares, strict=True))
    )

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
    print(f"frames/s; on {n_processors} of {available_processors()} processors, by the clock")
    columns = ("ours, 1", "freud, 1", "ratio", "ours, 2", "at most", "freud, 2", "ratio")
    print(f"{'':22}" + "".join(f"{column:>10}" for column in columns))
    found = {}
    for name, (ours, peer) in rows.items():
        one = on_one(ours, frames, frames.n_frames)
        freud.parallel.set_num_threads(1)
        peer_one = on_one(peer, few, 2)
        two, of_both = on_two(ours, frames, arguments.repeats, n_processors)
        freud.parallel.set_num_threads(n_processors)
        peer_two, _ = on_two(peer, few, 2, 1)
        at_most = n_processors * of_both
        found[name] = two, at_most
        values = (one, peer_one, one / peer_one, two, at_most, peer_two, two / peer_two)
        print(f"{name:22}" + "".join(f"{value:10.1f}" for value in values))
    clock, at_most = found["label_atoms"]
    print(
        f"goal: {GOAL_PER_S:g} frames/s of label_atoms on 2 processors; "
        + ("met" if clock >= GOAL_PER_S else "missed by the clock")
        + f", {'within' if at_most >= GOAL_PER_S else 'out of'} reach of the processor time"
    )


if __name__ == "__main__":
    main()
