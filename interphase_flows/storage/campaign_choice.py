"""The campaign that is meant if none is named."""

from interphase_flows.exceptions import InputError
from interphase_flows.settings import MongodbSettings, Settings
from interphase_flows.storage.workspace import campaign_names


def only_campaign(settings: Settings) -> str:
    """Return the name of the only campaign under the root or in the database, or raise an InputError with all names."""
    names = campaign_names(settings)
    if len(names) != 1:
        found = (
            f"there are {len(names)} campaigns ({', '.join(names)}). Hint: name one, or"
            if names
            else "there is no campaign. Hint:"
        )
        where, other = (
            (
                f"database {settings.store.database!r}",
                "set store.database in the settings to another database",
            )
            if isinstance(settings.store, MongodbSettings)
            else (settings.root, "choose another folder by --root or root in the settings")
        )
        raise InputError(f"{where}: {found} {other}")
    return names[0]
