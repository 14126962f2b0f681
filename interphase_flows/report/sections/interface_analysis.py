"""The section on interface analyses, for a report and for the page of one analysis."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from interphase_flows.analysis.passivation.results import VerdictResult
from interphase_flows.analysis.pipeline.parts.transport import DisplacementResult
from interphase_flows.analysis.pipeline.results import InterfaceAnalysis
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.report.figures.interface_analysis import interface_figures, verdict_figures
from interphase_flows.report.figures.interphase import displacement_against_time
from interphase_flows.report.figures.runs import draw_runs
from interphase_flows.report.figures.style import FigureFile, rendered
from interphase_flows.report.inputs.interphase import InterfaceResults, SeriesBand
from interphase_flows.report.json_file import write_json
from interphase_flows.report.sections.environment import section_environment
from interphase_flows.report.sections.phases import draw_phases, phases_of, phases_section
from interphase_flows.runtime.atomic_files import write_bytes_atomic

JSON_NAME = "analysis.json"
PAGE_NAME = "analysis.html"
FIGURES_FOLDER = "figures"
SIDES = ("above", "below")


def draw_analyses(results: InterfaceResults) -> dict[str, FigureFile]:
    """Draw the figures of each run, named ``run_figure``, and the verdict of all runs together."""
    judged = results.averages_of_several.get("verdict")
    # a verdict over replicas replaces those of the runs
    hidden = () if judged is None else ("verdict",)
    runs = {
        run: {name: each for name, each in parts.items() if name not in hidden} for run, parts in results.runs.items()
    }
    drawn = draw_runs(runs, results.arrays, interface_figures)
    for side, verdict in judged.sides.items() if isinstance(judged, VerdictResult) else ():
        for kind, (figure, alt) in verdict_figures(verdict, side).items():
            name = f"average_{kind}_{side}"
            drawn[name] = rendered(figure, name, f"{alt}, all replicas")
    return drawn


def analyses_section(results: InterfaceResults, drawn: Mapping[str, FigureFile]) -> Markup:
    """Return the section as HTML, figures included."""
    template = section_environment().get_template("interface_analysis.html")
    return Markup(template.render(results=results, drawn=drawn))


def write_analysis_page(analysis: InterfaceAnalysis, folder: Path, *, title: str, about: Sequence[str] = ()) -> Path:
    """Write ``analysis.json``, ``figures/`` and ``analysis.html`` into a folder and return the path of the page.

    Parameters
    ----------
    analysis
        Analysis of one trajectory.
    folder
        Created if it does not exist; files of an earlier page are replaced.
    title
        Title of the page.
    about
        Lines on the source of the trajectory and how it was read.
    """
    arrays: dict[str, NDArray[np.floating]] = {f"/{name}": each for name, each in analysis.arrays.items()}
    results = InterfaceResults(
        runs={"": analysis.parts},
        averages={},
        arrays=arrays,
        trajectories={"": analysis.trajectory},
        temperature_K=analysis.settings.temperature_K,
    )
    drawn = draw_analyses(results) | _draw_displacement(analysis)
    section = analyses_section(results, drawn)
    if phases := phases_of(results):
        drawn |= draw_phases(phases, arrays)
        section += Markup("<h3>Phases</h3>") + phases_section(phases, drawn)
    page = section_environment().get_template("interface_analysis_page.html")
    (folder / FIGURES_FOLDER).mkdir(parents=True, exist_ok=True)
    for figure in drawn.values():
        figure.write(folder / FIGURES_FOLDER)
    content = {
        "about": list(about),
        "trajectory": analysis.trajectory,
        "settings": analysis.settings,
        **analysis.parts,
        "series": dict(analysis.arrays),
    }
    write_json(folder / JSON_NAME, content, indent=1)
    for side, table in series_tables(analysis.arrays).items():
        write_bytes_atomic(folder / f"series_{side}.csv", table.encode("utf-8"))
    html = page.render(title=title, about=about, section=section)
    write_bytes_atomic(folder / PAGE_NAME, html.encode("utf-8"))
    return folder / PAGE_NAME


def series_tables(arrays: Mapping[str, NDArray[np.floating]]) -> dict[str, str]:
    """Return the series of each interface as CSV, as `commands.series_input.read_series` reads them."""
    tables = {}
    for side in SIDES:
        columns = {
            name.removeprefix(f"{side}."): series for name, series in arrays.items() if name.startswith(f"{side}.")
        }
        if not columns:
            continue
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*(series.tolist() for series in columns.values()), strict=True))
        tables[side] = text.getvalue()
    return tables


def _draw_displacement(analysis: InterfaceAnalysis) -> dict[str, FigureFile]:
    if not isinstance(found := analysis.parts.get("displacement"), DisplacementResult):
        return {}
    names = list(found.msd_end_angstrom2)
    curves = np.stack([analysis.arrays[f"displacement.msd_angstrom2 {name}"] for name in names], axis=1)
    band = SeriesBand(analysis.arrays["displacement.time_ps"], names, Estimate.unknown(curves))
    figure = displacement_against_time(band)
    if figure is None:
        return {}
    return {"displacement": rendered(figure, "displacement", "Mean squared displacement against time")}
