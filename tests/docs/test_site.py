"""The documentation site: builds without warnings, has every page and every public name."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import interphase_flows

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the site; Sphinx warns of a page that no table of contents names, and of a link that leads nowhere."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", DOCS, folder]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_is_built_and_in_the_navigation(site):
    start = (site / "index.html").read_text(encoding="utf-8")
    names = {page.stem for page in DOCS.glob("*.md")}
    assert {page.stem for page in site.glob("*.html")} >= names
    assert set(re.findall(r'class="reference internal" href="(\w+)\.html"', start)) >= names - {"index"}


def test_reference_has_every_public_name_with_a_description(site):
    page = (site / "python_api.html").read_text(encoding="utf-8")
    described = dict(re.findall(r'<dt [^>]*id="interphase_flows\.(\w+)">.*?<dd>(.*?)</p>', page, re.DOTALL))
    assert set(interphase_flows.__all__) - {"__version__"} <= described.keys()
    assert all(len(re.sub("<.*?>", "", text)) > 20 for text in described.values())


def test_notebooks_are_executed(site):
    page = (site / "notebook_lammps.html").read_text(encoding="utf-8")
    assert "electrolyte was exhausted at 5.4 ps" in page  # as the text states
    assert page.count("image/png") + page.count(".png") >= 3
    page = (site / "notebook_selection.html").read_text(encoding="utf-8")
    assert len(re.findall(r"(?:random|own) +\d+ compositions, \d+ meV/Å", page)) == 2


def test_reference_of_commands_is_up_to_date():
    """If this fails, run docs/generate_command_line.py."""
    generator = runpy.run_path(str(DOCS / "generate_command_line.py"))
    assert generator["PAGE"].read_text(encoding="utf-8") == generator["page"]()


def test_formulas_are_drawn_without_the_internet(site):
    page = (site / "transport.html").read_text(encoding="utf-8")
    assert "<math" in page
    scripts = re.findall(r'<(?:script|link)[^>]*(?:src|href)="(http[^"]+)"', page)
    assert scripts == []
