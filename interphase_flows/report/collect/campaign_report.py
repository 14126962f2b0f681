"""Fill a report from the documents of a campaign, finished or not."""

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from interphase_flows.analysis.passivation.results import VerdictResult
from interphase_flows.analysis.pipeline.parts.electrode_order import ElectrodeOrderResult
from interphase_flows.analysis.results import Result, Unavailable
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.exceptions import InputError
from interphase_flows.report.collect.campaign_documents import CampaignDocuments, Citations
from interphase_flows.report.collect.labelling import labelling, reference_of
from interphase_flows.report.collect.learning import learned_iterations
from interphase_flows.report.collect.production import band, replicas, views
from interphase_flows.report.collect.thermodynamics import thermodynamics
from interphase_flows.report.collect.thermodynamics_inputs import Thermodynamics
from interphase_flows.report.html import write_report
from interphase_flows.report.inputs import (
    InterfaceResults,
    Outcome,
    Question,
    ReportInputs,
    SeriesBand,
    Spending,
    StructureView,
    TransportGrid,
)
from interphase_flows.report.sections.convergence import Convergence
from interphase_flows.schemas.analysis import InterfaceAnalysisDoc
from interphase_flows.schemas.dataset import DatasetDoc
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.storage.workspace import Workspace

SOFTWARE = ("interphase-flows", "nequip", "torch", "chgnet", "ase", "pymatgen", "jobflow", "freud-analysis")


def write_campaign_report(workspace: Workspace) -> Path:
    """Write the report of a campaign from its ledger and return its path.

    Raises
    ------
    InputError
        The campaign was never started here.
    """
    return write_report(collect(workspace), workspace.report_folder)


def collect(workspace: Workspace) -> ReportInputs:
    """Read everything a report shows; what is not there yet stays empty."""
    state = workspace.ledger.get("campaigns", workspace.campaign)
    if state is None:
        raise InputError(f"{workspace.root} holds no campaign to report on: run its campaign file first")
    return _Collector(CampaignDocuments(workspace, state)).inputs()


