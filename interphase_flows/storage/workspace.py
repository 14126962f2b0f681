"""Workspace of a campaign: ledger, artifacts, job store and work folders.

::

    <root>/<campaign>/
    ├── ledger.sqlite      results (embedded store only)
    ├── artifacts/         files, by content
    ├── work/<kind>/<key>/ checkpoints of unfinished work
    ├── pending_results/   results that the database did not accept
    ├── report/
    └── campaign.lock      the process that runs it from here

Campaigns of a root reuse results of each other by copies, see `storage.other_campaigns`. With MongoDB, the ledger and the
job store are in the database, and the artifacts to which its documents refer are in ``<root>/artifacts``; all campaigns
share them.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from interphase_flows.exceptions import InputError, StorageError
from interphase_flows.runtime.atomic_files import sweep_leftovers
from interphase_flows.settings import MongodbSettings, Settings, load_settings
from interphase_flows.storage.artifacts import ArtifactStore
from interphase_flows.storage.document_check import UNREADABLE, damaged_document
from interphase_flows.storage.job_folder import JobFolder
from interphase_flows.storage.leases import leased_folder, remove_dead_leases
from interphase_flows.storage.ledger import Ledger, of_campaign
from interphase_flows.storage.ledger_backend import Criteria, JsonDocument
from interphase_flows.storage.lock import LOCK_NAME, CampaignLock
from interphase_flows.storage.other_campaigns import LEDGER_NAME, OtherCampaigns, one_at_a_time
from interphase_flows.storage.store_checks import check_artifact_store, check_embedded_ledger

if TYPE_CHECKING:
    from jobflow import JobStore

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class Workspace:
    """Everything that one campaign stores; a context manager that holds the campaign's lock.

    Outside a ``with`` block it holds no lock: readers, and jobs run by FireWorks, use it like that. A read-only one
    takes none.

    Raises
    ------
    InputError
        The name is not valid as a folder name.
    """

    shares_documents = True
    """Whether other jobs find in the ledger what a job has recorded."""

    def __init__(self, settings: Settings, campaign: str, read_only: bool = False):
        if not _NAME.fullmatch(campaign):
            raise InputError(
                f"campaign name {campaign!r}: not valid. Hint: use at most 100 letters, digits, '_', '.' and '-', "
                "starting with a letter or digit"
            )
        self.settings = settings
        self.campaign = campaign
        self.read_only = read_only
        self.root = settings.root / campaign
        self._lock: CampaignLock | None = None

    @cached_property
    def ledger(self) -> Ledger:
        """Results by content key."""
        if isinstance(self.settings.store, MongodbSettings):
            return Ledger.in_mongodb(self.settings.store, self.campaign, self.read_only)
        return Ledger.embedded(self.root / LEDGER_NAME, self.campaign, self.read_only)

    @cached_property
    def others(self) -> OtherCampaigns | None:
        """Other campaigns whose results are copied; None in a database, where all campaigns have one ledger."""
        if isinstance(self.settings.store, MongodbSettings):
            return None
        return OtherCampaigns(self.settings.root, self.campaign, self.settings.artifacts_url)

    @cached_property
    def artifacts(self) -> ArtifactStore:
        """Files by content."""
        if self.settings.artifacts_url is not None:
            return ArtifactStore(self.settings.artifacts_url, self.root / "cache")
        # campaigns that share a ledger must share the files to which it refers
        is_shared = isinstance(self.settings.store, MongodbSettings)
        return ArtifactStore((self.settings.root if is_shared else self.root) / "artifacts")

    def check_artifacts(self) -> None:
        """Check the artifacts of a shared database, see `store_checks.check_artifact_store`."""
        if isinstance(self.settings.store, MongodbSettings):
            check_artifact_store(self.settings.store, self.ledger, self.artifacts)

    def check_ledger(self) -> None:
        """Check an embedded ledger before anything is written, see `store_checks.check_embedded_ledger`."""
        if not isinstance(self.settings.store, MongodbSettings):
            check_embedded_ledger(self.root, self.campaign, self.ledger, self.read_only)

    @property
    def own(self) -> JsonDocument:
        """Criteria of the documents that this campaign uses: campaigns share results."""
        return of_campaign(self.campaign)

    def find_shared(self, kind: str, criteria: Criteria, fields: Sequence[str] | None = None) -> list[JsonDocument]:
        """Return matching documents of all campaigns whose results this one reuses."""
        of_others = [] if self.others is None else self.others.find(kind, criteria, fields)
        return [*self.ledger.find(kind, criteria, fields), *of_others]

    @property
    def report_folder(self) -> Path:
        """Folder of the report."""
        return self.root / "report"

    def work_folder(self, kind: str, key: str) -> Path:
        """Return the folder for checkpoints of a result; created if missing."""
        for part in (kind, key):
            if not _NAME.fullmatch(part):
                raise StorageError(
                    f"work folder {kind!r}/{key!r}: {part!r} is not a valid folder name. Hint: use a content key"
                )
        folder = self.root / "work" / kind / key
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextmanager
    def own_work_folder(self, kind: str, key: str, while_waiting: Callable[[], None] = lambda: None) -> Iterator[Path]:
        """Lease a work folder exclusively, with the checkpoints of earlier owners; see `storage.leases`.

        ``while_waiting`` is called at every poll while another process holds the folder; an exception ends the wait.

        Raises
        ------
        LeaseLostError
            At a write: another process has taken over the work.
        """
        parent = self.work_folder(kind, key).parent
        lease_s = self.settings.cluster.lease_s
        turn = nullcontext() if self.others is None else one_at_a_time(self.settings.root, kind, key, while_waiting)
        with leased_folder(self.ledger, parent, kind, key, lease_s, while_waiting) as folder, turn:
            yield folder

    def job_store(self) -> "JobStore":
        """Return jobflow's store of outputs, not connected; large outputs go to its store ``data``.

        With the embedded store it is in memory: a resumed campaign builds a new flow, whose jobs find their results in
        the ledger.
        """
        from jobflow import JobStore  # takes a second to import, which readers do not need
        from maggma.stores import MemoryStore

        if isinstance(self.settings.store, MongodbSettings):
            from interphase_flows.storage.mongodb_store import MongodbStore

            jobs = MongodbStore("interphase_jobs", "uuid", self.settings.store, self.read_only)
            data = MongodbStore("interphase_job_data", "blob_uuid", self.settings.store, self.read_only)
            return JobStore(jobs, additional_stores={"data": data})
        return JobStore(MemoryStore(), additional_stores={"data": MemoryStore(key="blob_uuid")})

    def open_job_store(self) -> "JobStore":
        """Return jobflow's store of outputs, connected and indexed by the keys to which references resolve.

        jobflow creates no index: without one, each lookup reads the outputs of all jobs.
        """
        store = self.job_store()
        store.connect()
        for outputs in (store.docs_store, *store.additional_stores.values()):
            outputs.ensure_index(outputs.key)
        return store

    def close(self) -> None:
        """Close the ledger and release the lock."""
        self.ledger.close()
        if self.others is not None:
            self.others.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @property
    def is_here(self) -> bool:
        """Whether this campaign was run from this root; with MongoDB, it may have been run from another."""
        return (self.root / LOCK_NAME).exists()

    def __enter__(self) -> Self:
        # also with MongoDB: processes may share a database, but not the checkpoints of one folder
        if not self.read_only:
            self._lock = CampaignLock(self.root).acquire()
            try:
                self.check_ledger()
                self.check_artifacts()
            except BaseException:
                self.close()
                raise
            # under the lock no other process writes: temporary files belong to killed processes
            sweep_leftovers(self.root)
            remove_dead_leases(self.ledger, self.root / "work")
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Close; raise a `CorruptStoreError` that names the document if a reader failed on a damaged one."""
        try:
            if isinstance(error, UNREADABLE) and (damaged := damaged_document(self.ledger)) is not None:
                raise damaged from error
        finally:
            self.close()


