"""Label a small set of reactive structures of Li, P and S with GPAW, to compare potentials with few labels of real DFT.

Run: ``nice -n 19 python benchmarks/gpaw_dataset.py FOLDER [--export]``. It takes hours; run it again to continue.
``--export`` computes nothing: it adds the labels that exist to ``docs/data/gpaw_labels.extxyz.gz``, which has all
structures, with or without a label. A run in another folder takes structures and labels from that file.

Structures are frames of CHGNet's dynamics: amorphous mixtures of lithium with Li7P3S11, Li3PS4 and Li3P of 20 to 30
atoms and of 45 atoms at 300 to 1000 K, and crystals at 300 and 600 K. 164 are for training; 45, of other packings and
trajectories, are held out (``info["split"]``). The settings of GPAW are those of
workflows/li_li7p3s11_gpaw.yaml.
"""

import argparse
import gzip
import io
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read, write
from ruamel.yaml import YAML

from interphase_flows.datasets.frames import labelled_atoms
from interphase_flows.datasets.gates import Gates
from interphase_flows.jobs.caching import stored_document
from interphase_flows.jobs.label_structure import KIND, cached_label, label_key
from interphase_flows.jobs.structures.structure_sets import load_set, store_set
from interphase_flows.md.dynamics import LangevinNVT
from interphase_flows.md.reference_dynamics import reference_snapshots
from interphase_flows.reference.registry import reference_method
from interphase_flows.reference.spec import ChgnetSpec, GpawSpec
from interphase_flows.runtime.atomic_files import write_bytes_atomic
from interphase_flows.schemas.label import LabelDoc
from interphase_flows.schemas.origin import Origin
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import open_workspace, use_workspace
from interphase_flows.structures.amorphous.mixtures import mixture_packing
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.perturb import repeated

DATASET = Path(__file__).parents[1] / "docs" / "data" / "gpaw_labels.extxyz.gz"
WORKFLOW = Path(__file__).parents[1] / "workflows" / "li_li7p3s11_gpaw.yaml"
MIXTURES = (
    ("Li7P3S11", 0.25, 28),
    ("Li3PS4", 0.33, 24),
    ("Li3PS4", 0.43, 28),
    ("Li3PS4", 0.57, 28),
    ("Li3PS4", 0.67, 24),
    ("Li3P", 0.33, 24),
)
"""Electrolyte, fraction of atoms from lithium, atoms."""
LARGE = ("Li7P3S11", 0.53, 45)
N_PACKINGS = 10
HELD_OUT_PACKINGS = (5, 6)
"""Packings of each mixture, and those of them that are held out."""
N_LARGE, N_LARGE_HELD_OUT = 10, 4
CRYSTALS = ("Li", "Li2S", "Li3P", "LiP", "Li3PS4")
MAX_CRYSTAL_ATOMS = 32
TEMPERATURES_K = (1000.0, 600.0, 300.0)
N_STEPS = 150
"""At each temperature in turn, from the same trajectory; 2 fs."""


def trajectories() -> Iterator[tuple[str, str, Atoms, tuple[float, ...]]]:
    """Yield the split, origin, start and temperatures of every trajectory, mixed so that all kinds grow together."""
    for number in range(N_LARGE + N_LARGE_HELD_OUT):
        if number < N_PACKINGS:
            for index, mixture in enumerate(MIXTURES):
                split = "test" if number in HELD_OUT_PACKINGS else "train"
                yield split, f"mixture-{index}/{number}", packing(*mixture, 100 * index + number), TEMPERATURES_K
        if number < len(CRYSTALS):
            crystal = load_phase(CRYSTALS[number])
            start = repeated(crystal, 8) if len(crystal) <= MAX_CRYSTAL_ATOMS else crystal
            yield "train", f"crystal-{CRYSTALS[number]}/0", start, (300.0, 600.0)
            yield "test", f"crystal-{CRYSTALS[number]}/1", start, (450.0,)
        split = "train" if number < N_LARGE else "test"
        yield split, f"large-mixture/{number}", packing(*LARGE, 1000 + number), (1000.0, 500.0)


