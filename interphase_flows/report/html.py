"""The HTML page of a report, which opens without a network, and its figures as files.

Everything is inlined: figures as base64, structures as JSON, and 3Dmol.js (Rego and Koes, Bioinformatics 31, 1322 (2015),
10.1093/bioinformatics/btu829) as the vendored npm build. The page is written last, so an existing page is complete.
"""

import json
from importlib import resources
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure

from interphase_flows.report import REPORT_NAME
from interphase_flows.report.figures import interphase as interphase_figures
from interphase_flows.report.figures import learning as learning_figures
from interphase_flows.report.figures import thermodynamics as thermodynamics_figures
from interphase_flows.report.figures.answer import answer_figure
from interphase_flows.report.figures.calibration import calibration
from interphase_flows.report.figures.convergence import convergence_figure
from interphase_flows.report.figures.label_effects import label_effects
from interphase_flows.report.figures.structure_scene import draw_scene, scene_of
from interphase_flows.report.figures.style import FigureFile, data_uri, figure_size, rendered
from interphase_flows.report.figures.time_slider import TimeSlider, time_slider
from interphase_flows.report.figures.training import training_curves
from interphase_flows.report.figures.trajectories import ligand_counts_figure, traces_figure
from interphase_flows.report.inputs.campaign import ReportInputs
from interphase_flows.report.inputs.interphase import InterfaceResults
from interphase_flows.report.sections.convergence import convergence_section
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
from interphase_flows.runtime.atomic_files import check_writable, write_bytes_atomic

FIGURES_FOLDER, TALK_FOLDER = "figures", "figures_talk"
CAMPAIGN_FILE_NAME = "campaign.yaml"
ANIMATION_NAME = "structure.gif"


def write_report(inputs: ReportInputs, folder: Path) -> Path:
    """Write ``report.html``, ``figures/``, ``campaign.yaml`` and, if phases were analysed, ``phases.json`` into a folder.

    An existing report is replaced once the new one is complete.

    Parameters
    ----------
    inputs
        Content of the report.
    folder
        Created if it does not exist.

    Returns
    -------
    path
        Of the page.

    Raises
    ------
    AnalysisError
        Arrays of the inputs have inconsistent shapes.
    OSError, StorageError
        The folder cannot be written.
    """
    check_writable(folder)  # drawing takes a minute
    drawn = drawn_figures(inputs)
    slider = time_slider(inputs.views)
    page = rendered_page(inputs, drawn, slider)
    (folder / FIGURES_FOLDER).mkdir(parents=True, exist_ok=True)
    for figure in drawn.values():
        figure.write(folder / FIGURES_FOLDER)
    if slider is not None:
        write_bytes_atomic(folder / FIGURES_FOLDER / ANIMATION_NAME, slider.gif)
    if inputs.analyses is not None and phases_of(inputs.analyses):
        write_phases_json(inputs.analyses, folder)
    if inputs.campaign_file:
        write_bytes_atomic(folder / CAMPAIGN_FILE_NAME, inputs.campaign_file.encode("utf-8"))
    write_bytes_atomic(folder / REPORT_NAME, page.encode("utf-8"))
    return folder / REPORT_NAME


def write_talk_figures(inputs: ReportInputs, folder: Path) -> Path:
    """Write all figures at the size of a slide, without the page, and return their folder.

    Raises
    ------
    AnalysisError
        Arrays of the inputs have inconsistent shapes.
    OSError, StorageError
        The folder cannot be written.
    """
    check_writable(folder)
    with figure_size("talk"):
        drawn = drawn_figures(inputs)
    target = folder / TALK_FOLDER
    target.mkdir(parents=True, exist_ok=True)
    for figure in drawn.values():
        figure.write(target)
    return target


