"""Compiled graphs of potentials."""

from pydantic import BaseModel, Field

from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.schemas.document import Document


class GraphErrors(BaseModel):
    """Largest differences between compiled and eager predictions; ``force_eV_per_angstrom`` is per component."""

    n_frames: int
    energy_eV_per_atom: float
    force_eV_per_angstrom: float
    stress_eV_per_angstrom3: float


class CompiledPotentialDoc(Document):
    """The compiled graph of an architecture on one type of machine, or the reason why there is none.

    The key is that of the architecture, the device, the type of the machine, the number of threads and the versions of
    torch and NequIP. ``constants`` gives the name of a tensor of the model for each constant of the graph that is loaded.
    """

    architecture: str
    elements: list[str]
    device: str
    machine: str
    n_threads: int
    versions: dict[str, str]
    artifact: ArtifactRef | None = None
    constants: dict[str, str] = Field(default_factory=dict)
    reason: str | None = None
    explanation: str = ""
    errors: GraphErrors | None = None
    wall_time_s: float
