"""The page of imported labels."""

from collections.abc import Sequence
from pathlib import Path

from interphase_flows.jobs.import_labels import ImportedLabels
from interphase_flows.report.figures.label_import import label_import_figure
from interphase_flows.report.figures.style import rendered
from interphase_flows.report.inputs.label_import import summarise
from interphase_flows.report.sections.environment import section_environment
from interphase_flows.runtime.atomic_files import write_bytes_atomic

PAGE_NAME = "labels.html"


def write_import_page(imported: ImportedLabels, files: Sequence[str | Path], folder: Path) -> Path:
    """Write ``labels.html`` and its figure into a folder, and return the path of the page."""
    summary = summarise(imported.labels)
    figure = label_import_figure(summary)
    picture = None
    folder.mkdir(parents=True, exist_ok=True)
    if figure is not None:
        picture = rendered(figure, "labels", "Energies, forces and smallest distances of the accepted frames")
        (folder / "figures").mkdir(exist_ok=True)
        picture.write(folder / "figures")
    template = section_environment().get_template("label_import_page.html")
    page = template.render(summary=summary, notes=imported.notes, files=[str(file) for file in files], picture=picture)
    write_bytes_atomic(folder / PAGE_NAME, page.encode("utf-8"))
    return folder / PAGE_NAME
