"""Faults of GPAW labels: kills, memory limit, walltime, full disk; each ends in a label or a reason.

GPAW runs in real processes: it is killed with SIGKILL, limited in memory, given a full disk. Faults are injected when a
given output has been written, not at a given time.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from gpaw_stand_in import actions, kept_files, stand_in
from interphase_flows.datasets.gates import Gates
from interphase_flows.exceptions import WalltimeReachedError
from interphase_flows.jobs.label_structure import keep_files, label_key, label_structure
from interphase_flows.jobs.labels import LabelMaker, LabelSetMaker
from interphase_flows.jobs.structures.structure_sets import store_set
from interphase_flows.reference.gpaw import method as gpaw_method
from interphase_flows.reference.gpaw.method import GPAWMethod
from interphase_flows.runtime.walltime import process_start_unix_s
from interphase_flows.schemas.label import LabelDoc
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, use_workspace
from killed_gpaw_process import Killer, after_scf_step, at_start, density_kept, gpaw_process, wait_until
from label_one_crystal import ATOMS, CAMPAIGN, ENTRY, SPEC, folder_in, label_in
from real_gpaw import lithium, lithium_sulfide, needs_gpaw
from tiny_campaign import environment, interphase

pytestmark = [pytest.mark.slow, needs_gpaw]

ENERGY_TOLERANCE_EV = 1e-3
"""For eight atoms: two paths to one ground state differ by the SCF tolerance."""
FORCE_TOLERANCE_EV_PER_ANGSTROM = 5e-3
SEED = int(os.environ.get("INTERPHASE_KILL_SEED", "20250117"))
N_STEPS_LEFT = 2
"""No kill during the last SCF steps: the label might be complete before the signal arrives."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> LabelDoc:
    return label_in(tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture
def density_of_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the density after every SCF step instead of once a minute: these labels take seconds."""
    monkeypatch.setattr(gpaw_method, "DENSITY_INTERVAL_S", 0.0)


def assert_same_numbers(label: LabelDoc, undisturbed: LabelDoc) -> None:
    assert label.status == "accepted", (label.reason, label.explanation)
    assert label.is_scf_converged
    assert label.energy_eV == pytest.approx(undisturbed.energy_eV, abs=ENERGY_TOLERANCE_EV)
    np.testing.assert_allclose(
        label.forces_eV_per_angstrom,
        undisturbed.forces_eV_per_angstrom,
        atol=FORCE_TOLERANCE_EV_PER_ANGSTROM,
    )


def test_label_killed_twice_at_random_is_the_same(tmp_path, undisturbed, density_of_every_step):
    """The last attempt restarts from the density, and both retries are recorded."""
    n_steps = undisturbed.details["n_scf_steps"]
    draw = random.Random(SEED)
    instant = after_scf_step(draw.randint(2, n_steps - N_STEPS_LEFT))
    # a density is kept from the second step on; the attempt that restarts from it is killed after its first step
    with Killer(folder_in(tmp_path), instant, after_scf_step(1)) as killer:
        label = label_in(tmp_path)
    assert len(killer.killed) == 2
    assert_same_numbers(label, undisturbed)
    assert len(actions(label)) == 2
    assert {error for correction in label.corrections for error in correction.errors} == {"killed"}
    assert label.details["n_attempts"] == 3
    assert label.details["started_from_density"] is True
    assert not folder_in(tmp_path).exists()


def test_label_killed_in_every_attempt_is_rejected_and_not_computed_again(tmp_path):
    """The policy has two retries; the input is kept."""
    with Killer(folder_in(tmp_path), at_start, at_start, at_start) as killer:
        label = label_in(tmp_path)
    assert len(killer.killed) == 3
    assert (label.status, label.reason) == ("rejected", "killed")
    assert len(actions(label)) == 2
    assert "input.json" in kept_files(tmp_path, label)
    assert label_in(tmp_path) == label


def test_restart_after_kill_of_the_parent_uses_the_density(tmp_path, undisturbed):
    """GPAW keeps its density and ends when its parent process is killed."""
    folder, script = folder_in(tmp_path), Path(__file__).parents[1] / "label_one_crystal.py"
    parent = subprocess.Popen([sys.executable, str(script), str(tmp_path)], env=environment())
    started = after_scf_step(2)
    wait_until(lambda: started(folder), alive=lambda: parent.poll() is None)
    orphan = gpaw_process(folder)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert orphan is not None
    wait_until(lambda: gpaw_process(folder) != orphan)
    assert density_kept(folder)
    label = label_in(tmp_path)
    assert_same_numbers(label, undisturbed)
    assert label.details["started_from_density"] is True
    assert label.details["n_attempts"] == 2


def test_walltime_keeps_the_density_and_records_no_label(tmp_path, undisturbed):
    a_second_from_now = time.time() - process_start_unix_s() + 1.0
    with pytest.raises(WalltimeReachedError, match="is kept"):
        label_in(tmp_path, walltime_s=a_second_from_now)
    assert density_kept(folder_in(tmp_path))
    with Workspace(Settings(root=tmp_path), CAMPAIGN, read_only=True) as workspace:
        assert workspace.ledger.find("labels") == []
    label = label_in(tmp_path)
    assert_same_numbers(label, undisturbed)
    assert label.details["started_from_density"] is True
    assert actions(label) == []


@pytest.mark.parametrize("memory_limit_gb", [0.3, 1.0])
def test_out_of_memory_is_rejected_without_retry_and_names_the_setting(tmp_path, memory_limit_gb):
    """Too little memory to start, and too little for the wave functions; neither hangs."""
    demanding = SPEC.model_copy(update={"cutoff_eV": 6000.0, "k_density_per_inverse_angstrom": 3.0})
    label = label_in(tmp_path, demanding, memory_limit_gb=memory_limit_gb)
    assert (label.status, label.reason) == ("rejected", "out_of_memory")
    assert f"memory_limit_gb = {memory_limit_gb:g}" in label.explanation
    assert actions(label) == []


def test_unconverged_scf_continues_with_more_steps(tmp_path, undisturbed):
    n_steps = undisturbed.details["n_scf_steps"]
    label = label_in(tmp_path, SPEC.model_copy(update={"max_scf_steps": n_steps - N_STEPS_LEFT}))
    assert_same_numbers(label, undisturbed)
    (correction,) = label.corrections
    assert correction.errors == ["scf_not_converged"]
    assert "twice as many" in correction.actions[0]
    assert label.details["started_from_density"] is True


def test_scf_that_never_converges_is_rejected_with_the_logs_of_all_attempts(tmp_path):
    """With one step, with two, and with other mixing."""
    label = label_in(tmp_path, SPEC.model_copy(update={"max_scf_steps": 1}))
    assert (label.status, label.reason) == ("rejected", "scf_not_converged")
    assert label.energy_eV is None
    assert "SCF not converged in 2 steps" in label.explanation
    assert len(actions(label)) == 2
    files = kept_files(tmp_path, label)
    assert sum("iter:" in text for text in files.values()) == 3


def test_malformed_output_in_the_first_attempt_is_corrected(tmp_path, undisturbed):
    """The second attempt runs GPAW."""
    action = (
        "mark = Path(__file__ + '.started')\n"
        "if mark.exists():\n"
        "    import os\n"
        "    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])\n"
        "mark.touch()\n"
        "write('malformed')"
    )
    label = label_in(tmp_path, gpaw_command=stand_in(tmp_path, action))
    assert_same_numbers(label, undisturbed)
    assert actions(label) == ["start over"]


@pytest.fixture(params=["4k", "16k", "24k"])
def full_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Mount a file system too small for the input, for the log, for the result."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a file system cannot be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_full_disk_is_rejected_with_its_reason(tmp_path, full_disk):
    settings = Settings(root=tmp_path / "runs", n_threads=1)
    with Workspace(settings, CAMPAIGN) as workspace, use_workspace(workspace):
        label = label_structure(GPAWMethod(SPEC, settings), Gates(), ATOMS, ENTRY, full_disk, keep_files)
    assert (label.status, label.reason) == ("rejected", "disk_full"), label.explanation
    assert str(full_disk) in label.explanation
    assert "space" in label.explanation


def test_flow_with_rejected_labels_completes(tmp_path):
    """Two valid crystals, overlapping atoms, an element without a setup, and a label killed in every attempt."""
    overlapping = lithium_sulfide()
    overlapping.positions[1] = overlapping.positions[0] + 0.3
    unknown = Atoms("LiPu", [[0, 0, 0], [2, 2, 2]], cell=[4, 4, 4], pbc=True)
    frames = [lithium(), overlapping, unknown, ATOMS, lithium_sulfide()]
    settings = Settings(root=tmp_path, n_threads=1)
    with (
        Workspace(settings, CAMPAIGN) as workspace,
        use_workspace(workspace),
        Killer(folder_in(tmp_path), at_start, at_start, at_start),
    ):
        structures = store_set("set", "faults", frames, [f"crystal/{i}" for i in range(len(frames))])
        labels = {label.origin: label for label in labelled_by_flow(workspace, structures)}
    assert {origin: label.reason for origin, label in labels.items()} == {
        "crystal/0": None,
        "crystal/1": "overlapping_atoms",
        "crystal/2": "unsupported",
        "crystal/3": "killed",
        "crystal/4": None,
    }
    method_key = GPAWMethod(SPEC, settings).identity.key
    for entry, label in zip(structures.entries, sorted(labels.values(), key=lambda each: each.origin), strict=True):
        assert label.key == label_key(entry.key, method_key, Gates())
        assert (label.energy_eV is None) == (label.status == "rejected")
    query = interphase("query", "labels", "--rejected", "--root", str(tmp_path), "--format", "json", cwd=tmp_path)
    assert {row["reason"] for row in json.loads(query.stdout)} == {
        "overlapping_atoms",
        "unsupported",
        "killed",
    }


def labelled_by_flow(workspace: Workspace, structures) -> list[LabelDoc]:
    """Run LabelMaker through jobflow, as a campaign does, and return all recorded labels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of jobflow and its dependencies
        from jobflow import run_locally

        maker = LabelSetMaker(label_maker=LabelMaker(reference=SPEC), labels_per_job=2)
        store = workspace.job_store()
        store.connect()
        flow = maker.make(structures)
        run_locally(flow, store=store, log=False, root_dir=workspace.root, ensure_success=True)
        store.close()
    return [
        LabelDoc.model_validate({name: found[name] for name in LabelDoc.model_fields if name in found})
        for found in workspace.ledger.find("labels")
    ]
