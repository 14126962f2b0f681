"""Speed of molecular dynamics with compiled potentials, at several numbers of atoms (Li, P, S), on one thread.

Run: ``python benchmarks/compiled_md.py [--folder FOLDER] [--quick]``. The model is the default one with random weights
and small energies, which do not change the cost of a call. The graph is compiled first (75 s) unless ``--folder`` has one
already. Rounds alternate, and medians of their ratios are printed: segments with the compiled and the eager
model, segments with a compiled committee that the monitor evaluates at its default interval, and bare calls of NequIP's
calculator with the graph, neighbour list included. Starting and packing a segment, which does not depend on its length,
is measured with a short segment, printed and subtracted. Goals: segment over bare calls 0.93, 0.85 at 84 atoms; compiled
over eager 3.5 at 84 atoms, 2.2 at 2,700; committee of four over one model 1.2.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from nequip.integrations.ase import NequIPCalculator

from interphase_flows.md.dynamics import LangevinNVT
from interphase_flows.md.segment import run_segment
from interphase_flows.md.uncertainty_monitor import UncertaintyMonitor
from interphase_flows.potentials.committee import NequIPCommittee
from interphase_flows.potentials.compiled.architecture import loaded_tensors
from interphase_flows.potentials.compiled.calculator import CompiledNequIPCalculator, load_graph
from interphase_flows.potentials.compiled.compiler import GRAPH_SUFFIX, GraphFile, compile_graph
from interphase_flows.potentials.compiled.graph_keys import architecture_key, graph_key
from interphase_flows.potentials.compiled.verification import random_calculator, verify_graph
from interphase_flows.potentials.quiet import quiet_training
from interphase_flows.potentials.spec import NequIPSpec

ELEMENTS = ["Li", "P", "S"]
SPEC = NequIPSpec()
N_MEMBERS = 4
REPEATS = {84: (7, 3, 2), 750: (5, 5, 15), 2700: (15, 10, 9), 10_000: (20, 25, 10)}
ATOM_STEPS = 60_000
"""Atoms times steps of one measurement."""
LEAST_STEPS = 40
SHORT_STEPS = 10
"""Steps of the segment whose time is that of start and end."""
QUIET = UncertaintyMonitor(
    select_force_std_eV_per_angstrom=None,
    stop_force_std_eV_per_angstrom=None,
    close_contact_fraction=0.2,
    max_temperature_factor=1000.0,
    grace_factor=1000.0,
)


class Members(NequIPCommittee):
    """A committee of calculators in memory."""

    def __init__(self, calculators: Sequence[NequIPCalculator]) -> None:
        self._calculators = list(calculators)


def cell_of(n_atoms: int) -> Atoms:
    """Return expanded bcc lithium with some atoms substituted by phosphorus and sulfur."""
    atoms = bulk("Li", "bcc", a=3.6, cubic=True) * REPEATS[n_atoms]
    symbols = np.array(atoms.get_chemical_symbols())
    replaced = np.random.default_rng(0).permutation(n_atoms)[: 2 * n_atoms // 5]
    symbols[replaced] = ["P" if i % 5 == 0 else "S" for i in range(len(replaced))]
    atoms.set_chemical_symbols(symbols.tolist())
    return atoms


def quiet_model(seed: int) -> NequIPCalculator:
    """Return a model with random weights and small energies."""
    calculator = random_calculator(SPEC, ELEMENTS, seed)
    for name, tensor in loaded_tensors(calculator.model).items():
        if name.endswith(".scales"):
            tensor.mul_(1e-4)
    return calculator


def graph_in(folder: Path) -> GraphFile:
    """Return the graph of the model, compiled on the first call for this type of machine."""
    key = graph_key(architecture_key(SPEC, ELEMENTS), "cpu", 1)
    stored = folder / f"{key}{GRAPH_SUFFIX}"
    constants = stored.with_suffix(".json")
    if not constants.is_file():
        started = time.perf_counter()
        made = compile_graph(SPEC, ELEMENTS, "cpu", 1, folder)
        made.path.rename(stored)
        constants.write_text(json.dumps(made.constants))
        print(f"compiled in {time.perf_counter() - started:.0f} s")
    return GraphFile(stored, json.loads(constants.read_text()))


def bare_calls(atoms: Atoms, calculator: Calculator, n_steps: int) -> None:
    """Call only the calculator, at changing positions."""
    moving = atoms.copy()
    generator = np.random.default_rng(0)
    for _ in range(n_steps):
        moving.positions += 1e-3 * generator.standard_normal(moving.positions.shape)
        calculator.calculate(moving, ["energy", "forces"], ["positions"])


def segment(atoms: Atoms, committee: NequIPCommittee, n_steps: int) -> None:
    """Run a new segment with frames, checkpoints and monitor."""
    with tempfile.TemporaryDirectory() as folder:
        result = run_segment(atoms, committee, LangevinNVT(temperature_K=50.0), n_steps, 1, Path(folder), QUIET)
    if result.stop_reason != "finished":
        raise SystemExit(f"the segment ended at step {result.stop_step}: {result.stop_reason}, {result.detail}")


def seconds(action: Callable[[], None]) -> float:
    """Return the CPU time of one call, which depends less on other load than the wall time."""
    started_s = time.process_time()
    action()
    return time.process_time() - started_s


def swap_ms(members: Sequence[CompiledNequIPCalculator], graph: Path) -> float:
    """Return the time to load the parameters of another member."""
    loaded = load_graph(graph)
    started_s = time.perf_counter()
    for _ in range(50):
        for member in members:
            loaded.load(member.constants)
    return 1000 * (time.perf_counter() - started_s) / (50 * len(members))


def main() -> None:
    """Print steps per second of CPU time and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, help="folder of the graph, kept for the next run")
    parser.add_argument("--quick", action="store_true", help="fewer steps and rounds")
    options = parser.parse_args()
    atom_steps, n_rounds = (ATOM_STEPS // 3, 3) if options.quick else (ATOM_STEPS, 5)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary, quiet_training(1):
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        graph = graph_in(folder)
        errors = verify_graph(graph, SPEC, ELEMENTS, "cpu", 1)
        eager = [quiet_model(seed) for seed in range(N_MEMBERS)]
        stock = NequIPCalculator(load_graph(graph.path).model, "cpu", transforms=eager[0].transforms)
        compiled = [CompiledNequIPCalculator(load_graph(graph.path), graph.constants, each) for each in eager]
        for other in compiled[1:]:
            other.share_pairs(compiled[0])  # as in the committee of a campaign
        print(f"largest difference of a force to the eager model: {errors.force_eV_per_angstrom:.1e} eV/Å")
        print(f"parameters of another member loaded in {swap_ms(compiled, graph.path):.2f} ms (goal 10)")
        print("steps per second of CPU time; ratios", flush=True)
        print(
            f"{'atoms':>6}{'bare':>9}{'compiled':>10}{'of four':>9}{'eager':>8}{'/bare':>9}{'/eager':>8}{'four/one':>10}"
            f"{'start and end, s':>18}"
        )
        for n_atoms in REPEATS:
            atoms, n_steps = cell_of(n_atoms), max(LEAST_STEPS, atom_steps // n_atoms)
            actions: list[Callable[[], None]] = [
                lambda a=atoms, n=n_steps: bare_calls(a, stock, n),
                *(
                    lambda a=atoms, n=n, members=members: segment(a, Members(members), n)
                    for members in (compiled[:1], compiled, eager[:1])
                    for n in (SHORT_STEPS, SHORT_STEPS + n_steps)
                ),
            ]
            bare_calls(atoms, stock, 3)  # the first calls fill caches
            bare_calls(atoms, eager[0], 3)
            rounds = np.array([[seconds(action) for action in actions] for _ in range(n_rounds)])
            bare, short = rounds[:, 0], rounds[:, 1::2]
            one, four, slow = (rounds[:, 2::2] - short).T
            speeds = n_steps / np.median([bare, one, four, slow], axis=1)
            print(
                f"{n_atoms:6}{speeds[0]:9.1f}{speeds[1]:10.1f}{speeds[2]:9.1f}{speeds[3]:8.1f}"
                f"{np.median(bare / one):9.2f}{np.median(slow / one):8.2f}{np.median(four / one):10.2f}"
                f"{np.median(short[:, 0]):18.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
