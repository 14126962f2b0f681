"""The report of a campaign, finished or not, from its stored documents."""

import platform
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from interphase_flows.analysis.passivation.results import VerdictResult
from interphase_flows.analysis.pipeline.parts.structure import ElectrodeOrderResult
from interphase_flows.analysis.results import Result, Unavailable
from interphase_flows.campaign.yaml_file import yaml_of_model
from interphase_flows.exceptions import InputError
from interphase_flows.report.collect.campaign_documents import CampaignDocuments, Citations
from interphase_flows.report.collect.labelling import LabelRecord, labelling, reference_labels
from interphase_flows.report.collect.learning import iteration_errors
from interphase_flows.report.collect.production import (
    audit_of_runs,
    band_over_replicas,
    composition_over_replicas,
    production_runs,
    structure_views,
    thickness_over_replicas,
)
from interphase_flows.report.collect.thermodynamics import thermodynamics
from interphase_flows.report.collect.trajectories import built_cells, trajectory_inputs
from interphase_flows.report.html import write_report, write_talk_figures
from interphase_flows.report.inputs.campaign import InterfaceDescription, Outcome, ReportInputs, Spending
from interphase_flows.report.inputs.interphase import InterfaceResults, TransportGrid
from interphase_flows.report.text.committee import spread_note
from interphase_flows.report.text.ordering import ordering_note
from interphase_flows.schemas.analysis import InterfaceAnalysisDoc
from interphase_flows.schemas.document import Document
from interphase_flows.schemas.ordering import OrderingRecord
from interphase_flows.storage.failures import failure_groups
from interphase_flows.storage.workspace import Workspace

SOFTWARE = ("interphase-flows", "nequip", "torch", "chgnet", "ase", "pymatgen", "jobflow")
MAX_LISTED_FAILURES = 3


def write_campaign_report(workspace: Workspace) -> Path:
    """Write the report of a campaign from its ledger and return its path.

    Raises
    ------
    InputError
        The campaign has not been started.
    """
    return write_report(collect_inputs(workspace), workspace.report_folder)


def write_campaign_talk_figures(workspace: Workspace) -> Path:
    """Write the figures of a campaign at the size of a slide and return their folder.

    Raises
    ------
    InputError
        The campaign has not been started.
    """
    return write_talk_figures(collect_inputs(workspace), workspace.report_folder)


