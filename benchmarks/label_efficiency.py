"""Errors of active learning against the number of labels, by selection strategy, with CHGNet as the reference method.

Run: ``python benchmarks/label_efficiency.py FOLDER [--seeds 5] [--iterations 3] [--strategies ...]``. For each seed, all
strategies share initial labels and committee, those of the quickstart, and continue with at most the same number of
labels in each iteration; ``uncertainty_diverse`` leaves out near-duplicates, so its curve may have fewer. All results are
kept in FOLDER; run it again to continue. A strategy and seed takes about twenty minutes of one core.

Committees are judged on frames that no strategy has seen (``test_*.extxyz``): dynamics of CHGNet at 300 to 800 K in
larger cells of other facets, and of amorphous cells of other compositions; and by production at 300 K in the cell of the
quickstart with the last committee: its survival, and the error on random frames. ``results.json`` has the errors of the
first member, in all and by element. Printed are means and 95 % intervals over seeds, the labels needed for errors of 100
and 80 meV/Å (by interpolation) where all seeds reach them, and paired differences from ``random`` with p values (paired
t-test, multiplied by the number of comparisons in a test set). Labels include those for validation and audit.
"""

import argparse
import json
import warnings
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from ase import Atoms
from jobflow import Flow, OnMissing
from learning_curves import labels_needed, with_interval
from reactive_frames import chgnet_frames, interface_starts
from ruamel.yaml import YAML
from scipy.stats import ttest_rel

from interphase_flows.campaign.schema import Campaign
from interphase_flows.datasets.selection.registry import BUILT_IN_STRATEGIES
from interphase_flows.flows.campaign import CampaignMaker
from interphase_flows.jobs.potentials import load_committee
from interphase_flows.potentials.errors import MEV, frame_errors
from interphase_flows.runners.local.flow_runner import FlowRunner
from interphase_flows.runtime.atomic_files import write_json_atomic
from interphase_flows.runtime.file_locks import exclusive_folder
from interphase_flows.schemas.iteration import IterationDoc
from interphase_flows.schemas.potential_errors import ProductionAuditDoc
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import open_workspace, use_workspace
from interphase_flows.structures.amorphous.mixtures import mixture_packing
from interphase_flows.structures.crystals.library import load_phase

QUICKSTART = Path(__file__).parents[1] / "workflows" / "li_li7p3s11_quickstart.yaml"
LABELS_PER_ITERATION = 24
WARM_START_EPOCHS = 24
"""More than the quickstart has, so that errors are limited by the labels, not by the training."""
EXPLORATION = {
    "temperatures_K": [300, 500, 800],
    "n_interface_walkers": 6,
    "n_amorphous_walkers": 3,
    "steps_per_iteration": 800,
    "frame_interval_steps": 20,
    "uncertainty_interval_steps": 20,
    "checkpoint_interval_steps": 200,
}
"""Up to 360 frames to choose from in each iteration. The quickstart has 45, too few to show a difference."""
FACETS = (((1, 1, 0), (0, 1, 1)), ((1, 0, 0), (0, 0, 1)))
"""Faces of electrode and electrolyte of the test interfaces; the campaign has 110/001."""
TEMPERATURES_K = (300.0, 500.0, 800.0)
FRACTIONS = (0.2, 0.35, 0.7)
"""Compositions of the amorphous test cells; the campaign has 0.07 and 0.53."""
TARGETS_meV_per_angstrom = (100.0, 80.0)
TEST_SETS = ("interfaces", "amorphous")


def test_frames(folder: Path) -> dict[str, list[Atoms]]:
    """Return labelled frames of dynamics by CHGNet, made in the first call."""
    starts = {name: [] for name in TEST_SETS} | {"interfaces": interface_starts(FACETS, TEMPERATURES_K)}
    for seed, fraction in enumerate(FRACTIONS):
        packing = mixture_packing(fraction, 90, 9000 + seed, load_phase("Li"), load_phase("Li7P3S11"))
        starts["amorphous"].append((packing, 1000.0))
    return {name: chgnet_frames(folder / f"test_{name}.extxyz", starts[name]) for name in TEST_SETS}


def campaign_of(strategy: str, seed: int, n_iterations: int) -> Campaign:
    """Return the quickstart with a strategy, whose loop ends only by its number of iterations."""
    document = YAML(typ="safe").load(QUICKSTART)
    document["seed"] = seed
    document["committee"]["training"]["warm_start_epochs"] = WARM_START_EPOCHS
    document["exploration"] |= EXPLORATION
    document["learning"] |= {
        "selection": {"strategy": strategy},
        "min_iterations": n_iterations,
        "max_iterations": n_iterations,
        "labels_per_iteration": LABELS_PER_ITERATION,
        "target_fraction_above_select": 0.0,
    }
    return Campaign(**document)


@dataclass(frozen=True)
class Learned:
    """Iterations of a campaign, and its production at 300 K with the last committee.

    ``survival`` is the share of the intended steps that the replicas made; ``production_error`` the mean absolute force
    error in meV/Å on random frames of production, NaN if there are none.
    """

    iterations: list[IterationDoc]
    survival: float
    production_error: float


