"""Compiled graphs that the campaigns of one root share if each has its own ledger.

::

    <root>/.compiled_graphs/
    ├── <key>.json              document
    └── compiled_graphs/        graphs, by content

Campaigns in one database share graphs by the ledger.
"""

from pathlib import Path

from interphase_flows.exceptions import CorruptArtifactError
from interphase_flows.runtime.checked_json import read_checked, write_checked
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
            document = read_checked(self._document(key), CompiledPotentialDoc)
            if document is None or document.artifact is None:
                return None
            return document, self._artifacts.get(document.artifact)
        except CorruptArtifactError:
            return None

    def put(self, document: CompiledPotentialDoc, graph: Path) -> None:
        """Store a document and its graph."""
        assert document.artifact is not None
        self._artifacts.put_file(graph, document.artifact.kind, document.artifact.suffix)
        write_checked(self._document(document.key), document)

    def _document(self, key: str) -> Path:
        return self._folder / f"{key}.json"
