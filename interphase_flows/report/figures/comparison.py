"""Figure of a comparison of campaigns: learning curves and thickness of the interphase."""

from collections.abc import Sequence
from itertools import cycle

import numpy as np
from matplotlib.figure import Figure

from interphase_flows.report.figures.style import CYCLE, DASHES, figure_style
from interphase_flows.report.inputs.comparison import ComparedCampaign


def comparison_figure(campaigns: Sequence[ComparedCampaign]) -> Figure | None:
    """Draw force errors against labels, and thickness against time on each side; None if no campaign has either."""
    sides = sorted({side for each in campaigns for side in each.inputs.thickness})
    has_errors = any(each.inputs.iterations for each in campaigns)
    n_panels = has_errors + len(sides)
    if not n_panels:
        return None
    with figure_style():
        figure = Figure(figsize=(1.0 + 3.6 * n_panels, 3.4))
        panels = list(figure.subplots(1, n_panels, squeeze=False)[0])
        if has_errors:
            panels[0].set(title="Force error, held-out frames", xlabel="Labels in training", ylabel="MAE (meV/Å)")
        for axes, side in zip(panels[has_errors:], sides, strict=True):
            axes.set(title=f"Thickness, {side}", xlabel="Time (ps)", ylabel="Thickness (Å)")
        for campaign, colour, dashes in zip(campaigns, cycle(CYCLE), cycle(DASHES), strict=False):
            style = {"color": colour, "linestyle": dashes, "label": campaign.name}
            if campaign.inputs.iterations:
                labels = [each.iteration.n_train for each in campaign.inputs.iterations]
                errors = [each.errors.forces_mae_meV_per_angstrom for each in campaign.inputs.iterations]
                panels[0].plot(labels, errors, marker="o", markersize=5, **style)
            for axes, side in zip(panels[has_errors:], sides, strict=True):
                if (band := campaign.inputs.thickness.get(side)) is None:
                    continue
                axes.plot(band.time_ps, band.curves.value[:, 0], **style)
                lower, upper = band.curves.lower[:, 0], band.curves.upper[:, 0]
                if np.isfinite(lower).any():
                    axes.fill_between(band.time_ps, np.maximum(lower, 0), upper, color=colour, alpha=0.12, linewidth=0)
        for axes in panels:
            axes.margins(y=0.1)
            axes.set_ylim(0, None)
        # get_legend_handles_labels leaves out labels that start with an underscore
        handles = {str(line.get_label()): line for axes in panels for line in axes.lines}
        legend = figure.legend(handles.values(), handles.keys(), loc="outside lower left", ncols=4)
        for text in legend.get_texts():
            text.set_parse_math(False)  # a path may contain dollar signs
    return figure
