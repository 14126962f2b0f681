"""Workspace in a temporary folder, and a cheap reference method."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from ase import Atoms

from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, use_workspace
from spheres import Spheres, SpheresSpec


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    settings = Settings(root=tmp_path / "runs", n_threads=1)
    with Workspace(settings, "unit") as opened, use_workspace(opened):
        yield opened


@pytest.fixture
def spheres(monkeypatch: pytest.MonkeyPatch) -> Spheres:
    """Method behind ``SpheresSpec`` in this test."""
    method = Spheres()
    monkeypatch.setattr(SpheresSpec, "shared", method, raising=False)
    return method


@pytest.fixture
def crystals() -> list[Atoms]:
    """Six structures of Li and S, all different."""
    frames = []
    for index in range(6):
        frame = Atoms("Li2S", cell=[5.2, 5.2, 5.2], pbc=True)
        frame.set_scaled_positions([[0.25, 0.25, 0.25], [0.75, 0.75, 0.75], [0, 0, 0]])
        frame.rattle(0.05, seed=index)
        frames.append(frame)
    return frames
