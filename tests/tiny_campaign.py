"""A tiny campaign without replaced parts, and the command line in a subprocess."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

TINY = """
name: tiny
seed: 1
electrode: Li
electrolyte: Li7P3S11
phases: [Li, Li2S, Li7P3S11]
hull_phases: [P, S, Li3P, LiP]
structures:
  crystals: {n_per_phase: 2, min_atoms: 8}
  equations_of_state: {n_volumes: 5, n_rattled_per_volume: 0}
  amorphous:
    electrode_fractions: [0.5]
    n_per_fraction: 1
    n_atoms: 22
    melt_steps: 2
    quench_steps: 2
    snapshot_interval_steps: 1
  interfaces:
    max_atoms: 66
    snapshots: {temperatures_K: [300, 400, 500], n_steps: 2, snapshot_interval_steps: 1}
committee:
  n_members: 2
  compiled: off
  model: {n_features: 4, n_layers: 1, cutoff_angstrom: 4.0}
  training: {max_epochs: 4, warm_start_epochs: 3}
exploration:
  steps_per_iteration: 20
  frame_interval_steps: 2
  uncertainty_interval_steps: 5
  checkpoint_interval_steps: 5
  n_interface_walkers: 1
  n_melt_quench_walkers: 1
  melt_quench: {electrode_fractions: [0.5], n_atoms: 22, melt_steps: 10, quench_steps: 10}
  runaway_temperature_factor: 20
learning:
  max_iterations: 2
  labels_per_iteration: 3
  audit_labels_per_iteration: 2
  select_force_error_eV_per_angstrom: 0.1
  stop_force_error_eV_per_angstrom: 20
production:
  dynamics: {ensemble: nvt}
  relaxation: {max_steps: 3}
  n_replicas: 2
  n_segments: 2
  steps_per_segment: 10
  frame_interval_steps: 5
  uncertainty_interval_steps: 5
  checkpoint_interval_steps: 5
analysis:
  phase_references: {n_settle: 2, n_frames: 3, steps_between: 2, n_melt: 2}
"""

RUN_WITHOUT_REPORT = """
import sys
from pathlib import Path
from interphase_flows.campaign.schema import Campaign
from interphase_flows.runners.local.campaign import run_campaign
from interphase_flows.runtime.local_workers import default_workers
from interphase_flows.settings import load_settings

settings = load_settings(root=Path(sys.argv[2]))
run_campaign(Campaign.from_file(Path(sys.argv[1])), settings, n_workers=default_workers(settings))
"""


def interphase(*arguments: str, check: bool = True, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line in a subprocess."""
    return subprocess.run(
        command(arguments),
        capture_output=True,
        text=True,
        check=check,
        env=environment(),
        cwd=cwd,
        timeout=600,
    )


def run_without_report(file: Path, root: Path, variables: Mapping[str, str] = {}) -> None:
    """Run or resume a campaign to its end in a subprocess, by the function for Python, which writes no report."""
    subprocess.run(
        [sys.executable, "-c", RUN_WITHOUT_REPORT, str(file), str(root)],
        capture_output=True,
        text=True,
        check=True,
        env=environment() | variables,
        timeout=600,
    )


def run_once(file: Path, folder: Path) -> Path:
    """Run the campaign once in a folder that test processes share, and return its root; later processes wait."""
    root = folder / "finished"
    is_done = folder / "finished.done"
    with (folder / "finished.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        if not is_done.exists():
            interphase("run", str(file), "--root", str(root))
            is_done.touch()
    return root


def command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "interphase_flows.cli", *arguments]


def environment() -> dict[str, str]:
    # one thread, for bitwise reproducible sums and tests that do not compete for cores
    return {"INTERPHASE_N_WORKERS": "1"} | os.environ | {"INTERPHASE_N_THREADS": "1", "OMP_NUM_THREADS": "1"}
