"""Imported labels: every frame is a document, accepted or rejected with its reason."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write

from interphase_flows.costs.history import label_cost_model
from interphase_flows.exceptions import InputError
from interphase_flows.jobs.caching import NotStoredError, lookups_only
from interphase_flows.jobs.import_labels import ImportLabelsMaker
from interphase_flows.schemas.label import COMPUTED, LabelDoc
from spheres import Spheres, SpheresSpec

MAKER = ImportLabelsMaker(reference=SpheresSpec())


def labelled(crystals: list[Atoms], **changes: float) -> list[Atoms]:
    """Return crystals with labels of Spheres; ``energy`` is added to the energy of the first one."""
    frames = []
    for number, atoms in enumerate(crystals):
        raw = Spheres().label(atoms)
        frames.append(atoms.copy())
        frames[-1].calc = SinglePointCalculator(
            frames[-1],
            energy=raw.energy_eV + (changes.get("energy", 0.0) if number == 0 else 0.0),
            forces=raw.forces_eV_per_angstrom,
            stress=raw.stress_eV_per_angstrom3,
        )
    return frames


def run(maker: ImportLabelsMaker, *files: object) -> object:
    return type(maker).make.original(maker, [str(file) for file in files])


def stored(workspace, keys) -> list[LabelDoc]:
    return [workspace.ledger.get_as("labels", key, LabelDoc) for key in keys]


def test_labels_are_recorded_with_the_numbers_of_the_file(workspace, spheres, crystals, tmp_path):
    write(tmp_path / "labels.extxyz", labelled(crystals))
    batch = run(MAKER, tmp_path / "labels.extxyz")
    assert len(batch.accepted) == 6
    assert batch.rejected == []
    for document, frame in zip(stored(workspace, batch.accepted), read(tmp_path / "labels.extxyz", ":"), strict=True):
        assert document.energy_eV == frame.get_potential_energy()
        assert np.array_equal(document.forces_eV_per_angstrom, frame.get_forces())
        assert "labels.extxyz, frame" in str(document.details["imported_from"])
        assert document.origin.family == "imported"
    assert run(MAKER, tmp_path / "labels.extxyz") == batch  # again, without a change


def test_rejected_labels_are_documents_and_do_not_displace_good_ones(workspace, spheres, crystals, tmp_path):
    """The first file has a wrong energy of the first structure, the second file the right one, and repeats of all."""
    write(tmp_path / "bad.extxyz", labelled(crystals, energy=12.0))
    write(tmp_path / "good.extxyz", labelled(crystals))
    batch = run(MAKER, tmp_path / "bad.extxyz", tmp_path / "good.extxyz")
    assert len(batch.accepted) == 6
    reasons = sorted(str(document.reason) for document in stored(workspace, batch.rejected))
    assert reasons == ["duplicate"] * 5 + ["energy_outlier"]
    assert all("frame" in str(document.explanation) for document in stored(workspace, batch.rejected))


def test_broken_numbers_are_recorded_as_rejected(workspace, spheres, crystals, tmp_path):
    frames = labelled(crystals)
    frames[2].calc.results["forces"] = np.full((3, 3), np.nan)
    frames[3].positions[0] = np.inf
    frames[4].calc.results["energy"] = 1e300
    frames[5].cell[:] = 0.0
    frames.append(frames[0].copy())
    frames[6].calc = frames[0].calc
    frames[6].cell[1] = 2.0 * frames[6].cell[0]  # flat
    write(tmp_path / "labels.extxyz", frames)
    batch = run(MAKER, tmp_path / "labels.extxyz")
    documents = stored(workspace, batch.rejected)
    assert len(batch.accepted) == 2
    assert len(documents) == 5
    assert [document.reason for document in documents].count("no_cell") == 2
    assert all(document.reason and document.explanation for document in documents)


def test_foreign_elements_and_missing_stress_are_rejected(workspace, spheres, crystals, tmp_path):
    frames = labelled(crystals)
    for frame in frames[:3]:
        del frame.calc.results["stress"]
    write(tmp_path / "labels.extxyz", frames)
    batch = run(MAKER, tmp_path / "labels.extxyz")
    assert {document.reason for document in stored(workspace, batch.rejected)} == {"missing_property"}
    with pytest.raises(InputError, match=r"all 6 imported labels are rejected.*foreign|all 6 imported.*S"):
        run(ImportLabelsMaker(reference=SpheresSpec(), elements=["Li", "P"]), tmp_path / "labels.extxyz")


def test_isolated_atoms_have_their_own_family(workspace, spheres, crystals, tmp_path):
    atom = Atoms("Li", cell=[12.0] * 3, pbc=True)
    write(tmp_path / "labels.extxyz", labelled([*crystals, atom]))
    batch = run(MAKER, tmp_path / "labels.extxyz")
    assert sorted({origin.family for origin in batch.origins.values()}) == ["atom", "imported"]


@pytest.mark.parametrize(("box_angstrom", "n_accepted"), [(7.0, 0), (20.0, 1)])
def test_frames_that_are_not_periodic_need_a_large_box(
    workspace, spheres, crystals, tmp_path, box_angstrom, n_accepted
):
    """A label of a cluster is not that of the crystal of clusters."""
    cluster = Atoms("Li4S2", positions=2.4 * np.indices((3, 2, 1)).reshape(3, 6).T)
    cluster.cell = [box_angstrom] * 3
    write(tmp_path / "labels.extxyz", labelled([*crystals, cluster]))
    batch = run(MAKER, tmp_path / "labels.extxyz")
    assert len(batch.accepted) == 6 + n_accepted
    if not n_accepted:
        assert [document.reason for document in stored(workspace, batch.rejected)] == ["not_periodic"]


def test_only_some_frames_have_stress(workspace, spheres, crystals, tmp_path):
    frames = labelled(crystals)
    for frame in frames[:2]:
        del frame.calc.results["stress"]
    write(tmp_path / "labels.extxyz", frames)
    without = run(ImportLabelsMaker(reference=SpheresSpec(), needs_stress=False), tmp_path / "labels.extxyz")
    assert (len(without.accepted), without.rejected) == (6, [])
    batch = run(MAKER, tmp_path / "labels.extxyz")
    assert len(batch.accepted) == 4
    assert all("there is no stress (hint" in document.explanation for document in stored(workspace, batch.rejected))


def test_a_frame_without_forces_is_rejected_alone(workspace, spheres, crystals, tmp_path):
    frames = labelled(crystals)
    del frames[1].calc.results["forces"]
    write(tmp_path / "labels.extxyz", frames)
    batch = run(MAKER, tmp_path / "labels.extxyz")
    (document,) = stored(workspace, batch.rejected)
    assert (len(batch.accepted), document.reason) == (5, "missing_property")
    assert "frame 1: there are no forces" in document.explanation


def test_each_unreadable_frame_has_its_own_document(workspace, spheres, crystals, tmp_path):
    """Also two of the same text, in one file or in two."""
    write(tmp_path / "labels.extxyz", labelled(crystals))
    text = (tmp_path / "labels.extxyz").read_text()
    broken = '2\nLattice="4 0 0 0 4 0 0 0 4"\nLi 0 0 0\n'
    (tmp_path / "labels.extxyz").write_text(broken + text + broken)
    (tmp_path / "more.extxyz").write_text(broken + text)
    batch = run(MAKER, tmp_path / "labels.extxyz", tmp_path / "more.extxyz")
    documents = [each for each in stored(workspace, batch.rejected) if each.reason == "unreadable"]
    assert len(batch.accepted) == 6
    assert len({document.key for document in documents}) == len(documents) == 3
    assert "labels.extxyz, frame 7: the frame cannot be read: it has 1 lines" in str(documents[1].explanation)


def test_lookup_of_stored_results_does_not_read_the_files(workspace, tmp_path):
    """A worker reads them; the process that looks for stored results would read them a second time."""
    with lookups_only(), pytest.raises(NotStoredError):
        run(MAKER, tmp_path / "missing.extxyz")


def test_imported_labels_are_in_no_budget_and_have_no_cost(workspace, spheres, crystals, tmp_path):
    """Neither those of isolated atoms, which have their own family, nor their time of zero."""
    write(tmp_path / "labels.extxyz", labelled([*crystals, Atoms("Li", cell=[12.0] * 3, pbc=True)]))
    batch = run(MAKER, tmp_path / "labels.extxyz")
    assert all(document.is_imported for document in stored(workspace, batch.accepted))
    assert "atom" in {origin.family for origin in batch.origins.values()}
    assert workspace.ledger.count("labels", {}) == 7
    assert workspace.ledger.count("labels", COMPUTED) == 0
    assert label_cost_model(workspace.ledger, SpheresSpec()).n_labels == 0
