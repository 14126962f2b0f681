"""Names in documents and archives lead to no file outside the target."""

import gzip
import io
import tarfile

import pytest

import loop_documents as documents
from interphase_flows.commands.export import export_trajectories
from interphase_flows.commands.queries import extract_files
from interphase_flows.exceptions import StorageError
from interphase_flows.results import CampaignResults
from interphase_flows.runtime.file_names import file_in
from interphase_flows.storage import archive as archive_module
from interphase_flows.storage.archive import archive_bytes, decompressed, unpack_archive
from interphase_flows.storage.leases import KIND, leased_folder
from trajectory_files import campaign_run, planted

OUTSIDE = ["/etc/cron.d/x", "../x", "..", ".", "", "a/b", "a\\b", "-rf", "--me", "~/x/y", ".bashrc", "x\x00y", "x\ny"]
OUTSIDE += ["x\x1b[31m", "x\u202ey", "x" * 300, 7, None]


@pytest.mark.parametrize("name", OUTSIDE, ids=ascii)
def test_name_that_is_no_file_name_is_rejected(name, tmp_path):
    with pytest.raises(StorageError, match="not a valid name") as caught:
        file_in(tmp_path, name, "run")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["replica-0", "vasprun.xml.gz", "Li2S in P2S5", "Å_1", "a..b", "file-"])
def test_ordinary_name_is_accepted(name, tmp_path):
    assert file_in(tmp_path, name, "run") == tmp_path / name


def archive(name, kind=tarfile.REGTYPE, target=""):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size, entry.type, entry.linkname, entry.mode = 2 * (kind == tarfile.REGTYPE), kind, target, 0o4777
        tar.addfile(entry, io.BytesIO(b"no"))
    return gzip.compress(packed.getvalue())


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "..", "sub/x", "-rf"])
def test_entry_that_leads_out_of_the_folder_is_not_unpacked(name, tmp_path):
    with pytest.raises(StorageError, match="not a valid name"):
        unpack_archive(archive(name), tmp_path / "to")
    assert list((tmp_path / "to").iterdir()) == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_links_devices_and_folders_are_not_unpacked(kind, tmp_path):
    assert unpack_archive(archive("link", kind, "/etc/passwd"), tmp_path / "to") == []
    assert list((tmp_path / "to").iterdir()) == []


@pytest.mark.parametrize(
    "data", [b"", b"no archive", gzip.compress(b"no archive" * 200), archive("x")[:40]], ids=range(4)
)
def test_damaged_archive_is_a_storage_error(data, tmp_path):
    with pytest.raises(StorageError, match="archive"):
        unpack_archive(data, tmp_path / "to")


def test_archive_that_unpacks_to_more_than_the_limit_is_not_read(monkeypatch, tmp_path):
    monkeypatch.setattr(archive_module, "MAX_UNPACKED_BYTES", 1_000_000)
    log = tmp_path / "log.txt"
    log.write_bytes(bytes(4_000_000))
    packed = archive_bytes([log])
    assert len(packed) < 10_000
    for read in (lambda: unpack_archive(packed, tmp_path / "to"), lambda: decompressed(packed, "results")):
        with pytest.raises(StorageError, match="larger than"):
            read()
    log.write_bytes(bytes(900_000))
    assert unpack_archive(archive_bytes([log]), tmp_path / "to") == [tmp_path / "to" / "log.txt"]


def test_sparse_file_in_an_archive_counts_with_its_apparent_size(tmp_path):
    """A few hundred bytes of GNU tar for a file of 4 TB."""
    entry = tarfile.TarInfo("log.txt")
    entry.type, size = tarfile.GNUTYPE_SPARSE, 1 << 42
    header = bytearray(entry.tobuf(format=tarfile.GNU_FORMAT))
    header[483:495] = b"\x80" + size.to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    packed = gzip.compress(bytes(header) + bytes(1024))
    with pytest.raises(StorageError, match="larger than"):
        unpack_archive(packed, tmp_path / "to")


@pytest.mark.parametrize("key", ["/tmp/owned", "../../owned", "-x"])
def test_files_of_a_label_with_a_hostile_key_are_not_written(key, started, tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("text")
    artifact = started.artifacts.put_bytes(archive_bytes([log]), "label_files", ".tar.gz")
    label = {"key": key, "files": artifact.model_dump()}
    with pytest.raises(StorageError, match="label"):
        extract_files(started, [label], tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_trajectory_of_a_run_with_a_hostile_name_is_not_written(settings, started, tmp_path):
    packed = campaign_run(tmp_path / "run.zarr.zip", planted(n_frames=2, seed=0)).path
    artifact = started.artifacts.put_file(packed, "trajectories", ".zarr.zip")
    committee_key = documents.iteration("i", 0).committee_key
    segment = documents.segment("../../owned", trajectory=artifact, role="production", committee_key=committee_key)
    started.ledger.put("segments", segment.key, segment)
    with CampaignResults("unit", settings) as results, pytest.raises(StorageError, match="not a valid name"):
        export_trajectories(results, tmp_path / "to")
    assert not list(tmp_path.rglob("owned*"))


@pytest.mark.parametrize("field", ["folder", "copy_from"])
@pytest.mark.parametrize("name", ["/tmp", "..", "../other", "key/../..", "key.0123", 5])
def test_lease_that_names_a_folder_of_other_work_is_removed_without_touching_the_folder(field, name, started, tmp_path):
    victim = tmp_path / "other"
    victim.mkdir()
    (victim / "kept").touch()
    lease = {"token": "t", "serial": 0, "is_released": True, "folder": "key", "copy_from": None, "host": "h", "pid": 2}
    started.ledger.set_state(KIND, "models:key", lease | {"started": "1", "slurm_job_id": None, field: name})
    parent = tmp_path / "work"
    with (
        pytest.raises(StorageError, match="names the folder"),
        leased_folder(started.ledger, parent, "models", "key", 9.0),
    ):
        pytest.fail("the lease was taken")
    assert (victim / "kept").exists()
    with leased_folder(started.ledger, parent, "models", "key", 9.0) as folder:
        assert folder == parent / "key"
