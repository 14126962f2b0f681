"""Attempts at one label: retry policies, the retry loop, and its record in the label's folder, which survives a kill.

A policy maps the reason of a failure to a sequence of actions. The first failure for that reason is followed by the
first action, the second by the second; after the last, the label is given up.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue

from interphase_flows.exceptions import ReferenceMethodError, SettingsError
from interphase_flows.reference.label_folder import write_json
from interphase_flows.runtime.walltime import Deadline
from interphase_flows.schemas.label import Correction

ATTEMPTS = "attempts.json"

_Result = TypeVar("_Result")


class Action(BaseModel):
    """One way to retry a calculation: from the last density (from scratch if none was kept), or from scratch.

    Factors on the number of SCF steps multiply over successive actions; ``parameters`` of the code are replaced,
    ``{"mixer": {...}}``. A label computed after a change of the theory is rejected.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    start: Literal["density", "scratch"] = "density"
    scf_steps_factor: float = 1.0
    parameters: dict[str, dict[str, JsonValue]] = {}
    changes_theory: bool = False


Policy = Mapping[str, Sequence[Action]]

RESTART = Action(name="restart from the last density, if one was kept")
START_OVER = Action(name="start over", start="scratch")
WITHOUT_POINT_GROUP = Action(
    name="without the point group: more k-points, the same mesh",
    start="scratch",
    parameters={"symmetry": {"point_group": False}},
)

GPAW_POLICY: Policy = MappingProxyType(
    {
        "scf_not_converged": (
            Action(name="twice as many SCF steps, from the last density", scf_steps_factor=2.0),
            # short steps and a long history damp an oscillating SCF cycle; the metric (weight) damps sloshing
            Action(
                name="Pulay mixing with a short step and a long history, from scratch",
                start="scratch",
                parameters={"mixer": {"name": "pulay", "beta": 0.02, "nmaxold": 24, "weight": 50.0}},
            ),
        ),
        # almost symmetric positions, as a relaxation leaves them, break the search for the point group
        "symmetry_analysis_failed": (WITHOUT_POINT_GROUP,),
        # non-finite Hamiltonian: observed for slabs in a skewed cell when the density is symmetrised
        "diagonalization_failed": (WITHOUT_POINT_GROUP,),
        "killed": (RESTART, RESTART),
        "garbage_output": (START_OVER,),
        "reference_method_failed": (START_OVER,),
        # a second attempt would need as much memory and disk
        "out_of_memory": (),
        "disk_full": (),
        "unsupported": (),
    }
)
"""Retries of GPAW; none changes the level of theory, only the path to the same ground state."""

VASP_POLICY: Policy = MappingProxyType({"killed": (RESTART, RESTART), "garbage_output": (START_OVER,)})
"""Retries of VASP after failures from outside; custodian corrects the errors that VASP itself reports."""


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
