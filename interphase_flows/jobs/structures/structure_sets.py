"""Store and load sets of structures."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias, Union

from ase import Atoms

from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import InputError
from interphase_flows.jobs.inputs import as_atoms, is_structure
from interphase_flows.schemas.origin import Origin
from interphase_flows.schemas.structures import StructureEntry, StructureSetDoc
from interphase_flows.storage.workspace import current_workspace
from interphase_flows.structures.npz import pack_structures, unpack_structures
from interphase_flows.structures.structure_keys import structure_key

if TYPE_CHECKING:
    from pymatgen.core import Structure

KIND = "structure_sets"
Structures: TypeAlias = Union[StructureSetDoc, Atoms, "Structure", Sequence[Union[Atoms, "Structure"]]]
"""A set of structures, one structure, or several."""
GIVEN = "given"
"""Family of the origins of structures that a user gives without one."""


def store_set(
    key: str,
    name: str,
    frames: Sequence[Atoms],
    origins: Sequence[Origin],
    details: dict[str, dict[str, float | int | str]] | None = None,
    notes: Sequence[str] = (),
    wall_time_s: float = 0.0,
) -> StructureSetDoc:
    """Store structures as one artifact and return their document (not yet in the ledger).

    ``details`` are properties of single structures, by structure key or origin; ``wall_time_s`` is the time that
    dynamics took in the process that finished the set.
    """
    artifact = current_workspace().artifacts.put_bytes(pack_structures(frames), "structures", ".npz")
    entries = [structure_entry(frame, origin) for frame, origin in zip(frames, origins, strict=True)]
    return StructureSetDoc(
        key=key,
        name=name,
        artifact=artifact,
        entries=entries,
        details=details or {},
        notes=list(notes),
        wall_time_s=wall_time_s,
    )


def as_set(structures: Structures) -> StructureSetDoc:
    """Return structures as a set; each one without ``info["origin"]`` has a separate origin.

    Raises
    ------
    InputError
        A structure is not periodic.
    """
    if isinstance(structures, StructureSetDoc):
        return structures
    frames = [as_atoms(each) for each in ([structures] if is_structure(structures) else structures)]
    for index, frame in enumerate(frames):
        if not frame.pbc.all():
            raise InputError(
                f"structure {index} ({frame.get_chemical_formula()}) is not periodic in three directions. Hint: set "
                "atoms.cell and atoms.pbc"
            )
    keys = [structure_key(frame) for frame in frames]
    origins = [
        Origin(frame.info["origin"]) if "origin" in frame.info else Origin.of(GIVEN, key[:12])
        for frame, key in zip(frames, keys, strict=True)
    ]
    key = content_key(KIND, generator=GIVEN, structures=keys, origins=origins)
    return store_set(key, "given structures", frames, origins)


def structure_entry(atoms: Atoms, origin: Origin) -> StructureEntry:
    """Return the entry of a structure in a set or a label."""
    return StructureEntry(
        key=structure_key(atoms), origin=origin, formula=atoms.get_chemical_formula(), n_atoms=len(atoms)
    )


def load_set(document: StructureSetDoc) -> list[Atoms]:
    """Return the structures of a set, with ``origin`` and ``structure_key`` in ``Atoms.info``."""
    path = current_workspace().artifacts.get(document.artifact)
    frames = unpack_structures(path.read_bytes())
    if document.subset is not None:
        frames = [frames[index] for index in document.subset]
    for frame, entry in zip(frames, document.entries, strict=True):
        frame.info.update(origin=entry.origin, structure_key=entry.key)
    return frames


def part_of_set(document: StructureSetDoc, indices: Sequence[int]) -> StructureSetDoc:
    """Return some structures of a set as a smaller set with the same key and artifact, to pass to a job.

    All entries of the set in each of hundreds of jobs would exceed the size limits of the database.
    """
    places = range(len(document.entries)) if document.subset is None else document.subset
    return document.model_copy(
        update={
            "subset": [places[index] for index in indices],
            "entries": [document.entries[index] for index in indices],
            "details": {},
            "notes": [],
        }
    )
