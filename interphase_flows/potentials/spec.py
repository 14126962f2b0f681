"""Settings of a potential and its training, as in a campaign file."""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
)

from interphase_flows.content_keys import IS_CONTENT_KEY


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NequIPSpec(_Spec):
    """Architecture of a NequIP potential (Batzner et al., Nat. Commun. 13, 2453 (2022)).

    The default is the smallest model that is stable at a reactive lithium interface (about 9,000 parameters).
    """

    cutoff_angstrom: Annotated[float, Field(gt=2.0, le=12.0)] = 5.0
    n_layers: Annotated[int, Field(ge=1, le=8)] = 2
    l_max: Annotated[int, Field(ge=0, le=4)] = 1
    parity: bool = False
    n_features: Annotated[int, Field(ge=4, le=256)] = 16
    n_radial_basis: Annotated[int, Field(ge=4, le=32)] = 8
    radial_mlp_depth: Annotated[int, Field(ge=1, le=4)] = 1
    radial_mlp_width: Annotated[int, Field(ge=8, le=256)] = 32


class TrainingSpec(_Spec):
    """Training of one member of the committee.

    ``max_epochs`` is for random initial weights, ``warm_start_epochs`` for those of the previous iteration. The loss
    is a weighted sum of mean squared errors of the energy per atom (eV²), the forces (eV²/Å²) and the stress (eV²/Å⁶);
    with ``stress_weight`` 0 labels need no stress.

    With ``forces_weight_of_element``, the term of the forces is the weighted mean over the elements of their mean squared
    errors; elements that it does not name have the weight 1.

    The learning rate falls to ``final_learning_rate``: along a cosine over all epochs, or with ``plateau`` by half
    whenever the validation loss has not improved for ``plateau_epochs``. With ``early_stopping_epochs``, training ends
    when it has not improved for as many epochs.
    """

    max_epochs: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    warm_start_epochs: Annotated[int, Field(ge=1, le=1_000_000)] = 40
    batch_size: Annotated[int, Field(ge=1, le=100_000)] = 5
    learning_rate: Annotated[float, Field(ge=1e-9, le=0.1)] = 0.02
    warm_start_learning_rate: Annotated[float, Field(ge=1e-9, le=0.1)] = 0.01
    ema_decay: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.99
    energy_weight: Annotated[float, Field(ge=0.0, le=1e9)] = 10.0
    forces_weight: Annotated[float, Field(ge=1e-9, le=1e9)] = 1.0
    stress_weight: Annotated[float, Field(ge=0.0, le=1e9)] = 1000.0
    forces_weight_of_element: dict[str, Annotated[float, Field(ge=1e-6, le=1e6)]] = {}
    learning_rate_schedule: Literal["cosine", "plateau"] = "cosine"
    plateau_epochs: Annotated[int, Field(ge=1, le=1_000_000)] = 10
    final_learning_rate: Annotated[float, Field(ge=0.0, le=0.1)] = 2e-4
    early_stopping_epochs: Annotated[int, Field(ge=1, le=1_000_000)] | None = None

    @model_serializer(mode="wrap")
    def _key_of_earlier_versions(
        self, handler: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        """Leave settings out of content keys that have the only value of earlier versions, whose models stay valid."""
        fields: dict[str, Any] = handler(self)
        if (info.context or {}).get(IS_CONTENT_KEY):
            for name in _ADDED:
                if getattr(self, name) == type(self).model_fields[name].default:
                    del fields[name]
        return fields


_ADDED = (
    "forces_weight_of_element",
    "learning_rate_schedule",
    "plateau_epochs",
    "final_learning_rate",
    "early_stopping_epochs",
)


class FineTuningSpec(_Spec):
    """Training of a member that starts from a potential of another method: of `pretraining`, or of a file.

    ``n_frozen_layers`` is the number of the first convolutions whose weights are kept, with the embedding of the types.
    """

    max_epochs: Annotated[int, Field(ge=1, le=1_000_000)] = 60
    learning_rate: Annotated[float, Field(ge=1e-9, le=0.1)] = 0.005
    n_frozen_layers: Annotated[int, Field(ge=0, le=8)] = 0


def _off(value: object) -> object:
    """YAML 1.1, which PyYAML reads and writes, has ``off`` for false."""
    return "off" if value is False else value


class CommitteeSpec(_Spec):
    """A committee of potentials that differ by seed.

    With ``compiled: auto`` the architecture is compiled beside the first labels, where there is a C++ compiler, and all
    dynamics is three times as fast; results differ by rounding.

    With ``start_from``, the members of the first iteration start from a checkpoint or package of NequIP instead of random
    weights, see `interphase_flows.potentials.transfer`; or each from its own, with a list of one file per member.
    """

    n_members: Annotated[int, Field(ge=2, le=16)] = 3
    model: NequIPSpec = NequIPSpec()
    training: TrainingSpec = TrainingSpec()
    start_from: str | list[str] | None = None
    fine_tuning: FineTuningSpec = FineTuningSpec()
    compiled: Annotated[Literal["auto", "off"], BeforeValidator(_off)] = "auto"

    @field_validator("start_from")
    @classmethod
    def _one_file_per_member(cls, files: str | list[str] | None, info: ValidationInfo) -> str | list[str] | None:
        n_members = info.data.get("n_members")
        if isinstance(files, list) and n_members is not None and len(files) != n_members:
            raise ValueError(f"{len(files)} files for {n_members} members; name one for each member, or one for all")
        return files

    @property
    def start_files(self) -> list[str]:
        """Files from which members start, one for each or one for all; none if they start from random weights."""
        return [self.start_from] if isinstance(self.start_from, str) else self.start_from or []

    def start_of(self, member: int) -> str | None:
        """Return the file from which a member starts."""
        files = self.start_files
        return files[member % len(files)] if files else None
