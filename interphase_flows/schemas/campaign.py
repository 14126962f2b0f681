"""The result of a campaign."""

from typing import Literal

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
