"""Parts of the interface analysis by name, in the order in which they run.

To add a part, write a class in a file of `pipeline.parts` and add a line here; a part of another package is an entry
point of the group ``interphase_flows.analysis_parts`` (name = "module:Class") and runs after these.
"""

from importlib.metadata import entry_points

ENTRY_POINT_GROUP = "interphase_flows.analysis_parts"
_HERE = "interphase_flows.analysis.pipeline.parts"
PARTS: dict[str, str] = {
    "boundaries": f"{_HERE}.structure:BoundariesPart",
    "growth": f"{_HERE}.growth:GrowthPart",
    "transport": f"{_HERE}.transport:TransportPart",
    "trapping": f"{_HERE}.transport:TrappingPart",
    "fluxes": f"{_HERE}.transport:FluxesPart",
    "verdict": f"{_HERE}.growth:VerdictPart",
    "profiles": f"{_HERE}.structure:ProfilesPart",
    "phases": f"{_HERE}.structure:PhasesPart",
    "displacement": f"{_HERE}.transport:DisplacementPart",
    "electrode_order": f"{_HERE}.structure:ElectrodeOrderPart",
}
NEED_NO_BOUNDARIES = ("transport", "displacement", "electrode_order")
"""Parts for which boundaries are not searched."""
NEED_NO_SIDES = ("transport", "displacement", "electrode_order")
"""Parts that need neither electrode nor electrolyte."""


def part_classes() -> dict[str, str]:
    """Return the import path of every part by name, in order; parts of other packages come last."""
    others = {each.name: each.value for each in entry_points(group=ENTRY_POINT_GROUP)}
    return PARTS | {name: path for name, path in others.items() if name not in PARTS}
