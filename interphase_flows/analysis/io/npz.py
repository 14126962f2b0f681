"""Open NumPy archives whose content has a plausible size: a file of some MB can unpack to more than the memory."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from numpy.lib.npyio import NpzFile

from interphase_flows.exceptions import StorageError

MAX_UNPACKED_BYTES = 1 << 30
MAX_RATIO = 20
"""Content that is larger than both `MAX_UNPACKED_BYTES` and this multiple of its file is not read: real data compress by
less."""


def is_plausible(content_bytes: int, file_bytes: int) -> bool:
    """Return whether a file of this size can contain so much data."""
    return content_bytes <= max(MAX_UNPACKED_BYTES, MAX_RATIO * file_bytes)


@contextmanager
def open_npz(source: Path | bytes) -> Iterator[NpzFile]:
    """Open a NumPy archive; arrays are read when they are used, objects are not.

    Raises
    ------
    StorageError
        Its content is too large for the size of the file, or an array does not fit into memory.
    """
    subject = "NumPy archive" if isinstance(source, bytes) else str(source)
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream:
        file_bytes = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        with NpzFile(stream, allow_pickle=False) as archive:
            assert archive.zip is not None  # it is None after close
            content_bytes: int = sum(member.file_size for member in archive.zip.infolist())
            if not is_plausible(content_bytes, file_bytes):
                raise _too_large(subject, f"{content_bytes / 1e9:.1f} GB in a file of {file_bytes / 1e6:.1f} MB")
            try:
                yield archive
            except MemoryError as error:
                raise _too_large(subject, str(error) or "no memory is left") from error


def _too_large(subject: str, found: str) -> StorageError:
    return StorageError(
        f"{subject}: its content is too large and is not read: {found}. Hint: check where the file comes from, or leave "
        "it out"
    )