class _Collector:
    """Turns documents into sections, and cites each where it is used."""

    def __init__(self, documents: CampaignDocuments) -> None:
        self.documents = documents
        self.workspace = documents.workspace
        self.ledger = documents.ledger
        self.state = documents.state
        self.own = documents.own
        self.spec = documents.spec
        self.result = documents.result
        self.iterations = documents.iterations
        self.production = documents.production
        self.cited = Citations()

    def inputs(self) -> ReportInputs:
        dataset = self._dataset()
        starts = self._starts()
        analysis = self.documents.interface_analysis()
        interface = self._interface(analysis)
        arrays = {} if interface is None else interface.arrays
        audit = self.documents.production_audit()
        if audit is not None:
            note = f"{audit.n_frames} random frames, labelled afterwards"
            self._cite("production audit", "production_audits", audit.key, note=note)
        before, after = views(self.documents)
        labels = self.documents.labels()
        environments = band(arrays, "phases.centre_share ", "phases.anion_time_ps")
        outcome, reason = self._outcome()
        temperature = self.spec.production.dynamics.temperature_K
        time_ps = (
            min((each.length_ps for each in analysis.trajectories.values()), default=0.0) if analysis else 0.0
        )
        judged = None if interface is None else interface.averages.get("verdict")
        return ReportInputs(
            campaign=self.spec.name,
            question=self._question(starts, temperature),
            reference=reference_of(self.spec.reference, dataset),
            outcome=outcome,
            outcome_reason=reason,
            created=str(self.state.get("ended_at", self.state.get("started_at", ""))),
            spending=self._spending(labels),
            labelling=labelling(labels, self.spec.reference),
            convergence=self._convergence(),
            iterations=learned_iterations(self.documents, self.cited),
            replicas=replicas(self.documents, self.cited),
            environments=environments,
            displacement=band(arrays, "displacement.msd_angstrom2 ", "displacement.time_ps"),
            bcc_start=self._bcc("bcc_fraction_start"),
            bcc_end=self._bcc("bcc_fraction_end"),
            production_force_mae_meV_per_angstrom=audit.forces_mae_meV_per_angstrom if audit else None,
            production_energy_mae_meV_per_atom=audit.energy_mae_meV_per_atom if audit else None,
            thermodynamics=self._thermodynamics(before, environments),
            before=before,
            after=after,
            provenance=self.cited.rows,
            software={name: version(name) for name in SOFTWARE} | {"python": platform.python_version()},
            notes=self._notes(dataset, analysis),
            interface=interface,
            transport_grid=self._transport_grid(),
            is_grid_asked=self.spec.transport_grid is not None,
            verdict=judged.state if isinstance(judged, VerdictResult) else "undecided",
            verdict_reason=_reason(judged, time_ps) if analysis else "there is no production yet",
        )

    def _dataset(self) -> DatasetDoc | None:
        dataset = self.documents.dataset
        if dataset is not None:
            note = ", ".join(f"{n} {side}" for side, n in dataset.n_frames.items())
            self._cite("labels", "datasets", dataset.key, dataset.artifact.sha256, note)
        return dataset

    def _starts(self) -> StructureSetDoc | None:
        starts = self.documents.starts
        if starts is not None:
            self._cite("structures", "structure_sets", starts.key, starts.artifact.sha256, starts.name)
        return starts

    def _cite(self, subject: str, kind: str, key: str, artifact: str = "", note: str = "") -> None:
        self.cited.cite(subject, kind, key, artifact, note)

    # --- sections

    def _outcome(self) -> tuple[Outcome, str]:
        if self.result is not None:
            outcome: Outcome = "converged" if self.result.outcome == "converged" else "budget exhausted"
            return outcome, self.iterations[-1].reason if self.iterations else ""
        if self.state.get("status") == "failed":
            return "failed", "jobs failed without which there is no result; see interphase query failures"
        return "running", "the campaign has not come to its end yet"

    def _question(self, starts: StructureSetDoc | None, temperature_K: float) -> Question:
        details = starts.details.get(starts.entries[0].origin, {}) if starts else {}
        return Question(
            electrode=self.spec.electrode,
            electrolyte=self.spec.electrolyte,
            temperature_K=temperature_K,
            n_atoms=starts.entries[0].n_atoms if starts else 0,
            area_angstrom2=_number(details.get("area_angstrom2")),
            strain_percent=100.0 * abs(float(details["film_strain"])) if "film_strain" in details else None,
            gap_angstrom=_number(details.get("gap_angstrom")),
            broken_units=int(details["n_broken_units"]) if "n_broken_units" in details else None,
            text=f"What forms between {self.spec.electrode} and {self.spec.electrolyte} at {temperature_K:.0f} K, "
            "where, and how fast?",
        )

    def _spending(self, labels: Sequence[Mapping[str, Any]]) -> Spending:
        models = self.ledger.find("models", self.own, properties=["wall_time_s"])
        segments = self.ledger.find(
            "segments", self.own, ["role", "wall_time_s", "first_step", "last_step", "n_atoms"]
        )
        sets = self.ledger.find("structure_sets", self.own, properties=["wall_time_s"])
        wall: dict[str, float] = {
            "first structures": sum(d.get("wall_time_s", 0.0) for d in sets),
            "labels": sum(d["wall_time_s"] for d in labels),
            "training": sum(d["wall_time_s"] for d in models),
        }
        for role, name in (
            ("explore", "exploration"),
            ("audit", "exploration"),
            ("production", "production"),
            ("transport", "transport grid"),
        ):
            spent = sum(d["wall_time_s"] for d in segments if d["role"] == role)
            if spent or role != "transport":  # a campaign without a grid has no bar of it
                wall[name] = wall.get(name, 0.0) + spent
        return Spending(
            labels_accepted=sum(d["status"] == "accepted" for d in labels),
            labels_rejected=dict(Counter(str(d["reason"]) for d in labels if d["status"] == "rejected")),
            wall_time_s=wall,
            atom_steps=float(sum((d["last_step"] - d["first_step"]) * d["n_atoms"] for d in segments)),
        )

    def _convergence(self) -> Convergence | None:
        study = self.documents.convergence()
        if study is None:
            return None
        self._cite("convergence", "convergence_studies", study.key, note=f"{study.n_labels} labels")
        return Convergence.of(study)

    def _bcc(self, name: str) -> Estimate | None:
        found = self.documents.part("electrode_order")
        if found is None or not isinstance(found.average, ElectrodeOrderResult):
            return None
        share: Estimate = getattr(found.average, name)
        return share

    def _thermodynamics(
        self, before: StructureView | None, environments: SeriesBand | None
    ) -> Thermodynamics | None:
        analysis = self.documents.thermodynamics()
        if analysis is None:
            return None
        self._cite(
            "thermodynamics", "thermodynamics", analysis.key, note="relaxed phases by the reference method"
        )
        return thermodynamics(analysis, self.spec, before, environments)

    def _interface(self, analysis: InterfaceAnalysisDoc | None) -> InterfaceResults | None:
        if analysis is None:
            return None
        runs: dict[str, dict[str, Result | Unavailable]] = {run: {} for run in analysis.trajectories}
        averages: dict[str, Result | Unavailable] = {}
        arrays = self.documents.arrays(analysis)
        for name in analysis.documents:
            found = self.documents.part(name)
            if found is None:
                continue
            self._cite(name, name, found.key, found.artifact.sha256 if found.artifact else "")
            for run, result in found.with_replicas(arrays).replicas.items():
                runs[run][name] = result
            if found.average is not None:
                averages[name] = found.average
        if analysis.references_key is not None:
            self._cite("reference runs of phases", "phase_references", analysis.references_key)
        return InterfaceResults(
            runs, averages, arrays, analysis.trajectories, analysis.analysis_settings.temperature_K
        )

    def _transport_grid(self) -> TransportGrid | None:
        found = self.documents.transport_grid()
        if found is None:
            return None
        self._cite("transport grid", "transport_grids", found.key, found.artifact.sha256)
        return TransportGrid(found.result, self.documents.arrays(found), found.notes)

    def _notes(self, dataset: DatasetDoc | None, interface: InterfaceAnalysisDoc | None) -> list[str]:
        notes = list(dataset.notes if dataset else []) + list(interface.notes if interface else [])
        notes += [note for segment in self.production for note in segment.notes]
        predicted = self.documents.thermodynamics()
        notes += list(predicted.notes) if predicted else []
        equilibration_ps = self.spec.production.equilibration_fs / 1000.0
        if self.production and equilibration_ps:
            notes.append(
                f"mean temperatures of production leave out the first {equilibration_ps:g} ps of every run, in which "
                "the interface sheds the heat of its first reactions"
            )
        failures = self.ledger.count("failures", self.own)
        if failures:
            notes.append(f"{failures} failures are on record: interphase query failures")
        return notes


def _reason(judged: Result | Unavailable | None, time_ps: float) -> str:
    """Return the reason of the verdict, interface by interface."""
    sentences = []
    if not isinstance(judged, VerdictResult) or judged.state == "undecided":
        sentences.append(
            f"{time_ps:.2g} ps of a cell of this size cannot decide whether the interphase continues to grow, "
            "passivates or consumes its electrode or electrolyte."
        )
    if isinstance(judged, Unavailable):
        sentences.append(f"{judged}.")
    if isinstance(judged, VerdictResult):
        sentences += [
            f"{side.capitalize()}: {each if isinstance(each, Unavailable) else each.reason}."
            for side, each in judged.sides.items()
        ]
    return " ".join(sentences)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
