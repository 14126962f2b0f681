"""Files of a campaign bundle: a folder, or an uncompressed tar archive, with the SHA-256 of every file.

The archive is not compressed, because its large files are, so it cannot unpack to more than its own size. Its files are
read in place. ``SHA256SUMS`` has the format of ``sha256sum``, and is written last.
"""

import contextlib
import hashlib
import io
import re
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Self, cast

from interphase_flows.exceptions import InputError, StorageError
from interphase_flows.runtime.atomic_files import atomic_path, explain_os_error, temporary_beside
from interphase_flows.runtime.file_names import file_in

CHECKSUMS = "SHA256SUMS"
ARCHIVE_SUFFIX = ".tar"
MAX_CHECKSUMS_BYTES = 1 << 26
"""More than the checksums of 400,000 files."""
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


class BundleWriter:
    """Write the files of a bundle one after the other; see `new_bundle`."""

    def __init__(self, folder: Path | None, archive: tarfile.TarFile | None = None, top: str = "") -> None:
        self._folder, self._archive, self._top = folder, archive, top
        self._sha256: dict[str, str] = {}

    def add(self, name: str, content: Path | bytes) -> None:
        """Add a file; one whose name is in the bundle already is left out.

        Raises
        ------
        StorageError
            The name has a part that is not the name of a file.
        """
        if name in self._sha256:
            return
        _check_name(name)
        with io.BytesIO(content) if isinstance(content, bytes) else _opened(content) as source:
            self._sha256[name] = hashlib.file_digest(source, "sha256").hexdigest()
            size_bytes = source.seek(0, io.SEEK_END)
            source.seek(0)
            if self._archive is not None:
                entry = tarfile.TarInfo(f"{self._top}/{name}")
                entry.size = size_bytes
                self._archive.addfile(entry, source)
            elif self._folder is not None:
                path = self._folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("xb") as target:
                    shutil.copyfileobj(source, target)

    def finish(self) -> None:
        """Write the checksums."""
        lines = [f"{sha256}  {name}\n" for name, sha256 in sorted(self._sha256.items())]
        self.add(CHECKSUMS, "".join(lines).encode())


@contextmanager
def new_bundle(target: Path) -> Iterator[BundleWriter]:
    """Yield the writer of a new bundle: an archive if the name ends with ``.tar``, else a folder.

    It appears under its name when the block ends, complete.

    Raises
    ------
    InputError
        The target exists, or its name is that of a compressed archive.
    StorageError
        The disk is full, read-only or broken; nothing was written.
    """
    if target.exists() or target.is_symlink():
        raise InputError(f"{target}: exists; nothing was written. Hint: choose another name, or remove it")
    if target.name.endswith((".gz", ".tgz", ".zip", ".bz2", ".xz", ".zst")):
        raise InputError(
            f"{target}: a bundle is a folder or a {ARCHIVE_SUFFIX} archive, whose large files are compressed. Hint: "
            f"name it {target.name.split('.')[0]}{ARCHIVE_SUFFIX}"
        )
    if target.suffix == ARCHIVE_SUFFIX:
        with atomic_path(target) as temporary, tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as archive:
            writer = BundleWriter(None, archive, target.stem)
            yield writer
            writer.finish()
        return
    folder = target
    try:
        folder = temporary_beside(target)
        folder.mkdir()
        writer = BundleWriter(folder)
        yield writer
        writer.finish()
        folder.rename(target)
    except OSError as error:
        raise explain_os_error(error, target) or error from error
    finally:
        if folder != target:
            shutil.rmtree(folder, ignore_errors=True)


