"""Trained potentials, committees, their errors and calibration."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel

from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.schemas.compiled_potential import CompiledPotentialDoc
from interphase_flows.schemas.document import Document
from interphase_flows.schemas.origin import Origin


class ErrorSummary(BaseModel):
    """Errors of predictions against labels; per-component for forces and stress, None without labels of stress."""

    n_frames: int
    energy_mae_meV_per_atom: float
    energy_rmse_meV_per_atom: float
    forces_mae_meV_per_angstrom: float
    forces_rmse_meV_per_angstrom: float
    stress_mae_meV_per_angstrom3: float | None


def _with_test(errors: dict[str, ErrorSummary]) -> dict[str, ErrorSummary]:
    if "test" not in errors:
        raise ValueError("the errors on the test split are missing")
    return errors


SplitErrors = Annotated[dict[str, ErrorSummary], AfterValidator(_with_test)]
"""Errors by split: ``test`` and, if there are such frames, ``validation`` and ``interface``, its interface frames."""


class ModelDoc(Document):
    """One trained potential.

    ``training_log`` is a CSV file with the metrics of every epoch; None for models of earlier versions.
    """

    for_the_record = frozenset({"training_log"})

    dataset_key: str
    parent_key: str | None
    member: int
    seed: int
    checkpoint: ArtifactRef
    n_epochs: int
    best_epoch: int
    best_validation_loss: float
    validation_loss: list[float]
    resumed_from_epoch: int | None
    wall_time_s: float
    n_threads: int
    versions: dict[str, str]
    training_log: ArtifactRef | None = None


class Calibration(BaseModel):
    """Relation between the standard deviation of the committee and its true error, on held-out frames.

    ``error_per_std``, the median ratio of the largest force error to the largest force standard deviation, converts a
    threshold on the expected error into one on the standard deviation.
    """

    n_frames: int
    rank_correlation: float | None
    error_per_std: float
    coverage_of_twice_expected: float


class CommitteeDoc(Document):
    """Potentials that differ by seed, their errors on held-out frames, and their thresholds.

    ``compiled`` is the graph by which all jobs evaluate them, or the reason why there is none; None if none was
    requested. It is not in the key: compiled and eager forces differ by rounding.
    """

    dataset_key: str
    models: list[ModelDoc]
    errors: dict[str, ErrorSummary]
    errors_by_origin: dict[Origin, ErrorSummary]
    calibration: Calibration
    select_force_std_eV_per_angstrom: float
    stop_force_std_eV_per_angstrom: float
    parity: ArtifactRef
    compiled: CompiledPotentialDoc | None = None
