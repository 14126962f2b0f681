"""The section on the transport grid: figures, activation energies, what was refused and why."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from interphase_flows.report.collect.inputs import TransportGrid
from interphase_flows.report.figures.style import FigureFile, rendered
from interphase_flows.report.figures.transport_grid import (
    arrhenius_figure,
    composition_figure,
    flux_figure,
    local_figure,
)
from interphase_flows.report.sections.environment import section_environment

MOST_REASONS = 6
"""Reasons of refusals that are told, the most frequent first."""


def drawn_grid(grid: TransportGrid) -> dict[str, FigureFile]:
    """Draw the figures for which there are numbers, by name."""
    asked = f"{grid.values['temperature_K']:g} K"
    figures = {
        "transport_arrhenius": (arrhenius_figure, "Onsager coefficients against inverse temperature"),
        "transport_composition": (composition_figure, f"Onsager coefficients against composition at {asked}"),
        "transport_local": (local_figure, f"Onsager coefficients along the interphase at {asked}"),
        "transport_flux": (flux_figure, f"Fluxes that gradients drive along the interphase at {asked}"),
    }
    drawn = {}
    for name, (draw, alt) in figures.items():
        figure = draw(grid.values, grid.arrays)
        if figure is not None:
            drawn[name] = rendered(figure, name, alt)
    return drawn


def grid_section(grid: TransportGrid, drawn: Mapping[str, FigureFile]) -> Markup:
    """Return the section as HTML, figures included."""
    template = section_environment().get_template("transport_grid.html")
    values = grid.values
    reasons = Counter(cell["refusal"] for cell in values["cells"] if cell["refusal"])
    between = values["grid"]
    return Markup(
        template.render(
            grid=values,
            notes=grid.notes,
            drawn=drawn,
            n_lines=len(between.get("species", [])) * len(between.get("x_electrode", [])),
            reasons=reasons.most_common(MOST_REASONS),
            n_more_reasons=max(0, len(reasons) - MOST_REASONS),
            share_above_select=_share(values["trust"], "n_above_select"),
            share_above_stop=_share(values["trust"], "n_above_stop"),
        )
    )


def _share(trust: Mapping[str, Any], name: str) -> float:
    return trust[name] / trust["n_looks"] if trust["n_looks"] else 0.0
