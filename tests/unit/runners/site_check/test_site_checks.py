"""Checks of a cluster, and the probe of a node."""

import os
import stat
from types import SimpleNamespace

import pytest

from interphase_flows import __version__
from interphase_flows.runners.site_check.diagnosis import secrets_of
from interphase_flows.runners.site_check.node_probe import (
    FAILED_LINES,
    FROM_LOGIN,
    Finding,
    NodeView,
    probe_node,
    reply_to,
)
from interphase_flows.runners.site_check.probe_jobs import check_category
from interphase_flows.runners.site_check.site_checks import (
    check_cluster,
    dft_check,
    gpu_check,
    node_checks,
    root_check,
)
from interphase_flows.settings import MongodbSettings, Settings, WorkerSettings
from interphase_flows.storage.artifacts import ArtifactStore

GOOD = Finding(is_available=True, message="fine")
BAD = Finding(is_available=False, message="missing")
CPU = WorkerSettings(kinds=("dft", "analysis"))
GPU = WorkerSettings(kinds=("train", "md"), gpus=1)


def view(**changes) -> NodeView:
    healthy = NodeView(
        node="n7",
        python="3.11.9",
        package_version=__version__,
        results=GOOD,
        root=GOOD,
        files=GOOD,
        remaining_s=900.0,
        limit_source="Slurm",
        n_cores=4,
        failed_lines="",
        device="cpu",
    )
    return healthy.model_copy(update=changes)


def test_a_healthy_node_passes_every_check():
    worker = WorkerSettings(kinds=("dft",), before=("module load vasp", "ulimit -s unlimited"))
    checks = {check.name: check for check in node_checks(view(), worker)}
    assert all(check.passed for check in checks.values())
    assert checks["before"].message == "none of its 2 lines failed"
    assert checks["time"].message == "stops at a checkpoint after 15 min, by Slurm"


@pytest.mark.parametrize(
    ("changes", "name", "message"),
    [
        ({"package_version": "0.0.1"}, "Python", f"on the login node it is {__version__}. Hint: install"),
        (
            {"failed_lines": "module load vasp; "},
            "before",
            "failed on n7: module load vasp. Hint: correct before",
        ),
        ({"results": BAD}, "database", "missing, seen from n7"),
        ({"files": BAD}, "files", "artifacts_url (or root) must be the same place"),
        ({"remaining_s": None}, "time", "INTERPHASE_WALLTIME_S"),
    ],
)
def test_a_problem_of_a_node_fails_one_check_with_a_hint(changes, name, message):
    failed = [check for check in node_checks(view(**changes), CPU) if not check.passed]
    assert [check.name for check in failed] == [name]
    assert message in failed[0].message


@pytest.mark.parametrize(
    ("worker", "changes", "passed", "message"),
    [
        (GPU, {"gpus": ("A100",), "device": "cuda"}, True, "A100 by torch 2.9"),
        (GPU, {"gpus": (), "device": "cuda"}, False, "1 requested, torch 2.9 can use 0 (no driver)"),
        (GPU, {"gpus": ("A100",), "device": "cpu"}, False, "INTERPHASE_DEVICE: cuda"),
        (CPU, {"gpus": (), "device": "cpu"}, True, "none requested"),
        (CPU, {"gpus": (), "device": "cuda"}, False, "0 requested, torch 2.9 can use 0"),
    ],
)
def test_gpu_check_passes_only_if_requested_gpus_are_usable_and_used(worker, changes, passed, message):
    check = gpu_check(view(torch_version="2.9", nvidia_smi="no driver", **changes), worker)
    assert check.passed == passed
    assert message in check.message


@pytest.mark.parametrize(
    ("vasp", "gpaw", "method", "passed"),
    [
        (BAD, GOOD, None, True),
        (BAD, BAD, None, True),
        (BAD, GOOD, "vasp", False),
        (GOOD, BAD, "vasp", True),
        (GOOD, BAD, "gpaw", False),
        (BAD, BAD, "chgnet", True),
    ],
)
def test_dft_check_needs_the_method_of_the_campaign_and_nothing_without_a_campaign(vasp, gpaw, method, passed):
    assert dft_check(view(vasp=vasp, gpaw=gpaw), method).passed == passed


def test_root_check_needs_the_reply_of_the_node(tmp_path):
    jobs = SimpleNamespace(folder=tmp_path, nonce="abc")
    assert "No such file" in root_check(view(), jobs, "md").message
    (tmp_path / "from-md").write_text("abc")
    assert not root_check(view(), jobs, "md").passed
    (tmp_path / "from-md").write_text(reply_to("abc"))
    assert root_check(view(), jobs, "md").passed
    assert not root_check(view(root=BAD), jobs, "md").passed


