"""Content-addressed artifact store: files are named by their hash, which is verified when they are read.

The layout is ``<root>/<kind>/<first two digits>/<sha256><suffix>``. A file that fails its hash is moved to
``<root>/quarantine/``, so that its result can be computed and stored again.
"""

import contextlib
import hashlib
import io
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import fsspec
import numpy as np
from fsspec.implementations.local import LocalFileSystem
from numpy.typing import NDArray
from pydantic import ValidationError

from interphase_flows.exceptions import CorruptArtifactError, StorageError
from interphase_flows.runtime.atomic_files import atomic_path, write_bytes_once
from interphase_flows.schemas.artifact import ArtifactRef

LABEL_FILES = "label_files"
"""Kind of the archives with inputs and logs of labels."""

_CHUNK_BYTES = 1 << 20
_IDENTITY = "identity"
_IS_IDENTITY = re.compile(rb"[0-9a-f]{32}")
_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "oci"})


class ArtifactStore:
    """Content-addressed files under one root.

    Parameters
    ----------
    root_url
        A folder, or any URL of fsspec: ``file:///scratch/artifacts``, ``memory://artifacts``, ``s3://bucket/x``
        (which needs ``pip install 'interphase-flows[s3]'``).
    cache_folder
        Where files of a remote root are downloaded to; not needed for a local folder.

    Raises
    ------
    StorageError
        The URL cannot be opened, or a remote root has no cache folder.
    """

    def __init__(self, root_url: str | Path, cache_folder: str | Path | None = None):
        try:
            self._fs, self._root = fsspec.core.url_to_fs(str(root_url))
        except (ValueError, ImportError) as error:
            raise StorageError(
                f"artifacts_url: {str(root_url)!r} cannot be opened: {error}. Hint: use a folder, or an fsspec URL "
                "whose package is installed (s3:// needs `pip install 'interphase-flows[s3]'`)"
            ) from error
        self.is_local = isinstance(self._fs, LocalFileSystem)
        if not self.is_local and cache_folder is None:
            raise StorageError(f"artifacts_url: {str(root_url)!r} is remote and needs a cache_folder to download to")
        self.root_url = str(root_url)
        self.cache_folder = None if cache_folder is None else Path(cache_folder)
        # path -> (mtime_ns, size) of files that this process has verified
        self._verified: dict[Path, tuple[int, int]] = {}

    def identity(self) -> str:
        """Return the random identifier of this store, read from a file of the root; created if missing.

        Raises
        ------
        StorageError
            The root cannot be written, or the file is damaged.
        """
        path = f"{self._root.rstrip('/')}/{_IDENTITY}"
        with self._translated_errors():
            if not self._fs.exists(path):
                name = secrets.token_hex(16).encode()
                self._make_folder(self._root)
                if self.is_local:
                    write_bytes_once(path, name)
                else:
                    self._fs.pipe_file(path, name)
            found: bytes = self._fs.cat_file(path)
        if not _IS_IDENTITY.fullmatch(found):
            raise StorageError(
                f"{path}: damaged: it does not contain an identifier of 32 digits. Hint: restore the file from a backup, "
                "or copy its content from the field identity of the document artifacts in the collection of progress"
            )
        return found.decode()

    def put_file(self, path: str | Path, kind: str, suffix: str | None = None) -> ArtifactRef:
        """Store a copy of a file, by default with its own suffix, and return a reference for documents.

        Raises
        ------
        StorageError
            The file cannot be read, changes while it is copied, or the root cannot be written.
        """
        path = Path(path)
        if not path.is_file():
            raise StorageError(f"{path}: no such file to store as one of {kind!r}")
        with path.open("rb") as source:
            sha256, size_bytes = _digest(source)
        ref = _reference(kind, sha256, size_bytes, path.suffix if suffix is None else suffix)
        if not self.contains(ref):
            with path.open("rb") as source:
                self._write(ref, source)
        return ref

    def put_bytes(self, data: bytes, kind: str, suffix: str = "") -> ArtifactRef:
        """Store bytes; see :meth:`put_file`."""
        ref = _reference(kind, hashlib.sha256(data).hexdigest(), len(data), suffix)
        if not self.contains(ref):
            self._write(ref, io.BytesIO(data))
        return ref

    def put_stream(self, ref: ArtifactRef, source: BinaryIO) -> None:
        """Store the file of a reference, whose hash is verified; see :meth:`put_file`."""
        if not self.contains(ref):
            self._write(ref, source)

    def put_arrays(self, arrays: Mapping[str, NDArray[np.generic]], kind: str) -> ArtifactRef:
        """Store arrays as a compressed NumPy archive; see :meth:`put_file`."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        return self.put_bytes(buffer.getvalue(), kind, ".npz")

    def copy_from(self, other: "ArtifactStore", ref: ArtifactRef) -> bool:
        """Store the file of another store, as a hard link if possible; return False if it is missing or damaged there."""
        if self.contains(ref):
            return True
        source, target = other.local_path(ref), self.local_path(ref)
        if not source.is_file() or not other._is_intact(source, ref):
            return False
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(source, target)
        except OSError:  # another file system, or one without hard links
            with source.open("rb") as stream:
                self._write(ref, stream)
        return True

    def contains(self, ref: ArtifactRef) -> bool:
        """Return whether the file exists and is intact; a damaged one is moved to the quarantine."""
        try:
            self.get(ref)
        except CorruptArtifactError:
            return False
        return True

    def get(self, ref: ArtifactRef) -> Path:
        """Return a local path of the file, verified against its hash.

        For a remote root it is in the cache folder. Do not write to it. A file that a job without a campaign stored
        elsewhere is copied to this store first.

        Raises
        ------
        CorruptArtifactError
            The file is missing or damaged. A damaged file is moved to the quarantine, so that it can be stored again.
        """
        local = self.local_path(ref)
        if ref.path is not None and not self._fs.exists(self._remote_path(ref)):
            self._import(ref, Path(ref.path))
        if not self.is_local and not (local.exists() and self._is_intact(local, ref)):
            self._download(ref, local)
        if not local.exists():
            raise CorruptArtifactError(f"{local}: the artifact of {ref.kind!r} is missing. {_recovery_hint(ref)}")
        if not self._is_intact(local, ref):
            raise self._quarantined(ref)
        return local

    def discard(self, ref: ArtifactRef) -> None:
        """Delete a file that no document refers to, and folders that are then empty."""
        self._verified.pop(self.local_path(ref), None)
        if not self.is_local:
            remote = self._remote_path(ref)
            if self._fs.exists(remote):
                self._fs.rm_file(remote)
        local = self.local_path(ref)
        local.unlink(missing_ok=True)
        for folder in list(local.parents)[:3]:  # up to the root itself
            with contextlib.suppress(OSError):
                folder.rmdir()

    def local_path(self, ref: ArtifactRef) -> Path:
        """Return the path at which :meth:`get` finds or downloads the file."""
        folder = Path(self._root) if self.is_local else self.cache_folder
        assert folder is not None
        return folder / relative_path(ref)

    def _remote_path(self, ref: ArtifactRef) -> str:
        return f"{self._root.rstrip('/')}/{relative_path(ref)}"

    def _write(self, ref: ArtifactRef, source: BinaryIO) -> None:
        # An object store writes an object completely or not at all; on other remotes, get() detects truncated files.
        with atomic_path(self.local_path(ref)) as temporary:
            with temporary.open("wb") as target:
                shutil.copyfileobj(source, target, _CHUNK_BYTES)
            with temporary.open("rb") as written:
                if _digest(written)[0] != ref.sha256:
                    raise StorageError(
                        f"{ref.kind}: the file changed while it was stored. Hint: store it after writing has finished"
                    )
            if not self.is_local:
                remote = self._remote_path(ref)
                with self._translated_errors():
                    self._make_folder(remote.rsplit("/", 1)[0])
                    self._fs.put_file(str(temporary), remote)

    def _import(self, ref: ArtifactRef, source: Path) -> None:
        """Copy a file from the folder of a job without a campaign."""
        if not source.is_file() or not self._is_intact(source, ref):
            raise CorruptArtifactError(
                f"{source}: missing, or its hash is not the recorded {ref.sha256[:12]}.... Hint: run the job that wrote "
                "it again"
            )
        with source.open("rb") as stream:
            self._write(ref, stream)

    def _download(self, ref: ArtifactRef, local: Path) -> None:
        local.unlink(missing_ok=True)
        remote = self._remote_path(ref)
        with self._translated_errors():
            if self._fs.exists(remote):
                with atomic_path(local) as temporary:
                    self._fs.get_file(remote, str(temporary))

    def _make_folder(self, path: str) -> None:
        # an object store has no folders: s3fs would create a bucket of that name
        if not _OBJECT_STORES & set(_protocols(self._fs)):
            self._fs.makedirs(path, exist_ok=True)

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Translate errors of a remote root."""
        try:
            yield
        except _remote_errors() as error:
            if self.is_local:
                raise
            raise StorageError(
                f"artifacts_url: {self.root_url}: {type(error).__name__}: {error}. Hint: check that it exists and is "
                "writable with the credentials of this machine (for S3: AWS_ACCESS_KEY_ID etc., or ~/.aws), then resume"
            ) from error

    def _is_intact(self, path: Path, ref: ArtifactRef) -> bool:
        stat = path.stat()
        if stat.st_size != ref.size_bytes:
            return False
        if self._verified.get(path) != (stat.st_mtime_ns, stat.st_size):
            with path.open("rb") as handle:
                if _digest(handle)[0] != ref.sha256:
                    return False
            self._verified[path] = (stat.st_mtime_ns, stat.st_size)
        return True

    def _quarantined(self, ref: ArtifactRef) -> CorruptArtifactError:
        """Move a damaged file to the quarantine, and return the error to raise."""
        found = self._remote_path(ref)
        aside = f"{self._root.rstrip('/')}/quarantine/{ref.kind}-{secrets.token_hex(4)}-{ref.sha256}{ref.suffix}"
        with self._translated_errors():
            self._make_folder(aside.rsplit("/", 1)[0])
            self._fs.mv(found, aside)
        if not self.is_local:
            self.local_path(ref).unlink(missing_ok=True)
        return CorruptArtifactError(
            f"{found}: damaged (its hash is not the recorded {ref.sha256[:12]}...); moved to {aside}. "
            f"{_recovery_hint(ref)}"
        )


