"""A convergence study as a section of a report and as a separate page."""

from pathlib import Path

from markupsafe import Markup

from interphase_flows.report.figures.convergence import convergence_figure
from interphase_flows.report.figures.style import rendered
from interphase_flows.report.sections.environment import section_environment
from interphase_flows.report.text.convergence import QUANTITIES
from interphase_flows.runtime.atomic_files import write_bytes_atomic
from interphase_flows.schemas.convergence import ConvergenceStudyDoc

PAGE_NAME = "convergence.html"


def convergence_section(study: ConvergenceStudyDoc) -> Markup:
    """Return the section as HTML, without its figure."""
    template = section_environment().get_template("convergence.html")
    return Markup(template.render(study=study, quantities=QUANTITIES))


def write_convergence_page(study: ConvergenceStudyDoc, folder: Path) -> Path:
    """Write ``convergence.html`` and its figure into the folder of a report, and return the path of the page."""
    figure = convergence_figure(study)
    picture = None
    folder.mkdir(parents=True, exist_ok=True)
    if figure is not None:
        picture = rendered(figure, "convergence", "Errors of settings against the most accurate one")
        (folder / "figures").mkdir(exist_ok=True)
        picture.write(folder / "figures")
    template = section_environment().get_template("convergence_page.html")
    page = template.render(section=convergence_section(study), picture=picture, study=study)
    write_bytes_atomic(folder / PAGE_NAME, page.encode("utf-8"))
    return folder / PAGE_NAME
