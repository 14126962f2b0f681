"""What is tried again after a calculation failed, and how often: a table, not branches.

A reason is mapped to a sequence of actions: the first failure for that reason is answered by the first action,
the second by the second, and when the sequence is used up the label is given up and says so. Whoever runs the
calculation applies an action and records it as a `documents.records.Correction`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from interphase_flows.schemas.label import Correction


@dataclass(frozen=True)
class Action:
    """One way to try again.

    Parameters
    ----------
    name
        In words, for the record.
    start
        From the last density (from scratch if none was kept), or from scratch.
    scf_steps_factor
        The largest number of SCF steps grows by this factor, once for every action that was applied.
    parameters
        Parameters of the code to be replaced, as pairs: ``(("mixer", {...}),)``.
    changes_theory
        Whether a result that was reached this way is of another level of theory; such a label is rejected.
    """

    name: str
    start: Literal["density", "scratch"] = "density"
    scf_steps_factor: float = 1.0
    parameters: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    changes_theory: bool = False


Policy = Mapping[str, Sequence[Action]]

RESTART = Action("restart from the last density, if one was kept")
START_OVER = Action("start over", start="scratch")
WITHOUT_POINT_GROUP = Action(
    "without the point group: more k-points, the same mesh",
    start="scratch",
    parameters=(("symmetry", {"point_group": False}),),
)

GPAW_POLICY: Policy = MappingProxyType(
    {
        "scf_not_converged": (
            Action("twice as many SCF steps, from the last density", scf_steps_factor=2.0),
            # SCF that runs in circles is calmed by a shorter step and a longer memory; the metric damps sloshing
            Action(
                "Pulay mixing with a short step and a long history, from scratch",
                start="scratch",
                parameters=(("mixer", {"name": "pulay", "beta": 0.02, "nmaxold": 24, "weight": 50.0}),),
            ),
        ),
        # positions that are almost symmetric, as a relaxation leaves them, defeat the search for a group
        "symmetry_analysis_failed": (WITHOUT_POINT_GROUP,),
        # the Hamiltonian is not finite: seen for slabs in a skewed cell as soon as the density is symmetrised
        "diagonalization_failed": (WITHOUT_POINT_GROUP,),
        "killed": (RESTART, RESTART),
        "garbage_output": (START_OVER,),
        "reference_method_failed": (START_OVER,),
        # the next try would need as much memory and as much disk
        "out_of_memory": (),
        "disk_full": (),
        "unsupported": (),
    }
)
"""None of these changes the level of theory: only how the same ground state is looked for."""


def next_action(policy: Policy, reason: str, n_before: int) -> Action | None:
    """Return what to do after a failure, or None to give up.

    Parameters
    ----------
    policy
        Reason to actions.
    reason
        Of this failure; one that the policy does not know is given up at once.
    n_before
        How many failures for this reason were answered before.
    """
    actions = policy.get(reason, ())
    return actions[n_before] if n_before < len(actions) else None


def correction(handler: str, reason: str, action: Action) -> Correction:
    """Return the record of an action."""
    return Correction(
        handler=handler, errors=[reason], actions=[action.name], changes_theory=action.changes_theory
    )
