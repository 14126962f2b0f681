"""One tiny campaign on real parts (CHGNet labels, NequIP training, ASE dynamics), run once for all tests here.

And VASP's method with a stand-in for its executable.
"""

import json
from pathlib import Path

import pytest

from tiny_campaign import TINY, interphase
from vasp_records import read_record
from vasp_replayed import replayed_method


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("campaign") / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def finished_root(tiny_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a campaign that ran without interruption."""
    root = tmp_path_factory.mktemp("finished")
    interphase("run", str(tiny_file), "--root", str(root))
    return root


@pytest.fixture
def silicon():
    return read_record("converged").atoms


@pytest.fixture
def stand_in(monkeypatch):
    """Return a method whose VASP plays the given acts, one per launch."""

    def make(*acts, **options):
        monkeypatch.setenv("VASP_STAND_IN", json.dumps(acts))
        return replayed_method(**options)

    return make
