"""Commands in the hints of errors of jobs."""

from interphase_flows.storage.workspace import current_workspace


def query_command(arguments: str) -> str:
    """Return the command that queries documents of the campaign of this job; without a campaign, it names none."""
    campaign = current_workspace().ledger.campaign
    return f"interphase query {arguments}" + ("" if campaign is None else f" --campaign {campaign}")
