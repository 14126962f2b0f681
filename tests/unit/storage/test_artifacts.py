"""Files by content: stored once, checked at every reading, mended by storing again."""

import fsspec
import pytest

from interphase_flows.exceptions import CorruptArtifactError, StorageError
from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.storage.artifacts import ArtifactStore

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


def test_what_was_put_is_got(store, tmp_path):
    """As a file of the right extension, under its hash."""
    (tmp_path / "model.pth").write_bytes(b"hello")
    ref = store.put_file(tmp_path / "model.pth", "models")
    assert ref == ArtifactRef(kind="models", sha256=HELLO, size_bytes=5, suffix=".pth")
    got = store.get(ref)
    assert got.read_bytes() == b"hello"
    assert got.parts[-3:] == ("models", "2c", f"{HELLO}.pth")
    assert (tmp_path / "model.pth").exists()


def test_putting_twice_changes_nothing(store):
    """The second time is a reading."""
    ref = store.put_bytes(b"hello", "models", ".pth")
    before = store.get(ref).stat().st_mtime_ns
    assert store.put_bytes(b"hello", "models", ".pth") == ref
    assert store.get(ref).stat().st_mtime_ns == before


@pytest.mark.parametrize("data", [b"jello", b"hell", b""])
def test_damage_is_found_moved_aside_and_mended(store, tmp_path, data):
    """Another byte or a cut: told in words, quarantined, and put again."""
    ref = store.put_bytes(b"hello", "models", ".pth")
    damage(store, ref, data)
    other = ArtifactStore(store.root_url, tmp_path / "other")
    with pytest.raises(CorruptArtifactError, match=r"damaged .* moved to .*quarantine.* Resume"):
        other.get(ref)
    with pytest.raises(CorruptArtifactError, match=r"missing.*resume"):
        other.get(ref)
    assert other.put_bytes(b"hello", "models", ".pth") == ref
    assert other.get(ref).read_bytes() == b"hello"
    assert len(store._fs.ls(f"{store._root}/quarantine")) == 1


def test_putting_over_a_damaged_file_repairs_it(store, tmp_path):
    """Without anyone having read it before."""
    ref = store.put_bytes(b"hello", "models", ".pth")
    damage(store, ref)
    other = ArtifactStore(store.root_url, tmp_path / "other")
    other.put_bytes(b"hello", "models", ".pth")
    assert other.get(ref).read_bytes() == b"hello"


def test_damage_after_a_first_reading_is_found(tmp_path):
    """What was checked once is checked again when it changes."""
    store = ArtifactStore(tmp_path / "artifacts")
    ref = store.put_bytes(b"hello", "models", ".pth")
    store.get(ref)
    damage(store, ref, b"longer")
    with pytest.raises(CorruptArtifactError):
        store.get(ref)


def test_a_damaged_download_is_fetched_again(tmp_path):
    """The copy in the cache is nobody's original."""
    store = ArtifactStore("memory://artifacts", tmp_path / "cache")
    ref = store.put_bytes(b"hello", "models")
    ArtifactStore("memory://artifacts", tmp_path / "cache").local_path(ref).write_bytes(b"jello")
    assert ArtifactStore("memory://artifacts", tmp_path / "cache").get(ref).read_bytes() == b"hello"
    fsspec.filesystem("memory").store.clear()


def test_contains_tells_without_raising(store):
    """Absent is False, sound is True."""
    ref = ArtifactRef(kind="models", sha256=HELLO, size_bytes=5)
    assert not store.contains(ref)
    store.put_bytes(b"hello", "models")
    assert store.contains(ref)


def test_nothing_else_is_left_in_the_root(tmp_path):
    """No temporary file beside the artifact."""
    store = ArtifactStore(tmp_path / "artifacts")
    ref = store.put_bytes(b"hello", "models")
    assert [p for p in (tmp_path / "artifacts").rglob("*") if p.is_file()] == [store.get(ref)]


def test_artifacts_are_told_from_others_by_their_identity(store, tmp_path):
    """The same from wherever it is opened, another in another place."""
    assert store.identity() == ArtifactStore(store.root_url, tmp_path / "elsewhere").identity()
    assert store.identity() != ArtifactStore(tmp_path / "others").identity()


def test_wrong_input_is_told(tmp_path):
    """Names that would leave the folder, files that are not there, URLs that nobody answers."""
    store = ArtifactStore(tmp_path / "artifacts")
    with pytest.raises(StorageError, match="a kind is lower-case"):
        store.put_bytes(b"", "../models")
    with pytest.raises(StorageError, match="suffix starts with a dot"):
        store.put_bytes(b"", "models", "/../x")
    with pytest.raises(StorageError, match="no such file"):
        store.put_file(tmp_path / "absent", "models")
    with pytest.raises(StorageError, match="artifacts_url: 'nosuch://x' cannot be opened"):
        ArtifactStore("nosuch://x", tmp_path)
    with pytest.raises(StorageError, match="cache_folder"):
        ArtifactStore("memory://x")


def test_a_discarded_file_is_gone_with_its_folders(store):
    """Others stay; discarding twice changes nothing; it can be put again."""
    ref, other = store.put_bytes(b"hello", "models"), store.put_bytes(b"jello", "models")
    store.discard(ref)
    store.discard(ref)
    assert not store.contains(ref)
    assert store.contains(other)
    store.discard(other)
    assert not store.local_path(other).parents[1].exists()
    assert store.contains(store.put_bytes(b"hello", "models"))
