"""Archives of small files with reproducible bytes, so that equal files are stored as one artifact."""

import gzip
import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

from interphase_flows.runtime.atomic_files import write_bytes_atomic

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
    """Write the files of an archive into a folder, each atomically, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as archive:
        for entry in archive:
            content = archive.extractfile(entry)
            if content is None:  # a folder or a link; archive_bytes writes none
                continue
            path = folder / Path(entry.name).name
            write_bytes_atomic(path, content.read())
            written.append(path)
    return written
