"""Potentials that are not compiled, and the reasons that are recorded."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from interphase_flows.exceptions import CompilationError, WalltimeReachedError
from interphase_flows.jobs import compile as compile_job
from interphase_flows.jobs.compile import CompileMaker
from interphase_flows.potentials.compiled import compiler
from interphase_flows.potentials.compiled.compiler import compile_graph
from interphase_flows.potentials.compiled.graph_keys import architecture_key, graph_key, machine_type
from interphase_flows.potentials.spec import NequIPSpec
from interphase_flows.runtime.walltime import Deadline
from interphase_flows.schemas.compiled_potential import CompiledPotentialDoc
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, use_workspace
from tiny_training import SPEC

KILLED_WITHIN_S = 5.0


@pytest.fixture
def compiling(tmp_path):
    """Workspace of a machine that compiles potentials."""
    settings = Settings(root=tmp_path / "runs", n_threads=1, compile_potentials="auto")
    with Workspace(settings, "unit") as opened, use_workspace(opened):
        yield opened


@pytest.fixture
def compiler_path(monkeypatch):
    """A name of a compiler that exists, so that a compilation starts on machines without one."""
    monkeypatch.setenv("CXX", "true")


def make() -> CompiledPotentialDoc:
    return CompileMaker.make.original(CompileMaker(spec=SPEC), ["Li", "P", "S"])


def test_without_compiler_the_reason_is_a_note_and_nothing_is_stored(compiling, monkeypatch):
    """A compiler that is installed later is used."""
    monkeypatch.setenv("CXX", "no-such-compiler")
    document = make()
    assert (document.artifact, document.reason) == (None, "no_compiler")
    assert "evaluated eagerly: no C++ compiler" in document.notes[0]
    assert compiling.ledger.count("compiled_potentials") == 0
    assert compiling.ledger.count("failures") == 0


def test_setting_switches_compilation_off(workspace):
    document = make()
    assert workspace.settings.compile_potentials == "never"
    assert (document.artifact, document.reason) == (None, "switched_off")


def test_failed_compilation_is_a_failure_and_is_repeated(compiling, monkeypatch, compiler_path):
    """Its cause may be a full disk or a broken compiler, which the user repairs before a resume."""
    monkeypatch.setattr(compiler, "_PROCESS", "no_such_module")
    document = make()
    assert (document.artifact, document.reason) == (None, "compilation_failed")
    assert "No module named no_such_module" in document.explanation
    assert compiling.ledger.count("compiled_potentials") == 0
    failure = compiling.ledger.failure("compiled_potentials", document.key)
    assert "no_such_module" in failure["details"]["explanation"]


def test_disagreement_with_the_eager_model_is_stored(compiling, monkeypatch):
    """It would disagree again, so potentials stay eager in this campaign."""

    def disagree(*arguments):
        raise CompilationError("compiled and eager predictions differ", "disagrees_with_eager")

    monkeypatch.setattr(compiler, "compile_graph", disagree)
    document = make()
    assert (document.artifact, document.reason) == (None, "disagrees_with_eager")
    assert compiling.ledger.get("compiled_potentials", document.key)["reason"] == "disagrees_with_eager"
    monkeypatch.setattr(compiler, "compile_graph", None)
    assert make() == document


def test_compilation_ends_with_a_killed_parent(tmp_path, compiler_path):
    """Neither it nor the compilers that it starts outlive the process that waits for them."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom interphase_flows.potentials.spec import NequIPSpec\n"
        "from interphase_flows.potentials.compiled.compiler import compile_graph\n"
        "compile_graph(NequIPSpec(), ['Li', 'S'], 'cpu', 1, Path(sys.argv[1]))"
    )
    parent = subprocess.Popen([sys.executable, "-W", "ignore", "-c", script, str(tmp_path)])
    while not (children := psutil.Process(parent.pid).children()):
        time.sleep(0.1)
    parent.kill()
    parent.wait()
    psutil.wait_procs(children)
    (log,) = tmp_path.glob("compile-*/log")
    assert log.read_text() == ""  # its own end, without a working compiler, is an error


def test_compilation_that_takes_too_long_is_killed(tmp_path, compiler_path):
    started = time.monotonic()
    with pytest.raises(CompilationError, match=r"took more than 0 s") as caught:
        compile_graph(SPEC, ["Li", "P", "S"], "cpu", 1, tmp_path, timeout_s=0.1)
    assert caught.value.reason == "timeout"
    assert time.monotonic() - started < KILLED_WITHIN_S


