"""Read Zarr arrays of files that can come from anybody: a chunk of some kB can state gigabytes of content."""

import math
import zipfile
from pathlib import Path
from typing import Any

from zarr.abc.store import Store
from zarr.codecs import BloscCodec, BytesCodec, ZstdCodec
from zarr.storage import LocalStore, WrapperStore, ZipStore

from interphase_flows.analysis.io.npz import is_plausible

METADATA = "zarr.json"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_BYTES_OF_SIZE = (0, 2, 4, 8)
_ZSTD_BYTES_OF_DICTIONARY = (0, 1, 2, 4)
_BLOSC_HEADER_BYTES = 16
_MAX_HEADER_BYTES = 18  # of a frame of zstandard


def open_store(path: Path) -> "BoundedStore":
    """Open a folder or a zip archive for reading; raise a ValueError if members of the archive unpack to too much."""
    if path.is_dir():
        return BoundedStore(LocalStore(path, read_only=True))
    with zipfile.ZipFile(path) as archive:
        content_bytes = sum(member.file_size for member in archive.infolist())
    if not is_plausible(content_bytes, path.stat().st_size):
        raise ValueError(f"{content_bytes / 1e9:.1f} GB in a file of {path.stat().st_size / 1e6:.1f} MB")
    return BoundedStore(ZipStore(path, mode="r"))


class BoundedStore(WrapperStore[Store]):
    """Chunks of admitted arrays, each of which states the size that its array requires; others raise a ValueError."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._admitted: dict[str, tuple[int, Any]] = {}

    def admit(self, array: Any) -> None:
        """Allow to read the chunks of an array, which must be encoded as this package does."""
        encodings = (*array.filters, array.serializer, *array.compressors)
        is_known = isinstance(encodings[0], BytesCodec) and isinstance(
            encodings[-1], BytesCodec | BloscCodec | ZstdCodec
        )
        if not is_known or len(encodings) > 2:
            raise ValueError(
                f"{array.path}: unsupported encoding {', '.join(type(each).__name__ for each in encodings)}"
            )
        self._admitted[array.path] = math.prod(array.chunks) * array.dtype.itemsize, encodings[-1]

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """Return metadata or an encoded chunk."""
        found = await super().get(key, prototype, byte_range)
        if found is None or key.rsplit("/", 1)[-1] == METADATA:
            return found
        n_bytes, compressor = self._admitted.get(key.rsplit("/c/", 1)[0], (None, None))
        if n_bytes is None:
            raise ValueError(f"{key} is not a chunk of a known array")
        header = found[:_MAX_HEADER_BYTES].to_bytes()
        stated = len(found) if isinstance(compressor, BytesCodec) else _stated_bytes(header, compressor)
        if stated != n_bytes:
            raise ValueError(f"{key}: states {stated} bytes of content instead of {n_bytes}")
        return found


def _stated_bytes(header: bytes, compressor: Any) -> int | None:
    """Return the size of the content of a compressed chunk; None if its header is not valid or states no size."""
    if isinstance(compressor, BloscCodec):
        return int.from_bytes(header[4:8], "little") if len(header) >= _BLOSC_HEADER_BYTES else None
    return _stated_bytes_of_zstd(header)


def _stated_bytes_of_zstd(header: bytes) -> int | None:
    """Return the content size of a frame of zstandard (RFC 8878, section 3.1.1.1)."""
    if len(header) < 6 or not header.startswith(_ZSTD_MAGIC):
        return None
    descriptor = header[4]
    is_single_segment = bool(descriptor & 0x20)
    n_size = _ZSTD_BYTES_OF_SIZE[descriptor >> 6] or int(is_single_segment)
    first = 5 + (not is_single_segment) + _ZSTD_BYTES_OF_DICTIONARY[descriptor & 3]
    size = int.from_bytes(header[first : first + n_size], "little")
    return None if n_size == 0 else size + 256 * (n_size == 2)
