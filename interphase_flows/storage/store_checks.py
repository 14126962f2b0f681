"""Checks of a campaign's stores before they are used."""

from pathlib import Path

from interphase_flows.exceptions import CorruptStoreError, StorageError
from interphase_flows.runtime.progress import emit
from interphase_flows.settings import MongodbSettings
from interphase_flows.storage.artifacts import ArtifactStore
from interphase_flows.storage.ledger import Ledger
from interphase_flows.storage.other_campaigns import LEDGER_NAME
from interphase_flows.storage.sqlite_backend import RECOVERY_HINT

MIN_LEDGER_BYTES = 512
"""Smallest page of SQLite, which reads a shorter file as an empty database."""


def check_artifact_store(store: MongodbSettings, ledger: Ledger, artifacts: ArtifactStore) -> None:
    """Check that the artifact store is the one to which the documents of a shared database refer.

    A machine with another artifact store would find the artifact of every document missing, and discard the document.

    Raises
    ------
    StorageError
        The database was first used with another artifact store, which the message names, or its document on the
        artifact store is damaged.
    """
    mine = {"identity": artifacts.identity(), "root_url": artifacts.root_url}
    first = ledger.claim("artifacts", mine)
    identity, root_url = (first.get(name) for name in mine)
    if not isinstance(identity, str) or not isinstance(root_url, str):
        raise StorageError(
            f"database {store.database!r}: the document artifacts of the kind progress is damaged, and names no "
            f"artifact store. Hint: restore it, or remove it if {mine['root_url']} is that of the database"
        )
    if identity != mine["identity"] and root_url == mine["root_url"]:
        raise StorageError(
            f"{root_url}/identity: contains {mine['identity']}, but database {store.database!r} records {identity}: "
            "the file is damaged, or this is another folder (replaced, or not mounted). Hint: restore or mount the "
            "folder; if only this file is damaged, write the recorded identifier into it"
        )
    if identity != mine["identity"]:
        raise StorageError(
            f"artifacts_url: {mine['root_url']} is not the artifact store to which the documents of database "
            f"{store.database!r} refer; that was first {root_url}. Hint: set artifacts_url in the settings "
            "to its path on this machine, or store.database to a new database"
        )


def check_embedded_ledger(root: Path, campaign: str, ledger: Ledger, read_only: bool) -> None:
    """Check the file of an embedded ledger before anything is written.

    Raises
    ------
    CorruptStoreError
        It is damaged, empty or missing although there are artifacts, or that of another campaign. A writer only
        reports a missing one.
    """
    path = root / LEDGER_NAME
    is_missing = not path.exists()
    if (is_missing or path.stat().st_size < MIN_LEDGER_BYTES) and any((root / "artifacts").glob("*/??/*")):
        problem = f"{path}: the document store is {'missing' if is_missing else 'damaged (it is empty or cut off)'}"
        if not is_missing or read_only:
            raise CorruptStoreError(f"{problem}. {RECOVERY_HINT}")
        emit("repair", 0, 1, f"{problem}: all results are computed again")
    names = [document["key"] for document in ledger.find("campaigns", properties=["key"])]
    if names and campaign not in names:
        raise CorruptStoreError(
            f"{path}: the document store is that of campaign {names[0]}, not of {campaign}. {RECOVERY_HINT}"
        )
