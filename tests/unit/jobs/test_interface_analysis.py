"""Content keys of interface analyses."""

import json
from contextlib import nullcontext

import pytest
from ase import Atoms
from monty.json import MontyDecoder, MontyEncoder

from growing_interphase import growing
from interphase_flows.analysis.pipeline.parts.growth import GrowthPart
from interphase_flows.analysis.pipeline.results import TrajectorySummary, runs_to_average
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings, composition_of
from interphase_flows.analysis.speciation.anion_species import AnionChemistry
from interphase_flows.content_keys import content_key
from interphase_flows.jobs.interface_analysis import (
    InterfaceAnalysisMaker,
    analyse_runs,
    analysis_key,
    has_short_run,
    other_temperatures_K,
)
from interphase_flows.jobs.interface_parts import load_parts
from interphase_flows.md.trajectory_writer import TrajectoryWriter, pack
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


@pytest.mark.parametrize(
    ("temperatures_K", "averaged"),
    [
        ({}, []),
        ({"a": None, "b": 300.0, "c": 450.0}, ["a", "b"]),
        ({"a": 450.0, "b": 300.0}, ["b"]),
        ({"a": 450.0, "b": 400.0, "c": 450.0}, ["a", "c"]),
        ({"a": 450.0, "b": 400.0}, ["b"]),
    ],
)
def test_replicas_have_one_temperature(temperatures_K, averaged):
    trajectories = {run: summary(temperature_K=each) for run, each in temperatures_K.items()}
    assert runs_to_average(trajectories, 300.0) == averaged


def summary(**changes) -> TrajectorySummary:
    return TrajectorySummary(**{"n_frames": 4, "n_atoms": 4, "elements": ["Li"], "length_ps": 4.0} | changes)


def test_runs_that_ended_early_are_not_averaged_with_the_others():
    """A run that broke at 0.5 ps would shorten the verdict and all series, and its end is another time."""
    lengths_ps = {"a": 4.0, "b": 0.5, "c": 3.9}
    trajectories = {run: summary(length_ps=each) for run, each in lengths_ps.items()}
    assert runs_to_average(trajectories, 300.0) == ["a", "c"]
    # the only run at the temperature of the analysis is not compared with a longer one at another temperature
    trajectories["d"] = summary(temperature_K=450.0, length_ps=40.0)
    assert runs_to_average(trajectories, 300.0) == ["a", "c"]
    # documents of runs of equal length keep their keys
    segments = [segment(run, last_step=step) for run in ("a", "b") for step in (50, 100)]
    assert not has_short_run([*segments, "run.dump"])
    assert has_short_run(segments[:-1])
    keys = {analysis_key(settings("growth"), ["a"], None, None, short) for short in (False, True)}
    assert keys > {analysis_key(settings("growth"), ["a"], None)}


def test_averages_are_of_the_complete_runs_at_the_temperature_of_the_analysis(workspace):
    """Runs at 300, 300, 450 K: the hot one, whose lithium has left its lattice, does not enter the average.

    Neither does one that ended after its second frame.
    """
    segments = []
    for run, (temperature_K, moved_angstrom, n_frames) in enumerate(
        [(300.0, 0.0, 4), (300.0, 0.0, 4), (450.0, 40.0, 4), (300.0, 0.0, 2)]
    ):
        frames = growing(1.0, n_frames=n_frames, planes_per_angstrom=1, seed=run)
        folder = workspace.root / f"trajectory-{run}"
        writer = None
        for frame, time_fs in enumerate(frames.time_fs):
            atoms = Atoms(frames.numbers, frames.positions(frame), cell=frames.cell(frame), pbc=True)
            atoms.positions[frames.numbers == 3, 0] += frame * moved_angstrom
            writer = writer or TrajectoryWriter(folder, atoms)
            writer.append(atoms, step=frame, time_fs=time_fs, temperature_K=300.0, potential_energy_eV=0.0)
        writer.flush()
        packed = pack(folder, workspace.root / f"{run}.zarr.zip")
        stored = workspace.artifacts.put_file(packed, "trajectories", ".zarr.zip")
        segments.append(
            segment(f"replica-{run}", temperature_target_K=temperature_K, trajectory=stored, last_step=n_frames)
        )
    maker = InterfaceAnalysisMaker(parts=("displacement",), temperature_K=300.0)
    mixed, cold = (InterfaceAnalysisMaker.make.original(maker, each) for each in (segments, segments[:2]))
    averages = [load_parts(each)["displacement"].average.msd_end_angstrom2["Li"] for each in (mixed, cold)]
    assert averages[0] == averages[1]
    assert averages[0].n_independent == 2
    assert load_parts(mixed)["displacement"].replicas["replica-2"].msd_end_angstrom2["Li"].value > 1000
    length_ps, short_ps = (mixed.trajectories[run].length_ps for run in ("replica-0", "replica-3"))
    assert mixed.notes == [
        f"Averages are over replica-0, replica-1 (300 K, {length_ps:.3g} ps), without replica-2 (450 K), "
        f"replica-3 ({short_ps:.3g} ps)."
    ]
    assert cold.notes == []