def _recovery_hint(ref: ArtifactRef) -> str:
    if ref.kind == LABEL_FILES:
        return (
            "Hint: restore it from a backup. Inputs and logs of a label are kept for the record: the label itself is "
            "intact, and a resume does not compute it again"
        )
    return "Hint: restore it from a backup, or resume the campaign to compute it again"


def _protocols(files: fsspec.AbstractFileSystem) -> tuple[str, ...]:
    return (files.protocol,) if isinstance(files.protocol, str) else tuple(files.protocol)


def _remote_errors() -> tuple[type[Exception], ...]:
    # s3fs lets exceptions of botocore pass, which are not OSErrors
    botocore = sys.modules.get("botocore.exceptions")
    return (OSError,) if botocore is None else (OSError, botocore.BotoCoreError, botocore.ClientError)


def _reference(kind: str, sha256: str, size_bytes: int, suffix: str) -> ArtifactRef:
    try:
        return ArtifactRef(kind=kind, sha256=sha256, size_bytes=size_bytes, suffix=suffix)
    except ValidationError as error:
        raise StorageError(
            f"artifact kind={kind!r}, suffix={suffix!r}: a kind has lower-case letters, digits, '-' and '_'; "
            "a suffix starts with a dot and has no slash"
        ) from error


def relative_path(ref: ArtifactRef) -> str:
    """Return the path of a file below the root of a store."""
    return f"{ref.kind}/{ref.sha256[:2]}/{ref.sha256}{ref.suffix}"


def _digest(source: BinaryIO) -> tuple[str, int]:
    """Return hash and size of the rest of a stream."""
    digest, size_bytes = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK_BYTES):
        digest.update(chunk)
        size_bytes += len(chunk)
    return digest.hexdigest(), size_bytes
