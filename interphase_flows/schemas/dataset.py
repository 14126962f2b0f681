"""Datasets: immutable sets of labels with a split."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.schemas.document import Document
from interphase_flows.schemas.label import MethodIdentity
from interphase_flows.schemas.origin import Origin

Split = Literal["train", "validation", "test"]


SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class Baseline(BaseModel):
    """Per-element statistics of the first dataset of a campaign, used by all later datasets and models."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    elements: list[str]
    energy_shifts_eV: dict[str, float]
    forces_rms_eV_per_angstrom: dict[str, float]
    mean_n_neighbours: float


class ExcludedLabel(BaseModel):
    """An accepted label that a dataset excludes after comparison with its other labels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label_key: str
    origin: Origin
    reason: str
    explanation: str


class DatasetDoc(Document):
    """An immutable set of labels with a split by origin.

    ``n_imported`` of the frames have labels of other programs, which are in no budget.
    """

    parent_key: str | None
    method: MethodIdentity
    n_frames: dict[str, int]
    n_imported: int = 0
    excluded: list[ExcludedLabel] = Field(default_factory=list)
    split_of_origin: dict[Origin, Split]
    baseline: Baseline
    artifact: ArtifactRef
