"""Artifacts in S3."""

import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from interphase_flows.exceptions import CorruptArtifactError, StorageError
from interphase_flows.settings import Settings
from interphase_flows.storage.artifacts import ArtifactStore
from interphase_flows.storage.workspace import Workspace
from s3_server import MISSING, SECRET, S3Server, is_installed

pytestmark = pytest.mark.cluster

BUCKET = "campaigns"
URL = f"s3://{BUCKET}/artifacts"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    if not is_installed():
        pytest.skip(MISSING)
    with S3Server(tmp_path_factory.mktemp("s3") / "server.log") as server:
        yield server


@pytest.fixture
def bucket(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """A file system with an empty bucket."""
    import s3fs

    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem()
    files.mkdir(BUCKET)
    yield files
    files.rm(BUCKET, recursive=True)
    s3fs.S3FileSystem.clear_instance_cache()


def test_file_is_stored_once_by_hash_and_downloaded_by_other_machines(bucket, tmp_path: Path) -> None:
    (tmp_path / "model.ckpt").write_bytes(b"weights" * 1_000_000)
    here, there = (ArtifactStore(URL, tmp_path / name) for name in ("here", "there"))
    ref = here.put_file(tmp_path / "model.ckpt", "models")
    path = f"{BUCKET}/artifacts/models/{ref.sha256[:2]}/{ref.sha256}.ckpt"
    assert bucket.find(BUCKET) == [path]
    assert bucket.size(path) == ref.size_bytes == 7_000_000
    written = bucket.modified(path)
    assert there.put_file(tmp_path / "model.ckpt", "models") == ref
    assert bucket.modified(path) == written
    assert ArtifactStore(URL, tmp_path / "third").get(ref).read_bytes() == b"weights" * 1_000_000


@pytest.mark.parametrize("damaged", [b"jello", b"hell"])
def test_damaged_file_is_quarantined_and_can_be_stored_again(bucket, tmp_path: Path, damaged: bytes) -> None:
    """Damage is a changed byte or a truncation."""
    store = ArtifactStore(URL, tmp_path / "here")
    ref = store.put_bytes(b"hello", "models", ".ckpt")
    bucket.pipe_file(store._remote_path(ref), damaged)
    other = ArtifactStore(URL, tmp_path / "there")
    with pytest.raises(CorruptArtifactError, match=r"damaged .* moved to .*quarantine.* resume"):
        other.get(ref)
    with pytest.raises(CorruptArtifactError, match=r"missing.*resume"):
        other.get(ref)
    assert other.put_bytes(b"hello", "models", ".ckpt") == ref
    assert other.get(ref).read_bytes() == b"hello"
    assert len(bucket.ls(f"{BUCKET}/artifacts/quarantine")) == 1


def test_killed_upload_leaves_no_partial_file(bucket, server: S3Server, tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom interphase_flows.storage.artifacts import ArtifactStore\n"
        f"store = ArtifactStore({URL!r}, sys.argv[1])\n"
        "put = store._fs.put_file\n"
        "def die(*args):\n    os._exit(9)\n"
        "store.put_bytes(b'first', 'models')\nstore._fs.put_file = die\nstore.put_bytes(b'second', 'models')\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "killed")], env=os.environ | server.variables, timeout=120
    )
    assert killed.returncode == 9
    store = ArtifactStore(URL, tmp_path / "next")
    assert len(bucket.find(BUCKET)) == 1
    for data in (b"first", b"second"):
        assert store.get(store.put_bytes(data, "models")).read_bytes() == data
    assert len(bucket.find(BUCKET)) == 2


def test_campaign_with_artifacts_in_s3_stores_no_secret_locally(bucket, tmp_path: Path) -> None:
    settings = Settings(root=tmp_path / "runs", artifacts_url=URL)
    with Workspace(settings, "unit") as workspace:
        ref = workspace.artifacts.put_bytes(b"frames", "datasets", ".extxyz")
        workspace.ledger.put("models", "a", {"name": "x", "artifact": ref.model_dump()})
        assert workspace.artifacts.identity() == ArtifactStore(URL, tmp_path / "other").identity()
    left = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert any(ref.sha256.encode() in text for text in left)
    assert not any(SECRET.encode() in text for text in left)


def test_s3_errors_raise_with_a_hint_and_without_the_secret(
    bucket, server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing bucket (which is not created), no server, no credentials."""
    missing = ArtifactStore("s3://no-such-bucket/artifacts", tmp_path / "cache")
    assert_storage_error(missing, "FileNotFoundError")
    assert bucket.ls("") == [BUCKET]
    bucket.clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert_storage_error(ArtifactStore(URL, tmp_path / "cache"), "EndpointConnectionError")
    bucket.clear_instance_cache()
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert_storage_error(ArtifactStore(URL, tmp_path / "cache"), "NoCredentialsError")


def assert_storage_error(store: ArtifactStore, error: str) -> None:
    with pytest.raises(StorageError, match=f"artifacts_url: {store.root_url}: {error}: .*Hint: check that") as caught:
        store.put_bytes(b"hello", "models")
    assert SECRET not in "".join(traceback.format_exception(caught.value))
