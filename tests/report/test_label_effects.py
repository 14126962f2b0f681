"""The figure of what new labels taught."""

from dataclasses import replace

from interphase_flows.report.figures.figure_data import figure_csv
from interphase_flows.report.figures.label_effects import label_effects


def test_environments_are_in_the_order_of_their_uncertainty(full_inputs):
    figure = label_effects(full_inputs.iterations)
    changes, uncertainties, _ = figure.axes
    labels = [text.get_text() for text in uncertainties.get_yticklabels()]
    assert labels[-3:] == ["S, PSx", "P, Pn", "P, PSx"]
    assert labels[0] == "Li, no anion"
    assert [text.get_text() for text in changes.get_legend().get_texts()] == [
        "random, held out",
        "selected, trained",
        "before training",
    ]
    assert "it. 2, random, held out" in figure_csv(figure)


def test_campaigns_of_earlier_versions_have_no_figure(full_inputs):
    empty = {"error_changes": {}, "environments": []}
    old = [replace(each, iteration=each.iteration.model_copy(update=empty)) for each in full_inputs.iterations]
    assert label_effects(old) is None
