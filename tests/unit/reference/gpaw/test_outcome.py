"""Outcome of a GPAW worker, from its files or its exit status, and the parameters of a retry."""

import json
from dataclasses import replace

import pytest
from ase import Atoms

from interphase_flows.reference.attempts import GPAW_POLICY, Attempts
from interphase_flows.reference.gpaw.input import FAILURE, OUTPUT, RESULT, LabelInput, WorkerResult, gpaw_parameters
from interphase_flows.reference.gpaw.method import retried_task
from interphase_flows.reference.gpaw.outcome import EXIT_STATUS_DISK_FULL, read_outcome
from interphase_flows.reference.label_folder import write_json
from interphase_flows.reference.spec import GpawSpec
from interphase_flows.runtime.checked_json import write_checked

pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
SPEC = GpawSpec(max_scf_steps=40)
ATOM = Atoms("Li", cell=[3, 3, 3], pbc=True)


def task_of(memory_limit_gb=None, position=0.0):
    return LabelInput(
        numbers=[3],
        positions_angstrom=[[position, 0.0, 0.0]],
        cell_angstrom=[[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0]],
        spin_polarized=False,
        parameters=gpaw_parameters(SPEC, ATOM),
        density_interval_s=60.0,
        deadline_unix_s=None,
        memory_limit_gb=memory_limit_gb,
        owner_pid=1,
        owner_host="here",
    )


def result_of(task, **changes):
    complete = {
        "key": task.key,
        "is_scf_converged": True,
        "free_energy_eV": -1.0,
        "extrapolated_energy_eV": -0.9,
        "forces_eV_per_angstrom": [[0.0, 0.0, 0.0]],
        "stress_eV_per_angstrom3": [0.0] * 6,
        "n_scf_steps": 9,
        "n_k_points": 4,
        "n_electrons": 1.0,
        "n_bands": 5,
        "peak_memory_gb": 0.2,
        "started_from_density": False,
    }
    return complete | changes


def write_result(folder, result):
    """Write a result as the worker does, also one that is none."""
    write_checked(folder / RESULT, WorkerResult.model_construct(**result))


def test_complete_result_is_accepted_with_any_exit_status(tmp_path):
    """MPI launchers report separate exit statuses."""
    write_result(tmp_path, result_of(task_of()))
    outcome = read_outcome(tmp_path, task_of(), exit_status=1)
    assert outcome.reason is None
    assert outcome.result.free_energy_eV == -1.0


@pytest.mark.parametrize(
    "change",
    [
        {"forces_eV_per_angstrom": [[0.0, 0.0, 0.0]] * 2},
        {"forces_eV_per_angstrom": [[0.0, 0.0]]},
        {"forces_eV_per_angstrom": "nonsense"},
        {"stress_eV_per_angstrom3": [0.0] * 3},
        {"free_energy_eV": None},
        {"key": "of another structure"},
    ],
)
def test_result_with_wrong_shape_type_or_key_is_garbage(tmp_path, change):
    write_result(tmp_path, result_of(task_of(), **change))
    outcome = read_outcome(tmp_path, task_of(), exit_status=0)
    assert (outcome.reason, outcome.result) == ("garbage_output", None)


def test_result_of_a_retry_belongs_to_the_label(tmp_path):
    """A retry changes the path to the ground state, which is not part of the key."""
    task = task_of()
    retried = replace(task, parameters={**task.parameters, "maxiter": 9, "symmetry": {"point_group": False}})
    write_result(tmp_path, result_of(retried))
    assert read_outcome(tmp_path, task, exit_status=None).result is not None


def test_truncated_result_is_garbage(tmp_path):
    write_result(tmp_path, result_of(task_of()))
    (tmp_path / RESULT).write_text((tmp_path / RESULT).read_text()[:-20])
    assert read_outcome(tmp_path, task_of(), exit_status=0).reason == "garbage_output"


@pytest.mark.parametrize("digit", ["-1.0", "-0.9", "   0.0", "0.2", '"n_scf_steps": 9'], ids=range(5))
def test_result_with_a_changed_digit_is_garbage(digit, tmp_path):
    """Between the end of GPAW and the record in the ledger, when a resume reads the file."""
    write_result(tmp_path, result_of(task_of()))
    text = (tmp_path / RESULT).read_text()
    changed = digit[:-1] + ("1" if digit[-1] != "1" else "2")
    assert digit in text
    (tmp_path / RESULT).write_text(text.replace(digit, changed, 1))
    assert json.loads((tmp_path / RESULT).read_text())
    assert read_outcome(tmp_path, task_of(), exit_status=None).reason == "garbage_output"


def test_unconverged_scf_reports_number_of_steps_and_last_energy_change(tmp_path):
    failure = {"reason": "scf_not_converged", "explanation": "", "last_free_energies_eV": [-3.0, -3.2, -3.25]}
    write_json(tmp_path / FAILURE, failure)
    outcome = read_outcome(tmp_path, task_of(), exit_status=1)
    assert outcome.reason == "scf_not_converged"
    assert "40 steps" in outcome.explanation
    assert "5.00e-02 eV" in outcome.explanation


@pytest.mark.parametrize(
    ("exit_status", "memory_limit_gb", "n_kernel_kills", "reason"),
    [
        (-9, None, 0, "killed"),
        (-9, None, None, "killed"),
        (-9, None, 1, "out_of_memory"),
        (137, None, 0, "killed"),
        (-15, 4.0, 0, "killed"),
        (-9, 4.0, 0, "killed"),
        (-11, 4.0, 0, "out_of_memory"),
        (139, 4.0, 0, "out_of_memory"),
        (134, 4.0, 0, "out_of_memory"),
        (139, None, 0, "reference_method_failed"),
        (-11, None, 0, "reference_method_failed"),
        (EXIT_STATUS_DISK_FULL, None, 0, "disk_full"),
        (1, None, 0, "reference_method_failed"),
        (0, None, 0, "garbage_output"),
    ],
)
def test_reason_without_files_follows_from_the_exit_status(
    tmp_path, exit_status, memory_limit_gb, n_kernel_kills, reason
):
    """A kill by a user is not a lack of memory; a kill by the kernel's OOM killer is."""
    outcome = read_outcome(tmp_path, task_of(memory_limit_gb), exit_status, n_kernel_kills)
    assert outcome.reason == reason
    assert outcome.explanation


def test_output_of_a_crashed_process_is_in_the_explanation(tmp_path):
    (tmp_path / OUTPUT).write_text("ModuleNotFoundError: No module named 'gpaw'")
    assert "No module named 'gpaw'" in read_outcome(tmp_path, task_of(), exit_status=1).explanation


def test_unconverged_scf_is_retried_with_more_steps_then_with_other_mixing():
    """Functional, cutoff, smearing and k-points do not change."""
    attempts, task, tried = Attempts(key=task_of().key), task_of(), []
    while action := attempts.retry(GPAW_POLICY, "scf_not_converged"):
        tried.append((retried_task(task, attempts), action.start))
    assert [(t.parameters["maxiter"], t.parameters["mixer"]["name"], start) for t, start in tried] == [
        (80, "msr1", "density"),
        (80, "pulay", "scratch"),
    ]
    for retried, _ in tried:
        assert retried.key == task.key


def test_key_is_independent_of_the_mixer_and_depends_on_the_functional():
    task = task_of()
    mixed = replace(task, parameters={**task.parameters, "mixer": {"name": "pulay"}})
    other = replace(task, parameters={**task.parameters, "xc": "PBEsol"})
    assert mixed.key == task.key != other.key
