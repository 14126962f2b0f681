"""Iterations of the active-learning loop."""

from typing import Literal

from pydantic import BaseModel, Field

from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.schemas.document import Document
from interphase_flows.schemas.model import Calibration, ErrorSummary, SplitErrors

ITERATION = "iteration"
"""Key in the metadata of a job that belongs to an iteration: its index."""


class ErrorChange(BaseModel):
    """Mean absolute errors of a force component on new labels, by the potentials before and after them.

    Estimates are means over frames. ``change`` is of the same frames, negative if the error has decreased.
    """

    n_frames: int
    before_meV_per_angstrom: Estimate
    after_meV_per_angstrom: Estimate
    change_meV_per_angstrom: Estimate


class EnvironmentUncertainty(BaseModel):
    """Uncertainty and error of the forces on atoms of one element in one environment, before they were learned.

    ``anion`` is the kind of the anion that the atom belongs to, or of the nearest one; None without molecular anions.
    Estimates are means over frames of the mean over atoms: of the standard deviation over the committee, and of the norm
    of the error of the first member.
    """

    element: str
    anion: str | None
    n_atoms: int
    force_std_meV_per_angstrom: Estimate
    force_error_meV_per_angstrom: Estimate


class IterationDoc(Document):
    """One iteration of the loop: results, cost, decision and its reason.

    ``first_checkpoint`` is that of the committee's first member, which runs the dynamics. ``error_changes`` has the new
    labels that train (``train``), and those that do not (``held_out``); ``environments`` those of both, by the committee
    that explored. Both are empty in iteration 0.
    """

    index: int
    dataset_key: str
    committee_key: str
    first_checkpoint: ArtifactRef
    explored_with: str | None
    n_labels_new: int
    n_labels_rejected: int
    n_labels_total: int
    n_train: int
    errors: SplitErrors
    fresh_audit_errors: ErrorSummary | None
    calibration: Calibration
    select_force_std_eV_per_angstrom: float
    stop_force_std_eV_per_angstrom: float
    fraction_above_select: float | None
    targets_met: bool
    stop_reasons: dict[str, str]
    decision: Literal["continue", "converged", "budget_exhausted"]
    reason: str
    error_changes: dict[Literal["train", "held_out"], ErrorChange] = Field(default_factory=dict)
    environments: list[EnvironmentUncertainty] = Field(default_factory=list)
