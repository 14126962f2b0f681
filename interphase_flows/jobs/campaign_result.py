"""The last job of a campaign: record which documents are its results."""

from collections.abc import Mapping, Sequence

from jobflow import job

from interphase_flows.exceptions import InterphaseError
from interphase_flows.schemas.analysis import InterfaceAnalysisDoc
from interphase_flows.schemas.campaign import CampaignResult
from interphase_flows.schemas.document import Document
from interphase_flows.schemas.iteration import IterationDoc
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.storage.workspace import current_workspace


@job(output_schema=CampaignResult)
def conclude(
    name: str,
    iterations: Sequence[IterationDoc] | None,
    exploration_keys: Sequence[str] | None,
    production: Sequence[SegmentDoc | None],
    starts: StructureSetDoc | None,
    analyses: Mapping[str, Document | None],
) -> CampaignResult:
    """Record the result of a campaign under its name; an analysis that failed is missing, not an error.

    Raises
    ------
    InterphaseError
        The loop did not end.
    """
    if not iterations or exploration_keys is None or starts is None:
        raise InterphaseError(f"campaign {name}: the active-learning loop did not end, so there is no result")
    keys: dict[str, str] = {}
    for analysis, document in analyses.items():
        if document is not None:
            keys[analysis] = document.key
        if isinstance(document, InterfaceAnalysisDoc):
            keys |= document.documents
    result = CampaignResult(
        name=name,
        outcome="converged" if iterations[-1].decision == "converged" else "budget_exhausted",
        dataset_key=iterations[-1].dataset_key,
        committee_key=iterations[-1].committee_key,
        starts_key=starts.key,
        iteration_keys=[i.key for i in iterations],
        exploration_keys=list(exploration_keys),
        production_keys=[s.key for s in production if s is not None],
        analysis_keys=keys,
    )
    ledger = current_workspace().ledger
    ledger.set_state("campaigns", name, (ledger.get("campaigns", name) or {}) | {"result": result.model_dump()})
    return result
