"""Storage of a job that runs without a campaign: files below its folder, and a ledger that stores nothing.

A job of another flow (`run_locally`, FireWorks) then computes every time, and its document refers to
files by their path, so that the next job finds them from another folder.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel

from interphase_flows.exceptions import CorruptArtifactError
from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.settings import Settings
from interphase_flows.storage.artifacts import ArtifactStore
from interphase_flows.storage.ledger import Ledger
from interphase_flows.storage.ledger_backend import Criteria, DocumentChange, JsonDocument, SortOrder

logger = logging.getLogger(__name__)


class JobFolder:
    """The folder in which a job runs; jobs use it like a `Workspace`."""

    read_only = False
    shares_documents = False
    others = None

    def __init__(self, root: Path, settings: Settings):
        self.root = root
        self.settings = settings
        self.ledger = EmptyLedger()
        self.artifacts = FolderArtifacts(root / "artifacts")

    @contextmanager
    def own_work_folder(self, kind: str, key: str, while_waiting: Callable[[], None] = lambda: None) -> Iterator[Path]:
        """Return the folder for checkpoints of a result; no other job uses it, so there is no lease."""
        folder = self.root / "work" / kind / key
        folder.mkdir(parents=True, exist_ok=True)
        yield folder


class FolderArtifacts(ArtifactStore):
    """Artifacts below the folder of a job; references contain the path."""

    def put_file(self, path: str | Path, kind: str, suffix: str | None = None) -> ArtifactRef:
        """Store a copy of a file and return a reference with its path; see `ArtifactStore`."""
        return self._with_path(super().put_file(path, kind, suffix))

    def put_bytes(self, data: bytes, kind: str, suffix: str = "") -> ArtifactRef:
        """Store bytes and return a reference with their path; see `ArtifactStore`."""
        return self._with_path(super().put_bytes(data, kind, suffix))

    def get(self, ref: ArtifactRef) -> Path:
        """Return the path of the file, also in the folder of another job, verified against its hash.

        Raises
        ------
        CorruptArtifactError
            The file is missing, damaged, or stored by a campaign.
        """
        path = self.local_path(ref) if ref.path is None else Path(ref.path)
        if not path.exists():
            where = (
                f"{path}: missing" if ref.path else f"artifact of {ref.kind!r} {ref.sha256[:12]}...: not below {path}"
            )
            raise CorruptArtifactError(
                f"{where}. Hint: keep the folders of earlier jobs; for files of a campaign, set INTERPHASE_CAMPAIGN and "
                "INTERPHASE_ROOT, or run inside use_workspace()"
            )
        if not self._is_intact(path, ref):
            raise CorruptArtifactError(
                f"{path}: damaged (its hash is not the recorded {ref.sha256[:12]}...). Hint: run the job that wrote it "
                "again"
            )
        return path

    def _with_path(self, ref: ArtifactRef) -> ArtifactRef:
        return ref.model_copy(update={"path": str(self.local_path(ref))})


class EmptyLedger(Ledger):
    """A ledger that stores nothing: every result is computed, and failures are logged."""

    def __init__(self) -> None:
        super().__init__(_NoDocuments())

    def put(self, kind: str, key: str, document: JsonDocument | BaseModel) -> JsonDocument:
        """Return the document."""
        return dict(document)

    def record_failure(self, kind: str, key: str, reason: str, details: JsonDocument | None = None) -> JsonDocument:
        """Log a failure."""
        explanation = (details or {}).get("explanation", "")
        logger.warning("%s %s: %s: %s", kind, key, reason, explanation)
        return {"reason": reason, "details": details or {}}


class _NoDocuments:
    """Ledger backend without documents."""

    def find(
        self, kind: str, criteria: Criteria, fields: Sequence[str] | None, sort: SortOrder, limit: int
    ) -> list[JsonDocument]:
        return []

    def count(self, kind: str, criteria: Criteria) -> int:
        return 0

    def insert(self, kind: str, document: JsonDocument) -> bool:
        return True

    def modify(self, kind: str, key: str, change: DocumentChange) -> JsonDocument:
        return change(None)

    def add_to_list(self, kind: str, key: str, field: str, value: str) -> None:
        pass

    def remove(self, kind: str, criteria: Criteria) -> None:
        pass

    def close(self) -> None:
        pass
