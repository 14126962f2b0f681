"""Artifacts are stored once, verified when they are read, and repaired when they are stored again."""

import fsspec
import pytest

from interphase_flows.exceptions import CorruptArtifactError, StorageError
from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.storage.artifacts import LABEL_FILES, ArtifactStore

HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


@pytest.fixture(params=["folder", "remote"])
def store(request, tmp_path):
    if request.param == "folder":
        yield ArtifactStore(tmp_path / "artifacts")
    else:
        yield ArtifactStore("memory://artifacts", tmp_path / "cache")
        fsspec.filesystem("memory").store.clear()


def damage(store, ref, data=b"jello"):
    with store._fs.open(store._remote_path(ref), "wb") as handle:
        handle.write(data)


def test_a_stored_file_is_read_back(store, tmp_path):
    """Under its hash, with the extension of the file."""
    (tmp_path / "model.pth").write_bytes(b"hello")
    ref = store.put_file(tmp_path / "model.pth", "models")
    assert ref == ArtifactRef(kind="models", sha256=HELLO, size_bytes=5, suffix=".pth")
    got = store.get(ref)
    assert got.read_bytes() == b"hello"
    assert got.parts[-3:] == ("models", "2c", f"{HELLO}.pth")
    assert (tmp_path / "model.pth").exists()


def test_storing_twice_writes_once(store):
    ref = store.put_bytes(b"hello", "models", ".pth")
    before = store.get(ref).stat().st_mtime_ns
    assert store.put_bytes(b"hello", "models", ".pth") == ref
    assert store.get(ref).stat().st_mtime_ns == before


@pytest.mark.parametrize("data", [b"jello", b"hell", b""])
def test_a_damaged_file_is_quarantined_and_stored_again(store, tmp_path, data):
    """With a changed byte, truncated, or empty."""
    ref = store.put_bytes(b"hello", "models", ".pth")
    damage(store, ref, data)
    other = ArtifactStore(store.root_url, tmp_path / "other")
    with pytest.raises(CorruptArtifactError, match=r"damaged .* moved to .*quarantine.* resume"):
        other.get(ref)
    with pytest.raises(CorruptArtifactError, match=r"missing.*resume"):
        other.get(ref)
    assert other.put_bytes(b"hello", "models", ".pth") == ref
    assert other.get(ref).read_bytes() == b"hello"
    assert len(store._fs.ls(f"{store._root}/quarantine")) == 1


def test_storing_over_a_damaged_file_repairs_it(store, tmp_path):
    """Also if it was not read before."""
    ref = store.put_bytes(b"hello", "models", ".pth")
    damage(store, ref)
    other = ArtifactStore(store.root_url, tmp_path / "other")
    other.put_bytes(b"hello", "models", ".pth")
    assert other.get(ref).read_bytes() == b"hello"


def test_damage_after_a_first_read_is_detected(tmp_path):
    store = ArtifactStore(tmp_path / "artifacts")
    ref = store.put_bytes(b"hello", "models", ".pth")
    store.get(ref)
    damage(store, ref, b"longer")
    with pytest.raises(CorruptArtifactError):
        store.get(ref)


def test_a_damaged_file_of_the_cache_is_downloaded_again(tmp_path):
    store = ArtifactStore("memory://artifacts", tmp_path / "cache")
    ref = store.put_bytes(b"hello", "models")
    ArtifactStore("memory://artifacts", tmp_path / "cache").local_path(ref).write_bytes(b"jello")
    assert ArtifactStore("memory://artifacts", tmp_path / "cache").get(ref).read_bytes() == b"hello"
    fsspec.filesystem("memory").store.clear()


def test_contains_returns_false_for_a_missing_file(store):
    ref = ArtifactRef(kind="models", sha256=HELLO, size_bytes=5)
    assert not store.contains(ref)
    store.put_bytes(b"hello", "models")
    assert store.contains(ref)


def test_no_temporary_file_remains_in_the_root(tmp_path):
    store = ArtifactStore(tmp_path / "artifacts")
    ref = store.put_bytes(b"hello", "models")
    assert [p for p in (tmp_path / "artifacts").rglob("*") if p.is_file()] == [store.get(ref)]


def test_identity_depends_on_the_root_alone(store, tmp_path):
    assert store.identity() == ArtifactStore(store.root_url, tmp_path / "elsewhere").identity()
    assert store.identity() != ArtifactStore(tmp_path / "others").identity()


def test_hint_for_damaged_logs_of_a_label_promises_no_recomputation(tmp_path):
    store = ArtifactStore(tmp_path / "artifacts")
    for kind, is_recomputed in (("models", True), (LABEL_FILES, False)):
        ref = store.put_bytes(b"hello", kind)
        damage(store, ref, b"jello")
        for problem in ("damaged", "missing"):
            with pytest.raises(CorruptArtifactError, match=problem) as raised:
                ArtifactStore(tmp_path / "artifacts").get(ref)
            assert ("or resume the campaign to compute it again" in str(raised.value)) is is_recomputed


def test_invalid_input_raises(tmp_path):
    """Names that leave the folder, missing files, URLs without a file system."""
    store = ArtifactStore(tmp_path / "artifacts")
    with pytest.raises(StorageError, match="a kind has lower-case"):
        store.put_bytes(b"", "../models")
    with pytest.raises(StorageError, match="suffix starts with a dot"):
        store.put_bytes(b"", "models", "/../x")
    with pytest.raises(StorageError, match="no such file"):
        store.put_file(tmp_path / "absent", "models")
    with pytest.raises(StorageError, match="artifacts_url: 'nosuch://x' cannot be opened"):
        ArtifactStore("nosuch://x", tmp_path)
    with pytest.raises(StorageError, match="cache_folder"):
        ArtifactStore("memory://x")


def test_discarding_removes_a_file_and_its_empty_folders(store):
    """Other files stay; discarding is idempotent; the file can be stored again."""
    ref, other = store.put_bytes(b"hello", "models"), store.put_bytes(b"jello", "models")
    store.discard(ref)
    store.discard(ref)
    assert not store.contains(ref)
    assert store.contains(other)
    store.discard(other)
    assert not store.local_path(other).parents[1].exists()
    assert store.contains(store.put_bytes(b"hello", "models"))
