"""Jobs of the convergence study: its structures, and the judgement of what their labels say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jobflow import Maker, job

from interphase_flows.content_keys import content_key
from interphase_flows.jobs.caching import cached, stored_document
from interphase_flows.jobs.structure_sets import store_set
from interphase_flows.reference.convergence import (
    STUDY_NAME,
    Deviation,
    PhaseNumbers,
    Tolerances,
    choose,
    deviation,
    reaction_energy_eV_per_atom,
    reaction_weights,
    with_stand_ins,
)
from interphase_flows.reference.spec import ChgnetSpec, MethodSpec
from interphase_flows.schemas.analysis import AnalysisDoc
from interphase_flows.schemas.label import LabelBatch, LabelDoc
from interphase_flows.schemas.origin import Origin
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.structures.crystals.library import load_phase, load_structure_file
from interphase_flows.structures.crystals.perturb import strained_and_rattled
from interphase_flows.structures.crystals.primitive_cells import primitive_cell
from interphase_flows.structures.structure_keys import structure_key

KIND = "analyses"
PERFECT, DISPLACED = "convergence, perfect", "convergence, displaced"
DISPLACED_BELOW_ATOMS = 40
MAX_STRAIN = 0.02
RATTLE_ANGSTROM = 0.1

Point = dict[str, Any]
"""One setting of the study: ``axis`` (cutoff, k_density or gamma), ``cutoff_eV``, ``k_density_per_inverse_angstrom``,
``phases`` that are labelled there."""


@dataclass
class ConvergenceStructuresMaker(Maker):
    """The smallest cell of every phase, and one strained and with displaced atoms.

    Parameters
    ----------
    displaced_below_atoms
        A larger cell is labelled once, as it is: it has little symmetry, so its own forces do for comparison.
    structure_files
        Files of phases that the package does not have.
    """

    name: str = "convergence structures"
    displaced_below_atoms: int = DISPLACED_BELOW_ATOMS
    structure_files: dict[str, str] = field(default_factory=dict)

    @job(output_schema=StructureSetDoc)
    def make(self, phases: Sequence[str], seed: int) -> StructureSetDoc:
        """Return the crystal of each phase and, for a small one, its displaced copy next."""
        frames, origins = [], []
        for name in phases:
            path = self.structure_files.get(name)
            crystal = primitive_cell(load_phase(name) if path is None else load_structure_file(path))
            frames.append(crystal)
            origins.append(Origin.of(PERFECT, name))
            if len(crystal) < self.displaced_below_atoms:
                frames += strained_and_rattled(crystal, 1, MAX_STRAIN, RATTLE_ANGSTROM, seed)
                origins.append(Origin.of(DISPLACED, name))
        key = content_key(
            "structure_sets",
            name="convergence",
            structures=[structure_key(f) for f in frames],
            origins=origins,
        )
        return cached(
            "structure_sets", key, StructureSetDoc, lambda: store_set(key, "convergence", frames, origins)
        )


@dataclass
class ConvergenceMaker(Maker):
    """Judge every setting against the most accurate one, and choose the cheapest that is good enough.

    Parameters
    ----------
    reference
        The campaign's own setting, from which each axis is swept.
    tolerances
        Largest errors that the chosen setting may have.
    """

    name: str = "convergence"
    reference: MethodSpec = field(default_factory=ChgnetSpec)
    tolerances: Tolerances = field(default_factory=Tolerances)

    @job(output_schema=AnalysisDoc)
    def make(
        self,
        ends: Sequence[str],
        structures: StructureSetDoc,
        points: Sequence[Point],
        batches: Sequence[LabelBatch | None],
    ) -> AnalysisDoc:
        """Return the errors of every setting, and the choice with its margins.

        Parameters
        ----------
        ends
            Electrode and electrolyte.
        structures
            What was labelled.
        points, batches
            The settings, the campaign's own first, and what came of their labels.
        """
        labels = [_labels_of(batch) for batch in batches]
        key = content_key(
            KIND,
            name=STUDY_NAME,
            reference=self.reference,
            ends=list(ends),
            structures=structures.key,
            tolerances=self.tolerances,
            points=list(points),
            labels=[sorted(label.key for label in found.values()) for found in labels],
        )
        return cached(KIND, key, AnalysisDoc, lambda: self._judge(key, ends, structures, points, labels))

    def _judge(
        self,
        key: str,
        ends: Sequence[str],
        structures: StructureSetDoc,
        points: Sequence[Point],
        labels: Sequence[Mapping[str, LabelDoc]],
    ) -> AnalysisDoc:
        formulas = {e.origin.name: e.formula for e in structures.entries}
        reaction = reaction_weights(formulas, *ends)
        weights, written = reaction if reaction is not None else ({}, "none")
        numbers = [_numbers(point["phases"], found) for point, found in zip(points, labels, strict=True)]
        own = numbers[0]
        axes = {
            axis: {point[axis_key]: i for i, point in enumerate(points) if point["axis"] in (axis, "own")}
            for axis, axis_key in (("cutoff", "cutoff_eV"), ("k_density", "k_density_per_inverse_angstrom"))
        }
        deviations: dict[str, dict[float, Deviation]] = {}
        rows: list[dict[str, object]] = []
        for axis, indices in axes.items():
            best = max(indices)
            by_value, yardstick = with_stand_ins({value: numbers[i] for value, i in indices.items()})
            deviations[axis] = {
                value: deviation(found, yardstick, weights) for value, found in by_value.items()
            }
            rows += [
                _row(
                    points[indices[value]],
                    axis,
                    deviations[axis][value],
                    value == best,
                    found,
                    weights,
                    labels[indices[value]],
                )
                for value, found in by_value.items()
            ]
        gamma = None
        for point, found, labelled in zip(points, numbers, labels, strict=True):
            if point["axis"] == "gamma":
                gamma = deviation({name: own.get(name) for name in found}, found, {})
                swapped = deviation(own, {**own, **found}, weights)
                gamma.energy_meV_per_atom.update(
                    {k: v for k, v in swapped.energy_meV_per_atom.items() if k == "reaction"}
                )
                rows.append(_row(point, "gamma", gamma, False, {**own, **found}, weights, labelled))
        choice = choose(deviations["cutoff"], deviations["k_density"], self.tolerances)
        own_cutoff, own_density = points[0]["cutoff_eV"], points[0]["k_density_per_inverse_angstrom"]
        ours = deviations["cutoff"][own_cutoff] + deviations["k_density"][own_density]
        rejected = [label for found in labels for label in found.values() if label.status == "rejected"]
        notes = [f"{label.origin} was rejected by {label.method_name}: {label.reason}" for label in rejected]
        if choice is None:
            notes.append("no setting below the largest ones is within the tolerances; add larger ones")
        notes += [
            f"{name}: labelled up to {densest:g} k-points per Å⁻¹; for denser meshes the error of the one before stands"
            for name, densest in _densest(points, numbers).items()
        ]
        return AnalysisDoc(
            key=key,
            name=STUDY_NAME,
            rests_on=[structures.key, *sorted({label.key for found in labels for label in found.values()})],
            values={
                "reference": self.reference.model_dump(mode="json"),
                "electrode": ends[0],
                "electrolyte": ends[1],
                "n_atoms": {e.origin.name: e.n_atoms for e in structures.entries},
                "reaction": written,
                "tolerances": vars(self.tolerances),
                "points": rows,
                "own": {
                    **_setting(own_cutoff, own_density, ours, self.tolerances),
                    "unjudged": [
                        axis
                        for axis, value in (("cutoff", own_cutoff), ("k_density", own_density))
                        if value == max(deviations[axis])
                    ],
                },
                "chosen": None
                if choice is None
                else _setting(
                    choice.cutoff_eV, choice.k_density_per_inverse_angstrom, choice.deviation, self.tolerances
                ),
                "gamma": None if gamma is None else gamma.worst,
                "wall_time_s": sum(label.wall_time_s for found in labels for label in found.values()),
                "n_labels": sum(len(found) for found in labels),
            },
            notes=notes,
        )


def _densest(
    points: Sequence[Point], numbers: Sequence[Mapping[str, PhaseNumbers | None]]
) -> dict[str, float]:
    """Return the densest mesh of each phase that was labelled on several, but not on the densest of all."""
    swept = [
        (point["k_density_per_inverse_angstrom"], found)
        for point, found in zip(points, numbers, strict=True)
        if point["axis"] in ("own", "k_density")
    ]
    top = max(density for density, _ in swept)
    labelled = {name: [density for density, found in swept if name in found] for name in numbers[0]}
    return {
        name: max(densities)
        for name, densities in labelled.items()
        if len(densities) > 1 and max(densities) < top
    }


def _labels_of(batch: LabelBatch | None) -> dict[str, LabelDoc]:
    """Return the labels of a point by their origin."""
    keys = [] if batch is None else [*batch.accepted, *batch.rejected]
    found = [stored_document("labels", key, LabelDoc) for key in keys]
    origins = {} if batch is None else batch.origins
    return {origins[label.key]: label for label in found if label is not None}


def _numbers(phases: Sequence[str], labels: Mapping[str, LabelDoc]) -> dict[str, PhaseNumbers | None]:
    """Return what a point says of its phases, None of one with a label rejected or missing."""
    result: dict[str, PhaseNumbers | None] = {}
    for name in phases:
        perfect = labels.get(Origin.of(PERFECT, name))
        displaced = labels.get(Origin.of(DISPLACED, name))
        judged = displaced or perfect
        if perfect is None or judged is None or perfect.energy_eV is None or judged.energy_eV is None:
            result[name] = None
            continue
        n_atoms = len(perfect.numbers)
        result[name] = PhaseNumbers(
            perfect.energy_eV / n_atoms,
            None if displaced is None else judged.energy_eV / n_atoms,
            np.asarray(judged.forces_eV_per_angstrom),
            np.asarray(judged.stress_eV_per_angstrom3),
        )
    return result


def _row(
    point: Point,
    axis: str,
    found: Deviation,
    is_yardstick: bool,
    numbers: Mapping[str, PhaseNumbers | None],
    weights: Mapping[str, float],
    labels: Mapping[str, LabelDoc],
) -> dict[str, object]:
    return {
        "axis": axis,
        "cutoff_eV": point["cutoff_eV"],
        "k_density_per_inverse_angstrom": point["k_density_per_inverse_angstrom"],
        "is_yardstick": is_yardstick,
        "errors": {kind: getattr(found, kind) for kind in found.worst},
        "worst": found.worst,
        "missing": list(found.missing),
        "reaction_energy_eV_per_atom": reaction_energy_eV_per_atom(numbers, weights) if weights else None,
        "wall_time_s": sum(label.wall_time_s for label in labels.values()),
    }


def _setting(
    cutoff_eV: float, k_density: float, found: Deviation, tolerances: Tolerances
) -> dict[str, object]:
    return {
        "cutoff_eV": cutoff_eV,
        "k_density_per_inverse_angstrom": k_density,
        "worst": found.worst,
        "margins": found.margins(tolerances),
        "is_within": found.is_within(tolerances),
    }
