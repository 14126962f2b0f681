"""Ordered structures as files, each with a record of how it was ordered."""

import hashlib
from pathlib import Path

from ase import Atoms
from ase.io import write

from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import StructureError
from interphase_flows.runtime.atomic_files import atomic_path, write_bytes_atomic
from interphase_flows.schemas.ordering import OrderingRecord
from interphase_flows.structures.crystals.ordering.order import METHOD_VERSION, order_crystal
from interphase_flows.structures.crystals.ordering.settings import ORDERED_SUFFIX, OrderingSettings

FORMATS = {".cif": "cif", ".vasp": "vasp", ".extxyz": "extxyz"}


def write_structure(atoms: Atoms, path: Path) -> None:
    """Write a structure in the format of the file's extension."""
    with atomic_path(path) as temporary:
        write(temporary, atoms, format=FORMATS[path.suffix.lower()])


def write_record(record: OrderingRecord, path: Path) -> None:
    """Write the record of an ordering as JSON."""
    write_bytes_atomic(path, (record.model_dump_json(indent=1) + "\n").encode())


def ordered_file(source: Path, settings: OrderingSettings, folder: Path, name: str) -> Path:
    """Return the ordered structure of a CIF, written to a folder unless an earlier call with these inputs did.

    A record with the extension ``.json`` lies beside it.

    Raises
    ------
    StructureError
        The crystal cannot be ordered, or has fewer different orderings than the rank of the settings.
    StorageError
        The folder cannot be written.
    """
    try:
        content = hashlib.sha256(source.read_bytes()).hexdigest()
    except OSError as error:
        raise StructureError(
            f"{source}: cannot be read ({error.strerror}). Hint: give the path of a CIF file"
        ) from error
    key = content_key("ordering", content=content, settings=settings, version=METHOD_VERSION)
    path = folder / f"{''.join(c if c.isalnum() else '_' for c in name)[:60]}-{key[:10]}{ORDERED_SUFFIX}"
    record_path = path.with_suffix(".json")
    if path.exists() and record_path.exists():
        return path
    ordered = order_crystal(source, settings, settings.rank)
    if len(ordered.structures) < settings.rank:
        raise StructureError(
            f"{source}: only {len(ordered.structures)} different orderings were found. Hint: lower the rank"
        )
    write_structure(ordered.structures[settings.rank - 1], path)
    write_record(ordered.record, record_path)
    return path
