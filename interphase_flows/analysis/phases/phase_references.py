"""Phase references: ideal crystals and thermal runs that atoms are compared with, stored in one file."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from ase import Atoms

from interphase_flows.analysis.geometry.frames import ArrayFrames, elements_of
from interphase_flows.analysis.io.npz import open_npz
from interphase_flows.analysis.phases.atom_labels import (
    PhaseModel,
    ThermalReference,
    fit_phase_model,
    label_atoms,
)
from interphase_flows.analysis.speciation.anion_species import AnionChemistry
from interphase_flows.exceptions import AnalysisError


@dataclass(frozen=True)
class PhaseReferences:
    """Reference phases of a system, computed by one method."""

    temperature_K: float
    made_by: str
    """Description of the method that computed the forces."""
    crystals: Mapping[str, Atoms]
    """Ideal crystal of every phase."""
    runs: Mapping[str, Sequence[ThermalReference]]
    """Thermal runs of phases with single-atom anions, and of ``amorphous``."""
    by_bonds: Mapping[str, ArrayFrames]
    """Runs of phases that are recognised by their bonds; not used in the fit, only to check it."""
    notes: tuple[str, ...] = ()
    left_out: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Result of `left_out_shares` when the references were made."""

    def model(
        self, chemistry: AnionChemistry, mobile_cations: frozenset[str], cation_cutoff_angstrom: float
    ) -> PhaseModel:
        """Fit the model of phases to the runs; see `fit_phase_model`.

        Runs with elements that the chemistry does not have, such as P for an electrolyte of Li2S, are not used.

        Raises
        ------
        AnalysisError
            There is no phase with single-atom anions, or too few atoms of one.
        """
        elements = {*chemistry.anion_centres, *chemistry.ligands, *mobile_cations}
        usable = {
            name: [run for run in runs if set(elements_of(run.frames)) <= elements] for name, runs in self.runs.items()
        }
        usable = {name: runs for name, runs in usable.items() if runs}
        if not usable:
            raise AnalysisError(
                f"no run of a phase with single-atom anions, such as Li2S or Li3P, among the phases "
                f"{', '.join(self.crystals) or '(none)'}{''.join(f'; {note}' for note in self.notes)}"
            )
        return fit_phase_model(
            usable,
            chemistry=chemistry,
            mobile_cations=mobile_cations,
            cation_cutoff_angstrom=cation_cutoff_angstrom,
        )

    def left_out_shares(self, model: PhaseModel) -> dict[str, dict[str, float]]:
        """Cross-validate the model: label each run by a model that was fitted without it.

        Phases with a single run are left out. Phases that are recognised by their bonds are never part of the fit.

        Returns
        -------
        shares
            By phase: fraction of its anions with each label.
        """
        counted: dict[str, np.ndarray] = {}
        for turn in range(max((len(runs) for runs in self.runs.values()), default=0)):
            kept = {
                name: [run for i, run in enumerate(runs) if i != turn or len(runs) == 1]
                for name, runs in self.runs.items()
            }
            try:
                blind = fit_phase_model(
                    kept,
                    chemistry=model.chemistry,
                    mobile_cations=model.mobile_cations,
                    cation_cutoff_angstrom=model.cation_cutoff_angstrom,
                )
            except AnalysisError:  # too few atoms of a phase are left
                continue
            for name, runs in self.runs.items():
                if 1 < len(runs) > turn and blind.labels == model.labels:
                    found = _anion_labels(runs[turn], blind)
                    counted[name] = counted.get(name, 0) + found
        for name, frames in self.by_bonds.items():
            counted[name] = _anion_labels(ThermalReference(frames), model)
        return {
            name: {label: float(n / counts.sum()) for label, n in zip(model.labels, counts.tolist(), strict=True) if n}
            for name, counts in counted.items()
            if counts.sum()
        }


def _anion_labels(run: ThermalReference, model: PhaseModel) -> np.ndarray:
    """Return the number of anions of a run by label, summed over frames, (n_labels,)."""
    numbers = np.asarray(run.frames.numbers)
    chosen = ~np.isin(Atoms(numbers).get_chemical_symbols(), sorted(model.mobile_cations))
    if run.members is not None:
        chosen &= np.asarray(run.members, dtype=bool)
    counts = np.zeros(len(model.labels), dtype=np.int64)
    for row in range(run.frames.n_frames):
        codes = label_atoms(run.frames.positions(row), run.frames.cell(row), numbers, model)
        counts += np.bincount(codes[chosen], minlength=len(counts))
    return counts


def packed_references(references: PhaseReferences) -> bytes:
    """Return phase references as the content of an npz file."""
    arrays: dict[str, np.ndarray] = {}
    runs = [(name, run.frames, run.members) for name, each in references.runs.items() for run in each]
    runs += [(name, frames, None) for name, frames in references.by_bonds.items()]
    for i, (_, frames, members) in enumerate(runs):
        n = frames.n_frames
        arrays[f"run{i}.numbers"] = np.asarray(frames.numbers, dtype=np.int16)
        arrays[f"run{i}.time_fs"] = np.asarray(frames.time_fs, dtype=float)
        arrays[f"run{i}.positions"] = np.array([frames.positions(k) for k in range(n)], dtype=np.float32)
        arrays[f"run{i}.cells"] = np.array([frames.cell(k) for k in range(n)], dtype=float)
        if members is not None:
            arrays[f"run{i}.members"] = np.asarray(members, dtype=bool)
    for i, atoms in enumerate(references.crystals.values()):
        arrays[f"crystal{i}.numbers"] = atoms.numbers.astype(np.int16)
        arrays[f"crystal{i}.positions"], arrays[f"crystal{i}.cell"] = atoms.positions, atoms.cell[:]
    header = {
        "temperature_K": references.temperature_K,
        "made_by": references.made_by,
        "crystals": list(references.crystals),
        "runs": [name for name, each in references.runs.items() for _ in each],
        "by_bonds": list(references.by_bonds),
        "notes": list(references.notes),
        "left_out": dict(references.left_out),
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, header=np.array(json.dumps(header)), **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def unpacked_references(path: Path) -> PhaseReferences:
    """Read a file of phase references.

    Raises
    ------
    AnalysisError
        The file is missing, damaged or of another kind.
    """
    try:
        with open_npz(path) as file:
            header = json.loads(str(file["header"]))

            def frames(i: int) -> ArrayFrames:
                return ArrayFrames(
                    file[f"run{i}.numbers"].astype(np.int64),
                    file[f"run{i}.time_fs"],
                    file[f"run{i}.positions"].astype(np.float64),
                    file[f"run{i}.cells"],
                )

            runs: dict[str, list[ThermalReference]] = {}
            for i, name in enumerate(header["runs"]):
                members = file[f"run{i}.members"] if f"run{i}.members" in file.files else None
                runs.setdefault(name, []).append(ThermalReference(frames(i), members))
            n = len(header["runs"])
            return PhaseReferences(
                temperature_K=header["temperature_K"],
                made_by=header["made_by"],
                crystals={
                    name: Atoms(
                        file[f"crystal{i}.numbers"].astype(np.int64),
                        positions=file[f"crystal{i}.positions"],
                        cell=file[f"crystal{i}.cell"],
                        pbc=True,
                    )
                    for i, name in enumerate(header["crystals"])
                },
                runs=runs,
                by_bonds={name: frames(n + i) for i, name in enumerate(header["by_bonds"])},
                notes=tuple(header["notes"]),
                left_out=header["left_out"],
            )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise AnalysisError(
            f"{path}: unreadable phase references ({error}). Hint: delete it, and it will be computed again"
        ) from error
