"""Labels: energy, forces and stress of one structure by one reference method."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.schemas.document import Document
from interphase_flows.schemas.origin import Origin

IMPORTED_FROM: Final = "imported_from"
"""Detail of an imported label: its place in a file. Such a label has cost nothing and is in no budget."""

COMPUTED: Final = {f"details.{IMPORTED_FROM}": {"$exists": False}}
"""Criterion of labels that were not imported."""


class MethodIdentity(BaseModel):
    """Identity of a reference method: code, version and every setting that affects its results."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    code: str
    version: str
    is_surrogate: bool
    settings: dict[str, str | float | int | bool]
    key: str


class Correction(BaseModel):
    """Change of an error handler to a calculation, and whether it changed the level of theory."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    handler: str
    errors: list[str]
    actions: list[str]
    changes_theory: bool


class LabelDoc(Document):
    """Energy, forces and stress of one structure by one reference method, or the reason of the rejection."""

    for_the_record = frozenset({"files"})

    structure_key: str
    origin: Origin
    formula: str
    method_name: str
    method_key: str
    is_surrogate: bool
    status: Literal["accepted", "rejected"]
    reason: str | None = None
    explanation: str | None = None
    numbers: list[int]
    cell: list[list[float]]
    positions: list[list[float]]
    energy_eV: float | None = None
    forces_eV_per_angstrom: list[list[float]] | None = None
    stress_eV_per_angstrom3: list[float] | None = None
    is_scf_converged: bool | None = None
    corrections: list[Correction] = Field(default_factory=list)
    details: dict[str, float | int | str | bool] = Field(default_factory=dict)
    files: ArtifactRef | None = None
    wall_time_s: float = 0.0

    @property
    def is_imported(self) -> bool:
        """Whether another program has computed the label, at no cost for this campaign."""
        return IMPORTED_FROM in self.details


class LabelBatch(BaseModel):
    """Keys of accepted and rejected labels, and their origins: the output of a label job.

    ``method`` is None for labels of several methods; ``documents`` are files of `LabelDoc` as JSON lines, of jobs
    without a campaign.
    """

    accepted: list[str]
    rejected: list[str]
    origins: dict[str, Origin]
    n_lost_jobs: int = 0
    method: MethodIdentity | None = None
    documents: list[ArtifactRef] = Field(default_factory=list)
