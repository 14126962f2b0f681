"""Split the command of an external program, as the settings give it."""

import os
import shlex

from interphase_flows.exceptions import SettingsError


def split_command(text: str, name: str, hint: str) -> list[str]:
    """Return the program of a command and its arguments.

    Raises
    ------
    SettingsError
        Quotes are unbalanced, the command is empty, or its program is a relative path, which would not be found: labels
        run in their own folders.
    """
    try:
        arguments = shlex.split(text)
    except ValueError as error:
        raise SettingsError(f"{name}: `{text}`: {error}. {hint}") from None
    if not arguments:
        raise SettingsError(f"{name}: the command is empty. {hint}")
    if os.path.dirname(arguments[0]) and not os.path.isabs(arguments[0]):
        raise SettingsError(
            f"{name}: `{text}`: {arguments[0]} is a relative path, but labels run in other folders. Hint: write "
            f"{os.path.abspath(arguments[0])}"
        )
    return arguments
