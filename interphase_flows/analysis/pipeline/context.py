"""State shared by the parts of an interface analysis: frames, settings, boundaries, results of earlier parts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.geometry.progress_frames import ProgressFrames
from interphase_flows.analysis.geometry.rdf_cutoffs import PairCutoffs
from interphase_flows.analysis.interfaces.detection import NO_INTERFACE, Interface
from interphase_flows.analysis.interfaces.fluxes import crossings_of
from interphase_flows.analysis.interfaces.plane_flux import CrossingSeries
from interphase_flows.analysis.passivation.history import InterphaseHistory
from interphase_flows.analysis.phases.phase_references import PhaseReferences
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings
from interphase_flows.analysis.results import Result, Unavailable, or_unavailable
from interphase_flows.exceptions import AnalysisError

T = TypeVar("T")


@dataclass
class AnalysisContext:
    """One trajectory during its analysis; parts write their series to ``arrays``."""

    frames: ProgressFrames
    settings: InterfaceAnalysisSettings
    references: PhaseReferences | None = None
    """Phase references that atoms are compared with."""
    labels_path: Path | None = None
    """File to which the phase labels of atoms are exported."""
    arrays: dict[str, FloatArray] = field(default_factory=dict)
    """Series by name, ``side.quantity`` or ``part.quantity``."""
    results: dict[str, Result | Unavailable] = field(default_factory=dict)
    """Results of the parts that have run, by name."""
    interfaces: list[Interface] = field(default_factory=list)
    """Interphases with tracked boundaries; found by the part ``boundaries``."""
    histories: dict[str, InterphaseHistory] = field(default_factory=dict)
    """History of each interface, for the verdict over replicas."""
    bond_cutoffs_angstrom: dict[tuple[str, str], float] = field(default_factory=dict)
    """Bond cutoffs by pair of elements that replicas share, measured in the first that needs them."""

    def __post_init__(self) -> None:
        self.cutoffs = PairCutoffs(self.frames, self.bond_cutoffs_angstrom)
        self._crossings: dict[str, CrossingSeries] = {}

    def crossings(self, interface: Interface) -> CrossingSeries:
        """Return the crossings of the boundaries of an interface, cached."""
        if interface.name not in self._crossings:
            self._crossings[interface.name] = crossings_of(self.frames, interface)
        return self._crossings[interface.name]

    def require_interfaces(self) -> None:
        """Raise AnalysisError if no interface can be tracked."""
        if not self.interfaces:
            raise AnalysisError(NO_INTERFACE)

    def or_unavailable(self, compute: Callable[[], T]) -> T | Unavailable:
        """Return a result, or why it is unavailable; a damaged frame raises."""
        return or_unavailable(self.frames, compute)

    def by_interface(self, compute: Callable[[Interface], T]) -> Mapping[str, T | Unavailable]:
        """Return a result for each interface, or why it is unavailable.

        Raises AnalysisError if no interface can be tracked, or a frame is damaged.
        """
        self.require_interfaces()
        return {each.name: self.or_unavailable(partial(compute, each)) for each in self.interfaces}
