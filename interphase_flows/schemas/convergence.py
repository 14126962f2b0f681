"""Convergence studies: settings of a reference method, their errors, and the chosen setting."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from interphase_flows.schemas.document import Document

Axis = Literal["own", "cutoff", "k_density", "gamma"]


class StudyPoint(BaseModel):
    """One setting of a study, and the phases that are labelled at it; ``own`` is the setting of the campaign."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    axis: Axis
    cutoff_eV: float
    k_density_per_inverse_angstrom: float
    gamma_above_atoms: int | None = None
    phases: list[str]


class PointErrors(BaseModel):
    """Errors of one setting against the reference setting, the most accurate one of its axis, by quantity and phase."""

    axis: Axis
    cutoff_eV: float
    k_density_per_inverse_angstrom: float
    is_reference_setting: bool
    errors: dict[str, dict[str, float]]
    worst: dict[str, float]
    missing: list[str]
    reaction_energy_eV_per_atom: float | None
    wall_time_s: float


class AssessedSetting(BaseModel):
    """A pair of cutoff and k-point density with its largest errors and the margins to the tolerances."""

    cutoff_eV: float
    k_density_per_inverse_angstrom: float
    worst: dict[str, float]
    margins: dict[str, float]
    is_within: bool


class OwnSetting(AssessedSetting):
    """The setting of the campaign; ``not_assessed`` are axes whose reference it is, so its error is unknown."""

    not_assessed: list[str]


class StudyErrors(BaseModel):
    """Errors of all settings of a study, and the cheapest setting within the tolerances."""

    points: list[PointErrors]
    own: OwnSetting
    chosen: AssessedSetting | None
    gamma: dict[str, float] | None


class ConvergenceStudyDoc(Document, StudyErrors):
    """Convergence study of the reference method of a campaign."""

    reference: dict[str, JsonValue]
    """Setting of the campaign, as in its file."""
    electrode: str
    electrolyte: str
    input_keys: list[str]
    n_atoms: dict[str, int]
    """By phase."""
    reaction: str
    tolerances: dict[str, float]
    wall_time_s: float
    n_labels: int
