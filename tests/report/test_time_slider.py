"""The time slider of a report, its animation, and figures for slides."""

import re
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from chromium import CHROMIUM, NO_CHROMIUM, dom_of
from interphase_flows.report.figures.style import figure_size, rendered
from interphase_flows.report.figures.time_slider import time_slider
from interphase_flows.report.html import rendered_page, write_report, write_talk_figures


@pytest.fixture(scope="module")
def slider(full_inputs):
    return time_slider(full_inputs.views)


def test_drawings_have_one_size_and_differ(slider):
    images = [Image.open(BytesIO(content)) for content in slider.webp]
    assert len({image.size for image in images}) == 1
    assert len(set(slider.webp)) == 3
    with Image.open(BytesIO(slider.gif)) as animation:
        assert (animation.format, animation.n_frames) == ("GIF", 3)


def test_one_frame_has_no_slider(full_inputs):
    view = full_inputs.views[0]
    assert time_slider([view]) is None
    assert time_slider([view, view]) is None  # a run of one frame has it as first and last one


def test_report_writes_the_animation(bare_inputs, full_inputs, tmp_path):
    page = write_report(replace(bare_inputs, views=full_inputs.views), tmp_path).read_text(encoding="utf-8")
    assert (tmp_path / "figures" / "structure.gif").read_bytes().startswith(b"GIF")
    assert 'id="slider"' not in page  # without structures before and after, there is no section to show it in


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)
def test_slider_shows_the_frame_of_its_time(full_inputs, slider, tmp_path):
    page = rendered_page(replace(full_inputs, before=None), {"structure_after": rendered(Figure(), "x", "x")}, slider)
    move = """<script>
      var slider = document.getElementById("slider");
      slider.value = 2;
      slider.dispatchEvent(new Event("input"));
    </script></body>"""
    (tmp_path / "page.html").write_text(page.replace("</body>", move), encoding="utf-8")
    dom = dom_of((tmp_path / "page.html").as_uri(), tmp_path / "profile", "--disable-3d-apis")
    assert re.search('id="slider-title">(.*?)<', dom)[1] == "replica-0 at 10.00 ps"
    shown = re.search('id="slider-image" src="(.*?)"', dom)[1]
    assert f'"{shown}"' in re.search('id="slider-frames".*?</script>', page, re.DOTALL)[0].replace("\\u002b", "+")
    assert shown != re.search('id="slider-image" src="(.*?)"', page)[1]


def draw() -> Figure:
    figure = Figure(figsize=(9.6, 3.3))
    figure.subplots().plot(np.arange(3.0), label="curve")
    return figure


def points_wide(svg: bytes) -> float:
    return float(re.search(rb'<svg[^>]* width="([\d.]+)pt"', svg)[1])


def test_figures_for_slides_are_larger_with_larger_text():
    page = rendered(draw(), "curve", "")
    with figure_size("talk"):
        talk = rendered(draw(), "curve", "")
    assert points_wide(talk.svg) / 72 == pytest.approx(13.3, abs=0.05)  # a slide of 16:9
    assert points_wide(page.svg) / 72 == pytest.approx(9.6, abs=0.05)
    view_width = float(re.search(rb'viewBox="0 0 ([\d.]+) ', talk.svg)[1])
    assert 10 * points_wide(talk.svg) / view_width >= 18  # text of 10 pt
    assert talk.csv == page.csv
    bitmap = Image.open(BytesIO(talk.png))
    assert bitmap.width >= 1900
    assert bitmap.width / bitmap.info["dpi"][0] == pytest.approx(13.3, abs=0.05)  # as slide programs insert it
    assert points_wide(rendered(draw(), "curve", "").svg) == points_wide(page.svg)


def test_talk_figures_are_in_a_separate_folder(bare_inputs, full_inputs, tmp_path):
    folder = write_talk_figures(replace(bare_inputs, trajectories=full_inputs.trajectories), tmp_path)
    assert folder == tmp_path / "figures_talk"
    assert {"traces.svg", "traces.png", "traces.csv"} <= {path.name for path in folder.iterdir()}
    assert not (tmp_path / "figures").exists()
