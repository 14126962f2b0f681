"""Input of chemiscope (https://chemiscope.org), an explorer of structures and their properties in a browser.

The file is chemiscope's documented JSON, written without its Python package, which requires Jupyter.
"""

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike
from pydantic import BaseModel

from interphase_flows.exceptions import InputError
from interphase_flows.runtime.atomic_files import write_bytes_atomic
from interphase_flows.schemas.origin import Origin

if TYPE_CHECKING:
    from interphase_flows.potentials.committee import NequIPCommittee  # slow import

SUFFIXES = (".json", ".json.gz")
MEV = 1000.0


class ChemiscopeStructure(BaseModel):
    """Atoms and cell, in Å; ``cell`` has nine numbers, vector by vector."""

    size: int
    names: list[str]
    x: list[float]
    y: list[float]
    z: list[float]
    cell: list[float] | None = None


class ChemiscopeProperty(BaseModel):
    """A property of all structures, or of all atoms."""

    target: Literal["structure", "atom"]
    values: list[float] | list[str]
    units: str | None = None
    description: str | None = None


class ChemiscopeEnvironment(BaseModel):
    """An atom with its neighbours within the cutoff in Å."""

    structure: int
    center: int
    cutoff: float


class ChemiscopeAxis(BaseModel):
    """The property on an axis of the map, or of its colours."""

    property: str


class ChemiscopeSettings(BaseModel):
    """Initial settings of the map and of the viewer of structures."""

    target: Literal["structure", "atom"]
    map: dict[str, ChemiscopeAxis]
    structure: list[dict[str, bool]] = [{"unitCell": True}]


class ChemiscopeInput(BaseModel):
    """Everything that chemiscope shows."""

    meta: dict[str, str]
    structures: list[ChemiscopeStructure]
    properties: dict[str, ChemiscopeProperty]
    environments: list[ChemiscopeEnvironment] | None = None
    settings: ChemiscopeSettings | None = None


def chemiscope_input(
    frames: Sequence[Atoms],
    name: str,
    description: str = "",
    committee: "NequIPCommittee | None" = None,
    iterations: Sequence[int] | None = None,
    atoms_cutoff_angstrom: float | None = None,
) -> ChemiscopeInput:
    """Return labelled frames with energy, forces, origin and, where given, errors, uncertainty and iteration.

    Parameters
    ----------
    frames
        At least one frame with energy and forces; ``origin`` and ``split`` of ``info`` are shown if all have them.
    committee
        Potentials whose errors are those of the first member, and whose uncertainty is the largest standard deviation of
        a force.
    iterations
        Iteration of the loop that labelled each frame.
    atoms_cutoff_angstrom
        If given, errors and uncertainties of the force on every atom are shown as well, with its neighbours within this
        distance; they need a committee.
    """
    if not frames:
        raise InputError("there are no frames to show")
    properties: dict[str, ChemiscopeProperty] = {}

    def add(key: str, values: ArrayLike, units: str | None, text: str, target: Literal["structure", "atom"]) -> None:
        properties[key] = ChemiscopeProperty(
            target=target, values=np.asarray(values, dtype=np.float64).tolist(), units=units, description=text
        )

    def add_texts(key: str, values: list[str], text: str) -> None:
        properties[key] = ChemiscopeProperty(target="structure", values=values, description=text)

    energies = np.array([frame.get_potential_energy() / len(frame) for frame in frames])
    forces = [frame.get_forces() for frame in frames]
    norms = [np.linalg.norm(each, axis=1) for each in forces]
    add("energy", energies, "eV/atom", "energy of the reference method", "structure")
    add("largest force", [each.max() for each in norms], "eV/Å", "of the reference method", "structure")
    add("atoms", [len(frame) for frame in frames], None, "number of atoms", "structure")
    add_texts("formula", [frame.get_chemical_formula("metal") for frame in frames], "chemical formula")
    if all("origin" in frame.info for frame in frames):
        origins = [Origin(frame.info["origin"]) for frame in frames]
        add_texts("kind", [origin.family for origin in origins], "kind of origin")
        add_texts("origin", [str(origin) for origin in origins], "crystal, run or walker")
    if all("split" in frame.info for frame in frames):
        add_texts("split", [frame.info["split"] for frame in frames], "train, validation or test")
    if iterations is not None:
        add("iteration", iterations, None, "first iteration with this label", "structure")
    settings = environments = None
    if committee is not None:
        predictions = [committee.predict_all(frame.copy())[:2] for frame in frames]
        errors = [np.linalg.norm(f[0] - label, axis=1) for (_, f), label in zip(predictions, forces, strict=True)]
        spreads = [np.sqrt(f.var(axis=0).sum(axis=-1)) for _, f in predictions]
        found = np.array([e[0] / len(frame) for (e, _), frame in zip(predictions, frames, strict=True)])
        add("energy error", MEV * (found - energies), "meV/atom", "prediction of member 0 minus label", "structure")
        add("force error", [each.max() for each in errors], "eV/Å", "largest error of a force, member 0", "structure")
        add("uncertainty", [each.max() for each in spreads], "eV/Å", "largest deviation of a force", "structure")
        colour = "energy" if iterations is None else "iteration"
        axes = {"x": "uncertainty", "y": "force error", "color": colour}
        settings = ChemiscopeSettings(
            target="structure", map={axis: ChemiscopeAxis(property=key) for axis, key in axes.items()}
        )
        if atoms_cutoff_angstrom is not None:
            add("force error of the atom", np.concatenate(errors), "eV/Å", "error of its force, member 0", "atom")
            add("uncertainty of the atom", np.concatenate(spreads), "eV/Å", "standard deviation of its force", "atom")
            environments = [
                ChemiscopeEnvironment(structure=number, center=center, cutoff=atoms_cutoff_angstrom)
                for number, frame in enumerate(frames)
                for center in range(len(frame))
            ]
    return ChemiscopeInput(
        meta={"name": name, "description": description},
        structures=[_structure(frame) for frame in frames],
        properties=properties,
        environments=environments,
        settings=settings,
    )


def write_chemiscope(path: Path, shown: ChemiscopeInput) -> None:
    """Write the input of chemiscope to a file ``*.json`` or ``*.json.gz``; the file is complete or missing."""
    data = shown.model_dump_json(exclude_none=True).encode()
    write_bytes_atomic(path, gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def _structure(frame: Atoms) -> ChemiscopeStructure:
    x, y, z = frame.positions.T.tolist()
    cell = frame.cell.array.ravel().tolist() if frame.cell.rank == 3 else None
    return ChemiscopeStructure(size=len(frame), names=list(frame.symbols), x=x, y=y, z=z, cell=cell)
