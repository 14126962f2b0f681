"""The wheel: has every file of the package, and its command runs without the checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def tracked(folder):
    command = ["git", "ls-files", folder]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Build the wheel from a copy of the tracked files, and install it without its dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in (*tracked("interphase_flows"), "pyproject.toml", "README.md", "LICENSE"):
        (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, folder / "source" / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, folder / "source"]
    subprocess.run([*pip, *build], check=True)
    [wheel] = folder.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", folder / "site", wheel], check=True)
    return wheel, folder / "site"


def test_wheel_has_every_file_of_the_package(installed):
    with zipfile.ZipFile(installed[0]) as wheel:
        assert set(tracked("interphase_flows")) <= set(wheel.namelist())


def test_command_of_the_wheel_runs(installed, tmp_path):
    def output_of(*command):
        environment = os.environ | {"PYTHONPATH": str(installed[1])}
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    interphase = installed[1] / "bin" / "interphase"
    assert "Simulate and measure the interphase" in output_of(interphase, "--help")
    where = output_of(sys.executable, "-c", "import interphase_flows.cli as c; print(c.__file__)")
    assert Path(where.strip()).is_relative_to(installed[1])
    output_of(interphase, "init", "new")
    assert (tmp_path / "new" / "campaign.yaml").is_file()
