"""Results that the database did not accept: stored on disk, and recorded by a later attempt."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from interphase_flows.runtime.atomic_files import write_bytes_atomic

FOLDER = "pending_results"
"""Folder below that of the campaign; one file per result, by kind and key."""

_Model = TypeVar("_Model", bound=BaseModel)


def save_pending(root: Path, kind: str, key: str, document: BaseModel) -> Path:
    """Write a result to the folder of a campaign, and return the file."""
    path = _path(root, kind, key)
    write_bytes_atomic(path, document.model_dump_json(indent=1).encode())
    return path


def load_pending(root: Path, kind: str, key: str, schema: type[_Model]) -> _Model | None:
    """Return a pending result; None if there is none, or another version of the package wrote it."""
    try:
        return schema.model_validate_json(_path(root, kind, key).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def delete_pending(root: Path, kind: str, key: str) -> None:
    """Delete a pending result after it is recorded."""
    _path(root, kind, key).unlink(missing_ok=True)


def _path(root: Path, kind: str, key: str) -> Path:
    return root / FOLDER / kind / f"{key}.json"
