"""Split the command of an external program, as the settings give it."""

import os
import shlex

from interphase_flows.exceptions import SettingsError


def split_command(text: str, name: str, hint: str) -> list[str]:
    """Return the words of a command.

    Raises
    ------
    SettingsError
        Quotes are unbalanced, the command is empty, or its program is a relative path, which would not be found: labels
        run in their own folders.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise SettingsError(f"{name}: `{text}`: {error}. {hint}") from None
    if not words:
        raise SettingsError(f"{name}: the command is empty. {hint}")
    if os.path.dirname(words[0]) and not os.path.isabs(words[0]):
        raise SettingsError(
            f"{name}: `{text}`: {words[0]} is a relative path, but labels run in other folders. Hint: write "
            f"{os.path.abspath(words[0])}"
        )
    return words
