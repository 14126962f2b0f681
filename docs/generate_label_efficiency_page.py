"""Write docs/label_efficiency.md and its figures from docs/data/label_efficiency.json and pretraining.json.

Run: `python docs/generate_label_efficiency_page.py`, after the benchmarks of the page, whose ``results.json`` these are.
The page has no part on pre-training if its file is missing.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from ase.io import read
from matplotlib.figure import Figure
from scipy.stats import ttest_rel

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from learning_curves import labels_needed, with_interval
from markdown_table import table

from interphase_flows.report.figures.style import CYCLE, DASHES, figure_style, rendered

HERE = Path(__file__).parent
DATA = {name: HERE / "data" / f"{name}.json" for name in ("label_efficiency", "pretraining")}
IMAGES = HERE / "images"
PAGE = HERE / "label_efficiency.md"

Curves = Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]]
"""By strategy (or start) and seed: errors by number of labels."""

TEST_SETS = {"interfaces": "interfaces", "amorphous": "amorphous cells"}
SIGNIFICANT = 0.05
TARGETS_meV_per_angstrom = (100.0, 80.0)
STARTS = ("random weights", "pre-trained")
LONG = ("random weights, longer training", "pre-trained, longer training")

HEAD = """\
# Label efficiency

<!-- Written by docs/generate_label_efficiency_page.py from results of benchmarks in docs/data. Do not edit. -->

The following commands measure how many labels a potential needs. They take hours and can be interrupted:

```console
python benchmarks/label_efficiency.py FOLDER --iterations 5
python benchmarks/gpaw_dataset.py LABELS --export
python benchmarks/pretraining.py OTHER_FOLDER
```

Intervals are 95 % over seeds.
"""

STRATEGIES = """\
## Selection strategies

{verdict}

The loop of the quickstart ran with CHGNet as the reference method. For each of {n_seeds} seeds, all
[strategies](add_a_selection_strategy.md) started from the same committee. Committees were judged on frames that no
strategy had seen: interfaces of other facets in larger cells at 300 to 800 K, and amorphous cells of other compositions.
Production ran at 300 K with the last committee.

**Limitation.** In these runs, an iteration chose 17 labels from only 45 new frames, and warm starts had 8 epochs, so that
all strategies trained on similar frames. The benchmark now offers up to 360 frames and has warm starts of 24 epochs; its
results are not available yet.

![Force errors against labels, by selection strategy](images/label_efficiency.png)
"""

PRETRAINING = """\
## Pre-training with a cheap method

Potentials are trained on {n_train} labels of GPAW and on random, nested subsets of them, from random weights and from a
potential that was trained on labels of CHGNet, with the same number of optimiser steps on labels of GPAW. The longer
training has as many steps on labels of GPAW as pre-training and fine-tuning together. Potentials are judged on {n_test}
held-out GPAW labels of other packings and trajectories. All structures and labels are in
`docs/data/gpaw_labels.extxyz.gz`.

