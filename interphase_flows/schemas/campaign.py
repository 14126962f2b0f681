"""The result of a campaign, and its record."""

from typing import Any, Literal

from pydantic import BaseModel


class CampaignResult(BaseModel):
    """Keys of the documents that are the results of a campaign."""

    name: str
    outcome: Literal["converged", "budget_exhausted"]
    dataset_key: str
    committee_key: str
    starts_key: str
    iteration_keys: list[str]
    exploration_keys: list[str]
    production_keys: list[str]
    analysis_keys: dict[str, str]
    """Key of each analysis by name; the parts of the analysis of production are among them."""


class CampaignRecord(BaseModel):
    """Fields that every record of a campaign has; `result` is that of a campaign that has ended."""

    status: str
    started_at: str
    spec: dict[str, Any]
    result: CampaignResult | None = None
