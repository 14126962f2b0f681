"""The compiled graph of the tiny architecture, compiled once per test session, and committees that it evaluates."""

import fcntl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from interphase_flows.jobs.compile import CompileMaker
from interphase_flows.potentials.compiled.committee import CompiledNequIPCommittee
from interphase_flows.potentials.compiled.compiler import GraphFile
from interphase_flows.schemas.compiled_potential import CompiledPotentialDoc
from interphase_flows.settings import Settings
from interphase_flows.storage.shared_graphs import FOLDER, SharedGraphs
from interphase_flows.storage.workspace import Workspace, use_workspace
from killed_gpaw_process import wait_until
from tiny_training import SPEC, all_frames

ELEMENTS = ["Li", "P", "S"]
FIRST = "first"
"""Campaign that compiles; others below the same root find its graph."""


@contextmanager
def campaign(root: Path, name: str, **changes: object) -> Iterator[Workspace]:
    settings = Settings(root=root, **{"n_threads": 1, "compile_potentials": "auto"} | changes)
    with Workspace(settings, name) as workspace, use_workspace(workspace):
        yield workspace


def compile_potentials(elements: Sequence[str] = ELEMENTS, frames=None) -> CompiledPotentialDoc:
    return CompileMaker.make.original(CompileMaker(spec=SPEC), elements, frames)


def compiled_once(folder: Path) -> Path:
    """Compile in a folder that test processes share, and return the root; later processes wait.

    The first attempt is killed.
    """
    root, is_done = folder / "compiled", folder / "compiled.done"
    with (folder / "compiled.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        if not is_done.exists():
            _start_and_kill(root)
            with campaign(root, FIRST):
                document = compile_potentials(frames=all_frames()[:2])
            assert document.artifact is not None, document.explanation
            is_done.touch()
    return root


def attempts(root: Path) -> list[Path]:
    """Return the folders of compilations."""
    return sorted((root / FIRST).joinpath("work", "compiled_potentials").glob("*/compile-*"))


def _start_and_kill(root: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom compiled_graph import FIRST, campaign, compile_potentials\n"
        "with campaign(Path(sys.argv[1]), FIRST):\n    compile_potentials()"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(root)], cwd=Path(__file__).parent)
    try:
        wait_until(
            lambda: any((attempt / "log").exists() for attempt in attempts(root)), lambda: process.poll() is None
        )
    finally:
        process.kill()
        process.wait()


def shared_graph(root: Path) -> tuple[CompiledPotentialDoc, GraphFile]:
    """Return the graph of the campaigns of a root."""
    (stored,) = (root / FOLDER).glob("*.json")
    document, path = SharedGraphs(root).get(stored.stem)
    return document, GraphFile(path, document.constants)


def committee_of(checkpoints: Sequence[Path], graph: GraphFile) -> CompiledNequIPCommittee:
    return CompiledNequIPCommittee(checkpoints, graph.path, graph.constants)