def collect_inputs(workspace: Workspace) -> ReportInputs:
    """Read the inputs of the report; those that do not exist yet stay empty.

    Raises
    ------
    InputError
        The campaign has not been started.
    """
    state = workspace.ledger.get("campaigns", workspace.campaign)
    if state is None:
        raise InputError(f"{workspace.root} contains no campaign. Hint: run its campaign file first")
    documents = CampaignDocuments(workspace, state)
    cited = Citations()
    spec, dataset, starts = documents.spec, documents.dataset, documents.starts
    if dataset is not None:
        note = ", ".join(f"{n} {split}" for split, n in dataset.n_frames.items())
        cited.cite("labels", "datasets", dataset.key, dataset.artifact.sha256, note)
    if starts is not None:
        cited.cite("structures", "structure_sets", starts.key, starts.artifact.sha256, starts.name)
    analysis = documents.interface_analysis()
    analyses = None if analysis is None else _analyses(analysis, documents, cited)
    arrays = {} if analyses is None else analyses.arrays_of(analyses.averaged_runs)
    averages = {} if analyses is None else analyses.averages
    audit = documents.production_audit()
    if audit is not None:
        note = f"{audit.n_frames} random frames, labelled after production"
        cited.cite("production audit", "production_audits", audit.key, note=note)
        audit = audit if analyses is None else audit_of_runs(audit, analyses.averaged_runs)
    bulk = documents.equations_of_state()
    if bulk is not None:
        cited.cite("bulk equations of state", "equations_of_state", bulk.key, note=", ".join(bulk.phases))
    labels = documents.labels()
    convergence = documents.convergence()
    if convergence is not None:
        note = f"{convergence.n_labels} labels"
        cited.cite("convergence", "convergence_studies", convergence.key, note=note)
    iterations = iteration_errors(documents, cited)
    production = production_runs(documents, cited)
    views = structure_views(documents)
    before = views[0] if views else None
    environments = band_over_replicas(arrays, "phases.centre_share ", "phases.anion_time_ps")
    predicted = documents.thermodynamics()
    committee = documents.committee(documents.result.committee_key) if documents.result else None
    if predicted is not None:
        note = "phases relaxed for the hull"
        cited.cite("thermodynamics", "thermodynamics", predicted.key, note=note)
    grid = documents.transport_grid()
    if grid is not None:
        cited.cite("transport grid", "transport_grids", grid.key, grid.artifact.sha256)
    outcome, reason = _outcome(documents)
    order, verdict = averages.get("electrode_order"), averages.get("verdict")
    return ReportInputs(
        campaign=spec.name,
        interface=_interface(documents, analyses),
        reference=reference_labels(spec.reference, dataset),
        outcome=outcome,
        outcome_reason=reason,
        created=str(state.get("ended_at", state.get("started_at", ""))),
        spending=_spending(documents, labels),
        labelling=labelling(labels, spec.reference),
        convergence=convergence,
        iterations=iterations,
        production=production,
        n_production_runs=spec.production.n_runs,
        committee=committee,
        composition=None if analyses is None else composition_over_replicas(analyses),
        environments=environments,
        thickness=thickness_over_replicas(arrays),
        displacement=band_over_replicas(arrays, "displacement.msd_angstrom2 ", "displacement.time_ps"),
        electrode_order=order if isinstance(order, ElectrodeOrderResult) else None,
        production_audit=audit,
        equations_of_state=bulk,
        thermodynamics=None if predicted is None else thermodynamics(predicted, spec, before, environments),
        cells=built_cells(documents),
        trajectories=trajectory_inputs(documents, production, analyses),
        campaign_file=yaml_of_model(spec),
        settings={name: str(value) for name, value in state.get("settings", {}).items()},
        before=before,
        after=views[-1] if views else None,
        views=views,
        provenance=cited.rows,
        software={name: version(name) for name in SOFTWARE} | {"python": platform.python_version()},
        notes=_notes(documents, [dataset, committee, bulk, analysis, audit, *documents.production, predicted]),
        analyses=analyses,
        transport_grid=None if grid is None else TransportGrid(grid.result, documents.arrays(grid), grid.notes),
        grid_requested=spec.transport_grid is not None,
        verdict=verdict.state if isinstance(verdict, VerdictResult) else "undecided",
        verdict_reason=_verdict_reason(verdict, analyses) if analyses else "No production run has finished.",
    )


def _outcome(documents: CampaignDocuments) -> tuple[Outcome, str]:
    if documents.result is not None:
        converged = documents.result.outcome == "converged"
        reason = documents.iterations[-1].reason if documents.iterations else ""
        return "converged" if converged else "budget exhausted", reason
    if documents.state.get("status") == "failed":
        command = f"interphase query failures --campaign {documents.workspace.campaign}"
        return "failed", f"Jobs failed on which the result depends; list them with: {command}"
    return "running", "The campaign has not finished."


def _interface(documents: CampaignDocuments, analyses: InterfaceResults | None) -> InterfaceDescription:
    spec, starts = documents.spec, documents.starts
    details = starts.details.get(starts.entries[0].origin, {}) if starts else {}

    def number(name: str) -> float | None:
        return float(details[name]) if name in details else None

    strain, broken = number("film_strain"), number("n_broken_units")
    return InterfaceDescription(
        electrode=spec.electrode,
        electrolyte=spec.electrolyte,
        temperature_K=analyses.averaged_temperature_K if analyses else spec.production.dynamics.temperature_K,
        n_atoms=starts.entries[0].n_atoms if starts else 0,
        area_angstrom2=number("area_angstrom2"),
        strain_percent=None if strain is None else 100.0 * abs(strain),
        gap_angstrom=number("gap_angstrom"),
        n_broken_anions=None if broken is None else int(broken),
    )


