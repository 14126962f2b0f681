"""Where one campaign keeps everything: its ledger, artifacts, job store and folders of work.

::

    <root>/<campaign>/
    ├── ledger.sqlite      results (embedded store only)
    ├── jobs.sqlite        outputs of jobs, for jobflow (embedded store only)
    ├── artifacts/         files, by content
    ├── work/<kind>/<key>/ checkpoints of what is not finished
    ├── report/
    └── campaign.lock      who runs it from here

With MongoDB the ledger and the job store are in the database and the artifacts, which its documents speak of, below
``<root>/artifacts``; both are shared by every campaign.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from interphase_flows.exceptions import InputError, StorageError
from interphase_flows.runtime.atomic_files import sweep_leftovers
from interphase_flows.settings import MongodbSettings, Settings, load_settings
from interphase_flows.storage.artifacts import ArtifactStore
from interphase_flows.storage.leases import leased_folder
from interphase_flows.storage.ledger import Ledger
from interphase_flows.storage.lock import LOCK_NAME, CampaignLock
from interphase_flows.storage.mongodb_store import MongodbStore

if TYPE_CHECKING:
    from jobflow import JobStore

__all__ = ["Workspace", "campaign_names", "current_workspace", "open_workspace", "use_workspace"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class Workspace:
    """Everything one campaign stores; a context manager that holds the campaign's lock.

    Outside a ``with`` block it holds no lock: the way of a job that a launcher runs, and of readers.

    Parameters
    ----------
    settings
        Settings of this machine.
    campaign
        Name of the campaign: letters, digits, ``_``, ``.`` and ``-``.
    read_only
        Refuse to write documents, and take no lock.

    Raises
    ------
    InputError
        If the name cannot be a folder.
    """

    def __init__(self, settings: Settings, campaign: str, read_only: bool = False):
        if not _NAME.fullmatch(campaign):
            raise InputError(
                f"campaign name {campaign!r}: use letters, digits, '_', '.' and '-', at most 100, starting "
                "with a letter or digit"
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
        return Ledger.embedded(self.root / "ledger.sqlite", self.campaign, self.read_only)

    @cached_property
    def artifacts(self) -> ArtifactStore:
        """Files by content."""
        if self.settings.artifacts_url is not None:
            return ArtifactStore(self.settings.artifacts_url, self.root / "cache")
        # a ledger shared by campaigns speaks of files that must then be shared too
        is_shared = isinstance(self.settings.store, MongodbSettings)
        return ArtifactStore((self.settings.root if is_shared else self.root) / "artifacts")

    def check_artifacts(self) -> None:
        """Refuse artifacts that are not those which the documents of a shared database speak of.

        To a machine that sees other files, every document would be one of a lost artifact, and be thrown away.

        Raises
        ------
        StorageError
            If another root was used with this database first; says which.
        """
        store = self.settings.store
        if not isinstance(store, MongodbSettings):
            return
        mine = {"identity": self.artifacts.identity(), "root_url": self.artifacts.root_url}
        first = self.ledger.claim("artifacts", mine)
        if first["identity"] != mine["identity"]:
            raise StorageError(
                f"artifacts_url: {mine['root_url']} holds other files than the documents of database "
                f"{store.database!r} speak of; those were first in {first['root_url']}. Set artifacts_url in the "
                "settings to where this machine sees them, or store.database to a database of its own"
            )

    @property
    def report_folder(self) -> Path:
        """Where the report goes."""
        return self.root / "report"

    def work_folder(self, kind: str, key: str) -> Path:
        """Folder of checkpoints of the result of a kind and key; made if absent."""
        for part in (kind, key):
            if not _NAME.fullmatch(part):
                raise StorageError(
                    f"work folder {kind!r}/{key!r}: {part!r} cannot name a folder; use a content key"
                )
        folder = self.root / "work" / kind / key
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextmanager
    def own_work_folder(
        self, kind: str, key: str, while_waiting: Callable[[], None] = lambda: None
    ) -> Iterator[Path]:
        """Give a work folder to one process at a time, and its checkpoints to the next one.

        A process that was thought dead and comes back finds its folder taken at its next write; see
        `storage.leases`.

        Parameters
        ----------
        kind, key
            As for :meth:`work_folder`.
        while_waiting
            Called now and then while another process has the folder; what it raises ends the waiting.
        """
        parent = self.work_folder(kind, key).parent
        lease_s = self.settings.cluster.lease_s
        with leased_folder(self.ledger, parent, kind, key, lease_s, while_waiting) as folder:
            yield folder

    def job_store(self) -> "JobStore":
        """jobflow's store of outputs, not yet connected; large outputs go to its store ``data``."""
        from jobflow import JobStore  # takes a second to import, which readers do not need
        from maggma.stores import MemoryStore

        if isinstance(self.settings.store, MongodbSettings):
            jobs = MongodbStore("interphase_jobs", "uuid", self.settings.store, self.read_only)
            data = MongodbStore("interphase_job_data", "blob_uuid", self.settings.store, self.read_only)
            return JobStore(jobs, additional_stores={"data": data})
        return JobStore(MemoryStore(), additional_stores={"data": MemoryStore(key="blob_uuid")})

    def open_job_store(self) -> "JobStore":
        """jobflow's store of outputs, connected, and with an index on what every reference is looked up by.

        jobflow makes none: without it each look reads the outputs of all jobs that there are.
        """
        store = self.job_store()
        store.connect()
        for each in (store.docs_store, *store.additional_stores.values()):
            each.ensure_index(each.key)
        return store

    def close(self) -> None:
        """Close the ledger and give the lock back."""
        self.ledger.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @property
    def is_here(self) -> bool:
        """Whether this campaign was run from this root; with MongoDB it may have been from another."""
        return (self.root / LOCK_NAME).exists()

    def __enter__(self) -> Self:
        # with MongoDB too: two processes may share a database, but not the checkpoints of one folder
        if not self.read_only:
            self._lock = CampaignLock(self.root).acquire()
            try:
                self.check_artifacts()
            except BaseException:
                self.close()
                raise
            # under the lock nobody else is writing: what is left over was left by a killed process
            sweep_leftovers(self.root)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_current: ContextVar[Workspace | None] = ContextVar("interphase_workspace", default=None)
