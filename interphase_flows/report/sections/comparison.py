"""The page that compares campaigns."""

from collections.abc import Sequence
from pathlib import Path

from interphase_flows.report.figures.comparison import comparison_figure
from interphase_flows.report.figures.style import rendered
from interphase_flows.report.inputs.comparison import ComparedCampaign, compared_results, differing_keys
from interphase_flows.report.sections.environment import section_environment
from interphase_flows.runtime.atomic_files import write_bytes_atomic

PAGE_NAME = "comparison.html"


def write_comparison(campaigns: Sequence[ComparedCampaign], folder: Path) -> Path:
    """Write ``comparison.html`` and its figure into a folder, and return the path of the page.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figure, picture = comparison_figure(campaigns), None
    if figure is not None:
        picture = rendered(
            figure, "comparison", "Force errors against labels, thickness of the interphase against time"
        )
        (folder / "figures").mkdir(exist_ok=True)
        picture.write(folder / "figures")
    template = section_environment().get_template("comparison_page.html")
    page = template.render(
        names=[each.name for each in campaigns],
        differences=differing_keys(campaigns),
        groups=compared_results(campaigns),
        picture=picture,
    )
    write_bytes_atomic(folder / PAGE_NAME, page.encode("utf-8"))
    return folder / PAGE_NAME
