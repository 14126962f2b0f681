"""Content keys of interface analyses."""

from interphase_flows.analysis.pipeline.parts.growth import GrowthPart
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings, composition_of
from interphase_flows.jobs.interface_analysis import analysis_key


def settings(*parts):
    return InterfaceAnalysisSettings(composition_of("Li"), composition_of("Li7P3S11"), temperature_K=300, parts=parts)


def test_new_version_of_a_part_changes_the_keys_of_analyses_with_this_part(monkeypatch):
    growth, fluxes = settings("growth"), settings("fluxes")
    before = analysis_key(growth, ["a"], None), analysis_key(fluxes, ["a"], None)
    assert before == (analysis_key(growth, ["a"], None), analysis_key(fluxes, ["a"], None))
    monkeypatch.setattr(GrowthPart, "version", GrowthPart.version + 1)
    assert analysis_key(growth, ["a"], None) != before[0]
    assert analysis_key(fluxes, ["a"], None) == before[1]
