"""Results that the database did not accept: stored on disk, and recorded by a later attempt."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from interphase_flows.runtime.checked_json import read_checked, write_checked
from interphase_flows.runtime.progress import emit

FOLDER = "pending_results"
"""Folder below that of the campaign; one file per result, by kind and key."""

_Model = TypeVar("_Model", bound=BaseModel)


def save_pending(root: Path, kind: str, key: str, document: BaseModel) -> Path:
    """Write a result to the folder of a campaign, and return the file."""
    path = _path(root, kind, key)
    write_checked(path, document)
    return path


def load_pending(root: Path, kind: str, key: str, schema: type[_Model]) -> _Model | None:
    """Return a pending result; None if there is none, or if it is damaged or of another version of the package.

    The file of the latter is renamed, and reported.
    """
    path = _path(root, kind, key)
    document = read_checked(path, schema)
    if document is None and path.exists():
        aside = path.rename(path.with_suffix(".corrupt"))
        emit("repair", 0, 1, f"{path}: damaged, or written by another version; moved to {aside.name}; computed again")
    return document


def delete_pending(root: Path, kind: str, key: str) -> None:
    """Delete a pending result after it is recorded."""
    _path(root, kind, key).unlink(missing_ok=True)


def _path(root: Path, kind: str, key: str) -> Path:
    return root / FOLDER / kind / f"{key}.json"
