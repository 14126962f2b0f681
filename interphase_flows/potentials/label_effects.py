"""Effect of the labels of an iteration: uncertain environments, and their errors before and after training."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from ase import Atoms

from interphase_flows.analysis.geometry.frames import mask_of
from interphase_flows.analysis.geometry.neighbours import tree_for_nearest
from interphase_flows.analysis.speciation.anion_species import AnionChemistry, classify_environments
from interphase_flows.analysis.statistics.replicas import between_replicas
from interphase_flows.potentials.errors import MEV, FrameErrors
from interphase_flows.schemas.iteration import EnvironmentUncertainty, ErrorChange
from interphase_flows.schemas.model import ErrorSummary

Side = Literal["train", "held_out"]


@dataclass(frozen=True)
class LabelEffects:
    """Errors of the explorer on the new audit labels, and what the new labels changed."""

    audit: ErrorSummary | None = None
    changes: dict[Side, ErrorChange] = field(default_factory=dict)
    environments: list[EnvironmentUncertainty] = field(default_factory=list)


def error_changes(
    frames: Sequence[Atoms], before: Sequence[FrameErrors], after: Sequence[FrameErrors]
) -> dict[Side, ErrorChange]:
    """Return force errors on labelled frames before and after training, for those that train and the others."""
    errors: dict[Side, list[list[float]]] = {"train": [], "held_out": []}
    for frame, *both in zip(frames, before, after, strict=True):
        side: Side = "train" if frame.info["split"] == "train" else "held_out"
        errors[side].append([MEV * float(np.abs(each.forces_error).mean()) for each in both])
    changes: dict[Side, ErrorChange] = {}
    for side, pairs in errors.items():
        if pairs:
            first, second = np.array(pairs).T
            changes[side] = ErrorChange(
                n_frames=len(pairs),
                before_meV_per_angstrom=between_replicas(first),
                after_meV_per_angstrom=between_replicas(second),
                change_meV_per_angstrom=between_replicas(second - first),
            )
    return changes


def environment_uncertainties(
    frames: Sequence[Atoms], errors: Sequence[FrameErrors], chemistry: AnionChemistry | None
) -> list[EnvironmentUncertainty]:
    """Return uncertainty and error by element and nearest anion, the most uncertain environment first."""
    found: dict[tuple[str, str | None], list[tuple[int, float, float]]] = defaultdict(list)
    for frame, each in zip(frames, errors, strict=True):
        anions, symbols = _nearest_anions(frame, chemistry), frame.get_chemical_symbols()
        norms = np.linalg.norm(each.forces_error, axis=1)
        atoms: dict[tuple[str, str | None], list[int]] = defaultdict(list)
        for index, environment in enumerate(zip(symbols, anions, strict=True)):
            atoms[environment].append(index)
        for environment, chosen in atoms.items():
            found[environment].append((len(chosen), each.force_std[chosen].mean(), norms[chosen].mean()))
    rows = []
    for (element, anion), of_frames in found.items():
        counts, stds, norms = np.array(of_frames).T
        rows.append(
            EnvironmentUncertainty(
                element=element,
                anion=anion,
                n_atoms=int(counts.sum()),
                force_std_meV_per_angstrom=between_replicas(MEV * stds),
                force_error_meV_per_angstrom=between_replicas(MEV * norms),
            )
        )
    return sorted(rows, key=lambda row: -row.force_std_meV_per_angstrom.value)


def _nearest_anions(frame: Atoms, chemistry: AnionChemistry | None) -> list[str | None]:
    """Return the kind of anion of every atom: its own, or the nearest one; None in frames without any."""
    if chemistry is None:
        return [None] * len(frame)
    members = np.flatnonzero(mask_of(frame.numbers, {*chemistry.anion_centres, *chemistry.ligands}))
    if not len(members):
        return [None] * len(frame)
    found = classify_environments(frame.positions, frame.cell[:], frame.numbers, chemistry)
    codes = found.atom_codes.copy()
    others = np.setdiff1d(np.arange(len(frame)), members)
    if len(others):
        tree = tree_for_nearest(frame.positions[members], frame.cell[:], 1)
        codes[others] = codes[members[tree.nearest_to(1, frame.positions[others]).neighbour[:, 0]]]
    return [found.labels[code] for code in codes]
