"""The last job of a campaign: it writes down which documents its answers are."""

from collections.abc import Sequence

from jobflow import job

from interphase_flows.exceptions import InterphaseError
from interphase_flows.schemas.analysis import AnalysisDoc
from interphase_flows.schemas.campaign import CampaignResult
from interphase_flows.schemas.dataset import DatasetDoc
from interphase_flows.schemas.iteration import IterationDoc
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.storage.workspace import current_workspace


@job(output_schema=CampaignResult)
def conclude(
    name: str,
    committee: CommitteeDoc,
    dataset: DatasetDoc,
    iterations: Sequence[IterationDoc] | None,
    exploration: Sequence[str],
    production: Sequence[SegmentDoc | None],
    starts: StructureSetDoc,
    thermodynamics: AnalysisDoc | None,
    learning_curve: AnalysisDoc | None,
    interphase: AnalysisDoc | None,
    production_audit: AnalysisDoc | None,
    growth: AnalysisDoc | None = None,
    transport_grid: AnalysisDoc | None = None,
    phases: AnalysisDoc | None = None,
) -> CampaignResult:
    """Record the result of a campaign under its name; an analysis that failed is missing, not an error.

    ``exploration`` are keys of segments.
    """
    if not iterations:
        raise InterphaseError(
            f"campaign {name}: the loop did not come to an end, so there is nothing to conclude"
        )
    result = CampaignResult(
        name=name,
        outcome="converged" if iterations[-1].decision == "converged" else "budget_exhausted",
        dataset_key=dataset.key,
        committee_key=committee.key,
        starts_key=starts.key,
        iteration_keys=[i.key for i in iterations],
        exploration_keys=list(exploration),
        production_keys=[s.key for s in production if s is not None],
        analysis_keys={
            kind: analysis.key
            for kind, analysis in (
                ("thermodynamics", thermodynamics),
                ("learning_curve", learning_curve),
                ("interphase", interphase),
                ("production_audit", production_audit),
                ("growth", growth),
                ("transport_grid", transport_grid),
                ("phases", phases),
            )
            if analysis is not None
        },
    )
    ledger = current_workspace().ledger
    ledger.set_state(
        "campaigns", name, (ledger.get("campaigns", name) or {}) | {"result": result.model_dump()}
    )
    return result
