"""Corrections that custodian made in a VASP run, and whether they change the level of theory of the label.

A few corrections of custodian's handlers change the computed quantity, not only the path to the ground state. A
correction of any tag that is not in the table of neutral tags is treated as a change of the level of theory.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypedDict

from pydantic import JsonValue

from interphase_flows.reference.spec import VaspSpec
from interphase_flows.schemas.label import Correction

CUSTODIAN_RECORD = "custodian.json"
MAX_VALUE_CHARACTERS = 60


class CustodianAction(TypedDict, total=False):
    """Action in custodian's record: its target, a ``dict`` or ``file``, and its operations on it.

    An operation is for example ``{"_set": {"ALGO": "All"}}``.
    """

    action: Mapping[str, Mapping[str, JsonValue]] | None
    dict: str
    file: str


def _self_consistent(value: Any, spec: VaspSpec) -> bool:
    return str(value).strip().lower() in {"normal", "fast", "veryfast", "all", "damped", "conjugate"}


ALWAYS_NEUTRAL_TAGS = (
    *("ISEARCH", "TIME"),  # line search of ALGO All; step of ALGO All and Damped
    *("NELM", "NELMIN", "NELMDL"),  # numbers of steps: convergence is read from OUTCAR
    *("IMIX", "AMIX", "BMIX", "AMIN", "AMIX_MAG", "BMIX_MAG", "MAXMIX", "LMAXMIX"),  # density mixing
    "NBANDS",  # empty bands carry no electrons; too few bands are an error of VASP's own
    "SYMPREC",  # the campaign sets ISYM 0: no symmetry is used, so its tolerance has no effect
    *("NCORE", "NPAR", "KPAR", "NSIM", "LPLANE"),  # parallelisation
    *("POTIM", "SMASS", "IOPT"),  # steps of a relaxation, of which there are none (NSW 0)
)

NEUTRAL_TAGS: dict[str, Callable[[Any, VaspSpec], bool]] = {
    **dict.fromkeys(ALWAYS_NEUTRAL_TAGS, lambda value, spec: True),
    # algorithm of the search; the ground state at EDIFF is the same
    "ALGO": _self_consistent,  # not Exact, None, Eigenval, CHI: they do not minimise
    # start of the cycle; above 2, the density is fixed and the result not self-consistent
    "ISTART": lambda value, spec: int(value) in (0, 1),
    "ICHARG": lambda value, spec: int(value) in (0, 1, 2),
    # a tighter threshold is closer to the same limit
    "EDIFF": lambda value, spec: float(value) <= spec.scf_energy_tolerance_eV,
    "ISYM": lambda value, spec: int(value) == 0,
    "IBRION": lambda value, spec: int(value) in (-1, 1, 2, 3),
}
"""Tag -> whether a value leaves the level of theory unchanged.

Not in the table, and so disqualifying: ENCUT, ENAUG, ISMEAR, SIGMA, GGA, METAGGA, LREAL, PREC, ISPIN, MAGMOM (another
magnetic state), LASPH, ADDGRID, KSPACING, KGAMMA, NELECT, NSW, and tags of future handlers.
"""

NEUTRAL_WHEN_UNSET = frozenset({"IMIX", "NPAR", "NCORE", "KPAR", "AMIX", "BMIX", "AMIN", "NBANDS", "SYMPREC"})
"""Tags whose default is neutral too, for the same reasons."""

NEUTRAL_FILES = frozenset({"WAVECAR", "CHGCAR", "STOPCAR"})
"""Files that only set where the cycle starts or stops."""


def _changes(action: CustodianAction) -> Iterator[tuple[str, str, Mapping[str, JsonValue]]]:
    """Yield target, operation and content of an action."""
    target = str(action.get("dict", action.get("file", "?")))
    for operation, content in (action.get("action") or {}).items():
        yield target, operation, content


def changes_theory(action: CustodianAction, spec: VaspSpec) -> bool:
    """Return whether an action of custodian changes the level of theory."""
    for target, operation, content in _changes(action):
        if target == "INCAR" and operation == "_set":
            for tag, value in content.items():
                is_neutral = NEUTRAL_TAGS.get(str(tag).upper())
                try:
                    if is_neutral is None or not is_neutral(value, spec):
                        return True
                except (TypeError, ValueError):  # not a number where one is needed
                    return True
        elif target == "INCAR" and operation == "_unset":
            if not {str(tag).upper() for tag in content} <= NEUTRAL_WHEN_UNSET:
                return True
        elif target == "CONTCAR" and operation == "_file_copy" and content == {"dest": "POSCAR"}:
            continue  # no atom has moved; the structure is checked in vasprun.xml
        elif target not in NEUTRAL_FILES:
            return True  # KPOINTS, POSCAR, POTCAR, and anything unknown
    return not (action.get("action") or {})


def _descriptions(action: CustodianAction) -> Iterator[str]:
    """Yield one line for each change of an action, such as ``INCAR: set ALGO = Fast``."""
    for target, operation, content in _changes(action):
        verb = operation.strip("_").replace("_", " ")
        if isinstance(content, Mapping) and operation in ("_set", "_unset"):
            for tag, value in content.items():
                # POSCAR's structure is too long to show
                text = str(value) if len(str(value)) <= MAX_VALUE_CHARACTERS else "..."
                yield f"{target}: {verb} {tag}" + (f" = {text}" if operation == "_set" else "")
        else:
            yield f"{target}: {verb}"


def read_corrections(folder: Path, spec: VaspSpec) -> list[Correction]:
    """Return the corrections in ``custodian.json``, in order; empty if there is no such file."""
    try:
        record = json.loads((folder / CUSTODIAN_RECORD).read_text())
    except (FileNotFoundError, ValueError):
        return []  # truncated by a kill: `restart` does not take such a run for a label
    return [
        Correction(
            handler=str(entry.get("handler", {}).get("@class", "?")),
            errors=[str(error) for error in entry.get("errors", [])],
            actions=[text for action in entry.get("actions") or [] for text in _descriptions(action)],
            changes_theory=any(changes_theory(action, spec) for action in entry.get("actions") or []),
        )
        for run in record
        for entry in run.get("corrections", [])
    ]
