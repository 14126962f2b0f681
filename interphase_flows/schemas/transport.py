"""Documents of the transport grid: one per run of a cell, and one for all of them."""

from interphase_flows.analysis.transport.composition_grid.results import (
    CellTransportResult,
    TransportGridResult,
)
from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.schemas.document import Document


class CellTransportDoc(Document):
    """Transport in one amorphous cell at one temperature."""

    input_keys: list[str]
    """Keys of the segments of molecular dynamics."""
    result: CellTransportResult


class TransportGridDoc(Document):
    """Transport over compositions and temperatures, and along an interphase."""

    input_keys: list[str]
    """Keys of the cell transport documents and of the analysis with the composition profile."""
    result: TransportGridResult
    artifact: ArtifactRef
    """Lines, bands and local coefficients for figures, as npz."""
