"""GPAW killed, starved, cut short, timed out or talking rubbish: a corrected label or a recorded reason, always.

Real processes: GPAW is killed by signal 9, limited in memory, given a full disk. What stands in for GPAW where its
output has to be rubbish is a script that says so in its name. Instants are named by what was written, not by a clock.
"""

import io
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from interphase_flows.datasets.gates import Gates
from interphase_flows.exceptions import WalltimeReachedError
from interphase_flows.jobs.label_structure import keep_files, label_key, label_structure
from interphase_flows.jobs.labels import LabelMaker, LabelSetMaker
from interphase_flows.jobs.structure_sets import store_set
from interphase_flows.reference.gpaw import calculator as gpaw_subprocess
from interphase_flows.reference.gpaw import job as gpaw_job
from interphase_flows.reference.gpaw.method import GPAWMethod
from interphase_flows.runtime import walltime as deadline
from interphase_flows.runtime.walltime import Deadline, process_start_unix_s
from interphase_flows.schemas.label import LabelDoc
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, use_workspace
from label_one import ATOMS, CAMPAIGN, ENTRY, SPEC, folder_in, label_in
from process_watch import Killer, after_scf_step, at_start, density_kept, gpaw_process, wait_until
from real_gpaw import lithium, lithium_sulfide, needs_gpaw
from tiny_campaign import environment, interphase

pytestmark = [pytest.mark.slow, needs_gpaw]

ENERGY_TOLERANCE_EV = 1e-3
"""On eight atoms: two ways to one ground state end within the SCF's tolerance of each other."""
FORCE_TOLERANCE_EV_PER_ANGSTROM = 5e-3
SEED = int(os.environ.get("INTERPHASE_KILL_SEED", "20250117"))
N_STEPS_LEFT = 2
"""The last SCF steps are no instant to kill at: the label might be there before the signal is."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> LabelDoc:
    return label_in(tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture
def density_of_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the density after every SCF step instead of once a minute: these labels take seconds."""
    monkeypatch.setattr(gpaw_subprocess, "DENSITY_INTERVAL_S", 0.0)


def assert_same_numbers(label: LabelDoc, undisturbed: LabelDoc) -> None:
    assert label.status == "accepted", (label.reason, label.explanation)
    assert label.is_scf_converged
    assert label.energy_eV == pytest.approx(undisturbed.energy_eV, abs=ENERGY_TOLERANCE_EV)
    np.testing.assert_allclose(
        label.forces_eV_per_angstrom,
        undisturbed.forces_eV_per_angstrom,
        atol=FORCE_TOLERANCE_EV_PER_ANGSTROM,
    )


def actions(label: LabelDoc) -> list[str]:
    assert not any(correction.changes_theory for correction in label.corrections)
    return [action for correction in label.corrections for action in correction.actions]


def kept_files(root: Path, label: LabelDoc) -> dict[str, str]:
    """Return inputs and logs of a label by name, from where its document says they are."""
    assert label.files is not None
    with Workspace(Settings(root=root), CAMPAIGN, read_only=True) as workspace:
        packed = workspace.artifacts.get(label.files).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        return {
            member.name: archive.extractfile(member).read().decode(errors="replace")
            for member in archive.getmembers()
        }


def test_killed_at_random_instants_the_label_is_the_same(tmp_path, undisturbed, density_of_every_step):
    """Twice; the last launch goes on from the density, and both retries are on record."""
    n_steps = undisturbed.details["n_scf_steps"]
    draw = random.Random(SEED)
    instant = after_scf_step(draw.randint(2, n_steps - N_STEPS_LEFT))
    # from the second step on there is a density; the launch that goes on from it is killed as soon as it does
    with Killer(folder_in(tmp_path), instant, after_scf_step(1)) as killer:
        label = label_in(tmp_path)
    assert len(killer.killed) == 2
    assert_same_numbers(label, undisturbed)
    assert len(actions(label)) == 2
    assert {error for correction in label.corrections for error in correction.errors} == {"killed"}
    assert label.details["launches"] == 3
    assert label.details["started_from_density"] is True
    assert not folder_in(tmp_path).exists()


def test_killed_again_and_again_it_is_given_up_with_its_reason(tmp_path):
    """After the policy's two retries; the input is kept, and the answer to the next question is at hand."""
    with Killer(folder_in(tmp_path), at_start, at_start, at_start) as killer:
        label = label_in(tmp_path)
    assert len(killer.killed) == 3
    assert (label.status, label.reason) == ("rejected", "killed")
    assert len(actions(label)) == 2
    assert "input.json" in kept_files(tmp_path, label)
    assert label_in(tmp_path) == label


