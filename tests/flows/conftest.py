"""One tiny campaign on real parts (CHGNet labels, NequIP training, ASE dynamics), run once for all tests here."""

from pathlib import Path

import pytest

from tiny_campaign import TINY, interphase


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
