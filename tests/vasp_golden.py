"""Golden VASP inputs: `python tests/vasp_golden.py` regenerates them after an intended change."""

import tempfile
from dataclasses import replace
from pathlib import Path

from ase import Atoms

from interphase_flows.reference.spec import VaspSpec
from interphase_flows.reference.vasp.method import VASPMethod
from interphase_flows.settings import Settings
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.interfaces.small_interfaces import SMALLEST, small_interface

GOLDEN = Path(__file__).parent / "inputs" / "vasp"
GOLDEN_FILES = ("INCAR", "KPOINTS", "POTCAR.spec")
NAMES = ("Li", "Li2S", "P", "interface_66_atoms")


def golden_atoms(name: str) -> Atoms:
    """Return a structure of the golden inputs."""
    if name == "interface_66_atoms":
        return small_interface(replace(SMALLEST, max_atoms=66)).atoms
    return load_phase(name)


def write_golden(name: str, folder: Path) -> Path:
    """Write the inputs of a structure at the default level of theory, without licensed files."""
    method = VASPMethod(VaspSpec(), Settings(), reads_potentials=False)
    return method.write_inputs(golden_atoms(name), folder)


if __name__ == "__main__":
    for name in NAMES:
        with tempfile.TemporaryDirectory() as temporary:
            written = write_golden(name, Path(temporary))
            (GOLDEN / name).mkdir(parents=True, exist_ok=True)
            for file in GOLDEN_FILES:
                (GOLDEN / name / file).write_text((written / file).read_text())
