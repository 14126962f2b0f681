"""Reuse a VASP run that ended before its label was recorded, instead of computing it again.

A record of the attempt (`reference.attempts`) is written before VASP starts, with a key of its inputs, and removed if the
attempt gives no label. If a later process finds the record with its own key beside output that is complete, converged
and needs no correction by custodian, that output is the label.
"""

import json
from pathlib import Path

from ase import Atoms

from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import ReferenceMethodError
from interphase_flows.reference.spec import VaspSpec
from interphase_flows.reference.vasp.corrections import CUSTODIAN_RECORD
from interphase_flows.reference.vasp.output import VaspResult, read_result

END_OF_OUTCAR = "General timing and accounting informations for this job"
"""Heading of the last section of OUTCAR."""


def inputs_key(atoms: Atoms, spec: VaspSpec) -> str:
    """Return the key of INCAR, KPOINTS, POSCAR and POTCAR.spec for atoms in VASP's order (`incar.grouped`).

    The restart tags (ISTART, ICHARG) and the parallelisation (KPAR, NCORE) are left out: they differ between attempts at
    one label.
    """
    from interphase_flows.reference.vasp.input_set import input_set  # takes seconds to import

    inputs = input_set(spec, atoms, parallel={}, potcar_spec=True)
    return content_key(
        "vasp inputs",
        INCAR=str(inputs.incar),
        KPOINTS=str(inputs.kpoints),
        POSCAR=str(inputs.poscar),
        POTCAR=str(inputs.potcar),
    )


def finished_run(folder: Path, atoms: Atoms, spec: VaspSpec) -> VaspResult | None:
    """Return the result of a run that has finished, or None if VASP has to run.

    The folder is locked and has a record of an attempt at these inputs; the atoms are in VASP's order.
    """
    if not _is_complete(folder):
        return None
    try:
        result = read_result(folder, atoms, spec)
    except ReferenceMethodError:
        return None
    if not result.is_scf_converged:  # stopped at the deadline, or for custodian to correct
        return None
    from interphase_flows.reference.vasp.run import needs_correction  # takes seconds to import

    return None if needs_correction(folder) else result


def _is_complete(folder: Path) -> bool:
    """Return whether OUTCAR has its last section and custodian's record is readable."""
    try:
        if END_OF_OUTCAR not in (folder / "OUTCAR").read_text(errors="replace"):
            return False
        if (folder / CUSTODIAN_RECORD).exists():  # absent until custodian has checked the run once
            json.loads((folder / CUSTODIAN_RECORD).read_text())
    except (OSError, ValueError):
        return False
    return True
