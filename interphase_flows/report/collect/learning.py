"""What a report says of the potential, from the documents of the loop."""

import numpy as np

from interphase_flows.report.collect.campaign_documents import CampaignDocuments, Citations
from interphase_flows.report.inputs import Iteration, ParityData
from interphase_flows.schemas.model import CommitteeDoc

PARITY_SAMPLE = 3000


def learned_iterations(documents: CampaignDocuments, cited: Citations) -> list[Iteration]:
    """Return the iterations, each judged on the frames of the learning curve where there is one."""
    curve = documents.learning_curve()
    if curve is not None:
        cited.cite(
            "learning",
            "learning_curves",
            curve.key,
            note=f"{curve.n_frames} held-out interface frames",
        )
    points = curve.errors if curve else []
    result = []
    for number, doc in enumerate(documents.iterations):
        held_out = doc.errors.get("interface", doc.errors["test"])
        errors = points[number] if number < len(points) else held_out
        committee = documents.committee(doc.committee_key)
        cited.cite(f"iteration {doc.index}", "iterations", doc.key, note=f"committee {doc.committee_key}")
        result.append(
            Iteration(
                index=doc.index,
                n_train=doc.n_train,
                energy_mae_meV_per_atom=errors.energy_mae_meV_per_atom,
                force_mae_meV_per_angstrom=errors.forces_mae_meV_per_angstrom,
                force_rmse_meV_per_angstrom=errors.forces_rmse_meV_per_angstrom,
                force_mae_by_origin={
                    origin: summary.forces_mae_meV_per_angstrom
                    for origin, summary in (committee.errors_by_origin if committee else {}).items()
                },
                n_test=errors.n_frames,
                fraction_above_select=doc.fraction_above_select,
                select_eV_per_angstrom=doc.select_force_std_eV_per_angstrom,
                stop_eV_per_angstrom=doc.stop_force_std_eV_per_angstrom,
                calibration_rank_correlation=doc.calibration.rank_correlation,
                decision=doc.decision.replace("_", " "),
                reason=doc.reason,
                n_new_labels=doc.n_labels_new,
                parity=_parity(documents, committee) if committee else None,
            )
        )
    return result


def _parity(documents: CampaignDocuments, committee: CommitteeDoc) -> ParityData:
    with np.load(documents.workspace.artifacts.get(committee.parity)) as archive:
        energy, energy_error = archive["energy"], archive["energy_error"]
        forces, forces_error = archive["forces"], archive["forces_error"]
    stride = max(1, len(forces) // PARITY_SAMPLE)
    return ParityData(energy, energy + energy_error, forces[::stride], (forces + forces_error)[::stride])
