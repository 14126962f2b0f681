"""Draw the figures of docs/kinetics.md from synthetic series: `python docs/generate_kinetics_figures.py`."""

from pathlib import Path

import numpy as np

from interphase_flows.analysis.growth.kinetics import thickness_kinetics
from interphase_flows.analysis.passivation.history import InterphaseHistory
from interphase_flows.analysis.passivation.verdict import verdict
from interphase_flows.report.figures.growth import growth_figure, verdict_figure
from interphase_flows.report.figures.style import rendered

IMAGES = Path(__file__).parent / "images"


def growth_png() -> bytes:
    """Return two stages that cross over at 30 ps, until the lithium has run out at 80 ps."""
    rng = np.random.default_rng(1)
    time_ps = np.linspace(0, 100, 400)
    grown = np.where(time_ps < 30, 0.12 * time_ps, np.sqrt(3.6**2 + 0.2 * np.clip(time_ps - 30, 0, 50)))
    thickness = 0.5 + grown + rng.normal(0, 0.08, 400)
    left = {"lithium": 4.82 - grown, "electrolyte": 50 - grown}
    found = thickness_kinetics(time_ps, thickness, reservoirs=left)
    return rendered(growth_figure(time_ps, thickness, found, "thickness (Å)"), "kinetics_growth", "").png


def verdict_png() -> bytes:
    """Return an interphase that has stopped, but for phosphorus."""
    rng = np.random.default_rng(2)
    time_ps = np.linspace(0, 4000, 1000)
    grown = 20 * (1 - np.exp(-time_ps / 80))
    passed = {
        "Li": 8 * grown + rng.normal(0, 1.5, 1000),
        "P": grown + 0.004 * time_ps + rng.normal(0, 0.1, 1000),
        "S": rng.normal(0, 0.1, 1000),
    }
    left = {"lithium": 60 - grown, "electrolyte": 90 - grown}
    found = verdict([InterphaseHistory(time_ps, 4 + grown + rng.normal(0, 0.3, 1000), passed, left)])
    return rendered(verdict_figure(found), "kinetics_verdict", "").png


if __name__ == "__main__":
    (IMAGES / "kinetics_growth.png").write_bytes(growth_png())
    (IMAGES / "kinetics_verdict.png").write_bytes(verdict_png())
