"""Names in documents and archives that become names of files."""

from pathlib import Path

from interphase_flows.exceptions import StorageError
from interphase_flows.printable import printable

MAX_LENGTH = 200


def is_file_name(name: object) -> bool:
    """Return whether a name is that of a file directly in a folder, for which `file_in` returns the path."""
    return (
        isinstance(name, str)
        and 0 < len(name) <= MAX_LENGTH
        and name.isprintable()
        and name[0] not in ".- "
        and not set(name) & set("/\\\\")
    )


def file_in(folder: Path, name: object, subject: str) -> Path:
    """Return the path of a name directly in a folder.

    Names in documents are data: one with a slash or ``..`` would lead out of the folder, and one with a leading hyphen
    is an option to other programs.

    Raises
    ------
    StorageError
        The name is not that of a file; the message begins with ``subject``.
    """
    if not is_file_name(name):
        raise StorageError(
            f"{subject} {printable(str(name))[:100]!r} is not a valid name of a file: nothing is written. Hint: "
            "find out who writes to the store, or leave this document out"
        )
    return folder / str(name)
