"""Label one structure: key, calculation, gates and stored files; and an ASE calculator that labels what it evaluates."""

import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from interphase_flows.content_keys import content_key
from interphase_flows.datasets.gates import Gates, Rejection
from interphase_flows.exceptions import ReferenceMethodError
from interphase_flows.jobs.caching import cached, check_lookup, stored_document
from interphase_flows.jobs.structures.structure_sets import structure_entry
from interphase_flows.reference.labelling import ReferenceMethod
from interphase_flows.runtime.walltime import deadline
from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.schemas.label import LabelDoc, MethodIdentity
from interphase_flows.schemas.origin import Origin
from interphase_flows.schemas.structures import StructureEntry
from interphase_flows.storage.archive import SUFFIX, archive_bytes
from interphase_flows.storage.artifacts import LABEL_FILES
from interphase_flows.storage.workspace import current_workspace

KIND = "labels"


def label_key(structure_key: str, method_key: str, gates: Gates, repeats: str | None = None) -> str:
    """Return the content key of a label: hash of structure, reference method and gates.

    A structure that ``repeats`` an earlier one of its set (given as the key of the earlier label) is rejected under a
    separate key, because another set or campaign may contain it first and label it.
    """
    return content_key(
        KIND,
        structure=structure_key,
        method=method_key,
        # not the energy window, which the dataset applies
        max_force_eV_per_angstrom=gates.max_force_eV_per_angstrom,
        min_distance_fraction=gates.min_distance_fraction,
        max_virial_eV_per_atom=gates.max_virial_eV_per_atom,
        max_net_force_eV_per_angstrom=gates.max_net_force_eV_per_angstrom,
        max_asymmetry_eV_per_angstrom=gates.max_asymmetry_eV_per_angstrom,
        repeats=repeats,
    )


def unlabelled(
    identity: MethodIdentity, gates: Gates, atoms: Atoms, entry: StructureEntry, repeats: str | None = None
) -> LabelDoc:
    """Return the label of a structure without results: rejected, without a reason."""
    return LabelDoc(
        key=label_key(entry.key, identity.key, gates, repeats),
        structure_key=entry.key,
        origin=entry.origin,
        formula=entry.formula,
        method_name=identity.name,
        method_key=identity.key,
        is_surrogate=identity.is_surrogate,
        status="rejected",
        numbers=atoms.numbers.tolist(),
        cell=atoms.cell.tolist(),
        positions=atoms.positions.tolist(),
    )


def label_structure(
    method: ReferenceMethod,
    gates: Gates,
    atoms: Atoms,
    entry: StructureEntry,
    folder: Path | None = None,
    keep: Callable[[Sequence[Path]], ArtifactRef | None] = lambda files: None,
) -> LabelDoc:
    """Label one structure; any failure gives a rejected label with its reason.

    A killed calculation resumes in ``folder``; ``keep`` stores input files and logs.

    Raises
    ------
    WalltimeReachedError
        The walltime was reached; nothing is recorded, and the next launch resumes.
    """
    document = unlabelled(method.identity, gates, atoms, entry)
    started = time.monotonic()

    def rejected(rejection: Rejection, **recorded: object) -> LabelDoc:
        return document.model_copy(
            update={
                "reason": rejection.reason,
                "explanation": rejection.explanation,
                "wall_time_s": time.monotonic() - started,
                **recorded,
            }
        )

    before = gates.before(atoms)
    if before:
        return rejected(before)
    try:
        raw = method.label(atoms, folder)
    except ReferenceMethodError as error:
        return rejected(
            Rejection(error.reason, str(error)),
            corrections=list(error.corrections),
            files=keep(error.files),
        )
    recorded = {
        "is_scf_converged": raw.is_scf_converged,
        "corrections": list(raw.corrections),
        "details": raw.details,
        "files": keep(raw.files),
    }
    after = gates.after(atoms, raw)
    if after:
        return rejected(after, **recorded)
    stress = raw.stress_eV_per_angstrom3
    return document.model_copy(
        update={
            "status": "accepted",
            "energy_eV": raw.energy_eV,
            "forces_eV_per_angstrom": raw.forces_eV_per_angstrom.tolist(),
            "stress_eV_per_angstrom3": None if stress is None else stress.tolist(),
            "wall_time_s": time.monotonic() - started,
            **recorded,
        }
    )


def keep_files(files: Sequence[Path]) -> ArtifactRef | None:
    """Store input files and logs of a label as one artifact."""
    if not files:
        return None
    return current_workspace().artifacts.put_bytes(archive_bytes(files), LABEL_FILES, SUFFIX)


def cached_label(method: ReferenceMethod, gates: Gates, atoms: Atoms, entry: StructureEntry) -> LabelDoc:
    """Return the stored label of a structure, or compute it in its work folder.

    Raises
    ------
    WalltimeReachedError
        The walltime was reached, possibly while another process computed this label.
    """
    workspace = current_workspace()
    key = label_key(entry.key, method.identity.key, gates)
    end = deadline(workspace.settings)
    check_lookup(KIND, key, LabelDoc)
    # a lease takes three writes; without a folder that a killed process left, a stored label needs none
    found = stored_document(KIND, key, LabelDoc)
    if found is not None and not any((workspace.root / "work" / KIND).glob(f"{key}*")):
        return found
    # hold the lease until the label is recorded: another process would write into the folder that is removed here
    with workspace.own_work_folder(KIND, key, lambda: end.check(f"the label of {entry.formula}")) as folder:
        compute = partial(label_structure, method, gates, atoms, entry, folder, keep_files)
        label = cached(KIND, key, LabelDoc, compute)
        shutil.rmtree(folder, ignore_errors=True)
    return label


class LabelledCalculator(Calculator):
    """Return energy, forces and stress from cached labels.

    A deterministic optimiser restarted from the same structure finds its first steps in the ledger and resumes where
    it was killed. Every label passes the gates.

    Raises
    ------
    ReferenceMethodError
        On evaluation, if a label is rejected; its ``reason`` is that of the label.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "forces", "stress"]

    def __init__(self, method: ReferenceMethod, gates: Gates, origin: Origin) -> None:
        super().__init__()
        self.method = method
        self.gates = gates
        self.origin = origin

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] | None = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Return the label of the atoms as results."""
        super().calculate(atoms, properties, system_changes)
        label = cached_label(self.method, self.gates, self.atoms, structure_entry(self.atoms, self.origin))
        if label.status == "rejected":
            raise ReferenceMethodError(
                f"a step of the relaxation was rejected: {label.explanation}",
                reason=label.reason or "rejected",
            )
        self.results = {
            "energy": label.energy_eV,
            "forces": np.asarray(label.forces_eV_per_angstrom),
            "stress": np.asarray(label.stress_eV_per_angstrom3),
        }
