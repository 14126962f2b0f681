"""What a report is told of thermodynamics: reactions, windows of stability, and phases predicted beside those found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.thermodynamics.predicted_phases import PhaseComparison


@dataclass(frozen=True)
class ReactionKink:
    """A point of the mixing line where the products change."""

    x_electrode: float
    x_electrode_exact: str
    """As a fraction, such as 24/45."""
    reaction: str
    energy_eV_per_atom: float
    energy_eV_per_formula_unit: float
    volume_change: float | None = None
    interval_eV_per_atom: Estimate | None = None
    """95 %; None when the energies carry no error."""
    share_of_samples: float | None = None
    """Of the samples of the energies' errors in which the hull predicts this reaction."""


@dataclass(frozen=True)
class Window:
    """Voltages against the electrode's element, and what the electrolyte does at them."""

    element: str
    ion_charge: int
    is_on_hull: bool
    reduction_V: float
    oxidation_V: float | None
    """None when there is nothing to oxidise."""
    stages: Sequence[tuple[float, float | None, float, str]]
    """From, to (V; None without end), atoms taken up per formula unit, reaction."""
    reduction_interval_V: Estimate | None = None
    oxidation_interval_V: Estimate | None = None


@dataclass(frozen=True)
class Thermodynamics:
    """What the reference method's hull predicts."""

    kinks: Sequence[ReactionKink]
    electrolyte_above_hull_eV_per_atom: float
    missing_phases: Sequence[str] = ()
    """Known phases whose energies were not available."""
    geometries: str = ""
    """Whose geometries, if they are not the reference method's own: ``CHGNet 0.3.0, published cells``."""
    window: Window | None = None
    n_error_samples: int = 0
    """Samples behind the intervals; 0 when the energies carry no error."""
    above_hull_interval_eV_per_atom: Estimate | None = None
    share_on_hull: float | None = None
    """Of the samples in which the electrolyte is stable."""
    other_reactions: Mapping[str, float] = field(default_factory=dict)
    """Reactions that only some samples predict -> their share."""
    x_electrode: float | None = None
    """Share of the simulated cell's atoms that began in the electrode."""
    comparison: Sequence[PhaseComparison] = ()
    """Environments predicted at that share, beside those found."""
