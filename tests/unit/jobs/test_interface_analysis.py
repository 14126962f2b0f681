"""Content keys of interface analyses."""

import json
from contextlib import nullcontext

import pytest
from monty.json import MontyDecoder, MontyEncoder

from growing_interphase import growing
from interphase_flows.analysis.pipeline.parts.growth import GrowthPart
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings, composition_of
from interphase_flows.analysis.speciation.anion_species import AnionChemistry
from interphase_flows.content_keys import content_key
from interphase_flows.jobs.interface_analysis import (
    InterfaceAnalysisMaker,
    analyse_runs,
    analysis_key,
    other_temperatures_K,
)
from loop_documents import segment


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


def test_each_replica_is_evaluated_at_the_temperature_of_its_thermostat():
    """Onsager coefficients are proportional to 1 / T; a ramp has no single temperature."""
    targets_K = {"replica-0": (300, 300), "replica-1": (450, 450), "replica-2": (400, 500)}
    segments = [segment(run, temperature_target_K=each) for run, both in targets_K.items() for each in both]
    others_K = other_temperatures_K([*segments, "run.dump"], 300.0)
    assert others_K == {"replica-1": 450}
    frames = growing(1.0, n_frames=3, planes_per_angstrom=2)
    runs = dict.fromkeys(targets_K, lambda: nullcontext(frames))
    analyses, _ = analyse_runs(runs, settings("displacement"), None, others_K)
    assert [each.settings.temperature_K for each in analyses.values()] == [300, 450, 300]
    assert [each.trajectory.temperature_K for each in analyses.values()] == [300, 450, 300]
    keys = {analysis_key(settings("growth"), ["a"], None, others) for others in (None, {}, others_K)}
    assert len(keys) == 2
