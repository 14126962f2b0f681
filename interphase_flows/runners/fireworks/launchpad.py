"""FireWorks' database, opened by the settings of this machine; no file with a password is written for it."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from interphase_flows.exceptions import SettingsError
from interphase_flows.settings import MongodbSettings, Settings
from interphase_flows.storage.mongodb import (
    client_arguments,
    readable_address_errors,
    retry_while_reconnecting,
    storage_error,
)

if TYPE_CHECKING:
    from fireworks.core.launchpad import LaunchPad

PING_INTERVAL_S = 30
"""How often a running job says that it is alive; FireWorks' own hour hides a dead one for four."""

PINGS_BEFORE_SILENT = 4
"""Signs of life that a job has failed to give when it is called silent."""

LOST_AFTER_S = 4 * PING_INTERVAL_S
"""For FireWorks' own `detect_lostruns`."""

LOCK_EXPIRES_AFTER_S = 60
"""A worker that was killed while it wrote leaves its workflow locked: others wait so long, and take it."""

CAMPAIGN_FIELD = "spec.campaign"
ITERATION = "iteration"
"""Of the loop, in the specification of a job that belongs to one."""


def mongodb_of(settings: Settings) -> MongodbSettings:
    """Return the settings of MongoDB, which a cluster needs.

    Raises
    ------
    SettingsError
        The store is a file.
    """
    if not isinstance(settings.store, MongodbSettings):
        raise SettingsError(
            "store.type: embedded is for one machine; a cluster needs MongoDB: set store to {type: mongodb, host: ..., "
            "database: ...} in the settings, see docs/cluster.md"
        )
    return settings.store


def launchpad_database(settings: Settings) -> str:
    """Return the name of FireWorks' database."""
    return settings.cluster.launchpad_database or f"{mongodb_of(settings).database}_fireworks"


def open_launchpad(settings: Settings) -> "LaunchPad":
    """Return FireWorks' database; it is made ready if it is new.

    Raises
    ------
    SettingsError
        The store is a file, or the password cannot be read.
    StorageError
        The server does not answer, or refuses; without the address.
    """
    store = mongodb_of(settings)
    _configure(settings.cluster.unresponsive_after_s)
    # half a second to import, and to be configured first
    from pymongo.errors import PyMongoError

    from interphase_flows.runners.fireworks.retrying_launchpad import PatientLaunchPad

    arguments = client_arguments(store)
    with readable_address_errors(store):
        launchpad = PatientLaunchPad(
            wait=partial(_wait, store),
            name=launchpad_database(settings),
            strm_lvl="WARNING",
            host=arguments.pop("host"),
            uri_mode=True,
            mongoclient_kwargs=arguments,
        )
    try:
        _make_ready(launchpad)
    except PyMongoError as error:
        launchpad.connection.close()
        raise storage_error(store, "FireWorks' database", error) from None
    except BaseException:
        launchpad.connection.close()
        raise
    return launchpad


def _wait(store: MongodbSettings, operation: Callable[[], Any]) -> Any:
    """Do something with the database, again while its server restarts.

    Raises
    ------
    StorageError
        It does not come back.
    """
    from pymongo.errors import AutoReconnect

    try:
        return retry_while_reconnecting(operation, store)
    except AutoReconnect as error:
        raise storage_error(store, "FireWorks' database", error) from None


def _configure(unresponsive_after_s: float) -> None:
    """Set those of FireWorks' constants that its modules take over only when a job is run."""
    from fireworks import fw_config

    fw_config.PING_TIME_SECS = min(PING_INTERVAL_S, unresponsive_after_s / PINGS_BEFORE_SILENT)
    fw_config.PRINT_FW_JSON = False  # the specification of a job is in the database


def _make_ready(launchpad: "LaunchPad") -> None:
    """Begin the counting of a new database; of two that begin at a time, one counts."""
    if launchpad.fw_id_assigner.find_one({}, {"_id": 1}) is not None:
        return
    launchpad.fw_id_assigner.update_one(
        {"_id": "interphase"}, {"$setOnInsert": {"next_fw_id": 1, "next_launch_id": 1}}, upsert=True
    )
    launchpad.user_indices = [CAMPAIGN_FIELD, "spec._category"]
    launchpad.wf_user_indices = ["metadata.campaign"]
    launchpad.tuneup(bkground=True)
