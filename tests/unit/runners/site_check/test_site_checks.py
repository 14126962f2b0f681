"""What a job saw on its node is judged, with the mend; and what a job looks for it finds."""

import os
import stat
from types import SimpleNamespace

import pytest

from interphase_flows import __version__
from interphase_flows.runners.site_check.diagnosis import secrets_of
from interphase_flows.runners.site_check.node_probe import NodeView, Seen, answer, look_around
from interphase_flows.runners.site_check.probe_jobs import FAILED_LINES, FROM_LOGIN, check_category
from interphase_flows.runners.site_check.site_checks import (
    check_cluster,
    judge_gpus,
    judge_labels,
    judge_node,
    root_check,
)
from interphase_flows.settings import MongodbSettings, Settings, WorkerSettings
from interphase_flows.storage.artifacts import ArtifactStore

GOOD = Seen(is_there=True, told="fine")
BAD = Seen(is_there=False, told="not there")
CPU = WorkerSettings(kinds=("dft", "analysis"))
GPU = WorkerSettings(kinds=("train", "md"), gpus=1)


def view(**changes) -> NodeView:
    seen = NodeView(
        node="n7",
        python="3.11.9",
        package_version=__version__,
        results=GOOD,
        root=GOOD,
        files=GOOD,
        remaining_s=900.0,
        told_by="Slurm",
        n_cores=4,
        failed_lines="",
        device="cpu",
    )
    return seen.model_copy(update=changes)


def answers(checks) -> dict[str, bool]:
    return {check.name: check.is_good for check in checks}


def test_a_node_that_is_well():
    """Every check is good; lines before the work are counted."""
    worker = WorkerSettings(kinds=("dft",), before=("module load vasp", "ulimit -s unlimited"))
    checks = {check.name: check for check in judge_node(view(), worker)}
    assert all(check.is_good for check in checks.values())
    assert checks["before"].told == "none of its 2 lines failed"
    assert checks["time"].told == "puts work down after 15 min, by Slurm"


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"package_version": "0.0.1"}, "Python", f"here it is {__version__}: install the same on both"),
        ({"failed_lines": "module load vasp; "}, "before", "failed on n7: module load vasp; mend before"),
        ({"results": BAD}, "database", "not there, as n7 sees it"),
        ({"files": BAD}, "files", "artifacts_url (or root) must be one place"),
        ({"remaining_s": None}, "time", "INTERPHASE_WALLTIME_S"),
    ],
)
def test_what_is_amiss_on_a_node_is_told(changes, name, words):
    """That alone, and the mend."""
    bad = [check for check in judge_node(view(**changes), CPU) if not check.is_good]
    assert [check.name for check in bad] == [name]
    assert words in bad[0].told


@pytest.mark.parametrize(
    ("worker", "changes", "is_good", "words"),
    [
        (GPU, {"gpus": ("A100",), "device": "cuda"}, True, "A100 by torch 2.9"),
        (GPU, {"gpus": (), "device": "cuda"}, False, "1 asked for, torch 2.9 can use 0 (no driver)"),
        (GPU, {"gpus": ("A100",), "device": "cpu"}, False, "INTERPHASE_DEVICE: cuda"),
        (CPU, {"gpus": (), "device": "cpu"}, True, "none is asked for"),
        (CPU, {"gpus": (), "device": "cuda"}, False, "0 asked for, torch 2.9 can use 0"),
    ],
)
def test_gpus_are_there_and_used(worker, changes, is_good, words):
    """Those that a worker asks Slurm for, by torch's own word."""
    check = judge_gpus(view(torch_version="2.9", nvidia_smi="no driver", **changes), worker)
    assert check.is_good == is_good
    assert words in check.told


@pytest.mark.parametrize(
    ("vasp", "gpaw", "method", "is_good"),
    [
        (BAD, GOOD, None, True),
        (BAD, BAD, None, False),
        (BAD, GOOD, "vasp", False),
        (GOOD, BAD, "vasp", True),
        (GOOD, BAD, "gpaw", False),
        (BAD, BAD, "chgnet", True),
    ],
)
def test_the_reference_method_is_there(vasp, gpaw, method, is_good):
    """That of a campaign if there is one, else any DFT."""
    assert judge_labels(view(vasp=vasp, gpaw=gpaw), method).is_good == is_good


def test_the_root_is_seen_from_both_sides(tmp_path):
    """A file that the node wrote somewhere else, or an old one, is not its answer."""
    jobs = SimpleNamespace(folder=tmp_path, word="abc")
    assert "No such file" in root_check(view(), jobs, "md").told
    (tmp_path / "from-md").write_text("abc")
    assert not root_check(view(), jobs, "md").is_good
    (tmp_path / "from-md").write_text(answer("abc"))
    assert root_check(view(), jobs, "md").is_good
    assert not root_check(view(root=BAD), jobs, "md").is_good


