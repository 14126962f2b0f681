"""Errors of potentials against the number of labels of GPAW, with and without pre-training on labels of CHGNet.

Run: ``nice -n 19 python benchmarks/pretraining.py FOLDER [--seeds 3] [--sizes 18 37 75 150]``. It takes about five
hours of one core; run it again to continue. Labels of GPAW are those of ``docs/data/gpaw_labels.extxyz.gz``. For each
seed, a potential is trained on labels of CHGNet for the training structures and strained and rattled copies of them;
then potentials on random, nested subsets of the labels of GPAW, from random weights and from the pre-trained potential,
all with the same number of steps. Longer training has as many steps as pre-training and fine-tuning together: on all
labels from random weights, and on three subsets from the pre-trained potential. ``results.json`` has the mean absolute
errors on the held-out labels of GPAW, by kind of start and seed. Printed are means and 95 % intervals over seeds, and
the labels that pre-training needs for the errors that all labels give without it.
"""

import argparse
import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read
from jobflow import Flow
from learning_curves import labels_needed, with_interval

from interphase_flows.flows.pretraining import PretrainingMaker
from interphase_flows.jobs.import_dataset import ImportDatasetMaker
from interphase_flows.jobs.labels import LabelMaker, LabelSetMaker
from interphase_flows.jobs.potentials import load_committee
from interphase_flows.jobs.structures.perturbed import PerturbSetMaker
from interphase_flows.jobs.structures.structure_sets import store_set
from interphase_flows.jobs.train import TrainMaker
from interphase_flows.potentials.errors import MEV, frame_errors
from interphase_flows.potentials.spec import CommitteeSpec, FineTuningSpec, TrainingSpec
from interphase_flows.reference.spec import ChgnetSpec
from interphase_flows.runners.local.flow_runner import FlowRunner
from interphase_flows.runtime.atomic_files import write_json_atomic
from interphase_flows.runtime.file_locks import exclusive_folder
from interphase_flows.schemas.model import ModelDoc
from interphase_flows.schemas.origin import Origin
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, open_workspace, use_workspace

DATASET = Path(__file__).parents[1] / "docs" / "data" / "gpaw_labels.extxyz.gz"
N_CHEAP_LABELS = 800
PRETRAINING_EPOCHS = 60
N_STEPS = 1500
"""Steps of each training on labels of GPAW."""
N_LONG_STEPS = 9_700
"""Steps of pre-training (60 epochs of 136 batches) and fine-tuning together."""
FRACTION_FOR_VALIDATION = 0.15
STARTS = ("random weights", "pre-trained")
LONG = ("random weights, longer training", "pre-trained, longer training")
LONG_SIZES = (37, 75)
"""Subsets for longer training from pre-trained potentials, beside all labels."""


def with_split(frames: Sequence[Atoms], held_out: Sequence[Atoms]) -> list[Atoms]:
    """Return copies of labelled frames for training, some of them for validation, and of those held out."""
    n_validation = max(1, round(FRACTION_FOR_VALIDATION * len(frames)))
    sides = ["validation"] * n_validation + ["train"] * (len(frames) - n_validation) + ["test"] * len(held_out)
    found = []
    for number, (frame, side) in enumerate(zip([*frames, *held_out], sides, strict=True)):
        copy = frame.copy()
        copy.calc = frame.calc
        copy.info = {"split": side, "origin": f"frame/{number}"}
        found.append(copy)
    return found


def spec(n_train: int, n_steps: int) -> CommitteeSpec:
    """Return the settings of a training with the same number of steps for every number of labels."""
    batch_size = TrainingSpec().batch_size
    epochs = max(1, round(n_steps * batch_size / n_train))
    return CommitteeSpec(
        training=TrainingSpec(max_epochs=epochs), fine_tuning=FineTuningSpec(max_epochs=epochs), compiled="off"
    )


def pretrained(workspace: Workspace, structures: Sequence[Atoms], n_seeds: int) -> list[ModelDoc]:
    """Return one potential trained on labels of CHGNet for each seed."""
    origins = [Origin(frame.info["origin"]) for frame in structures]
    entries = store_set("pretraining", "gpaw dataset", list(structures), origins)
    maker = PretrainingMaker(
        perturb_maker=PerturbSetMaker(n_structures=N_CHEAP_LABELS),
        label_set_maker=LabelSetMaker(label_maker=LabelMaker(reference=ChgnetSpec())),
        train_maker=TrainMaker(spec=CommitteeSpec(training=TrainingSpec(max_epochs=PRETRAINING_EPOCHS))),
        n_members=n_seeds,
    )
    flow, outputs = maker.make(entries)
    with workspace.open_job_store() as store:
        FlowRunner(workspace, store).run(flow)
        return [ModelDoc.model_validate(each.resolve(store)) for each in outputs]


