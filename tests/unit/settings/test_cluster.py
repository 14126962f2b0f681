"""Settings of a cluster: workers, what they take, and what is refused."""

import pytest

from interphase_flows.exceptions import SettingsError
from interphase_flows.settings import JOB_KINDS, ClusterSettings, Settings, WorkerSettings, load_settings


def test_by_default_every_kind_has_a_worker_of_its_own():
    """A site changes what it has to."""
    workers = ClusterSettings().workers
    assert {name: worker.kinds for name, worker in workers.items()} == {kind: (kind,) for kind in JOB_KINDS}


@pytest.mark.parametrize(
    ("walltime", "seconds"), [("00:10:00", 600), ("24:00:00", 86400), ("1-02:03:04", 93784)]
)
def test_walltimes_are_slurms(walltime, seconds):
    """Hours, or days and hours."""
    assert WorkerSettings(kinds=("md",), walltime=walltime).walltime_s == seconds


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            "workers: {one: {kinds: [dft]}}",
            "no worker takes train, md, analysis: its jobs would wait for ever",
        ),
        ("workers: {one: {kinds: [dft, gpu]}}", "'dft', 'train', 'md' or 'analysis'"),
        ("workers: {one: {kinds: [dft], walltime: 3600}}", "walltime"),
        ('workers: {one: {kinds: [dft], walltime: "0:00"}}', "HH:MM:SS"),
        ('workers: {one: {kinds: [dft], sbatch: {time: "1"}}}', "has a setting of its own"),
        ("workers: {one: {kinds: [dft], sbatch: {--exclusive: y}}}", "without dashes"),
        ("workers: {One Two: {kinds: [dft, train, md, analysis]}}", "lower-case letters"),
        ("workers: {one: {kinds: [dft], wall_time: x}}", "unknown key; did you mean 'walltime'"),
    ],
)
def test_what_is_wrong_is_told_with_its_key(tmp_path, monkeypatch, wrong, told):
    """Before anything is submitted."""
    file = tmp_path / "interphase.yaml"
    file.write_text(f"cluster:\n  {wrong}\n")
    monkeypatch.setenv("INTERPHASE_SETTINGS_FILE", str(file))
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert told in str(error.value)
    assert "cluster" in str(error.value)


def test_settings_of_a_cluster_are_written_and_read_back():
    """Jobs of a process know each other's settings by their dump."""
    settings = Settings(cluster=ClusterSettings(signal_before_end_s=30))
    assert Settings.model_validate(settings.model_dump()).cluster == settings.cluster
