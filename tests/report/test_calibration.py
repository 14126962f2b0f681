"""The figure of the calibration."""

from dataclasses import replace

from interphase_flows.report.figures.calibration import calibration


def test_more_elements_than_colours_are_drawn(full_inputs):
    errors = dict.fromkeys(["Br", "Cl", "F", "I", "Li", "N", "O", "P", "S"], 0.1)
    shown = [
        replace(each, parity=replace(each.parity, force_mae_of_element_eV_per_angstrom=errors))
        for each in full_inputs.iterations
    ]
    _, _, elements = calibration(shown).axes
    assert len(elements.lines) == len(errors)
