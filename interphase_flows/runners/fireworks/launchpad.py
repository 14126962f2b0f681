"""FireWorks' database: open it by the settings of this machine, without a file that holds a password."""

from collections.abc import Callable
from functools import partial
from typing import Any

from fireworks import fw_config
from pymongo.errors import AutoReconnect, PyMongoError

from interphase_flows.runners.cluster_settings import (
    LOCK_EXPIRES_AFTER_S,
    MISSED_PINGS,
    PING_INTERVAL_S,
    launchpad_database,
    mongodb_settings,
)
from interphase_flows.runners.fireworks.retrying_launchpad import RetryingLaunchPad
from interphase_flows.settings import MongodbSettings, Settings
from interphase_flows.storage.mongodb import (
    client_arguments,
    readable_address_errors,
    retry_while_reconnecting,
    storage_error,
)

CAMPAIGN_FIELD = "spec.campaign"


def open_launchpad(settings: Settings) -> RetryingLaunchPad:
    """Open FireWorks' database; initialise it if it is new.

    Raises
    ------
    SettingsError
        The store is embedded, its address is malformed, or the password cannot be read.
    StorageError
        The server does not respond, or denies access.
    """
    store = mongodb_settings(settings)
    # FireWorks reads these constants only when a job runs
    fw_config.PING_TIME_SECS = min(PING_INTERVAL_S, settings.cluster.unresponsive_after_s / MISSED_PINGS)
    fw_config.PRINT_FW_JSON = False  # the specification of a job is in the database
    arguments = client_arguments(store)
    with readable_address_errors(store):
        launchpad = RetryingLaunchPad(
            retry=partial(_retry, store),
            lock_expiry_s=LOCK_EXPIRES_AFTER_S,
            name=launchpad_database(settings),
            strm_lvl="WARNING",
            host=arguments.pop("host"),
            uri_mode=True,
            mongoclient_kwargs=arguments,
        )
    try:
        _initialise(launchpad)
    except BaseException as error:
        launchpad.close()
        if isinstance(error, PyMongoError):
            raise storage_error(store, "FireWorks' database", error) from None
        raise
    return launchpad


def _retry(store: MongodbSettings, operation: Callable[[], Any]) -> Any:
    """Call a database operation, repeatedly while the server restarts."""
    try:
        return retry_while_reconnecting(operation, store)
    except AutoReconnect as error:
        raise storage_error(store, "FireWorks' database", error) from None


def _initialise(launchpad: RetryingLaunchPad) -> None:
    """Create counters and indexes of a new database; safe to run concurrently."""
    if launchpad.fw_id_assigner.find_one({}, {"_id": 1}) is not None:
        return
    launchpad.fw_id_assigner.update_one(
        {"_id": "interphase"}, {"$setOnInsert": {"next_fw_id": 1, "next_launch_id": 1}}, upsert=True
    )
    launchpad.user_indices = [CAMPAIGN_FIELD, "spec._category"]
    launchpad.wf_user_indices = ["metadata.campaign"]
    launchpad.tuneup(bkground=True)
