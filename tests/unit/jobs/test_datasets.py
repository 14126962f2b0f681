"""Assembly of immutable datasets, split by origin."""

from dataclasses import replace

import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from interphase_flows.datasets.frames import read_extxyz
from interphase_flows.datasets.gates import Gates
from interphase_flows.exceptions import InputError
from interphase_flows.jobs.datasets import DatasetMaker
from interphase_flows.jobs.import_dataset import ImportDatasetMaker
from interphase_flows.jobs.import_labels import ImportLabelsMaker
from interphase_flows.jobs.labels import LabelMaker
from interphase_flows.jobs.structures.structure_sets import store_set
from interphase_flows.schemas.label import LabelBatch
from spheres import SpheresSpec

ORIGINS = ["interface/a", "interface/a", "interface/b", "interface/c", "crystal/Li2S", "crystal/Li2S"]


def run(maker, *arguments):
    return type(maker).make.original(maker, *arguments)


@pytest.fixture
def batch(workspace, spheres, crystals) -> LabelBatch:
    """Six labels of four origins."""
    return run(LabelMaker(reference=SpheresSpec()), store_set("set", "six", crystals, ORIGINS), range(6))


MAKER = DatasetMaker(reference=SpheresSpec(), cutoff_angstrom=4.0)


def frames_of(workspace, dataset):
    return read_extxyz(workspace.artifacts.get(dataset.artifact))


def test_each_origin_is_in_one_split(workspace, batch):
    """Frames of a training trajectory never test."""
    dataset = run(MAKER, batch, None, 1)
    splits = {}
    for frame in frames_of(workspace, dataset):
        splits.setdefault(frame.info["origin"], set()).add(frame.info["split"])
    assert all(len(split) == 1 for split in splits.values())
    assert splits["crystal/Li2S"] == {"train"}
    assert sum(dataset.n_frames.values()) == 6
    assert all(dataset.n_frames.values())


def test_dataset_does_not_depend_on_the_order_of_labels(workspace, batch):
    one = run(MAKER, batch, None, 1)
    reordered = LabelBatch(accepted=batch.accepted[::-1], rejected=[], origins=dict(reversed(batch.origins.items())))
    assert run(MAKER, reordered, None, 1) == one


def test_extended_dataset_keeps_splits_and_baseline_and_assigns_by_role(workspace, batch, spheres, crystals):
    """Frames of exploring walkers train, frames of audit walkers test, independent of the fractions."""
    parent = run(MAKER, batch, None, 1)
    more = [frame.copy() for frame in crystals[:3]]
    for frame in more:
        frame.rattle(0.02, seed=99)
    origins = ["explore/interface-0", "audit/audit-1", "explore/amorphous-0"]
    found = run(LabelMaker(reference=SpheresSpec()), store_set("more", "more", more, origins), range(3))
    child = run(MAKER, found, parent, 1)
    assert parent.split_of_origin.items() <= child.split_of_origin.items()
    assert [child.split_of_origin[origin] for origin in origins] == ["train", "test", "train"]
    assert child.baseline == parent.baseline
    assert sum(child.n_frames.values()) == 9
    assert child.parent_key == parent.key


def test_known_label_is_not_added_twice(workspace, batch):
    parent = run(MAKER, batch, None, 1)
    child = run(MAKER, batch, parent, 1)
    assert child.n_frames == parent.n_frames


def test_energy_outlier_is_excluded_and_recorded(workspace, batch, spheres, crystals):
    """The note names the label; the failure can be queried."""
    key = batch.accepted[0]
    label = workspace.ledger.get("labels", key)
    workspace.ledger.backend.remove("labels", {"key": key})
    changed = {k: v for k, v in label.items() if k not in ("kind", "campaign", "created_at")}
    workspace.ledger.put("labels", key, changed | {"energy_eV": 50.0})
    dataset = run(MAKER, batch, None, 1)
    assert sum(dataset.n_frames.values()) == 5
    assert key in dataset.notes[0]
    assert workspace.ledger.failure("labels", key)["reason"] == "energy_window"


def test_exclusion_of_a_label_that_failed_before_is_recorded(workspace, batch, spheres, crystals):
    """Such as one that was retried: it is not rejected any more, but not in the dataset either."""
    twin = crystals[3][[2, 1, 0]]
    found = run(LabelMaker(reference=SpheresSpec()), store_set("more", "more", [twin], ["explore/interface-0"]), [0])
    (key,) = found.accepted
    workspace.ledger.record_failure("labels", key, "retried")
    run(MAKER, found, run(MAKER, batch, None, 1), 1)
    failure = workspace.ledger.failure("labels", key)
    assert (failure["reason"], failure["tries"]) == ("duplicate", 2)
    run(MAKER, found, run(MAKER, batch, None, 1), 1)
    assert workspace.ledger.failure("labels", key) == failure


