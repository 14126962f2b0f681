"""The figure of the training."""

from dataclasses import replace

import numpy as np

from interphase_flows.report.figures.figure_data import figure_csv
from interphase_flows.report.figures.style import rendered
from interphase_flows.report.figures.training import training_curves


def test_every_member_of_every_iteration_is_drawn_after_the_epochs_of_those_before(full_inputs):
    loss, forces = training_curves(full_inputs.iterations).axes
    for axes in (loss, forces):
        sets = [line for line in axes.lines if str(line.get_label()).endswith(" set")]
        assert len(sets) == 3 * 3 * 2
        assert {line.get_xdata()[0] for line in sets} == {1, 61, 86}
        assert max(line.get_xdata()[-1] for line in sets) == 110
    assert "it. 2, member 1, validation set" in figure_csv(loss.figure)


def test_models_of_earlier_versions_have_only_the_validation_loss(full_inputs):
    empty = np.empty(0)
    old = [
        replace(
            each,
            training=[
                replace(
                    curve,
                    training_loss=empty,
                    validation_force_rmse_eV_per_angstrom=empty,
                    training_force_rmse_eV_per_angstrom=empty,
                )
                for curve in each.training
            ],
        )
        for each in full_inputs.iterations
    ]
    figure = training_curves(old)
    assert b"<svg" in rendered(figure, "training", "Errors by epoch").svg
    loss, forces = figure.axes
    assert any(len(line.get_xdata()) == 60 for line in loss.lines)
    assert not any(len(line.get_xdata()) > 2 for line in forces.lines)
    assert training_curves([replace(each, training=[]) for each in old]) is None
