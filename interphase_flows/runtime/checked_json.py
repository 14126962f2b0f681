"""Documents in files outside the ledger, with a checksum: a changed digit is valid JSON too."""

import hashlib
import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from interphase_flows.runtime.atomic_files import write_bytes_atomic

_Model = TypeVar("_Model", bound=BaseModel)


def write_checked(path: Path, document: BaseModel) -> None:
    """Write a document as JSON atomically; raises as `atomic_path`."""
    write_bytes_atomic(path, _packed(path, document.model_dump_json(indent=1).encode()))


def read_checked(path: Path, schema: type[_Model]) -> _Model | None:
    """Return the document of a file; None if it is missing, damaged, or written under another name or schema."""
    try:
        content = path.read_bytes()
        if content != _packed(path, content[len(_packed(path, b"")) - 2 : -2]):
            return None
        return schema.model_validate(json.loads(content)["document"])
    except (FileNotFoundError, ValueError):
        return None


def _packed(path: Path, document: bytes) -> bytes:
    digest = hashlib.sha256(path.name.encode() + document).hexdigest()
    return b'{"sha256": "%s", "document": ' % digest.encode() + document + b"}\n"
