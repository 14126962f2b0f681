"""Files of a trajectory: one file, a compressed file, or one file per step in a folder or pattern.

Compressed and joined files are copied to a temporary folder, because readers need random access.
"""

import bz2
import glob
import gzip
import lzma
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from interphase_flows.analysis.io.text import BYTE_ORDER_MARK
from interphase_flows.exceptions import AnalysisError

HEAD_BYTES = 1 << 16
BLOCK_BYTES = 1 << 22
FREE_BYTES_LEFT = 1 << 29
"""A copy stops before the disk has less free space."""
ZARR_MARKERS = ("zarr.json", ".zgroup", ".zattrs")
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
COMPRESSIONS = {
    b"\x1f\x8b": ".gz",
    b"BZh": ".bz2",
    b"\xfd7zXZ": ".xz",
    b"\x28\xb5\x2f\xfd": ".zst",
}


def trajectory_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files of paths, folders and patterns, several in the order of the numbers in their names.

    Raises AnalysisError if there are none.
    """
    if len(paths) > 1:
        return sorted((file for path in paths for file in trajectory_files([path])), key=_natural_order)
    path = paths[0]
    if path.is_dir() and not any((path / name).exists() for name in ZARR_MARKERS):
        found = [each for each in path.iterdir() if each.is_file() and not each.name.startswith(".")]
        if not found:
            raise AnalysisError(f"{path}: a folder without files. Hint: give the path of a trajectory.")
    elif path.exists():
        return [path]
    else:
        found = [Path(name) for name in glob.glob(str(path))] if glob.has_magic(str(path)) else []
        if not found:
            raise AnalysisError(f"{path}: no such trajectory. Hint: check the path.")
    return sorted(found, key=_natural_order)


def _natural_order(path: Path) -> list[tuple[int, str]]:
    """Return a key that sorts the numbers in a name by value: conf_2 before conf_10."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", path.name)]


def head_of(path: Path) -> bytes:
    """Return the first 64 kB of a file, decompressed and without a byte-order mark.

    Raises AnalysisError if the file is empty, cannot be decompressed or is encoded as UTF-16.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise AnalysisError(f"{path} is empty. Hint: check the log of the run, or copy the file again.")
    if compression_of(head) is not None:
        with decompressed(path, head) as stream:
            try:
                head = _read_up_to(stream, HEAD_BYTES)
            except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
                raise _damaged(path, error) from error
    if head.startswith(UTF16_MARKS):
        raise AnalysisError(
            f"{path}: encoded as UTF-16. Hint: save it as UTF-8, for example by `iconv -f utf-16 -t utf-8`."
        )
    return head.removeprefix(BYTE_ORDER_MARK)


def _read_up_to(stream: Any, n_bytes: int) -> bytes:
    """Return the first bytes of a stream, fewer if it is truncated."""
    content = b""
    try:
        while len(content) < n_bytes and (block := stream.read1(n_bytes - len(content))):
            content += block
    except EOFError:
        if not content:
            raise
    return content


def compression_of(head: bytes) -> str | None:
    """Return the usual suffix of a compression, from the first bytes of a file; None for an uncompressed file."""
    return next((suffix for magic, suffix in COMPRESSIONS.items() if head.startswith(magic)), None)


@contextmanager
def decompressed(path: Path, head: bytes) -> Iterator[Any]:
    """Open a file for reading, decompressed by its first bytes."""
    suffix = compression_of(head)
    with ExitStack() as stack:
        if suffix == ".gz":
            yield stack.enter_context(gzip.open(path, "rb"))
        elif suffix == ".bz2":
            yield stack.enter_context(bz2.open(path, "rb"))
        elif suffix == ".xz":
            yield stack.enter_context(lzma.open(path, "rb"))
        elif suffix == ".zst":
            yield stack.enter_context(_zstd_stream(path))
        else:
            yield stack.enter_context(path.open("rb"))


@contextmanager
def _zstd_stream(path: Path) -> Iterator[Any]:
    import zstandard  # only files of `dump custom/zstd` need it

    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as stream:
        try:
            yield stream
        except zstandard.ZstdError as error:
            raise AnalysisError(f"{path}: cannot be decompressed ({error}). Hint: copy the file again.") from error


def local_copy(files: Sequence[Path], resources: ExitStack, repairs: list[str]) -> Path:
    """Return one uncompressed file with the contents of all files: the file itself, or a temporary copy.

    `repairs` is extended; the copy is deleted with `resources`. Raises AnalysisError if a file is damaged or the disk is
    full.
    """
    first = files[0]
    with first.open("rb") as file:
        suffix = compression_of(file.read(16))
    if len(files) == 1 and suffix is None:
        return first
    folder = Path(resources.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
    copy = folder / (first.name.removesuffix(suffix) if suffix else first.name)
    with copy.open("wb") as target:
        for path in files:
            _append(path, target, folder, repairs, is_last=path == files[-1])
    if len(files) > 1:
        repairs.append(f"{len(files)} files were joined in the order of the numbers in their names, {first.name} first")
    return copy


def _append(path: Path, target: Any, folder: Path, repairs: list[str], *, is_last: bool) -> None:
    """Append a decompressed file without its byte-order mark, and with a newline at its end if another one follows."""
    with path.open("rb") as file:
        head = file.read(16)
    n_bytes, last = 0, b""
    with decompressed(path, head) as stream:
        try:
            while block := stream.read1(BLOCK_BYTES):  # read would lose the contents before an error
                if shutil.disk_usage(folder).free < FREE_BYTES_LEFT + len(block):
                    raise AnalysisError(
                        f"{path}: no space left in {folder.parent} for its decompressed copy. Hint: decompress or "
                        "join it elsewhere, or set TMPDIR to a larger disk."
                    )
                target.write(block.removeprefix(BYTE_ORDER_MARK) if n_bytes == 0 else block)
                n_bytes, last = n_bytes + len(block), block[-1:]
        except EOFError:
            # a truncated file: the frames up to its end are used
            repairs.append(f"{path.name}: the compressed file is truncated after {n_bytes} bytes of contents")
            return
        except (OSError, zlib.error, lzma.LZMAError) as error:
            raise _damaged(path, error) from error
    if last != b"\n" and not is_last:
        target.write(b"\n")


def _damaged(path: Path, error: Exception) -> AnalysisError:
    return AnalysisError(f"{path}: cannot be decompressed ({error}): the file is damaged. Hint: copy it again.")
