"""The analysis part ``phases`` on runs with known phases, with and without references."""

import numpy as np
import pytest
from ase import Atoms
from ase.io import read

from growing_interphase import growing
from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.phases.phase_references import (
    PhaseReferences,
    packed_references,
    unpacked_references,
)
from interphase_flows.analysis.phases.replica_average import average_phases
from interphase_flows.analysis.pipeline.interface_analysis import analyse_interface
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings, composition_of
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.speciation.reaction_graph import Transition
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.exceptions import AnalysisError
from interphase_flows.structures.crystals.library import load_phase
from phase_references_of_tests import references
from phase_runs import frames_of

SETTINGS = InterfaceAnalysisSettings(composition_of("Li"), composition_of("Li7P3S11"), 300.0, ("phases",))


def analysed(frames, known=None, settings=SETTINGS):
    return analyse_interface(frames, settings, references=known)


def vibrating(name="Li7P3S11", n_frames=6, spread_angstrom=0.06):
    atoms = load_phase(name)
    moves = np.random.default_rng(0).normal(0, spread_angstrom, (n_frames, len(atoms), 3))
    return ArrayFrames(atoms.numbers, 100.0 * np.arange(n_frames), atoms.positions + moves, atoms.cell[:])


@pytest.fixture(scope="module")
def known() -> PhaseReferences:
    return references()


def test_unreacted_electrolyte_contains_no_lithium_sulfide(known):
    found = analysed(frames_of("Li7P3S11"), known).parts["phases"]
    shares = found.labels.entire_cell.shares
    assert shares["electrolyte"].value > 0.95
    assert not {"Li2S", "P dissolved in Li2S"} & set(shares)
    assert found.domains["Li2S"].n_domains == 0
    assert "no domain" in found.domains["Li2S"].scherrer.reason


def test_labels_are_unavailable_without_references():
    found = analysed(vibrating()).parts["phases"]
    assert found.anions.end == {"PS4": 2.0, "P2S7": 2.0}
    assert found.anions.n_frames == 6
    assert "--phases" in found.labels.hint
    assert "--phases" in found.domains.hint
    assert "no interface" in found.percolation.reason
    assert found.order.pairs["Li-S"].start > 0
    assert found.diffraction.lines == {}
    graph = found.reactions["network formers"]
    assert graph.transitions == []
    assert sum(graph.at_risk_atom_ps.values()) == pytest.approx(6 * 0.5)


def test_phases_of_a_slab_without_electrolyte(known):
    """Lithium, molten Li2S with Li3P, crystalline Li2S: without electrolyte there are no boundaries."""
    answer = analysed(frames_of("slab"), known)
    found = answer.parts["phases"]
    shares = {name: x.value for name, x in found.labels.entire_cell.shares.items()}
    assert shares["Li2S"] > 0.25
    assert shares["metal"] > 0.25
    assert shares["unknown"] > 0.15  # the melt, which touches both
    assert found.domains["Li2S"].n_domains == 1
    assert "no interface" in found.labels.sides.reason
    n_frames, n_labels, n_slabs = answer.arrays["phases.map_atoms"].shape
    assert (n_frames, n_labels) == (found.labels.n_labelled, len(found.labels.names))
    assert answer.arrays["phases.map_edges_angstrom"].shape == (n_slabs + 1,)


def test_anions_of_all_frames_and_labels_of_sixty(known):
    found = analysed(vibrating(n_frames=70), known).parts["phases"]
    assert found.anions.n_frames == 70
    assert found.labels.n_labelled == 60


def test_interphases_with_boundaries_have_labels_and_networks(known):
    settings = InterfaceAnalysisSettings(SETTINGS.electrode, SETTINGS.electrolyte, 300.0, ("boundaries", "phases"))
    found = analysed(growing(60.0, n_frames=6, planes_per_angstrom=2), known, settings)
    phases = found.parts["phases"]
    for side in ("above", "below"):
        assert sum(x.value for x in phases.labels.sides[side].shares.values()) == pytest.approx(1)
        assert len(phases.percolation.sides[side].crossing_share) == 7
        ends = found.arrays[f"phases.interphase_{side}_angstrom"]
        assert np.nanmax(ends[:, 1] - ends[:, 0]) > 10


def test_interphase_composition_is_invariant_under_drift(known):
    """Trajectories of other codes may drift."""
    settings = InterfaceAnalysisSettings(SETTINGS.electrode, SETTINGS.electrolyte, 300.0, ("boundaries", "phases"))
    still = growing(60.0, n_frames=6, planes_per_angstrom=2)
    away = np.linspace(0.0, 12.0, still.n_frames)[:, None, None] * [0.0, 0.0, 1.0]
    moving = ArrayFrames(still.numbers, still.time_fs, still.all_positions + away, still.cells)
    at_rest, drifting = (analysed(frames, known, settings) for frames in (still, moving))
    one, other = (found.parts["phases"] for found in (at_rest, drifting))
    for side, layer in one.labels.sides.items():
        shares = {label: x.value for label, x in layer.shares.items()}
        found = {label: x.value for label, x in other.labels.sides[side].shares.items()}
        assert found == pytest.approx(shares, abs=0.02)
        network = other.percolation.sides[side]
        assert network.crossing_share == one.percolation.sides[side].crossing_share
        ends = f"phases.interphase_{side}_angstrom"
        np.testing.assert_allclose(drifting.arrays[ends], at_rest.arrays[ends], atol=0.5)


