"""What surveys of trajectories say, as a section of a report and as a page of its own."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from interphase_flows.analysis.interfaces.detection import NO_INTERFACE
from interphase_flows.analysis.pipeline.results import InterfaceAnalysis
from interphase_flows.analysis.plain import plain, values_of, verdict_of
from interphase_flows.report.figures.growth import rates_figure, verdict_figure
from interphase_flows.report.figures.interface_analysis import figures_of
from interphase_flows.report.figures.runs import drawn_runs
from interphase_flows.report.figures.style import FigureFile, rendered
from interphase_flows.report.sections.phases import drawn_phases, phases_section
from interphase_flows.report.text.numbers import rounded, with_interval
from interphase_flows.runtime.atomic_files import write_bytes_atomic

JSON_NAME = "analysis.json"
PAGE_NAME = "analysis.html"
FIGURES_FOLDER = "figures"


def drawn_surveys(
    runs: Mapping[str, Mapping[str, Any]],
    arrays: Mapping[str, NDArray[np.floating]],
    pooled: Mapping[str, Any] | None = None,
) -> dict[str, FigureFile]:
    """Draw the figures of each run, named ``run_figure``, and of all runs together.

    Parameters
    ----------
    runs
        Values of surveys by name of the run; a single run may have the empty name.
    arrays
        Their series, named ``run/side.quantity``.
    pooled
        What the runs say together.
    """
    # what is judged of all runs together is shown once
    shown = {
        run: {name: each for name, each in values.items() if name != "verdict" or pooled is None}
        for run, values in runs.items()
    }
    drawn = drawn_runs(shown, arrays, figures_of)
    for side, found in (pooled or {}).get("verdict", {}).items():
        if found.get("checks"):
            name = f"pooled_verdict_{side}"
            drawn[name] = rendered(verdict_figure(verdict_of(found)), name, f"Rates {side}, all replicas")
        if found.get("rates"):
            name = f"pooled_rates_{side}"
            figure = rates_figure(verdict_of(found), found["rates"])
            drawn[name] = rendered(figure, name, f"Rates {side} against time, all replicas")
    return drawn


def survey_section(
    runs: Mapping[str, Mapping[str, Any]],
    drawn: Mapping[str, FigureFile],
    pooled: Mapping[str, Any] | None = None,
) -> Markup:
    """Return the section as HTML, figures included."""
    template = _environment().get_template("interface_analysis.html")
    return Markup(template.render(runs=runs, drawn=drawn, pooled=pooled))


def write_survey(survey: InterfaceAnalysis, folder: Path, *, title: str, about: Sequence[str] = ()) -> Path:
    """Write ``analysis.json``, ``figures/`` and ``analysis.html`` into a folder and return the page's path.

    Parameters
    ----------
    survey
        What was found.
    folder
        Created when it does not exist; what is there is replaced.
    title
        Of the page.
    about
        Where the trajectory is from and how it was read, in words.
    """
    values = values_of(survey)
    arrays = {f"/{name}": series for name, series in survey.arrays.items()}
    drawn = drawn_surveys({"": values}, arrays)
    section = survey_section({"": values}, drawn)
    if "phases" in values:
        formed = {"": values["phases"]}
        drawn |= drawn_phases(formed, arrays)
        section += Markup("<h3>What formed, where</h3>") + phases_section(formed, drawn)
    page = _environment().get_template("interface_analysis_page.html")
    (folder / FIGURES_FOLDER).mkdir(parents=True, exist_ok=True)
    for figure in drawn.values():
        figure.write(folder / FIGURES_FOLDER)
    content = {"about": list(about), **values, "series": plain(survey.arrays)}
    write_bytes_atomic(folder / JSON_NAME, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())
    html = page.render(title=title, about=about, section=section)
    write_bytes_atomic(folder / PAGE_NAME, html.encode("utf-8"))
    return folder / PAGE_NAME


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("interphase_flows.report", "sections"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(rounded=rounded)
    environment.globals.update(with_interval=with_interval, no_interface=NO_INTERFACE)
    return environment
