"""Selection of frames to label, from segments of real dynamics."""

import numpy as np
import pytest
from ase import Atoms

import loop_documents as documents
from interphase_flows.campaign.schema import LearningSpec
from interphase_flows.datasets.frames import extxyz_bytes
from interphase_flows.datasets.gates import Gates
from interphase_flows.datasets.selection.strategy import CandidatePool, Selection
from interphase_flows.jobs.selection import SelectMaker
from interphase_flows.jobs.structures.structure_sets import load_set
from interphase_flows.md.candidates import pack_candidates
from interphase_flows.md.dynamics import LangevinNVT
from interphase_flows.md.segment import run_segment
from interphase_flows.md.uncertainty_monitor import CalculatorCommittee, UncertaintyMonitor
from interphase_flows.schemas.segment import SegmentDoc
from own_steps import MostUncertainMaker

N_STEPS = 40


@pytest.fixture
def trained(workspace, crystals):
    """Dataset of three crystals."""
    frames = [frame.copy() for frame in crystals[:3]]
    for frame in frames:
        frame.info.update(split="train", origin="crystal/Li2S", label_key="k")
    return documents.dataset(workspace.artifacts.put_bytes(extxyz_bytes(frames), "datasets", ".extxyz"))


def explored(workspace, start: Atoms, run_id: str, spheres) -> SegmentDoc:
    """Run a segment of twenty frames with some candidates."""
    hard, soft = spheres.calculator(), spheres.calculator()
    soft.parameters["epsilon"] = 0.2
    result = run_segment(
        start * (2, 1, 1),
        CalculatorCommittee([hard, soft]),
        LangevinNVT(temperature_K=300.0, timestep_fs=1.0),
        N_STEPS,
        3,
        workspace.work_folder("segments", run_id),
        UncertaintyMonitor(
            interval_steps=5,
            select_force_std_eV_per_angstrom=0.0,
            stop_force_std_eV_per_angstrom=None,
            candidate_window_steps=5,
            close_contact_fraction=0.2,
            max_temperature_factor=50.0,
            grace_factor=50.0,
        ),
        frame_interval_steps=2,
    )
    assert result.stop_reason == "finished"
    assert len(result.candidates) > 4
    return documents.segment(
        run_id,
        trajectory=workspace.artifacts.put_file(result.trajectory, "trajectories", ".zarr.zip"),
        candidates=workspace.artifacts.put_bytes(pack_candidates(result.candidates), "candidates", ".npz"),
    )


@pytest.fixture
def segments(workspace, crystals, spheres):
    """One exploring run and one audit run."""
    return [explored(workspace, crystals[5], run_id, spheres) for run_id in ("interface-0", "audit-1")]


def select(segments, dataset, seed=1, **learning):
    defaults = {
        "labels_per_iteration": 4,
        "audit_labels_per_iteration": 3,
        "selection": {"strategy": "uncertainty_diverse"},
    }
    spec = LearningSpec(**defaults | learning)
    return SelectMaker.make.original(SelectMaker(learning=spec), segments, dataset, seed)


def test_selected_origins_name_role_and_run(segments, trained):
    """Candidates of the audit walker are never selected for training."""
    selected = select(segments, trained)
    origins = [entry.origin for entry in selected.entries]
    assert origins == ["explore/interface-0"] * 4 + ["audit/audit-1"] * 3
    assert len({entry.key for entry in selected.entries}) == 7
    assert len(load_set(selected)) == 7


def test_audit_sample_depends_on_seed_and_excludes_the_start(workspace, segments, trained):
    """A request beyond the number of frames returns every frame but the first of the run."""
    everything = select(segments, trained, audit_labels_per_iteration=1000)
    audit = [entry for entry in everything.entries if entry.origin.startswith("audit")]
    assert len(audit) == N_STEPS // 2
    keys = [{e.key for e in select(segments, trained, seed).entries[4:]} for seed in (1, 1, 2)]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("n_labels", "fraction", "n_sampled"),
    [(4, 0.25, 1), (4, 0.0, 0), (4, 1.0, 4), (1, 0.25, 0), (1, 0.9, 1), (2, 0.1, 1), (3, 0.95, 2)],
)
def test_random_frames_of_crystals_are_a_part_of_the_labels(
    workspace, segments, trained, n_labels, fraction, n_sampled
):
    """They need no uncertainty; all that is left is selected among the uncertain frames."""
    crystal = segments[0].model_copy(update={"role": "sample", "run_id": "crystal-0", "candidates": None})
    selected = select([*segments, crystal], trained, labels_per_iteration=n_labels, crystal_fraction=fraction)
    origins = [entry.origin for entry in selected.entries]
    assert origins.count("explore/crystal-0") == n_sampled
    assert origins.count("explore/interface-0") == n_labels - n_sampled
    assert len(select([None, crystal], trained, labels_per_iteration=4, crystal_fraction=0.5).entries) == 2


