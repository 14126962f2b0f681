"""Do expensive work once: look it up by its key, else compute it, else continue it.

Every job's body goes through :func:`cached`.  Resuming a campaign, a job launched twice and two
campaigns that share labels are then the same thing: the key is found, and nothing is done again.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

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
from interphase_flows.storage import pending_results as unrecorded
from interphase_flows.storage.workspace import current_workspace

D = TypeVar("D", bound=Document)


_ON_RECORD = "on record as the failure"


def is_on_record(error: BaseException) -> bool:
    """Whether :func:`cached` has written this error down."""
    return any(note.startswith(_ON_RECORD) for note in getattr(error, "__notes__", ()))


def artifact_refs(value: object) -> Iterator[ArtifactRef]:
    """Yield every artifact that a document refers to, however deep."""
    if isinstance(value, ArtifactRef):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from artifact_refs(getattr(value, name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from artifact_refs(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from artifact_refs(item)


def stored_document(kind: str, key: str, schema: type[D]) -> D | None:
    """Return the stored document of a key, if it is there and its artifacts are whole.

    A document whose artifact is damaged is taken out of the ledger, with the reason on record, so
    that the work is done again from its last checkpoint.  Artifacts that are kept for the record alone are not
    looked at: hours of computing are not done again for a log.
    """
    workspace = current_workspace()
    stored = workspace.ledger.get(kind, key) or _hand_in(kind, key, schema)
    if stored is None:
        return None
    document = schema.model_validate({name: stored[name] for name in schema.model_fields if name in stored})
    needed = [getattr(document, name) for name in schema.model_fields if name not in document.for_the_record]
    try:
        for ref in artifact_refs(needed):
            workspace.artifacts.get(ref)
    except CorruptArtifactError as error:
        workspace.ledger.invalidate(kind, key, reason="damaged_artifact")
        emit("mend", 0, 1, f"{error} Its {kind} document is made again")
        return None
    return document


def cached(kind: str, key: str, schema: type[D], compute: Callable[[], D]) -> D:
    """Return the document of a key, computing and recording it if it is not there.

    If another process recorded the same key meanwhile, its document wins and is returned.

    Raises
    ------
    LeaseLostError
        Another process has taken the work over; nothing is recorded, no failure either.
    StorageError
        The database did not take it; it is kept on disk, and recorded by the next call.
    """
    found = stored_document(kind, key, schema)
    if found is not None:
        return found
    workspace = current_workspace()
    ledger = workspace.ledger
    try:
        document = compute()
    except (WalltimeReachedError, LeaseLostError):
        raise  # no failure: the next launch goes on, or another one does
    except Exception as error:
        before_write()  # what fails in a folder that is another's says nothing of the work
        # whatever went wrong must be there to be queried, also when the job's own log is lost
        ledger.record_failure(kind, key, type(error).__name__, {"explanation": str(error)})
        error.add_note(f"{_ON_RECORD} of {kind} {key}")
        raise
    try:
        before_write()
        stored = ledger.put(kind, key, document)
    except DocumentTooLargeError:
        raise
    except StorageError as error:
        try:
            path = unrecorded.keep(workspace.root, kind, key, document)
        except StorageError:
            raise error from None  # a full disk takes neither
        raise StorageError(f"{error}. The result is kept in {path}; the next try hands it in") from error
    return schema.model_validate({name: stored[name] for name in schema.model_fields if name in stored})


def _hand_in(kind: str, key: str, schema: type[D]) -> dict[str, Any] | None:
    """Record a result that an earlier try could not, and return it; None if there is none."""
    workspace = current_workspace()
    if workspace.read_only:
        return None
    document = unrecorded.kept(workspace.root, kind, key, schema)
    if document is None:
        return None
    stored = workspace.ledger.put(kind, key, document)
    unrecorded.forget(workspace.root, kind, key)
    return stored


def cached_exclusive(
    kind: str, key: str, schema: type[D], end: Deadline, what: str, compute: Callable[[Path], D]
) -> D:
    """Like :func:`cached`, for work with checkpoints: no two processes are in its folder at a time.

    A job that a launcher runs twice waits for the other one, and finds its document.

    Parameters
    ----------
    kind, key, schema
        As for :func:`cached`.
    end
        When this process has to end; nothing is begun after it.
    what
        What would be begun, for the message.
    compute
        Takes the work folder.

    Raises
    ------
    WalltimeReachedError
        There is no time left to begin, or to wait.
    LeaseLostError
        Another process has taken the work over.
    """
    found = stored_document(kind, key, schema)
    if found is not None:
        return found
    end.check(what)
    with current_workspace().own_work_folder(kind, key, lambda: end.check(what)) as folder:
        return cached(kind, key, schema, lambda: compute(folder))
