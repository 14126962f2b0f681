"""The block of a campaign file on labels that the user has."""

from typing import Annotated

from pydantic import Field

from interphase_flows.campaign.values import Spec
from interphase_flows.datasets.label_conventions import LabelConventions


class InitialLabelsSpec(Spec):
    """Labels that the user has, computed by the reference method of the campaign.

    ``files`` are files of labelled frames and folders of VASP runs. ``keys`` are needed where the names of the labels
    are not recognised. Without ``label_generated_structures`` the campaign starts from these labels alone, and its
    generated structures are only starting points of runs.
    """

    files: Annotated[list[str], Field(min_length=1, max_length=1000)]
    keys: LabelConventions = LabelConventions()
    label_generated_structures: bool = True
