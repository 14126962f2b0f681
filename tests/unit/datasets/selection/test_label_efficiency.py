"""Statistics of the benchmark of selection strategies, and its files."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[4] / "benchmarks" / "label_efficiency.py"


@pytest.fixture(scope="module")
def benchmark_script():
    spec = importlib.util.spec_from_file_location("label_efficiency", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPT.parent)
        spec.loader.exec_module(module)
    return module


def runs_of(*last_errors: float, n_iterations: int = 1) -> dict[str, list[dict[str, float]]]:
    """Return results by seed whose errors fall from 150 meV/Å in equal steps."""
    return {
        str(seed): [
            {"n_labels": 100 + 20 * k, "interfaces": error, "amorphous": error}
            for k, error in enumerate(np.linspace(150.0, last, n_iterations + 1))
        ]
        for seed, last in enumerate(last_errors, start=1)
    }


def test_labels_needed_are_interpolated(benchmark_script):
    needed = benchmark_script.labels_needed
    assert needed([100, 120], [150.0, 50.0], 100.0) == 110.0
    assert needed([100], [90.0], 100.0) == 100.0
    assert np.isnan(needed([100, 120], [150.0, 110.0], 100.0))


def test_report_compares_the_same_iteration_and_gives_no_mean_of_some_seeds(benchmark_script, capsys):
    """The longer run and the unfinished seed of another strategy do not count."""
    results = {
        "random": runs_of(90.0, 96.0, 110.0),
        "uncertainty": {
            seed: [*rows, {"n_labels": 140, "interfaces": 1.0, "amorphous": 1.0}]
            for seed, rows in runs_of(80.0, 88.0, 97.0).items()
        },
        "farthest_point": {"1": runs_of(70.0)["1"][:1]},
    }
    benchmark_script.report(results, 1)
    printed = capsys.readouterr().out
    assert "100 meV/Å: 2 of 3 seeds" in printed
    assert "uncertainty - random, last iteration: -10.3 ± 6.3 meV/Å, p = 0.02" in printed
    assert "farthest_point" not in printed
    assert "of the intended steps" not in printed


def test_report_has_the_survival_of_production(benchmark_script, capsys):
    runs = runs_of(90.0, 96.0)
    for rows, survival in zip(runs.values(), (1.0, 0.5), strict=True):
        rows[-1] |= {"survival": survival, "production": 130.0}
    benchmark_script.report({"random": runs}, 1)
    assert "random               75% of the intended steps, force error 130.0 ± 0.0 meV/Å" in capsys.readouterr().out


def test_loop_of_the_benchmark_ends_by_its_number_of_iterations(benchmark_script):
    learning = benchmark_script.campaign_of("random", 1, 3).learning
    assert (learning.min_iterations, learning.max_iterations) == (3, 3)


def test_test_frames_are_complete_or_missing_after_a_kill(benchmark_script, monkeypatch, tmp_path):
    """A cut file would be taken for the test set of all later strategies."""

    def killed(file, *_, **__):
        Path(file).write_text("84\n")
        raise KeyboardInterrupt

    monkeypatch.setattr(benchmark_script, "FACETS", ())
    monkeypatch.setattr(benchmark_script, "FRACTIONS", ())
    monkeypatch.setattr("reactive_frames.write", killed)
    with pytest.raises(KeyboardInterrupt):
        benchmark_script.test_frames(tmp_path)
    assert not list(tmp_path.glob("test_*.extxyz"))
