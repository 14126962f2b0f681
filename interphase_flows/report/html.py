"""The report: one page that opens without a network, with its figures beside it.

Everything is inlined: figures as base64, structures as JSON, and 3Dmol.js (Rego and Koes, Bioinformatics 31,
1322 (2015), 10.1093/bioinformatics/btu829) as the vendored npm build. The page is written last, so a page
that exists is complete.
"""

import json
from importlib import resources
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure

from interphase_flows.report.figures import interphase as interphase_figures
from interphase_flows.report.figures import learning as figures
from interphase_flows.report.figures import thermodynamics as thermodynamics_figures
from interphase_flows.report.figures.structure_scene import draw_scene, scene_of
from interphase_flows.report.figures.style import FigureFile, rendered
from interphase_flows.report.inputs import InterfaceResults, ReportInputs
from interphase_flows.report.sections.convergence import convergence_figure, convergence_section
from interphase_flows.report.sections.environment import section_environment
from interphase_flows.report.sections.headline import (
    headline_rows,
    longest_time_ps,
    source_anchor,
    verdict_text,
)
from interphase_flows.report.sections.interface_analysis import analyses_section, draw_analyses
from interphase_flows.report.sections.phases import (
    draw_phases,
    phases_average,
    phases_of,
    phases_section,
    write_phases_json,
)
from interphase_flows.report.sections.transport_grid import draw_grid, grid_section
from interphase_flows.report.text.numbers import with_error
from interphase_flows.runtime.atomic_files import write_bytes_atomic

REPORT_NAME = "report.html"
FIGURES_FOLDER = "figures"


def write_report(inputs: ReportInputs, folder: Path) -> Path:
    """Write ``report.html``, ``figures/`` and, where phases are known, ``phases.json`` into a folder.

    A report already there is replaced; until the new one is complete the old one stays.

    Parameters
    ----------
    inputs
        What to show; sections whose data are missing say so.
    folder
        Created when it does not exist.

    Returns
    -------
    path
        Of the page.

    Raises
    ------
    AnalysisError
        Arrays of the inputs do not belong together.
    OSError
        The folder cannot be written.
    """
    drawn = drawn_figures(inputs)
    page = rendered_page(inputs, drawn)
    (folder / FIGURES_FOLDER).mkdir(parents=True, exist_ok=True)
    for figure in drawn.values():
        figure.write(folder / FIGURES_FOLDER)
    if inputs.interface is not None and phases_of(inputs.interface):
        write_phases_json(inputs.interface, folder)
    write_bytes_atomic(folder / REPORT_NAME, page.encode("utf-8"))
    return folder / REPORT_NAME


def drawn_figures(inputs: ReportInputs) -> dict[str, FigureFile]:
    """Draw every figure whose data are there, by name."""
    reference = inputs.reference
    candidates: list[tuple[str, Figure | None, str]] = [
        (
            "learning_curve",
            figures.learning_curve(inputs.iterations, reference),
            "Errors against number of labels",
        ),
        *(
            (f"parity_{i.index}", figures.parity(i, reference), f"Parity plots of iteration {i.index}")
            for i in inputs.iterations
        ),
        (
            "uncertainty",
            figures.uncertainty(inputs.replicas),
            "Force uncertainty of production runs against time",
        ),
        ("anions", interphase_figures.anions_against_time(inputs.environments), "Anions against time"),
        (
            "displacement",
            interphase_figures.displacement_against_time(inputs.displacement),
            "Mean squared displacement against time",
        ),
        (
            "kinks",
            thermodynamics_figures.reaction_kinks(inputs.thermodynamics, reference),
            "Reaction energy along the mixing line",
        ),
        (
            "electrochemical_window",
            thermodynamics_figures.window_bar(inputs.thermodynamics, inputs.question.electrolyte),
            "Voltages at which the electrolyte is reduced, stable and oxidised",
        ),
        (
            "convergence",
            convergence_figure(inputs.convergence),
            "Errors of settings against the most accurate one",
        ),
        ("spending", figures.spending_bars(inputs.spending), "Wall time by stage and labels by fate"),
        *(
            (f"structure_{when}", draw_scene(scene_of(view)), f"Drawing of the structure: {view.title}")
            for when, view in (("before", inputs.before), ("after", inputs.after))
            if view is not None
        ),
    ]
    drawn = {name: rendered(figure, name, alt) for name, figure, alt in candidates if figure is not None}
    if inputs.interface is not None:
        drawn |= draw_analyses(inputs.interface)
        drawn |= draw_phases(
            phases_of(inputs.interface), inputs.interface.arrays, phases_average(inputs.interface)
        )
    if inputs.transport_grid is not None:
        drawn |= draw_grid(inputs.transport_grid)
    return drawn


def rendered_page(inputs: ReportInputs, drawn: dict[str, FigureFile]) -> str:
    """Return the page as text."""
    here = resources.files("interphase_flows.report")
    template = section_environment().get_template("report.html")
    views = {"before": inputs.before, "after": inputs.after}
    scenes = {when: scene_of(view) for when, view in views.items() if view is not None}
    viewer = (here / "3Dmol-min.js").read_text(encoding="utf-8") if scenes else ""
    return template.render(
        inputs=inputs,
        drawn=drawn,
        headline=headline_rows(inputs),
        verdict_text=verdict_text(inputs),
        longest_ps=longest_time_ps(inputs),
        convergence=convergence_section(inputs.convergence) if inputs.convergence else "",
        analyses=analyses_section(inputs.interface, drawn) if inputs.interface else "",
        transport_grid=grid_section(inputs.transport_grid, drawn) if inputs.transport_grid else "",
        phases=_phases(inputs.interface, drawn),
        source=lambda subject: source_anchor(inputs.provenance, subject),
        with_error=with_error,
        scenes=scenes,
        # "</" inside a script would end it early
        scenes_json=Markup(
            json.dumps({when: scene.as_json() for when, scene in scenes.items()}).replace("</", "<\\/")
        ),
        viewer_js=Markup(viewer),
    )


def _phases(results: InterfaceResults | None, drawn: dict[str, FigureFile]) -> Markup:
    if results is None or not (found := phases_of(results)):
        return Markup("")
    return phases_section(found, drawn, phases_average(results))
