"""Attempts at one label: the retry loop, and its record in the label's folder, which survives a kill."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue

from interphase_flows.exceptions import ReferenceMethodError, SettingsError
from interphase_flows.reference.label_folder import write_json
from interphase_flows.reference.retry_policy import Action, Policy
from interphase_flows.runtime.walltime import Deadline
from interphase_flows.schemas.label import Correction

ATTEMPTS = "attempts.json"

_Result = TypeVar("_Result")


class Retry(BaseModel):
    """A failure and the action taken."""

    reason: str
    action: Action


class Attempts(BaseModel):
    """Record of the attempts at one label: those started so far, failures and actions taken.

    ``key`` is the hash of what is computed; files of another key are not used.
    """

    model_config = ConfigDict(extra="forbid")

    key: str
    n_attempts: int = 0
    retries: list[Retry] = []

    @classmethod
    def read(cls, folder: Path, key: str) -> "Attempts | None":
        """Read the record; None if there is none, if it is unreadable, or if it belongs to another key."""
        try:
            attempts = cls.model_validate_json((folder / ATTEMPTS).read_bytes())
        except (OSError, ValueError):
            return None
        return attempts if attempts.key == key else None

    def write(self, folder: Path) -> None:
        """Write the record atomically."""
        write_json(folder / ATTEMPTS, self.model_dump(mode="json"))

    @property
    def scf_steps_factor(self) -> float:
        """Factor on the largest number of SCF steps."""
        return math.prod(retry.action.scf_steps_factor for retry in self.retries)

    @property
    def parameters(self) -> dict[str, JsonValue]:
        """Parameters of the code replaced by the actions."""
        return {name: value for retry in self.retries for name, value in retry.action.parameters.items()}

    def corrections(self, handler: str) -> list[Correction]:
        """Return the actions taken as corrections of the label."""
        return [
            Correction(
                handler=handler,
                errors=[retry.reason],
                actions=[retry.action.name],
                changes_theory=retry.action.changes_theory,
            )
            for retry in self.retries
        ]

    def retry(self, policy: Policy, reason: str) -> Action | None:
        """Record and return the action after a failure; None if the policy is exhausted."""
        actions = policy.get(reason, ())
        n_before = sum(retry.reason == reason for retry in self.retries)
        if n_before >= len(actions):
            return None
        self.retries.append(Retry(reason=reason, action=actions[n_before]))
        return actions[n_before]


def run_attempts(
    attempts: Attempts,
    folder: Path,
    policy: Policy,
    end: Deadline,
    attempt: Callable[[], _Result],
    discard_output: Callable[[], None],
    discard_density: Callable[[], None],
) -> _Result:
    """Compute a label, retrying failures by a policy; no attempt begins after the deadline ``end``.

    ``attempts`` is the record of the label, continued and kept in the (locked) folder. ``discard_output`` removes the
    output of an earlier attempt, ``discard_density`` what a restart would start from.

    Raises
    ------
    ReferenceMethodError
        The last failure, when the policy is exhausted.
    SettingsError
        The code cannot be started; this does not count as an attempt.
    WalltimeReachedError
        Time is over.
    """
    while True:
        end.check(f"a label in {folder.name}")
        # a kill at any point must leave no record together with output or a density of an earlier attempt
        discard_output()
        attempts.n_attempts += 1
        attempts.write(folder)
        try:
            return attempt()
        except ReferenceMethodError as error:
            action = attempts.retry(policy, error.reason)
            if action is None:
                (folder / ATTEMPTS).unlink(missing_ok=True)
                raise
            discard_output()
            if action.start == "scratch":
                discard_density()
            attempts.write(folder)
        except SettingsError:
            attempts.n_attempts -= 1
            if attempts.n_attempts:
                attempts.write(folder)
            else:
                (folder / ATTEMPTS).unlink(missing_ok=True)
            raise