class TestProbe:
    @pytest.fixture
    def parameters(self, tmp_path):
        """Parameters of a probe job, and the files of the login node."""
        folder = tmp_path / "root" / "interphase-check-1"
        folder.mkdir(parents=True)
        (folder / FROM_LOGIN).write_text("abc")
        artifacts = ArtifactStore(tmp_path / "artifacts")
        ref = artifacts.put_bytes(b"abc", "checks")
        return {"kind": "analysis", "folder": str(folder), "nonce": "abc", "artifact": ref.model_dump()}

    @pytest.fixture
    def settings(self, tmp_path):
        return Settings(root=tmp_path / "root", artifacts_url=str(tmp_path / "artifacts"), walltime_s=1e6)

    def test_finds_shared_folders_and_replies(self, parameters, settings, tmp_path, monkeypatch):
        monkeypatch.setenv(FAILED_LINES, "false; ")
        found = probe_node(settings, parameters)
        assert found.results.is_available
        assert found.root.is_available
        assert found.files.is_available
        assert (tmp_path / "root" / "interphase-check-1" / "from-analysis").read_text() == reply_to("abc")
        assert found.failed_lines == "false; "
        assert found.remaining_s is not None
        assert found.gpus is None
        assert found.vasp is None

    def test_detects_a_different_root(self, parameters, settings, tmp_path):
        elsewhere = settings.model_copy(update={"root": tmp_path / "elsewhere"})
        assert "elsewhere on the node" in probe_node(elsewhere, parameters).root.message
        (tmp_path / "root" / "interphase-check-1" / FROM_LOGIN).write_text("xyz")
        assert "is a different file on the node" in probe_node(settings, parameters).root.message
        (tmp_path / "root" / "interphase-check-1" / FROM_LOGIN).unlink()
        assert "No such file" in probe_node(settings, parameters).root.message

    def test_detects_a_different_artifact_store(self, parameters, settings, tmp_path):
        elsewhere = settings.model_copy(update={"artifacts_url": str(tmp_path / "others")})
        assert not probe_node(elsewhere, parameters).files.is_available

    def test_finds_vasp_by_its_command_and_gpaw_by_an_import(self, parameters, settings, tmp_path, monkeypatch):
        monkeypatch.delenv("VASP_CMD", raising=False)
        missing = settings.model_copy(update={"gpaw_command": "no-such-mpirun gpaw python"})
        found = probe_node(missing, parameters | {"kind": "dft"})
        assert not found.vasp.is_available
        assert found.vasp.message
        assert not found.gpaw.is_available
        assert "no program 'no-such-mpirun'" in found.gpaw.message
        for name, line in {"vasp_std": "exit 1", "gpaw": "echo 26.7.0"}.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
            (tmp_path / name).chmod(stat.S_IRWXU)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        installed = settings.model_copy(update={"gpaw_command": "gpaw python", "vasp_command": "vasp_std -x"})
        found = probe_node(installed, parameters | {"kind": "dft"})
        assert (found.vasp.is_available, found.vasp.message) == (True, "`vasp_std -x`; it was not run")
        assert (found.gpaw.is_available, found.gpaw.message) == (True, "GPAW 26.7.0 by `gpaw python`")

    @pytest.mark.parametrize(
        ("line", "message"),
        [("exit 0", "no version printed"), ("echo loading modules; echo 26.7.0", "GPAW 26.7.0 by")],
    )
    def test_reports_a_launcher_that_prints_nothing_or_more(self, parameters, settings, tmp_path, line, message):
        (tmp_path / "launcher").write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / "launcher").chmod(stat.S_IRWXU)
        installed = settings.model_copy(update={"gpaw_command": f"{tmp_path / 'launcher'} python"})
        assert message in probe_node(installed, parameters | {"kind": "dft"}).gpaw.message

    def test_detects_missing_vasp_potentials(self, parameters, settings, monkeypatch):
        installed = settings.model_copy(update={"vasp_command": "sh"})
        found = probe_node(installed, parameters | {"kind": "dft", "vasp": {}, "elements": ["Li"]})
        assert not found.vasp.is_available

    def test_of_kind_md_queries_torch_for_gpus(self, parameters, settings):
        found = probe_node(settings, parameters | {"kind": "md"})
        assert found.torch_version
        assert found.gpus is not None
        assert found.nvidia_smi


def test_embedded_store_fails_the_cluster_check_at_once(tmp_path):
    (check,) = check_cluster(Settings(root=tmp_path), timeout_s=1.0)
    assert not check.passed
    assert "a cluster needs MongoDB" in check.message


def test_secrets_include_the_password_in_plain_and_percent_encoded_form():
    password, encoded = "tr0ub4dor:planted/3", "tr0ub4dor%3Aplanted%2F3"
    address = f"mongodb://alice:{encoded}@db/"
    by_field = secrets_of(MongodbSettings(type="mongodb", username="alice", password=password))
    assert set(by_field) == {password, encoded}
    assert secrets_of(MongodbSettings(type="mongodb", uri=address))[0] == address
    assert set(secrets_of(MongodbSettings(type="mongodb", uri=address))) == {address, password, encoded}
    assert secrets_of(MongodbSettings(type="mongodb", uri="mongodb://db/")) == ["mongodb://db/"]


def test_probe_jobs_of_two_workers_of_one_kind_have_different_categories():
    assert check_category("t", "a", "md") != check_category("t", "b", "md")
