"""What custodian changed in a run of VASP, and whether the label is still of the campaign's level of theory.

Custodian's handlers get a calculation through, by whatever works; a few of their remedies change what is computed.
A tag that is not in the table of neutral ones changes the theory: an unknown remedy is never trusted.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from interphase_flows.reference.spec import VaspSpec
from interphase_flows.schemas.label import Correction

LOG = "custodian.json"


def _always(value: Any, spec: VaspSpec) -> bool:
    return True


def _self_consistent(value: Any, spec: VaspSpec) -> bool:
    return str(value).strip().lower() in {"normal", "fast", "veryfast", "all", "damped", "conjugate"}


NEUTRAL_TAGS: dict[str, Callable[[Any, VaspSpec], bool]] = {
    # how the ground state is looked for; the ground state at EDIFF is the same
    "ALGO": _self_consistent,  # not Exact, None, Eigenval, CHI: those minimise nothing
    "ISEARCH": _always,  # line search of ALGO All
    "TIME": _always,  # step of ALGO All and Damped
    "NELM": _always,  # more steps to the same end; an end that was not reached is told by OUTCAR
    "NELMIN": _always,
    "NELMDL": _always,  # steps before the density is updated
    # how the density is mixed from step to step
    "IMIX": _always,
    "AMIX": _always,
    "BMIX": _always,
    "AMIN": _always,
    "AMIX_MAG": _always,
    "BMIX_MAG": _always,
    "MAXMIX": _always,
    "LMAXMIX": _always,
    # where the cycle starts; above 2 the density is kept and nothing becomes self-consistent
    "ISTART": lambda value, spec: int(value) in (0, 1),
    "ICHARG": lambda value, spec: int(value) in (0, 1, 2),
    # a tighter threshold is the same limit, nearer
    "EDIFF": lambda value, spec: float(value) <= spec.scf_energy_tolerance_eV,
    # empty bands carry no electrons; too few of them end in VASP's own error
    "NBANDS": _always,
    # the campaign's ISYM is 0: no symmetry is used to begin with, so finding it by another tolerance changes nothing
    "ISYM": lambda value, spec: int(value) == 0,
    "SYMPREC": _always,
    # how the work is shared between processes
    "NCORE": _always,
    "NPAR": _always,
    "KPAR": _always,
    "NSIM": _always,
    "LPLANE": _always,
    # steps of a relaxation, and NSW is 0: none is taken
    "IBRION": lambda value, spec: int(value) in (-1, 1, 2, 3),
    "POTIM": _always,
    "SMASS": _always,
    "IOPT": _always,
}
"""Tag -> whether a value leaves the level of theory as it was.

Not here, and so disqualifying: ENCUT, ENAUG, ISMEAR, SIGMA, GGA, METAGGA, LREAL, PREC, ISPIN, MAGMOM (another magnetic
state), LASPH, ADDGRID, KSPACING, KGAMMA, NELECT, NSW, and whatever custodian learns to set.
"""

NEUTRAL_WHEN_UNSET = frozenset({"IMIX", "NPAR", "NCORE", "KPAR", "AMIX", "BMIX", "AMIN", "NBANDS", "SYMPREC"})
"""Tags whose default is as good: the same reasons as above."""

NEUTRAL_FILES = frozenset({"WAVECAR", "CHGCAR", "STOPCAR"})
"""Files to start from, or to stop by; a start that is deleted is another start."""


def _changes(action: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield target, operation and content of an action."""
    target = str(action.get("dict", action.get("file", "?")))
    for operation, content in (action.get("action") or {}).items():
        yield target, operation, content


def changes_theory(action: dict[str, Any], spec: VaspSpec) -> bool:
    """Tell whether an action of custodian's changes what is computed."""
    for target, operation, content in _changes(action):
        if target == "INCAR" and operation == "_set":
            for tag, value in content.items():
                neutral = NEUTRAL_TAGS.get(str(tag).upper())
                try:
                    if neutral is None or not neutral(value, spec):
                        return True
                except (TypeError, ValueError):  # a value that is no number where one is due
                    return True
        elif target == "INCAR" and operation == "_unset":
            if not {str(tag).upper() for tag in content} <= NEUTRAL_WHEN_UNSET:
                return True
        elif target == "CONTCAR" and operation == "_file_copy" and content == {"dest": "POSCAR"}:
            continue  # nothing has moved; that the atoms are the same ones is checked in vasprun.xml
        elif target not in NEUTRAL_FILES:
            return True  # KPOINTS, POSCAR, POTCAR, and anything unknown
    return not (action.get("action") or {})


def _in_words(action: dict[str, Any]) -> Iterator[str]:
    for target, operation, content in _changes(action):
        verb = operation.strip("_").replace("_", " ")
        if isinstance(content, dict) and operation in ("_set", "_unset"):
            for tag, value in content.items():
                # POSCAR's structure is long, and its being there says enough
                told = str(value) if len(str(value)) <= 60 else "..."
                yield f"{target}: {verb} {tag}" + (f" = {told}" if operation == "_set" else "")
        else:
            yield f"{target}: {verb}"


def read_corrections(folder: Path, spec: VaspSpec) -> list[Correction]:
    """Return what custodian recorded in ``custodian.json``, in order; nothing if there is no such file."""
    path = folder / LOG
    if not path.is_file():
        return []
    try:
        log = json.loads(path.read_text())
    except ValueError:  # a killed process left half of it; its run is no label either (`vasp_finished`)
        return []
    corrections = []
    for run in log:
        for entry in run.get("corrections", []):
            actions = entry.get("actions") or []
            corrections.append(
                Correction(
                    handler=str(entry.get("handler", {}).get("@class", "?")),
                    errors=[str(error) for error in entry.get("errors", [])],
                    actions=[told for action in actions for told in _in_words(action)],
                    changes_theory=any(changes_theory(action, spec) for action in actions),
                )
            )
    return corrections
