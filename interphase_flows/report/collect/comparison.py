"""Read the stored results of several campaigns for a comparison."""

from collections.abc import Mapping

import numpy as np

from interphase_flows.campaign.stored import stored_specification
from interphase_flows.report.collect.campaign_report import collect_inputs
from interphase_flows.report.collect.production import band_over_replicas
from interphase_flows.report.inputs.comparison import ComparedCampaign
from interphase_flows.report.inputs.interphase import SeriesBand
from interphase_flows.report.sections.headline import headline_rows
from interphase_flows.storage.workspace import Workspace

THICKNESS = ".thickness_angstrom"


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
        thickness={} if inputs.analyses is None else _thickness(inputs.analyses.arrays),
    )


def _thickness(arrays: Mapping[str, np.ndarray]) -> dict[str, SeriesBand]:
    sides = sorted({key.split("/", 1)[1].removesuffix(THICKNESS) for key in arrays if key.endswith(THICKNESS)})
    bands = {side: band_over_replicas(arrays, f"{side}{THICKNESS}", f"{side}.time_ps") for side in sides}
    return {side: band for side, band in bands.items() if band is not None}
