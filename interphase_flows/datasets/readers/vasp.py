"""Labels in vasprun.xml and OUTCAR: every ionic step, with the level of theory that VASP reports."""

import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from monty.io import zopen
from pymatgen.io.ase import AseAtomsAdaptor

from interphase_flows.datasets.label_conventions import LabelConventions
from interphase_flows.datasets.readers.extxyz import read_with_ase
from interphase_flows.datasets.readers.file_formats import OUTCAR, VASPRUN
from interphase_flows.datasets.readers.records import ForeignLabel
from interphase_flows.exceptions import InputError
from interphase_flows.reference.labelling import RawLabel
from interphase_flows.reference.spec import VaspSpec
from interphase_flows.reference.vasp.output import deviations, functional_name, functional_of, stress_from_kbar
from interphase_flows.schemas.origin import IMPORTED, Origin


def read_vasprun(path: Path, spec: VaspSpec | None) -> Iterator[ForeignLabel]:
    """Yield the ionic steps of a run; a truncated last step is left out.

    ``details["deviations"]`` lists where the level of theory differs from ``spec``.

    Raises
    ------
    InputError
        The file cannot be read, or contains no complete ionic step.
    """
    from pymatgen.io.vasp.outputs import Vasprun

    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # of a run without its end, and of unconverged steps, which the gates reject
            run = Vasprun(
                str(path),
                parse_dos=False,
                parse_eigen=False,
                parse_projected_eigen=False,
                parse_potcar_file=False,
                exception_on_bad_xml=False,
            )
        steps = [step for step in run.ionic_steps if _is_complete(step)]
        level: dict[str, float | int | str | bool] = {
            "code": "VASP",
            "code_version": str(run.vasp_version),
            "functional": functional_of(run),
            "cutoff_eV": float(run.parameters["ENMAX"]),
            "n_k_points": len(run.actual_kpoints),
            "max_scf_steps": int(run.parameters["NELM"]),
        }
        if not steps:
            raise InputError(f"{path}: contains no complete ionic step. Hint: leave the run out")
        found = deviations(run, AseAtomsAdaptor.get_atoms(steps[0]["structure"], msonable=False), spec) if spec else []
    except InputError:
        raise
    except Exception as error:  # a truncated file fails anywhere in its reader
        raise InputError(
            f"{path}: cannot be read ({type(error).__name__}: {str(error)[:200]}). Hint: leave the run out"
        ) from error
    if found:
        level["deviations"] = "; ".join(found)
    origin = _origin(path)
    start = AseAtomsAdaptor.get_atoms(steps[0]["structure"], msonable=False)
    for number, step in enumerate(steps):
        n_scf_steps = len(step["electronic_steps"])  # none in steps of a machine-learned force field
        raw = RawLabel(
            energy_eV=float(step["e_fr_energy"]),
            forces_eV_per_angstrom=np.asarray(step["forces"], dtype=np.float64),
            stress_eV_per_angstrom3=stress_from_kbar(step["stress"]) if "stress" in step else None,
            is_scf_converged=n_scf_steps < int(level["max_scf_steps"]) if n_scf_steps else None,
            details=level | {"n_scf_steps": n_scf_steps},
        )
        atoms = AseAtomsAdaptor.get_atoms(step["structure"], msonable=False)
        yield ForeignLabel(atoms, raw, f"{path}, ionic step {number}", origin, start)


def _origin(path: Path) -> Origin:
    """Return the folder of a run; of a file with another name, such as ``run1_vasprun.xml``, its path."""
    is_usual = path.name.startswith((VASPRUN, OUTCAR))
    return Origin.of(IMPORTED, str(path.parent if is_usual else path))


def _is_complete(step: dict[str, Any]) -> bool:
    return all(name in step for name in ("structure", "forces", "e_fr_energy", "electronic_steps"))


def read_outcar(path: Path) -> Iterator[ForeignLabel]:
    """Yield the ionic steps of an OUTCAR, read by ASE, with the level of theory at its beginning.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    level: dict[str, float | int | str | bool] = {"code": "VASP"}
    n_scf_steps: dict[int, int] = {}
    try:
        with zopen(path, "rt", encoding="utf-8", errors="replace") as file:
            for line in file:
                if found := re.search(r"-+ Iteration +(\d+)\( *(\d+)\)", line):
                    n_scf_steps[int(found[1])] = int(found[2])
                elif not n_scf_steps:
                    level |= _level_in_line(line)
    except (OSError, EOFError) as error:
        raise InputError(f"{path}: cannot be read ({error}). Hint: leave the run out") from error
    has_force_field = bool(level.pop("ML_LMLFF", False))
    tags = (str(level.pop("GGA", "PE")), str(level.pop("METAGGA", "--")))
    level["functional"] = functional_name(*tags)
    origin = _origin(path)
    labels = list(read_with_ase(path, LabelConventions()))
    if has_force_field and len(labels) != len(n_scf_steps):
        n_scf_steps = dict.fromkeys(range(1, len(labels) + 1), 0)  # it is unknown which steps had an SCF
    for number, label in enumerate(labels):
        n = n_scf_steps.get(number + 1)
        counted = {} if n is None else {"n_scf_steps": n}
        is_converged = None if not n or "max_scf_steps" not in level else n < int(level["max_scf_steps"])
        raw = replace(label.raw, is_scf_converged=is_converged, details={**label.raw.details, **level, **counted})
        yield replace(label, raw=raw, origin=origin, run_start=labels[0].atoms)


def _level_in_line(line: str) -> dict[str, float | int | str | bool]:
    """Return what a line in the header of an OUTCAR states about the level of theory."""
    if found := re.match(r"\s*vasp\.(\S+)", line):
        return {"code_version": found[1]}
    if found := re.match(r"\s*(GGA|METAGGA)\s*=\s*(\S+)", line):
        return {found[1]: found[2].upper()}
    if re.match(r"\s*ML_LMLFF\s*=\s*\.?T", line):
        return {"ML_LMLFF": True}
    if found := re.match(r"\s*ENCUT\s*=\s*([\d.]+)\s*eV", line):
        return {"cutoff_eV": float(found[1])}
    if found := re.match(r"\s*NELM\s*=\s*(\d+);", line):
        return {"max_scf_steps": int(found[1])}
    if found := re.search(r"k-points\s+NKPTS\s*=\s*(\d+)", line):
        return {"n_k_points": int(found[1])}
    return {}
