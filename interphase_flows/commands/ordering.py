"""Order the partly occupied sites of a file: `interphase order`."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from interphase_flows.analysis.transport.settings import charges_of
from interphase_flows.exceptions import InputError
from interphase_flows.schemas.ordering import OrderingRecord
from interphase_flows.structures.crystals.ordering.files import FORMATS, write_record, write_structure
from interphase_flows.structures.crystals.ordering.order import order_crystal
from interphase_flows.structures.crystals.ordering.settings import MOST_ORDERINGS, OrderingSettings


def write_ordering(
    source: Path, target: Path, number: int, charges: str | None, limits: dict[str, Any]
) -> tuple[list[Path], OrderingRecord]:
    """Write the ordered structures and their record to new files; return their paths and the record.

    Raises
    ------
    InputError
        An option is out of range, or the extension is unknown, or a file exists.
    StructureError
        The file cannot be ordered.
    """
    if target.suffix.lower() not in FORMATS:
        raise InputError(f"--to {target}: unknown extension. Hint: name the file *{', *'.join(FORMATS)}")
    if number > MOST_ORDERINGS:
        raise InputError(f"--number {number}: at most {MOST_ORDERINGS} orderings")
    try:
        settings = OrderingSettings(charges=charges_of(charges) if charges else {}, **limits)
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-")
        raise InputError(f"--{option} {first['input']}: {first['msg'].lower()}") from error
    planned = [target.with_stem(f"{target.stem}-{k + 1}") for k in range(number)] if number > 1 else [target]
    record_path = target.with_suffix(".json")
    if exists := [path for path in (*planned, record_path) if path.exists()]:
        raise InputError(f"{exists[0]} exists. Hint: choose another name for --to")
    ordered = order_crystal(source, settings, number)
    paths = planned[: len(ordered.structures)]
    for atoms, path in zip(ordered.structures, paths, strict=True):
        write_structure(atoms, path)
    write_record(ordered.record, record_path)
    return paths, ordered.record
