"""The page on DFT settings and the stored results of the convergence study."""

import json
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def generator():
    return runpy.run_path(str(DOCS / "generate_dft_page.py"))


@pytest.fixture(scope="module")
def kept():
    return json.loads((DOCS / "data" / "gpaw_convergence.json").read_text(encoding="utf-8"))


def test_page_is_up_to_date(generator, kept):
    """If this fails, run docs/generate_dft_page.py."""
    assert generator["PAGE"].read_text(encoding="utf-8") == generator["page"](kept)


def test_figure_is_a_png_below_200_kb(generator):
    content = generator["FIGURE"].read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) < 200_000


def test_reaction_energy_agrees_with_the_published_one_at_every_setting(kept):
    """Li7P3S11 + 24 Li -> 11 Li2S + 3 Li3P: -0.78 eV/atom within 0.03."""
    values = kept["convergence"]["values"]
    assert values["reaction"] == "Li7P3S11 + 24 Li → 11 Li2S + 3 Li3P"
    energies = [p["reaction_energy_eV_per_atom"] for p in values["points"]]
    assert energies == pytest.approx([-0.78] * len(energies), abs=0.03)


def test_lattice_constants_agree_with_experiment_within_2_5_percent(kept):
    """PBE lithium is 2 % below the room-temperature value, the others are within 1 %."""
    phases = kept["lattice_constants"]["values"]["phases"]
    assert {"Li", "Li2S"} <= set(phases)
    for phase in phases.values():
        assert phase["a_angstrom"] == pytest.approx(phase["measured"][0]["a_angstrom"], rel=0.025)
