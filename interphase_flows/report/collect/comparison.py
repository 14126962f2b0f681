"""Read the stored results of several campaigns for a comparison."""

from interphase_flows.campaign.stored import stored_specification
from interphase_flows.report.collect.campaign_report import collect_inputs
from interphase_flows.report.inputs.comparison import ComparedCampaign
from interphase_flows.report.sections.headline import headline_rows
from interphase_flows.storage.workspace import Workspace


def compared_campaign(workspace: Workspace, name: str) -> ComparedCampaign:
    """Return the stored results of a campaign, finished or not, under a name for the comparison.

    Raises
    ------
    InputError
        The campaign has not been started, or its stored file is damaged or of another version.
    """
    inputs = collect_inputs(workspace)
    specification = stored_specification(workspace.ledger.get("campaigns", workspace.campaign) or {})
    return ComparedCampaign(
        name=name,
        specification=specification.model_dump(mode="json"),
        inputs=inputs,
        headline=[(row.name, row.value) for row in headline_rows(inputs)],
    )
