"""What a site copies is what the command writes, and what the programs read."""

import runpy
import warnings
from pathlib import Path

import pytest
from fireworks import fw_config
from fireworks.core.fworker import FWorker
from fireworks.core.launchpad import LaunchPad
from ruamel.yaml import YAML

from interphase_flows.runners.fireworks.launchpad import (
    LOCK_EXPIRES_AFTER_S,
    LOST_AFTER_S,
    PING_INTERVAL_S,
    launchpad_database,
)
from interphase_flows.runners.slurm.allocations import allocation_script
from interphase_flows.settings import JOB_KINDS, MongodbSettings, load_settings

REPOSITORY = Path(__file__).parents[2]
LAUNCHERS = REPOSITORY / "launchers"


@pytest.fixture
def settings(monkeypatch):
    monkeypatch.setenv("INTERPHASE_SETTINGS_FILE", str(LAUNCHERS / "settings.yaml.example"))
    return load_settings()


def read(path: Path):
    return YAML(typ="safe").load(path)


def test_the_files_are_what_the_command_writes():
    """interphase init --site; else run docs/generate_launchers.py."""
    generator = runpy.run_path(str(REPOSITORY / "docs" / "generate_launchers.py"))
    examples = generator["examples"]()
    assert {path: path.read_text(encoding="utf-8") for path in examples} == examples
    there = {path for path in LAUNCHERS.iterdir() if path.name != "README.md"}
    assert there == {path for path in examples if path.parent == LAUNCHERS}


def test_the_page_names_every_file():
    """And no other."""
    page = (LAUNCHERS / "README.md").read_text(encoding="utf-8")
    assert all(f"({path.name})" in page for path in LAUNCHERS.iterdir() if path.name != "README.md")


def test_the_settings_are_read_and_make_scripts(settings):
    """Every worker of the example has a batch script; the password is named by its file alone."""
    assert isinstance(settings.store, MongodbSettings)
    assert {kind for worker in settings.cluster.workers.values() for kind in worker.kinds} == set(JOB_KINDS)
    assert "#SBATCH --gpus-per-node=1" in allocation_script(settings, "gpu")
    assert "#SBATCH --cpus-per-task=32" in allocation_script(settings, "cpu")


def test_fireworks_own_files_say_the_same_as_the_settings(settings, tmp_path):
    """The database of the LaunchPad, and after how long a job without a sign of life is lost."""
    copy = tmp_path / "my_launchpad.yaml"
    text = (LAUNCHERS / "my_launchpad.yaml.example").read_text()
    copy.write_text(text.replace('password: ""', "password: secret"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of FireWorks' own reader of YAML
        launchpad = LaunchPad.from_file(str(copy))
    launchpad.connection.close()
    assert (launchpad.name, launchpad.host) == (launchpad_database(settings), settings.store.host)
    constants = read(LAUNCHERS / "FW_config.yaml")
    assert constants["PING_TIME_SECS"] == PING_INTERVAL_S
    assert constants["RUN_EXPIRATION_SECS"] == LOST_AFTER_S
    assert constants["WFLOCK_EXPIRATION_SECS"] == LOCK_EXPIRES_AFTER_S
    assert all(hasattr(fw_config, name) for name in constants)


def test_the_worker_of_fireworks_takes_kinds_there_are(tmp_path):
    """Those who run jobs by rlaunch."""
    copy = tmp_path / "my_fworker.yaml"
    copy.write_text((REPOSITORY / "my_fworker.yaml.example").read_text())
    worker = FWorker.from_file(str(copy))
    assert set(worker.category) <= set(JOB_KINDS)
