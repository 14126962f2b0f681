"""Files of a site: they agree, load where they are read, and contain no password."""

import os
import warnings
from pathlib import Path

import pytest
from fireworks.core.fworker import FWorker
from fireworks.core.launchpad import LaunchPad
from fireworks.user_objects.queue_adapters.common_adapter import CommonAdapter

from interphase_flows.exceptions import InputError
from interphase_flows.runners.cluster_settings import launch_folder, launchpad_database
from interphase_flows.runners.site_check.site_files import (
    EXAMPLE,
    Site,
    next_steps,
    site_files,
    site_from_options,
    write_site,
)
from interphase_flows.runners.slurm import Partition, allocation_script
from interphase_flows.settings import JOB_KINDS, MongodbSettings, load_settings

NAMES = {
    "settings.yaml",
    "FW_config.yaml",
    "my_launchpad.yaml",
    "my_fworker.yaml",
    *(f"{file}_{worker}.yaml" for file in ("my_fworker", "qadapter") for worker in ("cpu", "gpu", "shared")),
}
ODD = Site(
    host="db-1.example.org",
    port=27018,
    database="12e3",
    username="yes: no # really",
    password_file="~/a folder/pass phrase",
    auth_source="admin",
    root="/scratch/it's here",
    partition="null",
    account="0x10",
)


@pytest.fixture
def settings_of(tmp_path, monkeypatch):
    """Return a function that writes a site and loads its settings as every command does."""
    for name in [name for name in os.environ if name.startswith("INTERPHASE_")]:
        monkeypatch.delenv(name)

    def write(site: Site):
        write_site(site, tmp_path)
        monkeypatch.setenv("INTERPHASE_SETTINGS_FILE", str(tmp_path / "settings.yaml"))
        return load_settings()

    return write


def options_of(script: str) -> set[str]:
    return {line for line in script.splitlines() if line.startswith("#SBATCH")}


@pytest.mark.parametrize("site", [Site(), EXAMPLE, ODD], ids=["default", "example", "odd"])
def test_settings_reproduce_the_site_with_values_that_yaml_would_change(site, settings_of):
    settings = settings_of(site)
    store = settings.store
    assert isinstance(store, MongodbSettings)
    assert (store.host, store.port, store.database) == (site.host, site.port, site.database)
    assert (store.username or None, store.auth_source) == (site.username, site.auth_source)
    assert store.password_file == (Path(site.password_file) if site.username else None)
    assert settings.root == Path(site.root).expanduser()
    workers = settings.cluster.workers
    assert {kind for worker in workers.values() for kind in worker.kinds} == set(JOB_KINDS)
    assert workers["cpu"].partition == site.partition
    assert workers["cpu"].account == site.account
    assert sum(worker.gpus for worker in workers.values()) == (1 if site.gpu_partition else 0)


@pytest.mark.parametrize("site", [Site(), EXAMPLE, ODD], ids=["default", "example", "odd"])
def test_fireworks_files_agree_with_the_settings(site, settings_of, tmp_path):
    settings = settings_of(site)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from FireWorks' YAML reader
        if site.username is None:
            launchpad = LaunchPad.from_file(str(tmp_path / "my_launchpad.yaml"))
            launchpad.connection.close()
            assert launchpad.name == launchpad_database(settings)
            assert (launchpad.host, launchpad.port) == (site.host, site.port)
        for name, worker in settings.cluster.workers.items():
            adapter = CommonAdapter.from_file(str(tmp_path / f"qadapter_{name}.yaml"))
            script = adapter.get_script_str(str(launch_folder(settings, name)))
            assert options_of(script) == options_of(allocation_script(settings, name))
            assert f"work {name}" in script
            assert f"export INTERPHASE_SETTINGS_FILE={tmp_path}/settings.yaml" in script
            assert FWorker.from_file(str(tmp_path / f"my_fworker_{name}.yaml")).category == list(worker.kinds)
        assert FWorker.from_file(str(tmp_path / "my_fworker.yaml")).category == list(JOB_KINDS)


def test_a_site_with_gpus_has_all_files_with_private_modes_and_next_steps(tmp_path):
    paths = write_site(EXAMPLE, tmp_path / "new")
    assert {path.name for path in paths} == NAMES == {path.name for path in (tmp_path / "new").iterdir()}
    for name in ("settings.yaml", "my_launchpad.yaml"):
        assert (tmp_path / "new" / name).stat().st_mode & 0o077 == 0
    assert 'password: ""' in (tmp_path / "new" / "my_launchpad.yaml").read_text()
    steps = next_steps(EXAMPLE, tmp_path / "new")
    assert steps[0] == f"export INTERPHASE_SETTINGS_FILE={tmp_path}/new/settings.yaml"
    assert any("umask 077" in step for step in steps)
    assert not any("umask" in step for step in next_steps(Site(), tmp_path))


def test_existing_files_are_kept_unless_forced(tmp_path):
    (tmp_path / "FW_config.yaml").write_text("mine")
    with pytest.raises(InputError, match=r"FW_config\.yaml: exists already; nothing was written.*--force"):
        write_site(Site(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["FW_config.yaml"]
    write_site(Site(), tmp_path, force=True)
    assert "PING_TIME_SECS" in (tmp_path / "FW_config.yaml").read_text()


def test_no_worker_requests_more_cores_or_time_than_its_partition_has():
    available = [
        Partition("small", is_default=True, cores_per_node=6, time_limit_s=7200.0),
        Partition("gpu", is_default=False, cores_per_node=64, time_limit_s=None),
    ]
    files = site_files(Site(gpu_partition="gpu"), "settings.yaml", available)
    assert "cores: 6\n" in files["settings.yaml"]
    assert "cpus_per_task: 6\n" in files["qadapter_cpu.yaml"]
    assert 'walltime: "02:00:00"' in files["qadapter_cpu.yaml"]
    assert "cpus_per_task: 8\n" in files["qadapter_gpu.yaml"]
    assert 'walltime: "24:00:00"' in files["qadapter_gpu.yaml"]
    assert "cpus_per_task: 32\n" in site_files(Site(partition="other"), "s", available)["qadapter_cpu.yaml"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"host": "mongodb://alice:PLANTED@db"}, "--host: expected NAME or NAME:PORT"),
        ({"host": "alice@PLANTED"}, "--host: "),
        ({"host": "db:99999"}, "--port: .*less than 65536"),
    ],
)
def test_invalid_option_raises_without_its_value_and_writes_nothing(options, message, tmp_path):
    with pytest.raises(InputError, match=message) as caught:
        write_site(site_from_options(options), tmp_path)
    assert "PLANTED" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_site_from_options_splits_the_port_and_makes_paths_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    site = site_from_options({"host": "db:27018", "root": "runs", "gpu_partition": "gpu"})
    assert (site.host, site.port, site.root) == ("db", 27018, str(tmp_path / "runs"))
    assert site_from_options({"root": "~/x"}).root == "~/x"
    assert site_from_options({"password_file": "secret"}).password_file == str(tmp_path / "secret")
    assert [worker.name for worker in site.workers()] == ["cpu", "gpu", "shared"]
    assert [worker.name for worker in Site().workers()] == ["cpu", "learn", "shared"]
