"""Retry policies: which action follows which failure of a calculation, as tables.

A policy maps the reason of a failure to a sequence of actions. The first failure for that reason is followed by the
first action, the second by the second; after the last, the label is given up. `attempts` applies them.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue


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
