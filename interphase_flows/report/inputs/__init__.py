"""Inputs of a report, collected by `report.collect`: the campaign, active learning and the interphase."""