def test_duplicate_of_a_parent_frame_is_excluded_and_recorded(workspace, batch, spheres, crystals):
    """A rotated copy found by a later iteration would leak between training and test."""
    parent = run(MAKER, batch, None, 1)
    again = crystals[3][[2, 1, 0]]
    again.rotate(30, [0, 1, 1], rotate_cell=True)
    found = run(LabelMaker(reference=SpheresSpec()), store_set("more", "more", [again], ["explore/interface-0"]), [0])
    child = run(MAKER, found, parent, 1)
    assert child.n_frames == parent.n_frames
    (key,) = found.accepted
    assert key in child.notes[0]
    failure = workspace.ledger.failure("labels", key)
    assert failure["reason"] == "duplicate"
    assert batch.accepted[3] in failure["details"]["explanation"]


def test_parent_of_another_method_raises_and_names_both(workspace, batch, spheres):
    parent = run(MAKER, batch, None, 1)
    spheres.version = "2"
    with pytest.raises(InputError, match=r"spheres-1.*spheres-2"):
        run(MAKER, batch, parent, 1)


def test_batch_without_accepted_labels_raises_with_hint(workspace, spheres):
    nothing = LabelBatch(accepted=[], rejected=["k"], origins={"k": "interface/a"})
    with pytest.raises(InputError, match="--rejected"):
        run(MAKER, nothing, None, 1)


def test_empty_split_raises_with_hint(workspace, spheres, crystals):
    """Two origins cannot fill three splits."""
    few = store_set("few", "few", crystals[:2], ["interface/a", "interface/b"])
    with pytest.raises(InputError, match="temperatures_K"):
        run(MAKER, run(LabelMaker(reference=SpheresSpec()), few, [0, 1]), None, 1)


def test_labels_of_another_method_raise_without_a_parent(batch, spheres):
    spheres.version = "2"
    with pytest.raises(InputError, match="a dataset has labels of one method"):
        run(MAKER, batch, None, 1)


def test_dimers_are_exempt_from_energy_window_and_baseline(workspace, spheres, crystals):
    """Their energies are far from those of any solid."""
    dimers = [Atoms("LiS", [[0, 0, 0], [0, 0, d]], cell=[12.0] * 3, pbc=True) for d in (2.2, 2.4, 2.8, 3.2, 3.6)]
    frames, origins = [*crystals, *dimers], [*ORIGINS, *["dimer/Li-S"] * len(dimers)]
    both = run(LabelMaker(reference=SpheresSpec()), store_set("both", "both", frames, origins), range(11))
    alone = run(LabelMaker(reference=SpheresSpec()), store_set("set", "six", crystals, ORIGINS), range(6))
    narrow = DatasetMaker(reference=SpheresSpec(), cutoff_angstrom=4.0, gates=Gates(energy_window_eV_per_atom=0.2))
    with_dimers, without = run(narrow, both, None, 1), run(narrow, alone, None, 1)
    assert len(both.accepted) == 11
    assert with_dimers.baseline == without.baseline
    remaining = [frame.info["origin"] for frame in frames_of(workspace, with_dimers)]
    assert remaining.count("dimer/Li-S") == 5


@pytest.mark.parametrize("maker", [ImportDatasetMaker(method=SpheresSpec(), cutoff_angstrom=4.0), None])
def test_an_imported_frame_that_an_extension_leaves_out_is_not_counted(workspace, spheres, crystals, tmp_path, maker):
    """A frame of the parent is outside the narrower energy window of the extension."""
    frames = [atoms.copy() for atoms in crystals]
    for number, frame in enumerate(frames):
        raw = spheres.label(frame)
        energy = raw.energy_eV + 0.1 * len(frame) * (number == 0)
        frame.calc = SinglePointCalculator(
            frame, energy=energy, forces=raw.forces_eV_per_angstrom, stress=raw.stress_eV_per_angstrom3
        )
        frame.info["origin"] = f"run {number // 2}"
    write(tmp_path / "labels.extxyz", frames)
    if maker is None:
        parent = run(MAKER, run(ImportLabelsMaker(reference=SpheresSpec()), [str(tmp_path / "labels.extxyz")]), None, 1)
    else:
        parent = run(maker, str(tmp_path / "labels.extxyz"))
    more = crystals[3].copy()
    more.rattle(0.05, seed=99)
    found = run(LabelMaker(reference=SpheresSpec()), store_set("more", "more", [more], ["explore/interface-0"]), [0])
    child = run(replace(MAKER, gates=Gates(energy_window_eV_per_atom=0.05)), found, parent, 1)
    assert (parent.n_imported, sum(parent.n_frames.values())) == (6, 6)
    assert (child.n_imported, sum(child.n_frames.values())) == (5, 6)
