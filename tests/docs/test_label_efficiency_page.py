"""The page on label efficiency and the stored results of its benchmarks."""

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def generator():
    return runpy.run_path(str(DOCS / "generate_label_efficiency_page.py"))


def test_page_is_up_to_date(generator):
    """If this fails, run docs/generate_label_efficiency_page.py."""
    selection, transfer = (generator["results"](name) for name in generator["DATA"])
    assert generator["PAGE"].read_text(encoding="utf-8") == generator["page"](
        selection, transfer, generator["held_out_labels"]()
    )


def curves(difference, n_seeds=5):
    def run(seed, of_strategy):
        errors = (130.0 + seed, 110.0 + 0.1 * seed + of_strategy * (1.0 + 0.05 * seed))
        return [{"n_labels": 200 + 30 * i, "interfaces": error, "amorphous": error} for i, error in enumerate(errors)]

    return {
        "random": {str(seed): run(seed, 0.0) for seed in range(n_seeds)},
        "other": {str(seed): run(seed, difference) for seed in range(n_seeds)},
    }


@pytest.mark.parametrize(("difference", "is_better"), [(-2.0, True), (0.0, False), (2.0, False)])
def test_verdict_follows_the_results(generator, difference, is_better):
    assert ("`other` have" in generator["verdict"](curves(difference))) is is_better
