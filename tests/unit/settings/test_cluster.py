"""Settings of a cluster: workers, kinds of job, invalid values."""

import pytest

from interphase_flows.exceptions import SettingsError
from interphase_flows.settings import JOB_KINDS, ClusterSettings, Settings, WorkerSettings, load_settings


def test_by_default_every_kind_of_job_has_one_worker():
    workers = ClusterSettings().workers
    assert {name: worker.kinds for name, worker in workers.items()} == {kind: (kind,) for kind in JOB_KINDS}


@pytest.mark.parametrize(("walltime", "seconds"), [("00:10:00", 600), ("24:00:00", 86400), ("1-02:03:04", 93784)])
def test_walltimes_have_the_format_of_slurm(walltime, seconds):
    """Hours, or days and hours."""
    assert WorkerSettings(kinds=("md",), walltime=walltime).walltime_s == seconds


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "workers: {one: {kinds: [dft]}}",
            "no worker runs train, md, analysis: its jobs would wait forever",
        ),
        ("workers: {one: {kinds: [dft, gpu]}}", "'dft', 'train', 'md' or 'analysis'"),
        ("workers: {one: {kinds: [dft], walltime: 3600}}", "walltime"),
        ('workers: {one: {kinds: [dft], walltime: "0:00"}}', "HH:MM:SS"),
        ('workers: {one: {kinds: [dft], sbatch: {time: "1"}}}', "has a separate setting"),
        ("workers: {one: {kinds: [dft], sbatch: {--exclusive: y}}}", "without dashes"),
        ("workers: {One Two: {kinds: [dft, train, md, analysis]}}", "lower-case letters"),
        ("workers: {one: {kinds: [dft], wall_time: x}}", "unknown key; did you mean 'walltime'"),
    ],
)
def test_invalid_settings_raise_with_their_key(tmp_path, monkeypatch, content, message):
    file = tmp_path / "interphase.yaml"
    file.write_text(f"cluster:\n  {content}\n")
    monkeypatch.setenv("INTERPHASE_SETTINGS_FILE", str(file))
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert message in str(error.value)
    assert "cluster" in str(error.value)


def test_settings_of_a_cluster_are_read_back_from_their_dump():
    settings = Settings(cluster=ClusterSettings(signal_before_end_s=30))
    assert Settings.model_validate(settings.model_dump()).cluster == settings.cluster
