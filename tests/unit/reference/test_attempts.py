"""Retry loop of one label, and its record in the label's folder."""

import pytest

from interphase_flows.exceptions import ReferenceMethodError, SettingsError, WalltimeReachedError
from interphase_flows.reference.attempts import (
    ATTEMPTS,
    GPAW_POLICY,
    RESTART,
    START_OVER,
    VASP_POLICY,
    Action,
    Attempts,
    run_attempts,
)
from interphase_flows.runtime.walltime import Deadline

KEY = "key of a label"


class Calculation:
    """Fails with each of the given errors in turn, then returns its result; records what is discarded."""

    def __init__(self, *errors):
        self.errors, self.calls = list(errors), []

    def attempt(self):
        self.calls.append("attempt")
        if self.errors:
            raise self.errors.pop(0)
        return "result"

    def run(self, folder, policy, attempts=None, end=Deadline(None)):
        return run_attempts(
            Attempts(key=KEY) if attempts is None else attempts,
            folder,
            policy,
            end,
            self.attempt,
            discard_output=lambda: self.calls.append("discard output"),
            discard_density=lambda: self.calls.append("discard density"),
        )


def failure(reason):
    return ReferenceMethodError("a failure", reason)


@pytest.mark.parametrize("policy", [GPAW_POLICY, VASP_POLICY])
def test_default_policies_keep_the_level_of_theory(policy):
    assert not any(action.changes_theory for actions in policy.values() for action in actions)


@pytest.mark.parametrize("reason", GPAW_POLICY)
def test_actions_follow_in_the_order_of_the_policy_until_exhausted(reason):
    attempts, actions = Attempts(key=KEY), GPAW_POLICY[reason]
    assert [attempts.retry(GPAW_POLICY, reason) for _ in range(len(actions) + 1)] == [*actions, None]


def test_unknown_reason_is_not_retried():
    assert Attempts(key=KEY).retry(GPAW_POLICY, "unknown") is None


def test_correction_records_reason_action_and_change_of_theory():
    action = Action(name="less smearing", changes_theory=True)
    attempts = Attempts(key=KEY)
    attempts.retry({"scf_not_converged": [action]}, "scf_not_converged")
    (correction,) = attempts.corrections("Method")
    assert correction.model_dump() == {
        "handler": "Method",
        "errors": ["scf_not_converged"],
        "actions": ["less smearing"],
        "changes_theory": True,
    }


def test_label_is_retried_until_it_succeeds(tmp_path):
    calculation, attempts = Calculation(failure("killed"), failure("garbage_output")), Attempts(key=KEY)
    assert calculation.run(tmp_path, GPAW_POLICY, attempts) == "result"
    assert attempts.n_attempts == 3
    assert [retry.action for retry in attempts.retries] == [RESTART, START_OVER]
    assert Attempts.read(tmp_path, KEY) == attempts


def test_output_is_discarded_before_every_attempt_and_density_only_for_a_start_from_scratch(tmp_path):
    calculation = Calculation(failure("killed"), failure("garbage_output"))
    calculation.run(tmp_path, GPAW_POLICY)
    first = ["discard output", "attempt"]
    restart = ["discard output", *first]
    scratch = ["discard output", "discard density", *first]
    assert calculation.calls == [*first, *restart, *scratch]


def test_exhausted_policy_raises_the_last_failure_and_removes_the_record(tmp_path):
    last = failure("killed")
    with pytest.raises(ReferenceMethodError) as raised:
        Calculation(failure("killed"), failure("killed"), last).run(tmp_path, GPAW_POLICY)
    assert raised.value is last
    assert not (tmp_path / ATTEMPTS).exists()


def test_code_that_cannot_start_does_not_count_as_an_attempt(tmp_path):
    with pytest.raises(SettingsError):
        Calculation(SettingsError("no such program")).run(tmp_path, GPAW_POLICY)
    assert not (tmp_path / ATTEMPTS).exists()


def test_code_that_cannot_start_keeps_the_record_of_earlier_attempts(tmp_path):
    with pytest.raises(WalltimeReachedError):
        Calculation(WalltimeReachedError("over")).run(tmp_path, GPAW_POLICY)
    attempts = Attempts.read(tmp_path, KEY)
    with pytest.raises(SettingsError):
        Calculation(SettingsError("no such program")).run(tmp_path, GPAW_POLICY, attempts)
    assert Attempts.read(tmp_path, KEY).n_attempts == 1


def test_retries_continue_after_walltime_where_they_stopped(tmp_path):
    with pytest.raises(WalltimeReachedError):
        Calculation(failure("killed"), WalltimeReachedError("over")).run(tmp_path, GPAW_POLICY)
    attempts = Attempts.read(tmp_path, KEY)
    assert attempts.n_attempts == 2
    assert [retry.reason for retry in attempts.retries] == ["killed"]
    with pytest.raises(ReferenceMethodError):
        Calculation(failure("killed"), failure("killed")).run(tmp_path, GPAW_POLICY, attempts)


def test_no_attempt_begins_after_the_deadline(tmp_path):
    calculation = Calculation()
    with pytest.raises(WalltimeReachedError):
        calculation.run(tmp_path, GPAW_POLICY, end=Deadline(0.0))
    assert calculation.calls == []
    assert not (tmp_path / ATTEMPTS).exists()


@pytest.mark.parametrize("content", ['{"key": ', "[]", '{"key": "another"}', '{"key": "key of a label", "x": 1}'])
def test_unreadable_record_or_record_of_another_key_is_ignored(tmp_path, content):
    (tmp_path / ATTEMPTS).write_text(content)
    assert Attempts.read(tmp_path, KEY) is None
