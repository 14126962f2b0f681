"""Open a bundle: store its campaign under the root of this machine.

A bundle may come from anyone. Its files are compared with their checksums before anything is written; documents must have
the fields of their kinds; no name in a document is used as a path outside the folder of the campaign.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from interphase_flows import __version__
from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.stored import stored_specification
from interphase_flows.commands.bundle_export import BUNDLED_KINDS, checked_document
from interphase_flows.exceptions import CorruptStoreError, InputError, StorageError
from interphase_flows.jobs.caching import artifact_refs
from interphase_flows.runtime.file_names import file_in
from interphase_flows.schemas.bundle import (
    ARTIFACTS,
    DOCUMENTS,
    DOCUMENTS_SUFFIX,
    FORMAT_VERSION,
    INPUTS,
    RECORD,
    BundleRecord,
)
from interphase_flows.schemas.campaign import CampaignRecord
from interphase_flows.schemas.document import Document
from interphase_flows.schemas.failure import FailureDoc
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.settings import MongodbSettings, Settings
from interphase_flows.storage.archive import decompressed
from interphase_flows.storage.artifacts import relative_path
from interphase_flows.storage.bundle_files import BundleFiles
from interphase_flows.storage.ledger_backend import JsonDocument
from interphase_flows.storage.ledger_entry import LEDGER_FIELDS, check_size
from interphase_flows.storage.other_campaigns import LEDGER_NAME, one_at_a_time
from interphase_flows.storage.workspace import Workspace, campaign_names

STAGING = ".opening"
"""Folder below the root in which a campaign is complete before it gets its name, which does not start with a dot."""


def open_bundle(path: Path, settings: Settings) -> str:
    """Store the campaign of a bundle under the root, or in the database, of the settings; return its name.

    In the embedded store it appears when it is complete. In MongoDB its record is written last; the same command
    continues after an interruption.

    Raises
    ------
    InputError
        The path is not a bundle, or is of a later version; or there is a campaign of this name.
    StorageError
        A file is damaged, or has content or a name that no bundle contains; or a document does not have the fields of
        its kind in this version.
    """
    with BundleFiles(path) as bundle:
        bundle.verify()
        record = _record(bundle)
        with _named_version(bundle, record):
            state, campaign = _campaign(bundle, record)
        name = campaign.name
        is_shared = isinstance(settings.store, MongodbSettings)
        with one_at_a_time(settings.root, "bundles", name):
            folder = settings.root / name
            # with MongoDB, the folder of an interrupted opening is continued
            if name in campaign_names(settings) or (folder / LEDGER_NAME if is_shared else folder).exists():
                raise InputError(
                    f"{settings.root}: has a campaign {name} already; nothing was opened. Hint: choose another --root"
                )
            root = settings.root if is_shared else settings.root / STAGING
            shutil.rmtree(settings.root / STAGING / name, ignore_errors=True)
            try:
                with Workspace(settings.model_copy(update={"root": root}), name) as workspace:
                    spec = _copy_inputs(bundle, campaign, workspace.root, folder)
                    with _named_version(bundle, record):
                        for kind in BUNDLED_KINDS:
                            _store(bundle, workspace, kind)
                    for failure in _documents(bundle, "failures"):
                        _checked_failure(failure)
                        _insert(workspace, "failures", failure)
                    state["spec"] = spec.model_dump(mode="json")
                    workspace.ledger.set_state("campaigns", name, _without_ledger_fields(state))
                if not is_shared:
                    os.rename(root / name, folder)
            finally:
                shutil.rmtree(settings.root / STAGING / name, ignore_errors=True)
                with contextlib.suppress(OSError):  # missing, or another campaign is being opened
                    (settings.root / STAGING).rmdir()
    return name


def _record(bundle: BundleFiles) -> BundleRecord:
    try:
        record = BundleRecord.model_validate_json(bundle.read(RECORD))
    except ValidationError as error:
        raise StorageError(f"{bundle.path}: {RECORD} is damaged. Hint: copy the bundle again") from error
    if record.format_version != FORMAT_VERSION:
        raise InputError(
            f"{bundle.path}: format {record.format_version}, written by interphase_flows {record.interphase_flows}; this "
            f"version reads format {FORMAT_VERSION}. Hint: install that version"
        )
    return record


@contextmanager
def _named_version(bundle: BundleFiles, record: BundleRecord) -> Iterator[None]:
    """Translate errors of fields that this version does not have."""
    try:
        yield
    except (CorruptStoreError, InputError) as error:
        reason = str(error).partition(" Hint:")[0]
        raise StorageError(
            f"{bundle.path}: written by interphase_flows {record.interphase_flows}, this is {__version__}: {reason} "
            "Hint: open it with the version that wrote it; if that is this one, find out who wrote the bundle"
        ) from error


def _documents(bundle: BundleFiles, kind: str) -> list[JsonDocument]:
    """Return the documents of a kind, with fields of the ledger that are valid here."""
    name = f"{DOCUMENTS}/{kind}{DOCUMENTS_SUFFIX}"
    if name not in bundle.names:
        return []
    subject = f"{bundle.path}: {name}"
    lines = decompressed(bundle.read(name), subject).splitlines()
    try:
        found = [json.loads(line) for line in lines]
    except (ValueError, RecursionError) as error:
        raise StorageError(f"{subject}: not JSON lines: {error}. Hint: copy the bundle again") from error
    for document in found:
        is_valid = isinstance(document, dict) and all(
            isinstance(document.get(field), str) for field in ("key", "campaign", "created_at")
        )
        if not is_valid or document.get("kind") != kind:
            raise StorageError(f"{subject}: a line is not a document of this kind. Hint: find out who wrote the bundle")
    return found


def _campaign(bundle: BundleFiles, record: BundleRecord) -> tuple[JsonDocument, Campaign]:
    """Return the record of the campaign, and the specification in it."""
    try:
        (state,) = _documents(bundle, "campaigns")
        CampaignRecord.model_validate(state)
    except ValueError as error:  # a ValidationError, or not one record
        raise StorageError(
            f"{bundle.path}: the record of the campaign is damaged. Hint: copy the bundle again"
        ) from error
    campaign = stored_specification(state)
    if not campaign.name == record.campaign == state["key"]:
        raise StorageError(f"{bundle.path}: its files name several campaigns. Hint: find out who wrote the bundle")
    return state, campaign


def _copy_inputs(bundle: BundleFiles, campaign: Campaign, folder: Path, final: Path) -> Campaign:
    """Copy the files that the campaign names; return it with their paths in its ``final`` folder."""

    def checked(name: str, parent: Path) -> Path:
        first, *parts = PurePosixPath(name).parts or ("",)
        if first != INPUTS or not parts:
            raise StorageError(
                f"{bundle.path}: the campaign names the file {name[:200]!r}, which is not among the {INPUTS} of the "
                "bundle. Hint: find out who wrote it"
            )
        path = parent / INPUTS
        for part in parts:
            path = file_in(path, part, f"{bundle.path}: part of a name")
        return path

    opened = campaign.with_files(lambda name: str(checked(name, final.absolute())))
    for name in bundle.names:
        if name.startswith(f"{INPUTS}/"):
            path = checked(name, folder)
            path.parent.mkdir(parents=True, exist_ok=True)
            with bundle.open(name) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
    return opened


def _store(bundle: BundleFiles, workspace: Workspace, kind: str) -> None:
    """Store the documents of a kind and their files."""
    names = set(bundle.names)
    for found in _documents(bundle, kind):
        document = checked_document(kind, found)
        _check_references(bundle, document)
        needed = set(artifact_refs(document))
        for ref in artifact_refs(document, for_the_record=True):
            name = f"{ARTIFACTS}/{relative_path(ref)}"
            if name in names or ref in needed:
                with bundle.open(name) as source:
                    workspace.artifacts.put_stream(ref, source)
        _insert(workspace, kind, found)


def _check_references(bundle: BundleFiles, document: Document) -> None:
    """Raise a StorageError if a document refers to a path, or to a compiled graph, which is executable code."""
    has_path = any(ref.path is not None for ref in artifact_refs(document, for_the_record=True))
    compiled = document.compiled if isinstance(document, CommitteeDoc) else None
    if has_path or (compiled is not None and compiled.artifact is not None):
        raise StorageError(
            f"{bundle.path}: document {document.key[:100]!r} refers to a {'path' if has_path else 'compiled graph'}, "
            "which no bundle contains. Hint: find out who wrote it"
        )


def _checked_failure(failure: JsonDocument) -> None:
    try:
        FailureDoc.model_validate(failure)
    except ValidationError as error:
        raise StorageError(
            f"bundle: failure {failure['key'][:100]!r} is damaged. Hint: copy the bundle again"
        ) from error


def _insert(workspace: Workspace, kind: str, document: JsonDocument) -> None:
    """Store a document as one of this campaign; one of its key that exists is kept, and used."""
    # the campaign that computed it may have the name of another one of this database
    entry = document | {"campaign": workspace.campaign, "used_by": [workspace.campaign]}
    check_size(f"bundle: {kind} {document['key'][:100]}", entry)
    if not workspace.ledger.backend.insert(kind, entry):
        workspace.ledger.backend.add_to_list(kind, document["key"], "used_by", workspace.campaign)


def _without_ledger_fields(state: Mapping[str, object]) -> JsonDocument:
    return {name: value for name, value in state.items() if name not in LEDGER_FIELDS}
