"""Store and load sets of structures."""

from collections.abc import Sequence

from ase import Atoms

from interphase_flows.schemas.structures import StructureEntry, StructureSetDoc
from interphase_flows.storage.workspace import current_workspace
from interphase_flows.structures.npz import pack_structures, unpack_structures
from interphase_flows.structures.structure_keys import structure_key

KIND = "structure_sets"


def store_set(
    key: str,
    name: str,
    frames: Sequence[Atoms],
    origins: Sequence[str],
    details: dict[str, dict[str, float | int | str]] | None = None,
    notes: Sequence[str] = (),
    wall_time_s: float = 0.0,
) -> StructureSetDoc:
    """Write a set of structures as an artifact and return its document (not yet in the ledger).

    ``wall_time_s`` is what its dynamics cost in the process that finished it.
    """
    artifact = current_workspace().artifacts.put_bytes(pack_structures(frames), "structures", ".npz")
    entries = [
        StructureEntry(
            key=structure_key(frame), origin=origin, formula=frame.get_chemical_formula(), n_atoms=len(frame)
        )
        for frame, origin in zip(frames, origins, strict=True)
    ]
    return StructureSetDoc(
        key=key,
        name=name,
        artifact=artifact,
        entries=entries,
        details=details or {},
        notes=list(notes),
        wall_time_s=wall_time_s,
    )


def load_set(document: StructureSetDoc) -> list[Atoms]:
    """Return the structures of a set; each knows its ``origin`` and ``structure_key``."""
    path = current_workspace().artifacts.get(document.artifact)
    frames = unpack_structures(path.read_bytes())
    for frame, entry in zip(frames, document.entries, strict=True):
        frame.info.update(origin=entry.origin, structure_key=entry.key)
    return frames


def part_of_set(document: StructureSetDoc, indices: Sequence[int]) -> StructureSetDoc:
    """Return some structures of a set as a set of their own, with the same key.

    For a job that needs no others: the whole set in every one of hundreds of jobs is more than a database takes.
    """
    store = current_workspace().artifacts
    frames = unpack_structures(store.get(document.artifact).read_bytes())
    packed = pack_structures([frames[index] for index in indices])
    return document.model_copy(
        update={
            "artifact": store.put_bytes(packed, "structures", ".npz"),
            "entries": [document.entries[index] for index in indices],
            "details": {},
            "notes": [],
        }
    )
