"""Settings of a cluster: workers, kinds of job, invalid values."""

import pytest
from pydantic import ValidationError

from interphase_flows.exceptions import SettingsError
from interphase_flows.runners.slurm import allocation_script
from interphase_flows.settings import (
    JOB_KINDS,
    ClusterSettings,
    MongodbSettings,
    Settings,
    WorkerSettings,
    load_settings,
)


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


@pytest.mark.parametrize(
    ("value", "line"),
    [(True, "exclusive"), (None, "exclusive"), ("", "exclusive"), ("user", "exclusive=user"), (100, "exclusive=100")],
)
def test_flags_of_sbatch_have_no_value(value, line, tmp_path):
    worker = WorkerSettings(kinds=("dft",), sbatch={"exclusive": value})
    assert worker.sbatch == {"exclusive": line.partition("=")[2]}
    others = WorkerSettings(kinds=("train", "md", "analysis"))
    settings = Settings(
        root=tmp_path,
        store=MongodbSettings(type="mongodb"),
        cluster=ClusterSettings(workers={"a": worker, "b": others}),
    )
    assert f"#SBATCH --{line}" in allocation_script(settings, "a").splitlines()


@pytest.mark.parametrize(
    "option",
    ["array", "arr", "chdir", "clusters", "clus", "dependency", "export", "export-file", "hold", "wait", "wrap", "par"],
)
def test_options_that_break_the_count_of_allocations_are_rejected(option):
    with pytest.raises(ValidationError, match=r"not supported|separate setting"):
        WorkerSettings(kinds=("dft",), sbatch={option: "x"})


@pytest.mark.parametrize(
    "fields",
    [
        {"sbatch": {"exclusive": False}},
        {"sbatch": {"comment": "a\nb"}},
        {"sbatch": {"comment": "a\rb"}},
        {"sbatch": {"Nice": "1"}},
        {"partition": "gpu\n#SBATCH --array=1-4"},
        {"account": "a\nb"},
        {"qos": "a\0b"},
        {"before": ["module load vasp\nexit"]},
        {"before": ["#SBATCH --array=1-4"]},
        {"environment": {"A B": "1"}},
        {"environment": {"A": "a\0b"}},
        {"cores": 10**12},
        {"max_in_queue": 10**9},
        {"memory_gb": float("inf")},
        {"wait_for_work_s": float("nan")},
    ],
)
def test_values_that_change_the_script_or_have_no_limit_are_rejected(fields):
    with pytest.raises(ValidationError):
        WorkerSettings(kinds=("dft",), **fields)
