"""Label jobs: rejected labels are recorded with a reason, accepted labels are computed once."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from ase import Atoms
from monty.json import jsanitize

from interphase_flows.datasets.gates import Gates
from interphase_flows.exceptions import ReferenceMethodError, WalltimeReachedError
from interphase_flows.jobs import labels
from interphase_flows.jobs.caching import NotStoredError, lookups_only, stored_document
from interphase_flows.jobs.label_batches import rejections
from interphase_flows.jobs.label_structure import cached_label, label_key
from interphase_flows.jobs.labels import LabelMaker, LabelSetMaker, _emit_scf_step, gather_labels
from interphase_flows.jobs.structures.structure_sets import store_set
from interphase_flows.runtime.progress import SCF, emit, listening
from interphase_flows.runtime.walltime import Deadline
from interphase_flows.schemas.label import LabelBatch, LabelDoc
from spheres import SpheresSpec


def run(maker, *arguments):
    """Run the job body of a Maker in this process."""
    return type(maker).make.original(maker, *arguments)


@pytest.fixture
def mixed(workspace, crystals):
    """Two valid structures, one with overlapping atoms and one whose SCF does not converge."""
    overlapping, unconverged = crystals[2], Atoms("LiP", [[0, 0, 0], [2.4, 0, 0]], cell=[5, 5, 5], pbc=True)
    overlapping.positions[1] = overlapping.positions[0] + 0.3
    frames = [crystals[0], crystals[1], overlapping, unconverged]
    return store_set("set", "mixed", frames, [f"interface/{i}" for i in range(4)])


def test_failed_label_is_recorded_with_reason_and_others_are_labelled(spheres, mixed):
    """Overlapping atoms are rejected without a calculation."""
    batch = run(LabelMaker(reference=SpheresSpec()), mixed, [0, 1, 2, 3])
    assert (len(batch.accepted), len(batch.rejected)) == (2, 2)
    rejected = [stored_document("labels", key, LabelDoc) for key in batch.rejected]
    assert [label.reason for label in rejected] == ["overlapping_atoms", "reference_method_failed"]
    assert "not converged in 60 steps" in rejected[1].explanation
    assert rejections(batch) == "2 of 4 labels rejected: overlapping_atoms 1, reference_method_failed 1"
    assert spheres.n_labels == 3
    assert set(batch.origins.values()) == {"interface/0", "interface/1", "interface/2", "interface/3"}


def test_repeated_label_job_computes_nothing(spheres, mixed):
    """Rejected labels are not repeated either."""
    first = run(LabelMaker(reference=SpheresSpec()), mixed, [0, 1, 2, 3])
    spent = spheres.n_labels
    assert run(LabelMaker(reference=SpheresSpec()), mixed, [0, 1, 2, 3]) == first
    assert spheres.n_labels == spent


def test_stored_label_takes_no_lease_unless_a_killed_process_left_its_folder(spheres, mixed, workspace, monkeypatch):
    maker = LabelMaker(reference=SpheresSpec())
    stored = run(maker, mixed, [0])
    left = workspace.work_folder("labels", stored.accepted[0])
    assert run(maker, mixed, [0]) == stored
    assert not left.exists()
    monkeypatch.setattr(workspace, "own_work_folder", lambda *_: pytest.fail("took a lease"))
    assert run(maker, mixed, [0]) == stored


def test_lookup_of_labels_does_not_wait_for_the_process_that_computes_them(spheres, mixed, workspace, monkeypatch):
    """Meanwhile no other job of the campaign would start."""
    maker = LabelMaker(reference=SpheresSpec())
    stored = run(maker, mixed, [0])
    with lookups_only():
        assert run(maker, mixed, [0]) == stored
        monkeypatch.setattr(workspace, "own_work_folder", lambda *_: pytest.fail("waited for the lease"))
        with pytest.raises(NotStoredError):
            run(maker, mixed, [1])


def test_label_with_damaged_log_is_not_recomputed(spheres, workspace, crystals, tmp_path, monkeypatch):
    """The results are in the document."""
    log = tmp_path / "gpaw.txt"
    log.write_text("iter: 1")
    labelled = spheres.label(crystals[0])
    monkeypatch.setattr(spheres, "label", lambda atoms, folder: replace(labelled, files=[log]))
    frames = store_set("set", "one", crystals[:1], ["interface/0"])
    (key,) = run(LabelMaker(reference=SpheresSpec()), frames, [0]).accepted
    workspace.artifacts.get(stored_document("labels", key, LabelDoc).files).write_bytes(b"spoiled")
    monkeypatch.setattr(spheres, "label", lambda atoms, folder: pytest.fail("labelled twice"))
    assert run(LabelMaker(reference=SpheresSpec()), frames, [0]).accepted == [key]
    assert stored_document("labels", key, LabelDoc).files is not None


def test_label_folder_is_leased_by_one_process(spheres, workspace, crystals, monkeypatch):
    """A second launch waits and ends at its walltime; the folder is removed at the end."""
    frames = store_set("set", "one", crystals[:1], ["interface/0"])
    maker = LabelMaker(reference=SpheresSpec())
    key = label_key(frames.entries[0].key, spheres.identity.key, Gates())
    monkeypatch.setattr(
        "interphase_flows.jobs.label_structure.deadline",
        lambda settings: Deadline(0.0 if is_leased else None, "a test"),
    )
    with workspace.own_work_folder("labels", key) as folder:
        is_leased = True
        with pytest.raises(WalltimeReachedError, match="a test"):
            cached_label(spheres, Gates(), crystals[0], frames.entries[0])
        assert folder.is_dir()
        assert spheres.n_labels == 0
    is_leased = False
    assert run(maker, frames, [0]).accepted == [key]
    assert list(folder.parent.iterdir()) == []


def test_stricter_gates_give_a_new_label(spheres, workspace, crystals):
    """A label that another campaign accepted is checked again under stricter limits."""
    frames = store_set("set", "one", crystals[:1], ["interface/0"])
    assert run(LabelMaker(reference=SpheresSpec()), frames, [0]).accepted
    strict = run(LabelMaker(reference=SpheresSpec(), gates=Gates(max_force_eV_per_angstrom=1e-6)), frames, [0])
    (key,) = strict.rejected
    assert stored_document("labels", key, LabelDoc).reason == "max_force"


def test_label_key_depends_on_structure_method_and_label_gates():
    """Not on the energy window and the duplicate tolerance, which the dataset applies."""
    gates = Gates()
    key = label_key("s", "m", gates)
    others = [
        label_key("other", "m", gates),
        label_key("s", "other", gates),
        label_key("s", "m", Gates(max_force_eV_per_angstrom=20.0)),
        label_key("s", "m", Gates(min_distance_fraction=0.6)),
        label_key("s", "m", Gates(max_virial_eV_per_atom=5.0)),
        label_key("s", "m", Gates(max_net_force_eV_per_angstrom=0.1)),
        label_key("s", "m", Gates(max_asymmetry_eV_per_angstrom=0.1)),
        label_key("s", "m", gates, repeats="other label"),
    ]
    assert len({key, *others}) == 9
    assert label_key("s", "m", Gates(energy_window_eV_per_atom=9.0)) == key
    assert label_key("s", "m", Gates(duplicate_tolerance_angstrom=0.001)) == key


def test_stored_label_is_bitwise_identical_to_reference_result(spheres, workspace, crystals):
    frames = store_set("set", "one", crystals[:1], ["interface/0"])
    (key,) = run(LabelMaker(reference=SpheresSpec()), frames, [0]).accepted
    label, raw = stored_document("labels", key, LabelDoc), spheres.label(crystals[0])
    assert label.energy_eV == raw.energy_eV
    np.testing.assert_array_equal(label.forces_eV_per_angstrom, raw.forces_eV_per_angstrom)
    np.testing.assert_array_equal(label.stress_eV_per_angstrom3, raw.stress_eV_per_angstrom3)


def test_label_set_respects_labels_per_job(spheres, mixed, workspace):
    """Four structures in jobs of three give two jobs and a merge; an empty set gives none."""
    response = run(LabelSetMaker(label_maker=LabelMaker(reference=SpheresSpec()), labels_per_job=3), mixed)
    assert [job.name for job in response.replace.jobs] == [
        "label structures",
        "label structures",
        "merge labels",
    ]
    parts, indices, _ = zip(*(job.function_args for job in response.replace.jobs[:2]), strict=True)
    assert indices == ([0, 1, 2], [0])
    entries = [entry.key for part in parts for entry in part.entries]
    assert sorted(entries) == sorted(entry.key for entry in mixed.entries)
    empty = store_set("empty", "empty", [], [])
    nothing = run(LabelSetMaker(), empty)
    assert (nothing.accepted, nothing.rejected, nothing.documents) == ([], [], [])


def test_cost_model_is_fitted_once_for_all_jobs_of_a_set(spheres, mixed, monkeypatch):
    """With many labels in the ledger the fit is expensive."""
    response = run(LabelSetMaker(label_maker=LabelMaker(reference=SpheresSpec()), labels_per_job=3), mixed)
    calls = []
    monkeypatch.setattr(labels, "label_cost_model", lambda *arguments: calls.append(arguments))
    batch = labelled(response)
    assert len(batch.accepted) + len(batch.rejected) == 4
    assert calls == []
    assert all(len(job.function_args[2]) == len(job.function_args[1]) for job in response.replace.jobs[:-1])


def labelled(response) -> LabelBatch:
    """Run the jobs of a replacement in order."""
    *jobs, gather = response.replace.jobs
    done = [type(job.maker).make.original(job.maker, *job.function_args) for job in jobs]
    return gather_labels.original([gather.function_args[0][0], *done])


def test_duplicate_in_a_set_is_rejected_without_a_calculation(spheres, workspace, crystals):
    """Rotated, translated and permuted; the rejection names the first label."""
    again = crystals[1][[2, 0, 1]]
    again.translate([1.0, 2.0, 3.0])
    again.rotate(40, [1, 2, 3], rotate_cell=True)
    frames = [*crystals[:3], again]
    twins = store_set("set", "twins", frames, [f"interface/{i}" for i in range(4)])
    batch = labelled(run(LabelSetMaker(label_maker=LabelMaker(reference=SpheresSpec())), twins))
    assert (len(batch.accepted), spheres.n_labels) == (3, 3)
    (key,) = batch.rejected
    duplicate = stored_document("labels", key, LabelDoc)
    original = label_key(twins.entries[1].key, spheres.identity.key, Gates())
    assert (duplicate.reason, duplicate.origin) == ("duplicate", "interface/3")
    assert original in batch.accepted
    assert original in duplicate.explanation
    assert duplicate.details["repeats_label"] == original


def test_duplicates_depend_on_the_set_and_not_on_the_ledger(spheres, workspace, crystals):
    """Another set that contains only the duplicate labels it, in any order of the runs."""
    maker = LabelSetMaker(label_maker=LabelMaker(reference=SpheresSpec()))
    turned = crystals[0][[1, 0, 2]]
    both = store_set("both", "both", [crystals[0], turned], ["interface/a", "interface/b"])
    alone = store_set("alone", "alone", [turned], ["interface/b"])
    assert len(labelled(run(maker, both)).rejected) == 1
    assert len(labelled(run(maker, alone)).accepted) == 1
    assert len(labelled(run(maker, both)).rejected) == 1


def test_packing_of_labels_does_not_change_the_batch(spheres, workspace, crystals):
    """One job or six give the same batch."""
    frames = store_set("set", "six", crystals, [f"interface/{i}" for i in range(6)])
    maker = LabelMaker(reference=SpheresSpec())
    together = run(LabelSetMaker(label_maker=maker), frames)
    single = run(LabelSetMaker(label_maker=maker, target_s_per_job=1e-9), frames)
    assert (len(together.replace.jobs), len(single.replace.jobs)) == (2, 7)
    assert labelled(together) == labelled(single)


@pytest.mark.parametrize(
    ("n_workers", "total_s", "expected_s"),
    [(1, 200.0, 600.0), (1, 900_000.0, 3000.0), (4, 1600.0, 100.0), (2, 4.0, 1.0), (4, 900_000.0, 3000.0)],
)
def test_labels_are_cut_into_several_jobs_for_each_local_worker(monkeypatch, n_workers, total_s, expected_s):
    """Four jobs per worker, of a second or more, and at most 300 in all."""
    monkeypatch.setattr(labels, "local_workers", lambda: n_workers)
    assert LabelSetMaker()._target_s(total_s) == pytest.approx(expected_s)


def test_batch_of_duplicates_survives_serialization(spheres, workspace, crystals):
    """jobflow stores the replacement as JSON."""
    frames = [crystals[0], crystals[0][[1, 0, 2]]]
    twins = store_set("set", "twins", frames, ["interface/a", "interface/b"])
    gather = run(LabelSetMaker(label_maker=LabelMaker(reference=SpheresSpec())), twins).replace.jobs[-1]
    again = json.loads(json.dumps(jsanitize(gather.as_dict(), strict=True)))
    assert again["function_args"][0][0]["rejected"] == gather.function_args[0][0].rejected


def test_merge_counts_lost_jobs_and_keeps_other_labels():
    joined = gather_labels.original([LabelBatch(accepted=["a"], rejected=[], origins={"a": "x/1"}), None])
    assert joined.accepted == ["a"]
    assert joined.n_lost_jobs == 1


def test_merge_keeps_keys_and_origins_of_all_batches():
    parts = [LabelBatch(accepted=[c], rejected=[c * 2], origins={c: "x/1", c * 2: "x/2"}) for c in "ab"]
    joined = gather_labels.original(parts)
    assert (joined.accepted, joined.rejected) == (["a", "b"], ["aa", "bb"])
    assert len(joined.origins) == 4


def test_merge_raises_if_jobs_failed_and_no_label_was_accepted():
    """A missing executable must not look like a batch of rejected structures."""
    duplicates = LabelBatch(accepted=[], rejected=["a"], origins={"a": "x/1"})
    with pytest.raises(ReferenceMethodError, match="2 label jobs failed and no label was accepted"):
        gather_labels.original([duplicates, None, None])
    assert gather_labels.original([duplicates]) == duplicates


def test_merge_names_the_latest_failures_as_causes(workspace):
    """Neither those of earlier iterations nor labels that a dataset left out explain why all jobs failed."""
    ledger = workspace.ledger
    for number in range(4):
        ledger.record_failure("jobs", f"job {number}", "AnalysisError", {"explanation": f"earlier {number}"})
        ledger.backend.modify(
            "failures", f"jobs:job {number}", lambda old: old | {"last_at": "2026-01-01T00:00:00+00:00"}
        )
    ledger.record_failure("labels", "a" * 64, "ReferenceMethodError", {"explanation": "no licence"})
    for number in range(4):
        ledger.record_failure("labels", f"{number}" * 64, "duplicate", {"explanation": f"repeats label {number}"})
    with pytest.raises(ReferenceMethodError, match=r"accepted: labels aaaaaaaaaaaa: ReferenceMethodError: no licence"):
        gather_labels.original([None, None])


@pytest.fixture
def events():
    """Progress events of a job that computes label 3 of 20."""
    received = []
    with listening(received.append), listening(partial(_emit_scf_step, 3, 20)):
        yield received


def test_scf_steps_are_reported_as_progress_of_the_labels(events):
    emit(SCF, 12, 150, "Li24P6S22, 65 s")
    assert [event for event in events if event[0] != SCF] == [
        ("labels", 3, 20, "Li24P6S22, 65 s, SCF step 12 of at most 150", 0)
    ]


def test_other_stages_are_not_reported_as_labels(events):
    emit("labels", 3, 20)
    assert events == [("labels", 3, 20, "", 0)]
