"""Iterations of the active-learning loop."""

from typing import Literal

from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.schemas.document import Document
from interphase_flows.schemas.model import Calibration, ErrorSummary, SplitErrors

ITERATION = "iteration"
"""Key in the metadata of a job that belongs to an iteration: its index."""


class IterationDoc(Document):
    """One iteration of the loop: results, cost, decision and its reason.

    ``first_checkpoint`` is that of the committee's first member, which runs the dynamics.
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
