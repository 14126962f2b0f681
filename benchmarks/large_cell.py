"""Molecular dynamics of an interface of 100,000 atoms with a trained committee, and its analysis: time and memory.

Run: ``python benchmarks/large_cell.py MODEL.ckpt MODEL.ckpt ... [--graph-folder FOLDER] [--steps 200]``. The
checkpoints are those of a committee of Li, P and S with the default architecture, such as
``runs/.../artifacts/models/*/*.ckpt`` of the quickstart. One thread. The run is at zero pressure along z and 300 K, after
at most 20 steps of relaxation, with frames and uncertainties every 20 steps and one checkpoint; its trajectory is then
analysed as a stream. The goal is 8 GB.

Results: atoms, seconds of CPU time per step, atom-steps per second, largest memory after dynamics and after the analysis,
size of the trajectory, and what the analysis found.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import torch
from compiled_md import graph_in

from interphase_flows.analysis.pipeline.interface_analysis import analyse_interface
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings, composition_of
from interphase_flows.analysis.results import Unavailable
from interphase_flows.md.dynamics import LangevinNPT
from interphase_flows.md.segment import run_segment
from interphase_flows.md.start_relaxation import StartRelaxation
from interphase_flows.md.uncertainty_monitor import UncertaintyMonitor
from interphase_flows.potentials.compiled.committee import CompiledNequIPCommittee
from interphase_flows.potentials.quiet import quiet_training
from interphase_flows.structures.interfaces.production_cells import ProductionCellSpec, build_production_cell

GOAL_GB = 8.0
INTERVAL_STEPS = 20
PARTS = ("boundaries", "profiles", "displacement", "growth")


def peak_GB() -> float:
    """Return the largest memory of this process until now."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    """Build the cell, run it, analyse it, and print time and memory of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, help="checkpoints of the committee")
    parser.add_argument("--graph-folder", type=Path, help="folder of the compiled graph, kept for the next run")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--lateral-angstrom", type=float, default=145.0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    spec = ProductionCellSpec(lateral_angstrom=options.lateral_angstrom)
    started = time.process_time()
    atoms = build_production_cell(spec).atoms
    print(f"{len(atoms)} atoms, built in {time.process_time() - started:.1f} s, {peak_GB():.2f} GB", flush=True)
    with tempfile.TemporaryDirectory() as temporary, quiet_training(1):
        graph = graph_in(options.graph_folder or Path(temporary))
        committee = CompiledNequIPCommittee(options.models, graph.path, graph.constants)
        monitor = UncertaintyMonitor(
            interval_steps=INTERVAL_STEPS, select_force_std_eV_per_angstrom=None, stop_force_std_eV_per_angstrom=None
        )
        started = time.process_time()
        result = run_segment(
            atoms,
            committee,
            LangevinNPT(temperature_K=300.0, timestep_fs=2.0, axes="normal"),
            options.steps,
            1,
            Path(temporary) / "run",
            monitor,
            frame_interval_steps=INTERVAL_STEPS,
            checkpoint_interval_steps=options.steps // 2,
            relaxation=StartRelaxation(max_steps=20),
        )
        cpu_s = time.process_time() - started
        n_bytes = result.trajectory.stat().st_size
        speed = len(atoms) * options.steps / cpu_s
        print(
            f"{options.steps} steps, frames and {committee.n_members} members every {INTERVAL_STEPS}: "
            f"{result.stop_reason}, {cpu_s / options.steps:.2f} s of CPU time per step, {speed:,.0f} atom-steps/s, "
            f"{peak_GB():.2f} GB (goal {GOAL_GB:g}), trajectory {n_bytes / 1e6:.1f} MB",
            flush=True,
        )
        started = time.process_time()
        settings = InterfaceAnalysisSettings(
            composition_of(spec.electrode), composition_of(spec.electrolyte), temperature_K=300.0, parts=PARTS
        )
        found = analyse_interface(result.trajectory, settings)
        print(f"analysis in {time.process_time() - started:.1f} s, {peak_GB():.2f} GB in all")
        for name, part in found.parts.items():
            print(f"  {name}: {part if isinstance(part, Unavailable) else 'found'}")


if __name__ == "__main__":
    main()