def trained(
    workspace: Workspace, frames: Sequence[Atoms], seed: int, start: ModelDoc | None, n_steps: int = N_STEPS
) -> ModelDoc:
    """Return a potential trained on labels of GPAW."""
    imported = ImportDatasetMaker(method="gpaw").make(list(frames))
    n_train = sum(frame.info["split"] == "train" for frame in frames)
    training = TrainMaker(spec=spec(n_train, n_steps)).make(imported.output, 0, seed, start=start)
    with workspace.open_job_store() as store:
        FlowRunner(workspace, store).run(Flow([imported, training]))
        return ModelDoc.model_validate(training.output.resolve(store))


def errors(model: ModelDoc, frames: Sequence[Atoms]) -> dict[str, float]:
    """Return the mean absolute errors of forces in meV/Å, in all and by element, and of energies in meV/atom."""
    found = frame_errors(load_committee([model]), list(frames))
    differences = np.abs(np.concatenate([each.forces_error for each in found]))
    symbols = np.concatenate([np.array(frame.get_chemical_symbols()) for frame in frames])
    by_element = {f"forces {kind}": MEV * float(differences[symbols == kind].mean()) for kind in np.unique(symbols)}
    energies = np.abs([each.energy_error_eV_per_atom for each in found])
    return {"forces": MEV * float(differences.mean()), **by_element, "energy": MEV * float(energies.mean())}


def report(results: dict[str, dict[str, list[dict[str, float]]]]) -> None:
    """Print learning curves and the labels that are needed; ``results`` are by start and seed."""
    curves = {start: list(results.get(start, {}).values()) for start in (*STARTS, *LONG)}
    for start, runs in curves.items():
        for rows in zip(*runs, strict=False):
            print(
                f"{start:15} {rows[0]['n_labels']:4.0f} labels, {len(rows)} seeds: forces "
                f"{with_interval([row['forces'] for row in rows])} meV/Å, energy "
                f"{with_interval([row['energy'] for row in rows])} meV/atom"
            )
    for without, with_it in (STARTS, LONG):
        ratios = [
            labels_needed([int(row["n_labels"]) for row in run], [row["forces"] for row in run], last["forces"])
            / last["n_labels"]
            for (*_, last), run in zip(curves[without], curves[with_it], strict=False)
        ]
        reached = [ratio for ratio in ratios if np.isfinite(ratio)]
        print(f"{with_it}: {len(reached)} of {len(ratios)} seeds reach the error of all labels from {without}")
        if ratios and len(reached) == len(ratios):
            print(f"ratio of labels: {with_interval(ratios, 2)}")


def run(options: argparse.Namespace) -> None:
    """Run what is missing in the folder, and print all results."""
    frames = read(DATASET, ":")
    structures = [frame for frame in frames if frame.info["split"] == "train"]
    labelled = [frame for frame in structures if frame.calc is not None]
    held_out = [frame for frame in frames if frame.info["split"] == "test" and frame.calc is not None]
    sizes = [size for size in options.sizes if size < len(labelled)] + [len(labelled)]
    print(f"{len(labelled)} labels of GPAW for training, {len(held_out)} held out", flush=True)
    path = options.folder / "results.json"
    results = json.loads(path.read_text()) if path.is_file() else {}
    with (
        open_workspace(Settings(root=options.folder, n_threads=1), "pretraining") as workspace,
        use_workspace(workspace),
    ):
        starts = pretrained(workspace, structures, options.seeds)
        for seed, start in enumerate(starts):
            order = np.random.default_rng(seed).permutation(len(labelled))
            for name, parent, n_steps, its_sizes in (
                (STARTS[0], None, N_STEPS, sizes),
                (STARTS[1], start, N_STEPS, sizes),
                (LONG[0], None, N_LONG_STEPS, sizes[-1:]),
                (LONG[1], start, N_LONG_STEPS, [*(size for size in LONG_SIZES if size < sizes[-1]), sizes[-1]]),
            ):
                known = results.setdefault(name, {}).get(str(seed), [])
                if [row["n_labels"] for row in known] == its_sizes:
                    continue
                rows = []
                for size in its_sizes:
                    split = with_split([labelled[i] for i in order[:size]], held_out)
                    model = trained(workspace, split, seed, parent, n_steps)
                    rows.append({"n_labels": size, **errors(model, held_out)})
                    print(f"seed {seed}, {name}, {size} labels: {rows[-1]['forces']:.0f} meV/Å", flush=True)
                results[name][str(seed)] = rows
                write_json_atomic(path, results)
    report(results)


def main() -> None:
    """Parse the options and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[18, 37, 75, 150])
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module=r"(nequip|torch|e3nn|chgnet|pymatgen)\..*")
    options.folder.mkdir(parents=True, exist_ok=True)
    with exclusive_folder(options.folder, "pretraining.lock", wait=False):
        run(options)


if __name__ == "__main__":
    main()
