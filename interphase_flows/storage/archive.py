"""Archives of small files with reproducible bytes, so that equal files are stored as one artifact.

A file of some kB can unpack to more than the memory of the machine, so the size of the content is limited.
"""

import gzip
import io
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from interphase_flows.exceptions import StorageError
from interphase_flows.runtime.atomic_files import write_bytes_atomic
from interphase_flows.runtime.file_names import file_in

SUFFIX = ".tar.gz"
MAX_UNPACKED_BYTES = 1 << 30
"""More than inputs and logs of any label, or the results of any analysis."""


def archive_bytes(files: Sequence[Path]) -> bytes:
    """Return a gzipped tar of the files that exist, without times, owners or folders; the last of equal names is kept."""
    by_name = {path.name: path.read_bytes() for path in files if path.is_file()}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in sorted(by_name.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(packed.getvalue(), mtime=0)


def unpack_archive(data: bytes, folder: Path) -> list[Path]:
    """Write the files of an archive into a folder, each atomically, and return their paths.

    Raises
    ------
    StorageError
        It is damaged or too large, or an entry has a name that is not that of a file.
    """
    subject = f"archive for {folder}"
    content = decompressed(data, subject)
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            # links, devices and folders, which archive_bytes does not write, have no content
            entries = [entry for entry in archive if entry.isfile()]
            if sum(entry.size for entry in entries) > MAX_UNPACKED_BYTES:  # a sparse file is larger than its content
                raise _too_large(subject)
            files = [(entry.name, archive.extractfile(entry).read()) for entry in entries]  # type: ignore[union-attr]
    except (OSError, tarfile.TarError) as error:
        raise _damaged(subject, error) from error
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in files:
        path = file_in(folder, name, "archive: entry")
        write_bytes_atomic(path, content)
        written.append(path)
    return written


def decompressed(data: bytes, subject: str) -> bytes:
    """Return the content of a gzip file; ``subject`` begins the message of errors.

    Raises
    ------
    StorageError
        It is damaged, or larger than `MAX_UNPACKED_BYTES`.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            content = stream.read(MAX_UNPACKED_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(subject, error) from error
    if len(content) > MAX_UNPACKED_BYTES:
        raise _too_large(subject)
    return content


def _damaged(subject: str, error: Exception) -> StorageError:
    return StorageError(f"{subject}: damaged ({error}). Hint: restore the file from a backup")


def _too_large(subject: str) -> StorageError:
    return StorageError(
        f"{subject}: its content is larger than {MAX_UNPACKED_BYTES / 1e9:.1f} GB and is not read. Hint: find out who "
        "writes to the store, or leave this document out"
    )
