"""Read VASP's output: energy, forces, stress, SCF convergence, and the level of theory that was used."""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from interphase_flows.exceptions import ReferenceMethodError
from interphase_flows.reference.k_points import k_points
from interphase_flows.reference.spec import VaspSpec
from interphase_flows.reference.vasp.incar import incar, potentials

EV_PER_ANGSTROM3_PER_KBAR = 1.0 / 1602.1766208
"""1 eV/Å³ = 160.21766208 GPa = 1602.1766208 kbar (CODATA 2014's elementary charge, as VASP's own constant)."""

SAME_PLACE_ANGSTROM = 1e-4
"""Tolerance for equal positions: VASP prints eight decimals of fractional coordinates and of the cell."""

FUNCTIONALS = {"PBE": ("PE", "--"), "PBEsol": ("PS", "--"), "r2SCAN": (None, "R2SCAN")}
"""GGA and METAGGA as VASP reports them; with a meta-GGA, GGA has no meaning."""


@dataclass(frozen=True)
class VaspResult:
    """Result of one calculation, atoms in VASP's order.

    ``energy_eV`` is the free energy F = E - TS, of which forces and stress are the derivatives (as for GPAW), not
    the extrapolation to zero smearing, which is among the details. ``deviations`` lists where the level of theory
    differs from the requested one.
    """

    energy_eV: float
    forces_eV_per_angstrom: NDArray[np.float64]
    stress_eV_per_angstrom3: NDArray[np.float64]
    is_scf_converged: bool
    deviations: tuple[str, ...]
    details: dict[str, float | int | str | bool]


