"""What formed and where, as a section of a report and of a page of its own."""

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from interphase_flows.analysis.plain import plain
from interphase_flows.report.collect.inputs import Phases
from interphase_flows.report.figures.phases import phase_figures
from interphase_flows.report.figures.reaction_graph import reaction_graph_figure
from interphase_flows.report.figures.runs import drawn_runs
from interphase_flows.report.figures.style import FigureFile, rendered
from interphase_flows.report.text.numbers import rounded
from interphase_flows.runtime.atomic_files import write_bytes_atomic

JSON_NAME = "phases.json"


def drawn_phases(
    runs: Mapping[str, Mapping[str, Any]],
    arrays: Mapping[str, NDArray[np.floating]],
    pooled: Mapping[str, Any] | None = None,
) -> dict[str, FigureFile]:
    """Draw the figures of each run, named ``run_figure``, and the reactions of all runs together.

    Parameters
    ----------
    runs
        Values of the part ``phases`` by name of the run; a single run may have the empty name.
    arrays
        Their series, named ``run/phases.quantity``.
    pooled
        What the runs say together.
    """
    drawn = drawn_runs(runs, arrays, phase_figures)
    labels = next((each["anions"]["labels"] for each in runs.values() if "anions" in each), None)
    if labels and pooled and any("refused" not in each for each in pooled.get("reactions", {}).values()):
        name = "pooled_reactions"
        drawn[name] = rendered(
            reaction_graph_figure(labels, pooled["reactions"]), name, "Graph of the reactions, all replicas"
        )
    return drawn


def phases_section(
    runs: Mapping[str, Mapping[str, Any]],
    drawn: Mapping[str, FigureFile],
    pooled: Mapping[str, Any] | None = None,
) -> Markup:
    """Return the section as HTML, figures included."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    # jinja's capitalize would write li2s
    environment.filters.update(rounded=rounded, sentence=lambda words: words[:1].upper() + words[1:])
    text = (resources.files("interphase_flows.report.sections") / "phases.html").read_text(encoding="utf-8")
    return Markup(environment.from_string(text).render(runs=runs, drawn=drawn, pooled=pooled))


def write_phases_json(phases: Phases, folder: Path) -> None:
    """Write every number and series of the section beside the page."""
    content = {"pooled": phases.pooled, "runs": phases.runs, "series": plain(phases.arrays)}
    write_bytes_atomic(folder / JSON_NAME, (json.dumps(content, allow_nan=False) + "\n").encode())
