"""The block of a campaign file on the committee, with its pre-training."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from interphase_flows.campaign.reference import ReferenceSpec
from interphase_flows.campaign.values import LabelCount, Spec
from interphase_flows.potentials.spec import CommitteeSpec
from interphase_flows.reference.spec import ChgnetSpec


class PretrainingSpec(Spec):
    """Training on many labels of a cheap method, from which the members start.

    Structures are the initial ones of the campaign, and strained and rattled copies of them up to ``n_labels``.
    """

    reference: ReferenceSpec = ChgnetSpec()
    n_labels: LabelCount = 500
    max_strain: Annotated[float, Field(ge=0.0, lt=0.3)] = 0.04
    rattle_angstrom: Annotated[float, Field(ge=0.0, le=1.0)] = 0.15


class CampaignCommitteeSpec(CommitteeSpec):
    """Committee of a campaign; its members may start from a file, or from a pre-training on a cheap method."""

    pretraining: PretrainingSpec | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_committee_spec(cls, value: Any) -> Any:
        """Accept a `CommitteeSpec`, which has no settings of a campaign."""
        return value.model_dump(exclude_unset=True) if type(value) is CommitteeSpec else value

    @model_validator(mode="after")
    def _one_start(self) -> "CampaignCommitteeSpec":
        if self.pretraining is not None and self.start_from is not None:
            raise ValueError("pretraining and start_from exclude each other: the members start from one potential")
        return self

    @property
    def first_epochs(self) -> int:
        """Number of epochs of the first training on labels of the reference method."""
        is_random = self.pretraining is None and self.start_from is None
        return self.training.max_epochs if is_random else self.fine_tuning.max_epochs

    def of_training(self) -> CommitteeSpec:
        """Return the settings of the training alone."""
        return CommitteeSpec(**self.model_dump(exclude={"pretraining"}))