def stress_from_kbar(tensor_kbar: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert VASP's stress, (3, 3) in kbar and positive under compression, to the convention of this package.

    Returns shape (6,), eV/Å³, Voigt order xx yy zz yz xz xy, positive under tension.
    """
    tensor = np.asarray(tensor_kbar, dtype=np.float64)
    voigt = tensor[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    return -voigt * EV_PER_ANGSTROM3_PER_KBAR


def read_result(folder: Path, atoms: Atoms, spec: VaspSpec) -> VaspResult:
    """Read vasprun.xml and OUTCAR of a run for atoms in VASP's order (`incar.grouped`) and a requested level of theory.

    Raises
    ------
    ReferenceMethodError
        The output is missing, truncated, or of other atoms, or its two files differ (``garbage_output``).
    """
    from pymatgen.io.vasp.outputs import Vasprun

    path = folder / "vasprun.xml"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # convergence is checked below
            run = Vasprun(
                str(path),
                parse_dos=False,
                parse_eigen=False,
                parse_projected_eigen=False,
                parse_potcar_file=False,
            )
        last = run.ionic_steps[-1]
        steps = last["electronic_steps"]
        outcar = _outcar(folder)
        details: dict[str, float | int | str | bool] = {
            "n_scf_steps": len(steps),
            "n_electrons": float(run.parameters["NELECT"]),
            "n_bands": int(run.parameters["NBANDS"]),
            "n_k_points": len(run.actual_kpoints),
            # from the last SCF step: some versions print 0.0 at the end of an ionic step
            "energy_sigma0_eV": float(steps[-1]["e_0_energy"]),
            "vasp_version": str(run.vasp_version),
            "potential_titles": "; ".join(_titles(run)),
        }
        if memory := re.search(r"Maximum memory used \(kb\):\s+([\d.]+)", outcar or ""):
            details["peak_memory_gb"] = float(memory[1]) / 1e6
        result = VaspResult(
            energy_eV=float(last["e_fr_energy"]),
            forces_eV_per_angstrom=np.asarray(last["forces"], dtype=np.float64),
            stress_eV_per_angstrom3=stress_from_kbar(np.asarray(last["stress"], dtype=np.float64)),
            is_scf_converged=_is_converged(run, steps, outcar),
            deviations=tuple(deviations(run, atoms, spec)),
            details=details,
        )
        _check_structure(last["structure"], atoms, path)
        _compare_with_outcar(last, outcar or "", path)
    except ReferenceMethodError:
        raise
    except Exception as error:  # a truncated file fails anywhere in its reader
        raise ReferenceMethodError(f"{path.name}: {type(error).__name__}: {error}", "garbage_output") from error
    return result


def _compare_with_outcar(step: Any, outcar: str, path: Path) -> None:
    """Raise if energy, forces or stress of an ionic step are not the last ones in OUTCAR.

    VASP writes both files without checksums. A changed digit in one of them is a number too. What OUTCAR does not contain
    in its usual format is not compared.
    """
    forces = outcar[max(outcar.rfind("TOTAL-FORCE (eV/Angst)"), 0) :].partition("total drift")[0]
    stress = np.asarray(step["stress"], dtype=np.float64)[[0, 1, 2, 0, 1, 2], [0, 1, 2, 1, 2, 0]]
    printed: dict[str, tuple[Any, list[str]]] = {
        "energy": (step["e_fr_energy"], re.findall(r"free  energy   TOTEN\s*=\s*(-?\d+\.\d+) eV", outcar)[-1:]),
        "forces": (step["forces"], re.findall(r"-?\d+\.\d{6}(?!\d)", forces)),
        "stress": (stress, re.findall(r"-?\d+\.\d{5}(?!\d)", (re.findall(r"in kB(.*)", outcar) or [""])[-1])),
    }
    for name, (values, texts) in printed.items():
        found = np.ravel(values).astype(np.float64)
        if len(texts) != found.size:
            continue
        last_digit = 10.0 ** -len(texts[0].partition(".")[2])
        if not np.abs(found - np.array(texts, dtype=np.float64)).max() <= last_digit:
            raise ReferenceMethodError(f"{path.name}: the {name} differs from that in OUTCAR", "garbage_output")


def _outcar(folder: Path) -> str | None:
    path = folder / "OUTCAR"
    return path.read_text(errors="replace") if path.is_file() else None


def _is_converged(run: Any, steps: list[dict[str, float]], outcar: str | None) -> bool:
    """Return whether the last SCF cycle reached EDIFF.

    Fewer steps than NELM, pymatgen's criterion, are not sufficient: a cycle stopped by LABORT has fewer too.
    """
    if len(steps) >= int(run.parameters["NELM"]):
        return False
    if outcar is None:
        energies_eV = [float(step["e_fr_energy"]) for step in steps[-2:]]
        is_known = len(energies_eV) == 2
        return is_known and abs(energies_eV[1] - energies_eV[0]) <= float(run.parameters["EDIFF"])
    last_cycle = outcar[max(outcar.rfind("--- Iteration"), 0) :]
    return "aborting loop because EDIFF is reached" in last_cycle


def _check_structure(computed: Any, atoms: Atoms, path: Path) -> None:
    """Raise if the output is of other atoms, or of atoms that have moved."""
    if [str(site.specie) for site in computed] != list(atoms.symbols):
        raise ReferenceMethodError(
            f"{path.name}: contains {computed.composition.formula} instead of {atoms.get_chemical_formula()}",
            "garbage_output",
        )
    cell = np.abs(np.asarray(computed.lattice.matrix) - atoms.cell.array).max()
    shift = np.asarray(computed.frac_coords) - atoms.get_scaled_positions(wrap=False)
    moved = np.linalg.norm((shift - np.rint(shift)) @ atoms.cell.array, axis=1).max()
    if max(cell, moved) > SAME_PLACE_ANGSTROM:
        raise ReferenceMethodError(
            f"{path.name}: cell or positions differ from the input by {max(cell, moved):.4f} Å",
            "garbage_output",
        )


def functional_of(run: Any) -> str:
    """Return the functional that a `pymatgen.io.vasp.outputs.Vasprun` reports, as in `VaspSpec` or as VASP's tags."""
    return functional_name(*_functional_tags(run))


def functional_name(gga: str, metagga: str) -> str:
    """Return the functional of VASP's tags GGA and METAGGA (``--``: none), as in `VaspSpec` if it is known there."""
    gga = "PE" if gga == "--" else gga  # default of the potentials, which are PBE's
    for name, (known_gga, known_metagga) in FUNCTIONALS.items():
        if metagga == known_metagga and known_gga in (None, gga):
            return name
    return f"GGA {gga}" if metagga == "--" else f"METAGGA {metagga}"


def _functional_tags(run: Any) -> tuple[str, str]:
    """Return GGA and METAGGA."""
    gga = str(run.parameters.get("GGA", "--")).strip().upper()
    metagga = str(run.incar.get("METAGGA", run.parameters.get("METAGGA", "--"))).strip().upper()
    return "PE" if gga == "--" else gga, "--" if metagga == "NONE" else metagga


def deviations(run: Any, atoms: Atoms, spec: VaspSpec) -> list[str]:
    """Return where the level of theory that VASP reports differs from the requested one."""
    reported, requested = run.parameters, incar(spec)
    gga, metagga = _functional_tags(run)
    wanted_gga, wanted_metagga = FUNCTIONALS[spec.functional]
    pairs = [
        ("METAGGA", metagga, wanted_metagga),
        ("ENCUT", float(reported["ENMAX"]), spec.cutoff_eV),
        ("ISMEAR", int(reported["ISMEAR"]), requested["ISMEAR"]),
        ("SIGMA", float(reported["SIGMA"]), spec.smearing_eV),
        ("ISPIN", int(reported["ISPIN"]), requested["ISPIN"]),
        ("LREAL", bool(reported["LREAL"]), spec.real_space_projection),
        ("LASPH", bool(reported["LASPH"]), requested["LASPH"]),
        ("LDAU", bool(reported.get("LDAU", False)), False),
        # VASP prints six letters
        ("PREC", str(reported["PREC"]).strip().lower()[:6], str(requested["PREC"]).lower()[:6]),
        ("KPOINTS", tuple(int(n) for n in np.ravel(run.kpoints.kpts[0])[:3]), k_points(spec, atoms)),
    ]
    if wanted_gga is not None:
        pairs.append(("GGA", gga, wanted_gga))
    wrong = [f"{tag} is {found}, not {wanted}" for tag, found, wanted in pairs if not _same(found, wanted)]
    if float(reported["EDIFF"]) > spec.scf_energy_tolerance_eV * (1 + 1e-6):
        wrong.append(f"EDIFF is {reported['EDIFF']}, looser than {spec.scf_energy_tolerance_eV}")
    table = potentials(spec.potentials)
    titles = [table[element].title for element in dict.fromkeys(atoms.symbols)]
    found_titles = _titles(run)
    if found_titles != titles:
        wrong.append(f"POTCAR is {', '.join(found_titles)}, not {', '.join(titles)}")
    if not is_version(str(run.vasp_version), spec.code_version):
        wrong.append(f"VASP is {run.vasp_version}, not {spec.code_version}")
    return wrong


def _titles(run: Any) -> list[str]:
    """Return the titles of the potentials used, whitespace normalised."""
    return [" ".join(title.split()) for title in run.potcar_symbols]


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, float):
        return bool(np.isclose(found, wanted, rtol=1e-6, atol=0.0))
    return bool(found == wanted)


def is_version(found: str, wanted: str) -> bool:
    """Return whether a version matches: 6.4.2 matches 6 and 6.4; 6.41 does not match 6.4."""
    parts = wanted.split(".")
    return found.split(".")[: len(parts)] == parts