def test_replicas_are_averaged_and_reactions_added(known):
    each = [analysed(vibrating(spread_angstrom=s), known).parts["phases"] for s in (0.05, 0.06, 0.07)]
    graph = each[0].reactions["network formers"]
    with_event = graph.model_copy(
        update={"transitions": [Transition("PS4", "PSx", 2, Estimate(1.0, 0.0, 2.0, n_independent=1.0))]}
    )
    each[0] = each[0].model_copy(update={"reactions": each[0].reactions | {"network formers": with_event}})
    found = average_phases(each)
    assert found.n_replicas == 3
    assert found.anions.end["PS4"] == Estimate(2.0, 2.0, 2.0, n_independent=3)
    [arrow] = found.reactions["network formers"].transitions
    assert (arrow.before, arrow.after, arrow.n_events) == ("PS4", "PSx", 2)
    at_risk = sum(one.reactions["network formers"].at_risk_atom_ps["PS4"] for one in each)
    assert arrow.rate_per_ps.value == pytest.approx(2 / at_risk)
    # two atoms that went together are one event
    assert arrow.rate_per_ps.upper == pytest.approx(2 * 5.572 / at_risk, rel=1e-3)
    assert found.labels.entire_cell.shares["electrolyte"].value > 0.9
    assert "no interface" in found.percolation.reason
    assert average_phases([each[0], Unavailable(reason="why")]).notes
    with pytest.raises(AnalysisError, match="why"):
        average_phases([Unavailable(reason="why")])


def test_undetermined_roles_are_unavailable():
    settings = InterfaceAnalysisSettings(composition_of("Li"), composition_of("Na2S"), 300.0, ("phases",))
    frames = vibrating("Li2S")
    assert "do not determine" in analyse_interface(frames, settings).parts["phases"].reason


@pytest.mark.parametrize(
    ("phase", "electrolyte", "anions"),
    [
        ("Li2S", "Li2S", {"isolated S": 8.0}),
        ("Li3P", "Li3P", {"isolated P": 8.0}),
        ("Li2S", "Li7P3S11", {"isolated S": 8.0}),
        ("Li", "Li7P3S11", {}),
    ],
)
def test_pure_phases_have_answers(known, phase, electrolyte, anions):
    atoms = load_phase(phase) * ((2, 1, 1) if phase == "Li2S" else (2, 2, 1))
    moves = np.random.default_rng(1).normal(0, 0.06, (6, len(atoms), 3))
    frames = ArrayFrames(atoms.numbers, 100.0 * np.arange(6), atoms.positions + moves, atoms.cell[:])
    settings = InterfaceAnalysisSettings(composition_of("Li"), composition_of(electrolyte), 300.0, ("phases",))
    found = analyse_interface(frames, settings, references=known).parts["phases"]
    assert found.anions.end == anions
    assert found.labels.entire_cell.shares["metal" if phase == "Li" else phase].value > 0.95


def test_run_without_mobile_cations_is_unavailable():
    atoms = load_phase("P")[:2]
    atoms.symbols[:] = ["P", "S"]
    atoms += Atoms("Ag", positions=[[4.0, 4.0, 4.0]])
    frames = ArrayFrames(atoms.numbers, np.zeros(1), atoms.positions[None], 12.0 * np.eye(3))
    settings = InterfaceAnalysisSettings(composition_of("LiAg"), composition_of("Li7P3S11"), 300.0, ("phases",))
    found = analyse_interface(frames, settings)
    assert "no Li, the mobile cation" in found.parts["phases"].reason
    assert found.trajectory.n_atoms == 3


def test_references_are_unchanged_by_a_file(known, tmp_path):
    path = tmp_path / "references.npz"
    path.write_bytes(packed_references(known))
    read = unpacked_references(path)
    assert (read.temperature_K, read.made_by, list(read.crystals)) == (
        300.0,
        known.made_by,
        list(known.crystals),
    )
    run = frames_of("slab")
    assert analysed(run, read).parts["phases"].labels == analysed(run, known).parts["phases"].labels
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(AnalysisError, match="delete it"):
        unpacked_references(path)


def test_references_of_another_temperature_have_a_note(known):
    hot = InterfaceAnalysisSettings(SETTINGS.electrode, SETTINGS.electrolyte, 600.0, ("phases",))
    assert "300 K" in analysed(vibrating(), known, hot).parts["phases"].references.notes[-1]


def test_exported_labels_are_those_of_the_analysis(known, tmp_path):
    path = tmp_path / "new" / "labels.extxyz"
    run = frames_of("slab")
    found = analyse_interface(run, SETTINGS, references=known, labels_path=path)
    frames = read(path, ":")
    assert len(frames) == run.n_frames
    names = dict(each.split(" ", 1)[::-1] for each in frames[-1].info["phases"].split(", "))
    share = np.mean([(frame.arrays["phase"] == int(names["Li2S"])).mean() for frame in frames[-1:]])
    assert share == pytest.approx(found.parts["phases"].labels.entire_cell.shares["Li2S"].value)
    np.testing.assert_allclose(frames[-1].positions, run.positions(run.n_frames - 1), atol=1e-5)
