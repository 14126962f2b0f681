"""The report page: complete, with error bars, surrogates named, and without network access."""

import errno
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chromium import CHROMIUM, NO_CHROMIUM, dom_of
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.exceptions import AnalysisError, DiskFullError, StorageError
from interphase_flows.printable import printable_lines
from interphase_flows.report import html
from interphase_flows.report.figures.answer import answer_figure
from interphase_flows.report.html import rendered_page, write_report
from interphase_flows.report.inputs.campaign import ReferenceLabels
from interphase_flows.report.inputs.interphase import ProductionRun, SeriesBand, StructureView
from interphase_flows.report.sections.headline import headline_rows
from interphase_flows.schemas.equations_of_state import EquationsOfStateDoc, Equilibrium, PhaseEquationOfState


def outside_scripts(page):
    return re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)


def text_of(page):
    """Return the visible text, without figures."""
    text = re.sub(r"<style>.*?</style>", "", outside_scripts(page), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def text_of_inputs(inputs):
    """Return the text of a page without drawing its figures."""
    return text_of(rendered_page(replace(inputs, before=None, after=None), {}))


@pytest.fixture(scope="module")
def folder(full_inputs, tmp_path_factory):
    return write_report(full_inputs, tmp_path_factory.mktemp("report")).parent


@pytest.fixture(scope="module")
def page(folder):
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def bare_page(bare_inputs, tmp_path_factory):
    return write_report(bare_inputs, tmp_path_factory.mktemp("bare")).read_text(encoding="utf-8")


def test_page_loads_nothing_from_the_network(page):
    """Every src and href is inlined or an anchor of the page."""
    html = outside_scripts(page)
    addresses = re.findall(r"""(?:src|href)\s*=\s*["']?([^"'\s>]+)""", html)
    assert addresses
    assert all(a.startswith(("data:", "#")) for a in addresses)
    assert not re.search(r"@import|url\s*\(", html)
    assert "http" not in html


def test_viewer_is_inlined_once(page):
    assert page.count("3dmol v2") <= 1
    assert page.count("createViewer(box") == 1
    assert 1e6 < len(page) < 5e6


def test_figures_are_written_as_png_and_svg(folder):
    names = {p.stem for p in (folder / "figures").glob("*.csv")}
    assert {
        "learning_curve",
        "parity_0",
        "parity_2",
        "uncertainty",
        "anions",
    } <= names
    assert {"displacement", "kinks", "spending", "structure_before", "structure_after"} <= names
    for name in names:
        assert (folder / "figures" / f"{name}.svg").read_bytes().startswith(b"<?xml")
        assert (folder / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_no_temporary_file_is_left(folder):
    assert {p.name for p in folder.iterdir()} == {"report.html", "campaign.yaml", "figures"}


def test_same_inputs_give_the_same_page(full_inputs, page, tmp_path):
    assert write_report(full_inputs, tmp_path).read_text(encoding="utf-8") == page


def test_surrogate_is_named_beside_its_numbers(page):
    text = text_of(page)
    assert "Surrogate labels (CHGNet 0.3.0), not DFT." in text
    assert "mean absolute error against surrogate CHGNet 0.3.0 labels of held-out interface frames" in text
    assert "160 surrogate CHGNet 0.3.0 labels accepted" in text
    assert "With surrogate CHGNet 0.3.0, Li7P3S11 lies 17.4 meV/atom above the hull (metastable)" in text
    # DFT appears only in negations
    assert all("not DFT" in s or "does not imply agreement with DFT" in s for s in re.findall(r"[^.]*DFT[^.]*", text))


def test_dft_has_no_surrogate_banner(full_inputs):
    inputs = replace(full_inputs, reference=ReferenceLabels("GPAW PBE", is_surrogate=False))
    text = text_of_inputs(inputs)
    assert "urrogate" not in text
    assert "against GPAW PBE labels" in text


def test_ten_picoseconds_do_not_decide_passivation(page):
    text = text_of(page)
    assert "Interphase: undecided" in text
    assert "The longest run lasted 10 ps" in text
    assert "do not decide whether the interphase continues to grow" in text


def test_answer_comes_first_and_details_are_folded(page, full_inputs):
    html = outside_scripts(page)
    places = [html.index(f'id="{anchor}"') for anchor in ("answer", "trust", "structures", "interphase", "provenance")]
    assert places == sorted(places)
    assert html.count("<section><details><summary><h2>") == 8
    assert "<details open" not in html[: html.index('id="interphase"')]
    assert html.index("Limitations") < html.index('id="structures"')
    figure = answer_figure(full_inputs)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Centres of anions"]


def test_answer_shows_thickness_of_both_sides_with_errors(full_inputs):
    time_ps = np.linspace(0, 10, 4)
    band = SeriesBand(time_ps, ["above"], Estimate.symmetric(np.array([[0], [2], [3], [4.0]]), np.full((4, 1), 0.5)), 3)
    single = replace(band, curves=Estimate.symmetric(np.ones((4, 1)), np.full((4, 1), np.nan)), n_replicas=1)
    [axes, _] = answer_figure(replace(full_inputs, thickness={"above": band, "below": single})).axes
    assert axes.get_title(loc="left") == "Thickness of the interphase"
    assert [line.get_label() for line in axes.lines] == ["above the electrode", "below the electrode"]
    assert len(axes.collections) == 1  # one replica has no error
    assert np.allclose(axes.lines[0].get_ydata(), [0, 2, 3, 4])
    rows = {row.name: row.value for row in headline_rows(replace(full_inputs, thickness={"above": band}))}
    assert rows["Thickness above, last frame"] == "4.00 ± 0.50 Å (n = 3 replicas)"


def test_answer_omits_anions_of_a_cell_without_centres(full_inputs):
    anions = full_inputs.environments
    zero = replace(anions, curves=Estimate.symmetric(0 * anions.curves.value, 0 * anions.curves.value))
    assert answer_figure(replace(full_inputs, environments=zero)) is None


def test_outcome_budget_exhausted_is_not_converged(page, full_inputs):
    assert "Learning: budget exhausted" in text_of(page)
    assert "did not meet its targets" in text_of(page)
    converged = replace(full_inputs, outcome="converged", outcome_reason="")
    text = text_of_inputs(converged)
    assert "Learning: converged" in text
    assert "did not meet its targets" not in text


def test_numbers_carry_error_bars_and_one_replica_has_none(page, full_inputs):
    assert "41 ± 13 % (n = 3 replicas)" in text_of(page)
    single = replace(
        full_inputs,
        electrode_order=full_inputs.electrode_order.model_copy(
            update={"bcc_fraction_end": Estimate(0.41, np.nan, np.nan, n_independent=1)}
        ),
        environments=replace(full_inputs.environments, n_replicas=1),
    )
    text = text_of_inputs(single)
    assert "41.0 % (n = 1, no interval)" in text
    assert "16.5 % (n = 1, no interval)" in text


def test_temperature_of_a_run_shorter_than_equilibration_is_not_measured(full_inputs):
    segment = full_inputs.production[0].segments[0]
    short = segment.model_copy(
        update={"temperature_mean_K": None, "temperature_std_K": None, "temperature_target_K": 450.0}
    )
    text = text_of_inputs(replace(full_inputs, production=[ProductionRun([short])]))
    assert "not measured (target 450)" in text  # of its thermostat, not of the campaign
    assert "nan" not in re.findall(r"\w+", text)


def test_runs_at_constant_pressure_state_their_normal_stress(full_inputs, page):
    assert "Normal stress" not in page
    first = (
        full_inputs.production[0]
        .segments[0]
        .model_copy(
            update={
                "n_temperatures": 5,
                "pressure_target_GPa": 0.5,
                "normal_stress_mean_GPa": -0.4,
                "normal_stress_std_GPa": 0.3,
                "normal_stress_standard_error_GPa": 0.1,
            }
        )
    )
    second = first.model_copy(update={"normal_stress_mean_GPa": -0.6})
    text = text_of_inputs(replace(full_inputs, production=[ProductionRun([first, second])]))
    assert "−0.50 ± 0.07 (target −0.50)" in text  # 0.1 of each of two segments
    alone = first.model_copy(update={"pressure_target_GPa": 0.0, "normal_stress_standard_error_GPa": None})
    assert "−0.40 (target 0.00)" in text_of_inputs(replace(full_inputs, production=[ProductionRun([alone])]))
    assert "Height and volume of the cell against time" in text


def test_bulk_phases_without_a_minimum_are_named(full_inputs):
    curves = PhaseEquationOfState(
        volume_angstrom3_per_atom=[18.0, 19.0, 20.0, 21.0, 22.0],
        reference_stress_GPa=[-1.5, -0.6, 0.0, 0.5, 0.9],
        potential_stress_GPa=[0.5, 1.0, 1.4, 1.7, 1.9],
        potential_stress_std_GPa=[0.1] * 5,
        reference=Equilibrium(volume_angstrom3_per_atom=20.0, bulk_modulus_GPa=14.0),
        potential=Unavailable(reason="the minimum lies outside"),
    )
    right = curves.model_copy(update={"potential": Equilibrium(volume_angstrom3_per_atom=20.5, bulk_modulus_GPa=13.0)})
    few = Unavailable(reason="3 volumes and 3 energies")
    short = {
        name: getattr(curves, name)[:3] for name in PhaseEquationOfState.model_fields if name.endswith(("GPa", "atom"))
    }
    unknown = curves.model_copy(update=short | {"reference": few, "potential": few})
    phases = {"Li": curves, "Li2S": right, "LiP": unknown}
    found = EquationsOfStateDoc(key="e", committee_key="c", dataset_key="d", phases=phases)
    text = text_of_inputs(replace(full_inputs, equations_of_state=found))
    assert "Li 20.00 no minimum – 14.0 –" in " ".join(text.split())
    assert "Li2S 20.00 20.50 +2.5 % 14.0 13.0" in " ".join(text.split())
    assert "LiP too few volumes too few volumes – – –" in " ".join(text.split())


def test_numbers_link_to_their_source(page):
    assert 'href="#source-5"' in page
    assert 'id="source-5"' in page
    assert "no source" in page  # displacements have none in these inputs
    anchors = set(re.findall(r'href="#([\w-]+)"', outside_scripts(page)))
    assert all(f'id="{anchor}"' in page for anchor in anchors)


def test_missing_phases_and_notes_are_listed(page):
    assert "Li3P7, LiP7, Li7PS6" in page
    assert "Replica 3 was stopped by the committee" in page


def test_report_of_an_unfinished_campaign_lists_missing_results(bare_page):
    text = text_of(bare_page)
    assert "no iteration of active learning has finished" in text
    assert "production: no run has finished; state of active learning: running" in text
    assert "Interphase: undecided. No production run has finished." in text
    assert text.count("Not available:") == 1
    assert text.index("Not available:") > text.index("Reference method:")
    assert not re.search(r"<h[23]>[^<]*</h[23]>(</summary>)?\s*(<div[^>]*>)?\s*(</div>|</section>)", bare_page)
    assert set(re.findall(r'href="#([\w-]+)"', bare_page)) <= set(re.findall(r'id="([\w-]+)"', bare_page))
    assert "<script" not in bare_page


def test_markup_in_names_is_escaped(bare_inputs, tmp_path):
    inputs = replace(bare_inputs, campaign="<script>alert(1)</script>", notes=["a < b & c"])
    page = write_report(inputs, tmp_path).read_text(encoding="utf-8")
    assert "<script" not in page
    assert "a &lt; b &amp; c" in page


def test_marks_of_direction_and_control_characters_of_names_are_escaped(bare_inputs, tmp_path):
    hostile = "Li2S\u202egnp.exe\x1b[2J\u2066\x00 \u200f<b>"
    software = {hostile: hostile}
    inputs = replace(bare_inputs, campaign=hostile, notes=[hostile], outcome_reason=hostile, software=software)
    page = write_report(inputs, tmp_path).read_text(encoding="utf-8")
    assert printable_lines(page) == page
    assert page.count(r"Li2S\u202egnp.exe\x1b[2J\u2066\x00 \u200f&lt;b&gt;") >= 4


def test_folder_that_cannot_be_written_is_reported_before_anything_is_drawn(full_inputs, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")

    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(html, "drawn_figures", lambda inputs: pytest.fail("figures were drawn"))
    with pytest.raises(StorageError, match="a file is where a folder is expected"):
        write_report(full_inputs, tmp_path / "file" / "report")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskFullError, match="the disk is full"):
        write_report(full_inputs, tmp_path / "report")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_failed_write_keeps_the_old_report(full_inputs, bare_inputs, tmp_path):
    path = write_report(bare_inputs, tmp_path)
    before = path.read_bytes()
    broken = replace(full_inputs, before=StructureView("broken", ["Li"], np.zeros((2, 3)), np.eye(3)))
    with pytest.raises(AnalysisError, match="1 symbols"):
        write_report(broken, tmp_path)
    assert path.read_bytes() == before


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)
@pytest.mark.parametrize("webgl", [True, False])
def test_page_opens_in_a_browser_without_network(folder, tmp_path, webgl):
    """With WebGL the viewers have canvases; without it the drawings stay."""
    flags = ["--enable-unsafe-swiftshader"] if webgl else ["--disable-3d-apis"]
    log = tmp_path / "net.json"
    dom = outside_scripts(
        dom_of((folder / "report.html").as_uri(), tmp_path / "profile", *flags, f"--log-net-log={log}")
    )
    live = len(re.findall(r'class="view live"', dom))
    canvases = len(re.findall(r"<canvas", dom))
    assert (live == 2 and canvases >= 2) if webgl else live == 0
    assert dom.count('alt="Drawing of the structure:') == 2
    # requests of the browser itself (updates, certificates) are ignored
    requested = (
        re.findall(r'"(https?://[^"]+)"', log.read_text(encoding="utf-8", errors="replace")) if log.exists() else []
    )
    assert not [url for url in requested if re.search(r"rcsb|pubchem|3dmol|jsdelivr|unpkg|cdnjs", url)]
