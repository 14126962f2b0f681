"""Inputs of jobs as users have them: ASE atoms, pymatgen structures, names of phases, paths."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.jsonio import decode, encode
from jobflow import Maker, job
from monty.json import jsanitize

from interphase_flows.exceptions import InputError
from interphase_flows.structures.amorphous.mixtures import reduced_formula
from interphase_flows.structures.checks import check_finite, check_has_cell, check_no_overlap
from interphase_flows.structures.crystals.library import load_crystal, load_structure_file, phase_names
from interphase_flows.structures.structure_keys import structure_key

if TYPE_CHECKING:
    from pymatgen.core import Structure

Crystal: TypeAlias = Union[str, Atoms, "Structure"]
"""Name of a phase of the library or of ``structure_files``, path of a structure file, or the structure."""

LABELS = ("energy", "forces", "stress")


class JobMaker(Maker):
    """Base class of Makers of jobs, whose fields may be pydantic models.

    jobflow 0.4 turns them into text where it stores a job in FireWorks with the Maker as the owner of its function.
    """

    def as_dict(self) -> dict[str, Any]:
        """Return the Maker as JSON."""
        stored: dict[str, Any] = jsanitize(super().as_dict(), strict=True, enum_values=True, allow_bson=True)
        return stored


def open_job(**job_kwargs: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make jobs of a Maker's method, like `jobflow.job`, whose arguments may be atoms and paths.

    A job is stored as JSON and runs in another folder: atoms become JSON with their labels, paths become absolute. A
    string is a path if it names a file and has a suffix or a folder.
    """

    def decorator(method: Callable[..., Any]) -> Callable[..., Any]:
        make_job = job(**job_kwargs)(method)

        @wraps(make_job)
        def make(*args: Any, **kwargs: Any) -> Any:
            return make_job(
                *(_portable(value) for value in args), **{name: _portable(value) for name, value in kwargs.items()}
            )

        return make

    return decorator


def _portable(value: Any) -> Any:
    if isinstance(value, Atoms):
        return PortableAtoms.of(value)
    if isinstance(value, Path) or (isinstance(value, str) and _looks_like_path(value) and Path(value).is_file()):
        return str(Path(value).expanduser().absolute())
    if isinstance(value, Calculator):
        raise InputError(
            f"{type(value).__name__}: a calculator object cannot be stored in a job. Hint: pass "
            "CalculatorSpec(name='ase.calculators.emt.EMT', arguments={...})"
        )
    return [_portable(each) for each in value] if isinstance(value, list | tuple) else value


def _looks_like_path(text: str) -> bool:
    return bool(Path(text).suffix) or os.sep in text


class PortableAtoms(Atoms):
    """Atoms that jobflow stores as JSON, with all digits, ``info``, energy, forces and stress."""

    @classmethod
    def of(cls, atoms: Atoms) -> "PortableAtoms":
        """Return a copy; results of the calculator are kept if they belong to these positions."""
        copied = cls(atoms)
        copied.calc = None
        if atoms.calc is not None and not atoms.calc.check_state(atoms):
            copied.calc = SinglePointCalculator(copied, **{k: v for k, v in atoms.calc.results.items() if k in LABELS})
        return copied

    def as_dict(self) -> dict[str, Any]:
        """Return the atoms as JSON."""
        bare = Atoms(self, info={})
        bare.calc = None
        return {
            "@module": __name__,
            "@class": type(self).__name__,
            "atoms": encode(bare),
            "info": jsanitize(self.info, strict=True),
            "labels": encode({} if self.calc is None else self.calc.results),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "PortableAtoms":
        """Return the atoms."""
        atoms = cls(decode(stored["atoms"]), info=dict(stored["info"]))
        if labels := decode(stored["labels"]):
            atoms.calc = SinglePointCalculator(atoms, **labels)
        return atoms


def is_structure(value: object) -> bool:
    """Return whether a value is an `Atoms` or a pymatgen `Structure`."""
    return isinstance(value, Atoms) or hasattr(value, "to_ase_atoms")


def as_atoms(value: "Atoms | Structure") -> Atoms:
    """Return ASE atoms of `Atoms` or a pymatgen `Structure`.

    Raises
    ------
    InputError
        The value is neither.
    """
    if isinstance(value, Atoms):
        return value
    if not is_structure(value):
        raise InputError(
            f"{type(value).__name__}: not a structure. Hint: give ase.Atoms, a pymatgen Structure, or the output of a "
            "Maker of structures"
        )
    return Atoms(value.to_ase_atoms())


def as_crystal(source: Crystal, structure_files: Mapping[str, str]) -> tuple[str, Atoms]:
    """Return the name and the crystal of a phase of the library, of a file, or given by the user.

    Raises
    ------
    StructureError
        The phase is unknown, or its structure is not valid.
    """
    if isinstance(source, str):
        is_named = source in structure_files or source in phase_names()
        if is_named or not (_looks_like_path(source) or Path(source).is_file()):
            return source, load_crystal(source, structure_files)
        atoms = load_structure_file(source)
    else:
        atoms = as_atoms(source).copy()
        formula = atoms.get_chemical_formula()
        check_has_cell(atoms, formula)
        check_finite(atoms, formula)
        atoms.pbc = True
        check_no_overlap(atoms, where=formula)
    return reduced_formula(atoms), atoms


def as_crystals(sources: Crystal | Sequence[Crystal], structure_files: Mapping[str, str]) -> dict[str, Atoms]:
    """Return the crystals of one or several phases by name; raises as `as_crystal`."""
    alone = isinstance(sources, str) or is_structure(sources)
    crystals: dict[str, Atoms] = {}
    for source in [sources] if alone else sources:
        name, atoms = as_crystal(source, structure_files)
        # polymorphs that are given as structures have one formula
        crystals[name if name not in crystals else f"{name} {structure_key(atoms)[:6]}"] = atoms
    return crystals
