"""Exports of the command line: each file is read by the program that it is for, or by ASE."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read

import loop_documents as documents
from breathing_cells import breathing_strain, in_changing_cell
from interphase_flows.analysis.io.open import open_trajectory
from interphase_flows.commands.export import (
    export_chemiscope,
    export_dataset,
    export_models,
    export_trajectories,
    write_extxyz,
)
from interphase_flows.datasets.colabfit import DEFINITIONS, Publication
from interphase_flows.datasets.frames import extxyz_bytes
from interphase_flows.datasets.label_keys import LabelKeys, keyed_extxyz
from interphase_flows.exceptions import InputError
from interphase_flows.md.run_trajectory import RunFrames
from interphase_flows.results import CampaignResults
from trajectory_files import campaign_run, planted

MACE = LabelKeys("REF_energy", "REF_forces", "REF_stress")
STRESS = np.array([0.011, -0.022, 0.033, 0.004, -0.005, 0.006])
"""xx, yy, zz, yz, xz, xy in eV/Å³."""


def labelled(number: int = 0) -> Atoms:
    atoms = Atoms("LiS", [[0, 0, 0], [1.5, 0, 0]], cell=[[4, 0, 0], [0, 4.5, 0], [1, 0, 5]], pbc=True)
    forces = np.arange(6.0).reshape(2, 3) / 8
    atoms.calc = SinglePointCalculator(atoms, energy=-1.25, forces=forces, stress=STRESS)
    atoms.info |= {"label_key": f"{number:02d}e45", "origin": "crystal/Li2S", "method": "spheres", "split": "train"}
    return atoms


@pytest.fixture
def with_data(started):
    """The dataset of the iterations, as a file of six frames."""
    artifact = started.artifacts.put_bytes(extxyz_bytes([labelled(k) for k in range(6)]), "datasets", ".extxyz")
    document = documents.dataset(artifact, split_of_origin={"crystal/Li2S": "train", "audit/0": "test"})
    started.ledger.put("datasets", "dataset", document)
    return started


@pytest.fixture
def results(settings, with_data):
    with CampaignResults("unit", settings) as results:
        yield results


def test_dataset_is_copied_to_the_target_and_its_new_folder(results, with_data, tmp_path):
    target = tmp_path / "new" / "data.extxyz"
    assert export_dataset(results, target) == [target, target.with_suffix(".json")]
    assert target.read_bytes() == results.artifacts.get(results.dataset().artifact).read_bytes()


def test_labels_with_other_keys_equal_those_of_the_dataset(results, tmp_path):
    export_dataset(results, tmp_path / "data.extxyz", MACE)
    frames = read(tmp_path / "data.extxyz", ":")
    assert len(frames) == 6
    for number, frame in enumerate(frames):
        truth = labelled(number)
        assert frame.calc is None
        assert frame.info["REF_energy"] == -1.25
        np.testing.assert_array_equal(frame.arrays["REF_forces"], truth.get_forces())
        xx, xy, xz, yx, yy, yz, zx, zy, zz = frame.info["REF_stress"]
        assert (xy, xz, yz) == (yx, zx, zy)
        np.testing.assert_array_equal([xx, yy, zz, yz, xz, xy], STRESS)
        np.testing.assert_array_equal(frame.cell.array, truth.cell.array)
        assert frame.info["label_key"] == f"label-{number:02d}e45"
        assert (frame.info["origin"], frame.info["split"]) == ("crystal/Li2S", "train")


def test_nequip_reads_a_dataset_with_other_keys(results, tmp_path):
    from nequip.data import AtomicDataDict
    from nequip.data.dataset import ASEDataset

    export_dataset(results, tmp_path / "data.extxyz", MACE)
    mapping = {"REF_energy": "total_energy", "REF_forces": "forces", "REF_stress": "stress"}
    data = ASEDataset(str(tmp_path / "data.extxyz"), key_mapping=mapping)[5]
    assert data[AtomicDataDict.TOTAL_ENERGY_KEY].item() == -1.25
    np.testing.assert_allclose(data[AtomicDataDict.FORCE_KEY], labelled().get_forces())
    np.testing.assert_allclose(data[AtomicDataDict.STRESS_KEY][0], labelled().get_stress(voigt=False))


def test_one_key_may_differ_and_frames_may_have_no_stress(tmp_path):
    frame = labelled()
    del frame.calc.results["stress"]
    (tmp_path / "one.extxyz").write_bytes(keyed_extxyz([frame], LabelKeys(forces="F")))
    found = read(tmp_path / "one.extxyz")
    assert found.calc.results == {"energy": -1.25}
    np.testing.assert_array_equal(found.arrays["F"], frame.get_forces())
    assert "label_key" in frame.info, "the given frame is not changed"
    assert frame.info["label_key"] == "00e45"


@pytest.mark.parametrize(
    ("keys", "part"),
    [
        ({"energy": "my energy"}, "letters, digits and _"),
        ({"energy": ""}, "energy: '' is not a name"),
        ({"forces": "1F"}, "REF_forces"),
        ({"stress": "a=b"}, "stress: 'a=b'"),
        ({"energy": "E", "forces": "E"}, "one key"),
        ({"energy": "forces"}, "another meaning"),
        ({"forces": "momenta_", "energy": "magmom"}, "'magmom' has another meaning"),
        ({"stress": "Lattice"}, "another meaning"),
        ({"energy": "origin"}, "another meaning"),
    ],
)
def test_keys_that_a_reader_would_misread_are_rejected(keys, part):
    with pytest.raises(InputError, match=part):
        LabelKeys(**keys)


def test_metadata_have_what_colabfit_requests(results, tmp_path):
    about = Publication(["Marie Curie", "Pierre Curie"], license="CC-BY-4.0", links=["https://doi.org/10/x"])
    export_dataset(results, tmp_path / "data.extxyz", MACE, about)
    found = json.loads((tmp_path / "data.json").read_text())
    assert (found["name"], found["authors"], found["license"]) == ("unit", list(about.authors), "CC-BY-4.0")
    assert "between Li and Li7P3S11" in found["description"]
    assert (found["method"], found["software"], found["calculation"]) == ("spheres", "ASE 1", {"is_surrogate": True})
    assert (found["files"], found["elements"], found["n_configurations"]) == (["data.extxyz"], ["Li", "S"], 6)
    assert found["property_definitions"] == DEFINITIONS
    fields = {}
    for name, maps in found["property_map"].items():
        (properties,) = maps
        assert properties["_metadata"]["software"] == {"value": "ASE 1"}
        fields[name] = [value for value in properties.values() if "field" in value]
    assert fields == {
        "energy-conjugate-with-atomic-forces": [{"field": "REF_energy", "units": "eV"}],
        "atomic-forces": [{"field": "REF_forces", "units": "eV/angstrom"}],
        "cauchy-stress": [{"field": "REF_stress", "units": "eV/angstrom^3"}],
    }
    assert "tension positive" in found["conventions"]["stress"]
    assert [each["regex"] for each in found["configuration_sets"]] == ["^audit/", "^crystal/"]


def test_functional_is_part_of_the_method_in_the_metadata(with_data, settings, tmp_path):
    method = documents.dataset().method.model_copy(
        update={
            "name": "gpaw",
            "code": "GPAW",
            "version": "26.7.0",
            "is_surrogate": False,
            "settings": {"functional": "PBE"},
        }
    )
    artifact = with_data.artifacts.put_bytes(extxyz_bytes([labelled()]), "datasets", ".extxyz")
    with_data.ledger.put("datasets", "of gpaw", documents.dataset(artifact, key="of gpaw", method=method))
    with_data.ledger.put("iterations", "i2", documents.iteration("i2", 2, "of gpaw"))
    with CampaignResults("unit", settings) as results:
        export_dataset(results, tmp_path / "data.extxyz", about=Publication(name="interphases", description="ours"))
    found = json.loads((tmp_path / "data.json").read_text())
    assert (found["method"], found["software"]) == ("DFT-PBE", "GPAW 26.7.0")
    assert (found["name"], found["description"]) == ("interphases", "ours")


@pytest.mark.parametrize("with_stress", [(), (0,), (2,)])
def test_metadata_have_stress_if_any_frame_has(with_data, settings, tmp_path, with_stress):
    """Only some labels of other programs have a stress, and the order of frames is by origin."""
    frames = [labelled(k) for k in range(3)]
    for number, frame in enumerate(frames):
        if number not in with_stress:
            del frame.calc.results["stress"]
    artifact = with_data.artifacts.put_bytes(extxyz_bytes(frames), "datasets", ".extxyz")
    with_data.ledger.put("datasets", "mixed", documents.dataset(artifact, key="mixed"))
    with_data.ledger.put("iterations", "i2", documents.iteration("i2", 2, "mixed"))
    with CampaignResults("unit", settings) as results:
        export_dataset(results, tmp_path / "data.extxyz")
    found = json.loads((tmp_path / "data.json").read_text())
    assert ("cauchy-stress" in found["property_map"]) == bool(with_stress)


def test_target_that_cannot_be_written_is_rejected(results, tmp_path):
    with pytest.raises(InputError, match="give the name of a file"):
        export_dataset(results, tmp_path)
    with pytest.raises(InputError, match=r"name it data\.extxyz"):
        export_dataset(results, tmp_path / "data.json")
    assert not (tmp_path / "data.json").exists()


def test_dataset_does_not_replace_a_file_of_another_kind(results, with_data):
    """Neither with force, nor an empty name."""
    ledger = with_data.root / "ledger.sqlite"
    before = ledger.read_bytes()
    with pytest.raises(InputError, match=r"ledger\.sqlite: not a name of an extxyz file.*Hint: name it ledger\.extxyz"):
        export_dataset(results, ledger, force=True)
    assert ledger.read_bytes() == before
    with pytest.raises(InputError, match=r"is a folder. Hint: give the name of a file"):
        export_dataset(results, Path(""))


def test_existing_files_are_replaced_only_with_force(results, tmp_path):
    target, metadata = tmp_path / "data.extxyz", tmp_path / "data.json"
    metadata.write_text("precious")
    with pytest.raises(InputError, match=r"data\.json: the file exists; nothing was written.*--force"):
        export_dataset(results, target)
    assert metadata.read_text() == "precious"
    assert not target.exists()
    export_dataset(results, target, force=True)
    with pytest.raises(InputError, match=r"data\.extxyz, .*data\.json: the file exists"):
        export_dataset(results, target, MACE)
    assert "REF_energy" not in target.read_text()


class OneMember:
    def predict_all(self, atoms: Atoms):
        return np.array([-1.25]), atoms.get_positions()[None], np.zeros((1, 6))


def test_chemiscope_file_has_the_first_iteration_of_each_frame(with_data, settings, tmp_path, monkeypatch):
    """The first two iterations have six frames, the third has two more."""
    monkeypatch.setattr(CampaignResults, "load_committee", lambda self: OneMember())
    artifact = with_data.artifacts.put_bytes(extxyz_bytes([labelled(k) for k in range(8)]), "datasets", ".extxyz")
    with_data.ledger.put("datasets", "larger", documents.dataset(artifact, key="larger"))
    with_data.ledger.put("iterations", "i2", documents.iteration("i2", 2, "larger"))
    target = tmp_path / "new" / "data.json"
    with CampaignResults("unit", settings) as results:
        assert export_chemiscope(results, target) == [target]
        with pytest.raises(InputError, match="the file exists"):
            export_chemiscope(results, target)
        with pytest.raises(InputError, match=r"name it data\.json\.gz"):
            export_chemiscope(results, tmp_path / "data.xyz")
    found = json.loads(target.read_text())
    assert found["properties"]["iteration"]["values"] == [0] * 6 + [2] * 2
    assert found["meta"] == {"name": "dataset of unit", "description": "Li | Li7P3S11: labels of spheres"}
    assert "environments" not in found


def test_unknown_members_and_formats_of_models_are_rejected(with_data, settings, tmp_path):
    with_data.ledger.put("committees", "committee", documents.committee())
    with CampaignResults("unit", settings) as results:
        with pytest.raises(InputError, match=r"no member 3.*its members are 0"):
            export_models(results, tmp_path / "models", members=[3])
        with pytest.raises(InputError, match="unknown format 'onnx'"):
            export_models(results, tmp_path / "models", "onnx")
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("seed", range(3))
def test_exported_run_has_the_cell_and_positions_of_every_frame(seed, tmp_path):
    """Two segments of a run whose triclinic cell shrinks and breathes along z."""
    rng = np.random.default_rng(seed)
    strain = breathing_strain(rng, 20, "normal") - 0.1 * np.arange(20)[:, None] / 20 * np.array([0, 0, 1])
    truth = in_changing_cell(planted(n_frames=20, seed=seed), strain)
    halves = [
        replace(truth, time_fs=truth.time_fs[rows], all_positions=truth.all_positions[rows], cells=truth.cells[rows])
        for rows in (slice(0, 7), slice(7, 20))
    ]
    paths = [campaign_run(tmp_path / f"{i}.zarr.zip", half).path for i, half in enumerate(halves)]
    with RunFrames(paths) as run:
        write_extxyz(run, tmp_path / "new" / "run.extxyz", {round(float(truth.time_fs[3]), 3): 0.25})
    written = read(tmp_path / "new" / "run.extxyz", ":")
    assert [atoms.get_potential_energy() for atoms in written] == [0.0] * 20
    assert [atoms.info.get("uncertainty_eV_per_angstrom") for atoms in written[2:5]] == [None, 0.25, None]
    with open_trajectory(tmp_path / "new" / "run.extxyz") as found:
        np.testing.assert_allclose(found.time_fs, truth.time_fs)
        for frame in range(20):
            np.testing.assert_allclose(found.cell(frame), truth.cell(frame), rtol=1e-12)
            np.testing.assert_allclose(found.positions(frame), truth.positions(frame), atol=1e-5)


def test_missing_results_are_an_error_and_nothing_is_written(settings, started, tmp_path):
    with CampaignResults("unit", settings) as results:
        with pytest.raises(InputError, match="no production trajectory"):
            export_trajectories(results, tmp_path / "x")
        with pytest.raises(InputError, match="not in the ledger"):
            export_dataset(results, tmp_path / "x.extxyz")
        with pytest.raises(InputError, match="not in the ledger"):
            export_models(results, tmp_path / "x")
    assert not list(tmp_path.glob("x*"))
