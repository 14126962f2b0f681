"""Settings that campaigns on a cluster need: MongoDB, FireWorks' database, names and folders of Slurm allocations."""

from pathlib import Path

from interphase_flows.exceptions import SettingsError
from interphase_flows.settings import MongodbSettings, Settings

PING_INTERVAL_S = 30
"""Interval between heartbeats of a running job. FireWorks' default of an hour hides a dead job for four hours."""

MISSED_PINGS = 4
"""Heartbeats that a job must miss before it counts as unresponsive."""

LOST_AFTER_S = MISSED_PINGS * PING_INTERVAL_S
"""Timeout of FireWorks' own `detect_lostruns`."""

LOCK_EXPIRES_AFTER_S = 60
"""Age at which other workers take over the workflow lock of a worker that was killed while it held it."""


def mongodb_settings(settings: Settings) -> MongodbSettings:
    """Return the settings of MongoDB, which a cluster requires; an embedded store is a SettingsError."""
    if not isinstance(settings.store, MongodbSettings):
        raise SettingsError(
            "store.type: embedded works on one machine only; a cluster needs MongoDB. Hint: set store to {type: "
            "mongodb, host: ..., database: ...} in the settings, see docs/cluster.md"
        )
    return settings.store


def launchpad_database(settings: Settings) -> str:
    """Return the name of FireWorks' database."""
    return settings.cluster.launchpad_database or f"{mongodb_settings(settings).database}_fireworks"


def job_name_prefix(settings: Settings) -> str:
    """Return the prefix of the Slurm job names of all allocations that serve this database."""
    return f"if-{launchpad_database(settings)}-"


def launch_folder(settings: Settings, worker: str) -> Path:
    """Return the folder for scripts and logs of a worker's allocations."""
    return (settings.cluster.folder or settings.root / "launches").expanduser().absolute() / worker
