"""Measure the speed of an architecture in this process, which does nothing else.

Reads a request as JSON from standard input and writes a `SpeedReport` as the last line of standard output. Potentials
have random parameters, which cost as much as trained ones. Their forces would tear a cell apart, so that dynamics
uses the forces of an Einstein crystal: atoms vibrate about their sites, while the potentials are evaluated in every step.

On processor cores with one thread, times are CPU times, which other load changes less than wall times.
"""

import contextlib
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read
from pydantic import BaseModel

from interphase_flows.campaign.exploration import DynamicsSpec
from interphase_flows.costs.machine_speed import StepTime
from interphase_flows.datasets.baseline import fit_baseline
from interphase_flows.datasets.frames import extxyz_bytes
from interphase_flows.md.segment import run_segment
from interphase_flows.md.uncertainty_monitor import UncertaintyMonitor
from interphase_flows.potentials.spec import NequIPSpec, TrainingSpec
from interphase_flows.reference.chgnet import CHGNetMethod
from interphase_flows.reference.spec import ChgnetSpec
from interphase_flows.runtime.peak_memory import peak_memory_bytes
from interphase_flows.runtime.progress import ProgressEvent, listening

SPRING_EV_PER_ANGSTROM2 = 1.0
"""At 300 K atoms vibrate by 0.16 Å along each axis."""
TARGET_S = 2.0
"""Wanted time of the dynamics of a cell."""
MIN_STEPS, MAX_STEPS = 6, 400
N_CHECKS = 4
"""Evaluations of the committee in a measured segment, at least."""
MEMORY_ATOMS = 4000
"""Atoms of the cell whose memory is measured, about: enough to exceed what loading the potentials takes."""
N_EPOCHS, N_FRAMES = 4, 8
N_LABELS = 3


class SpeedRequest(BaseModel):
    """What to measure. Cells are files of ASE; ``graph`` and ``constants`` are those of a compiled graph, if any."""

    spec: NequIPSpec
    elements: list[str]
    device: str = "cpu"
    n_threads: int = 1
    graph: Path | None = None
    constants: dict[str, str] = {}
    cells: list[Path]
    dynamics: DynamicsSpec = DynamicsSpec()
    uncertainty_interval_steps: int = 20
    frame_interval_steps: int = 20
    checkpoint_interval_steps: int = 200
    n_steps: int | None = None
    """Steps of each cell, by default as many as take `TARGET_S`."""
    training: TrainingSpec | None = None
    measures_surrogate: bool = False


class SpeedReport(BaseModel):
    """Measured times in seconds, and memory."""

    steps: list[StepTime]
    load_s: float
    segment_s: float
    bytes_per_atom_frame: float
    memory_GB: float
    memory_kB_per_atom: float
    training_s_per_atom_epoch: float | None = None
    surrogate_s: dict[int, float] = {}