def packing(electrolyte: str, fraction: float, n_atoms: int, seed: int) -> Atoms:
    """Return a random packing of lithium and an electrolyte."""
    return mixture_packing(fraction, n_atoms, seed, load_phase("Li"), load_phase(electrolyte))


def structures() -> list[Atoms]:
    """Return new frames to label; of a large cell only the last one."""
    calculator = reference_method(ChgnetSpec()).calculator()
    frames: list[Atoms] = []
    for seed, (split, origin, atoms, temperatures_K) in enumerate(trajectories()):
        start, made = atoms, []
        for part, temperature_K in enumerate(temperatures_K):
            dynamics = LangevinNVT(temperature_K=temperature_K, timestep_fs=2.0, friction_per_ps=20.0)
            with tempfile.TemporaryDirectory() as scratch:
                found = reference_snapshots(
                    start, calculator, dynamics, N_STEPS, N_STEPS, 10 * seed + part, Path(scratch)
                )
            if not found:
                break
            start = found[-1]
            made.append(start)
        kept = made[-1:] if origin.startswith("large") else made
        for frame in kept:
            frame.calc = None
            frame.info = {"split": split, "origin": origin}
        frames += kept
        print(f"{origin}: {len(kept)} frames of {len(atoms)} atoms", flush=True)
    return frames


def write_dataset(frames: list[Atoms]) -> None:
    """Replace the kept dataset."""
    text = io.StringIO()
    write(text, frames, format="extxyz")
    write_bytes_atomic(DATASET, gzip.compress(text.getvalue().encode(), mtime=0))


def labelled_frame(frame: Atoms, label: LabelDoc) -> Atoms:
    """Return a frame with the values of its label, or with the reason of the rejection."""
    if label.status != "accepted":
        frame.info["rejected"] = label.reason
        return frame
    labelled = labelled_atoms(label)
    labelled.info = {"split": frame.info["split"], "origin": frame.info["origin"], "wall_time_s": label.wall_time_s}
    return labelled


def main() -> None:
    """Label what is missing, or export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--export", action="store_true")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module=r"(torch|chgnet|pymatgen)\..*")
    options.folder.mkdir(parents=True, exist_ok=True)
    if not DATASET.is_file():
        write_dataset(structures())
    frames = read(DATASET, ":")
    spec = GpawSpec(**YAML(typ="safe").load(WORKFLOW)["reference"])
    settings = Settings(root=options.folder / "runs", n_threads=1)
    with open_workspace(settings, "gpaw_dataset") as workspace, use_workspace(workspace):
        method = reference_method(spec, settings)
        missing = [i for i, frame in enumerate(frames) if frame.calc is None and "rejected" not in frame.info]
        bare = [frames[index] for index in missing]
        entries = store_set("structures", "gpaw dataset", bare, [Origin(frame.info["origin"]) for frame in bare])
        for index, atoms, entry in zip(missing, load_set(entries), entries.entries, strict=True):
            if options.export:
                label = stored_document(KIND, label_key(entry.key, method.identity.key, Gates()), LabelDoc)
            else:
                label = cached_label(method, Gates(), atoms, entry)
            if label is not None:
                frames[index] = labelled_frame(frames[index], label)
                n_labels = sum(frame.calc is not None for frame in frames)
                print(f"{n_labels} labels; {entry.formula}: {label.status}, {label.wall_time_s:.0f} s", flush=True)
    if options.export:
        write_dataset(frames)
        labelled = [frame for frame in frames if frame.calc is not None]
        forces = np.concatenate([np.linalg.norm(each.get_forces(), axis=1) for each in labelled])
        print(f"{DATASET.name}: {len(labelled)} labels, largest force {forces.max():.1f} eV/Å")


if __name__ == "__main__":
    main()
