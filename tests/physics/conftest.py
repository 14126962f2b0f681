"""Fixtures of compiled potentials: the graph of the session, and members of a committee."""

import shutil
from pathlib import Path

import pytest

from interphase_flows.potentials.compiled.compiler import GraphFile
from interphase_flows.schemas.compiled_potential import CompiledPotentialDoc


@pytest.fixture(scope="session")
def document(compiled_root: Path) -> CompiledPotentialDoc:
    from compiled_graph import shared_graph

    return shared_graph(compiled_root)[0]


@pytest.fixture(scope="session")
def graph(compiled_root: Path) -> GraphFile:
    from compiled_graph import shared_graph

    return shared_graph(compiled_root)[1]


@pytest.fixture
def root(compiled_root: Path, tmp_path: Path) -> Path:
    """Root whose campaigns find the graph, without campaigns."""
    shutil.copytree(compiled_root / ".compiled_graphs", tmp_path / "runs" / ".compiled_graphs")
    return tmp_path / "runs"


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three members, and the first one of the next iteration."""
    from tiny_training import TRAINING, train  # takes seconds to import

    folder = tmp_path_factory.mktemp("members")
    short = TRAINING.model_copy(update={"max_epochs": 2})
    members = [train(folder / f"member-{seed}", seed, training=short).checkpoint for seed in (1, 2, 3)]
    return [*members, train(folder / "next", 1, parent=members[0], training=short).checkpoint]