_current: ContextVar[Workspace | None] = ContextVar("interphase_workspace", default=None)
_by_settings: dict[tuple[str, str], Workspace] = {}


def open_workspace(settings: Settings | None = None, campaign: str | None = None, read_only: bool = False) -> Workspace:
    """Return the workspace of a campaign, by default that of the settings; read-only, the campaign must exist.

    Raises
    ------
    InputError
        No campaign is named.
    StorageError
        ``read_only`` and the campaign does not exist; the message lists the existing ones.
    """
    settings = load_settings() if settings is None else settings
    name = campaign or settings.campaign
    if name is None:
        raise InputError("no campaign is named. Hint: name one, or set INTERPHASE_CAMPAIGN")
    workspace = Workspace(settings, name, read_only)
    if read_only:
        _check_exists(workspace)
        workspace.check_ledger()
    return workspace


def _check_exists(workspace: Workspace) -> None:
    store = workspace.settings.store
    if not isinstance(store, MongodbSettings) and workspace.root.is_dir():
        return
    known = campaign_names(workspace.settings)
    if workspace.campaign in known:
        return
    hint = f"existing campaigns: {', '.join(known) or 'none'}. Hint: run it first, or set"
    if isinstance(store, MongodbSettings):
        raise StorageError(
            f"database {store.database!r}: no such campaign: {workspace.campaign}; {hint} `store.database` in the "
            "settings"
        )
    raise StorageError(f"{workspace.root}: no such campaign; {hint} `root` in the settings")


def campaign_names(settings: Settings) -> list[str]:
    """Return the valid names of campaigns below the root, or in the database.

    Raises
    ------
    StorageError
        The database does not respond.
    """
    if not isinstance(settings.store, MongodbSettings):
        # a campaign whose ledger is missing has its lock
        files = (path for name in (LEDGER_NAME, LOCK_NAME) for path in settings.root.glob(f"*/{name}"))
        return sorted({path.parent.name for path in files})
    ledger = Ledger.in_mongodb(settings.store, read_only=True)
    try:
        names = (document.get("key") for document in ledger.find("campaigns", properties=["key"]))
        return sorted(name for name in names if isinstance(name, str) and _NAME.fullmatch(name))
    finally:
        ledger.close()


@contextmanager
def use_workspace(workspace: Workspace) -> Iterator[Workspace]:
    """Make jobs of this process use a workspace, within the block."""
    token = _current.set(workspace)
    try:
        yield workspace
    finally:
        _current.reset(token)


def current_workspace() -> Workspace | JobFolder:
    """Return the workspace of the enclosing :func:`use_workspace`, else that of the settings.

    If the settings name no campaign, return the current folder, in which a job of another flow runs.
    """
    workspace = _current.get()
    if workspace is not None:
        return workspace
    settings = load_settings()
    if settings.campaign is None:
        return JobFolder(Path.cwd(), settings)
    identity = (settings.model_dump_json(), str(settings.campaign))
    if identity not in _by_settings:
        workspace = open_workspace(settings)
        workspace.check_artifacts()
        _by_settings[identity] = workspace
    return _by_settings[identity]
