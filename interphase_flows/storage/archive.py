"""Several small files as one artifact: the same files give the same bytes, so they are stored once."""

import gzip
import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

SUFFIX = ".tar.gz"


def archive_bytes(files: Sequence[Path]) -> bytes:
    """Return a gzipped tar of the files that exist, without times, owners or folders.

    Parameters
    ----------
    files
        Two of one name would be one file in the archive: the later one wins.
    """
    by_name = {path.name: path.read_bytes() for path in files if path.is_file()}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in sorted(by_name.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(packed.getvalue(), mtime=0)
