"""Iterations of active learning with the errors of their committees."""

import contextlib

import numpy as np
from ase.data import chemical_symbols

from interphase_flows.analysis.io.npz import open_npz
from interphase_flows.exceptions import CorruptArtifactError
from interphase_flows.report.collect.campaign_documents import CampaignDocuments, Citations
from interphase_flows.report.inputs.learning import IterationErrors, ParityData, TrainingCurve
from interphase_flows.schemas.model import CommitteeDoc, ModelDoc

PARITY_SAMPLE = 3000
"""Force components in a parity plot."""


def iteration_errors(documents: CampaignDocuments, cited: Citations) -> list[IterationErrors]:
    """Return the iterations with errors on the frames of the learning curve, or on their own held-out frames."""
    curve = documents.learning_curve()
    if curve is not None:
        cited.cite("learning", "learning_curves", curve.key, note=f"{curve.n_frames} held-out interface frames")
    points = curve.errors if curve else []
    found = []
    for number, doc in enumerate(documents.iterations):
        committee = documents.committee(doc.committee_key)
        cited.cite(f"iteration {doc.index}", "iterations", doc.key, note=f"committee {doc.committee_key}")
        found.append(
            IterationErrors(
                iteration=doc,
                errors=points[number] if number < len(points) else doc.errors.get("interface", doc.errors["test"]),
                errors_by_origin=committee.errors_by_origin if committee else {},
                parity=_parity(documents, committee) if committee else None,
                training=[_training_curve(documents, model) for model in committee.models] if committee else [],
            )
        )
    return found


def _training_curve(documents: CampaignDocuments, model: ModelDoc) -> TrainingCurve:
    columns: dict[str, np.ndarray] = {}
    if model.training_log is not None:
        with contextlib.suppress(CorruptArtifactError, FileNotFoundError):
            table = np.genfromtxt(documents.workspace.artifacts.get(model.training_log), delimiter=",", names=True)
            columns = {name: np.atleast_1d(table[name]) for name in table.dtype.names or ()}
    missing = np.empty(0)
    return TrainingCurve(
        member=model.member,
        best_epoch=model.best_epoch,
        validation_loss=np.array(model.validation_loss),
        training_loss=columns.get("training_weighted_sum", missing),
        validation_force_rmse_eV_per_angstrom=columns.get("validation_forces_rmse", missing),
        training_force_rmse_eV_per_angstrom=columns.get("training_forces_rmse", missing),
    )


def _parity(documents: CampaignDocuments, committee: CommitteeDoc) -> ParityData:
    with open_npz(documents.workspace.artifacts.get(committee.parity)) as archive:
        energy, energy_error = archive["energy"], archive["energy_error"]
        forces, forces_error = archive["forces"], archive["forces_error"]
        std, largest = archive["uncertainty"], archive["largest_force_error"]
        numbers = archive["numbers"] if "numbers" in archive else np.empty(0, dtype=int)
    stride = max(1, len(forces) // PARITY_SAMPLE)
    of_atom = np.abs(forces_error).reshape(-1, 3).mean(axis=1)
    of_element = {chemical_symbols[z]: float(of_atom[numbers == z].mean()) for z in np.unique(numbers)}
    predicted = (forces + forces_error)[::stride]
    return ParityData(energy, energy + energy_error, forces[::stride], predicted, std, largest, of_element)