def drawn_figures(inputs: ReportInputs) -> dict[str, FigureFile]:
    """Draw the available figures, by name."""
    reference, thermodynamics = inputs.reference, inputs.thermodynamics
    figures: dict[str, tuple[Figure | None, str]] = {
        "answer": (
            answer_figure(inputs),
            "Thickness of the interphase and fractions of anions against time, phases at the end",
        ),
        "learning_curve": (
            learning_figures.learning_curve(inputs.iterations, reference),
            "Errors against the number of labels",
        ),
        "equations_of_state": (
            learning_figures.equations_of_state(inputs.equations_of_state, reference),
            "Stress against volume of the bulk phases, by the potential and by its labels",
        ),
        "uncertainty": (
            learning_figures.uncertainty(inputs.production, inputs.committee),
            "Force uncertainty of production runs against time",
        ),
        "composition": (
            interphase_figures.composition_start_end(inputs.composition),
            "Number density of each element against height, at the start and at the end",
        ),
        "composition_map": (
            interphase_figures.composition_map(inputs.composition),
            "Number density of each element against height and time",
        ),
        "anions": (
            interphase_figures.anions_against_time(inputs.environments),
            "Fraction of anion centres in each kind of anion against time",
        ),
        "ligand_counts": (
            ligand_counts_figure(inputs.trajectories.ligand_counts),
            "Fraction of the centres of anions by their number of ligands, at the start and at the end",
        ),
        "traces": (
            traces_figure(inputs.trajectories.traces),
            "Temperature, potential energy and normal stress of production runs against time",
        ),
        "displacement": (
            interphase_figures.displacement_against_time(inputs.displacement),
            "Mean squared displacement against time",
        ),
        "kinks": (
            thermodynamics_figures.reaction_kinks(thermodynamics, reference),
            "Reaction energy along the mixing line",
        ),
        "electrochemical_window": (
            thermodynamics_figures.window_bar(thermodynamics, inputs.interface.electrolyte),
            "Voltages at which the electrolyte is reduced, stable and oxidised",
        ),
        "convergence": (
            convergence_figure(inputs.convergence),
            "Errors of settings against the most accurate one",
        ),
        "calibration": (
            calibration(inputs.iterations),
            "Force errors of held-out frames against the uncertainty of the committee, and errors by element",
        ),
        "label_effects": (
            label_effects(inputs.iterations),
            "Force errors on the new labels of each iteration before and after training, and uncertain environments",
        ),
        "training": (
            training_curves(inputs.iterations),
            "Loss and force error of every member against the epoch, on the training and validation sets",
        ),
        "spending": (
            learning_figures.spending_bars(inputs.spending),
            "Wall time by stage, and accepted and rejected labels",
        ),
    }
    for each in inputs.iterations:
        index = each.iteration.index
        alt = f"Predicted against labelled energies and forces, iteration {index}"
        figures[f"parity_{index}"] = learning_figures.parity(each, reference), alt
    for when, view in (("before", inputs.before), ("after", inputs.after)):
        if view is not None:
            drawing = draw_scene(scene_of(view))
            figures[f"structure_{when}"] = drawing, f"Drawing of the structure: {view.title}"
    drawn = {name: rendered(figure, name, alt) for name, (figure, alt) in figures.items() if figure is not None}
    if (analyses := inputs.analyses) is not None:
        drawn |= draw_analyses(analyses)
        drawn |= draw_phases(phases_of(analyses), analyses.arrays, phases_average(analyses))
    if inputs.transport_grid is not None:
        drawn |= draw_grid(inputs.transport_grid)
    return drawn


def rendered_page(inputs: ReportInputs, drawn: dict[str, FigureFile], slider: TimeSlider | None = None) -> str:
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
        analyses=analyses_section(inputs.analyses, drawn) if inputs.analyses else "",
        transport_grid=grid_section(inputs.transport_grid, drawn) if inputs.transport_grid else "",
        phases=_phases(inputs.analyses, drawn),
        source=lambda subject: source_anchor(inputs.provenance, subject),
        with_error=with_error,
        slider=slider,
        slider_images=[] if slider is None else [data_uri("webp", image) for image in slider.webp],
        scenes=scenes,
        # "</" would end the script, "<!--" would hide the rest of it
        scenes_json=Markup(
            json.dumps({when: scene.as_json() for when, scene in scenes.items()}).replace("<", "\\u003c")
        ),
        viewer_js=Markup(viewer),
    )


def _phases(results: InterfaceResults | None, drawn: dict[str, FigureFile]) -> Markup:
    if results is None or not (found := phases_of(results)):
        return Markup("")
    return phases_section(found, drawn, phases_average(results))