class TestAJobThatLooksAround:
    @pytest.fixture
    def told(self, tmp_path):
        """What the login node leaves for it."""
        folder = tmp_path / "root" / "interphase-check-1"
        folder.mkdir(parents=True)
        (folder / FROM_LOGIN).write_text("abc")
        artifacts = ArtifactStore(tmp_path / "artifacts")
        ref = artifacts.put_bytes(b"abc", "checks")
        return {"kind": "analysis", "folder": str(folder), "word": "abc", "artifact": ref.model_dump()}

    @pytest.fixture
    def settings(self, tmp_path):
        return Settings(root=tmp_path / "root", artifacts_url=str(tmp_path / "artifacts"), walltime_s=1e6)

    def test_finds_what_is_there(self, told, settings, tmp_path, monkeypatch):
        """And answers into the folder."""
        monkeypatch.setenv(FAILED_LINES, "false; ")
        seen = look_around(settings, told)
        assert (seen.results.is_there, seen.root.is_there, seen.files.is_there) == (True, True, True)
        assert (tmp_path / "root" / "interphase-check-1" / "from-analysis").read_text() == answer("abc")
        assert seen.failed_lines == "false; "
        assert seen.remaining_s is not None
        assert seen.gpus is None
        assert seen.vasp is None

    def test_finds_another_root(self, told, settings, tmp_path):
        """By its name, by what is in it, and by what is not."""
        elsewhere = settings.model_copy(update={"root": tmp_path / "elsewhere"})
        assert "elsewhere there" in look_around(elsewhere, told).root.told
        (tmp_path / "root" / "interphase-check-1" / FROM_LOGIN).write_text("xyz")
        assert "is another file there" in look_around(settings, told).root.told
        (tmp_path / "root" / "interphase-check-1" / FROM_LOGIN).unlink()
        assert "No such file" in look_around(settings, told).root.told

    def test_finds_that_files_are_elsewhere(self, told, settings, tmp_path):
        """An artifact that the login node stored is not there."""
        elsewhere = settings.model_copy(update={"artifacts_url": str(tmp_path / "others")})
        assert not look_around(elsewhere, told).files.is_there

    def test_finds_programs_of_dft(self, told, settings, tmp_path, monkeypatch):
        """As a label would start them: VASP is looked for, Python is asked for GPAW."""
        monkeypatch.delenv("VASP_CMD", raising=False)
        missing = settings.model_copy(update={"gpaw_command": "no-such-mpirun gpaw python"})
        seen = look_around(missing, told | {"kind": "dft"})
        assert not seen.vasp.is_there
        assert "how VASP is started is not known" in seen.vasp.told
        assert not seen.gpaw.is_there
        assert "no program 'no-such-mpirun'" in seen.gpaw.told
        for name, line in {"vasp_std": "exit 1", "gpaw": "echo 26.7.0"}.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
            (tmp_path / name).chmod(stat.S_IRWXU)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        there = settings.model_copy(update={"gpaw_command": "gpaw python", "vasp_command": "vasp_std -x"})
        seen = look_around(there, told | {"kind": "dft"})
        assert (seen.vasp.is_there, seen.vasp.told) == (True, "`vasp_std -x`; it was not run")
        assert (seen.gpaw.is_there, seen.gpaw.told) == (True, "GPAW 26.7.0 by `gpaw python`")

    def test_finds_potentials_of_vasp_missing(self, told, settings, monkeypatch):
        """Where a campaign needs them."""
        there = settings.model_copy(update={"vasp_command": "sh"})
        seen = look_around(there, told | {"kind": "dft", "vasp": {}, "elements": ["Li"]})
        assert not seen.vasp.is_there

    def test_asks_torch_for_gpus(self, told, settings):
        """A job of dynamics does."""
        seen = look_around(settings, told | {"kind": "md"})
        assert seen.torch_version
        assert seen.gpus is not None
        assert seen.nvidia_smi


def test_documents_in_a_file_are_for_one_machine(tmp_path):
    """Nothing else is asked then."""
    (check,) = check_cluster(Settings(root=tmp_path), timeout_s=1.0)
    assert not check.is_good
    assert "a cluster needs MongoDB" in check.told


def test_a_password_is_known_in_all_its_forms():
    """By itself and in an address, as it is and as an address writes it."""
    plain, written = "tr0ub4dor:planted/3", "tr0ub4dor%3Aplanted%2F3"
    address = f"mongodb://alice:{written}@db/"
    by_field = secrets_of(MongodbSettings(type="mongodb", username="alice", password=plain))
    assert set(by_field) == {plain, written}
    assert secrets_of(MongodbSettings(type="mongodb", uri=address))[0] == address
    assert set(secrets_of(MongodbSettings(type="mongodb", uri=address))) == {address, plain, written}
    assert secrets_of(MongodbSettings(type="mongodb", uri="mongodb://db/")) == ["mongodb://db/"]


def test_jobs_of_a_check_are_taken_by_their_worker_alone():
    """Of two workers that take one kind, each has its own."""
    assert check_category("t", "a", "md") != check_category("t", "b", "md")
