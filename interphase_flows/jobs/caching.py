"""Cache of job results: return a stored document by its key, or compute it, from a checkpoint if there is one.

The body of every job calls :func:`cached` or :func:`cached_exclusive`. When a
campaign is resumed, a job is launched twice or campaigns share labels, the key is found and nothing is computed again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

from jobflow import Maker
from pydantic import BaseModel, ValidationError

from interphase_flows.exceptions import (
    CorruptArtifactError,
    DocumentTooLargeError,
    LeaseLostError,
    StorageError,
    WalltimeReachedError,
)
from interphase_flows.runtime.fencing import before_write
from interphase_flows.runtime.progress import emit
from interphase_flows.runtime.walltime import Deadline
from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.schemas.document import Document
from interphase_flows.storage.ledger import INVALIDATED
from interphase_flows.storage.ledger_backend import JsonDocument
from interphase_flows.storage.ledger_entry import invalid_document
from interphase_flows.storage.pending_results import delete_pending, load_pending, save_pending
from interphase_flows.storage.workspace import current_workspace

D = TypeVar("D", bound=Document)

_RECORDED = "recorded as the failure"
_is_lookup: ContextVar[bool] = ContextVar("is_lookup", default=False)


class NotStoredError(BaseException):
    """Work would begin in a block of :func:`lookups_only`; no job and no step handles it."""


@contextmanager
def lookups_only() -> Iterator[None]:
    """Let jobs return stored results in the block; where work would begin, NotStoredError is raised."""
    token = _is_lookup.set(True)
    try:
        yield
    finally:
        _is_lookup.reset(token)


def begin_work() -> None:
    """Raise NotStoredError in a block of :func:`lookups_only`, in a job whose keys are known after its work only."""
    if _is_lookup.get():
        raise NotStoredError


def check_lookup(kind: str, key: str, schema: type[D]) -> None:
    """Raise NotStoredError in a block of :func:`lookups_only` if there is no document: a lookup waits for no lease."""
    if _is_lookup.get() and stored_document(kind, key, schema) is None:
        raise NotStoredError


def settings_of(maker: Maker) -> JsonDocument:
    """Return the fields of a Maker that enter a content key: all but its name and the paths of structure files."""
    excluded = ("name", "structure_files")
    return {f.name: getattr(maker, f.name) for f in fields(maker) if f.name not in excluded}


def is_recorded(error: BaseException) -> bool:
    """Return whether :func:`cached` has recorded this error in the ledger."""
    return any(note.startswith(_RECORDED) for note in getattr(error, "__notes__", ()))


def artifact_refs(value: object, for_the_record: bool = False) -> Iterator[ArtifactRef]:
    """Yield every artifact that a document refers to at any depth, by default without those that no computation reads."""
    if isinstance(value, ArtifactRef):
        yield value
    elif isinstance(value, BaseModel):
        skipped = value.for_the_record if isinstance(value, Document) and not for_the_record else ()
        for name in type(value).model_fields:
            if name not in skipped:
                yield from artifact_refs(getattr(value, name), for_the_record)
    elif isinstance(value, dict):
        for item in value.values():
            yield from artifact_refs(item, for_the_record)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from artifact_refs(item, for_the_record)


def stored_document(kind: str, key: str, schema: type[D]) -> D | None:
    """Return the stored document of a key, or None if it is missing, invalid, or one of its artifacts is damaged.

    A document with other fields than its schema, or with a damaged artifact, is removed from the ledger and the reason
    is recorded, so that the work is repeated from its last checkpoint. Artifacts that no computation reads (logs) are
    not checked.
    """
    workspace = current_workspace()
    stored = workspace.ledger.get(kind, key) or _commit_pending(kind, key, schema) or _copied(kind, key, schema)
    if stored is None:
        return None
    try:
        document = _validated(schema, stored)
    except ValidationError as error:
        workspace.ledger.invalidate(kind, key, reason="invalid_document")
        emit("repair", 0, 1, f"{invalid_document(kind, key, error)} The {kind} document is recomputed")
        return None
    try:
        for ref in artifact_refs(document):
            workspace.artifacts.get(ref)
    except CorruptArtifactError as error:
        workspace.ledger.invalidate(kind, key, reason="damaged_artifact")
        emit("repair", 0, 1, f"{error} The {kind} document is recomputed")
        return None
    if not workspace.read_only:
        workspace.ledger.mark_used(kind, stored)
    return document


def cached(kind: str, key: str, schema: type[D], compute: Callable[[], D]) -> D:
    """Return the document of a key; compute and record it if the ledger has none.

    If another process records the same key first, its document is returned.

    Raises
    ------
    LeaseLostError
        Another process has taken the work over; neither a result nor a failure is recorded.
    StorageError
        The database did not accept the document; it is stored on disk and committed by the next call.
    """
    found = stored_document(kind, key, schema)
    if found is not None:
        return found
    begin_work()
    workspace = current_workspace()
    ledger = workspace.ledger
    try:
        document = compute()
    except (WalltimeReachedError, LeaseLostError):
        raise  # not a failure: the next launch or another process continues
    except Exception as error:
        before_write()  # an error in a folder that another process owns is not a failure of the work
        # every failure must be queryable, also when the log of the job is lost
        ledger.record_failure(kind, key, type(error).__name__, {"explanation": str(error)})
        error.add_note(f"{_RECORDED} of {kind} {key}")
        raise
    try:
        before_write()
        stored = ledger.put(kind, key, document)
    except DocumentTooLargeError:
        raise
    except StorageError as error:
        try:
            path = save_pending(workspace.root, kind, key, document)
        except StorageError:
            raise error from None  # a full disk accepts neither
        raise StorageError(f"{error}. The result is stored in {path}; the next attempt commits it") from error
    return _validated(schema, stored)


def cached_exclusive(
    kind: str, key: str, schema: type[D], end: Deadline, label: str, compute: Callable[[Path], D]
) -> D:
    """Like :func:`cached`, for work with checkpoints: hold the lease of its work folder meanwhile.

    A job that is launched twice waits for the other process, then finds its document. ``compute`` is called with the
    work folder; ``label`` names the work in the message.

    Raises
    ------
    WalltimeReachedError
        No time is left to start, or to wait.
    LeaseLostError
        Another process has taken the work over.
    """
    found = stored_document(kind, key, schema)
    if found is not None:
        return found
    if _is_lookup.get():
        raise NotStoredError
    end.check(label)
    with current_workspace().own_work_folder(kind, key, lambda: end.check(label)) as folder:
        return cached(kind, key, schema, lambda: compute(folder))


def _validated(schema: type[D], stored: dict[str, object]) -> D:
    """Return a stored document as its schema; fields that the ledger adds are dropped."""
    return schema.model_validate({name: stored[name] for name in schema.model_fields if name in stored})


def _commit_pending(kind: str, key: str, schema: type[D]) -> dict[str, object] | None:
    """Record the result that an earlier attempt could not, and return it; None if there is none."""
    workspace = current_workspace()
    if workspace.read_only:
        return None
    document = load_pending(workspace.root, kind, key, schema)
    if document is None:
        return None
    stored = workspace.ledger.put(kind, key, document)
    delete_pending(workspace.root, kind, key)
    return stored


def _copied(kind: str, key: str, schema: type[D]) -> JsonDocument | None:
    """Copy the intact result of another campaign under the root, with its artifacts; None if there is none."""
    workspace = current_workspace()
    others = workspace.others
    if others is None or workspace.read_only:
        return None
    for found, artifacts in others.documents(kind, key):
        try:
            document = _validated(schema, found)
        except ValidationError:
            continue
        needed = list(artifact_refs(document))
        if _was_invalidated(kind, found) or not all(workspace.artifacts.copy_from(artifacts, ref) for ref in needed):
            continue
        for ref in artifact_refs(document, for_the_record=True):
            workspace.artifacts.copy_from(artifacts, ref)
        return workspace.ledger.add_copy(kind, found)
    return None


def _was_invalidated(kind: str, found: JsonDocument) -> bool:
    """Return whether this campaign has removed the same document, or a label rejected like it, to compute it again."""
    failure = current_workspace().ledger.failure(kind, found["key"]) or {}
    removed = (failure.get("details") or {}).get(INVALIDATED) or {}
    if removed.get("status") == found.get("status") == "rejected":  # at a retry in the other campaign, too
        return True
    return "created_at" in removed and removed["created_at"] == found.get("created_at")
