"""Compile the graph of an architecture in a subprocess."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import interphase_flows
from interphase_flows.exceptions import CompilationError
from interphase_flows.potentials.spec import NequIPSpec

TIMEOUT_S = 1800.0
"""Largest wall time of a compilation; that of the default model takes 75 s of one core."""
POLL_INTERVAL_S = 1.0
GRAPH_SUFFIX = ".nequip.pt2"
COMPILERS = ("g++", "clang++", "c++")
"""Names of C++ compilers that are looked up if the environment variable ``CXX`` is not set, as by torch."""
_PROCESS = "interphase_flows.potentials.compiled.compile_process"
_SHOWN_ERROR_CHARACTERS = 2000


@dataclass(frozen=True)
class GraphFile:
    """A compiled graph, and the name of a tensor of the model for each constant that is loaded into it."""

    path: Path
    constants: dict[str, str]


def cpp_compiler() -> str | None:
    """Return the path of the C++ compiler, or None if there is none."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else COMPILERS
    return next((path for name in names if (path := shutil.which(name))), None)


def required_compiler() -> str:
    """Return the path of the C++ compiler.

    Raises
    ------
    CompilationError
        There is none.
    """
    compiler = cpp_compiler()
    if compiler is None:
        raise CompilationError(
            f"no C++ compiler: neither the environment variable CXX nor {', '.join(COMPILERS)} names one. Hint: install "
            "g++ to run potentials three times as fast",
            "no_compiler",
        )
    return compiler


def compile_graph(
    spec: NequIPSpec,
    elements: Sequence[str],
    device: str,
    n_threads: int,
    folder: Path,
    stop_requested: Callable[[], bool] = lambda: False,
    timeout_s: float = TIMEOUT_S,
) -> GraphFile:
    """Compile the graph of an architecture with AOTInductor, in a subprocess.

    Parameters
    ----------
    elements
        Types of atoms, whose order does not matter.
    n_threads
        Threads of each evaluation, which the code contains.
    folder
        Folder in which files are written; those of an interrupted compilation are deleted.
    stop_requested
        Called every second; if it returns True, the compilation is killed.

    Raises
    ------
    CompilationError
        There is no C++ compiler, or the compilation fails or takes too long.
    """
    compiler = required_compiler()
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("compile-*"):
        shutil.rmtree(old, ignore_errors=True)
    # a process that outlives a killed parent writes to a folder that is not used again
    attempt = Path(tempfile.mkdtemp(prefix="compile-", dir=folder))
    graph, constants, scratch = attempt / f"graph{GRAPH_SUFFIX}", attempt / "constants.json", attempt / "scratch"
    scratch.mkdir()
    request = {
        "spec": spec.model_dump(),
        "elements": sorted(elements),
        "device": device,
        "n_threads": n_threads,
        "parent_pid": os.getpid(),
        "graph": str(graph),
        "constants": str(constants),
    }
    try:
        _run(
            json.dumps(request),
            attempt,
            compilation_environment(compiler, scratch, n_threads),
            stop_requested,
            timeout_s,
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)  # 300 MB of precompiled headers
    if not (graph.is_file() and constants.is_file()):
        raise CompilationError(f"the compilation in {attempt} ended without a graph")
    return GraphFile(graph, json.loads(constants.read_text()))


def compilation_environment(compiler: str, scratch: Path, n_threads: int) -> dict[str, str]:
    """Return the environment of a subprocess that compiles with AOTInductor, with its caches in a folder."""
    package_parent = str(Path(interphase_flows.__file__).parents[1])
    return os.environ | {
        "CXX": compiler,
        "OMP_NUM_THREADS": str(n_threads),
        # caches that other processes share may be damaged or of another compiler
        "TORCHINDUCTOR_CACHE_DIR": str(scratch / "cache"),
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
        "TMPDIR": str(scratch),
        "PYTHONPATH": os.pathsep.join(filter(None, [package_parent, os.environ.get("PYTHONPATH")])),
    }


def _run(
    request: str,
    attempt: Path,
    environment: dict[str, str],
    stop_requested: Callable[[], bool],
    timeout_s: float,
) -> None:
    """Run the process, and kill it with its children if it takes too long or this process is interrupted."""
    (attempt / "request.json").write_text(request)
    log = attempt / "log"
    end_s = time.monotonic() + timeout_s
    with log.open("wb") as output, (attempt / "request.json").open("rb") as request_file:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", _PROCESS],
            stdin=request_file,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=attempt,
            env=environment,
            start_new_session=True,
        )
        try:
            while not _has_ended(process):
                if stop_requested():
                    raise CompilationError("the compilation was stopped", "killed")
                if time.monotonic() > end_s:
                    raise CompilationError(f"the compilation took more than {timeout_s:.0f} s", "timeout")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if process.returncode != 0:
        text = log.read_text(errors="replace").strip()[-_SHOWN_ERROR_CHARACTERS:]
        killed = process.returncode < 0 or "Killed" in text
        raise CompilationError(
            f"the compilation ended with exit code {process.returncode}: {text}",
            "killed" if killed else "compilation_failed",
        )


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(POLL_INTERVAL_S)
    except subprocess.TimeoutExpired:
        return False
    return True