def test_after_its_parent_was_killed_the_label_goes_on_from_its_density(tmp_path, undisturbed):
    """GPAW does not outlive who asked for the label: it keeps its density and ends; the next launch uses it."""
    folder, script = folder_in(tmp_path), Path(__file__).parents[1] / "label_one.py"
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
    assert label.details["launches"] == 2


def test_when_time_is_up_the_density_is_kept_and_the_next_launch_finishes(tmp_path, undisturbed):
    """No label is recorded meanwhile, and none is rejected: time is no fault of the structure."""
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
def test_out_of_memory_is_a_reason_and_names_the_setting(tmp_path, memory_limit_gb):
    """Too little to begin with, and too little for the wave functions; nothing hangs, nothing is tried again."""
    demanding = SPEC.model_copy(update={"cutoff_eV": 6000.0, "k_density_per_inverse_angstrom": 3.0})
    label = label_in(tmp_path, demanding, memory_limit_gb=memory_limit_gb)
    assert (label.status, label.reason) == ("rejected", "out_of_memory")
    assert f"memory_limit_gb = {memory_limit_gb:g}" in label.explanation
    assert actions(label) == []


def test_an_scf_cut_short_is_given_more_steps(tmp_path, undisturbed):
    """Twice as many, from the density it had: converged, and the correction is on record."""
    n_steps = undisturbed.details["n_scf_steps"]
    label = label_in(tmp_path, SPEC.model_copy(update={"max_scf_steps": n_steps - N_STEPS_LEFT}))
    assert_same_numbers(label, undisturbed)
    (correction,) = label.corrections
    assert correction.errors == ["scf_not_converged"]
    assert "twice as many" in correction.actions[0]
    assert label.details["started_from_density"] is True


def test_an_scf_that_never_converges_is_rejected_with_its_log(tmp_path):
    """One step and its double do not converge; other mixing was tried too; GPAW's own words are kept."""
    label = label_in(tmp_path, SPEC.model_copy(update={"max_scf_steps": 1}))
    assert (label.status, label.reason) == ("rejected", "scf_not_converged")
    assert label.energy_eV is None
    assert "SCF not converged in 2 steps" in label.explanation
    assert len(actions(label)) == 2
    files = kept_files(tmp_path, label)
    assert sum("iter:" in text for text in files.values()) == 3


STAND_IN = """#!{python}
# A stand-in for GPAW that talks rubbish; of tests only.
import json, sys
from pathlib import Path
folder = Path(sys.argv[-1])
task = json.loads((folder / "input.json").read_text())
n = len(task["numbers"])
good = {{"key": task["key"], "is_scf_converged": True, "free_energy_eV": -1.0, "extrapolated_energy_eV": -1.0,
        "forces_eV_per_angstrom": [[0.0] * 3] * n, "stress_eV_per_angstrom3": [0.0] * 6, "n_scf_steps": 1,
        "n_k_points": 1, "n_electrons": 8.0, "n_bands": 4, "peak_memory_gb": 0.1, "started_from_density": False}}
write = (folder / "result.json").write_text
{says}
"""

RUBBISH = {
    "nothing at all": "",
    "binary noise": "(folder / 'result.json').write_bytes(bytes(range(256)))",
    "half a file": "write(json.dumps(good)[:100])",
    "no forces": "del good['forces_eV_per_angstrom']; write(json.dumps(good))",
    "forces of too few atoms": "good['forces_eV_per_angstrom'] = [[0.0] * 3]; write(json.dumps(good))",
    "the result of another input": "good['key'] = 'another'; write(json.dumps(good))",
    "a list": "write('[1, 2, 3]')",
    "no count of steps": "del good['n_scf_steps']; write(json.dumps(good))",
    "a broken failure": "(folder / 'failure.json').write_text('{')",
}


def stand_in(folder: Path, says: str) -> str:
    path = folder / "rubbish_instead_of_gpaw"
    path.write_text(STAND_IN.format(python=sys.executable, says=says))
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("says", RUBBISH.values(), ids=RUBBISH.keys())
def test_rubbish_is_known_for_what_it_is(tmp_path, says):
    """Started over once, then given up."""
    label = label_in(tmp_path, gpaw_command=stand_in(tmp_path, says))
    assert (label.status, label.reason) == ("rejected", "garbage_output")
    assert actions(label) == ["start over"]
    assert "input.json" in kept_files(tmp_path, label)


def test_forces_that_are_no_numbers_stop_at_the_gate(tmp_path):
    """JSON has a way to write them."""
    says = "good['forces_eV_per_angstrom'] = [[float('nan')] * 3] * n; write(json.dumps(good))"
    label = label_in(tmp_path, gpaw_command=stand_in(tmp_path, says))
    assert label.status == "rejected"
    assert label.reason in ("not_finite", "garbage_output")
    assert label.forces_eV_per_angstrom is None


