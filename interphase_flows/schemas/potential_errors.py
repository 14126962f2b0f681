"""Errors of committees: learning curve, and audit on frames of production."""

from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.schemas.document import Document
from interphase_flows.schemas.model import ErrorSummary
from interphase_flows.schemas.origin import Origin


class LearningCurveDoc(Document):
    """Errors of the first member of the committee of each iteration, on the same held-out interface frames."""

    dataset_key: str
    committee_keys: list[str]
    n_frames: int
    errors: list[ErrorSummary]
    """By iteration."""


class ProductionAuditDoc(Document):
    """Errors of the final committee on randomly drawn frames of production; estimates are over replicas."""

    committee_key: str
    label_keys: list[str]
    n_frames: int
    by_replica: dict[Origin, ErrorSummary]
    forces_mae_meV_per_angstrom: Estimate
    forces_rmse_meV_per_angstrom: Estimate
    energy_mae_meV_per_atom: Estimate