class BundleFiles:
    """Read the files of a bundle that its checksums list; a context manager.

    Raises
    ------
    InputError
        The path is not a bundle.
    StorageError
        The archive is damaged or has links, devices or sparse files; the checksums are damaged, or list a name that
        would lead out of the bundle.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stack = contextlib.ExitStack()
        self._members: dict[str, tarfile.TarInfo] = {}
        self._archive: tarfile.TarFile | None = None
        if path.is_file():
            self._open_archive()
        elif not (path / CHECKSUMS).is_file():
            reason = f"not a bundle: it contains no {CHECKSUMS}" if path.is_dir() else "no such file or folder"
            raise InputError(f"{path}: {reason}. Hint: give the folder or archive that interphase export bundle wrote")
        with self._stack:  # closed if the checksums cannot be read
            self._sha256 = self._checksums()
            self._stack = self._stack.pop_all()

    @property
    def names(self) -> list[str]:
        """Names of the files, without the checksums."""
        return list(self._sha256)

    def verify(self) -> None:
        """Compare all files with their checksums.

        Raises
        ------
        StorageError
            A file is missing or was changed; the message names it.
        """
        for name, expected in self._sha256.items():
            with self.open(name) as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() != expected:
                    raise self._changed(name)

    def read(self, name: str) -> bytes:
        """Return the content of a file, compared with its checksum."""
        with self.open(name) as stream:
            content = stream.read()
        if hashlib.sha256(content).hexdigest() != self._sha256.get(name):
            raise self._changed(name)
        return content

    @contextmanager
    def open(self, name: str) -> Iterator[io.BufferedReader]:
        """Open a file for reading, without a comparison."""
        if self._archive is not None:
            stream = self._archive.extractfile(self._members[name]) if name in self._members else None
            if stream is None:
                raise self._missing(name)
            with stream:
                yield cast(io.BufferedReader, stream)  # typed as IO[bytes]
            return
        path = self.path / name
        # a link may have come with the folder, and lead to any file of this machine
        if path.resolve() != self.path.resolve() / name:
            raise StorageError(f"{path}: is or is below a symbolic link, and is not read. Hint: copy the bundle again")
        if not path.is_file():
            raise self._missing(name)
        with path.open("rb") as file:
            yield file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def _open_archive(self) -> None:
        try:
            self._archive = self._stack.enter_context(tarfile.TarFile(self.path))
            entries = _entries(self._archive)
        except (OSError, tarfile.TarError, ValueError, OverflowError) as error:
            self._stack.close()
            raise InputError(
                f"{self.path}: not a {ARCHIVE_SUFFIX} archive, or damaged ({error}). Hint: give the file that interphase "
                "export bundle wrote; decompress it if it was compressed"
            ) from error
        found = [str(PurePosixPath(e.name).parent) for e in entries if PurePosixPath(e.name).name == CHECKSUMS]
        if not found:
            self._stack.close()
            raise InputError(
                f"{self.path}: no bundle, or cut short: it contains no {CHECKSUMS}, which is its last file. Hint: copy "
                "the bundle again, or give another archive"
            )
        top = PurePosixPath(min(found, key=len))
        for entry in entries:
            if entry.isdir():
                continue
            if not entry.isreg() or entry.issparse():
                self._stack.close()
                raise StorageError(
                    f"{self.path}: {entry.name[:200]!r} is a link, a device or a sparse file, which no bundle contains. "
                    "Hint: find out who wrote the archive"
                )
            with contextlib.suppress(ValueError):  # outside the top folder
                self._members[PurePosixPath(entry.name).relative_to(top).as_posix()] = entry

    def _checksums(self) -> dict[str, str]:
        with self.open(CHECKSUMS) as stream:
            text = stream.read(MAX_CHECKSUMS_BYTES).decode(errors="replace")
        found: dict[str, str] = {}
        for line in text.splitlines():
            match = _LINE.fullmatch(line)
            if match is None:
                raise StorageError(f"{self.path}: {CHECKSUMS} is damaged: {line[:100]!r}. Hint: copy the bundle again")
            _check_name(match[2])
            found[match[2]] = match[1]
        return found

    def _missing(self, name: str) -> StorageError:
        return StorageError(f"{self.path}: {name} is missing. Hint: copy the bundle again")

    def _changed(self, name: str) -> StorageError:
        return StorageError(
            f"{self.path}: {name} is damaged or was changed: its SHA-256 is not that in {CHECKSUMS}. Nothing was opened. "
            "Hint: copy the bundle again"
        )


def _opened(path: Path) -> io.BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}. Hint: make it readable, or remove it") from error


def _entries(archive: tarfile.TarFile) -> list[tarfile.TarInfo]:
    """Return the entries of an archive; raise a tarfile.ReadError if one starts before the end of its predecessor.

    Python before 3.11.14 follows a negative size back to the same entry, without end (CVE-2025-8194).
    """
    entries: list[tarfile.TarInfo] = []
    for entry in archive:
        if entry.size < 0 or (entries and entry.offset < entries[-1].offset_data):
            raise tarfile.ReadError("an entry has a negative size")
        entries.append(entry)
    return entries


def _check_name(name: str) -> None:
    for part in name.split("/"):
        file_in(Path(), part, "bundle: part of a name")
