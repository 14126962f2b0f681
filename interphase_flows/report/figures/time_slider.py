"""Drawings of one run at several times, for the time slider of a report and as an animation for slides."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from interphase_flows.report.figures.structure_scene import draw_scene, scene_of
from interphase_flows.report.inputs.interphase import StructureView

DPI = 100
QUALITY = 70
"""Of WebP; a drawing of 700 atoms takes 25 kB."""
MARGIN_ANGSTROM = 3.0
"""Around the cell of the first frame; anions that cross a face are drawn unbroken, so they stick out."""
MS_PER_FRAME = 300


@dataclass(frozen=True)
class TimeSlider:
    """Drawings in order of time."""

    titles: Sequence[str]
    webp: Sequence[bytes]
    gif: bytes
    """All drawings as an animation."""


def time_slider(views: Sequence[StructureView]) -> TimeSlider | None:
    """Draw structures in a side view of one scale, None if there are fewer than two times.

    Raises
    ------
    AnalysisError
        Symbols and positions differ in number, or a cell has no volume.
    """
    if len({view.title for view in views}) < 2:  # a run of one frame has it as first and last one
        return None
    scenes = [scene_of(view) for view in views]
    corners = np.concatenate([scene.cell_edges().reshape(-1, 3)[:, :2] for scene in scenes])
    limits = corners.min(axis=0) - MARGIN_ANGSTROM, corners.max(axis=0) + MARGIN_ANGSTROM
    images = []
    for scene in scenes:
        figure = draw_scene(scene, limits)
        figure.set_dpi(DPI)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        images.append(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"))
    gif = BytesIO()
    images[0].save(gif, "GIF", save_all=True, append_images=images[1:], duration=MS_PER_FRAME, loop=0)
    return TimeSlider([view.title for view in views], [_webp(image) for image in images], gif.getvalue())


def _webp(image: Image.Image) -> bytes:
    content = BytesIO()
    image.save(content, "WEBP", quality=QUALITY)
    return content.getvalue()
