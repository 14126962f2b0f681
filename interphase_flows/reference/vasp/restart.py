"""A run of VASP that ended before its label was on record: what lies in the label's folder is read, not computed again.

Before VASP is started, ``launch.json`` is written: a key of what VASP is told, and what was tried before.  It is taken
away when a launch gives no label.  Where a later launch finds it with its own key, and beside it an output that is
whole, converged, and such as custodian would leave alone, there is nothing left to compute.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms

from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import ReferenceMethodError
from interphase_flows.reference.label_files import write_json
from interphase_flows.reference.spec import VaspSpec
from interphase_flows.reference.vasp.corrections import LOG as CUSTODIAN_LOG
from interphase_flows.reference.vasp.corrections import read_corrections
from interphase_flows.reference.vasp.output import VaspResult, read_result
from interphase_flows.schemas.label import Correction

LAUNCH = "launch.json"

LAST_WORDS = "General timing and accounting informations for this job"
"""What OUTCAR ends with, after the last number."""


@dataclass(frozen=True)
class FinishedRun:
    """What an earlier process left, atoms in VASP's order, and what was corrected on the way to it."""

    result: VaspResult
    corrections: list[Correction]


def inputs_key(atoms: Atoms, spec: VaspSpec) -> str:
    """Return the key of INCAR, KPOINTS, POSCAR and POTCAR.spec, to the letter.

    Where the cycle starts (ISTART, ICHARG) and how the work is shared (KPAR, NCORE) is left out: that differs between
    two launches of one label.

    Parameters
    ----------
    atoms
        As they are handed to VASP (`vasp_input.grouped`).
    spec
        The level of theory.
    """
    from interphase_flows.reference.vasp.input_set import input_set  # takes seconds to import

    inputs = input_set(spec, atoms, parallel={}, potcar_spec=True)
    told = {
        "INCAR": inputs.incar,
        "KPOINTS": inputs.kpoints,
        "POSCAR": inputs.poscar,
        "POTCAR": inputs.potcar,
    }
    return content_key("vasp inputs", **{name: str(content) for name, content in told.items()})


def record_launch(folder: Path, key: str, retried: Sequence[Correction]) -> None:
    """Write down whose output will lie in a folder; call it when nothing of an earlier launch is left there.

    Parameters
    ----------
    folder
        Of the label.
    key
        From `inputs_key`.
    retried
        What the policy tried before this launch.
    """
    write_json(
        folder / LAUNCH, {"inputs": key, "retried": [each.model_dump(mode="json") for each in retried]}
    )


def forget_launch(folder: Path) -> None:
    """Take the record away: what lies in the folder is no label."""
    (folder / LAUNCH).unlink(missing_ok=True)


def finished_run(folder: Path, key: str, atoms: Atoms, spec: VaspSpec) -> FinishedRun | None:
    """Return what an earlier process left, or None if VASP has to be run.

    Parameters
    ----------
    folder
        Of the label; nobody else may calculate there.
    key
        From `inputs_key`.
    atoms
        As they are handed to VASP (`vasp_input.grouped`).
    spec
        The level of theory.
    """
    retried = _retried_before(folder, key)
    if retried is None or not _is_whole(folder):
        return None
    try:
        result = read_result(folder, atoms, spec)
    except ReferenceMethodError:
        return None
    if not result.is_scf_converged:  # put down at the walltime, or for custodian to try something else
        return None
    # seconds to import: custodian's handlers bring pymatgen
    from interphase_flows.reference.vasp.run import would_be_corrected

    if would_be_corrected(folder):
        return None
    return FinishedRun(result, [*retried, *read_corrections(folder, spec)])


def _retried_before(folder: Path, key: str) -> list[Correction] | None:
    """Return what was tried before the launch whose output lies here; None if it is of another label, or of none."""
    try:
        recorded = json.loads((folder / LAUNCH).read_text())
        if recorded["inputs"] != key:
            return None
        return [Correction.model_validate(each) for each in recorded["retried"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_whole(folder: Path) -> bool:
    """Tell whether VASP came to its end, and what custodian did can be read; vasprun.xml is judged by its reader."""
    try:
        if LAST_WORDS not in (folder / "OUTCAR").read_text(errors="replace"):
            return False
        if (folder / CUSTODIAN_LOG).exists():  # not before custodian has looked for the first time
            json.loads((folder / CUSTODIAN_LOG).read_text())
    except (OSError, ValueError):
        return False
    return True
