"""Archives and folders of bundles, damaged, hostile, or not written to their end."""

import errno
import io
import shutil
import tarfile
from pathlib import Path

import pytest

from interphase_flows.exceptions import InputError, StorageError
from interphase_flows.storage.bundle_files import CHECKSUMS, BundleFiles, new_bundle


def test_path_that_is_no_bundle_is_reported(tmp_path: Path) -> None:
    for path, reason in ((tmp_path, "not a bundle"), (tmp_path / "missing.tar", "no such file or folder")):
        with pytest.raises(InputError, match=reason):
            BundleFiles(path)


def test_archive_with_links_or_names_outside_is_rejected(tmp_path: Path) -> None:
    def archive(name: str, *entries: tarfile.TarInfo, checksums: str = "") -> Path:
        with tarfile.open(tmp_path / name, "w") as file:
            sums = tarfile.TarInfo(f"b/{CHECKSUMS}")
            sums.size = len(checksums)
            file.addfile(sums, io.BytesIO(checksums.encode()))
            for entry in entries:
                file.addfile(entry)
        return tmp_path / name

    link = tarfile.TarInfo("b/labels.extxyz")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with pytest.raises(StorageError, match="is a link"):
        BundleFiles(archive("link.tar", link))
    for outside in ("../x", "/etc/passwd", "a/../../x", "a//b", "-x", ".hidden"):
        with pytest.raises(StorageError, match="not a valid name"):
            BundleFiles(archive("outside.tar", checksums=f"{'0' * 64}  {outside}\n"))
    with pytest.raises(StorageError, match="SHA256SUMS is damaged"):
        BundleFiles(archive("damaged.tar", checksums="nonsense"))
    (tmp_path / "text.tar").write_text("nonsense")
    with pytest.raises(InputError, match=r"not a \.tar archive"):
        BundleFiles(tmp_path / "text.tar")
    with pytest.raises(InputError, match="contains no SHA256SUMS"):
        BundleFiles(tmp_path)


def test_archive_that_is_cut_short_or_has_a_negative_size_is_rejected(tmp_path: Path) -> None:
    """Python before 3.11.14 reads an entry with a negative size again and again."""
    with new_bundle(tmp_path / "b.tar") as writer:
        writer.add("labels.extxyz", b"1" * 2000)
    content = (tmp_path / "b.tar").read_bytes()
    (tmp_path / "b.tar").write_bytes(content[:1000])
    with pytest.raises(InputError, match="or damaged"):
        BundleFiles(tmp_path / "b.tar")
    (tmp_path / "b.tar").write_bytes(content[: 512 + 2048])
    with pytest.raises(InputError, match="cut short"):
        BundleFiles(tmp_path / "b.tar")
    entry = tarfile.TarInfo("b/x")
    entry.size = -512
    (tmp_path / "b.tar").write_bytes(content[:2560] + entry.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(InputError, match="negative size"):
        BundleFiles(tmp_path / "b.tar")


@pytest.mark.parametrize("target", ["b.tar", "b"])
def test_full_disk_and_unreadable_file_are_reported(
    tmp_path: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StorageError, match=r"absent\.cif: cannot be read"), new_bundle(tmp_path / target) as writer:
        writer.add("inputs/1/absent.cif", tmp_path / "absent.cif")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    monkeypatch.setattr(tarfile, "copyfileobj", full)
    with pytest.raises(StorageError, match=f"{target}: not written: the disk is full"):  # noqa: SIM117
        with new_bundle(tmp_path / target) as writer:
            writer.add("labels.extxyz", b"1" * 100)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["b.tar", "b"])
def test_failed_export_leaves_nothing(tmp_path: Path, target: str) -> None:
    with pytest.raises(StorageError, match="not a valid name"), new_bundle(tmp_path / target) as writer:
        writer.add("../outside", b"1")
    assert list(tmp_path.iterdir()) == []