def _spending(documents: CampaignDocuments, labels: Sequence[LabelRecord]) -> Spending:
    ledger, own = documents.ledger, documents.own
    sets = ledger.find("structure_sets", own, ["wall_time_s"])
    models = ledger.find("models", own, ["wall_time_s"])
    segments = ledger.find("segments", own, ["role", "wall_time_s", "first_step", "last_step", "n_atoms"])
    wall = {
        "initial structures": sum(d.get("wall_time_s", 0.0) for d in sets),
        "labels": sum(label.wall_time_s for label in labels),
        "training": sum(d["wall_time_s"] for d in models),
    }
    for stage, roles in (
        ("exploration", ("explore", "sample", "audit")),
        ("production", ("production",)),
        ("transport grid", ("transport",)),
    ):
        spent = sum(d["wall_time_s"] for d in segments if d["role"] in roles)
        if spent or stage != "transport grid":  # few campaigns have a grid
            wall[stage] = spent
    if documents.spec.committee.pretraining is not None:
        of_all = sum(d["wall_time_s"] for d in ledger.find("labels", own, ["wall_time_s"]))
        wall["labels of the pre-training"] = max(0.0, of_all - wall["labels"])
    usage = documents.state.get("worker_usage")
    return Spending(
        labels_accepted=sum(label.status == "accepted" for label in labels),
        labels_rejected=dict(Counter(str(label.reason) for label in labels if label.status == "rejected")),
        wall_time_s=wall,
        atom_steps=float(sum((d["last_step"] - d["first_step"]) * d["n_atoms"] for d in segments)),
        worker_busy_fraction=usage["busy_s"] / usage["wall_s"] if usage and usage["wall_s"] else None,
    )


def _analyses(analysis: InterfaceAnalysisDoc, documents: CampaignDocuments, cited: Citations) -> InterfaceResults:
    runs: dict[str, dict[str, Result | Unavailable]] = {run: {} for run in analysis.trajectories}
    averages: dict[str, Result | Unavailable] = {}
    arrays = documents.arrays(analysis)
    for name in analysis.documents:
        found = documents.part(name)
        if found is None:
            continue
        cited.cite(name, name, found.key, found.artifact.sha256 if found.artifact else "")
        for run, result in found.with_replicas(arrays).replicas.items():
            runs[run][name] = result
        if found.average is not None:
            averages[name] = found.average
    if analysis.references_key is not None:
        cited.cite("reference runs of phases", "phase_references", analysis.references_key)
    temperature_K = analysis.analysis_settings.temperature_K
    return InterfaceResults(runs, averages, arrays, analysis.trajectories, temperature_K)


def _notes(documents: CampaignDocuments, sources: Sequence[Document | None]) -> list[str]:
    notes = list(dict.fromkeys(note for document in sources if document is not None for note in document.notes))
    for name, record in documents.state.get("orderings", {}).items():
        notes.append(ordering_note(name, OrderingRecord.model_validate(record)))
    if documents.iterations:
        committee = documents.spec.committee
        warning = spread_note(documents.iterations[-1].calibration, isinstance(committee.start_from, str))
        notes += [] if warning is None else [warning]
    equilibration_ps = documents.spec.production.equilibration_fs / 1000.0
    if documents.production and equilibration_ps:
        notes.append(
            f"Mean temperatures of production exclude the first {equilibration_ps:g} ps of each run, in which the heat "
            "of the first reactions dissipates."
        )
    failures = documents.ledger.count("failures", documents.own)
    if failures:
        command = f"interphase query failures --campaign {documents.workspace.campaign}"
        groups = failure_groups(documents.ledger, documents.own)
        shown = "; ".join(group.summary for group in groups[:MAX_LISTED_FAILURES])
        more = ", ..." if len(groups) > MAX_LISTED_FAILURES else ""
        notes.append(f"{failures} failures are recorded ({shown}{more}); list them with: {command}")
    return notes


def _verdict_reason(verdict: Result | Unavailable | None, analyses: InterfaceResults) -> str:
    """Return the reason of the verdict, interface by interface."""
    sentences = []
    if not isinstance(verdict, VerdictResult) or verdict.state == "undecided":
        time_ps = min((analyses.trajectories[run].length_ps for run in analyses.averaged_runs), default=0.0)
        sentences.append(
            f"Runs of {time_ps:.2g} ps of this cell do not decide whether the interphase continues to grow, passivates "
            "or consumes its electrode or electrolyte."
        )
    if isinstance(verdict, Unavailable):
        sentences.append(f"{verdict}.")
    if isinstance(verdict, VerdictResult):
        sentences += [
            f"{side.capitalize()}: {each if isinstance(each, Unavailable) else each.reason}."
            for side, each in verdict.sides.items()
        ]
    return " ".join(sentences)
