"""Labels in a job store of atomate2: every ionic step of every VASP calculation."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from interphase_flows.datasets.readers import ReadLabels
from interphase_flows.datasets.readers.records import ForeignLabel
from interphase_flows.datasets.readers.trajectories import with_origins
from interphase_flows.exceptions import InputError
from interphase_flows.reference.labelling import RawLabel
from interphase_flows.reference.spec import VaspSpec
from interphase_flows.reference.vasp.output import deviations, functional_of, stress_from_kbar
from interphase_flows.runtime.progress import emit
from interphase_flows.schemas.origin import IMPORTED, Origin

if TYPE_CHECKING:
    from jobflow import JobStore

CALCULATIONS = "output.calcs_reversed"


def read_store(path: Path, spec: VaspSpec | None) -> ReadLabels:
    """Return the labels in the job store that a file describes, as jobflow's ``JOB_STORE`` settings do.

    Outputs that are no VASP calculations, such as those of other codes, are left out with a note.

    With ``spec``, the level of theory is compared with it.

    Raises
    ------
    InputError
        The file describes no job store, the store cannot be reached, or it contains no VASP calculation.
    """
    from jobflow import JobStore

    try:
        store = JobStore.from_file(str(path))
        store.connect()
    except Exception as error:  # stores of all kinds
        raise InputError(
            f"{path}: no job store can be opened ({type(error).__name__}: {str(error)[:200]}). Hint: give the file of "
            "jobflow's JOB_STORE, with docs_store and, if it is used, additional_stores"
        ) from error
    left_out: list[str] = []
    try:
        labels = list(_labels(store, path, spec, left_out))
    finally:
        store.close()
    notes = [f"{path}: {len(left_out)} jobs without a readable VASP calculation; {left_out[0]}"] if left_out else []
    if not labels:
        raise InputError(
            f"{'; '.join(notes) or path}: the store has no output of a VASP calculation. Hint: check the name of the "
            "database, or export labels of other codes as extxyz"
        )
    return ReadLabels(with_origins(labels, [path.stem] * len(labels)), notes)


def _labels(store: "JobStore", path: Path, spec: VaspSpec | None, left_out: list[str]) -> Iterator[ForeignLabel]:
    """Yield the labels of a store, and append the reason of each job that is left out."""
    criteria = {CALCULATIONS: {"$exists": True}}
    n_tasks = store.count(criteria)
    for number, document in enumerate(store.query(criteria, load=True)):
        emit("read labels", number, n_tasks, str(document.get("name", "")))
        where, origin = f"{path}, job {document['uuid']}", Origin.of(IMPORTED, str(document["uuid"]))
        try:
            # the last calculation of a task is the first one
            calculations = list(reversed(document["output"]["calcs_reversed"] or []))
            yield from [step for each in calculations for step in _ionic_steps(each, where, origin, spec)]
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            left_out.append(f"job {document['uuid']}: {type(error).__name__}: {str(error)[:200]}")


def _ionic_steps(
    calculation: dict[str, Any], where: str, origin: Origin, spec: VaspSpec | None
) -> Iterator[ForeignLabel]:
    from pymatgen.core import Structure
    from pymatgen.io.ase import AseAtomsAdaptor

    inputs, parameters = calculation["input"], calculation["input"]["parameters"]
    kpoints = inputs.get("kpoints") or {}
    # what is compared, under the names of pymatgen's Vasprun
    run = SimpleNamespace(
        parameters=parameters,
        incar=inputs.get("incar") or {},
        vasp_version=calculation["vasp_version"],
        kpoints=SimpleNamespace(kpts=kpoints.get("kpoints") or [(0, 0, 0)]),
        potcar_symbols=[each["titel"] for each in inputs.get("potcar_spec") or []],
    )
    has_force_field = bool(run.incar.get("ML_LMLFF"))  # its steps have no SCF; other tasks may store no SCF steps
    level: dict[str, float | int | str | bool] = {
        "code": "VASP",
        "code_version": str(run.vasp_version),
        "functional": functional_of(run),
        "cutoff_eV": float(parameters["ENMAX"]),
        "max_scf_steps": int(parameters["NELM"]),
    }
    start: Atoms | None = None
    for number, step in enumerate(calculation["output"]["ionic_steps"] or []):
        structure = step["structure"]
        atoms = AseAtomsAdaptor.get_atoms(
            structure if isinstance(structure, Structure) else Structure.from_dict(structure), msonable=False
        )
        start = atoms if start is None else start
        if spec is not None and number == 0 and (found := deviations(run, atoms, spec)):
            level["deviations"] = "; ".join(found)
        n_scf_steps = len(step["electronic_steps"] or [])
        raw = RawLabel(
            energy_eV=float(step["e_fr_energy"]),
            forces_eV_per_angstrom=np.asarray(step["forces"], dtype=np.float64),
            stress_eV_per_angstrom3=stress_from_kbar(step["stress"]) if step.get("stress") is not None else None,
            is_scf_converged=n_scf_steps < int(level["max_scf_steps"]) if n_scf_steps else None,
            details=level | ({"n_scf_steps": n_scf_steps} if n_scf_steps or has_force_field else {}),
        )
        yield ForeignLabel(atoms, raw, f"{where}, ionic step {number}", origin, start)
