"""Content keys of interface analyses."""

import json

import pytest
from monty.json import MontyDecoder, MontyEncoder

from interphase_flows.analysis.pipeline.parts.growth import GrowthPart
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings, composition_of
from interphase_flows.analysis.speciation.anion_species import AnionChemistry
from interphase_flows.content_keys import content_key
from interphase_flows.jobs.interface_analysis import InterfaceAnalysisMaker, analysis_key


def settings(*parts):
    return InterfaceAnalysisSettings(composition_of("Li"), composition_of("Li7P3S11"), temperature_K=300, parts=parts)


def test_new_version_of_a_part_changes_the_keys_of_analyses_with_this_part(monkeypatch):
    growth, fluxes = settings("growth"), settings("fluxes")
    before = analysis_key(growth, ["a"], None), analysis_key(fluxes, ["a"], None)
    assert before == (analysis_key(growth, ["a"], None), analysis_key(fluxes, ["a"], None))
    monkeypatch.setattr(GrowthPart, "version", GrowthPart.version + 1)
    assert analysis_key(growth, ["a"], None) != before[0]
    assert analysis_key(fluxes, ["a"], None) == before[1]


@pytest.mark.parametrize("kind", [tuple, list, frozenset])
def test_stored_maker_has_the_same_anions_and_key(kind):
    """FireWorks and worker processes read Makers from JSON; measured chemistries have sets of elements."""
    maker = InterfaceAnalysisMaker(anions=AnionChemistry(kind(["P", "B"]), kind(["S", "O"]), 2.6, 2.6, 2.4))
    stored = MontyDecoder().process_decoded(json.loads(MontyEncoder().encode(maker)))
    assert stored.anions == maker.anions == AnionChemistry(("B", "P"), ("O", "S"), 2.6, 2.6, 2.4)
    assert hash(stored.anions) == hash(maker.anions)
    assert content_key("unit", anions=stored.anions) == content_key("unit", anions=maker.anions)
