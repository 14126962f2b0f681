"""Reuse of finished VASP runs whose label was not recorded. A stand-in for VASP replays recorded outputs."""

import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from interphase_flows.datasets.gates import Gates
from interphase_flows.exceptions import ReferenceMethodError
from interphase_flows.jobs.label_structure import cached_label, label_key
from interphase_flows.reference.attempts import ATTEMPTS
from interphase_flows.reference.labelling import IS_CONTINUED
from interphase_flows.schemas.structures import StructureEntry
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, use_workspace
from interphase_flows.structures.structure_keys import structure_key
from vasp_records import SILICON, read_record
from vasp_replayed import REPLAY, n_runs, worker_command

BRMIX = {"print": " BRMIX: very serious problems", "replay": "converged"}
DYING = {"print": "running", "status": 137}


def assert_is_the_record(raw):
    record = read_record("converged")
    assert raw.energy_eV == record.free_energy_eV
    assert np.array_equal(raw.forces_eV_per_angstrom, record.forces)
    assert raw.is_scf_converged is True


def test_finished_run_is_reused_after_a_kill_before_the_ledger(stand_in, silicon, tmp_path, monkeypatch):
    entry = StructureEntry(key=structure_key(silicon), origin="test", formula="Si2", n_atoms=len(silicon))
    method = stand_in(REPLAY, {"status": 1})
    with Workspace(Settings(root=tmp_path), "killed") as workspace, use_workspace(workspace):
        folder = workspace.work_folder("labels", label_key(entry.key, method.identity.key, Gates()))

        def kill(*arguments):
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(workspace.ledger, "put", kill)
            with pytest.raises(KeyboardInterrupt):
                cached_label(method, Gates(), silicon, entry)
        assert n_runs(folder) == 1
        label = cached_label(method, Gates(), silicon, entry)
        assert not folder.exists()
    assert (label.status, label.reason) == ("accepted", None)
    assert label.energy_eV == read_record("converged").free_energy_eV
    assert label.details[IS_CONTINUED] is True
    assert label.files is not None


def kill_a_worker(folder: Path, fifo: Path) -> None:
    """Start a worker, and kill it when its VASP announces that it waits."""
    worker = subprocess.Popen(worker_command(folder))
    with fifo.open() as announced:
        announced.read()
    os.kill(worker.pid, signal.SIGKILL)
    assert worker.wait(timeout=30) == -signal.SIGKILL


def test_finished_run_is_reused_after_sigkill_of_the_worker(stand_in, silicon, tmp_path):
    """The worker is killed after the last line of output; the files show that VASP has finished."""
    fifo, folder = tmp_path / "announce", tmp_path / "label"
    os.mkfifo(fifo)
    method = stand_in({**REPLAY, "announce_end": str(fifo)}, {"status": 1})
    kill_a_worker(folder, fifo)
    assert_is_the_record(method.label(silicon, folder))
    assert n_runs(folder) == 1


def test_output_before_a_correction_is_not_reused(stand_in, silicon, tmp_path):
    """The worker is killed when the corrected run has started and has not written anything."""
    fifo, folder = tmp_path / "announce", tmp_path / "label"
    os.mkfifo(fifo)
    method = stand_in(BRMIX, {"announce": str(fifo)}, REPLAY)
    kill_a_worker(folder, fifo)
    assert_is_the_record(method.label(silicon, folder))
    assert n_runs(folder) == 3


def test_reused_label_has_the_corrections_of_all_attempts(stand_in, silicon, tmp_path):
    """A kill, a correction by custodian, a converged run."""
    method = stand_in(DYING, BRMIX, REPLAY)
    first = method.label(silicon, tmp_path)
    again = method.label(silicon, tmp_path)
    assert [each.handler for each in again.corrections] == ["VASPMethod", "VaspErrorHandler"]
    assert again.corrections == first.corrections
    assert again.files == first.files
    assert {**again.details, IS_CONTINUED: False} == first.details
    assert_is_the_record(again)
    assert n_runs(tmp_path) == 3


def test_reused_label_with_a_change_of_theory_is_rejected(stand_in, silicon, tmp_path):
    """Custodian disabled the real-space projection in the finished run."""
    method = stand_in({"print": " REAL_OPTLAY: internal error (1)", "replay": "converged"}, REPLAY)
    for _ in range(2):
        rejection = Gates().after(silicon, method.label(silicon, tmp_path))
        assert rejection is not None
        assert rejection.reason == "theory_changed"
    assert n_runs(tmp_path) == 2


def test_finished_run_is_reused_with_other_parallelisation_and_without_walltime(stand_in, silicon, tmp_path):
    stand_in(REPLAY).label(silicon, tmp_path)
    method = stand_in(REPLAY, vasp_parallel={"NCORE": 4, "KPAR": 2}, walltime_s=1e-3)
    assert_is_the_record(method.label(silicon, tmp_path))
    assert n_runs(tmp_path) == 1


@pytest.mark.parametrize(
    "change", [{"max_scf_steps": 60}, {"smearing_eV": 0.1115102}, {"k_density_per_inverse_angstrom": 5.0}]
)
def test_finished_run_of_other_settings_is_not_reused(change, stand_in, silicon, tmp_path):
    stand_in(REPLAY).label(silicon, tmp_path)
    stand_in(REPLAY, spec=SILICON.model_copy(update=change)).label(silicon, tmp_path)
    assert n_runs(tmp_path) == 2


def test_finished_run_of_other_positions_is_not_reused(stand_in, silicon, tmp_path):
    """Even if they differ by less than the output resolves."""
    stand_in(REPLAY).label(silicon, tmp_path)
    silicon.positions[1] += 1e-6
    stand_in(REPLAY).label(silicon, tmp_path)
    assert n_runs(tmp_path) == 2


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: int(0.7 * path.stat().st_size)])


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: truncate(folder / "vasprun.xml"),
        lambda folder: truncate(folder / "OUTCAR"),
        lambda folder: truncate(folder / "custodian.json"),
        lambda folder: truncate(folder / ATTEMPTS),
        lambda folder: (folder / "vasprun.xml").unlink(),
        lambda folder: (folder / "OUTCAR").unlink(),
        lambda folder: (folder / ATTEMPTS).unlink(),
        lambda folder: (folder / "vasp.out").write_text(" BRMIX: very serious problems\n"),
        lambda folder: (folder / "vasp.out").write_bytes(b"\xff\xfe"),
        lambda folder: (folder / ATTEMPTS).write_text("[]"),
    ],
)
def test_incomplete_or_faulty_output_is_computed_again(damage, stand_in, silicon, tmp_path):
    """Truncated or missing output, an unreadable record, output that custodian would correct."""
    stand_in(REPLAY).label(silicon, tmp_path)
    damage(tmp_path)
    assert_is_the_record(stand_in(REPLAY).label(silicon, tmp_path))
    assert n_runs(tmp_path) == 2


def test_complete_output_of_a_failed_run_is_not_reused(stand_in, silicon, tmp_path):
    """VASP ended with an error after complete output."""
    method = stand_in({**REPLAY, "status": 1}, REPLAY)
    with pytest.raises(ReferenceMethodError):
        method.label(silicon, tmp_path)
    assert_is_the_record(method.label(silicon, tmp_path))
    assert n_runs(tmp_path) == 2
