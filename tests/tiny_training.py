"""Training that takes seconds: ten small crystals with Lennard-Jones labels, and a network of one layer."""

from pathlib import Path

from ase import Atoms
from ase.calculators.calculator import all_changes
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator

from interphase_flows.datasets.baseline import fit_baseline
from interphase_flows.datasets.frames import extxyz_bytes
from interphase_flows.potentials.spec import NequIPSpec, TrainingSpec
from interphase_flows.potentials.training import TrainedMember, train_member
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.perturb import strained_and_rattled

CUTOFF_ANGSTROM = 4.0
N_EPOCHS = 5

SPEC = NequIPSpec(cutoff_angstrom=CUTOFF_ANGSTROM, n_layers=1, n_features=4, radial_mlp_width=8)
TRAINING = TrainingSpec(max_epochs=N_EPOCHS, warm_start_epochs=2, batch_size=3, ema_decay=0.5)


class Spheres(LennardJones):
    """Lennard-Jones potential for the bond lengths of Li2S and Li3P; stateless, hence reproducible."""

    def __init__(self) -> None:
        super().__init__(sigma=2.15, epsilon=0.3, rc=CUTOFF_ANGSTROM, smooth=True)

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        self.nl = None
        super().calculate(atoms, properties, all_changes)


def labelled(phase: str, seed: int) -> list[Atoms]:
    frames = strained_and_rattled(load_phase(phase), 5, 0.02, 0.08, seed, min_atoms=6)
    for frame in frames:
        frame.calc = Spheres()
        energy, forces, stress = frame.get_potential_energy(), frame.get_forces(), frame.get_stress()
        frame.calc = SinglePointCalculator(frame, energy=energy, forces=forces, stress=stress)
    return frames


def all_frames() -> list[Atoms]:
    """Return ten rattled crystals of 6 to 8 atoms."""
    return [*labelled("Li2S", 1), *labelled("Li3P", 2)]


def train(
    folder: Path,
    seed: int = 1,
    parent: Path | None = None,
    training: TrainingSpec = TRAINING,
    spec: NequIPSpec = SPEC,
) -> TrainedMember:
    """Train on eight frames and validate on two; the data files are written to the folder."""
    frames = all_frames()
    baseline = fit_baseline(frames[:8], CUTOFF_ANGSTROM)
    folder.mkdir(parents=True, exist_ok=True)
    files = {"train": frames[:8], "validation": frames[8:]}
    for name, part in files.items():
        (folder / f"{name}.extxyz").write_bytes(extxyz_bytes(part))
    return train_member(
        spec,
        training,
        baseline,
        folder / "train.extxyz",
        folder / "validation.extxyz",
        folder,
        model_seed=seed,
        data_seed=0,
        parent_checkpoint=parent,
    )
