"""VASP labels under custodian: kills, walltime, errors. A stand-in for VASP replays recorded outputs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from interphase_flows.datasets.gates import Gates
from interphase_flows.exceptions import ReferenceMethodError, SettingsError, WalltimeReachedError
from interphase_flows.jobs.label_structure import label_structure
from interphase_flows.reference.attempts import Action
from interphase_flows.runtime.walltime import process_start_unix_s
from interphase_flows.schemas.structures import StructureEntry
from interphase_flows.structures.structure_keys import structure_key
from vasp_records import SILICON, read_record
from vasp_replayed import REPLAY, n_runs, worker_command


def entry(atoms):
    return StructureEntry(key=structure_key(atoms), origin="test", formula="Si2", n_atoms=len(atoms))


def test_converged_run_gives_an_accepted_label(stand_in, silicon, tmp_path):
    before = Path.cwd()
    label = label_structure(stand_in(REPLAY), Gates(), silicon, entry(silicon), tmp_path / "label")
    record = read_record("converged")
    assert (label.status, label.reason) == ("accepted", None)
    assert label.energy_eV == record.free_energy_eV
    assert label.is_scf_converged is True
    assert label.corrections == []
    assert label.details["n_electrons"] == 8
    assert label.details["n_k_points"] == 20
    assert label.details["potential_titles"] == "PAW_PBE Si 05Jan2001"
    assert Path.cwd() == before


def test_inputs_and_logs_are_kept_without_the_licensed_potcar(stand_in, silicon, tmp_path):
    raw = stand_in(REPLAY).label(silicon, tmp_path)
    names = {path.name for path in raw.files}
    assert {"INCAR", "KPOINTS", "POSCAR", "POTCAR.spec", "OUTCAR", "vasprun.xml", "custodian.json"} <= names
    assert "POTCAR" not in names


def test_unconverged_scf_is_rejected_and_forces_are_in_the_order_of_the_atoms(stand_in, tmp_path):
    """Vanadium and oxygen interleaved; VASP computes them grouped by element."""
    record = read_record("unconverged_electronic")
    order = [0, 4, 1, 5, 6, 2, 7, 8, 9, 10, 3, 11, 12, 13]
    atoms = record.atoms[order]
    assert str(atoms.symbols) == "VOVO2VO4VO3"
    raw = stand_in({"replay": "unconverged_electronic"}).label(atoms, tmp_path)
    assert np.array_equal(raw.forces_eV_per_angstrom, record.forces[order])
    assert raw.is_scf_converged is False
    rejection = Gates().after(atoms, raw)
    assert rejection is not None
    assert rejection.reason == "scf_not_converged"
    actions = [action for correction in raw.corrections for action in correction.actions]
    assert "INCAR: set ALGO = Normal" in actions
    assert n_runs(tmp_path) > 1


def test_neutral_correction_is_recorded_and_the_label_accepted(stand_in, silicon, tmp_path):
    """For BRMIX, custodian restarts VASP; the label is of the second run."""
    failing = {"print": " BRMIX: very serious problems", "replay": "converged"}
    label = label_structure(stand_in(failing, REPLAY), Gates(), silicon, entry(silicon), tmp_path)
    assert label.status == "accepted"
    assert [each.handler for each in label.corrections] == ["VaspErrorHandler"]
    assert not any(each.changes_theory for each in label.corrections)
    assert n_runs(tmp_path) == 2


def test_correction_that_changes_the_theory_rejects_the_label(stand_in, silicon, tmp_path):
    """Custodian disables the real-space projection, which changes the forces."""
    failing = {"print": " REAL_OPTLAY: internal error (1)", "replay": "converged"}
    label = label_structure(stand_in(failing, REPLAY), Gates(), silicon, entry(silicon), tmp_path)
    assert (label.status, label.reason) == ("rejected", "theory_changed")
    changing = [each for each in label.corrections if each.changes_theory]
    assert changing[0].handler == "VaspErrorHandler"
    assert changing[0].actions == ["INCAR: set LREAL = False"]
    assert "LREAL = False\n" in (tmp_path / "INCAR").read_text()


def test_output_of_another_level_of_theory_rejects_the_label(stand_in, silicon, tmp_path):
    spec = SILICON.model_copy(update={"cutoff_eV": 500.0})
    label = label_structure(stand_in(REPLAY, spec=spec), Gates(), silicon, entry(silicon), tmp_path)
    assert (label.status, label.reason) == ("rejected", "theory_changed")
    assert label.corrections[-1].errors == ["ENCUT is 520.0, not 500.0"]


def test_killed_vasp_is_restarted_and_the_kill_recorded(stand_in, silicon, tmp_path):
    fifo = tmp_path / "announce"
    os.mkfifo(fifo)
    killer = subprocess.Popen([sys.executable, "-c", f"import os; os.kill(int(open({str(fifo)!r}).read()), 9)"])
    raw = stand_in({"announce": str(fifo)}, REPLAY).label(silicon, tmp_path / "label")
    assert killer.wait(timeout=30) == 0
    assert raw.is_scf_converged
    assert [each.errors for each in raw.corrections] == [["killed"]]
    assert n_runs(tmp_path / "label") == 2


def test_vasp_killed_in_every_attempt_is_rejected_with_its_retries(stand_in, silicon, tmp_path):
    dying = {"print": "running", "status": 137}
    label = label_structure(stand_in(dying), Gates(), silicon, entry(silicon), tmp_path)
    assert (label.status, label.reason) == ("rejected", "killed")
    assert len(label.corrections) == 2
    assert n_runs(tmp_path) == 3


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        ({"replay": "converged", "cut": 0.7}, "garbage_output"),
        ({"print": "forrtl: No space left on device", "status": 1}, "disk_full"),
        ({"print": "insufficient virtual memory", "status": 41}, "out_of_memory"),
        ({"print": "an error of a VASP routine", "status": 1}, "reference_method_failed"),
        ({"replay": "converged", "status": 1}, "reference_method_failed"),
    ],
)
def test_failed_run_is_rejected_with_its_reason(act, reason, stand_in, silicon, tmp_path):
    """Truncated output, full disk, out of memory, a crash, a failure after complete output."""
    label = label_structure(stand_in(act), Gates(), silicon, entry(silicon), tmp_path)
    assert (label.status, label.reason) == ("rejected", reason)


def test_memory_limit_rejects_the_label_as_out_of_memory(stand_in, silicon, tmp_path):
    greedy = stand_in({"allocate_gb": 8, "replay": "converged"}, memory_limit_gb=4.0)
    label = label_structure(greedy, Gates(), silicon, entry(silicon), tmp_path)
    assert (label.status, label.reason) == ("rejected", "out_of_memory")


def test_output_of_an_earlier_run_is_not_used_after_a_crash(stand_in, silicon, tmp_path):
    stand_in(REPLAY).label(silicon, tmp_path)
    spec = SILICON.model_copy(update={"max_scf_steps": 60})
    with pytest.raises(ReferenceMethodError):
        stand_in(REPLAY, {"status": 1}, spec=spec).label(silicon, tmp_path)


def test_restart_after_walltime_uses_the_kept_density(stand_in, silicon, tmp_path):
    """STOPCAR before the walltime; then ISTART 1 and ICHARG 1 in the same folder."""
    soon_s = time.time() - process_start_unix_s() + 60.0
    acts = ({"until_stopcar": True}, REPLAY)
    with pytest.raises(WalltimeReachedError, match="walltime_s"):
        stand_in(*acts, walltime_s=soon_s).label(silicon, tmp_path)
    raw = stand_in(*acts).label(silicon, tmp_path)
    assert raw.is_scf_converged
    first, second = ((tmp_path / f"INCAR.run{n}").read_text() for n in (0, 1))
    assert "ISTART = 0\n" in first
    assert "ICHARG = 2\n" in first
    assert "ISTART = 1\n" in second
    assert "ICHARG = 1\n" in second
    assert (tmp_path / "WAVECAR").read_text() == "wave functions"
    assert not (tmp_path / "STOPCAR").exists()


def test_vasp_is_not_started_after_the_walltime(stand_in, silicon, tmp_path):
    with pytest.raises(WalltimeReachedError):
        stand_in(REPLAY, walltime_s=1e-3).label(silicon, tmp_path)
    assert not (tmp_path / "stand_in_runs").exists()


def test_sigkill_of_the_worker_ends_vasp_and_releases_the_folder(stand_in, silicon, tmp_path):
    """VASP holds the lock of the folder as long as it lives."""
    fifo, folder = tmp_path / "announce", tmp_path / "label"
    os.mkfifo(fifo)
    method = stand_in({"announce": str(fifo)}, REPLAY)
    worker = subprocess.Popen(worker_command(folder))
    with fifo.open() as announced:
        vasp = int(announced.read())
    os.kill(worker.pid, signal.SIGKILL)
    assert worker.wait(timeout=30) == -signal.SIGKILL
    raw = method.label(silicon, folder)  # waits for the lock
    assert raw.is_scf_converged
    assert not Path(f"/proc/{vasp}").exists() or "Z" in Path(f"/proc/{vasp}/stat").read_text().split(")")[1]
    assert n_runs(folder) == 2


def test_calculator_returns_the_free_energy_and_raises_at_another_level_of_theory(stand_in, silicon):
    silicon.calc = stand_in(REPLAY).calculator()
    assert silicon.get_potential_energy() == read_record("converged").free_energy_eV
    assert silicon.get_stress() == pytest.approx([3.0044e-4] * 3 + [0] * 3, abs=1e-7)
    spec = SILICON.model_copy(update={"cutoff_eV": 500.0})
    silicon.calc = stand_in(REPLAY, spec=spec).calculator()
    with pytest.raises(ReferenceMethodError) as raised:
        silicon.get_potential_energy()
    assert raised.value.reason == "theory_changed"


def test_vasp_that_cannot_start_raises_settings_error_instead_of_rejecting_labels(stand_in, silicon, tmp_path):
    broken = stand_in({"print": "vasp_std: libmkl.so: cannot open shared object file", "status": 127})
    with pytest.raises(SettingsError, match=r"vasp_stand_in.*libmkl.*VASP_CMD"):
        label_structure(broken, Gates(), silicon, entry(silicon), tmp_path)


def test_policy_without_actions_does_not_retry(stand_in, silicon, tmp_path):
    policy = {"killed": (), "garbage_output": (Action(name="start over", start="scratch"),)}
    with pytest.raises(ReferenceMethodError) as raised:
        stand_in({"status": 137}, policy=policy).label(silicon, tmp_path)
    assert raised.value.corrections == ()
    assert n_runs(tmp_path) == 1
