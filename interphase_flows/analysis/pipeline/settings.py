"""Settings of the analysis of one interface trajectory."""

from dataclasses import dataclass, field

from interphase_flows.analysis.geometry.frames import FrameSource
from interphase_flows.analysis.interfaces.settings import InterfaceSettings, composition_of
from interphase_flows.analysis.transport.settings import TransportSettings
from interphase_flows.exceptions import AnalysisError

__all__ = ["PARTS", "InterfaceAnalysisSettings", "composition_of"]

PARTS = ("boundaries", "kinetics", "fluxes", "transport", "trapping", "verdict", "profiles", "phases")


@dataclass(frozen=True)
class InterfaceAnalysisSettings(InterfaceSettings):
    """The two sides, the temperature, and the parts to analyse.

    Parameters
    ----------
    parts
        Some of `PARTS`.
    transport
        Windows, charges and reference frame of the part ``transport``.

    Raises
    ------
    AnalysisError
        A part is unknown; and as `InterfaceSettings`.
    """

    parts: tuple[str, ...] = PARTS
    transport: TransportSettings = field(default_factory=TransportSettings)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.parts) - set(PARTS))
        if unknown or not self.parts:
            raise AnalysisError(f"parts {', '.join(unknown) or 'none'}: choose from {', '.join(PARTS)}")
        super().__post_init__()

    def check(self, frames: FrameSource) -> None:
        """Check that the trajectory holds both sides and every element that the transport settings name."""
        super().check(frames)
        self.transport.check(frames)
