"""Recorded outputs of VASP, and a reader of their XML that is independent of the package."""

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from interphase_flows.reference.spec import VaspSpec
from vasp_record_files import record_text

SILICON = VaspSpec(
    functional="PBE",
    code_version="6.4.2",
    cutoff_eV=520.0,
    k_density_per_inverse_angstrom=3.3,
    smearing_eV=0.11151019,
    spin_polarized=True,
    scf_energy_tolerance_eV=1e-4,
    real_space_projection=True,
)
"""Level of theory of the record ``converged``: two atoms of silicon, PBE, VASP 6.4.2."""


def unpack(name: str, folder: Path) -> Path:
    """Write the files of a record into a folder."""
    (folder / "vasprun.xml").write_text(record_text(f"{name}_vasprun.xml"))
    if name == "converged":
        (folder / "OUTCAR").write_text(record_text("converged_OUTCAR"))
    return folder


@dataclass(frozen=True)
class Record:
    """Last ionic step in the units of the file: eV, eV/Å, kbar (VASP's sign), Å."""

    atoms: Atoms
    free_energy_eV: float
    sigma0_energy_eV: float
    forces: np.ndarray
    stress_kbar: np.ndarray
    n_scf_steps: int


def _rows(varray: ElementTree.Element) -> np.ndarray:
    return np.array([[float(number) for number in row.text.split()] for row in varray.findall("v")])


def read_record(name: str) -> Record:
    """Read a record with the standard library."""
    root = ElementTree.fromstring(record_text(f"{name}_vasprun.xml"))
    last = root.findall("calculation")[-1]
    symbols = [row.find("c").text.strip() for row in root.findall("atominfo/array[@name='atoms']/set/rc")]
    cell = _rows(last.find("structure/crystal/varray[@name='basis']"))
    fractions = _rows(last.find("structure/varray[@name='positions']"))
    energies = {item.get("name"): float(item.text) for item in last.findall("energy/i")}
    last_step = {item.get("name"): float(item.text) for item in last.findall("scstep")[-1].findall("energy/i")}
    # xenon is "X" in the header of VASP 5.3
    numbers = [atomic_numbers["Xe" if symbol == "X" else symbol] for symbol in symbols]
    return Record(
        atoms=Atoms(numbers, scaled_positions=fractions, cell=cell, pbc=True),
        free_energy_eV=energies["e_fr_energy"],
        sigma0_energy_eV=last_step["e_0_energy"],
        forces=_rows(last.find("varray[@name='forces']")),
        stress_kbar=_rows(last.find("varray[@name='stress']")),
        n_scf_steps=len(last.findall("scstep")),
    )
