"""Labels: bad ones are recorded facts, good ones are computed once."""

import json
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from monty.json import jsanitize

from interphase_flows.campaign.schema import GateSpec
from interphase_flows.datasets.gates import Gates
from interphase_flows.exceptions import ReferenceMethodError, WalltimeReachedError
from interphase_flows.jobs import labels
from interphase_flows.jobs.caching import stored_document
from interphase_flows.jobs.label_structure import cached_label, label_key
from interphase_flows.jobs.labels import LabelMaker, LabelSetMaker, gather_labels
from interphase_flows.jobs.structure_sets import store_set
from interphase_flows.runtime.walltime import Deadline
from interphase_flows.schemas.label import LabelBatch, LabelDoc
from spheres import SpheresSpec


def run(maker, *arguments):
    """The body of a maker's job, here and now."""
    return type(maker).make.original(maker, *arguments)


@pytest.fixture
def mixed(workspace, crystals):
    """Two good structures and one of each fault."""
    overlapping, unconverged = crystals[2], Atoms("LiP", [[0, 0, 0], [2.4, 0, 0]], cell=[5, 5, 5], pbc=True)
    overlapping.positions[1] = overlapping.positions[0] + 0.3
    frames = [crystals[0], crystals[1], overlapping, unconverged]
    return store_set("set", "mixed", frames, [f"interface/{i}" for i in range(4)])


def test_a_label_that_fails_is_a_fact_with_its_reason(spheres, mixed):
    """The rest of the batch is labelled; nothing is spent on overlapping atoms."""
    batch = run(LabelMaker(reference=SpheresSpec()), mixed, [0, 1, 2, 3])
    assert (len(batch.accepted), len(batch.rejected)) == (2, 2)
    rejected = [stored_document("labels", key, LabelDoc) for key in batch.rejected]
    assert [label.reason for label in rejected] == ["overlapping_atoms", "reference_method_failed"]
    assert "not converged in 60 steps" in rejected[1].explanation
    assert spheres.n_labels == 3
    assert set(batch.origins.values()) == {"interface/0", "interface/1", "interface/2", "interface/3"}


def test_labelling_again_computes_nothing(spheres, mixed):
    """Rejected labels are not tried again either."""
    first = run(LabelMaker(reference=SpheresSpec()), mixed, [0, 1, 2, 3])
    spent = spheres.n_labels
    assert run(LabelMaker(reference=SpheresSpec()), mixed, [0, 1, 2, 3]) == first
    assert spheres.n_labels == spent


def test_a_label_whose_logs_are_damaged_is_not_computed_again(
    spheres, workspace, crystals, tmp_path, monkeypatch
):
    """The numbers are in the document; hours are not spent on a log."""
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


def test_the_folder_of_a_label_is_of_one_process_at_a_time(spheres, workspace, crystals, monkeypatch):
    """A job that was launched twice waits outside, and ends at its walltime; nothing is left behind."""
    frames = store_set("set", "one", crystals[:1], ["interface/0"])
    maker = LabelMaker(reference=SpheresSpec())
    key = label_key(frames.entries[0].key, spheres.identity.key, Gates())
    monkeypatch.setattr(
        "interphase_flows.jobs.label_structure.deadline",
        lambda settings: Deadline(0.0 if is_held else None, "a test"),
    )
    with workspace.own_work_folder("labels", key) as folder:
        is_held = True
        with pytest.raises(WalltimeReachedError, match="a test"):
            cached_label(spheres, Gates(), crystals[0], frames.entries[0])
        assert folder.is_dir()
        assert spheres.n_labels == 0
    is_held = False
    assert run(maker, frames, [0]).accepted == [key]
    assert list(folder.parent.iterdir()) == []


def test_a_label_passes_the_gates_of_its_own_campaign(spheres, workspace, crystals):
    """A label that another campaign accepted is judged anew where limits are stricter."""
    frames = store_set("set", "one", crystals[:1], ["interface/0"])
    assert run(LabelMaker(reference=SpheresSpec()), frames, [0]).accepted
    strict = run(
        LabelMaker(reference=SpheresSpec(), gates=GateSpec(max_force_eV_per_angstrom=1e-6)), frames, [0]
    )
    (key,) = strict.rejected
    assert stored_document("labels", key, LabelDoc).reason == "max_force"


def test_the_key_holds_what_decides_a_label_and_nothing_else():
    """Structure, method and limits; not the window of energies, which is judged in the data set."""
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


def test_numbers_of_a_label_are_those_of_the_method(spheres, workspace, crystals):
    """To the last bit, through the ledger."""
    frames = store_set("set", "one", crystals[:1], ["interface/0"])
    (key,) = run(LabelMaker(reference=SpheresSpec()), frames, [0]).accepted
    label, raw = stored_document("labels", key, LabelDoc), spheres.label(crystals[0])
    assert label.energy_eV == raw.energy_eV
    np.testing.assert_array_equal(label.forces_eV_per_angstrom, raw.forces_eV_per_angstrom)
    np.testing.assert_array_equal(label.stress_eV_per_angstrom3, raw.stress_eV_per_angstrom3)


def test_a_set_becomes_jobs_of_the_size_asked_for(spheres, mixed, workspace):
    """Four structures by three are two jobs and one that gathers; none is none."""
    response = run(LabelSetMaker(label_maker=LabelMaker(reference=SpheresSpec()), labels_per_job=3), mixed)
    assert [job.name for job in response.replace.jobs] == ["label", "label", "gather_labels"]
    parts, indices, _ = zip(*(job.function_args for job in response.replace.jobs[:2]), strict=True)
    assert indices == ([0, 1, 2], [0])
    entries = [entry.key for part in parts for entry in part.entries]
    assert sorted(entries) == sorted(entry.key for entry in mixed.entries)
    empty = store_set("empty", "empty", [], [])
    assert run(LabelSetMaker(), empty) == LabelBatch(accepted=[], rejected=[], origins={})


