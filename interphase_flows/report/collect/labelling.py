"""Statistics of labels: rejections, corrections, cost and self-consistency cycles; settings of their method."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from interphase_flows.costs.model import LabelCostModel, measured_size, typical_size
from interphase_flows.reference.spec import MethodSpec
from interphase_flows.report.inputs.campaign import ReferenceLabels
from interphase_flows.report.inputs.learning import CorrectionRow, Labelling, ScfStatistics
from interphase_flows.schemas.dataset import DatasetDoc
from interphase_flows.schemas.label import Correction
from interphase_flows.schemas.origin import Origin


class LabelRecord(BaseModel):
    """The fields of a label that the report reads: all but the structure, energy and forces."""

    model_config = ConfigDict(extra="ignore")

    origin: Origin
    status: Literal["accepted", "rejected"]
    reason: str | None = None
    explanation: str | None = None
    wall_time_s: float = 0.0
    corrections: list[Correction] = Field(default_factory=list)
    details: dict[str, float | int | str | bool] = Field(default_factory=dict)
    is_scf_converged: bool | None = None
    formula: str
    numbers: list[int]


def labelling(labels: Sequence[LabelRecord], spec: MethodSpec) -> Labelling | None:
    """Summarise labels, oldest first; None if there are none."""
    if not labels:
        return None
    rejected = [label for label in labels if label.status == "rejected"]
    accepted = [label for label in labels if label.status == "accepted"]
    corrections = Counter(
        (c.handler, ", ".join(c.errors), ", ".join(c.actions), c.changes_theory)
        for label in labels
        for c in label.corrections
    )
    sizes = [measured_size(label.numbers, label.details, typical_size(spec, label.formula)) for label in accepted]
    costs = LabelCostModel(spec.method, cutoff_eV=getattr(spec, "cutoff_eV", None))
    expected = costs.estimate(sizes) if sizes else None
    examples: dict[str, str] = {}
    for label in rejected:
        examples.setdefault(str(label.reason), label.explanation or "")
    return Labelling(
        n_accepted=len(accepted),
        rejected=dict(Counter(str(label.reason) for label in rejected).most_common()),
        corrections=[CorrectionRow(*row, count) for row, count in corrections.most_common()],
        n_corrected=sum(bool(label.corrections) for label in labels),
        spent_s=sum(label.wall_time_s for label in labels),
        expected_s=expected.cost_s if expected else None,
        expected_factor=expected.factor if expected else None,
        scf=_scf(labels),
        examples=examples,
    )


def _scf(labels: Sequence[LabelRecord]) -> ScfStatistics | None:
    with_scf = [label for label in labels if label.is_scf_converged is not None]
    if not with_scf:
        return None
    steps = [int(label.details["n_scf_steps"]) for label in with_scf if "n_scf_steps" in label.details]
    memory = [float(label.details["peak_memory_gb"]) for label in with_scf if "peak_memory_gb" in label.details]
    return ScfStatistics(
        n_labels=len(with_scf),
        n_unconverged=sum(not label.is_scf_converged for label in with_scf),
        steps_median=float(np.median(steps)) if steps else None,
        steps_max=max(steps, default=None),
        peak_memory_max_gb=max(memory, default=None),
    )


def reference_labels(spec: MethodSpec, dataset: DatasetDoc | None) -> ReferenceLabels:
    """Return the method of the dataset; before there is one, the method that the campaign specifies."""
    if dataset is None:
        settings = {k: str(v) for k, v in spec.model_dump(mode="json").items() if k != "method"}
        return ReferenceLabels(spec.method, spec.method == "chgnet", settings)
    method = dataset.method
    settings = {name: str(value) for name, value in method.settings.items()}
    return ReferenceLabels(f"{method.code} {method.version}", method.is_surrogate, settings)
