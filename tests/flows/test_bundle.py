"""A finished campaign is bundled, opened under another root, queried, reported and resumed."""

import gzip
import io
import json
import re
import shutil
import signal
import socket
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from ase.io import read

from campaign_documents import documents
from interphase_flows.campaign.schema import Campaign
from interphase_flows.commands.bundle_export import _bundled_name, _status, export_bundle, without_paths
from interphase_flows.commands.bundle_open import STAGING, open_bundle
from interphase_flows.datasets.colabfit import Publication
from interphase_flows.exceptions import InputError, StorageError
from interphase_flows.results import CampaignResults
from interphase_flows.runners.campaign_records import REQUIRED_ANALYSES
from interphase_flows.runtime.file_names import is_file_name
from interphase_flows.settings import load_settings
from interphase_flows.storage.bundle_files import CHECKSUMS, BundleFiles, new_bundle
from interphase_flows.storage.ledger import KINDS, STATE_KINDS, Ledger
from tiny_campaign import command, environment, interphase

pytestmark = pytest.mark.slow

RESULT_KINDS = [kind for kind in KINDS if kind not in STATE_KINDS]
COMPUTED_AT = ("created_at", "wall_time_s", "started_at")


@pytest.fixture(scope="module")
def bundle(finished_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the archive of a campaign that names a structure file of this machine."""
    folder = tmp_path_factory.mktemp("bundle")
    shutil.copytree(finished_root, folder / "origin")
    structure = folder / "private" / "Li.cif"
    structure.parent.mkdir()
    structure.write_text("data_Li\n")
    with closing(Ledger.embedded(folder / "origin" / "tiny" / "ledger.sqlite", "tiny")) as ledger:
        state = ledger.get("campaigns", "tiny") or {}
        state["spec"]["structure_files"] = {"Li": str(structure)}
        ledger.set_state("campaigns", "tiny", {k: v for k, v in state.items() if k not in ("key", "kind")})
        reason = f"{folder}/origin/tiny/run.log: no energy, in 3 eV/atom"
        ledger.record_failure("labels", "abc", "no_energy", {"explanation": reason})
        reason = f"/home/{Path.home().name}: held by process 1 on {socket.gethostname()}"
        ledger.record_failure("labels", "def", "locked", {"explanation": reason})
        [stored] = ledger.find("structure_sets", limit=1)
        ledger.backend.add_to_list("structure_sets", stored["key"], "used_by", "secret-project")
    (folder / "origin" / "tiny" / "report").mkdir(exist_ok=True)
    (folder / "origin" / "tiny" / "report" / ".interphase-tmp-of-a-killed-process").touch()
    target = folder / "tiny.tar"
    with CampaignResults("tiny", load_settings(root=folder / "origin")) as results:
        about = Publication(["Marie Curie"], license="CC-BY-4.0", links=["https://doi.org/10.1000/1"])
        assert export_bundle(results, target, about) == [target]
    return target


@pytest.fixture(scope="module")
def opened(finished_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a root at which the bundle of the unchanged campaign was opened."""
    folder = tmp_path_factory.mktemp("opened")
    archive = folder / "tiny.tar"
    interphase("export", "bundle", str(archive), "--root", str(finished_root))
    interphase("open", str(archive), "--root", str(folder / "runs"))
    return folder / "runs"


def unpacked(bundle: Path, folder: Path) -> Path:
    with tarfile.open(bundle) as archive:
        archive.extractall(folder, filter="data")
    return folder / "tiny"


def test_opened_campaign_has_the_documents_of_the_origin(finished_root: Path, opened: Path) -> None:
    for kind in RESULT_KINDS:
        found, expected = documents(opened, kind), documents(finished_root, kind)
        assert found == expected, kind
    counted = interphase("query", "labels", "--count", "--root", str(opened)).stdout
    assert int(counted) == len(documents(finished_root, "labels"))
    status = json.loads(interphase("status", "tiny", "--json", "--root", str(opened)).stdout)
    assert status["status"] == "finished"


def test_opened_campaign_resumes_without_work_and_writes_its_report(finished_root: Path, opened: Path) -> None:
    before = {kind: documents(opened, kind) for kind in RESULT_KINDS}
    interphase("resume", "tiny", "--root", str(opened))
    assert {kind: documents(opened, kind) for kind in RESULT_KINDS} == before
    page = (opened / "tiny" / "report" / "report.html").read_text()
    assert "supports no transport coefficient" in page
    interphase("report", "tiny", "--root", str(opened))


def test_bundle_of_an_opened_campaign_has_the_same_artifacts(bundle: Path, opened: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    interphase("export", "bundle", str(again), "--root", str(opened))
    with BundleFiles(again) as copy, BundleFiles(bundle) as original:
        copy.verify()
        names = [[name for name in files.names if name.startswith("artifacts/")] for files in (copy, original)]
    assert names[0] == names[1]


def test_bundle_contains_labels_potentials_report_license_and_citation(bundle: Path, tmp_path: Path) -> None:
    folder = unpacked(bundle, tmp_path)
    assert subprocess.run(["sha256sum", "--quiet", "-c", CHECKSUMS], cwd=folder, check=True)
    frames = read(folder / "labels.extxyz", ":")
    assert frames[0].get_forces().shape == (len(frames[0]), 3)
    assert json.loads((folder / "labels.json").read_text())["authors"] == ["Marie Curie"]
    assert {path.name for path in (folder / "models").iterdir()} == {"member-0.ckpt", "member-1.ckpt"}
    assert "Marie Curie" in (folder / "CITATION.cff").read_text()
    assert "CC-BY-4.0" in (folder / "LICENSE.txt").read_text()
    listed = set(re.findall(r"^\| `([^`/]+)", (folder / "README.md").read_text(), re.MULTILINE))
    assert {path.name for path in folder.iterdir()} - listed == {"README.md", "LICENSE.txt", "bundle.json"}
    campaign = Campaign.from_file(folder / "campaign.yaml")
    assert campaign.structure_files == {"Li": str(folder / "inputs" / "1" / "Li.cif")}


def test_bundle_contains_no_path_of_the_origin(bundle: Path) -> None:
    """Also inside compressed files; checkpoints name the folder of their training, which NequIP's tools read."""
    private = {str(bundle.parent).encode(), str(Path.home()).encode() + b"/", str(Path(__file__).parents[2]).encode()}
    with BundleFiles(bundle) as files:
        for name in files.names:
            if name.endswith(".ckpt"):
                continue
            content = files.read(name)
            parts = [content]
            if zipfile.is_zipfile(io.BytesIO(content)):
                with zipfile.ZipFile(io.BytesIO(content)) as archive:
                    parts += [archive.read(entry) for entry in archive.namelist()]
            if name.endswith(".gz"):
                parts.append(gzip.decompress(content))
            for path in private:
                assert not any(path in part for part in parts), f"{name}: {path!r}"
        failures = map(json.loads, gzip.decompress(files.read("documents/failures.jsonl.gz")).splitlines())
        assert b"secret-project" not in gzip.decompress(files.read("documents/structure_sets.jsonl.gz"))
    assert {failure["details"]["explanation"] for failure in failures} == {
        "run.log: no energy, in 3 eV/atom",
        "~: held by process 1 on HOST",
    }


def test_input_files_are_opened_below_the_campaign(bundle: Path, tmp_path: Path) -> None:
    assert open_bundle(bundle, load_settings(root=tmp_path)) == "tiny"
    [state] = documents(tmp_path, "campaigns").values()
    path = tmp_path / "tiny" / "inputs" / "1" / "Li.cif"
    assert state["spec"]["structure_files"] == {"Li": str(path)}
    assert path.read_text() == "data_Li\n"
    with pytest.raises(InputError, match="has a campaign tiny already"):
        open_bundle(bundle, load_settings(root=tmp_path))


@pytest.mark.parametrize("name", ["labels.extxyz", "documents/labels.jsonl.gz", "models/member-1.ckpt", "README.md"])
def test_changed_byte_is_reported_with_the_name_of_its_file(bundle: Path, tmp_path: Path, name: str) -> None:
    folder = unpacked(bundle, tmp_path)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(StorageError, match=f"{name} is damaged or was changed"):
        open_bundle(folder, load_settings(root=tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


def test_missing_file_and_link_are_reported(bundle: Path, tmp_path: Path) -> None:
    folder = unpacked(bundle, tmp_path)
    (folder / "labels.json").rename(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match=r"labels\.json is missing"):
        open_bundle(folder, load_settings(root=tmp_path / "runs"))
    (folder / "labels.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="symbolic link"):
        open_bundle(folder, load_settings(root=tmp_path / "runs"))


def resigned(bundle: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Write a bundle with other contents and valid checksums, as its author could."""
    with BundleFiles(bundle) as files:
        contents = {name: files.read(name) for name in files.names}
    change(contents)
    with new_bundle(target) as writer:
        for name, content in contents.items():
            writer.add(name, content)
    return target


def with_document(kind: str, change: Callable[[dict], None]) -> Callable[[dict[str, bytes]], None]:

    def changed(contents: dict[str, bytes]) -> None:
        name = f"documents/{kind}.jsonl.gz"
        found = [json.loads(line) for line in gzip.decompress(contents[name]).splitlines()]
        change(found[0])
        contents[name] = gzip.compress("\n".join(map(json.dumps, found)).encode())

    return changed


CAMPAIGNS = "documents/campaigns.jsonl.gz"
HOSTILE = {
    "path of another file": (
        with_document("campaigns", lambda d: d["spec"].update(structure_files={"Li": "/etc/passwd"})),
        "which is not among the inputs",
    ),
    "path out of the inputs": (
        with_document("campaigns", lambda d: d["spec"].update(structure_files={"Li": "inputs/../../x"})),
        "not a valid name",
    ),
    "artifact at a path": (
        with_document("datasets", lambda d: d["artifact"].update(path="/etc/passwd")),
        "refers to a path",
    ),
    "artifact that is missing": (
        with_document("datasets", lambda d: d["artifact"].update(sha256="0" * 64)),
        "is missing",
    ),
    "artifact of a kind with slashes": (
        with_document("datasets", lambda d: d["artifact"].update(kind="../../x")),
        "artifact.kind",
    ),
    "another name": (with_document("campaigns", lambda d: d["spec"].update(name="other")), "several campaigns"),
    "another kind": (with_document("labels", lambda d: d.update(kind="models")), "not a document of this kind"),
    "two records of the campaign": (
        lambda c: c.update({CAMPAIGNS: gzip.compress(b"\n".join([gzip.decompress(c[CAMPAIGNS])] * 2))}),
        "record of the campaign is damaged",
    ),
    "text that is not Unicode": (with_document("labels", lambda d: d.update(formula="\ud800")), "."),
    "dictionary in place of a number": (
        with_document("production_audits", lambda d: d.update(forces_rmse_meV_per_angstrom={"value": {}})),
        "forces_rmse_meV_per_angstrom",
    ),
    "key of a later version": (
        with_document("campaigns", lambda d: d["spec"].update(surprise=1)),
        "version that wrote it",
    ),
    "unknown field": (with_document("labels", lambda d: d.update(surprise=1)), "surprise"),
    "later format": (
        lambda c: c.update({"bundle.json": c["bundle.json"].replace(b'version": 1', b'version": 2')}),
        "format 2",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_content_is_rejected_and_nothing_is_stored(bundle: Path, tmp_path: Path, case: str) -> None:
    change, message = HOSTILE[case]
    hostile = resigned(bundle, tmp_path / "hostile.tar", change)
    root = tmp_path / "runs"
    with pytest.raises((StorageError, InputError), match=message):
        open_bundle(hostile, load_settings(root=root))
    assert not (root / "tiny").exists()
    assert not (root / STAGING).exists()
    assert not (tmp_path / "x").exists()


def test_documents_join_no_campaign_that_has_the_name_of_another_one_of_the_origin(
    bundle: Path, tmp_path: Path
) -> None:
    """In MongoDB, documents belong to the campaigns that they name."""
    of_other = resigned(bundle, tmp_path / "b", with_document("labels", lambda d: d.update(campaign="other")))
    open_bundle(of_other, load_settings(root=tmp_path / "runs"))
    with closing(Ledger.embedded(tmp_path / "runs" / "tiny" / "ledger.sqlite", "tiny")) as ledger:
        assert {label["campaign"] for label in ledger.find("labels")} == {"tiny"}


def test_status_in_a_bundle_does_not_depend_on_fireworks() -> None:
    assert _status({"status": "submitted"}) == "running"
    analyses = {"analysis_keys": dict.fromkeys(REQUIRED_ANALYSES, "key")}
    assert _status({"status": "submitted", "result": analyses}) == "finished"
    assert _status({"status": "submitted", "result": {"analysis_keys": {}}}) == "incomplete"
    assert _status({"status": "walltime reached"}) == "walltime reached"


def test_input_files_with_odd_names_are_bundled_under_similar_ones() -> None:
    assert _bundled_name("Li.cif") == "Li.cif"
    for name in (".Li.cif", "-Li.cif", "a\\Li.cif", "x" * 300 + "Li.cif", "\nLi.cif"):
        assert is_file_name(_bundled_name(name))
        assert _bundled_name(name).endswith("Li.cif")


def test_target_that_exists_or_is_compressed_is_rejected(finished_root: Path, tmp_path: Path) -> None:
    for name, message in ((".", "exists"), ("b.tar.gz", r"name it b\.tar")):
        done = interphase("export", "bundle", str(tmp_path / name), "--root", str(finished_root), check=False)
        assert done.returncode == 2
        assert re.search(message, done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_kill_while_a_bundle_is_opened_leaves_no_campaign_and_can_be_repeated(bundle: Path, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    process = subprocess.Popen(command(["open", str(bundle), "--root", str(root)]), env=environment())
    ledger = root / STAGING / "tiny" / "ledger.sqlite"
    while not ledger.exists() and process.poll() is None:
        pass
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (root / "tiny").exists()
    assert "no campaign" in interphase("status", "--root", str(root), check=False).stderr
    assert open_bundle(bundle, load_settings(root=root)) == "tiny"
    assert not (root / STAGING).exists()


def test_absolute_paths_are_replaced_and_other_slashes_are_kept() -> None:
    kept = ["eV/atom", "explore/interface-0", "https://doi.org/10.1000/1", "a / b", "1/Å", "24/45", "inputs/1/Li.cif"]
    assert without_paths(kept) == kept
    assert without_paths("error in /scratch/me/run.log: x") == "error in run.log: x"
    assert without_paths(["'/home/me/x.extxyz', frame 3"]) == ["'x.extxyz', frame 3"]