def test_timeout_is_a_failure_and_is_repeated(compiling, monkeypatch):
    def too_long(*arguments):
        raise CompilationError("took more than 1800 s", "timeout")

    monkeypatch.setattr(compiler, "compile_graph", too_long)
    document = make()
    assert (document.artifact, document.reason) == (None, "timeout")
    assert compiling.ledger.count("compiled_potentials") == 0
    assert compiling.ledger.failure("compiled_potentials", document.key)["details"]["explanation"].startswith("took")


def test_walltime_stops_a_compilation(compiling, monkeypatch, compiler_path):
    monkeypatch.setattr(compile_job, "deadline", lambda settings: Deadline(time.time() + 1.0, "walltime_s: 1"))
    with pytest.raises(WalltimeReachedError, match="before compile potentials"):
        make()
    assert compiling.ledger.count("compiled_potentials") == 0
    assert compiling.ledger.count("failures") == 0


def test_temporary_files_of_a_compilation_are_deleted(tmp_path, monkeypatch, compiler_path):
    """Headers that torch compiles take 300 MB; the graph, its constants and the log are kept."""
    monkeypatch.setattr(compiler, "_PROCESS", "compiler_stand_in")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    (tmp_path / "compiler_stand_in.py").write_text(
        "import json, os, sys\n"
        "from pathlib import Path\n"
        "request = json.load(sys.stdin)\n"
        "for variable in ('TMPDIR', 'TORCHINDUCTOR_CACHE_DIR'):\n"
        "    Path(os.environ[variable]).mkdir(exist_ok=True)\n"
        "    (Path(os.environ[variable]) / 'header.gch').write_bytes(bytes(1000))\n"
        "Path(request['graph']).write_bytes(b'graph')\n"
        "Path(request['constants']).write_text('{}')\n"
    )
    graph = compile_graph(SPEC, ["Li"], "cpu", 1, tmp_path / "work")
    assert graph.path.read_bytes() == b"graph"
    kept = {path.name for path in (tmp_path / "work").rglob("*") if path.is_file()}
    assert kept == {graph.path.name, "constants.json", "log", "request.json"}


def test_files_of_a_killed_compilation_are_deleted(tmp_path, monkeypatch, compiler_path):
    old = tmp_path / "compile-old"
    old.mkdir()
    (old / "graph.nequip.pt2").write_bytes(b"partial")
    monkeypatch.setattr(compiler, "_PROCESS", "no_such_module")
    with pytest.raises(CompilationError):
        compile_graph(SPEC, ["Li"], "cpu", 1, tmp_path)
    assert not old.exists()


def test_architecture_depends_on_spec_and_elements():
    key = architecture_key(SPEC, ["Li", "P", "S"])
    assert architecture_key(SPEC, ["S", "P", "Li"]) == key
    others = [
        (SPEC, ["Li", "S"]),
        (SPEC, ["Li", "P", "O"]),
        (SPEC.model_copy(update={"cutoff_angstrom": 4.5}), ["Li", "P", "S"]),
        (SPEC.model_copy(update={"n_features": 8}), ["Li", "P", "S"]),
        (SPEC.model_copy(update={"n_radial_basis": 6}), ["Li", "P", "S"]),
        (NequIPSpec(), ["Li", "P", "S"]),
    ]
    keys = [architecture_key(spec, elements) for spec, elements in others]
    assert len({key, *keys}) == 1 + len(others)


def test_graph_depends_on_device_and_threads():
    """The number of threads is part of the machine code."""
    keys = {graph_key("a", "cpu", 1), graph_key("a", "cpu", 2), graph_key("b", "cpu", 1)}
    assert len(keys) == 3


def test_machine_without_a_gpu_has_a_type_also_for_cuda(monkeypatch):
    """Settings of a site name the device of its nodes; the login node has none."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert machine_type.__wrapped__("cuda") == f"{machine_type('cpu')} without a GPU"


def test_elements_are_those_of_phases(compiling, monkeypatch):
    """A campaign knows its phases before there is a dataset."""
    monkeypatch.setenv("CXX", "no-such-compiler")
    document = CompileMaker.make.original(CompileMaker(spec=SPEC), ["Li", "Li7P3S11", "Cl"])
    assert document.elements == ["Cl", "Li", "P", "S"]
