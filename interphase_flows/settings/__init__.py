"""Settings of this machine: storage, threads, commands, workers of the cluster.

Settings are read from the environment (``INTERPHASE_ROOT``, ``INTERPHASE_STORE__TYPE``, ...), else from one YAML file:
the one named by ``INTERPHASE_SETTINGS_FILE``, else ``interphase.yaml`` in the working folder, else
``~/.config/interphase/settings.yaml``. The defaults are for a laptop.
"""

from interphase_flows.settings.cluster import JOB_KINDS, ClusterSettings, JobKind, WorkerSettings
from interphase_flows.settings.machine import FILE_IN_FOLDER, FILE_VARIABLE, Settings, load_settings, settings_file
from interphase_flows.settings.store import PASSWORD_VARIABLE, EmbeddedSettings, MongodbSettings

__all__ = [
    "FILE_IN_FOLDER",
    "FILE_VARIABLE",
    "JOB_KINDS",
    "PASSWORD_VARIABLE",
    "ClusterSettings",
    "EmbeddedSettings",
    "JobKind",
    "MongodbSettings",
    "Settings",
    "WorkerSettings",
    "load_settings",
    "settings_file",
]