_by_settings: dict[tuple[str, str], Workspace] = {}


def open_workspace(
    settings: Settings | None = None, campaign: str | None = None, read_only: bool = False
) -> Workspace:
    """The workspace of a campaign.

    Parameters
    ----------
    settings
        Settings of this machine; read if None.
    campaign
        Its name; that of the settings if None.
    read_only
        Refuse to write. The campaign must then exist.

    Raises
    ------
    InputError
        If there is no name.
    StorageError
        If ``read_only`` and there is no such campaign; lists those there are.
    """
    settings = load_settings() if settings is None else settings
    name = campaign or settings.campaign
    if name is None:
        raise InputError("no campaign: name one, or set INTERPHASE_CAMPAIGN")
    workspace = Workspace(settings, name, read_only)
    if read_only:
        _must_exist(workspace)
    return workspace


def _must_exist(workspace: Workspace) -> None:
    store = workspace.settings.store
    if not isinstance(store, MongodbSettings) and workspace.root.is_dir():
        return
    known = campaign_names(workspace.settings)
    if workspace.campaign in known:
        return
    there = f"there are: {', '.join(known) or 'none'}. Run it first, or set"
    if isinstance(store, MongodbSettings):
        raise StorageError(
            f"database {store.database!r}: no such campaign: {workspace.campaign}; {there} `store.database` in the "
            "settings"
        )
    raise StorageError(f"{workspace.root}: no such campaign; {there} `root` in the settings")


def campaign_names(settings: Settings) -> list[str]:
    """The campaigns that there are: below the root, or in the database.

    Raises
    ------
    StorageError
        If the database does not answer.
    """
    if not isinstance(settings.store, MongodbSettings):
        return sorted(path.parent.name for path in settings.root.glob("*/ledger.sqlite"))
    ledger = Ledger.in_mongodb(settings.store, read_only=True)
    try:
        return sorted(document["key"] for document in ledger.find("campaigns", properties=["key"]))
    finally:
        ledger.close()


@contextmanager
def use_workspace(workspace: Workspace) -> Iterator[Workspace]:
    """Make a workspace the one that jobs of this process use, within the block."""
    token = _current.set(workspace)
    try:
        yield workspace
    finally:
        _current.reset(token)


def current_workspace() -> Workspace:
    """The workspace of the enclosing :func:`use_workspace`, else that of the settings.

    Raises
    ------
    InputError
        If there is neither.
    """
    workspace = _current.get()
    if workspace is not None:
        return workspace
    settings = load_settings()
    identity = (settings.model_dump_json(), str(settings.campaign))
    if identity not in _by_settings:
        workspace = open_workspace(settings)
        workspace.check_artifacts()
        _by_settings[identity] = workspace
    return _by_settings[identity]
