"""Restart of GPAW labels after kills, walltime and crashes, in real processes.

`gpaw_command` starts the real worker with a fault injected at a given SCF step.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from interphase_flows.costs.model import n_reduced_k_points
from interphase_flows.datasets.symmetry import largest_asymmetry
from interphase_flows.exceptions import WalltimeReachedError
from interphase_flows.reference.gpaw import method as gpaw_method
from interphase_flows.reference.gpaw.input import DAMAGED_DENSITY, DENSITY, FAILURE, LOG, WORKER_LOCK
from interphase_flows.reference.gpaw.method import GPAWMethod
from interphase_flows.reference.gpaw.outcome import read_outcome
from interphase_flows.reference.label_folder import write_json
from interphase_flows.reference.spec import GpawSpec
from interphase_flows.runtime.walltime import Deadline
from interphase_flows.settings import Settings
from real_gpaw import needs_gpaw

pytestmark = [pytest.mark.slow, needs_gpaw]

SPEC = GpawSpec(cutoff_eV=200.0, k_density_per_inverse_angstrom=0.5)
ENERGY_TOLERANCE_EV = 2e-5
"""Difference of two paths to one ground state: the SCF tolerance per electron, for two electrons."""

FORCE_TOLERANCE_EV_PER_ANGSTROM = 5e-3
"""Forces are of first order in the remaining error of the density; 1e-3 was observed for 12 atoms."""

SYMMETRY_FORCE_EV_PER_ANGSTROM = 1e-3

FAULTY_WORKER = """
import os, signal, sys, time
from pathlib import Path
import numpy as np
from interphase_flows.reference.gpaw import worker

faults, folder = sys.argv[1].split(","), Path(sys.argv[-1])
injected = folder / "injected"
n_before = len(injected.read_text()) if injected.exists() else 0
fault, step = faults[n_before].split("@") if n_before < len(faults) else ("none", "0")
monitor = worker._ScfMonitor.__call__

def faulty(self, context):
    if context.niter != int(step):
        return monitor(self, context)
    injected.write_text("x" * (n_before + 1))
    if fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "walltime":
        self._stop_reason = lambda: "walltime"
    monitor(self, context)
    if fault == "crash":
        raise RuntimeError("injected")
    if fault == "singular":
        raise np.linalg.LinAlgError("injected")
    if fault == "terminate":
        os.kill(os.getpid(), signal.SIGTERM)
    if fault == "orphan":
        parent = os.getppid()
        os.kill(parent, signal.SIGKILL)
        while os.getppid() == parent:  # otherwise this process may end first
            time.sleep(0.01)