def learn(campaign: Campaign, folder: Path) -> Learned:
    """Run initial data, loop and production of a campaign; results in the folder are reused."""
    maker = CampaignMaker.from_campaign(campaign)
    if maker.production_cells_maker is None:
        raise ValueError(f"{QUICKSTART.name} has no production cell")
    initial = maker.initial_data_maker.make(campaign.electrode, campaign.electrolyte, campaign.phases)
    loop = maker.active_learning_maker.make(
        initial.output["batch"], initial.output["starts"], initial.output["walkers"], campaign.phases
    )
    committee = loop.output["committee"]
    cells = maker.production_cells_maker.make(campaign.electrode, campaign.electrolyte)
    production = maker.production_maker.make(cells.output, committee)
    drawn = maker.draw_maker.make(production.output, campaign.seed, committee)
    labels = maker.active_learning_maker.label_set_maker.make(drawn.output)
    audit = maker.audit_maker.make(committee, labels.output)
    audit.config.on_missing_references = OnMissing.NONE
    with (
        open_workspace(Settings(root=folder), "label_efficiency") as workspace,
        use_workspace(workspace),
        workspace.open_job_store() as store,
    ):
        FlowRunner(workspace, store).run(Flow([initial, loop, cells, production, drawn, labels, audit]))
        iterations = loop.output["iterations"].resolve(store)
        segments = [SegmentDoc.model_validate(each.resolve(store)) for each in production.output]
        audited = ProductionAuditDoc.model_validate(audit.output.resolve(store))
    n_intended = campaign.production.steps_per_segment * len(segments)
    return Learned(
        [IterationDoc.model_validate(each) for each in iterations],
        sum(segment.n_steps for segment in segments) / n_intended,
        audited.forces_mae_meV_per_angstrom.value,
    )


def force_errors(iteration: IterationDoc, folder: Path, frames: dict[str, list[Atoms]]) -> dict[str, float]:
    """Return the mean absolute force errors of the member that drives the dynamics, in meV/Å, by test set and element."""
    with open_workspace(Settings(root=folder), "label_efficiency") as workspace, use_workspace(workspace):
        committee = load_committee([iteration.first_checkpoint])
    found = {}
    for name, tested in frames.items():
        errors = np.concatenate([np.abs(each.forces_error) for each in frame_errors(committee, tested)])
        symbols = np.concatenate([np.array(frame.get_chemical_symbols()) for frame in tested])
        found[name] = MEV * float(errors.mean())
        found |= {f"{name} {kind}": MEV * float(errors[symbols == kind].mean()) for kind in np.unique(symbols)}
    return found


def report(results: dict[str, dict[str, list[dict[str, float]]]], n_iterations: int) -> None:
    """Print learning curves, labels needed and paired differences; ``results`` are by strategy and seed."""
    complete = {
        strategy: {seed: rows[: n_iterations + 1] for seed, rows in runs.items() if len(rows) > n_iterations}
        for strategy, runs in results.items()
    }
    results = {strategy: runs for strategy, runs in complete.items() if runs}
    print("\nproduction at 300 K with the last committee")
    for strategy, runs in results.items():
        # a longer run has its production after other labels
        last = [rows[-1] for rows in runs.values() if "survival" in rows[-1]]
        if not last:
            continue
        print(
            f"  {strategy:20} {np.mean([row['survival'] for row in last]):.0%} of the intended steps, force error "
            f"{with_interval([row['production'] for row in last])} meV/Å"
        )
    for name in TEST_SETS:
        print(f"\n{name}: mean absolute force error, meV/Å, by iteration")
        for strategy, runs in results.items():
            curves = list(runs.values())
            texts = [
                f"{with_interval([row[name] for row in rows])} ({np.mean([row['n_labels'] for row in rows]):.0f} labels)"
                for rows in zip(*curves, strict=True)
            ]
            print(f"  {strategy:20} {len(curves)} seeds  {'   '.join(texts)}")
            for target in TARGETS_meV_per_angstrom:
                needed = [labels_needed([r["n_labels"] for r in c], [r[name] for r in c], target) for c in curves]
                reached = [each for each in needed if np.isfinite(each)]
                # the mean of the seeds that reach it would be too small
                all_reach_it = len(reached) == len(needed)
                text = f"{with_interval(needed)} labels" if all_reach_it else f"{len(reached)} of {len(needed)} seeds"
                print(f"      {target:g} meV/Å: {text}")
        for strategy, runs in results.items():
            shared = [seed for seed in runs if seed in results.get("random", {})]
            if strategy == "random" or len(shared) < 2:
                continue
            pairs = np.array([(runs[seed][-1][name], results["random"][seed][-1][name]) for seed in shared])
            p = min(1.0, (len(results) - 1) * ttest_rel(*pairs.T).pvalue)
            print(
                f"  {strategy} - random, last iteration: {with_interval(pairs[:, 0] - pairs[:, 1])} meV/Å, p = {p:.2f}"
            )


def run(options: argparse.Namespace) -> None:
    """Run the strategies and seeds that are missing in the folder, and print all results."""
    frames, path = test_frames(options.folder), options.folder / "results.json"
    results = json.loads(path.read_text()) if path.is_file() else {}
    for seed, strategy in product(range(1, options.seeds + 1), options.strategies):
        known = results.setdefault(strategy, {})
        if len(known.get(str(seed), ())) > options.iterations:
            continue
        learned = learn(campaign_of(strategy, seed, options.iterations), options.folder)
        rows = [
            {"n_labels": each.n_labels_total, **force_errors(each, options.folder, frames)}
            for each in learned.iterations
        ]
        rows[-1] |= {"production": learned.production_error, "survival": learned.survival}
        known[str(seed)] = rows
        write_json_atomic(path, results)
        print(f"seed {seed}, {strategy}: {[round(row['interfaces']) for row in known[str(seed)]]} meV/Å", flush=True)
    report(results, options.iterations)


def main() -> None:
    """Parse the options and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--strategies", nargs="+", default=list(BUILT_IN_STRATEGIES), choices=list(BUILT_IN_STRATEGIES))
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module=r"(nequip|torch|e3nn|chgnet|pymatgen)\..*")
    options.folder.mkdir(parents=True, exist_ok=True)
    with exclusive_folder(options.folder, "label_efficiency.lock", wait=False):
        run(options)


if __name__ == "__main__":
    main()