def test_a_crash_is_told_in_its_own_words(tmp_path):
    """The last lines it said are in the explanation."""
    says = "sys.exit('Illegal instruction: the sun was too bright')"
    label = label_in(tmp_path, gpaw_command=stand_in(tmp_path, says))
    assert (label.status, label.reason) == ("rejected", "reference_method_failed")
    assert "the sun was too bright" in label.explanation


def test_rubbish_once_is_corrected(tmp_path, undisturbed):
    """The first launch talks rubbish, the second is GPAW."""
    says = (
        "mark = Path(__file__ + '.was_here')\n"
        "if mark.exists():\n"
        "    import os\n"
        "    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])\n"
        "mark.touch()\n"
        "write('rubbish')"
    )
    label = label_in(tmp_path, gpaw_command=stand_in(tmp_path, says))
    assert_same_numbers(label, undisturbed)
    assert actions(label) == ["start over"]


DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"


def test_a_launch_that_outlasts_its_time_is_put_down_and_not_tried_again(tmp_path, monkeypatch):
    """It is killed from outside; no launch begins after the deadline, and no try of the label's is used up."""
    monkeypatch.setattr(gpaw_subprocess, "deadline", lambda settings: Deadline(time.time() + 2.0, "a test"))
    monkeypatch.setattr(gpaw_job, "OVERDUE_S", 0.0)
    monkeypatch.setattr(gpaw_job, "SECONDS_TO_END", 0.2)
    with pytest.raises(WalltimeReachedError, match="a test"):
        label_in(tmp_path, gpaw_command=stand_in(tmp_path, DEAF))
    launches = json.loads((folder_in(tmp_path) / "launches.json").read_text())
    assert (launches["n_launches"], launches["n_failures"], launches["corrections"]) == (1, {}, [])


PUTS_ITS_WORK_DOWN = """
import signal, time
def put_down(*_):
    (folder / "failure.json").write_text(json.dumps({"reason": "interrupted", "explanation": "asked to end"}))
    sys.exit(1)
signal.signal(signal.SIGTERM, put_down)
(folder / "ready").touch()
time.sleep(60)
"""


def test_a_process_with_a_stop_request_stops_gpaw(tmp_path, monkeypatch):
    """By Slurm's signal, where nothing else tells the walltime: the label is put down, as at a deadline."""
    monkeypatch.setattr(deadline, "_stop_requests", [])
    ready = folder_in(tmp_path) / "ready"

    def tell() -> None:
        wait_until(ready.exists)
        deadline.request_stop("a signal of a test")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    with pytest.raises(WalltimeReachedError, match="a signal of a test"):
        label_in(tmp_path, gpaw_command=stand_in(tmp_path, PUTS_ITS_WORK_DOWN))
    teller.join()
    launches = json.loads((folder_in(tmp_path) / "launches.json").read_text())
    assert (launches["n_launches"], launches["corrections"]) == (1, [])


@pytest.fixture(params=["4k", "16k", "28k"])
def full_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of its own: too small for the input, for the log, for the result."""
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


def test_a_full_disk_is_a_reason(tmp_path, full_disk):
    """Wherever it fills up: the label says so, and what it could write is kept."""
    settings = Settings(root=tmp_path / "runs", n_threads=1)
    with Workspace(settings, CAMPAIGN) as workspace, use_workspace(workspace):
        label = label_structure(GPAWMethod(SPEC, settings), Gates(), ATOMS, ENTRY, full_disk, keep_files)
    assert (label.status, label.reason) == ("rejected", "disk_full"), label.explanation
    assert str(full_disk) in label.explanation
    assert "space" in label.explanation


def test_a_flow_with_all_of_these_completes(tmp_path):
    """Two good crystals, two atoms in one place, an element without a setup, and one that is always killed."""
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
    for entry, label in zip(
        structures.entries, sorted(labels.values(), key=lambda each: each.origin), strict=True
    ):
        assert label.key == label_key(entry.key, method_key, Gates())
        assert (label.energy_eV is None) == (label.status == "rejected")
    answer = interphase(
        "query", "labels", "--rejected", "--root", str(tmp_path), "--format", "json", cwd=tmp_path
    )
    assert {row["reason"] for row in json.loads(answer.stdout)} == {
        "overlapping_atoms",
        "unsupported",
        "killed",
    }


def labelled_by_flow(workspace: Workspace, structures) -> list[LabelDoc]:
    """Run the maker of labels as a campaign does, in jobflow, and return every label it recorded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jobflow's and its dependencies' own
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