worker._ScfMonitor.__call__ = faulty
sys.exit(worker.main(folder))
"""


@pytest.fixture(scope="module")
def lithium():
    atoms = bulk("Li", "bcc", 3.44, cubic=True)
    atoms.rattle(0.1, seed=1)
    return atoms


@pytest.fixture(scope="module")
def undisturbed(lithium):
    return GPAWMethod(SPEC, Settings()).label(lithium)


@pytest.fixture
def faulty_method(tmp_path_factory):
    """Return a function that creates a method with one fault per attempt, ``fault@SCF step``."""
    script = tmp_path_factory.mktemp("faulty") / "faulty_worker.py"
    script.write_text(FAULTY_WORKER)

    def make(*faults, spec=SPEC):
        command = f"{shlex.quote(sys.executable)} {shlex.quote(str(script))} {','.join(faults)}"
        return GPAWMethod(spec, Settings(gpaw_command=command))

    return make


def assert_same(label, undisturbed):
    assert label.is_scf_converged
    assert label.energy_eV == pytest.approx(undisturbed.energy_eV, abs=ENERGY_TOLERANCE_EV)
    difference = np.abs(label.forces_eV_per_angstrom - undisturbed.forces_eV_per_angstrom)
    assert difference.max() < FORCE_TOLERANCE_EV_PER_ANGSTROM


def test_restart_after_sigterm_gives_the_same_label_in_fewer_steps(faulty_method, lithium, undisturbed, tmp_path):
    label = faulty_method("terminate@4").label(lithium, tmp_path)
    assert_same(label, undisturbed)
    assert label.details["started_from_density"] is True
    assert label.details["n_scf_steps"] < undisturbed.details["n_scf_steps"]
    assert label.details["n_attempts"] == 2
    assert [(c.errors, c.changes_theory) for c in label.corrections] == [(["killed"], False)]
    assert "gpaw.attempt1.txt" in {path.name for path in label.files}


def test_restart_after_crash_and_walltime_uses_the_density_of_the_retry(faulty_method, lithium, undisturbed, tmp_path):
    with pytest.raises(WalltimeReachedError):
        faulty_method("crash@2", "walltime@4").label(lithium, tmp_path)
    label = GPAWMethod(SPEC, Settings()).label(lithium, tmp_path)
    assert_same(label, undisturbed)
    assert [each.errors for each in label.corrections] == [["reference_method_failed"]]
    assert label.details["started_from_density"] is True


@pytest.mark.parametrize(("killed_at", "from_density"), [("kill@1", False), ("kill@4", True)])
def test_restart_after_a_kill_keeps_the_changed_parameters_of_the_retry(
    faulty_method, tmp_path, monkeypatch, killed_at, from_density
):
    """The density before the retry has the point group with which the Hamiltonian was not finite."""
    monkeypatch.setattr(gpaw_method, "DENSITY_INTERVAL_S", 0.0)
    spec = SPEC.model_copy(update={"k_density_per_inverse_angstrom": 1.5})
    atoms = bulk("Li", "bcc", 3.44, cubic=True)
    label = faulty_method("singular@3", killed_at, spec=spec).label(atoms, tmp_path)
    assert [each.errors for each in label.corrections] == [["diagonalization_failed"], ["killed"]]
    assert label.details["started_from_density"] is from_density
    assert label.details["n_k_points"] == n_reduced_k_points(spec, atoms)


@pytest.mark.parametrize("damage", ["truncated", "of other atoms"])
def test_damaged_density_is_renamed_and_the_label_starts_from_scratch(
    lithium, undisturbed, tmp_path, monkeypatch, damage
):
    monkeypatch.setattr(gpaw_method, "deadline", lambda settings: Deadline(time.time() + 0.5, "a test"))
    with pytest.raises(WalltimeReachedError):
        GPAWMethod(SPEC, Settings()).label(lithium, tmp_path)
    monkeypatch.undo()
    intact = (tmp_path / DENSITY).read_bytes()
    if damage == "truncated":
        (tmp_path / DENSITY).write_bytes(intact[: len(intact) // 2])
    else:
        position = np.float64(lithium.positions[1, 1]).tobytes()
        assert position in intact
        (tmp_path / DENSITY).write_bytes(intact.replace(position, np.float64(1.5).tobytes()))
    label = GPAWMethod(SPEC, Settings()).label(lithium, tmp_path)
    assert label.energy_eV == undisturbed.energy_eV
    assert label.details["started_from_density"] is False
    assert (tmp_path / DAMAGED_DENSITY).exists()


def test_complete_result_in_the_folder_is_reused(lithium, tmp_path):
    """As after a kill between the result and the ledger."""
    method = GPAWMethod(SPEC, Settings())
    first = method.label(lithium, tmp_path)
    (tmp_path / LOG).unlink()
    again = method.label(lithium, tmp_path)
    assert again.energy_eV == first.energy_eV
    assert (first.details["is_continued"], again.details["is_continued"]) == (False, True)
    assert not (tmp_path / LOG).exists()


def test_density_of_another_structure_is_not_used(lithium, undisturbed, tmp_path):
    moved = lithium.copy()
    moved.positions[0, 0] += 0.05
    GPAWMethod(SPEC, Settings()).label(moved, tmp_path)
    assert (tmp_path / DENSITY).exists() or (tmp_path / LOG).exists()
    label = GPAWMethod(SPEC, Settings()).label(lithium, tmp_path)
    assert label.energy_eV == undisturbed.energy_eV
    assert label.details["n_attempts"] == 1
    assert label.details["started_from_density"] is False


def test_worker_ends_and_keeps_its_density_when_its_owner_is_killed(faulty_method, lithium, undisturbed, tmp_path):
    script = (
        "import sys; from pathlib import Path; from ase.io import read\n"
        "from interphase_flows.reference.gpaw import method\n"
        "from interphase_flows.reference.gpaw.method import GPAWMethod\n"
        "from interphase_flows.reference.spec import GpawSpec\n"
        "from interphase_flows.settings import Settings\n"
        "method.DENSITY_INTERVAL_S = 1e9\n"
        f"spec = GpawSpec.model_validate_json({SPEC.model_dump_json()!r})\n"
        "GPAWMethod(spec, Settings(gpaw_command=sys.argv[1])).label(read(sys.argv[3]), Path(sys.argv[2]))"
    )
    atoms, folder = tmp_path / "atoms.traj", tmp_path / "label"
    lithium.write(atoms)
    command = faulty_method("orphan@4")._settings.gpaw_command
    campaign = subprocess.run([sys.executable, "-c", script, command, str(folder), str(atoms)])
    assert campaign.returncode == -signal.SIGKILL
    label = GPAWMethod(SPEC, Settings()).label(lithium, folder)  # waits for the lock of the orphaned worker
    assert_same(label, undisturbed)
    assert label.details["started_from_density"] is True
    assert _processes_of(folder) == []


def test_failure_file_of_an_orphan_is_not_read_as_that_of_the_next_worker(faulty_method, lithium, tmp_path):
    """The orphan stopped at the deadline; the next worker was killed and wrote no file."""
    method = faulty_method("kill@1")
    task = gpaw_method.label_input(lithium, SPEC, method._settings, Deadline(None))
    task.write(tmp_path)
    write_json(tmp_path / FAILURE, {"reason": "walltime", "explanation": "of the orphan"})
    command = [*shlex.split(method._settings.gpaw_command), str(tmp_path)]
    status = subprocess.run(command, capture_output=True, check=False).returncode
    assert read_outcome(tmp_path, task, status, n_kernel_kills=0).reason == "killed"


def test_srun_rank_of_this_process_is_not_passed_to_gpaw(lithium, tmp_path, monkeypatch):
    """With rank 3, the GPAW worker would not lock the folder."""
    monkeypatch.setenv("SLURM_PROCID", "3")
    GPAWMethod(SPEC, Settings()).label(lithium, tmp_path)
    assert (tmp_path / WORKER_LOCK).read_text()


def _processes_of(folder: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if os.fsencode(folder) in arguments:
            found.append(int(entry.name))
    return found


def test_almost_symmetric_positions_are_labelled_without_the_point_group(tmp_path):
    """Relaxed black phosphorus, for which GPAW's search for the point group fails.

    The symmetric mesh alone gives forces with the symmetry of the crystal; on the 2 x 2 x 1 points of the requested
    density, they were off by 0.8 eV/Å.
    """
    lattice = [[-3.3136, 0.0, 0.0], [0.0, 0.0, -4.3763], [1.6568, -5.239, 0.0]]
    places = [
        [0.90147264, 0.93060854, 0.80294522],
        [0.09852742, 0.06939143, 0.19705477],
        [0.40147261, 0.56939147, 0.80294524],
        [0.59852733, 0.43060856, 0.19705478],
    ]
    atoms = Atoms("P4", scaled_positions=places, cell=lattice, pbc=True)
    spec = SPEC.model_copy(update={"k_density_per_inverse_angstrom": 0.8})
    raw = GPAWMethod(spec, Settings(root=tmp_path)).label(atoms, tmp_path / "label")
    assert [each.errors for each in raw.corrections] == [["symmetry_analysis_failed"]]
    assert not any(each.changes_theory for each in raw.corrections)
    assert raw.is_scf_converged
    asymmetry, n_operations = largest_asymmetry(atoms, raw.forces_eV_per_angstrom)
    assert n_operations == 8
    assert asymmetry < SYMMETRY_FORCE_EV_PER_ANGSTROM


def test_slab_in_a_skewed_cell_has_the_energy_of_one_without_symmetry(tmp_path):
    """GPAW's symmetrised density was not finite for this slab of lithium."""
    cell = [[3.03914295, 0.0, 0.0], [-4.0521906, 2.86533145, 0.0], [0.0, 0.0, 12.40724914]]
    slab = Atoms("Li2", scaled_positions=[[0.0, 0.0, 0.4], [0.0, 0.5, 0.6]], cell=cell, pbc=True)
    rattled = slab.copy()
    rattled.rattle(0.002, seed=1)
    spec = SPEC.model_copy(update={"k_density_per_inverse_angstrom": 1.0})
    one, other = (
        GPAWMethod(spec, Settings()).label(atoms, tmp_path / name)
        for name, atoms in (("slab", slab), ("rattled", rattled))
    )
    assert one.is_scf_converged
    assert one.energy_eV == pytest.approx(other.energy_eV, abs=1e-3)
    assert not any(each.changes_theory for each in one.corrections)
