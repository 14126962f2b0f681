"""The job that imports labels of other programs into a campaign: every frame becomes a label document."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from ase import Atoms
from jobflow import job

from interphase_flows.campaign.schema import Campaign
from interphase_flows.content_keys import content_key
from interphase_flows.datasets.duplicates import find_duplicates
from interphase_flows.datasets.foreign_labels import check_foreign_labels
from interphase_flows.datasets.gates import Gates, Rejection
from interphase_flows.datasets.isolated import is_isolated
from interphase_flows.datasets.label_conventions import LabelConventions
from interphase_flows.datasets.readers import ReadLabels, read_labels
from interphase_flows.datasets.readers.records import UNREADABLE, ForeignLabel
from interphase_flows.exceptions import InputError, StructureError
from interphase_flows.jobs.caching import begin_work, cached
from interphase_flows.jobs.hints import query_command
from interphase_flows.jobs.inputs import JobMaker
from interphase_flows.jobs.label_batches import label_batch
from interphase_flows.jobs.label_structure import KIND, unlabelled
from interphase_flows.jobs.structures.structure_sets import structure_entry
from interphase_flows.reference.registry import reference_method
from interphase_flows.reference.spec import ChgnetSpec, MethodSpec, VaspSpec
from interphase_flows.runtime.progress import emit
from interphase_flows.schemas.label import IMPORTED_FROM, LabelBatch, LabelDoc, MethodIdentity
from interphase_flows.schemas.origin import ATOM, DIMER, Origin
from interphase_flows.structures.crystals.library import load_crystal

STAGE = "import labels"
PERIODIC_CUTOFF_ANGSTROM = 6.0
"""At least the cutoff of usual potentials; labels are those of periodic structures."""


@dataclass(frozen=True)
class ImportedLabels:
    """Documents of all frames of some files, and notes on files that could not be read."""

    labels: list[LabelDoc]
    notes: list[str]


@dataclass
class ImportLabelsMaker(JobMaker):
    """Import labelled frames of files: check each, and record it as an accepted or rejected label.

    Parameters
    ----------
    reference
        Method that computed the labels, as the user declares it; what a file states is compared with it.
    gates
        Limits for every label.
    keys
        Names and conventions of the labels in the files.
    elements
        Elements that the frames may contain; any if None.
    needs_stress
        Whether labels without stress are rejected, because the training uses it.
    """

    name: str = "import labels"
    reference: MethodSpec = field(default_factory=ChgnetSpec)
    gates: Gates = field(default_factory=Gates)
    keys: LabelConventions = field(default_factory=LabelConventions)
    elements: Collection[str] | None = None
    needs_stress: bool = True

    @classmethod
    def from_campaign(cls, campaign: Campaign) -> Self:
        """Return the Maker of a campaign."""
        keys = campaign.initial_labels.keys if campaign.initial_labels else LabelConventions()
        crystals = [load_crystal(name, campaign.structure_files) for name in campaign.phases]
        return cls(
            reference=campaign.reference,
            gates=campaign.gates,
            keys=keys,
            elements=sorted({symbol for atoms in crystals for symbol in atoms.symbols}),
            needs_stress=campaign.committee.training.stress_weight > 0,
        )

    @job(output_schema=LabelBatch)
    def make(self, files: Sequence[str]) -> LabelBatch:
        """Return the keys of the labels of files, and of all VASP runs in folders.

        Raises
        ------
        InputError
            A file is missing or cannot be read, there are no frames, or every label is rejected.
        """
        begin_work()  # the worker reads the files, not also the process that looks for stored results
        labels = [self._recorded(document) for document in self.documents(files).labels]
        if not any(label.status == "accepted" for label in labels):
            first = labels[0]
            raise InputError(
                f"all {len(labels)} imported labels are rejected, the first one because {first.explanation}. Hint: "
                f"{query_command('labels --rejected')} lists the reasons"
            )
        return label_batch([(label, label.origin) for label in labels], reference_method(self.reference).identity)

    def documents(self, files: Sequence[str | Path]) -> ImportedLabels:
        """Return the documents of all frames of files, without recording them.

        Raises
        ------
        InputError
            A file is missing or cannot be read, or there are no frames.
        """
        return self.checked(read_labels(files, self.keys, self.vasp_spec))

    @property
    def vasp_spec(self) -> VaspSpec | None:
        """Level of theory with which VASP's outputs are compared."""
        return self.reference if isinstance(self.reference, VaspSpec) else None

    def checked(self, read: ReadLabels) -> ImportedLabels:
        """Return the documents of labels that have been read, without recording them."""
        for note in read.notes:
            emit(STAGE, 0, len(read.labels), note)
        documents = self._documents(read.labels, reference_method(self.reference).identity)
        n_accepted = sum(document.status == "accepted" for document in documents)
        emit(STAGE, len(documents), len(documents), f"{n_accepted} accepted")
        return ImportedLabels(documents, read.notes)

    @staticmethod
    def _recorded(document: LabelDoc) -> LabelDoc:
        return cached(KIND, document.key, LabelDoc, lambda: document)

    def _documents(self, labels: Sequence[ForeignLabel], method: MethodIdentity) -> list[LabelDoc]:
        frames = [label.atoms for label in labels]
        rejections = check_foreign_labels(
            frames,
            [label.raw for label in labels],
            self.gates,
            method,
            self.elements,
            needs_stress=self.needs_stress,
            run_starts=[label.run_start for label in labels],
            files=[label.file for label in labels],
        )
        rejections = [rejection or self._rejection(label) for rejection, label in zip(rejections, labels, strict=True)]
        documents = [
            _document(label, rejection, method, self.gates) for label, rejection in zip(labels, rejections, strict=True)
        ]
        # a bad label must not exclude a good one of the same structure
        accepted = [number for number, rejection in enumerate(rejections) if rejection is None]
        twins = find_duplicates([frames[number] for number in accepted], self.gates.duplicate_tolerance_angstrom)
        for place, first in twins.items():
            number, original = accepted[place], documents[accepted[first]]
            rejection = Rejection(
                "duplicate",
                f"{labels[number].where} equals {labels[accepted[first]].where} up to orientation, position and order of "
                f"atoms, within {self.gates.duplicate_tolerance_angstrom} Å",
            )
            documents[number] = _document(labels[number], rejection, method, self.gates, original.key)
        return documents

    def _rejection(self, label: ForeignLabel) -> Rejection | None:
        """Return why this import rejects a label that passes the gates."""
        if found := label.raw.details.get("deviations"):
            return Rejection(
                "level_of_theory", f"the level of theory differs from that of the reference method: {found}"
            )
        if _interacts_with_images(label.atoms):
            return Rejection(
                "not_periodic",
                f"the frame is not periodic along all vectors, and as a periodic one it would have other neighbours "
                f"within {PERIODIC_CUTOFF_ANGSTROM} Å. Hint: use a larger box",
            )
        return None


