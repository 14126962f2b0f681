"""Speed of an architecture on a machine: measured or built-in, and the times, files and memory that follow from it.

Times are seconds of one core (of the device, if it is a GPU). Between two measured sizes the time of a step is linear in
the number of atoms.
"""

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from interphase_flows.campaign.schema import Campaign
from interphase_flows.content_keys import content_key
from interphase_flows.costs.model import LabelCostModel, typical_size
from interphase_flows.costs.plan import production_cell_atoms
from interphase_flows.potentials.compiled.compiler import cpp_compiler
from interphase_flows.potentials.compiled.graph_keys import (
    architecture_key,
    graph_key,
    machine_type,
    package_versions,
)
from interphase_flows.potentials.spec import NequIPSpec
from interphase_flows.reference.spec import ChgnetSpec
from interphase_flows.runtime.checked_json import read_checked, write_checked
from interphase_flows.schemas.compiled_potential import CompiledPotentialDoc
from interphase_flows.settings import MongodbSettings, Settings
from interphase_flows.storage.shared_graphs import SharedGraphs
from interphase_flows.structures.crystals.library import load_crystal

FOLDER = ".machine_speed"
"""Folder of measured speeds below the root; the name of a campaign does not start with a dot."""
MEASUREMENT_VERSION = 2
"""Version of the method of measurement; a change invalidates stored speeds."""
BUILT_IN_FACTOR, MEASURED_FACTOR = 2.0, 1.5
"""Uncertainty of times: cores differ by the first factor; a measurement leaves the second."""
OTHER_ARCHITECTURE_FACTOR = 10.0
"""Uncertainty of built-in times for an architecture other than the default, whose size they ignore."""
MAX_MEASURED_ATOMS = 10_000
"""Larger production cells are measured with about this size, narrower: the time of a step is proportional to it."""
MAX_EXTRAPOLATION = 3.0
"""A stored speed is used up to cells of this many times the size of the largest measured one."""


class StepTime(BaseModel):
    """Time of a step of dynamics in a cell, and of the evaluation by one further member of the committee."""

    model_config = ConfigDict(frozen=True)

    n_atoms: int
    step_s: float
    member_s: float


