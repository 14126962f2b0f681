"""What a report says of labels: by whom, at which settings, how many were refused or corrected, what they cost."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from interphase_flows.costs.model import LabelCostModel, measured_size, typical_size
from interphase_flows.reference.spec import MethodSpec
from interphase_flows.report.collect.labelling_inputs import CorrectionRow, Labelling, ScfStatistics
from interphase_flows.report.inputs import ReferenceMethod
from interphase_flows.schemas.dataset import DatasetDoc

FIELDS = [
    "status",
    "reason",
    "explanation",
    "wall_time_s",
    "corrections",
    "details",
    "is_scf_converged",
    "formula",
    "numbers",
]


def labelling(labels: Sequence[Mapping[str, Any]], spec: MethodSpec) -> Labelling | None:
    """Summarise labels as the ledger has them, oldest first; None if there are none."""
    if not labels:
        return None
    rejected = [label for label in labels if label["status"] == "rejected"]
    accepted = [label for label in labels if label["status"] == "accepted"]
    corrections: Counter[tuple[str, str, str, bool]] = Counter(
        (c["handler"], ", ".join(c["errors"]), ", ".join(c["actions"]), bool(c["changes_theory"]))
        for label in labels
        for c in label.get("corrections") or []
    )
    sizes = [
        measured_size(label["numbers"], label.get("details") or {}, typical_size(spec, label["formula"]))
        for label in accepted
    ]
    costs = LabelCostModel(spec.method, cutoff_eV=getattr(spec, "cutoff_eV", None))
    expected = costs.estimate(sizes) if sizes else None
    examples: dict[str, str] = {}
    for label in rejected:
        examples.setdefault(str(label["reason"]), str(label.get("explanation") or ""))
    return Labelling(
        n_accepted=len(accepted),
        rejected=dict(Counter(str(label["reason"]) for label in rejected).most_common()),
        corrections=[CorrectionRow(*row, count) for row, count in corrections.most_common()],
        n_corrected=sum(bool(label.get("corrections")) for label in labels),
        spent_s=sum(label["wall_time_s"] for label in labels),
        expected_s=expected.cost_s if expected else None,
        expected_factor=expected.factor if expected else None,
        scf=_scf(labels),
        examples=examples,
    )


def _scf(labels: Sequence[Mapping[str, Any]]) -> ScfStatistics | None:
    with_scf = [label for label in labels if label.get("is_scf_converged") is not None]
    if not with_scf:
        return None
    steps = [d["n_scf_steps"] for label in with_scf if "n_scf_steps" in (d := label.get("details") or {})]
    memory = [
        d["peak_memory_gb"] for label in with_scf if "peak_memory_gb" in (d := label.get("details") or {})
    ]
    return ScfStatistics(
        n_labels=len(with_scf),
        n_unconverged=sum(not label["is_scf_converged"] for label in with_scf),
        steps_median=float(np.median(steps)) if steps else None,
        steps_max=max(steps) if steps else None,
        peak_memory_max_gb=max(memory) if memory else None,
    )


def reference_of(spec: MethodSpec, dataset: DatasetDoc | None) -> ReferenceMethod:
    """Return whose labels they are: as the data set has it, or, before there is one, as the campaign asks for it."""
    if dataset is None:
        block = {name: str(value) for name, value in spec.model_dump(mode="json").items() if name != "method"}
        return ReferenceMethod(spec.method, spec.method == "chgnet", table=block)
    method = dataset.method
    table = {name: str(value) for name, value in method.settings.items()}
    words = ", ".join(f"{name} {value}" for name, value in table.items())
    return ReferenceMethod(f"{method.code} {method.version}", method.is_surrogate, words, table)
