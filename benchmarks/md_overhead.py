"""Overhead of the integration loop and the uncertainty monitor over the bare potential: NequIP, 66 atoms (Li, P, S).

Run: ``python benchmarks/md_overhead.py [--checkpoint best.ckpt] [--quick]``. Without a checkpoint the model is the small
one of the package (two layers, l_max 1, 16 features) with random, scaled-down weights, and the cell is cold so that it
is stable; the cost of a call does not depend on either. Rounds alternate; medians of their ratios are printed, of wall
time and of CPU time, which depends less on other load. Starting and packing a segment is included. Goals: loop 1.10,
monitor with four members 1.30.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from nequip.integrations.ase import NequIPCalculator
from nequip.integrations.utils import basic_transforms
from nequip.model import NequIPGNNModel
from nequip.utils.global_state import set_global_state

from interphase_flows.md.dynamics import LangevinNVT
from interphase_flows.md.segment import run_segment
from interphase_flows.md.uncertainty_monitor import CalculatorCommittee, UncertaintyMonitor

TYPES = ["Li", "P", "S"]
CUTOFF_ANGSTROM = 5.0
N_MEMBERS = 4
QUIET = {"select_force_std_eV_per_angstrom": None, "stop_force_std_eV_per_angstrom": None}


def cell_of_66_atoms() -> Atoms:
    """Return expanded bcc lithium with some atoms substituted by phosphorus and sulfur."""
    atoms = bulk("Li", "bcc", a=3.6, cubic=True) * (4, 3, 3)
    del atoms[66:]
    symbols = np.array(atoms.get_chemical_symbols())
    symbols[np.random.default_rng(0).permutation(66)[:28]] = ["P"] * 6 + ["S"] * 22
    atoms.set_chemical_symbols(symbols.tolist())
    return atoms


def random_model(seed: int) -> Calculator:
    """Build a small NequIP model with random weights."""
    model = NequIPGNNModel(
        seed=seed,
        model_dtype="float32",
        type_names=TYPES,
        r_max=CUTOFF_ANGSTROM,
        num_bessels=8,
        bessel_trainable=False,
        polynomial_cutoff_p=6,
        num_layers=2,
        l_max=1,
        parity=False,
        num_features=16,
        radial_mlp_depth=1,
        radial_mlp_width=32,
        avg_num_neighbors=30.0,
        per_type_energy_scales=dict.fromkeys(TYPES, 1e-4),
        per_type_energy_shifts=dict.fromkeys(TYPES, 0.0),
    )
    names = {name: name for name in TYPES}
    transforms = basic_transforms({}, CUTOFF_ANGSTROM, TYPES, names)
    return NequIPCalculator(model.eval(), "cpu", transforms=transforms)


def load(checkpoint: Path | None, member: int) -> Calculator:
    """Return a committee member: the trained model, or one with random weights."""
    if checkpoint is None:
        return random_model(member)
    return NequIPCalculator._from_saved_model(checkpoint, compile_mode="eager", chemical_species_to_atom_type_map=True)


def bare_calls(atoms: Atoms, calculator: Calculator, n_steps: int) -> None:
    """Call only the calculator, at changing positions."""
    moving = atoms.copy()
    generator = np.random.default_rng(0)
    for _ in range(n_steps):
        moving.positions += 1e-3 * generator.standard_normal(moving.positions.shape)
        calculator.calculate(moving, ["energy", "forces"], ["positions"])


def segment(atoms: Atoms, committee: CalculatorCommittee, monitor: UncertaintyMonitor, n_steps: int) -> None:
    """Run a new segment with frames, checkpoints and monitor."""
    dynamics = LangevinNVT(temperature_K=5.0)
    with tempfile.TemporaryDirectory() as folder:
        result = run_segment(atoms, committee, dynamics, n_steps, 1, Path(folder), monitor)
    if result.stop_reason != "finished":
        raise SystemExit(f"the segment ended at step {result.stop_step}: {result.stop_reason}, {result.detail}")


def seconds(action: Callable[[], None]) -> tuple[float, float]:
    """Return wall and CPU time of one call."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - wall_s, time.process_time() - cpu_s


def main() -> None:
    """Print milliseconds per step and both ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--checkpoint", type=Path, help="a trained NequIP model for Li, P and S")
    parser.add_argument("--quick", action="store_true", help="fewer steps and rounds")
    options = parser.parse_args()
    n_steps, n_rounds = (300, 3) if options.quick else (1000, 5)
    torch.set_num_threads(1)
    set_global_state()
    atoms = cell_of_66_atoms()
    members = [load(options.checkpoint, k) for k in range(N_MEMBERS)]
    one, all_ = CalculatorCommittee(members[:1]), CalculatorCommittee(members)
    monitor = UncertaintyMonitor(**QUIET)
    actions = {
        "bare calls": lambda: bare_calls(atoms, members[0], n_steps),
        "segment, one model": lambda: segment(atoms, one, monitor, n_steps),
        f"segment, {N_MEMBERS} members": lambda: segment(atoms, all_, monitor, n_steps),
    }
    for action in actions.values():  # the first calls fill caches
        action()
    rounds = np.array([[seconds(action) for action in actions.values()] for _ in range(n_rounds)])
    medians = np.median(rounds, axis=0)  # (actions, wall and CPU)
    for name, (wall_s, cpu_s) in zip(actions, medians, strict=True):
        print(f"{name:24}{1000 * wall_s / n_steps:8.2f} ms/step wall{1000 * cpu_s / n_steps:8.2f} ms/step CPU")
    loop = np.median(rounds[:, 1] / rounds[:, 0], axis=0)
    monitoring = np.median(rounds[:, 2] / rounds[:, 1], axis=0)
    print(f"loop over bare calls    {loop[0]:8.3f} wall{loop[1]:16.3f} CPU   goal 1.10")
    print(f"monitor over one model  {monitoring[0]:8.3f} wall{monitoring[1]:16.3f} CPU   goal 1.30")
    print(f"(the monitor evaluates the committee every {monitor.interval_steps} steps)")


if __name__ == "__main__":
    main()