def test_a_job_of_a_set_does_not_ask_again_what_labels_cost(spheres, mixed, monkeypatch):
    """The set asked, for all of its jobs: with many labels in the ledger, the question is dear."""
    response = run(LabelSetMaker(label_maker=LabelMaker(reference=SpheresSpec()), labels_per_job=3), mixed)
    asked = []
    monkeypatch.setattr(labels, "label_cost_model", lambda *of_what: asked.append(of_what))
    batch = labelled(response)
    assert len(batch.accepted) + len(batch.rejected) == 4
    assert asked == []
    assert all(len(job.function_args[2]) == len(job.function_args[1]) for job in response.replace.jobs[:-1])


def labelled(response) -> LabelBatch:
    """Do the jobs of a replacement, in their order."""
    *jobs, gather = response.replace.jobs
    done = [type(job.maker).make.original(job.maker, *job.function_args) for job in jobs]
    return gather_labels.original([gather.function_args[0][0], *done])


def test_a_structure_that_repeats_another_of_its_set_is_not_paid_for(spheres, workspace, crystals):
    """Turned, moved and with its atoms in another order: refused, and the first one named; it can be queried."""
    again = crystals[1][[2, 0, 1]]
    again.translate([1.0, 2.0, 3.0])
    again.rotate(40, [1, 2, 3], rotate_cell=True)
    frames = [*crystals[:3], again]
    twins = store_set("set", "twins", frames, [f"interface/{i}" for i in range(4)])
    batch = labelled(run(LabelSetMaker(label_maker=LabelMaker(reference=SpheresSpec())), twins))
    assert (len(batch.accepted), spheres.n_labels) == (3, 3)
    (key,) = batch.rejected
    refused = stored_document("labels", key, LabelDoc)
    original = label_key(twins.entries[1].key, spheres.identity.key, Gates())
    assert (refused.reason, refused.origin) == ("duplicate", "interface/3")
    assert original in batch.accepted
    assert original in refused.explanation
    assert refused.details["repeats_label"] == original


def test_a_structure_is_a_duplicate_by_its_own_set_and_not_by_what_is_in_the_ledger(
    spheres, workspace, crystals
):
    """Another set, in which it stands alone, labels it; whoever ran first."""
    maker = LabelSetMaker(label_maker=LabelMaker(reference=SpheresSpec()))
    turned = crystals[0][[1, 0, 2]]
    both = store_set("both", "both", [crystals[0], turned], ["interface/a", "interface/b"])
    alone = store_set("alone", "alone", [turned], ["interface/b"])
    assert len(labelled(run(maker, both)).rejected) == 1
    assert len(labelled(run(maker, alone)).accepted) == 1
    assert len(labelled(run(maker, both)).rejected) == 1


def test_the_packing_of_labels_changes_nothing_that_is_handed_on(spheres, workspace, crystals):
    """One job or six, in whatever order: the same batch."""
    frames = store_set("set", "six", crystals, [f"interface/{i}" for i in range(6)])
    maker = LabelMaker(reference=SpheresSpec())
    together = run(LabelSetMaker(label_maker=maker), frames)
    single = run(LabelSetMaker(label_maker=maker, target_s_per_job=1e-9), frames)
    assert (len(together.replace.jobs), len(single.replace.jobs)) == (2, 7)
    assert labelled(together) == labelled(single)


def test_the_job_that_refuses_and_packs_is_stored_and_read_back(spheres, workspace, crystals):
    """What jobflow stores of the replacement is JSON; the batch of duplicates is in it."""
    frames = [crystals[0], crystals[0][[1, 0, 2]]]
    twins = store_set("set", "twins", frames, ["interface/a", "interface/b"])
    gather = run(LabelSetMaker(label_maker=LabelMaker(reference=SpheresSpec())), twins).replace.jobs[-1]
    again = json.loads(json.dumps(jsanitize(gather.as_dict(), strict=True)))
    assert again["function_args"][0][0]["rejected"] == gather.function_args[0][0].rejected


def test_a_labelling_job_that_failed_as_nobody_foresaw_sinks_nothing():
    """The labels of the others are handed on."""
    joined = gather_labels.original([LabelBatch(accepted=["a"], rejected=[], origins={"a": "x/1"}), None])
    assert joined.accepted == ["a"]
    assert joined.n_lost_jobs == 1


def test_batches_are_joined():
    """Keys and origins of all."""
    parts = [LabelBatch(accepted=[c], rejected=[c * 2], origins={c: "x/1", c * 2: "x/2"}) for c in "ab"]
    joined = gather_labels.original(parts)
    assert (joined.accepted, joined.rejected) == (["a", "b"], ["aa", "bb"])
    assert len(joined.origins) == 4


def test_jobs_that_all_fail_are_no_empty_batch():
    """A code that has gone from this machine must not be taken for structures that nobody wants labelled."""
    duplicates = LabelBatch(accepted=[], rejected=["a"], origins={"a": "x/1"})
    with pytest.raises(ReferenceMethodError, match="2 labelling jobs failed and no label was accepted"):
        gather_labels.original([duplicates, None, None])
    assert gather_labels.original([duplicates]) == duplicates