def test_selection_is_empty_without_candidates(workspace, trained):
    """Failed walkers and walkers without candidates; the note states the reason."""
    selected = select([None, documents.segment("interface-0"), documents.segment("audit-1")], trained)
    assert selected.entries == []
    assert "no frame was above the selection level" in selected.notes[0]
    assert load_set(selected) == []
    assert select([None, None], trained).entries == []


def test_random_selects_among_all_frames_of_the_exploration(segments, trained):
    """Frames below the selection level count, those of the audit walker and the start of the run do not."""
    certain = [segment.model_copy(update={"candidates": None}) for segment in segments]
    everything = select(certain, trained, labels_per_iteration=1000, selection={"strategy": "random"})
    assert [entry.origin for entry in everything.entries[:-3]] == ["explore/interface-0"] * (N_STEPS // 2)
    assert everything.notes == ["20 of 20 frames, at random"]
    keys = [
        {entry.key for entry in select(segments, trained, seed, selection={"strategy": "random"}).entries}
        for seed in (1, 1, 2)
    ]
    assert keys[0] == keys[1] != keys[2]
    assert select([None], trained, selection={"strategy": "random"}).notes == [
        "the exploration has no frame that passes the gates"
    ]


def test_selected_frames_pass_the_gates(segments, trained):
    spec, strict = Gates(min_distance_fraction=0.99), Gates(min_distance_fraction=0.99)
    selected = SelectMaker.make.original(SelectMaker(gates=spec), segments, trained, 1)
    assert all(strict.before(frame) is None for frame in load_set(selected))
    before = select(segments, trained, labels_per_iteration=100, audit_labels_per_iteration=100)
    assert len(selected.entries) < len(before.entries)


def test_own_selection_has_another_key(segments, trained):
    """In a campaign it must not get the document of the default selection."""
    learning = LearningSpec(labels_per_iteration=2)
    own, default = (
        SelectMaker.make.original(maker(learning=learning), segments, trained, 1)
        for maker in (MostUncertainMaker, SelectMaker)
    )
    assert own.key != default.key
    assert own.notes == ["most uncertain"]


@pytest.mark.parametrize(("strategy", "has_all_frames"), [("random", True), ("uncertainty", False)])
def test_own_selection_gets_the_candidates_of_the_strategy(segments, trained, strategy, has_all_frames):
    """As docs/use_one_part.md describes."""
    pools = []

    class RecordingMaker(SelectMaker):
        def select(self, pool: CandidatePool, n: int, seed: int) -> Selection:
            pools.append(pool)
            return Selection([0])

    learning = LearningSpec(selection={"strategy": strategy})
    RecordingMaker.make.original(RecordingMaker(learning=learning), segments, trained, 1)
    (pool,) = pools
    assert (len(pool.frames) == N_STEPS // 2) == has_all_frames
    assert np.isnan(pool.uncertainty_eV_per_angstrom).all() == has_all_frames
    assert np.isfinite(pool.uncertainty_eV_per_angstrom).all() != has_all_frames


@pytest.mark.parametrize(("strategy", "is_same"), [("largest_cluster", False), ("uncertainty", True)])
def test_committee_is_in_the_key_of_strategies_that_use_its_features(workspace, trained, strategy, is_same):
    learning = LearningSpec(selection={"strategy": strategy})
    one, other = (
        SelectMaker.make.original(SelectMaker(learning=learning), [None], trained, 1, documents.committee(key)).key
        for key in ("one", "other")
    )
    assert (one == other) == is_same
