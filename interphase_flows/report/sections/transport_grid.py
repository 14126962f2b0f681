"""The section on the transport grid: figures, activation energies, rejected runs."""

from collections import Counter
from collections.abc import Mapping

from markupsafe import Markup

from interphase_flows.analysis.results import Unavailable
from interphase_flows.report.figures.style import FigureFile, rendered
from interphase_flows.report.figures.transport_grid import (
    arrhenius_figure,
    composition_figure,
    flux_figure,
    local_figure,
)
from interphase_flows.report.inputs.interphase import TransportGrid
from interphase_flows.report.sections.environment import section_environment

MOST_REASONS = 6
"""Reasons for rejected runs that are listed, the most frequent first."""


def draw_grid(grid: TransportGrid) -> dict[str, FigureFile]:
    """Draw the available figures, by name."""
    at = f"{grid.result.temperature_K:g} K"
    figures = {
        "transport_arrhenius": (arrhenius_figure, "Onsager coefficients against inverse temperature"),
        "transport_composition": (composition_figure, f"Onsager coefficients against composition at {at}"),
        "transport_local": (local_figure, f"Onsager coefficients along the interphase at {at}"),
        "transport_flux": (flux_figure, f"Fluxes that gradients drive along the interphase at {at}"),
    }
    drawn = {}
    for name, (draw, alt) in figures.items():
        figure = draw(grid.result, grid.arrays)
        if figure is not None:
            drawn[name] = rendered(figure, name, alt)
    return drawn


def grid_section(grid: TransportGrid, drawn: Mapping[str, FigureFile]) -> Markup:
    """Return the section as HTML, figures included."""
    result = grid.result
    reasons = Counter(cell.rejection for cell in result.cells if cell.rejection)
    between = result.grid
    return Markup(
        section_environment()
        .get_template("transport_grid.html")
        .render(
            grid=result,
            notes=grid.notes,
            drawn=drawn,
            n_measured=sum(cell.coefficients is not None and not cell.rejection for cell in result.cells),
            n_rejected=sum(reasons.values()),
            n_lines=0 if isinstance(between, Unavailable) else len(between.species) * len(between.x_electrode),
            reasons=reasons.most_common(MOST_REASONS),
            n_more_reasons=max(0, len(reasons) - MOST_REASONS),
        )
    )
