"""Style of all figures, and their files.

Colours are those of Okabe and Ito (*Color Universal Design*, 2008), which colour-blind readers can distinguish; line
styles repeat the distinction. Figures are drawn without pyplot, so that a report changes no global state.
"""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from interphase_flows.report.figures.figure_data import figure_csv
from interphase_flows.runtime.atomic_files import write_bytes_atomic
from interphase_flows.runtime.file_names import file_in

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW, GREY, BLACK = "#56B4E9", "#CC79A7", "#F0E442", "#8A8F98", "#222222"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK, GREY)
DASHES = ("-", "--", "-.", ":")

DPI = 160

ELEMENT_COLOURS = {"Li": SKY, "Na": SKY, "P": VERMILION, "S": "#E2B800", "Cl": GREEN, "O": "#C03030"}
ELECTRODE_COLOUR = "#6B7280"
"""Of atoms that began in the electrode."""

_RC = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#5b6472",
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": BLACK,
    "grid.color": "#e5e8ec",
    "grid.linewidth": 0.7,
    "xtick.color": "#5b6472",
    "ytick.color": "#5b6472",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "figure.constrained_layout.use": True,
    # reproducible names of clip paths: the same data give the same file
    "svg.hashsalt": "interphase_flows",
}


def element_colour(symbol: str, order: int = 0) -> str:
    """Return the colour of an element, one of the cycle for elements without their own."""
    return ELEMENT_COLOURS.get(symbol, CYCLE[order % len(CYCLE)])


@contextmanager
def figure_style() -> Iterator[None]:
    """Apply the style of the report within the context."""
    with mpl.rc_context(_RC):
        yield


@dataclass(frozen=True)
class FigureFile:
    """A rendered figure: its files, its data and its alternative text."""

    name: str
    svg: bytes
    png: bytes
    alt: str
    csv: bytes = b""
    """The drawn data, as of `figure_data.figure_csv`."""

    @property
    def data_uri(self) -> str:
        """The figure as the source of an ``<img>``: SVG, or PNG if the SVG is large."""
        # base64: identifiers and addresses in the SVG cannot interfere with the page
        kind, content = ("svg+xml", self.svg) if len(self.svg) < 600_000 else ("png", self.png)
        return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"

    def write(self, folder: Path) -> None:
        """Write ``name.svg``, ``name.png`` and ``name.csv`` into a folder atomically."""
        for suffix, content in (("svg", self.svg), ("png", self.png), ("csv", self.csv)):
            if content:
                write_bytes_atomic(file_in(folder, f"{self.name}.{suffix}", "figure"), content)


def rendered(figure: Figure, name: str, alt: str) -> FigureFile:
    """Render a figure as SVG and PNG, and its data as CSV."""
    csv = figure_csv(figure)
    svg, png = BytesIO(), BytesIO()
    with figure_style():
        # one layout for both files: savefig would compute it and draw the figure once more for each
        figure.set_dpi(DPI)
        if (layout := figure.get_layout_engine()) is not None:
            layout.execute(figure)
            figure.set_layout_engine("none")
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None})
        figure.set_dpi(DPI)  # the SVG was drawn with 72
        FigureCanvasAgg(figure).print_png(png)
    return FigureFile(name, svg.getvalue(), png.getvalue(), alt, csv.encode())
