"""Jobs of the convergence study: its structures, and the assessment of their labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jobflow import job

from interphase_flows.content_keys import content_key
from interphase_flows.jobs.caching import cached, settings_of
from interphase_flows.jobs.inputs import JobMaker
from interphase_flows.jobs.label_batches import load_labels
from interphase_flows.jobs.structures.structure_sets import store_set
from interphase_flows.reference.convergence import PhaseNumbers, Tolerances, reaction_weights
from interphase_flows.reference.convergence_study import assess_settings, densest_meshes
from interphase_flows.reference.spec import ChgnetSpec, MethodSpec
from interphase_flows.schemas.convergence import ConvergenceStudyDoc, StudyPoint
from interphase_flows.schemas.label import LabelBatch, LabelDoc
from interphase_flows.schemas.origin import Origin
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.structures.crystals.library import load_crystal
from interphase_flows.structures.crystals.perturb import strained_and_rattled
from interphase_flows.structures.crystals.symmetry import primitive_cell
from interphase_flows.structures.structure_keys import structure_key

KIND = "convergence_studies"
PERFECT, DISPLACED = "convergence, perfect", "convergence, displaced"
DISPLACED_BELOW_ATOMS = 40
MAX_STRAIN = 0.02
RATTLE_ANGSTROM = 0.1


@dataclass
class ConvergenceStructuresMaker(JobMaker):
    """Make the primitive cell of every phase, and a strained and rattled copy of small cells.

    Cells of ``displaced_below_atoms`` or more have no copy: they have little symmetry, so their own forces serve for
    comparison.
    """

    name: str = "convergence structures"
    displaced_below_atoms: int = DISPLACED_BELOW_ATOMS
    structure_files: dict[str, str] = field(default_factory=dict)

    @job(output_schema=StructureSetDoc)
    def make(self, phases: Sequence[str], seed: int) -> StructureSetDoc:
        """Return the crystal of each phase, followed by its displaced copy if it has one."""
        frames, origins = [], []
        for name in phases:
            crystal = primitive_cell(load_crystal(name, self.structure_files))
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
        return cached("structure_sets", key, StructureSetDoc, lambda: store_set(key, "convergence", frames, origins))


@dataclass
class ConvergenceMaker(JobMaker):
    """Compare every setting with the most accurate one, and choose the cheapest setting within the tolerances."""

    name: str = "convergence"
    reference: MethodSpec = field(default_factory=ChgnetSpec)
    tolerances: Tolerances = field(default_factory=Tolerances)

    @job(output_schema=ConvergenceStudyDoc)
    def make(
        self,
        ends: Sequence[str],
        structures: StructureSetDoc,
        points: Sequence[StudyPoint],
        batches: Sequence[LabelBatch | None],
    ) -> ConvergenceStudyDoc:
        """Return the errors of every setting, that of the campaign first, and the chosen setting with its margins."""
        labels = [_labels_by_origin(batch) for batch in batches]
        key = content_key(
            KIND,
            settings=settings_of(self),
            ends=list(ends),
            structures=structures.key,
            points=list(points),
            labels=[sorted(label.key for label in found.values()) for found in labels],
        )
        return cached(KIND, key, ConvergenceStudyDoc, lambda: self._assess(key, ends, structures, points, labels))

    def _assess(
        self,
        key: str,
        ends: Sequence[str],
        structures: StructureSetDoc,
        points: Sequence[StudyPoint],
        labels: Sequence[Mapping[Origin, LabelDoc]],
    ) -> ConvergenceStudyDoc:
        reaction = reaction_weights({e.origin.name: e.formula for e in structures.entries}, *ends)
        weights, equation = reaction if reaction is not None else ({}, "none")
        numbers = [_phase_numbers(point.phases, found) for point, found in zip(points, labels, strict=True)]
        wall_times_s = [sum(label.wall_time_s for label in found.values()) for found in labels]
        errors = assess_settings(points, numbers, wall_times_s, weights, self.tolerances)
        all_labels = [label for found in labels for label in found.values()]
        notes = [
            f"{label.origin} was rejected by {label.method_name}: {label.reason}"
            for label in all_labels
            if label.status == "rejected"
        ]
        if errors.chosen is None:
            notes.append("no setting below the largest ones is within the tolerances. Hint: add larger ones")
        notes += [
            f"{name}: labelled up to {densest:g} k-points per Å⁻¹; for this and denser meshes the error of the next "
            "coarser mesh is used"
            for name, densest in densest_meshes(points, numbers).items()
        ]
        return ConvergenceStudyDoc(
            **dict(errors),
            key=key,
            reference=self.reference.model_dump(mode="json"),
            electrode=ends[0],
            electrolyte=ends[1],
            input_keys=[structures.key, *sorted({label.key for label in all_labels})],
            n_atoms={e.origin.name: e.n_atoms for e in structures.entries},
            reaction=equation,
            tolerances=vars(self.tolerances),
            wall_time_s=sum(wall_times_s),
            n_labels=len(all_labels),
            notes=notes,
        )


def _labels_by_origin(batch: LabelBatch | None) -> dict[Origin, LabelDoc]:
    if batch is None:
        return {}
    return {batch.origins[label.key]: label for label in load_labels(batch, [*batch.accepted, *batch.rejected])}


def _phase_numbers(phases: Sequence[str], labels: Mapping[Origin, LabelDoc]) -> dict[str, PhaseNumbers | None]:
    """Return the results of one setting by phase, None for a phase with a rejected or missing label."""
    result: dict[str, PhaseNumbers | None] = {}
    for name in phases:
        perfect = labels.get(Origin.of(PERFECT, name))
        displaced = labels.get(Origin.of(DISPLACED, name))
        compared = displaced or perfect
        if perfect is None or compared is None or perfect.energy_eV is None or compared.energy_eV is None:
            result[name] = None
            continue
        n_atoms = len(perfect.numbers)
        result[name] = PhaseNumbers(
            perfect.energy_eV / n_atoms,
            None if displaced is None else compared.energy_eV / n_atoms,
            np.asarray(compared.forces_eV_per_angstrom),
            np.asarray(compared.stress_eV_per_angstrom3),
        )
    return result
