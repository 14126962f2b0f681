"""How a launch of GPAW ended, and what the next one is told."""

import json
from dataclasses import replace

import pytest
from ase import Atoms

from interphase_flows.reference.gpaw.attempts import RECORDED, Launches, read_outcome
from interphase_flows.reference.gpaw.files import DENSITY, FAILURE, LAUNCHES, OUTPUT, RESULT
from interphase_flows.reference.gpaw.input import LabelInput, gpaw_parameters
from interphase_flows.reference.gpaw.worker import EXIT_STATUS_DISK_FULL
from interphase_flows.reference.label_files import write_json
from interphase_flows.reference.retry_policy import GPAW_POLICY
from interphase_flows.reference.spec import GpawSpec

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
    whole = {
        "key": task.key,
        "is_scf_converged": True,
        "free_energy_eV": -1.0,
        "extrapolated_energy_eV": -0.9,
        "forces_eV_per_angstrom": [[0.0, 0.0, 0.0]],
        "stress_eV_per_angstrom3": [0.0] * 6,
        **dict.fromkeys(RECORDED, 1),
    }
    return whole | changes


def test_a_whole_result_is_a_label(tmp_path):
    """Whatever the exit status: MPI launchers invent theirs."""
    write_json(tmp_path / RESULT, result_of(task_of()))
    outcome = read_outcome(tmp_path, task_of(), exit_status=1)
    assert outcome.reason is None
    assert outcome.result["free_energy_eV"] == -1.0


@pytest.mark.parametrize(
    "change",
    [
        {"forces_eV_per_angstrom": [[0.0, 0.0, 0.0]] * 2},
        {"forces_eV_per_angstrom": "nonsense"},
        {"stress_eV_per_angstrom3": [0.0] * 3},
        {"free_energy_eV": None},
        {"key": "of another structure"},
    ],
)
def test_a_result_that_is_not_this_labels_is_garbage(tmp_path, change):
    """Wrong shapes, wrong types, somebody else's."""
    write_json(tmp_path / RESULT, result_of(task_of(), **change))
    outcome = read_outcome(tmp_path, task_of(), exit_status=0)
    assert (outcome.reason, outcome.result) == ("garbage_output", None)


def test_a_result_reached_by_another_way_is_this_labels(tmp_path):
    """What was changed for a retry changes no number: after a kill the result is still known for the label's."""
    task = task_of()
    retried = replace(task, parameters={**task.parameters, "maxiter": 9, "symmetry": {"point_group": False}})
    write_json(tmp_path / RESULT, result_of(retried))
    assert read_outcome(tmp_path, task, exit_status=None).result is not None


def test_a_result_cut_short_is_garbage(tmp_path):
    """It is not parsed by force."""
    (tmp_path / RESULT).write_text(json.dumps(result_of(task_of()))[:40])
    assert read_outcome(tmp_path, task_of(), exit_status=0).reason == "garbage_output"


def test_an_scf_that_ran_out_of_steps_says_how_far_it_was(tmp_path):
    """The last change of the energy, and the number of steps."""
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
def test_a_process_that_left_no_file_is_told_apart_by_how_it_died(
    tmp_path, exit_status, memory_limit_gb, n_kernel_kills, reason
):
    """A kill by somebody is no lack of memory, and the kernel's kill is."""
    outcome = read_outcome(tmp_path, task_of(memory_limit_gb), exit_status, n_kernel_kills)
    assert outcome.reason == reason
    assert outcome.explanation


def test_what_a_crashed_process_said_is_part_of_the_explanation(tmp_path):
    """Its last words."""
    (tmp_path / OUTPUT).write_text("ModuleNotFoundError: No module named 'gpaw'")
    assert "No module named 'gpaw'" in read_outcome(tmp_path, task_of(), exit_status=1).explanation


def test_more_steps_then_other_mixing_then_no_more(tmp_path):
    """The functional, the cut-off, the smearing and the k-points stay."""
    launches, parameters = Launches(task_of().key), gpaw_parameters(SPEC, ATOM)
    told = []
    while action := launches.answer("RetryHandler", GPAW_POLICY, "scf_not_converged"):
        told.append((launches.next_parameters(parameters), action.start))
    assert [(p["maxiter"], p["mixer"]["name"], start) for p, start in told] == [
        (80, "msr1", "density"),
        (80, "pulay", "scratch"),
    ]
    for changed, _ in told:
        assert {k: v for k, v in changed.items() if k not in ("maxiter", "mixer")} == {
            k: v for k, v in parameters.items() if k not in ("maxiter", "mixer")
        }


def test_retries_go_on_where_they_were_when_a_label_was_put_down(tmp_path):
    """The folder remembers them, as a record can show."""
    launches = Launches(task_of().key)
    launches.answer("RetryHandler", GPAW_POLICY, "killed")
    launches.write(tmp_path)
    again = Launches.of_folder(tmp_path, task_of().key)
    assert again == launches
    assert again.records()[0].errors == ["killed"]


@pytest.mark.parametrize("damage", ["another key", "cut short"])
def test_nothing_of_another_label_is_used(tmp_path, damage):
    """Its density least of all."""
    Launches(task_of(position=0.1).key, n_launches=3).write(tmp_path)
    if damage == "cut short":
        (tmp_path / LAUNCHES).write_text('{"key": ')
    (tmp_path / DENSITY).write_bytes(b"density of another cell")
    (tmp_path / RESULT).write_text("{}")
    launches = Launches.of_folder(tmp_path, task_of().key)
    assert launches == Launches(task_of().key)
    assert not (tmp_path / DENSITY).exists()
    assert not (tmp_path / RESULT).exists()


def test_the_way_to_the_ground_state_is_no_part_of_what_is_computed():
    """A density survives a change of mixer, and not one of the cut-off."""
    task = task_of()
    mixed = LabelInput(**{**vars(task), "parameters": {**task.parameters, "mixer": {"name": "pulay"}}})
    other = LabelInput(**{**vars(task), "parameters": {**task.parameters, "xc": "PBEsol"}})
    assert mixed.key == task.key != other.key
