"""Tables of the data of figures."""

import numpy as np
from matplotlib.figure import Figure

from interphase_flows.report.figures.figure_data import figure_csv


def test_maps_of_values_are_written_and_maps_of_colours_are_not():
    figure = Figure()
    values, colours = figure.subplots(1, 2)
    values.set_title("values")
    values.pcolormesh([0, 2, 4], [0, 1], np.array([[5.0, 7.0]]))
    colours.pcolormesh([0, 2, 4], [0, 1], np.ones((1, 2, 3)))
    rows = figure_csv(figure).splitlines()
    assert rows[1:] == ["values,map,1,1.0,0.5,5.0", "values,map,1,3.0,0.5,7.0"]
