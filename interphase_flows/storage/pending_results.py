"""Results that the database did not take: kept on disk, and handed in later."""

import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from interphase_flows.runtime.atomic_files import write_bytes_atomic

__all__ = ["FOLDER", "forget", "keep", "kept"]

FOLDER = "unrecorded"
"""Below the root of a campaign; a file per result, by kind and key."""

D = TypeVar("D", bound=BaseModel)


def keep(root: Path, kind: str, key: str, document: BaseModel) -> Path:
    """Write a result down beside the database; returns the file."""
    path = _path(root, kind, key)
    write_bytes_atomic(path, document.model_dump_json(indent=1).encode())
    return path


def kept(root: Path, kind: str, key: str, schema: type[D]) -> D | None:
    """Return a result that was kept, or None; a file that another version wrote is left where it is."""
    try:
        return schema.model_validate(json.loads(_path(root, kind, key).read_text()))
    except (FileNotFoundError, ValueError, ValidationError):
        return None


def forget(root: Path, kind: str, key: str) -> None:
    """Remove a result that was handed in."""
    _path(root, kind, key).unlink(missing_ok=True)


def _path(root: Path, kind: str, key: str) -> Path:
    return root / FOLDER / kind / f"{key}.json"
