"""The section on phases, for a report and for the page of one analysis."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from interphase_flows.analysis.phases.results import PhasesAverage, PhasesResult
from interphase_flows.analysis.results import Unavailable
from interphase_flows.report.figures.phases import phase_figures
from interphase_flows.report.figures.reaction_graph import reaction_graph_figure
from interphase_flows.report.figures.runs import draw_runs
from interphase_flows.report.figures.style import FigureFile, rendered
from interphase_flows.report.inputs.interphase import InterfaceResults
from interphase_flows.report.json_file import write_json
from interphase_flows.report.sections.environment import section_environment

JSON_NAME = "phases.json"

Phases = PhasesResult | Unavailable


def phases_of(results: InterfaceResults) -> dict[str, Phases]:
    """Return the part ``phases`` of every run that has it."""
    found = {run: parts.get("phases") for run, parts in results.runs.items()}
    return {run: each for run, each in found.items() if isinstance(each, Phases)}


def phases_average(results: InterfaceResults) -> PhasesAverage | Unavailable | None:
    """Return the average of the phases over several replicas, None if there is none."""
    found = results.averages_of_several.get("phases")
    return found if isinstance(found, PhasesAverage | Unavailable) else None


def draw_phases(
    runs: Mapping[str, Phases],
    arrays: Mapping[str, NDArray[np.floating]],
    average: PhasesAverage | Unavailable | None = None,
) -> dict[str, FigureFile]:
    """Draw the figures of each run, named ``run_figure``, and the reactions of all runs together."""
    drawn = draw_runs(runs, arrays, phase_figures)
    labels = next((each.anions.labels for each in runs.values() if isinstance(each, PhasesResult)), None)
    if (
        labels
        and isinstance(average, PhasesAverage)
        and not all(isinstance(each, Unavailable) for each in average.reactions.values())
    ):
        name = "average_reactions"
        drawn[name] = rendered(
            reaction_graph_figure(labels, average.reactions), name, "Graph of the reactions, all replicas"
        )
    return drawn


def phases_section(
    runs: Mapping[str, Phases],
    drawn: Mapping[str, FigureFile],
    average: PhasesAverage | Unavailable | None = None,
) -> Markup:
    """Return the section as HTML, figures included."""
    template = section_environment().get_template("phases.html")
    return Markup(template.render(runs=runs, drawn=drawn, average=average))


def write_phases_json(results: InterfaceResults, folder: Path) -> None:
    """Write every number and series of the section beside the page."""
    content = {
        "average": results.averages.get("phases"),
        "runs": phases_of(results),
        "series": {name: each for name, each in results.arrays.items() if "/phases." in name},
    }
    write_json(folder / JSON_NAME, content)
