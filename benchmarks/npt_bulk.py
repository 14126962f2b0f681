"""Constant pressure with a real potential: bulk Li and Li2S at 300 K against a scan of the pressure at constant volume.

Run: ``python benchmarks/npt_bulk.py [--potential MODEL.ckpt] [--graph-folder FOLDER] [--steps 20000]
[--scan-steps 20000] [--phases Li Li2S]``. The potential is a checkpoint of Li, P and S with the default architecture,
such as ``runs/.../artifacts/models/*/*.ckpt`` of the quickstart, and is compiled; without one, CHGNet is used (0.1 s per
step).
For each phase, segments at constant volume give the mean pressure at five volumes, a quadratic fit of which gives the
volume at zero pressure and the isothermal bulk modulus there. A segment at zero pressure (isotropic) must have the same
mean length within 0.1 %, or twice its standard error if that is larger, and the variance kB T V / B of the volume.
Standard errors are std sqrt(g / n) with the statistical inefficiency g, of the volume and of its squared deviation. The
mean of the run itself lowers the variance by 1 - g / n, which is corrected.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from compiled_md import graph_in

from interphase_flows.analysis.statistics.autocorrelation import statistical_inefficiency
from interphase_flows.md.cell_rescaling import internal_pressure_eV_per_angstrom3
from interphase_flows.md.dynamics import LangevinDynamics, LangevinNPT, LangevinNVT
from interphase_flows.md.segment import SegmentResult, run_segment
from interphase_flows.md.uncertainty_monitor import CalculatorCommittee, Committee, UncertaintyMonitor
from interphase_flows.potentials.compiled.committee import CompiledNequIPCommittee
from interphase_flows.potentials.quiet import quiet_training
from interphase_flows.reference.registry import reference_method
from interphase_flows.reference.spec import ChgnetSpec
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.perturb import repeated
from interphase_flows.units import GPA_PER_EV_PER_ANGSTROM3, KB_EV_PER_K

TEMPERATURE_K = 300.0
TIMESTEP_FS = 2.0
STRAINS = (-0.03, -0.015, 0.0, 0.015, 0.03)
"""Of the volume, relative to a first estimate of the equilibrium."""
LENGTH_TOLERANCE = 1e-3
INTERVAL_STEPS = 5


class RecordingNVT(LangevinNVT):
    """Constant volume with the mean pressure on record."""

    def cell_observables(self, atoms: Atoms) -> dict[str, float]:
        """Return volume and minus the mean pressure, in place of the normal stress."""
        pressure = internal_pressure_eV_per_angstrom3(atoms).mean()
        return {
            "volume_angstrom3": float(atoms.get_volume()),
            "normal_stress_GPa": -float(pressure) * GPA_PER_EV_PER_ANGSTROM3,
        }


def sample(atoms: Atoms, committee: Committee, dynamics: LangevinDynamics, n_steps: int) -> SegmentResult:
    """Run a segment; the first fifth of its evaluations is equilibration."""
    monitor = UncertaintyMonitor(
        interval_steps=INTERVAL_STEPS, select_force_std_eV_per_angstrom=None, stop_force_std_eV_per_angstrom=None
    )
    with tempfile.TemporaryDirectory() as folder:
        return run_segment(atoms, committee, dynamics, n_steps, 1, Path(folder), monitor, n_steps, n_steps)


def mean_and_error(series: np.ndarray) -> tuple[float, float]:
    """Return the mean and its standard error, with correlation."""
    g = statistical_inefficiency(series)
    return float(series.mean()), float(series.std(ddof=1) * np.sqrt(g / len(series)))


def variance_and_error(series: np.ndarray) -> tuple[float, float]:
    """Return the variance, corrected for the mean of the series itself, and its standard error."""
    share = 1.0 - statistical_inefficiency(series) / len(series)
    mean, error = mean_and_error((series - series.mean()) ** 2)
    return mean / share, error / share


def equilibrated(series: np.ndarray) -> np.ndarray:
    """Return the series without its first fifth."""
    return series[len(series) // 5 :]


def at_volume(atoms: Atoms, volume_angstrom3: float) -> Atoms:
    """Return a copy scaled isotropically."""
    scaled = atoms.copy()
    factor = (volume_angstrom3 / atoms.get_volume()) ** (1 / 3)
    scaled.set_cell(atoms.cell.array * factor, scale_atoms=True)
    return scaled


def compare(phase: str, committee: Committee, n_steps: int, n_scan_steps: int, min_atoms: int) -> None:
    """Print lengths and fluctuations of a phase by both routes."""
    crystal = repeated(load_phase(phase), min_atoms)
    thermostat = {"temperature_K": TEMPERATURE_K, "timestep_fs": TIMESTEP_FS}
    npt = LangevinNPT(**thermostat, axes="isotropic", barostat_time_fs=500.0)
    volumes = equilibrated(sample(crystal, committee, npt, n_steps).volume_angstrom3)
    volume, volume_error = mean_and_error(volumes)
    scan = []
    for strain in STRAINS:
        strained = at_volume(crystal, volume * (1.0 + strain))
        result = sample(strained, committee, RecordingNVT(**thermostat), n_scan_steps // len(STRAINS))
        scan.append(mean_and_error(-equilibrated(result.normal_stress_GPa)))
    pressure = np.array([mean for mean, _ in scan])
    fit = np.poly1d(np.polyfit(STRAINS, pressure, 2))
    zero = float(min(fit.roots.real, key=abs))
    modulus_GPa = -float(fit.deriv()(zero)) * (1.0 + zero)
    length_difference = -zero / 3.0
    error = np.hypot(volume_error / volume, np.mean([e for _, e in scan]) / np.sqrt(len(scan)) / modulus_GPa) / 3.0
    variance = KB_EV_PER_K * TEMPERATURE_K * volume * GPA_PER_EV_PER_ANGSTROM3 / modulus_GPa
    ratio, ratio_error = (value / variance for value in variance_and_error(volumes))
    passed = abs(length_difference) <= max(LENGTH_TOLERANCE, 2.0 * error)
    print(
        f"{phase}: {len(crystal)} atoms, {volume / len(crystal):.3f} Å³ per atom, bulk modulus {modulus_GPa:.1f} GPa; "
        f"length at constant pressure over that of the scan - 1: {length_difference:+.2e} ± {error:.1e} "
        f"(tolerance {LENGTH_TOLERANCE:g}, {'passed' if passed else 'FAILED'}); variance of the volume over kB T V / B: "
        f"{ratio:.2f} ± {ratio_error:.2f}",
        flush=True,
    )


def main() -> None:
    """Compare all phases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--potential", type=Path)
    parser.add_argument("--graph-folder", type=Path, help="folder of the compiled graph, kept for the next run")
    parser.add_argument("--phases", nargs="*", default=["Li", "Li2S"])
    parser.add_argument("--steps", type=int, default=20_000, help="at constant pressure")
    parser.add_argument("--scan-steps", type=int, default=20_000, help="of the five volumes together")
    parser.add_argument("--min-atoms", type=int, default=90)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    committee: Committee
    with tempfile.TemporaryDirectory() as temporary, quiet_training(1):
        if arguments.potential:
            graph = graph_in(arguments.graph_folder or Path(temporary))
            committee = CompiledNequIPCommittee([arguments.potential], graph.path, graph.constants)
        else:
            committee = CalculatorCommittee([reference_method(ChgnetSpec()).calculator()])
        for phase in arguments.phases:
            compare(phase, committee, arguments.steps, arguments.scan_steps, arguments.min_atoms)


if __name__ == "__main__":
    main()
