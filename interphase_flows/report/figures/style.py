"""Style of all figures, and their files.

Colours are those of Okabe and Ito (*Color Universal Design*, 2008), which colour-blind readers can distinguish; line
styles repeat the distinction. Figures are drawn without pyplot, so that a report changes no global state.
"""

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

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

FigureSize = Literal["page", "talk"]
TALK_SHRINK = (0.72, 0.9)
"""Width and height at which figures for slides are laid out, relative to the page: text takes more of the area."""
TALK_WIDTH_IN, PAGE_WIDTH_IN = 13.3, 9.6
"""A figure of the width of the page fills a slide of 16:9; its text of 10 pt becomes one of 19 pt."""
_size: ContextVar[FigureSize] = ContextVar("figure size", default="page")

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
def figure_size(size: FigureSize) -> Iterator[None]:
    """Render figures at the size of the page or of a slide within the context."""
    token = _size.set(size)
    try:
        yield
    finally:
        _size.reset(token)


@contextmanager
def figure_style() -> Iterator[None]:
    """Apply the style of the report within the context."""
    with mpl.rc_context(_RC):
        yield


def data_uri(kind: str, content: bytes) -> str:
    """Return an image as the source of an ``<img>``; `kind` is the subtype of its media type, such as ``png``."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


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
        return data_uri("svg+xml", self.svg) if len(self.svg) < 300_000 else data_uri("png", self.png)

    def write(self, folder: Path) -> None:
        """Write ``name.svg``, ``name.png`` and ``name.csv`` into a folder atomically."""
        for suffix, content in (("svg", self.svg), ("png", self.png), ("csv", self.csv)):
            if content:
                write_bytes_atomic(file_in(folder, f"{self.name}.{suffix}", "figure"), content)


def rendered(figure: Figure, name: str, alt: str) -> FigureFile:
    """Render a figure as SVG and PNG, and its data as CSV, at the size of `figure_size`."""
    csv = figure_csv(figure)
    svg, png = BytesIO(), BytesIO()
    is_talk = _size.get() == "talk"
    enlarged = TALK_WIDTH_IN / (TALK_SHRINK[0] * PAGE_WIDTH_IN)
    dpi = DPI * enlarged if is_talk else DPI
    if is_talk:
        width_in, height_in = figure.get_size_inches()
        figure.set_size_inches(TALK_SHRINK[0] * width_in, TALK_SHRINK[1] * height_in)
    with figure_style():
        # one layout for both files: savefig would compute it and draw the figure once more for each
        figure.set_dpi(dpi)
        if (layout := figure.get_layout_engine()) is not None:
            layout.execute(figure)
            figure.set_layout_engine("none")
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None})
        figure.set_dpi(dpi)  # the SVG was drawn with 72
        FigureCanvasAgg(figure).print_png(png, pil_kwargs={"dpi": (DPI, DPI)})  # slide programs insert it by its dpi
    content = _enlarged(svg.getvalue(), enlarged) if is_talk else svg.getvalue()
    return FigureFile(name, content, png.getvalue(), alt, csv.encode())


def _enlarged(svg: bytes, factor: float) -> bytes:
    """Multiply width and height of an SVG, which keeps its view box."""

    def larger(found: re.Match[bytes]) -> bytes:
        return b'%s="%.2fpt"' % (found[1], factor * float(found[2]))

    head, bracket, content = svg.partition(b">\n <metadata>")
    return re.sub(rb'\b(width|height)="([\d.]+)pt"', larger, head) + bracket + content
