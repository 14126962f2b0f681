"""GPAW labels when a script in place of GPAW writes malformed output, crashes or receives a signal."""

import json
import threading
import time

import pytest

from gpaw_stand_in import actions, kept_files, stand_in
from interphase_flows.exceptions import WalltimeReachedError
from interphase_flows.reference.attempts import ATTEMPTS
from interphase_flows.reference.gpaw import launch as gpaw_launch
from interphase_flows.reference.gpaw import method as gpaw_method
from interphase_flows.runtime import walltime
from interphase_flows.runtime.walltime import Deadline
from killed_gpaw_process import wait_until
from label_one_crystal import folder_in, label_in
from real_gpaw import needs_gpaw

pytestmark = [pytest.mark.slow, needs_gpaw]

MALFORMED_OUTPUT = {
    "no output": "",
    "binary noise": "(folder / 'result.json').write_bytes(bytes(range(256)))",
    "truncated result": "write(json.dumps(good)[:100])",
    "no forces": "del good['forces_eV_per_angstrom']; write(json.dumps(good))",
    "forces of too few atoms": "good['forces_eV_per_angstrom'] = [[0.0] * 3]; write(json.dumps(good))",
    "the result of another input": "good['key'] = 'another'; write(json.dumps(good))",
    "no checksum": "(folder / 'result.json').write_text(json.dumps(good))",
    "a list": "write('[1, 2, 3]')",
    "no number of steps": "del good['n_scf_steps']; write(json.dumps(good))",
    "truncated failure": "(folder / 'failure.json').write_text('{')",
}


@pytest.mark.parametrize("action", MALFORMED_OUTPUT.values(), ids=MALFORMED_OUTPUT.keys())
def test_malformed_output_is_rejected_after_one_retry(tmp_path, action):
    label = label_in(tmp_path, gpaw_command=stand_in(tmp_path, action))
    assert (label.status, label.reason) == ("rejected", "garbage_output")
    assert actions(label) == ["start over"]
    assert "input.json" in kept_files(tmp_path, label)


def test_forces_of_nan_are_rejected(tmp_path):
    action = "good['forces_eV_per_angstrom'] = [[float('nan')] * 3] * n; write(json.dumps(good))"
    label = label_in(tmp_path, gpaw_command=stand_in(tmp_path, action))
    assert label.status == "rejected"
    assert label.reason in ("not_finite", "garbage_output")
    assert label.forces_eV_per_angstrom is None


def test_explanation_of_a_crash_has_the_last_lines_of_output(tmp_path):
    action = "sys.exit('Illegal instruction')"
    label = label_in(tmp_path, gpaw_command=stand_in(tmp_path, action))
    assert (label.status, label.reason) == ("rejected", "reference_method_failed")
    assert "Illegal instruction" in label.explanation


IGNORES_SIGTERM = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"


def test_worker_that_ignores_the_deadline_is_killed_without_using_up_a_retry(tmp_path, monkeypatch):
    monkeypatch.setattr(gpaw_method, "deadline", lambda settings: Deadline(time.time() + 2.0, "a test"))
    monkeypatch.setattr(gpaw_launch, "OVERDUE_S", 0.0)
    monkeypatch.setattr(gpaw_launch, "TERMINATION_GRACE_S", 0.2)
    with pytest.raises(WalltimeReachedError, match="a test"):
        label_in(tmp_path, gpaw_command=stand_in(tmp_path, IGNORES_SIGTERM))
    attempts = json.loads((folder_in(tmp_path) / ATTEMPTS).read_text())
    assert (attempts["n_attempts"], attempts["retries"]) == (1, [])


STOPS_AT_SIGTERM = """
import signal, time
def stop(*_):
    (folder / "failure.json").write_text(json.dumps({"reason": "interrupted", "explanation": "SIGTERM"}))
    sys.exit(1)
signal.signal(signal.SIGTERM, stop)
(folder / "ready").touch()
time.sleep(60)
"""


def test_stop_signal_to_this_process_stops_gpaw(tmp_path, monkeypatch):
    """Such as Slurm's signal before the walltime."""
    monkeypatch.setattr(walltime, "_stop_requests", [])
    ready = folder_in(tmp_path) / "ready"

    def stop_when_ready() -> None:
        wait_until(ready.exists)
        walltime.request_stop("a signal of a test")

    stopper = threading.Thread(target=stop_when_ready, daemon=True)
    stopper.start()
    with pytest.raises(WalltimeReachedError, match="a signal of a test"):
        label_in(tmp_path, gpaw_command=stand_in(tmp_path, STOPS_AT_SIGTERM))
    stopper.join()
    attempts = json.loads((folder_in(tmp_path) / ATTEMPTS).read_text())
    assert (attempts["n_attempts"], attempts["retries"]) == (1, [])
