"""Shared fixtures: a campaign that runs once per session; longest test files run first."""

import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest

from tiny_campaign import TINY, run_once
from without_torch import skip_if_torch_is_missing

LONGEST_FIRST = (
    "cluster/test_chaos.py",
    "flows/test_other_pairs.py",
    "docs/test_code_blocks.py",
    "flows/test_kill_workers.py",
    "docs/test_readme_commands.py",
    "cluster/test_slurm_campaign.py",
    "cluster/test_benchmarks.py",
    "flows/test_kill_anywhere.py",
    "flows/test_imported_labels.py",
    "cluster/test_mongo_campaign.py",
    "cluster/test_slurm_control.py",
    "physics/test_compiled_potentials.py",
    "cluster/test_site.py",
    "md/test_damaged_segment.py",
    "physics/test_md_restart.py",
    "flows/test_finished_campaign.py",
    "cluster/test_slurm_recovery.py",
    "physics/test_compiled_restart.py",
    "flows/test_compiled_campaign.py",
    "physics/test_exported_models.py",
    "flows/test_reference_swap.py",
    "flows/test_full_disk.py",
    "flows/test_transport_grid.py",
    "flows/test_damaged_campaign.py",
    "flows/test_worker_pool.py",
    "cluster/test_fireworks_jobs.py",
    "cluster/test_consistency.py",
    "cluster/test_replaced_step.py",
    "flows/test_phases_of_a_file.py",
    "flows/test_open_campaign.py",
    "flows/test_open_loop.py",
    "flows/test_refinement.py",
    "flows/test_replaced_step.py",
)
"""Files that take more than half a minute; started late, they would leave the other cores idle.

Files that wait for Slurm are apart, so that others compute meanwhile.
"""


def pytest_configure() -> None:
    """Undo what a shell does to background processes, which ignore Ctrl-C; switch off the compilation of potentials."""
    # they and their children ignore Ctrl-C, which tests send
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # a compilation takes a minute of a core; tests of compiled potentials switch it on
    os.environ.setdefault("INTERPHASE_COMPILE_POTENTIALS", "never")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several processes, run the longest files first, then folder by folder, unit tests last."""
    if not hasattr(config, "workerinput"):
        return
    here = Path(__file__).parent
    if missing := [name for name in LONGEST_FIRST if not (here / name).exists()]:
        raise pytest.UsageError(f"{__file__}: LONGEST_FIRST names missing files: {missing}")
    order = {here / name: rank for rank, name in enumerate(LONGEST_FIRST)}
    folders = [here.parent / name for name in reversed(config.getini("testpaths"))]

    def rank(item: pytest.Item) -> tuple[int, int]:
        folder = next((number for number, each in enumerate(folders) if item.path.is_relative_to(each)), -1)
        return order.get(item.path, len(order)), folder

    items.sort(key=rank)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    skip_if_torch_is_missing(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    skip_if_torch_is_missing(report)
    return report


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("campaign") / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def finished_root(tiny_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the root of a campaign that ran without interruption; tests must not write to it."""
    base = tmp_path_factory.getbasetemp()
    return run_once(tiny_file, base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to an empty working folder, without the variables that name a campaign, its root and its settings."""
    for name in ("INTERPHASE_CAMPAIGN", "INTERPHASE_SETTINGS_FILE", "INTERPHASE_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def compiled_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a root whose campaigns have the compiled graph of the tiny architecture; tests must not write to it."""
    from compiled_graph import compiled_once  # takes seconds to import

    base = tmp_path_factory.getbasetemp()
    return compiled_once(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)
