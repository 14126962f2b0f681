"""FireWorks' database: open it without a file that holds a password, and hold campaigns in it.

A hold is a document that every worker reads when it takes a job, not a state of the jobs. So it also covers jobs that a
running job adds, and lost jobs that are reset to READY.
"""

import contextlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from fireworks import fw_config
from pymongo.errors import AutoReconnect, DuplicateKeyError, PyMongoError

from interphase_flows.runners.cluster_settings import (
    LOCK_EXPIRES_AFTER_S,
    MISSED_PINGS,
    PING_INTERVAL_S,
    launchpad_database,
    mongodb_settings,
)
from interphase_flows.runners.fireworks.retrying_launchpad import RetryingLaunchPad
from interphase_flows.settings import MongodbSettings, Settings
from interphase_flows.storage.ledger_backend import JsonDocument
from interphase_flows.storage.mongodb import (
    client_arguments,
    readable_address_errors,
    retry_while_reconnecting,
    storage_error,
)

CAMPAIGN_FIELD = "spec.campaign"


HoldState = Literal["paused", "on hold", "cancelled"]


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


@dataclass(frozen=True)
class Hold:
    """Hold on the jobs of a campaign, and the time at which it was set (ISO 8601).

    ``reason`` is the error of a job that set it; empty if the user did.
    """

    state: HoldState
    since: str
    reason: str = ""


def set_hold(launchpad: RetryingLaunchPad, campaign: str, state: HoldState) -> Hold:
    """Hold a campaign; a hold with the same state keeps its start time."""
    before = hold_of(launchpad, campaign)
    if before is not None and before.state == state:
        return before
    hold = Hold(state, _now())
    launchpad.holds.update_one({"_id": campaign}, {"$set": asdict(hold)}, upsert=True)
    return hold


def pause_because(launchpad: RetryingLaunchPad, campaign: str, reason: str) -> None:
    """Pause a campaign because of an error that its further jobs would meet as well; an existing hold is kept."""
    document = asdict(Hold("paused", _now(), reason))
    with contextlib.suppress(DuplicateKeyError):  # another job has inserted its hold at this moment
        launchpad.holds.update_one({"_id": campaign}, {"$setOnInsert": document}, upsert=True)


def clear_hold(launchpad: RetryingLaunchPad, campaign: str) -> None:
    """Release the hold of a campaign, if there is one."""
    launchpad.holds.delete_one({"_id": campaign})


def hold_of(launchpad: RetryingLaunchPad, campaign: str) -> Hold | None:
    """Return the hold of a campaign, None if its jobs may start."""
    found = launchpad.holds.find_one({"_id": campaign})
    return None if found is None else Hold(found["state"], found["since"], found.get("reason", ""))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def not_held(launchpad: RetryingLaunchPad) -> JsonDocument:
    """Return a MongoDB filter for jobs of campaigns that are not on hold."""
    return {"spec.campaign": {"$nin": [each["_id"] for each in launchpad.holds.find({}, {"_id": 1})]}}
