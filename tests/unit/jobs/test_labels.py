"""Labels: bad ones are recorded facts, good ones are computed once."""

import numpy as np
import pytest
from ase import Atoms

from interphase_flows.campaigns.schema import GateSpec
from interphase_flows.datasets.gates import Gates
from interphase_flows.documents.records import LabelBatch, LabelDoc
from interphase_flows.jobs.labels import LabelMaker, LabelSetMaker, gather_labels, label_key
from interphase_flows.jobs.once import recall
from interphase_flows.jobs.structure_sets import store_set
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
    rejected = [recall("labels", key, LabelDoc) for key in batch.rejected]
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


def test_a_label_passes_the_gates_of_its_own_campaign(spheres, workspace, crystals):
    """A label that another campaign accepted is judged anew where limits are stricter."""
    frames = store_set("set", "one", crystals[:1], ["interface/0"])
    assert run(LabelMaker(reference=SpheresSpec()), frames, [0]).accepted
    strict = run(
        LabelMaker(reference=SpheresSpec(), gates=GateSpec(max_force_ev_per_angstrom=1e-6)), frames, [0]
    )
    (key,) = strict.rejected
    assert recall("labels", key, LabelDoc).reason == "max_force"


def test_the_key_holds_what_decides_a_label_and_nothing_else():
    """Structure, method and limits; not the window of energies, which is judged in the data set."""
    gates = Gates()
    key = label_key("s", "m", gates)
    others = [
        label_key("other", "m", gates),
        label_key("s", "other", gates),
        label_key("s", "m", Gates(max_force_ev_per_angstrom=20.0)),
        label_key("s", "m", Gates(min_distance_fraction=0.6)),
    ]
    assert len({key, *others}) == 5
    assert label_key("s", "m", Gates(energy_window_ev_per_atom=9.0)) == key


def test_numbers_of_a_label_are_those_of_the_method(spheres, workspace, crystals):
    """To the last bit, through the ledger."""
    frames = store_set("set", "one", crystals[:1], ["interface/0"])
    (key,) = run(LabelMaker(reference=SpheresSpec()), frames, [0]).accepted
    label, raw = recall("labels", key, LabelDoc), spheres.label(crystals[0])
    assert label.energy_ev == raw.energy_ev
    np.testing.assert_array_equal(label.forces_ev_per_angstrom, raw.forces_ev_per_angstrom)
    np.testing.assert_array_equal(label.stress_ev_per_angstrom3, raw.stress_ev_per_angstrom3)


def test_a_set_becomes_jobs_of_the_size_asked_for(spheres, mixed, workspace):
    """Four structures by three are two jobs and one that gathers; none is none."""
    response = run(LabelSetMaker(LabelMaker(reference=SpheresSpec()), labels_per_job=3), mixed)
    assert [job.name for job in response.replace.jobs] == ["label", "label", "gather_labels"]
    assert response.replace.jobs[1].function_args[1] == [3]
    empty = store_set("empty", "empty", [], [])
    assert run(LabelSetMaker(), empty) == LabelBatch(accepted=[], rejected=[], origins={})


def test_batches_are_joined():
    """Keys and origins of all."""
    parts = [LabelBatch(accepted=[c], rejected=[c * 2], origins={c: "x/1", c * 2: "x/2"}) for c in "ab"]
    joined = gather_labels.original(parts)
    assert (joined.accepted, joined.rejected) == (["a", "b"], ["aa", "bb"])
    assert len(joined.origins) == 4
