"""Compiled graphs that the campaigns of one root share if each has its own ledger.

::

    <root>/.compiled_graphs/
    ├── <key>.json              document
    └── compiled_graphs/        graphs, by content

Campaigns in one database share graphs by the ledger.
"""

from pathlib import Path

from pydantic import ValidationError

from interphase_flows.exceptions import CorruptArtifactError
from interphase_flows.runtime.atomic_files import write_bytes_atomic
from interphase_flows.schemas.compiled_potential import CompiledPotentialDoc
from interphase_flows.storage.artifacts import ArtifactStore

FOLDER = ".compiled_graphs"
"""Folder below the root; the name of a campaign does not start with a dot."""


class SharedGraphs:
    """Compiled graphs by the key of their document."""

    def __init__(self, root: Path) -> None:
        self._folder = root / FOLDER
        self._artifacts = ArtifactStore(self._folder)

    def get(self, key: str) -> tuple[CompiledPotentialDoc, Path] | None:
        """Return a document and its graph; None if there is none. A damaged graph is moved to the quarantine."""
        try:
            document = CompiledPotentialDoc.model_validate_json(self._document(key).read_bytes())
            return None if document.artifact is None else (document, self._artifacts.get(document.artifact))
        except (FileNotFoundError, ValidationError, CorruptArtifactError):
            return None

    def put(self, document: CompiledPotentialDoc, graph: Path) -> None:
        """Store a document and its graph."""
        assert document.artifact is not None
        self._artifacts.put_file(graph, document.artifact.kind, document.artifact.suffix)
        write_bytes_atomic(self._document(document.key), document.model_dump_json(indent=1).encode())

    def _document(self, key: str) -> Path:
        return self._folder / f"{key}.json"
