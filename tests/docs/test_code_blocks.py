"""Run every code block of README and docs."""

from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
ON_A_CAMPAIGN = {"mongodb.md", "plot_results.md", "query.md", "use_results_elsewhere.md"}
"""Pages whose blocks need a finished campaign.

They are run by `test_query_page`, `test_plot_page` and `test_export_page` in tests/flows, and by `test_mongodb_page` in
tests/cluster.
"""
PAGES = [
    REPOSITORY / "README.md",
    *(page for page in sorted((REPOSITORY / "docs").glob("*.md")) if page.name not in ON_A_CAMPAIGN),
]
WITH_PYTHON = {
    "tutorial.md",
    "add_a_reference_method.md",
    "add_an_analysis_part.md",
    "add_a_selection_strategy.md",
    "compiled_potentials.md",
    "dynamics.md",
    "kinetics.md",
    "other_pairs.md",
    "phases.md",
    "start_from_what_you_have.md",
    "structures.md",
    "thermodynamics.md",
    "training.md",
    "trajectories.md",
    "transport.md",
    "transport_grid.md",
    "use_one_part.md",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_blocks_of_a_page_run(page: Path, run_page: Callable[[Path], int]) -> None:
    """Run Python blocks in one session; shell blocks must exit with code 0."""
    n_blocks = run_page(page)
    assert n_blocks > 0 or page.name not in WITH_PYTHON
