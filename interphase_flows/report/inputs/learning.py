"""Inputs of a report on labels and learning: rejections, corrections, cost, parity and errors by iteration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from interphase_flows.exceptions import AnalysisError
from interphase_flows.schemas.iteration import IterationDoc
from interphase_flows.schemas.model import ErrorSummary
from interphase_flows.schemas.origin import Origin

FloatArray = NDArray[np.floating]


@dataclass(frozen=True)
class CorrectionRow:
    """Number of times that an error handler made the same correction."""

    handler: str
    errors: str
    actions: str
    changes_theory: bool
    count: int


@dataclass(frozen=True)
class ScfStatistics:
    """Statistics of self-consistency cycles."""

    n_labels: int
    n_unconverged: int
    steps_median: float | None = None
    steps_max: int | None = None
    peak_memory_max_gb: float | None = None


@dataclass(frozen=True)
class Labelling:
    """Rejections, corrections, cost and self-consistency cycles of the labels of a campaign."""

    n_accepted: int
    rejected: Mapping[str, int]
    """By reason."""
    corrections: Sequence[CorrectionRow] = ()
    n_corrected: int = 0
    spent_s: float = 0.0
    expected_s: float | None = None
    """Prediction of the cost model before the first label."""
    expected_factor: float | None = None
    """Uncertainty of the prediction: a factor, one standard deviation."""
    scf: ScfStatistics | None = None
    examples: Mapping[str, str] = field(default_factory=dict)
    """By reason: explanation of the first rejected label."""


@dataclass(frozen=True)
class ParityData:
    """Predictions and labels of frames that did not train the model."""

    reference_energy_eV_per_atom: FloatArray
    predicted_energy_eV_per_atom: FloatArray
    reference_force_eV_per_angstrom: FloatArray
    """Force components, a sample of them."""
    predicted_force_eV_per_angstrom: FloatArray
    force_std_eV_per_angstrom: FloatArray = field(default_factory=lambda: np.empty(0))
    """Largest standard deviation of a force over the committee, by frame."""
    largest_force_error_eV_per_angstrom: FloatArray = field(default_factory=lambda: np.empty(0))
    """By frame, of the first member."""
    force_mae_of_element_eV_per_angstrom: Mapping[str, float] = field(default_factory=dict)
    """Mean absolute error of a force component, by element; empty in campaigns of earlier versions."""

    def __post_init__(self) -> None:
        for name in ("energy_eV_per_atom", "force_eV_per_angstrom"):
            reference, predicted = (np.shape(getattr(self, f"{w}_{name}")) for w in ("reference", "predicted"))
            if reference != predicted:
                raise AnalysisError(f"parity data: {name} has shapes {reference} and {predicted}")


@dataclass(frozen=True)
class TrainingCurve:
    """Errors of a member of a committee by epoch; those of the training set are empty for models of earlier versions."""

    member: int
    best_epoch: int
    """Epoch of the potential that is used."""
    validation_loss: FloatArray
    training_loss: FloatArray
    validation_force_rmse_eV_per_angstrom: FloatArray
    training_force_rmse_eV_per_angstrom: FloatArray


@dataclass(frozen=True)
class IterationErrors:
    """An iteration of active learning, and the errors of its committee on held-out frames."""

    iteration: IterationDoc
    errors: ErrorSummary
    """On held-out frames of the interface."""
    errors_by_origin: Mapping[Origin, ErrorSummary] = field(default_factory=dict)
    parity: ParityData | None = None
    training: Sequence[TrainingCurve] = ()
    """By member."""