![Force errors on GPAW labels against labels, with and without pre-training](images/pretraining.png)
"""


def needed_text(runs: Sequence[Sequence[Mapping[str, float]]], name: str, target: float) -> str:
    """Return the labels needed for an error, or how many seeds reach it."""
    needed = [labels_needed([row["n_labels"] for row in run], [row[name] for row in run], target) for run in runs]
    reached = sum(np.isfinite(needed))
    return with_interval(needed, 0) if reached == len(needed) else f"reached by {reached} of {len(needed)} seeds"


def difference_text(runs: Mapping[str, Sequence[Mapping[str, float]]], random: Mapping, name: str, n_tests: int) -> str:
    """Return the paired difference of the last errors from those of ``random``, with a corrected p value."""
    pairs = np.array([(run[-1][name], random[seed][-1][name]) for seed, run in runs.items()])
    p = min(1.0, n_tests * ttest_rel(*pairs.T).pvalue)
    return f"{with_interval(pairs[:, 0] - pairs[:, 1])} (p = {p:.2f})"


def verdict(curves: Curves) -> str:
    """Return which strategies have smaller errors on interfaces than ``random`` in the end, as a sentence."""
    better = []
    for strategy in curves.keys() - {"random"}:
        pairs = np.array([(run[-1]["interfaces"], curves["random"][seed][-1]["interfaces"]) for seed, run in curves[strategy].items()])  # fmt: skip # noqa: E501
        if pairs[:, 0].mean() < pairs[:, 1].mean() and (len(curves) - 1) * ttest_rel(*pairs.T).pvalue < SIGNIFICANT:
            better.append(strategy)
    if not better:
        return "No strategy has significantly smaller errors than `random`, which therefore is the default."
    return f"{' and '.join(f'`{name}`' for name in sorted(better))} have smaller errors than `random`."


def ratio_lines(curves: Curves) -> list[str]:
    """Return the labels that strategies need for the first target, relative to ``random``."""
    target = TARGETS_meV_per_angstrom[0]

    def needed(strategy: str, seed: str) -> float:
        run = curves[strategy][seed]
        return labels_needed([row["n_labels"] for row in run], [row["interfaces"] for row in run], target)

    lines = []
    for strategy in curves.keys() - {"random"}:
        ratios = [
            needed(strategy, seed) / needed("random", seed) for seed in curves[strategy] if seed in curves["random"]
        ]
        reached = [ratio for ratio in ratios if np.isfinite(ratio)]
        if reached:
            lines += [f"- `{strategy}`: {with_interval(reached, 2)}, {len(reached)} of {len(ratios)} seeds"]
    if not lines:
        return []
    head = f"Labels to {target:g} meV/Å on interfaces, relative to `random`, for seeds in which both reach it:"
    return [head, "", *sorted(lines), ""]


def strategies_section(curves: Curves) -> list[str]:
    """Return the section on selection strategies."""
    lines = STRATEGIES.format(verdict=verdict(curves), n_seeds=len(curves["random"])).splitlines()
    for name, title in TEST_SETS.items():
        head = [f"force error on {title}, meV/Å"]
        head += [f"{np.mean([run[i]['n_labels'] for run in curves['random'].values()]):.0f} labels"
                 for i in range(len(next(iter(curves["random"].values()))))]  # fmt: skip
        head += [f"labels to {target:g} meV/Å" for target in TARGETS_meV_per_angstrom]
        head += ["last error minus that of `random`"]
        rows = []
        for strategy, by_seed in curves.items():
            runs = list(by_seed.values())
            row = [
                f"`{strategy}`",
                *(with_interval([each[name] for each in found]) for found in zip(*runs, strict=True)),
            ]
            row += [needed_text(runs, name, target) for target in TARGETS_meV_per_angstrom]
            is_random = strategy == "random"
            row += ["" if is_random else difference_text(by_seed, curves["random"], name, len(curves) - 1)]
            rows.append(row)
        lines += ["", *table(head, rows)]
    production = [
        [
            f"`{strategy}`",
            f"{np.mean([run[-1]['survival'] for run in by_seed.values()]):.0%}",
            with_interval([run[-1]["production"] for run in by_seed.values()]),
        ]
        for strategy, by_seed in curves.items()
        if all("survival" in run[-1] for run in by_seed.values())
    ]
    if production:
        lines += table(["production at 300 K", "fraction of the intended steps", "force error, meV/Å"], production)
    lines += ratio_lines(curves)
    lines += ["p values are those of paired t-tests, multiplied by the number of comparisons.", ""]
    return lines


def pretraining_section(curves: Curves, n_test: int) -> list[str]:
    """Return the section on pre-training."""
    sizes = [int(row["n_labels"]) for row in next(iter(curves[STARTS[0]].values()))]
    lines = PRETRAINING.format(n_train=sizes[-1], n_test=n_test).splitlines()
    for quantity, unit in (("forces", "meV/Å"), ("energy", "meV/atom")):
        rows = []
        for start, runs in curves.items():
            found = {same[0]["n_labels"]: [row[quantity] for row in same] for same in zip(*runs.values(), strict=True)}
            rows.append([start, *(with_interval(found[size]) if size in found else "" for size in sizes)])
        lines += ["", *table([f"{quantity}, {unit}", *(f"{size} labels" for size in sizes)], rows)]
    compared = [STARTS, (LONG[0], STARTS[1])]
    if LONG[1] in curves:
        compared.append(LONG)
    for without, with_it in compared:
        needed = [
            labels_needed([int(row["n_labels"]) for row in run], [row["forces"] for row in run], other[-1]["forces"])
            / sizes[-1]
            for run, other in zip(curves[with_it].values(), curves[without].values(), strict=True)
        ]
        if np.isfinite(needed).all():
            reached = f"needs a fraction of {with_interval(needed, 2)} of the labels"
        else:
            reached = f"reaches it in {sum(np.isfinite(needed))} of {len(needed)} seeds"
        lines += [f"- For the force error of “{without}” with all {sizes[-1]} labels, “{with_it}” {reached}."]
    all_labels = {start: np.mean([run[-1]["forces"] for run in runs.values()]) for start, runs in curves.items()}
    if all_labels[LONG[0]] < all_labels[STARTS[1]]:
        lines += [
            "",
            "With all labels, longer training from random weights reduces the error more than pre-training does; the",
            "advantage of pre-training at an equal number of steps is therefore, at least in part, that of longer",
            "training.",
        ]
    if LONG[1] in curves:
        lines += ["", *_after_longer_training(curves)]
    lines += [""]
    return lines


def _after_longer_training(curves: Curves) -> list[str]:
    """Compare both starts after longer training with all labels, and pre-trained potentials with the fewest labels."""
    without, with_it = ([run[-1]["forces"] for run in curves[start].values()] for start in LONG)
    p_value = float(ttest_rel(without, with_it).pvalue)
    found = "no significant difference" if p_value > SIGNIFICANT else "a significant difference"
    few = curves[LONG[1]]
    n_few = int(next(iter(few.values()))[0]["n_labels"])
    short = [next(row["forces"] for row in run if row["n_labels"] == n_few) for run in curves[STARTS[1]].values()]
    long = [run[0]["forces"] for run in few.values()]
    change = "increases" if np.mean(long) > np.mean(short) else "decreases"
    return [
        f"After longer training with all labels, there is {found} between the starts ({with_interval(with_it)} and",
        f"{with_interval(without)} meV/Å, paired t-test over {len(with_it)} seeds: p = {p_value:.2f}). With {n_few}",
        f"labels, longer training {change} the error of pre-trained potentials ({with_interval(short)} to",
        f"{with_interval(long)}).",
    ]


def figure_of(curves: Curves, quantities: Mapping[str, str]) -> Figure:
    """Draw errors of all seeds and their means against the number of labels, one panel for each quantity."""
    with figure_style():
        figure = Figure(figsize=(4.4 * len(quantities), 3.4))
        for axes, (name, title) in zip(figure.subplots(1, len(quantities), squeeze=False)[0], quantities.items(), strict=True):  # fmt: skip # noqa: E501
            for order, (label, by_seed) in enumerate(curves.items()):
                labels = np.array([[row["n_labels"] for row in run] for run in by_seed.values()], dtype=float)
                errors = np.array([[row[name] for row in run] for run in by_seed.values()])
                style = {"color": CYCLE[order], "linestyle": DASHES[order % len(DASHES)]}
                axes.plot(labels.T, errors.T, alpha=0.3, linewidth=0.8, **style)
                axes.plot(labels.mean(0), errors.mean(0), marker="o", markersize=4, label=label, **style)
            axes.set(title=title, xlabel="Labels", ylabel="Force error (meV/Å)")
        axes.legend()
    return figure


def held_out_labels() -> int:
    """Return the number of held-out labels of GPAW."""
    frames = read(HERE / "data" / "gpaw_labels.extxyz.gz", ":")
    return sum(frame.info["split"] == "test" and frame.calc is not None for frame in frames)


def page(strategies: Curves, pretraining: Curves | None, n_test: int) -> str:
    """Return the page as Markdown."""
    lines = [*HEAD.splitlines(), "", *strategies_section(strategies)]
    if pretraining:
        lines += ["", *pretraining_section(pretraining, n_test)]
    return "\n".join(lines).rstrip() + "\n"


def write_figures(strategies: Curves, pretraining: Curves | None) -> None:
    """Write the figures of the page."""
    titles = {name: title.capitalize() for name, title in TEST_SETS.items()}
    drawn = {"label_efficiency": figure_of(strategies, titles)}
    if pretraining:
        drawn["pretraining"] = figure_of(pretraining, {"forces": "Held-out labels of GPAW"})
    for name, figure in drawn.items():
        (IMAGES / f"{name}.png").write_bytes(rendered(figure, name, name).png)


def results(name: str) -> Curves | None:
    """Return the results of a benchmark for the seeds that all its curves have; None if it has not been run."""
    if not DATA[name].is_file():
        return None
    found = json.loads(DATA[name].read_text(encoding="utf-8"))
    seeds = set.intersection(*(set(runs) for runs in found.values()))
    return {label: {seed: runs[seed] for seed in sorted(seeds)} for label, runs in found.items()}


if __name__ == "__main__":
    selection, transfer = (results(name) for name in DATA)
    PAGE.write_text(page(selection, transfer, held_out_labels()), encoding="utf-8")
    write_figures(selection, transfer)