class EinsteinCrystal(Calculator):
    """Harmonic forces about the initial positions, which follow the cell, at the cost of a potential."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012 as in ASE

    def __init__(self, potential: Calculator, start: Atoms) -> None:
        super().__init__()
        self._potential = potential
        self._sites = start.get_scaled_positions(wrap=False)

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):  # type: ignore[no-untyped-def]
        """Evaluate the potential, and return the harmonic forces."""
        super().calculate(atoms, properties, system_changes)
        self._potential.get_property("forces", atoms)
        moved = atoms.positions - self._sites @ atoms.cell.array
        energy_eV = 0.5 * SPRING_EV_PER_ANGSTROM2 * float((moved**2).sum())
        self.results = {
            "energy": energy_eV,
            "free_energy": energy_eV,
            "forces": -SPRING_EV_PER_ANGSTROM2 * moved,
            "stress": np.zeros(6),
        }


class HarmonicCommittee:
    """A committee of one that drives the dynamics by an Einstein crystal."""

    def __init__(self, potential: Calculator, start: Atoms) -> None:
        self.dynamics_calculator = EinsteinCrystal(potential, start)

    def forces_all(self, atoms: Atoms) -> np.ndarray:
        """Return the forces of the Einstein crystal, (1, n_atoms, 3)."""
        return np.asarray(self.dynamics_calculator.get_property("forces", atoms))[None]


def measure(request: SpeedRequest) -> SpeedReport:
    """Measure the times of dynamics, training and surrogate labels, and the memory of dynamics."""
    # importing takes seconds
    from interphase_flows.potentials.compiled.agreement import check_agreement
    from interphase_flows.potentials.compiled.calculator import CompiledNequIPCalculator, load_graph
    from interphase_flows.potentials.compiled.check_frames import check_frames
    from interphase_flows.potentials.compiled.verification import random_calculator
    from interphase_flows.potentials.quiet import quiet_training

    clock = time.process_time if request.device == "cpu" and request.n_threads == 1 else time.perf_counter
    cells = [read(path) for path in request.cells]
    with quiet_training(request.n_threads):
        began_s = clock()
        eager = [random_calculator(request.spec, request.elements, seed, request.device) for seed in range(2)]
        members: list[Calculator] = list(eager)
        if request.graph is not None:
            graph = load_graph(request.graph, request.device)
            members = [CompiledNequIPCalculator(graph, request.constants, each) for each in eager]
            members[1].share_pairs(members[0])
            # as in a job, which compares each member of the committee
            check_agreement(members[0], eager[0], check_frames(request.elements, request.spec.cutoff_angstrom))
        loading_s = clock() - began_s
        memory_GB, per_atom_kB = _memory(cells[0], members[0], request.device)
        found = [_measure_cell(cell, members, request, clock) for cell in cells]
    report = SpeedReport(
        steps=[step for step, _, _ in found],
        load_s=loading_s / len(members),
        segment_s=min(overhead_s for _, overhead_s, _ in found),
        bytes_per_atom_frame=found[-1][2],
        memory_GB=memory_GB,
        memory_kB_per_atom=per_atom_kB,
    )
    if request.training is not None:
        report.training_s_per_atom_epoch = _measure_training(cells[0], request, request.training, clock)
    if request.measures_surrogate:
        report.surrogate_s = _measure_surrogate(cells[0], clock)
    return report


def _measure_cell(
    cell: Atoms, members: list[Calculator], request: SpeedRequest, clock: Callable[[], float]
) -> tuple[StepTime, float, float]:
    """Return the time of a step, that of starting and ending a segment, and the bytes of a frame per atom."""
    moved = cell.copy()
    generator = np.random.default_rng(0)
    times_s = []
    for member in (members[0], members[0], members[0], *members[1:]):  # the first calls fill caches
        moved.positions += 0.01 * generator.standard_normal(moved.positions.shape)
        members[0].get_property("forces", moved)  # makes the neighbour list that members share
        began_s = clock()
        member.calculate(moved, ["forces"], all_changes)
        times_s.append(clock() - began_s)
    one_s = min(times_s[1:3])
    n_steps = request.n_steps or int(np.clip(TARGET_S / max(one_s, 1e-6), MIN_STEPS, MAX_STEPS))
    interval = max(1, min(request.uncertainty_interval_steps, n_steps // N_CHECKS))
    n_steps -= n_steps % interval
    frames = interval * max(1, min(request.frame_interval_steps, n_steps // N_CHECKS) // interval)
    stamps: list[tuple[int, float]] = []
    monitor = UncertaintyMonitor(
        interval_steps=interval,
        select_force_std_eV_per_angstrom=None,
        stop_force_std_eV_per_angstrom=None,
        close_contact_fraction=0.1,
        max_temperature_factor=1000.0,
        grace_factor=1000.0,
    )
    with tempfile.TemporaryDirectory() as folder:
        began_s = clock()
        result = run_segment(
            cell,
            HarmonicCommittee(members[0], cell),
            request.dynamics.langevin(),
            n_steps,
            1,
            Path(folder),
            monitor,
            frames,
            max(1, min(request.checkpoint_interval_steps, n_steps)),
            on_progress=lambda done, total, info: stamps.append((done, clock())),
        )
        total_s = clock() - began_s
        bytes_per_atom_frame = result.trajectory.stat().st_size / (result.n_frames * len(cell))
    (first, first_s), (last, last_s) = stamps[0], stamps[-1]
    step_s = (last_s - first_s) / (last - first)
    member_s = times_s[-1] if len(members) > 1 else step_s
    return (
        StepTime(n_atoms=len(cell), step_s=step_s, member_s=member_s),
        max(0.0, total_s - n_steps * step_s),
        bytes_per_atom_frame,
    )


def _memory(cell: Atoms, potential: Calculator, device: str) -> tuple[float, float]:
    """Return the memory of this process in GB without a cell, and in kB for each atom of a cell."""
    if device == "cuda":
        import torch

        def peak_GB() -> float:
            return float(torch.cuda.max_memory_allocated()) / 1e9
    else:

        def peak_GB() -> float:
            return peak_memory_bytes() / 1e9

    potential.calculate(cell, ["forces"], all_changes)
    before_GB = peak_GB()
    n = max(2, int(np.ceil((MEMORY_ATOMS / len(cell)) ** 0.5)))
    large = cell.repeat((n, n, 1))
    potential.calculate(large, ["forces"], all_changes)
    per_atom_GB = (peak_GB() - before_GB) / (len(large) - len(cell))
    return max(0.0, before_GB - per_atom_GB * len(cell)), max(1.0, 1e6 * per_atom_GB)


def _measure_training(cell: Atoms, request: SpeedRequest, training: TrainingSpec, clock: Callable[[], float]) -> float:
    """Return the time of training by an atom in an epoch, validation included, from the second epoch on."""
    from interphase_flows.potentials.training import train_member

    generator = np.random.default_rng(0)
    frames = []
    for _ in range(N_FRAMES + 1):
        frame = cell.copy()
        frame.positions += 0.05 * generator.standard_normal(frame.positions.shape)
        forces = generator.standard_normal(frame.positions.shape)
        frame.calc = SinglePointCalculator(
            frame, energy=float(generator.standard_normal()), forces=forces, stress=0.01 * generator.standard_normal(6)
        )
        frame.info = {}
        frames.append(frame)
    stamps: list[float] = []

    def listener(event: ProgressEvent) -> None:
        if event.stage == "speed":
            stamps.append(clock())

    with tempfile.TemporaryDirectory() as name, listening(listener):
        folder = Path(name)
        files = [folder / "train.extxyz", folder / "validation.extxyz"]
        files[0].write_bytes(extxyz_bytes(frames[1:]))
        files[1].write_bytes(extxyz_bytes(frames[:1]))
        baseline = fit_baseline(frames, request.spec.cutoff_angstrom)
        train_member(
            request.spec,
            training.model_copy(update={"max_epochs": N_EPOCHS}),
            baseline,
            files[0],
            files[1],
            folder / "work",
            model_seed=0,
            data_seed=0,
            n_threads=request.n_threads,
            device=request.device,
            label="speed",
        )
    return (stamps[-1] - stamps[0]) / ((len(stamps) - 1) * N_FRAMES * len(cell))


def _measure_surrogate(cell: Atoms, clock: Callable[[], float]) -> dict[int, float]:
    """Return the time of a CHGNet label by number of atoms."""
    method, samples_s = CHGNetMethod(ChgnetSpec()), []
    for _ in range(N_LABELS):
        began_s = clock()
        method.label(cell)
        samples_s.append(clock() - began_s)
    return {len(cell): min(samples_s)}


def main() -> None:
    """Measure as requested on standard input."""
    warnings.filterwarnings("ignore")
    request = SpeedRequest.model_validate(json.load(sys.stdin))
    with contextlib.redirect_stdout(sys.stderr):
        report = measure(request)
    sys.stdout.write(f"{report.model_dump_json()}\n")


if __name__ == "__main__":
    main()