class MachineSpeed(BaseModel):
    """Speed of an architecture on a machine.

    ``load_s`` is the time to load one member of a committee, once in each process; ``segment_s`` that of starting and
    ending a segment; ``surrogate_s`` that of a CHGNet label by number of atoms. ``is_graph_shared`` is whether campaigns
    below this root find the compiled graph, so that none compiles it again.
    """

    model_config = ConfigDict(frozen=True)

    steps: tuple[StepTime, ...]
    training_s_per_atom_epoch: float
    load_s: float = 0.0
    segment_s: float = 0.0
    compile_s: float = 0.0
    bytes_per_atom_frame: float = 10.0
    memory_GB: float = 0.8
    memory_kB_per_atom: float = 80.0
    surrogate_s: dict[int, float] = Field(default_factory=dict)
    evaluation: Literal["compiled", "eager"] = "eager"
    device: str = "cpu"
    machine: str = ""
    n_processes: int = 1
    is_graph_shared: bool = False
    is_measured: bool = True
    notes: tuple[str, ...] = ()

    built_in_factor: float = BUILT_IN_FACTOR

    @property
    def factor(self) -> float:
        """Uncertainty of times, as a factor."""
        return MEASURED_FACTOR if self.is_measured else self.built_in_factor

    def step_s(self, n_atoms: float, n_members: int = 1, interval_steps: int = 1) -> float:
        """Return the mean time of a step, with a committee that is evaluated every ``interval_steps``."""
        further = (n_members - 1) / interval_steps * _at(n_atoms, self.steps, "member_s")
        return _at(n_atoms, self.steps, "step_s") + further

    def memory_of_GB(self, n_atoms: float) -> float:
        """Return the memory of a process that runs dynamics in a cell."""
        return self.memory_GB + self.memory_kB_per_atom * n_atoms / 1e6

    def largest_cell(self, available_GB: float) -> int:
        """Return the number of atoms of the largest cell that fits in memory, to two digits; 0 if none does."""
        n_atoms = (available_GB - self.memory_GB) * 1e6 / self.memory_kB_per_atom
        if n_atoms < 1:
            return 0
        digits = 10 ** max(0, int(np.log10(n_atoms)) - 1)
        return int(n_atoms // digits * digits)

    def surrogate_costs(self, mixture: str) -> LabelCostModel:
        """Return the cost model of CHGNet labels, fitted to the measured ones; ``mixture`` is their composition."""
        sizes = [typical_size(ChgnetSpec(), mixture, n_atoms) for n_atoms in self.surrogate_s]
        return LabelCostModel("chgnet", sizes * N_SURROGATE_LABELS, [*self.surrogate_s.values()] * N_SURROGATE_LABELS)


N_SURROGATE_LABELS = 5
"""Number of labels that one measured time is worth: it is a minimum over repetitions, without scatter."""

BUILT_IN = MachineSpeed(
    steps=(StepTime(n_atoms=100, step_s=1.7e-2, member_s=1.7e-2),),
    training_s_per_atom_epoch=3.0e-4,
    is_measured=False,
)
"""One laptop-class core with the default architecture, evaluated eagerly (benchmarks/ measures it)."""


def _at(n_atoms: float, steps: tuple[StepTime, ...], name: str) -> float:
    """Return a time at a number of atoms: interpolated between measured sizes, proportional above the largest one."""
    measured = sorted({each.n_atoms: each for each in steps}.values(), key=lambda each: each.n_atoms)
    sizes = np.array([each.n_atoms for each in measured], dtype=float)
    times = np.array([getattr(each, name) for each in measured], dtype=float)
    if len(sizes) == 1:
        return float(times[0] * n_atoms / sizes[0])
    if n_atoms > sizes[-1]:  # the largest cell has the smallest constant part
        return float(times[-1] * n_atoms / sizes[-1])
    if n_atoms < sizes[0]:
        slope = (times[1] - times[0]) / (sizes[1] - sizes[0])
        constant = max(0.0, times[0] - slope * sizes[0])
        return float(constant + (times[0] - constant) * n_atoms / sizes[0])
    return float(np.interp(n_atoms, sizes, times))


def phase_elements(campaign: Campaign) -> list[str]:
    """Return the elements of the phases, those of the potentials."""
    return sorted(
        {symbol for name in campaign.phases for symbol in load_crystal(name, campaign.structure_files).symbols}
    )


def is_compiled_here(campaign: Campaign, settings: Settings) -> bool:
    """Return whether jobs of a campaign on this machine would use compiled potentials."""
    wanted = settings.compile_potentials == "auto" and campaign.committee.compiled == "auto"
    return wanted and cpp_compiler() is not None


def built_in_speed(campaign: Campaign) -> MachineSpeed:
    """Return the built-in speed, with its uncertainty for the architecture of a campaign."""
    if campaign.committee.model == NequIPSpec():
        return BUILT_IN
    return BUILT_IN.model_copy(update={"built_in_factor": OTHER_ARCHITECTURE_FACTOR})


def uses_surrogate(campaign: Campaign) -> bool:
    """Return whether CHGNet labels structures of a campaign or drives its initial dynamics."""
    return campaign.reference.method == "chgnet" or campaign.structures.dynamics_method != "reference"


def speed_key(campaign: Campaign, settings: Settings) -> str:
    """Return the key of a measured speed: architecture, batch size, type of machine, device, threads and versions."""
    return content_key(
        "machine_speed",
        architecture=architecture_key(campaign.committee.model, phase_elements(campaign)),
        is_compiled=is_compiled_here(campaign, settings),
        device=settings.device,
        machine=machine_type(settings.device),
        n_threads=settings.n_threads,
        versions=package_versions(),
        batch_size=campaign.committee.training.batch_size,
        version=MEASUREMENT_VERSION,
    )


def stored_speed(campaign: Campaign, settings: Settings) -> MachineSpeed | None:
    """Return the measured speed of a campaign's architecture on this machine.

    None if it was not measured, or in cells much smaller than those of the campaign, or without a surrogate that the
    campaign uses.
    """
    found = read_checked(_path(settings, speed_key(campaign, settings)), MachineSpeed)
    if found is None or (uses_surrogate(campaign) and not found.surrogate_s):
        return None
    needed = min(max(production_cell_atoms(campaign)), MAX_MEASURED_ATOMS)
    if needed > MAX_EXTRAPOLATION * max(step.n_atoms for step in found.steps):
        return None
    return found.model_copy(update={"is_graph_shared": shared_graph(campaign, settings) is not None})


def shared_graph(campaign: Campaign, settings: Settings) -> tuple[CompiledPotentialDoc, Path] | None:
    """Return the compiled graph that campaigns below this root share; None if there is none."""
    if isinstance(settings.store, MongodbSettings):
        return None
    architecture = architecture_key(campaign.committee.model, phase_elements(campaign))
    return SharedGraphs(settings.root).get(graph_key(architecture, settings.device, settings.n_threads))


def store_speed(campaign: Campaign, settings: Settings, speed: MachineSpeed) -> None:
    """Store a measured speed below the root."""
    write_checked(_path(settings, speed_key(campaign, settings)), speed)


def _path(settings: Settings, key: str) -> Path:
    return settings.root / FOLDER / f"{key}.json"