def _interacts_with_images(atoms: Atoms) -> bool:
    """Return whether atoms that are not periodic along all vectors would have other neighbours if they were."""
    if atoms.pbc.all():
        return False
    from matscipy.neighbours import neighbour_list  # slow import

    given = {"cutoff": PERIODIC_CUTOFF_ANGSTROM, "positions": atoms.positions, "cell": atoms.cell.array}
    n_stated, n_periodic = (len(neighbour_list("i", pbc=pbc, **given)) for pbc in (atoms.pbc, [True] * 3))
    return n_stated != n_periodic


def _document(
    label: ForeignLabel,
    rejection: Rejection | None,
    method: MethodIdentity,
    gates: Gates,
    repeats: str | None = None,
) -> LabelDoc:
    """Return the document of a label; its key depends on its numbers."""
    raw = label.raw
    origin = _origin(label.atoms, label.origin or Origin("imported/unknown"))
    atoms, coordinates = label.atoms, (label.atoms.positions, label.atoms.cell.array)
    is_finite = all(np.isfinite(values).all() for values in coordinates)
    if not is_finite:
        atoms = Atoms(numbers=label.atoms.numbers)
    elif not atoms.pbc.all():
        atoms = atoms.copy()
        atoms.pbc = True  # as labels are
    try:
        entry = structure_entry(atoms, origin)
    except StructureError:  # a flat cell
        entry = structure_entry(Atoms(numbers=label.atoms.numbers), origin)
    document = unlabelled(method, gates, atoms, entry, repeats)
    digest = hashlib.sha256()
    for values in (raw.energy_eV, raw.forces_eV_per_angstrom, raw.stress_eV_per_angstrom3, *coordinates):
        digest.update(np.asarray(np.nan if values is None else values, dtype=float).tobytes())
    if UNREADABLE in raw.details:  # there are no numbers
        digest.update(f"{label.where}: {raw.details['text_sha256']}".encode())
    reason = rejection.reason if rejection else None
    key = content_key(KIND, of=document.key, imported=digest.hexdigest(), reason=reason)
    recorded: dict[str, object] = {
        "key": key,
        "is_scf_converged": raw.is_scf_converged,
        "details": {**raw.details, IMPORTED_FROM: label.where[-300:]},
    }
    if not is_finite:
        recorded |= {"positions": [], "cell": []}  # JSON has no such numbers
    if rejection is not None:
        recorded |= {"reason": rejection.reason, "explanation": f"{label.where[-300:]}: {rejection.explanation}"}
    else:
        stress = raw.stress_eV_per_angstrom3
        recorded |= {
            "status": "accepted",
            "energy_eV": raw.energy_eV,
            "forces_eV_per_angstrom": np.asarray(raw.forces_eV_per_angstrom).tolist(),
            "stress_eV_per_angstrom3": None if stress is None else np.asarray(stress).tolist(),
        }
    return document.model_copy(update=recorded)


def _origin(atoms: Atoms, origin: Origin) -> Origin:
    """Return the origin; isolated atoms and dimers have separate families, since they are no solids."""
    if len(atoms) > 2 or not is_isolated(atoms):
        return origin
    return Origin.of(ATOM if len(atoms) == 1 else DIMER, origin.name)
