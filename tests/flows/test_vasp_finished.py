"""A run of VASP that ended before its label was on record; VASP's part is a stand-in that replays a record."""

import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from interphase_flows.datasets.gates import Gates
from interphase_flows.exceptions import ReferenceMethodError
from interphase_flows.jobs.label_structure import cached_label, label_key
from interphase_flows.reference.labelling import IS_CONTINUED
from interphase_flows.schemas.structures import StructureEntry
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, use_workspace
from interphase_flows.structures.structure_keys import structure_key
from vasp_records import SILICON, needs_records, read_record
from vasp_replayed import REPLAY, n_launches, worker_command

pytestmark = needs_records

BRMIX = {"say": " BRMIX: very serious problems", "replay": "converged"}
DYING = {"say": "running", "status": 137}


def assert_is_the_record(raw):
    record = read_record("converged")
    assert raw.energy_eV == record.free_energy_eV
    assert np.array_equal(raw.forces_eV_per_angstrom, record.forces)
    assert raw.is_scf_converged is True


def test_a_worker_killed_between_vasp_and_the_ledger_loses_no_run(stand_in, silicon, tmp_path, monkeypatch):
    """VASP is started once; the label is on record at the second attempt, and its folder is gone."""
    entry = StructureEntry(key=structure_key(silicon), origin="test", formula="Si2", n_atoms=len(silicon))
    method = stand_in(REPLAY, {"status": 1})
    with Workspace(Settings(root=tmp_path), "killed") as workspace, use_workspace(workspace):
        folder = workspace.work_folder("labels", label_key(entry.key, method.identity.key, Gates()))

        def killed(*arguments):
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(workspace.ledger, "put", killed)
            with pytest.raises(KeyboardInterrupt):
                cached_label(method, Gates(), silicon, entry)
        assert n_launches(folder) == 1
        label = cached_label(method, Gates(), silicon, entry)
        assert not folder.exists()
    assert (label.status, label.reason) == ("accepted", None)
    assert label.energy_eV == read_record("converged").free_energy_eV
    assert label.details[IS_CONTINUED] is True
    assert label.files is not None


def kill_a_worker(folder: Path, fifo: Path) -> None:
    """Start a worker, and kill it when its VASP says that it waits."""
    worker = subprocess.Popen(worker_command(folder))
    with fifo.open() as announced:
        announced.read()
    os.kill(worker.pid, signal.SIGKILL)
    assert worker.wait(timeout=30) == -signal.SIGKILL


def test_kill_9_of_the_worker_after_the_last_line_of_vasp_loses_no_run(stand_in, silicon, tmp_path):
    """Nobody was left to see VASP end; what it wrote says that it did."""
    fifo, folder = tmp_path / "announce", tmp_path / "label"
    os.mkfifo(fifo)
    method = stand_in({**REPLAY, "announce_end": str(fifo)}, {"status": 1})
    kill_a_worker(folder, fifo)
    assert_is_the_record(method.label(silicon, folder))
    assert n_launches(folder) == 1


def test_the_output_of_a_run_that_custodian_mended_is_not_taken_for_the_mended_one(
    stand_in, silicon, tmp_path
):
    """The worker is killed when the second run has begun and has not written anything."""
    fifo, folder = tmp_path / "announce", tmp_path / "label"
    os.mkfifo(fifo)
    method = stand_in(BRMIX, {"announce": str(fifo)}, REPLAY)
    kill_a_worker(folder, fifo)
    assert_is_the_record(method.label(silicon, folder))
    assert n_launches(folder) == 3


def test_what_is_read_is_what_was_computed_with_everything_that_was_tried(stand_in, silicon, tmp_path):
    """A kill, a remedy of custodian's, a good run; the label that is read tells all of it."""
    method = stand_in(DYING, BRMIX, REPLAY)
    first = method.label(silicon, tmp_path)
    again = method.label(silicon, tmp_path)
    assert [each.handler for each in again.corrections] == ["VASPMethod", "VaspErrorHandler"]
    assert again.corrections == first.corrections
    assert again.files == first.files
    assert {**again.details, IS_CONTINUED: False} == first.details
    assert_is_the_record(again)
    assert n_launches(tmp_path) == 3


def test_a_remedy_that_changed_the_theory_disqualifies_what_is_read_too(stand_in, silicon, tmp_path):
    """The real-space projection was switched off in the run that ended."""
    method = stand_in({"say": " REAL_OPTLAY: internal error (1)", "replay": "converged"}, REPLAY)
    for _ in range(2):
        rejection = Gates().after(silicon, method.label(silicon, tmp_path))
        assert rejection is not None
        assert rejection.reason == "theory_changed"
    assert n_launches(tmp_path) == 2


def test_a_label_is_read_on_another_machine_and_without_time(stand_in, silicon, tmp_path):
    """How the work is shared changes no number, and reading takes none of VASP's time."""
    stand_in(REPLAY).label(silicon, tmp_path)
    method = stand_in(REPLAY, vasp_parallel={"NCORE": 4, "KPAR": 2}, walltime_s=1e-3)
    assert_is_the_record(method.label(silicon, tmp_path))
    assert n_launches(tmp_path) == 1


@pytest.mark.parametrize(
    "change", [{"max_scf_steps": 60}, {"smearing_eV": 0.1115102}, {"k_density_per_inverse_angstrom": 5.0}]
)
def test_another_input_is_another_run(change, stand_in, silicon, tmp_path):
    """However little INCAR or KPOINTS differ."""
    stand_in(REPLAY).label(silicon, tmp_path)
    stand_in(REPLAY, spec=SILICON.model_copy(update=change)).label(silicon, tmp_path)
    assert n_launches(tmp_path) == 2


def test_other_positions_are_another_run(stand_in, silicon, tmp_path):
    """Also where VASP's output would not tell them apart."""
    stand_in(REPLAY).label(silicon, tmp_path)
    silicon.positions[1] += 1e-6
    stand_in(REPLAY).label(silicon, tmp_path)
    assert n_launches(tmp_path) == 2


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: int(0.7 * path.stat().st_size)])


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: cut(folder / "vasprun.xml"),
        lambda folder: cut(folder / "OUTCAR"),
        lambda folder: cut(folder / "custodian.json"),
        lambda folder: cut(folder / "launch.json"),
        lambda folder: (folder / "vasprun.xml").unlink(),
        lambda folder: (folder / "OUTCAR").unlink(),
        lambda folder: (folder / "launch.json").unlink(),
        lambda folder: (folder / "vasp.out").write_text(" BRMIX: very serious problems\n"),
        lambda folder: (folder / "vasp.out").write_bytes(b"\xff\xfe"),
        lambda folder: (folder / "launch.json").write_text("[]"),
    ],
)
def test_what_is_not_whole_or_not_trusted_is_run_again(damage, stand_in, silicon, tmp_path):
    """Output cut off or lost, a record that cannot be read, an end that custodian would not have left at that."""
    stand_in(REPLAY).label(silicon, tmp_path)
    damage(tmp_path)
    assert_is_the_record(stand_in(REPLAY).label(silicon, tmp_path))
    assert n_launches(tmp_path) == 2


def test_what_was_no_label_is_not_read_as_one(stand_in, silicon, tmp_path):
    """A whole output, and an exit status that made it worthless."""
    method = stand_in({**REPLAY, "status": 1}, REPLAY)
    with pytest.raises(ReferenceMethodError):
        method.label(silicon, tmp_path)
    assert_is_the_record(method.label(silicon, tmp_path))
    assert n_launches(tmp_path) == 2
