"""Measurement of the speed of a campaign's architecture on this machine, in its own cells; see `costs.speed_process`."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import write

import interphase_flows
from interphase_flows.campaign.schema import Campaign
from interphase_flows.costs.interfaces import labelled_interfaces, production_cell_plans
from interphase_flows.costs.machine_speed import (
    MAX_MEASURED_ATOMS,
    MachineSpeed,
    StepTime,
    is_compiled_here,
    phase_elements,
    shared_graph,
    store_speed,
    stored_speed,
    uses_surrogate,
)
from interphase_flows.costs.speed_process import SpeedReport, SpeedRequest
from interphase_flows.exceptions import SpeedError
from interphase_flows.jobs.compile import CompileMaker
from interphase_flows.potentials.compiled.graph_keys import machine_type
from interphase_flows.runtime.progress import emit
from interphase_flows.schemas.compiled_potential import CompiledPotentialDoc
from interphase_flows.settings import EmbeddedSettings, MongodbSettings, Settings
from interphase_flows.storage.shared_graphs import SharedGraphs
from interphase_flows.storage.workspace import Workspace, current_workspace, use_workspace
from interphase_flows.structures.crystals.library import load_crystal
from interphase_flows.structures.crystals.perturb import repeated

CAMPAIGN = "interphase-speed"
MODULE = "interphase_flows.costs.speed_process"
TIMEOUT_S = 900.0
MAX_PROCESSES = 8
"""Processes that are measured at the same time; they share caches and memory as workers do."""
MAX_ATOMS_OF_TEN_STEPS = 3_000
MIN_LATERAL_ANGSTROM = 12.0
LABEL = "measuring this machine"
HINT = "Hint: interphase run FILE --dry-run --no-measure plans with built-in figures"


def campaign_speed(campaign: Campaign, settings: Settings, n_workers: int) -> MachineSpeed:
    """Return the speed of a campaign's architecture on this machine, measured at the first call.

    The architecture is compiled first if the campaign would do so; below one root, the campaign then finds the graph.

    Raises
    ------
    SpeedError
        A measurement fails.
    """
    n_processes = min(n_workers, MAX_PROCESSES)
    stored = stored_speed(campaign, settings)
    if stored is not None and stored.n_processes == n_processes:
        return stored
    emit(LABEL, 0, 3, "building cells")
    with _workspace(settings) as folder:
        cells = measured_cells(campaign, MAX_MEASURED_ATOMS)
        compiled = graph = None
        if is_compiled_here(campaign, settings):
            emit(LABEL, 1, 3, "compiling the potentials, which the campaign will use")
            compiled, graph = _compiled(campaign, settings)
        emit(LABEL, 2, 3, f"{', '.join(str(len(cell)) for cell in cells)} atoms, {n_processes} processes")
        request = _request(campaign, settings, cells, compiled, graph, folder).model_copy(
            update={"training": campaign.committee.training, "measures_surrogate": uses_surrogate(campaign)}
        )
        speed = speed_of(_run(request, n_processes), compiled, settings)
    store_speed(campaign, settings, speed)
    emit(LABEL, 3, 3)
    return stored_speed(campaign, settings) or speed


def ten_steps(campaign: Campaign, settings: Settings) -> MachineSpeed:
    """Return the speed of ten steps in the largest cell of a campaign: compiled if its graph exists, else eager.

    Raises
    ------
    SpeedError
        The measurement fails.
    """
    with _workspace(settings) as folder:
        cells = measured_cells(campaign, MAX_ATOMS_OF_TEN_STEPS)
        found = shared_graph(campaign, settings) if is_compiled_here(campaign, settings) else None
        compiled, graph = found or (None, None)
        request = _request(campaign, settings, cells[-1:], compiled, graph, folder)
        return speed_of(_run(request.model_copy(update={"n_steps": 10}), 1), compiled, settings)


def speed_of(
    reports: Sequence[SpeedReport],
    compiled: CompiledPotentialDoc | None,
    settings: Settings,
) -> MachineSpeed:
    """Return the mean of reports of processes that ran at the same time."""

    def mean(values: Sequence[float | None]) -> float:
        return float(np.mean([value for value in values if value is not None] or [0.0]))

    first = reports[0]
    has_graph = compiled is not None and compiled.artifact is not None
    return MachineSpeed(
        steps=tuple(
            StepTime(
                n_atoms=step.n_atoms,
                step_s=mean([report.steps[row].step_s for report in reports]),
                member_s=mean([report.steps[row].member_s for report in reports]),
            )
            for row, step in enumerate(first.steps)
        ),
        training_s_per_atom_epoch=mean([report.training_s_per_atom_epoch for report in reports]),
        load_s=mean([report.load_s for report in reports]),
        segment_s=mean([report.segment_s for report in reports]),
        compile_s=0.0 if compiled is None else compiled.wall_time_s,
        bytes_per_atom_frame=first.bytes_per_atom_frame,
        memory_GB=max(report.memory_GB for report in reports),
        memory_kB_per_atom=max(report.memory_kB_per_atom for report in reports),
        surrogate_s={n: mean([report.surrogate_s[n] for report in reports]) for n in first.surrogate_s},
        evaluation="compiled" if has_graph else "eager",
        device=settings.device,
        machine=machine_type(settings.device),
        n_processes=len(reports),
        notes=() if compiled is None else tuple(compiled.notes),
    )


def measured_cells(campaign: Campaign, max_atoms: int) -> list[Atoms]:
    """Return the labelled interface and the largest production cell of a campaign, as its jobs build them.

    A production cell of more than ``max_atoms`` is built narrower.
    """
    cells = [labelled.atoms for labelled in labelled_interfaces(campaign)[:1]]
    spec = campaign.production.interface
    if spec is not None:
        plans = production_cell_plans(campaign)
        n_atoms = max(plan.n_atoms for plan in plans)
        if n_atoms > max_atoms:
            narrower = max(spec.lateral_angstrom * (max_atoms / n_atoms) ** 0.5, MIN_LATERAL_ANGSTROM)
            spec = spec.model_copy(update={"lateral_angstrom": min(narrower, spec.lateral_angstrom)})
            production = campaign.production.model_copy(update={"interface": spec})
            plans = production_cell_plans(campaign.model_copy(update={"production": production}))
        cells.append(max(plans, key=lambda plan: plan.n_atoms).build().atoms)
    if not cells:  # a labelled interface too large to build for a plan
        crystal = load_crystal(campaign.electrolyte, campaign.structure_files)
        cells.append(repeated(crystal, min(max_atoms, campaign.structures.interfaces.max_atoms)))
    return cells


def _compiled(campaign: Campaign, settings: Settings) -> tuple[CompiledPotentialDoc, Path | None]:
    """Return the compiled graph of a campaign; compile it, for campaigns below this root, if they do not share it."""
    if (found := shared_graph(campaign, settings)) is not None:
        return found
    maker = CompileMaker(spec=campaign.committee.model, structure_files=campaign.structure_files)
    make: Any = type(maker).make
    document: CompiledPotentialDoc = make.original(maker, campaign.phases)
    if document.artifact is None:
        return document, None
    graph = current_workspace().artifacts.get(document.artifact)
    if not isinstance(settings.store, MongodbSettings):  # else campaigns share graphs by the database
        SharedGraphs(settings.root).put(document, graph)
    return document, graph


@contextmanager
def _workspace(settings: Settings) -> Iterator[Path]:
    """Use a workspace in a hidden folder below the root, which is removed afterwards, and yield the folder."""
    settings.root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".measuring-", dir=settings.root) as name:
        own = {"store": EmbeddedSettings(), "artifacts_url": None, "root": Path(name)}
        workspace = Workspace(settings.model_copy(update=own), CAMPAIGN)
        try:
            with use_workspace(workspace):
                yield Path(name)
        finally:
            workspace.close()


def _request(
    campaign: Campaign,
    settings: Settings,
    cells: Sequence[Atoms],
    compiled: CompiledPotentialDoc | None,
    graph: Path | None,
    folder: Path,
) -> SpeedRequest:
    files = []
    for number, cell in enumerate(cells):
        bare = Atoms(cell.numbers, cell.positions, cell=cell.cell, pbc=True)
        files.append(folder / f"{number}.traj")
        write(files[-1], bare)
    production = campaign.production
    return SpeedRequest(
        spec=campaign.committee.model,
        elements=phase_elements(campaign),
        device=settings.device,
        n_threads=settings.n_threads,
        graph=graph,
        constants={} if compiled is None else compiled.constants,
        cells=files,
        dynamics=production.dynamics,
        uncertainty_interval_steps=production.uncertainty_interval_steps,
        frame_interval_steps=production.frame_interval_steps,
        checkpoint_interval_steps=production.checkpoint_interval_steps,
    )


def _run(request: SpeedRequest, n_processes: int) -> list[SpeedReport]:
    """Run processes at the same time, and return their reports."""
    threads = {name: str(request.n_threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    package_parent = str(Path(interphase_flows.__file__).parents[1])
    path = os.pathsep.join(filter(None, [package_parent, os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "request.json").write_text(request.model_dump_json())
        processes = []
        try:
            for number in range(n_processes):
                with (
                    (folder / "request.json").open("rb") as stdin,
                    (folder / f"{number}.out").open("wb") as stdout,
                    (folder / f"{number}.err").open("wb") as stderr,
                ):
                    processes.append(
                        subprocess.Popen(
                            [sys.executable, "-P", "-m", MODULE],
                            stdin=stdin,
                            stdout=stdout,
                            stderr=stderr,
                            env=os.environ | threads | {"PYTHONPATH": path},
                        )
                    )
            return [_report(process, folder / str(number)) for number, process in enumerate(processes)]
        finally:
            for process in processes:
                process.kill()
                process.wait()


def _report(process: subprocess.Popen[bytes], files: Path) -> SpeedReport:
    try:
        process.wait(TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise SpeedError(f"the measurement took more than {TIMEOUT_S:.0f} s. {HINT}") from error
    if process.returncode:
        text = files.with_suffix(".err").read_text(errors="replace").strip()
        raise SpeedError(
            f"the measurement failed: {(text or f'exit code {process.returncode}').splitlines()[-1]}. {HINT}"
        )
    return SpeedReport.model_validate_json(files.with_suffix(".out").read_text().strip().splitlines()[-1])
