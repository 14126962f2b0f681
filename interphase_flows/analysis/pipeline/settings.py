"""Settings of the analysis of one interface trajectory."""

from dataclasses import dataclass, field

from interphase_flows.analysis.geometry.frames import FrameSource
from interphase_flows.analysis.interfaces.settings import InterfaceSettings, composition_of
from interphase_flows.analysis.pipeline.registered_parts import NEED_NO_BOUNDARIES, NEED_NO_SIDES, part_classes
from interphase_flows.analysis.pipeline.registered_parts import PARTS as REGISTERED
from interphase_flows.analysis.speciation.anion_species import AnionChemistry
from interphase_flows.analysis.transport.settings import TransportSettings
from interphase_flows.exceptions import AnalysisError

__all__ = ["PARTS", "InterfaceAnalysisSettings", "composition_of"]

PARTS = tuple(REGISTERED)
"""Names of the parts of this package."""


@dataclass(frozen=True)
class InterfaceAnalysisSettings(InterfaceSettings):
    """The two sides, the temperature, and the parts to analyse.

    Raises AnalysisError if a part is unknown; and as `InterfaceSettings`.
    """

    parts: tuple[str, ...] = PARTS
    transport: TransportSettings = field(default_factory=TransportSettings)
    anions: AnionChemistry | None = None
    """Elements and bonds of molecular anions; measured in the trajectory by default."""

    def __post_init__(self) -> None:
        known = part_classes()
        if not self.parts or set(self.parts) - set(known):
            unknown = ", ".join(sorted(set(self.parts) - set(known))) or "none"
            raise AnalysisError(f"parts: {unknown} requested. Hint: choose from {', '.join(known)}")
        if not self.has_sides and (needing := [part for part in self.parts if part not in NEED_NO_SIDES]):
            raise AnalysisError(f"electrode and electrolyte are needed by the parts {', '.join(needing)}")
        super().__post_init__()

    def check(self, frames: FrameSource) -> None:
        """Check that the trajectory contains both sides and every element of the transport settings."""
        super().check(frames)
        self.transport.check(frames)

    def parts_to_run(self) -> tuple[str, ...]:
        """Return the requested parts in their order, with the boundaries that others need before them."""
        wanted = set(self.parts)
        if wanted - set(NEED_NO_BOUNDARIES):
            wanted.add("boundaries")
        return tuple(name for name in part_classes() if name in wanted)
