"""Figure of a convergence study."""

from matplotlib.artist import Artist
from matplotlib.figure import Figure

from interphase_flows.report.figures.style import CYCLE, DASHES, GREY, VERMILION, figure_style
from interphase_flows.report.text.convergence import QUANTITIES
from interphase_flows.schemas.convergence import ConvergenceStudyDoc

AXES = {
    "cutoff": ("cutoff_eV", "Cutoff (eV)"),
    "k_density": ("k_density_per_inverse_angstrom", "k-points per Å⁻¹"),
}
"""Field and label of the settings that are varied."""
SMALLEST_ERROR = 1e-3
"""Smaller errors are drawn here: the axis is logarithmic."""


def convergence_figure(study: ConvergenceStudyDoc | None) -> Figure | None:
    """Draw errors against the most accurate setting, by axis and quantity, with the tolerances."""
    if study is None:
        return None
    points = {axis: [point for point in study.points if point.axis == axis] for axis in AXES}
    varied = [axis for axis in AXES if len(points[axis]) > 1]
    if not varied:
        return None
    with figure_style():
        figure = Figure(figsize=(9.6, 2.7 * len(varied) + 0.5))
        panels = figure.subplots(len(varied), len(QUANTITIES), squeeze=False)
        names = list(dict.fromkeys(n for p in study.points for kind in QUANTITIES for n in p.errors[kind]))
        # one colour for all errors of a phase
        phases = list(dict.fromkeys(name.split(",")[0] for name in names))
        for row, axis in zip(panels, varied, strict=True):
            field, label = AXES[axis]
            shown = [(getattr(p, field), p.errors) for p in points[axis] if not p.is_reference_setting]
            for panel, (kind, (title, unit)) in zip(row, QUANTITIES.items(), strict=True):
                for name in names:
                    number = phases.index(name.split(",")[0])
                    found = [(x, errors[kind][name]) for x, errors in shown if name in errors[kind]]
                    # a cell at the Gamma point has no k-points to converge
                    if not any(error > 0 for _, error in found):
                        continue
                    panel.plot(
                        [x for x, _ in found], [max(error, SMALLEST_ERROR) for _, error in found],
                        DASHES[number % len(DASHES)], marker="o", markersize=4,
                        color=CYCLE[number % len(CYCLE)], label=phases[number],
                    )  # fmt: skip
                panel.axhline(study.tolerances[kind], color=VERMILION, linewidth=1, linestyle=(0, (4, 3)))
                panel.set_yscale("log")
                panel.set(title=title, ylabel=f"Error ({unit})", xlabel=label)
                panel.set_xticks([x for x, _ in shown])
                panel.margins(x=0.15)
        handles: dict[str, Artist] = {}
        for panel in panels.flat:
            for line, name in zip(*panel.get_legend_handles_labels(), strict=True):
                handles.setdefault(name, line)
        figure.legend(
            handles.values(),
            handles.keys(),
            loc="outside lower center",
            ncols=4,
            fontsize=8.5,
            labelcolor=GREY,
        )
    return figure
