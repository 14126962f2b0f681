"""Contents of a campaign bundle: its record and the names of its files."""

from pydantic import BaseModel

FORMAT_VERSION = 1
RECORD = "bundle.json"
CAMPAIGN_FILE = "campaign.yaml"
DOCUMENTS, ARTIFACTS, INPUTS = "documents", "artifacts", "inputs"
"""Folders: documents by kind, artifacts by content as in their store, and files that the campaign file names."""
DOCUMENTS_SUFFIX = ".jsonl.gz"


class BundleRecord(BaseModel):
    """What a bundle contains: ``bundle.json``."""

    format_version: int
    campaign: str
    interphase_flows: str
    """Version of the package that wrote it."""
    documents: dict[str, int]
    """Number of documents by kind."""
