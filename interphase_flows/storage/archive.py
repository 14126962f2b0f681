"""Archives of small files with reproducible bytes, so that equal files are stored as one artifact."""

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
        It is damaged, or an entry has a name that is not that of a file.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as archive:
            # links, devices and folders, which archive_bytes does not write, have no content
            files = [(entry.name, archive.extractfile(entry).read()) for entry in archive if entry.isfile()]  # type: ignore[union-attr]
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise StorageError(f"archive for {folder}: damaged ({error}). Hint: restore the file from a backup") from error
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in files:
        path = file_in(folder, name, "archive: entry")
        write_bytes_atomic(path, content)
        written.append(path)
    return written
