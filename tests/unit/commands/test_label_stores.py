"""Labels in a job store of atomate2, whose documents emmet makes from recorded outputs of VASP."""

import warnings
from pathlib import Path

import pytest
from jobflow import JobStore
from maggma.stores import JSONStore
from monty.json import jsanitize
from monty.serialization import dumpfn

from interphase_flows.commands.label_import import check_labels, import_maker
from interphase_flows.commands.label_stores import read_store
from interphase_flows.datasets.label_conventions import LabelConventions
from interphase_flows.datasets.readers import read_labels
from interphase_flows.exceptions import InputError
from interphase_flows.reference.spec import VaspSpec
from vasp_records import SILICON, unpack


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack("converged", tmp_path_factory.mktemp("run"))


OTHER_CODE = {"calcs_reversed": [{"input": {"method": "b3lyp"}, "output": {"energy": -1.0}}]}


@pytest.fixture(scope="module")
def store(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job store with one VASP task, a job of another kind and a calculation of another code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from emmet.core.tasks import TaskDoc
        from pymatgen.io.vasp.outputs import Vasprun

        recorded = Vasprun(run / "vasprun.xml", parse_potcar_file=False, parse_dos=False, parse_eigen=False)
        recorded.initial_structure.to(filename=run / "POSCAR", fmt="poscar")
        recorded.final_structure.to(filename=run / "CONTCAR", fmt="poscar")
        task = TaskDoc.from_directory(run, store_additional_json=False)
    folder = tmp_path_factory.mktemp("store")
    jobs = JobStore(JSONStore(str(folder / "jobs.json"), read_only=False))
    with jobs as opened:
        for uuid, output in (("a1", task.model_dump()), ("b2", {"energy": 1.0}), ("c3", OTHER_CODE)):
            opened.update({"uuid": uuid, "index": 1, "name": "static", "output": jsanitize(output, strict=True)})
    dumpfn(
        {"docs_store": {"type": "JSONStore", "paths": str(folder / "jobs.json"), "read_only": True}},
        folder / "store.yaml",
    )
    return folder / "store.yaml"


def test_labels_equal_those_of_the_vasprun_of_the_task(run, store):
    found, expected = read_store(store, SILICON).labels, read_labels([run / "vasprun.xml"], spec=SILICON).labels
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.raw.energy_eV == other.raw.energy_eV
        assert one.raw.forces_eV_per_angstrom == pytest.approx(other.raw.forces_eV_per_angstrom)
        assert one.raw.stress_eV_per_angstrom3 == pytest.approx(other.raw.stress_eV_per_angstrom3)
        assert one.atoms.positions == pytest.approx(other.atoms.positions)
        assert one.raw.is_scf_converged == other.raw.is_scf_converged
        assert "deviations" not in other.raw.details
        same = other.raw.details.keys() & one.raw.details.keys()
        assert {"functional", "cutoff_eV", "n_scf_steps", "code_version"} <= same
        assert {name: one.raw.details[name] for name in same} == {name: other.raw.details[name] for name in same}
    assert {label.origin for label in found} == {"imported/a1"}


def test_a_calculation_of_another_code_is_left_out_with_a_note(store):
    (note,) = check_labels(import_maker("vasp", LabelConventions()), [store]).notes
    assert "1 jobs without a readable VASP calculation; job c3: KeyError" in note


def test_another_level_of_theory_is_rejected(store):
    deviations = str(read_store(store, VaspSpec()).labels[0].raw.details["deviations"])
    assert "GGA is PE, not PS" in deviations
    assert "KPOINTS" in deviations
    labels = check_labels(import_maker("vasp", LabelConventions()), [store]).labels
    assert {label.reason for label in labels} == {"level_of_theory"}


def test_a_file_without_a_store_is_explained(tmp_path):
    (tmp_path / "other.yaml").write_text("name: campaign\n")
    with pytest.raises(InputError, match=r"other.yaml.*Hint"):
        read_store(tmp_path / "other.yaml", None)
    with pytest.raises(InputError, match=r"missing.yaml.*Hint"):
        read_store(tmp_path / "missing.yaml", None)
