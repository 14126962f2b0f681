"""Figure of imported labels: energies, forces and distances of the accepted frames."""

import numpy as np
from matplotlib.figure import Figure

from interphase_flows.report.figures.style import BLUE, CYCLE, DASHES, figure_style
from interphase_flows.report.inputs.label_import import ImportSummary

MOST_COMPOSITIONS = 8
BINS = 50


def label_import_figure(summary: ImportSummary) -> Figure | None:
    """Draw energies against the median of their composition, forces by element and smallest distances; None if empty."""
    if not summary.frames:
        return None
    with figure_style():
        figure = Figure(figsize=(9.6, 3.3))
        energies, forces, distances = figure.subplots(1, 3)
        shown = [c.composition for c in summary.compositions if c.n_accepted][:MOST_COMPOSITIONS]
        for row, name in enumerate(shown):
            x = [f.energy_from_median_eV_per_atom for f in summary.frames if f.composition == name]
            energies.scatter(x, np.full(len(x), row), s=9, alpha=0.5, color=CYCLE[row % len(CYCLE)], linewidths=0)
        energies.set(title="Energies", xlabel="Energy − median of composition (eV/atom)")
        energies.set_yticks(range(len(shown)), shown)
        energies.invert_yaxis()
        largest = max(float(norms.max()) for norms in summary.forces_by_element_eV_per_angstrom.values())
        edges = np.linspace(0.0, max(largest, 1e-6), BINS + 1)
        for number, (element, norms) in enumerate(summary.forces_by_element_eV_per_angstrom.items()):
            counts, _ = np.histogram(norms, edges)
            forces.stairs(
                np.where(counts > 0, counts, np.nan), edges, label=element,
                color=CYCLE[number % len(CYCLE)], linestyle=DASHES[number % len(DASHES)],
            )  # fmt: skip
        forces.set(title="Forces", xlabel="Norm of the force (eV/Å)", ylabel="Atoms", yscale="log")
        forces.legend(fontsize=8)
        distances.hist([f.smallest_distance_angstrom for f in summary.frames], bins=BINS, color=BLUE)
        distances.set(title="Smallest distances", xlabel="Smallest distance in a frame (Å)", ylabel="Frames")
    return figure
